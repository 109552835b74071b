/** Sampling by the node, as a session does it: a server that is hostile, and one that is slow. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { SampleRequest, SamplingFace } from '../../../src/gateway/inner-types.ts';
import { call, benchOf, start } from '../support/session-bench.ts';
import type { SessionBench } from '../support/session-bench.ts';

/** A model that answers when the test says so. */
interface Model extends SamplingFace {
  readonly asked: SampleRequest[];
  allowed: boolean;
  say(result: JsonObject | Error): Promise<void>;
}

function modelOf(): Model {
  const waiting: ((result: JsonObject | Error) => void)[] = [];
  const model: Model = {
    asked: [],
    allowed: true,
    isAllowed: () => model.allowed,
    answer: (asked) =>
      new Promise((resolve, reject) => {
        model.asked.push(asked);
        const abort = (): void => reject(new StarlingError('STARLING_STOPPED', 'over'));
        asked.signal.addEventListener('abort', abort);
        waiting.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
      }),
    async say(result) {
      waiting.shift()?.(result);
      await settled();
    },
  };
  return model;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function arranged(principal?: Parameters<typeof benchOf>[0]): {
  bench: SessionBench;
  model: Model;
} {
  const model = modelOf();
  const bench = benchOf({ sampling: model, ...principal });
  bench.ask(start());
  return { bench, model };
}

const question = (id: string): object => ({ id, method: 'sampling/createMessage', params: { id } });
const result = { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' };
const last = (bench: SessionBench): unknown => bench.sent.at(-1);

describe('a server that asks', () => {
  it('is told what the model says, by its id, and the client hears nothing of that', async () => {
    const { bench, model } = arranged();
    const heard = bench.ask(call(1));
    bench.answer(question('q'));
    await model.say(result);
    expect(last(bench)).toEqual({ jsonrpc: '2.0', id: 'q', result });
    expect(heard).toEqual([]);
    expect(model.asked[0]).toMatchObject({
      target: { server: 'x' },
      params: { id: 'q' },
      principal: { kind: 'operator' },
      resource: 'tool:x/y',
    });
  });

  it('after its call has ended is refused, and what it asked before is given up', async () => {
    const { bench, model } = arranged();
    bench.ask(call(1));
    bench.answer(question('early'));
    bench.answer({ id: bench.sent[0]?.['id'], result: {} });
    await settled();
    expect(model.asked[0]?.signal.aborted).toBe(true);
    bench.answer(question('late'));
    expect(last(bench)).toMatchObject({ id: 'late', error: { code: -1 } });
    expect(model.asked).toHaveLength(1);
  });

  it('before any call is refused', async () => {
    const { bench, model } = arranged();
    bench.ask(call(1));
    bench.answer({ id: bench.sent[0]?.['id'], result: {} });
    bench.answer(question('q'));
    expect(last(bench)).toMatchObject({ id: 'q', error: { code: -1 } });
    expect(model.asked).toEqual([]);
    expect(bench.pushed).toEqual([]);
  });

  it('while its only call waits for a person is refused: it works for nobody then', async () => {
    const { bench, model } = arranged();
    // Its channel is open.
    bench.ask(call(1));
    bench.answer({ id: bench.sent[0]?.['id'], result: {} });
    let approve: () => void = () => undefined;
    bench.clear = () =>
      new Promise((resolve) => {
        approve = () => resolve({ over: () => undefined });
      });
    bench.ask(call(2));
    bench.answer(question('early'));
    expect(last(bench)).toMatchObject({ id: 'early', error: { code: -1 } });
    approve();
    await settled();
    bench.answer(question('now'));
    expect(model.asked.map(({ params }) => params)).toEqual([{ id: 'now' }]);
  });

  it('a thousand times at once is answered eight times', async () => {
    const { bench, model } = arranged();
    bench.ask(call(1));
    for (let at = 0; at < 1000; at += 1) bench.answer(question(`q${at}`));
    await settled();
    expect(model.asked).toHaveLength(8);
    expect(bench.sent.filter(({ error }) => error !== undefined)).toHaveLength(992);
  });

  it('takes its question back, and nobody pays on', async () => {
    const { bench, model } = arranged();
    bench.ask(call(1));
    bench.answer(question('q'));
    bench.answer({ method: 'notifications/cancelled', params: { requestId: 'q' } });
    expect(model.asked[0]?.signal.aborted).toBe(true);
  });

  it('learns the code of a failure, and not what it says of rights and budgets', async () => {
    const { bench, model } = arranged();
    bench.ask(call(1));
    bench.answer(question('q'));
    await model.say(new StarlingError('STARLING_BUDGET_EXHAUSTED', 'budget secret-plan is spent'));
    expect(last(bench)).toMatchObject({ id: 'q' });
    expect(JSON.stringify(last(bench))).toContain('STARLING_BUDGET_EXHAUSTED');
    expect(JSON.stringify(last(bench))).not.toContain('secret-plan');
  });

  it('is not answered here where the caller is a peer, whose own node does that', async () => {
    const peerId = '12D3KooWAAAA' as never;
    const did = 'did:key:z6MkA' as never;
    const { bench, model } = arranged({ principal: { kind: 'peer', peerId, did, alias: 'box' } });
    const heard = bench.ask(call(1));
    bench.answer(question('q'));
    expect(model.asked).toEqual([]);
    expect(heard).toMatchObject([{ method: 'sampling/createMessage' }]);
  });

  it('goes to its client again once the operator allows it no more', async () => {
    const { bench, model } = arranged();
    const heard = bench.ask(call(1));
    model.allowed = false;
    bench.answer(question('q'));
    expect(model.asked).toEqual([]);
    expect(heard).toMatchObject([{ method: 'sampling/createMessage' }]);
  });
});
