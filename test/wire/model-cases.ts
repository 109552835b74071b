/** What is said on `/starling/models/1`: a case for each frame. */
import { StarlingError } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import {
  FRAME,
  dataFrame,
  errorIn,
  errorJson,
  headersIn,
  jsonFrame,
  jsonIn,
  readAsk,
  usageIn,
  usageJson,
} from '../../src/models/mesh/frames.ts';
import type { WireCase } from './world.ts';

const ASK = {
  op: 'ask',
  form: 'chat',
  model: 'gpu/qwen',
  headers: { 'anthropic-version': '2023-06-01' },
  grants: ['first.grant.sig'],
  behalf: 'certificate.of.caller',
} as const;
const LIST = { op: 'list', grants: ['first.grant.sig'] } as const;
const HEAD = { isStream: true, headers: { 'starling-ignored': 'seed' } };
const USAGE = { input: 11, output: 5, cachedInput: 2 };
const BUSY = new StarlingError('STARLING_RATE_LIMITED', 'provider gpu takes no more', {
  hint: 'wait 7000 ms',
  data: { retryAfterMs: 7000 },
});

const frame = (
  title: string,
  write: () => Buffer,
  read: (bytes: Uint8Array) => unknown,
  value: unknown,
): WireCase => ({ file: 'models', title, kind: 'text', write, read, value });

const afterByte = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(1)).toString();
const told = (bytes: Uint8Array): JsonObject => {
  const { code, message, hint, data } = errorIn('box', jsonIn(bytes));
  return { code, message, hint: hint ?? null, wait: Number(data['retryAfterMs']) };
};

/** The cases, in the order of the fixture. */
export const MODEL_CASES: readonly WireCase[] = [
  frame('a request for a model', () => jsonFrame(FRAME.ask, ASK), readAsk, ASK),
  frame(
    'its body, as the caller sent it',
    () => dataFrame(FRAME.body, Buffer.from('{"model":"gpu/qwen","stream":true}')),
    afterByte,
    '{"model":"gpu/qwen","stream":true}',
  ),
  frame('which models are there?', () => jsonFrame(FRAME.ask, LIST), readAsk, {
    ...LIST,
    behalf: undefined,
  }),
  frame(
    'the answer has begun',
    () => jsonFrame(FRAME.head, HEAD),
    (bytes) => headersIn(jsonIn(bytes)['headers']),
    HEAD.headers,
  ),
  frame(
    'bytes of it',
    () => dataFrame(FRAME.data, Buffer.from('data: {}\n\n')),
    afterByte,
    'data: {}\n\n',
  ),
  frame('it goes on', () => dataFrame(FRAME.alive, Buffer.alloc(0)), afterByte, ''),
  frame(
    'it is whole',
    () => jsonFrame(FRAME.end, { usage: usageJson(USAGE) }),
    (bytes) => usageIn(jsonIn(bytes)['usage']),
    USAGE,
  ),
  frame(
    'these models are there',
    () => jsonFrame(FRAME.end, { models: ['gpu/qwen'] }),
    (bytes) => jsonIn(bytes)['models'],
    ['gpu/qwen'],
  ),
  frame('it has failed', () => jsonFrame(FRAME.error, errorJson(BUSY)), told, {
    code: 'STARLING_RATE_LIMITED',
    message: 'peer box: provider gpu takes no more',
    hint: 'wait 7000 ms',
    wait: 7000,
  }),
];
