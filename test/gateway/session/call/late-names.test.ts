/** A call of a name that no list has so far, while lists are on their way. */
import { expect, it } from 'vitest';
import { untilListed } from '../../../../src/gateway/session/call/late-names.ts';
import { call, openBench } from '../../support/session-bench.ts';
import type { SessionBench, Message } from '../../support/session-bench.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const codeIn = ([answer]: Message[]): unknown =>
  (answer?.['error'] as { data: { code: string } } | undefined)?.data.code;

/** A session in which `late` is in no list, and lists are on their way. */
function lateBench(): SessionBench {
  const bench = openBench();
  bench.unknown.add('late');
  bench.areListsComing = true;
  return bench;
}

it('waits, and goes where the name leads once its list has come', async () => {
  const bench = lateBench();
  const heard = bench.ask(call(1, 'late'));
  await bench.clock.advance(1000);
  // Another list has come.
  bench.views.emit('change');
  await turn();
  expect([heard, bench.sent]).toEqual([[], []]);
  bench.unknown.clear();
  bench.views.emit('change');
  await turn();
  expect(bench.sent).toMatchObject([{ method: 'tools/call', params: { name: 'far_late' } }]);
  bench.answer({ id: bench.sent[0]?.['id'], result: { ok: true } });
  expect(heard).toMatchObject([{ id: 1, result: { ok: true } }]);
  expect(bench.session.inFlight).toBe(0);
});

it('is looked up again when something changes, and not at each look whether lists come still', async () => {
  const bench = lateBench();
  let finds = 0;
  const waiting = untilListed(
    { clock: bench.clock, views: { events: bench.views, awaitsLists: () => true } },
    () => {
      finds += 1;
      return finds > 2;
    },
    new AbortController().signal,
  );
  await bench.clock.advance(1000);
  expect(finds).toBe(0);
  for (let change = 0; change < 3; change += 1) bench.views.emit('change');
  await waiting;
  expect(finds).toBe(3);
});

it('is told that there is no such thing when no list comes any more, and at once where none does', async () => {
  const bench = lateBench();
  const heard = bench.ask(call(1, 'late'));
  bench.areListsComing = false;
  await bench.clock.advance(250);
  expect(codeIn(heard)).toBe('STARLING_TOOL_UNKNOWN');
  expect(codeIn(bench.ask(call(2, 'late')))).toBe('STARLING_TOOL_UNKNOWN');
});

it('waits for five seconds and no longer, however long a list is on its way', async () => {
  const bench = lateBench();
  const heard = bench.ask(call(1, 'late'));
  await bench.clock.advance(4900);
  expect(heard).toEqual([]);
  await bench.clock.advance(100);
  expect(codeIn(heard)).toBe('STARLING_TOOL_UNKNOWN');
});

it('that is given up meanwhile is sent nowhere, is cleared by nobody, and leaves nothing behind', async () => {
  const bench = lateBench();
  const before = bench.views.listenerCount('change');
  const heard = bench.ask(call(1, 'late'));
  expect(bench.views.listenerCount('change')).toBe(before + 1);
  bench.ask({ method: 'notifications/cancelled', params: { requestId: 1 } });
  bench.unknown.clear();
  bench.views.emit('change');
  await bench.clock.advance(10_000);
  expect(heard).toEqual([{ dropped: true }]);
  expect([bench.sent, bench.clearedFor]).toEqual([[], []]);
  expect(bench.views.listenerCount('change')).toBe(before);
});

it('ends with its session', async () => {
  const bench = lateBench();
  const heard = bench.ask(call(1, 'late'));
  bench.session.end();
  expect(codeIn(heard)).toBe('STARLING_STOPPED');
  await bench.clock.advance(10_000);
  expect(heard).toHaveLength(1);
});

it('is judged by the guard as any other when it has waited', async () => {
  const bench = lateBench();
  bench.ask(call(1, 'late'));
  expect(bench.clearedFor).toEqual([]);
  await bench.clock.advance(5000);
  expect(bench.clearedFor).toHaveLength(1);
});

it('of a prompt waits alike', async () => {
  const bench = lateBench();
  const ask = (id: number): Message[] =>
    bench.ask({ id, method: 'prompts/get', params: { name: 'late' } });
  const heard = ask(1);
  await turn();
  expect(heard).toEqual([]);
  bench.unknown.clear();
  bench.views.emit('change');
  await turn();
  expect(bench.sent).toMatchObject([{ method: 'prompts/get' }]);
  bench.unknown.add('late');
  const inVain = ask(2);
  await bench.clock.advance(5000);
  expect(codeIn(inVain)).toBe('STARLING_USAGE');
});
