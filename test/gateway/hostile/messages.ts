/**
 * Random messages, from well-formed to noise, and what a gateway owes for each of them by JSON-RPC 2.0
 * and MCP. The model here is written anew from the specifications: it
 * shares no code with the gateway, apart from the list of the methods that are asked.
 */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { METHODS } from '../../../src/gateway/wire/envelope.ts';

/** `limits.messageBytes` of the gateway under test. */
export const MESSAGE_BYTES = 32 * 1024;

/** What answers a batch of messages may have. */
export interface Owed {
  /** By id as JSON: answers that must come, and that may. */
  readonly ids: Map<string, { least: number; most: number }>;
  /** Errors without an id that may come. */
  nulls: number;
}

const CALLED = [...METHODS, 'constructor', '__proto__', 'toString', ''];
const TOOLS = ['up__echo', 'up__slow', 'up__ask', 'up__big', 'starling__status', 'echo', 'up__no'];
const DEEP = '@deep@';
const PREFIX = 'io.modelcontextprotocol/';

const id = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 2, arbitrary: fc.constantFrom('0', '1', 'a', '', '__proto__', 'x'.repeat(300)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(-1, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53, 1e21, 0.5),
  },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(null, true, {}, [], [0]) },
);
const odd = fc.constantFrom<unknown>(
  null,
  0,
  -1,
  true,
  '',
  'x',
  [],
  {},
  [[]],
  { toString: 1 },
  DEEP,
  '\ud800',
  '\u0000\r\n',
  '../../etc/passwd',
);
const proto = fc.constantFrom<unknown>(
  JSON.parse('{"__proto__":{"polluted":true}}'),
  JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'),
);
const value = fc.oneof(odd, proto);

/** Either what belongs there, or something else. */
const or = (...right: unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: value });

const modern = {
  [`${PREFIX}protocolVersion`]: or('2026-07-28', '2099-01-01', '2025-11-25'),
  [`${PREFIX}clientCapabilities`]: or({}, { sampling: {} }, { elicitation: {}, roots: {} }),
  [`${PREFIX}clientInfo`]: or({ name: 'h', version: '1' }),
  [`${PREFIX}logLevel`]: or('debug', 'error', 'loud'),
  [`${PREFIX}subscriptionId`]: or(0, 1, 2),
};
const meta = fc.oneof(
  { weight: 3, arbitrary: fc.record({ progressToken: or(0, 1, 2, 3, '0') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      'starling/token': or('wrong'),
      'starling/tools': or('search', 'all'),
      'starling/server': or('up', 'starling'),
      'starling/grants': or(['a.b.c']),
      more: value,
    }),
  },
  { weight: 2, arbitrary: fc.record(modern, { requiredKeys: [] }) },
  { weight: 1, arbitrary: value },
);
const args = fc.record(
  {
    message: fc.constant('hostile'),
    ms: or(0, 5, 50),
    size: or(0, 100, 60_000),
    name: or(...TOOLS),
    arguments: or({ message: 'hostile' }),
    more: value,
  },
  { requiredKeys: ['message'] },
);
const params = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        name: or(...TOOLS, 'up__p', 'call_tool'),
        arguments: fc.oneof({ weight: 5, arbitrary: args }, { weight: 1, arbitrary: value }),
        _meta: meta,
        uri: or('test://a', 'test://b', 'file:///etc/passwd', 'x'.repeat(3000)),
        ref: or({ type: 'ref/prompt', name: 'up__p' }, { type: 'ref/resource', uri: 'test://a' }),
        cursor: or('0', '1', '999999', 'x'),
        level: or('debug', 'emergency', 'loud'),
        requestId: id,
        progressToken: id,
        progress: or(1, 1e308),
        protocolVersion: or('2025-11-25', '2024-11-05', '1'),
        capabilities: or({}, { sampling: {} }),
        clientInfo: or({ name: 'h', version: '1' }),
        notifications: or(
          { toolsListChanged: true },
          { resourceSubscriptions: ['test://a', 'test://c'] },
        ),
        requestState: or('x'),
        inputResponses: or({ a: { action: 'accept' } }),
        grants: or(['a.b.c'], [1]),
        more: value,
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const version = fc.oneof(
  { weight: 30, arbitrary: fc.constant('2.0') },
  { weight: 1, arbitrary: fc.constantFrom<unknown>('1.0', 2, null, undefined) },
);
const method = fc.oneof(
  { weight: 4, arbitrary: fc.constant('tools/call') },
  { weight: 8, arbitrary: fc.constantFrom(...CALLED) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(1, null, {}, 'x'.repeat(2000)) },
);
const request = fc.record({ jsonrpc: version, id, method, params });
const notification = fc.record({ jsonrpc: version, method, params });
const response = fc.record(
  {
    jsonrpc: version,
    id,
    result: or({}, { content: [] }),
    error: or({ code: -1, message: 'no' }, { code: 'x' }),
  },
  { requiredKeys: ['jsonrpc'] },
);
const single = fc.oneof(
  { weight: 12, arbitrary: request },
  { weight: 3, arbitrary: notification },
  { weight: 2, arbitrary: response },
  { weight: 1, arbitrary: value },
);

