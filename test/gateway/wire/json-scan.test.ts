import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placesOf, scanSpans } from '../../../src/gateway/wire/json-scan.ts';
import type { Span } from '../../../src/gateway/frame-types.ts';
import { anyText } from '../../fixtures/any-text.ts';

const at = (text: string, span: Span | undefined): unknown =>
  span === undefined
    ? undefined
    : JSON.parse(Buffer.from(text).subarray(span.start, span.end).toString());

const scan = (text: string): ReturnType<typeof scanSpans> => scanSpans(Buffer.from(text));

describe('the places that a relay may change', () => {
  it('are found in any message, however it is laid out', () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const message = fc.record({
      extra: fc.dictionary(fc.string(), json),
      id: fc.oneof(fc.integer(), fc.string()),
      name: anyText(),
      uri: fc.string(),
      args: json,
      ref: fc.string(),
      token: fc.oneof(fc.integer(), fc.string()),
      trace: fc.string({ maxLength: 200 }),
      indent: fc.constantFrom(0, 1, '\t', '  '),
    });
    fc.assert(
      fc.property(message, ({ extra, id, name, uri, args, ref, token, trace, indent }) => {
        const params = {
          ...extra,
          uri,
          _meta: { trace, progressToken: token },
          arguments: args,
          ref: { type: trace, name: ref },
          requestId: id,
          progressToken: token,
          name,
        };
        const text = JSON.stringify({ ...extra, params, result: { args }, id }, null, indent);
        const spans = scan(text);
        const found = JSON.parse(text) as { params: unknown };
        expect(spans.repeated).toBeUndefined();
        expect(at(text, spans.id)).toEqual(id);
        expect(at(text, spans.params)).toEqual(found.params);
        expect(at(text, spans.result)).toEqual(JSON.parse(JSON.stringify({ args })));
        expect(at(text, spans.meta)).toEqual({ trace, progressToken: token });
        expect(at(text, spans.metaProgressToken)).toEqual(token);
        expect(at(text, spans.name)).toEqual(name);
        expect(at(text, spans.uri)).toEqual(uri);
        expect(at(text, spans.refName)).toEqual(ref);
        expect(at(text, spans.arguments)).toEqual(JSON.parse(JSON.stringify(args)));
        expect(at(text, spans.requestId)).toEqual(id);
        expect(at(text, spans.progressToken)).toEqual(token);
      }),
    );
  });

  it('are found behind strings of any length that are full of escapes', () => {
    for (let length = 0; length < 200; length += 1) {
      const tail = ['', '\\', '"', '\\"', '"\\', 'é'][length % 6] ?? '';
      const text = JSON.stringify({ x: `${'a'.repeat(length)}${tail}`, id: length });
      expect(at(text, scan(text).id)).toBe(length);
      const dense = JSON.stringify({ x: '\\"'.repeat(length), id: length });
      expect(at(dense, scan(dense).id)).toBe(length);
    }
  });

  it('are known by their key whatever its spelling, and by nothing that looks like it', () => {
    const text = '{"\\u0069d":7,"idx":1,"i":2,"params":{"nam":1,"n\\u0061me":"x","names":3}}';
    const spans = scan(text);
    expect([at(text, spans.id), at(text, spans.name)]).toEqual([7, 'x']);
  });

  it('are known by a key that is escaped in its first or its last character', () => {
    const text = '{"i\\u0064":7,"params":{"\\u006eame":"x","uri\\u0000":1,"ur":2,"\\u0075ri":"u"}}';
    const spans = scan(text);
    expect([at(text, spans.id), at(text, spans.name), at(text, spans.uri)]).toEqual([7, 'x', 'u']);
  });

  it('are known by the longest key, and by none that is longer or empty', () => {
    const longest = 'io.modelcontextprotocol/clientCapabilities';
    const meta = { '': 1, [`${longest}s`]: 2, [longest.slice(1)]: 3, [longest]: { roots: {} } };
    const text = JSON.stringify({ id: 1, params: { _meta: meta } });
    expect(at(text, scan(text).clientCapabilities)).toEqual({ roots: {} });
  });

  it('are told apart from a key that comes twice, by its name', () => {
    expect(scan('{"id":1,"params":{"name":"a"},"id":2}').repeated).toBe('id');
    expect(scan('{"id":1,"params":{"name":"a","n\\u0061me":"b"}}').repeated).toBe('name');
    expect(scan('{"id":1,"params":{"other":"a","other":"b"}}').repeated).toBeUndefined();
  });

  it('are not looked for where no object is', () => {
    const spans = scan('{"id":1,"params":{"_meta":5,"ref":"name","arguments":[{"name":1}]}}');
    expect([spans.meta, spans.metaProgressToken, spans.refName, spans.name]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });
});

describe('the places of some keys of an object', () => {
  const KEYS = ['a', 'b', 'c'];

  it('are found however the object is laid out, and those of other keys are not', () => {
    const json = fc.jsonValue({ maxDepth: 2 });
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), fc.string()), json),
        fc.constantFrom(0, 1, '\t', ' '),
        fc.constantFrom('', ' ', '[{"a":1},'),
        (object, indent, before) => {
          const text = before + JSON.stringify(object, null, indent) + ', "a": 7}';
          const { places, repeated } = placesOf(Buffer.from(text), before.length, KEYS);
          const found = [...places].map(([key, span]) => [key, at(text, span)]);
          expect(repeated).toBeUndefined();
          const wanted = Object.entries(JSON.parse(JSON.stringify(object)) as object);
          expect(found).toEqual(wanted.filter(([key]) => KEYS.includes(key)));
        },
      ),
    );
  });

  it('may have blanks on both sides of what separates them', () => {
    const text = '{ "a" : 1 , "x" : { "b" : 2 } , "b" : "}" , "c" : [ ] }';
    const { places } = placesOf(Buffer.from(text), 0, KEYS);
    expect(KEYS.map((key) => at(text, places.get(key)))).toEqual([1, '}', []]);
  });

  it('tell of a key that comes twice, also where it is escaped or none of those', () => {
    const twice = (text: string): string | undefined =>
      placesOf(Buffer.from(text), 0, ['a']).repeated;
    expect(twice('{"a":1,"b":2}')).toBeUndefined();
    expect(twice('{"a":1,"\\u0061":2}')).toBe('a');
    expect(twice('{}')).toBeUndefined();
  });
});
