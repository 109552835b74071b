import { describe, expect, it } from 'vitest';
import { createSessionDecoder } from '../../../src/gateway/transports/message-session.ts';
import { readMethodBatch, receiveMethodBatch } from '../../../src/gateway/wire/method-batch.ts';
import { errorBytes, resultBytes } from '../../../src/gateway/wire/frame.ts';
import type { Frame } from '../../../src/gateway/frame-types.ts';
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
      '{"method":"tools/call","Method":"x","params":{"name":"b"}}',
      '{"method":"ok","extra":{"name":"b"}}',
    ];
    const text = `{"jsonrpc":"2.0","id":1e3,"method":"batch","params":[${calls.join(',')}]}`;
    const { result } = answerTo(text) as { result: Record<string, unknown>[] };
    expect(result.map((one) => Object.keys(one))).toEqual([
      ...Array.from({ length: 7 }, () => ['error']),
      ['result'],
    ]);
    expect(result.at(-1)).toEqual({ result: { got: {} } });
  });

  it('of no calls has no answers', () => {
    const text = '{"jsonrpc":"2.0","id":3,"method":"batch","params":[]}';
    expect(answerTo(text)).toEqual({ jsonrpc: '2.0', id: 3, result: [] });
  });

  it.each([
    ['{}', -32_602],
    ['null', -32_602],
    ['"batch"', -32_600],
    [`[${'{"method":"ping"},'.repeat(100)}{"method":"ping"}]`, -32_600],
  ])('with other params is refused under its id', (params, rpc) => {
    const text = `{"jsonrpc":"2.0","id":"mine","method":"batch","params":${params}}`;
    expect(() => answerTo(text)).toThrowError(
      expect.objectContaining({ data: expect.objectContaining({ rpc, id: 'mine' }) as unknown }),
    );
  });

  it('is no batch in another message', () => {
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

describe('a batch that is cancelled', () => {
  interface Session {
    /** What was answered, as it was written. */
    readonly said: unknown[];
    /** Calls that wait, by what tells them apart. */
    readonly waiting: Map<unknown, Reply>;
    readonly send: (...messages: readonly object[]) => void;
  }

  /** A session whose calls of `hang` wait until they are given up. */
  function session(): Session {
    const said: unknown[] = [];
    const waiting = new Map<unknown, Reply>();
    const receiver: Receiver = {
      receive(frame, reply, key) {
        if (frame.kind === 'notification') waiting.get(frame.params['requestId'])?.dropped();
        if (frame.kind !== 'request') return;
        if (frame.method === 'hang') waiting.set(key ?? frame.id, reply);
        else reply.final(resultBytes(frame.id, {}));
      },
      abandon(key) {
        waiting.get(key)?.dropped();
        waiting.delete(key);
      },
    };
    const say = (message: Buffer): boolean => said.push(JSON.parse(message.toString())) > 0;
    const decoder = createSessionDecoder(
      receiver,
      { line: say, urgent: (message) => void say(message) },
      { messageBytes: 10_000, takesOtherForms: true },
    );
    return {
      said,
      waiting,
      send(...messages) {
        for (const one of messages)
          decoder.push(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...one })}\n`));
      },
    };
  }

  const hang = { method: 'hang' };
  const cancel = (requestId: number): object => ({
    method: 'notifications/cancelled',
    params: { requestId },
  });

  it('ends all its calls and no other one, and has no answer', () => {
    const { said, send, waiting } = session();
    // Within the batch the first call has the number 0, too.
    send({ id: 0, method: 'hang' });
    send({ id: 11, method: 'batch', params: [hang, { method: 'ping' }, hang] });
    expect(waiting.size).toBe(3);
    send(cancel(11));
    expect([...waiting.keys()]).toEqual([0]);
    expect(said).toEqual([]);
    send({ id: 11, method: 'batch', params: [{ method: 'ping' }] });
    expect(said).toEqual([{ jsonrpc: '2.0', id: 11, result: [{ result: {} }] }]);
  });

  it('is one that is under way: its id is not taken twice, and one that is over is not cancelled', () => {
    const { said, send, waiting } = session();
    send({ id: 11, method: 'batch', params: [hang] }, { id: 11, method: 'batch', params: [hang] });
    expect(said).toMatchObject([
      { id: 11, error: { message: expect.stringContaining('under way') } },
    ]);
    send(cancel(11), cancel(11), { id: 12, method: 'hang' }, cancel(12));
    expect(said).toHaveLength(1);
    expect([...waiting.keys()]).toEqual([12]);
  });
});
