/** Calls with keys beside theirs that some reader takes for theirs: generated from a seed. */
import fc from 'fast-check';

/** What may be called, and what may not. */
export interface Wanted {
  readonly tool: string;
  readonly uri: string;
  readonly evilTool: string;
  readonly evilUri: string;
}

/** Ways to write a character that some reader does not tell apart. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  s: ['S', 'ſ', 'ｓ', '\\u017f', '\\u0073'],
  k: ['K', '\u212a', '\\u212A'],
  i: ['I', 'ı', 'İ', 'ｉ'],
  a: ['A', 'ａ', 'á', '\\u0061', '\\u0041'],
  e: ['E', 'ｅ', '\\u0065'],
  m: ['M', 'ｍ', '\\u004D'],
  n: ['N', 'ｎ', '\\u006e'],
  r: ['R', 'Ｒ'],
  u: ['U', 'ｕ'],
  _: ['-', '', '＿'],
};
const BETWEEN = ['', '_', '-', '\u200b', '\u00ad', '\ufeff', ' ', '\\u0000', '\u0301'];
const BEHIND = ['', '', '', '\\u0000', '\\u0000x', ' ', '\u200d'];

/** `key` as it stands in a JSON text, written so that some reader takes it for `key`. */
function spelling(key: string): fc.Arbitrary<string> {
  const letters = Array.from(key).map((letter) =>
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(letter) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(letter.toUpperCase(), ...(VARIANTS[letter] ?? [])),
        },
      ),
      fc.oneof({ weight: 12, arbitrary: fc.constant('') }, fc.constantFrom(...BETWEEN)),
    ),
  );
  return fc
    .tuple(fc.tuple(...letters), fc.constantFrom(...BEHIND))
    .map(([parts, end]) => `"${parts.flat().join('')}${end}"`);
}

/** One member of an object, as text. */
const member = (key: string, value: unknown): fc.Arbitrary<string> =>
  spelling(key).map((text) => `${text}:${JSON.stringify(value)}`);

/** `members` in an order of their own. */
function inObject(...members: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> {
  const all = members.map((one) => (typeof one === 'string' ? fc.constant(one) : one));
  return fc
    .tuple(fc.tuple(...all), fc.array(fc.nat(), { minLength: all.length, maxLength: all.length }))
    .map(([texts, order]) => {
      const sorted = texts
        .map((text, index) => ({ text, at: order[index] ?? 0 }))
        .toSorted((one, other) => one.at - other.at);
      return `{${sorted.map(({ text }) => text).join(',')}}`;
    });
}

/** One hostile message; its `id` is unlike every other's. */
export function misspelt({ tool, uri, evilTool, evilUri }: Wanted): fc.Arbitrary<string> {
  const bare = evilTool.split('__').at(-1) ?? evilTool;
  const evilNames = [evilTool, bare];
  const top = (method: string, params: fc.Arbitrary<string>, ...more: fc.Arbitrary<string>[]) =>
    fc.nat({ max: 1e9 }).chain((id) =>
      inObject(
        '"jsonrpc":"2.0"',
        `"id":${id}`,
        `"method":"${method}"`,
        params.map((text) => `"params":${text}`),
        ...more,
      ),
    );
  const own = [`"name":${JSON.stringify(tool)}`, '"arguments":{"a":1}'];
  const evilParams = fc.constantFrom(...evilNames).map((name) => ({ name, arguments: {} }));
  return fc.oneof(
    ...evilNames.map((name) => top('tools/call', inObject(...own, member('name', name)))),
    top('tools/call', inObject(own[0] ?? '', member('arguments', { drop: true }))),
    top('resources/read', inObject(`"uri":"${uri}"`, member('uri', evilUri))),
    evilParams.chain((params) => top('tools/call', inObject(...own), member('params', params))),
    // A method that is harmless by our reading.
    evilParams.chain((params) =>
      top('ping', fc.constant(JSON.stringify(params)), member('method', 'tools/call')),
    ),
    // The same without the key that is read here, and a method in other letters.
    evilParams.chain((params) => {
      const misread = spelling('tools/call').map((text) => `"method":${text}`);
      return fc
        .tuple(misread, fc.nat({ max: 1e9 }))
        .map(
          ([text, id]) => `{"jsonrpc":"2.0","id":${id},${text},"params":${JSON.stringify(params)}}`,
        );
    }),
    top('resources/read', inObject(member('uri', evilUri))),
    top('tools/call', inObject(member('name', bare), '"arguments":{}')),
  );
}
