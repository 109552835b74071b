import { describe, expect, it } from 'vitest';
import { readMethodBatch, receiveMethodBatch } from '../../../src/gateway/wire/method-batch.ts';
import { errorBytes, resultBytes } from '../../../src/gateway/wire/frame.ts';
import type { Frame } from '../../../src/gateway/types.ts';
import type { Receiver, Reply } from '../../../src/gateway/wire/reply.ts';

/** Answers each call with its params, and `fail` with an error. */
const echoing: Receiver = {
  receive(frame: Frame, reply: Reply) {
    if (frame.kind !== 'request') return;
    if (frame.method === 'fail') reply.final(errorBytes(frame.id, { code: -5, message: 'no' }));
    else if (frame.method === 'gone') reply.dropped();
    else reply.final(resultBytes(frame.id, { got: frame.params }));
  },
};

function answerTo(text: string, receiver: Receiver = echoing): unknown {
  const batch = readMethodBatch(Buffer.from(text));
  if (batch === undefined) return undefined;
  let answer: unknown;
  const ignore = (): void => undefined;
  receiveMethodBatch(receiver, batch, {
    interim: ignore,
    urgent: ignore,
    dropped: ignore,
    final: (message) => {
      answer = JSON.parse(message.toString());
    },
  });
  return answer;
}

describe('the method batch of VisionFlow', () => {
  it('is answered by a list of results and errors, in the order of its calls', () => {
    const params = [
      { method: 'tools/call', params: { name: 'agent_status', arguments: { agentId: 'a' } } },
      { method: 'fail' },
      { method: 'gone' },
      { method: 'tools/list', params: null },
    ];
    const text = JSON.stringify({ jsonrpc: '2.0', id: 11, method: 'batch', params });
    expect(answerTo(text)).toMatchObject({
      jsonrpc: '2.0',
      id: 11,
      result: [
        { result: { got: params[0]?.params } },
        { error: { code: -5, message: 'no' } },
        { error: { data: { code: 'STARLING_STOPPED' } } },
        { result: { got: {} } },
      ],
    });
  });

  it('judges each call like a request of its own', () => {
    const calls = [
      '{"method":"tools/call","params":{"name":"a","Name":"b"}}',
      '{"method":"x","method":"y"}',
      '{"method":"initialize"}',
      '{"method":7}',
      '7',
      '{"method":"ok","Params":{"name":"b"}}',
    ];
    const text = `{"jsonrpc":"2.0","id":1e3,"method":"batch","params":[${calls.join(',')}]}`;
    const { result } = answerTo(text) as { result: Record<string, unknown>[] };
    expect(result.map((one) => Object.keys(one))).toEqual([
      ...Array.from({ length: 5 }, () => ['error']),
      ['result'],
    ]);
    expect(result.at(-1)).toEqual({ result: { got: {} } });
  });

  it('is no batch with other params, or in another message', () => {
    for (const params of ['{}', '[]', 'null', '"batch"']) {
      expect(answerTo(`{"jsonrpc":"2.0","id":1,"method":"batch","params":${params}}`)).toBe(
        undefined,
      );
    }
    expect(answerTo('{"jsonrpc":"2.0","id":1,"method":"x","params":["batch"]}')).toBe(undefined);
    expect(answerTo('{"batch"')).toBe(undefined);
  });

  it('with too many calls, or an envelope of two meanings, is refused as a whole', () => {
    const calls = Array.from({ length: 101 }, () => ({ method: 'ping' }));
    const many = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'batch', params: calls });
    expect(() => answerTo(many)).toThrow(/100/);
    const twin = '{"jsonrpc":"2.0","id":1,"ID":2,"method":"batch","params":[{"method":"x"}]}';
    expect(() => answerTo(twin)).toThrow(/could be read as "id"/);
  });
});
