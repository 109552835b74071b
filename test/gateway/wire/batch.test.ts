/** JSON-RPC batches: how an array becomes messages, and their answers one array. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { parseIncoming, receiveBatch } from '../../../src/gateway/wire/batch.ts';
import type { RunningBatch } from '../../../src/gateway/wire/batch.ts';
import { OPERATOR, call, fakeSessions, ping } from '../support/fake-session.ts';
import type { FakeSession } from '../support/fake-session.ts';
import { upTo } from '../../long/extent.ts';

type Told = { readonly kind: 'interim' | 'final' | 'dropped'; readonly message?: unknown };

interface Arranged {
  readonly session: FakeSession;
  readonly told: Told[];
  readonly send: (message: unknown) => RunningBatch;
}

function arrange(): Arranged {
  const sessions = fakeSessions();
  sessions.open(OPERATOR, () => undefined);
  const session = sessions.last();
  const told: Told[] = [];
  const interim = (message: Buffer): void =>
    void told.push({ kind: 'interim', message: JSON.parse(message.toString()) });
  const respond = {
    interim,
    urgent: interim,
    final: (message: Buffer) =>
      void told.push({ kind: 'final', message: JSON.parse(message.toString()) }),
    dropped: () => void told.push({ kind: 'dropped' }),
  };
  return {
    session,
    told,
    send(message) {
      const text = typeof message === 'string' ? message : JSON.stringify(message);
      const incoming = parseIncoming(Buffer.from(text));
      if (incoming.kind !== 'batch') throw new Error('it is no batch');
      return receiveBatch(session, incoming.frames, respond);
    },
  };
}

const notification = { jsonrpc: '2.0', method: 'notifications/initialized' };

describe('a batch', () => {
  it('is answered by one array, in which notifications have no place', () => {
    const { told, send } = arrange();
    send([ping(1), notification, call('b', 'echo', { message: 'hi' })]);
    expect(told).toEqual([
      {
        kind: 'final',
        message: [
          { jsonrpc: '2.0', id: 1, result: {} },
          { jsonrpc: '2.0', id: 'b', result: { content: [{ type: 'text', text: 'hi' }] } },
        ],
      },
    ]);
  });

  it('is answered when its last request is, and progress comes before', () => {
    const { session, told, send } = arrange();
    const steps = call(2, 'steps');
    const params = { ...(steps['params'] as JsonObject), _meta: { progressToken: 't' } };
    send([call(1, 'hang'), { ...steps, params }]);
    expect(told.map(({ kind }) => kind)).toEqual(['interim', 'interim', 'interim']);
    session.release();
    expect(told.at(-1)).toMatchObject({ kind: 'final', message: [{ id: 2 }, { id: 1 }] });
    expect(told).toHaveLength(4);
  });

  it('without requests has no answer', () => {
    const { session, told, send } = arrange();
    send([notification, { jsonrpc: '2.0', id: 'q', result: {} }]);
    expect(told).toEqual([{ kind: 'dropped' }]);
    expect(session.seen.map(({ kind }) => kind)).toEqual(['notification', 'response']);
  });

  it('that nobody waits for any more is cancelled, and has no answer', () => {
    const { session, told, send } = arrange();
    const running = send([call(1, 'hang'), call(2, 'hang')]);
    running.cancel('gone');
    running.cancel('gone');
    expect(session.inFlight).toBe(0);
    expect(told).toEqual([{ kind: 'dropped' }]);
    expect(session.seen).toHaveLength(4);
  });

  it('answers each member that is no message by itself', () => {
    const { told, send } = arrange();
    send([1, ping(1), { jsonrpc: '1.0', id: 7 }, [ping(2)]]);
    expect(told).toMatchObject([
      {
        kind: 'final',
        message: [
          { id: null, error: { code: -32600 } },
          { id: 1, result: {} },
          { id: 7, error: { code: -32600 } },
          { id: null, error: { code: -32600 } },
        ],
      },
    ]);
  });

  it('may not hold initialize', () => {
    const { session, told, send } = arrange();
    send([{ jsonrpc: '2.0', id: 0, method: 'initialize', params: {} }]);
    const error = { code: -32600, message: expect.stringContaining('send it alone') };
    expect(told).toMatchObject([{ kind: 'final', message: [{ id: 0, error }] }]);
    expect(session.seen).toEqual([]);
  });

  it('gets an error for the answers that do not fit into one array any more', () => {
    const { told, send } = arrange();
    const bytes = 12 * 1024 * 1024;
    send([1, 2, 3].map((id) => call(id, 'big', { bytes })));
    const answers = told[0]?.message as JsonObject[];
    expect(answers.map((answer) => 'result' in answer)).toEqual([true, true, false]);
    expect(answers[2]).toMatchObject({
      id: 3,
      error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } },
    });
  });

  it.each([
    ['[]', -32600, /empty/],
    [' [ \n] ', -32600, /empty/],
    [JSON.stringify(Array.from({ length: 101 }, (_, id) => ping(id))), -32600, /over 100/],
    ['['.repeat(100_000), -32700, /not JSON/],
    ['[1,]', -32700, /not JSON/],
    ['[,1]', -32700, /not JSON/],
    ['[1}', -32700, /not JSON/],
    ['[1]]', -32700, /not JSON/],
    ['[1] 2', -32700, /not JSON/],
    ['["a]', -32700, /not JSON/],
    ['[{]}', -32700, /not JSON/],
    ['["\\', -32700, /not JSON/],
  ])('like %.20s is refused whole', (text, rpc, says) => {
    expect(() => parseIncoming(Buffer.from(text))).toThrow(
      expect.objectContaining({
        code: 'STARLING_PROTOCOL_VIOLATION',
        message: expect.stringMatching(says),
        data: { rpc },
      }),
    );
  });

  it('of more than 100 messages is refused, before they are taken apart', () => {
    const many = JSON.stringify(Array.from({ length: 101 }, (_, id) => ping(id)));
    expect(() => parseIncoming(Buffer.from(many))).toThrow(/over 100 messages/);
  });

  it('is one only with brackets around: anything else is one message', () => {
    expect(parseIncoming(Buffer.from(` ${JSON.stringify(ping(1))}`))).toMatchObject({
      kind: 'request',
      id: 1,
    });
    expect(() => parseIncoming(Buffer.from('7'))).toThrow(/object/);
  });

  it('of 100 messages is taken', () => {
    const { told, send } = arrange();
    send(Array.from({ length: 100 }, (_, id) => ping(id)));
    expect(told[0]?.message).toHaveLength(100);
  });

  it('hands on the bytes of each message as they came', () => {
    const { session, send } = arrange();
    const odd = '{"jsonrpc":"2.0", "id":9007199254740993.0e0,"x":"],[\\"","method":"a"}';
    const other = '{"method":"\\u005b","jsonrpc":"2.0","big":123456789012345678901234567890}';
    send(`[\n ${other} ,${other}]`);
    expect(session.seen.map(({ bytes }) => bytes.toString().trim())).toEqual([other, other]);
    expect(() => send(`[${odd}]`)).not.toThrow();
  });

  it('is taken exactly where JSON.parse takes it', () => {
    const soup = fc
      .array(fc.constantFrom(...Array.from('{}[]:,"\\ \n1'), '"a"', '{"a":[1]}', 'true'), {
        maxLength: 12,
      })
      .map((parts) => `[${parts.join('')}`);
    const whole = fc.array(fc.jsonValue(), { maxLength: 5 }).map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.oneof(soup, whole), (text) => {
        expect(outcome(text)).toEqual(expected(text));
      }),
      { seed: 3, numRuns: upTo(500, 10_000) },
    );
  });
});

/** How many members there are, or the error's code. */
function outcome(text: string): number {
  try {
    const incoming = parseIncoming(Buffer.from(text));
    return incoming.kind === 'batch' ? incoming.frames.length : -1;
  } catch (error) {
    return (error as { data: { rpc: number } }).data.rpc;
  }
}

function expected(text: string): number {
  try {
    return (JSON.parse(text) as unknown[]).length || -32600;
  } catch {
    return -32700;
  }
}
