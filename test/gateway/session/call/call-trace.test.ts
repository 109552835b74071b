/** What a node tells of a call whose caller wants to know where the time went. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../../src/core/index.ts';
import { call, openBench } from '../../support/session-bench.ts';
import type { SessionBench, Message } from '../../support/session-bench.ts';

const lastId = (bench: SessionBench): unknown => bench.sent.at(-1)?.['id'];
const traced = (token?: string): object =>
  call(1, 'tool', {
    _meta: { 'starling/trace': true, ...(token === undefined ? {} : { progressToken: token }) },
  });
const stepsIn = (message: Message | undefined): unknown =>
  (message?.['params'] as { readonly _meta?: Record<string, unknown> })?._meta?.['starling/trace'];

describe('a traced call', () => {
  it('is told of right before its answer: when it was cleared, sent on, and answered', () => {
    const bench = openBench();
    const heard = bench.ask(traced('mine'));
    bench.answer({ id: lastId(bench), result: { ok: true } });
    expect(heard).toMatchObject([
      { method: 'notifications/progress', params: { progressToken: 'mine', progress: -1 } },
      { id: 1, result: { ok: true } },
    ]);
    const steps = stepsIn(heard[0]) as Record<'clearedMs' | 'sentMs' | 'totalMs', number>;
    expect(steps).toMatchObject({ node: 'bench', server: 'x' });
    expect(steps.clearedMs).toBeGreaterThanOrEqual(0);
    expect(steps.sentMs).toBeGreaterThanOrEqual(steps.clearedMs);
    expect(steps.totalMs).toBeGreaterThanOrEqual(steps.sentMs);
    // The next node on the way is asked the same.
    expect(bench.sent.at(-1)).toMatchObject({ params: { _meta: { 'starling/trace': true } } });
  });

  it('hands on what the next node tells', () => {
    const bench = openBench();
    const heard = bench.ask(traced('mine'));
    const id = lastId(bench);
    const steps = { node: 'far', totalMs: 2 };
    bench.answer({
      method: 'notifications/progress',
      params: { progressToken: id, progress: -1, _meta: { 'starling/trace': steps } },
    });
    bench.answer({ id, result: {} });
    expect(heard.slice(0, 2).map(stepsIn)).toMatchObject([steps, { node: 'bench' }]);
  });

  it('that fails before it is sent on is told of without that step', () => {
    const bench = openBench();
    bench.clear = () => {
      throw new StarlingError('STARLING_CALL_REFUSED', 'no');
    };
    const heard = bench.ask(traced('mine'));
    expect(heard).toMatchObject([{ method: 'notifications/progress' }, { id: 1, error: {} }]);
    expect(stepsIn(heard[0])).not.toHaveProperty('sentMs');
  });

  it('costs nobody a message who does not ask, or could not be told', () => {
    for (const request of [
      call(1, 'tool', { _meta: { progressToken: 'mine' } }),
      call(1, 'tool', { _meta: { progressToken: 'mine', 'starling/trace': 'yes' } }),
      traced(),
    ]) {
      const bench = openBench();
      const heard = bench.ask(request);
      bench.answer({ id: lastId(bench), result: {} });
      expect(heard).toMatchObject([{ id: 1, result: {} }]);
    }
  });
});