const whole = fc
  .tuple(
    fc.oneof(
      { weight: 14, arbitrary: single },
      { weight: 1, arbitrary: fc.array(single, { maxLength: 5 }) },
      { weight: 1, arbitrary: fc.array(single, { minLength: 101, maxLength: 103 }) },
    ),
    fc.constantFrom(10, 3000, 15_000),
  )
  .map(([message, depth]) => {
    const nested = '['.repeat(depth) + ']'.repeat(depth);
    return (JSON.stringify(message) ?? 'null').replaceAll(`"${DEEP}"`, nested);
  });

/** One message, as bytes without a line end among them. */
export const message: fc.Arbitrary<Buffer> = fc
  .tuple(whole, fc.nat({ max: 60 }), fc.nat({ max: 1000 }))
  .map(([text, spoil, at]) => {
    const bytes = Buffer.from(text);
    const place = at % (bytes.length + 1);
    switch (spoil) {
      case 0:
        return bytes.subarray(0, place);
      case 1:
        return Buffer.concat([
          bytes.subarray(0, place),
          Buffer.from([0xff]),
          bytes.subarray(place),
        ]);
      case 2:
        return Buffer.from(text.replace('{', '{"id":0,'));
      case 3:
        return Buffer.from(text.replace('"params":{', '"params":{"name":"up__echo",'));
      case 4:
        return Buffer.concat([bytes, Buffer.from(' '.repeat(MESSAGE_BYTES))]);
      case 5:
        return Buffer.concat([bytes, bytes]);
      case 6:
        return Buffer.from(` \t${text}\r`);
      case 7:
        return Buffer.from([0x80, 0xfe, 0x00]);
      default:
        return bytes;
    }
  })
  .filter((bytes) => bytes.length > 0 && !bytes.includes(0x0a));

/** True for what the gateway is to refuse for its size. */
export function isOversize(bytes: Buffer): boolean {
  return bytes.length > MESSAGE_BYTES;
}

/** What is owed for `messages`, sent in one session. */
export function owedFor(messages: readonly Buffer[]): Owed {
  const owed: Owed = { ids: new Map(), nulls: 0 };
  for (const bytes of messages) {
    const given = parse(bytes);
    const parsed = isOversize(bytes) ? undefined : given;
    if (parsed === undefined) {
      owed.nulls += 1;
      // What is too long is refused with its id, where its ends show one.
      const entry = isObject(given) ? entryOf(owed, given['id']) : undefined;
      if (entry !== undefined) entry.most += 1;
      if (given === undefined) for (const one of entriesIn(owed, bytes)) one.most += 1;
    } else if (Array.isArray(parsed)) {
      // Over a hundred in one batch are refused together.
      owed.nulls += 1;
      const isRun = parsed.length <= 100;
      for (const member of parsed) owe(owed, member, isRun);
    } else owe(owed, parsed, true);
  }
  return owed;
}

/** What is no JSON is refused with its id where its ends show one: any that is written there may be the one. */
function entriesIn(owed: Owed, bytes: Buffer): readonly { most: number }[] {
  const text = bytes.toString('utf8');
  if (!text.includes('"method"')) return [];
  const written = text.matchAll(/"id"\s*:\s*("[^"\\]*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g);
  return [...written].flatMap(([, id = '']) => {
    const entry = entryOf(owed, parse(Buffer.from(id)));
    return entry === undefined ? [] : [entry];
  });
}

function owe(owed: Owed, given: unknown, isRun: boolean): void {
  owed.nulls += 1;
  if (!isObject(given)) return;
  if (given['method'] === 'notifications/cancelled' && isObject(given['params'])) {
    const entry = entryOf(owed, given['params']['requestId']);
    if (entry !== undefined) entry.least = Number.NEGATIVE_INFINITY;
  }
  const entry = entryOf(owed, given['id']);
  if (entry === undefined) return;
  entry.most += 1;
  // One that listens for changes is answered when it ends.
  if (isRun && isRequest(given) && given['method'] !== 'subscriptions/listen') entry.least += 1;
}

/** True for a request that must be answered with its id. */
export function isRequest(given: unknown): given is Record<string, unknown> {
  if (!isObject(given)) return false;
  const { jsonrpc, method: name, params: own } = given;
  const isSound = jsonrpc === '2.0' && typeof name === 'string' && isId(given['id']);
  const isNothing = own === undefined || own === null || (Array.isArray(own) && own.length === 0);
  return isSound && (isNothing || isObject(own));
}

/** The value of `bytes`; undefined when they are no JSON. */
export function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function entryOf(owed: Owed, given: unknown): { least: number; most: number } | undefined {
  if (!isId(given)) return undefined;
  const key = JSON.stringify(given);
  const entry = owed.ids.get(key) ?? { least: 0, most: 0 };
  owed.ids.set(key, entry);
  return entry;
}

function isId(given: unknown): given is string | number {
  return typeof given === 'string' || typeof given === 'number';
}

/** True for a JSON object. */
export function isObject(given: unknown): given is Record<string, unknown> {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}
