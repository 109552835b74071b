/** Links to replicas: one stream for all questions, which leaves nothing behind when it ends. */
import { afterEach, expect, it } from 'vitest';
import type { Reply } from '../../../src/blackboard/quorum/format.ts';
import { createQuorumLinks } from '../../../src/blackboard/quorum/links.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId, Scope } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm, createHub } from '../hub.ts';

const [ANN, BOB] = ['A', 'B'] as PeerId[] as [PeerId, PeerId];
const CELL = { board: 'jobs@z6MkAnn', key: 'k' };
const IDLE_MS = 60_000;

let scopes: Scope[] = [];
afterEach(() => {
  for (const scope of scopes) scope.close();
  scopes = [];
});

/** Ann asks bob, who answers at once, or never. */
function makeLinks() {
  const hub = createHub();
  const clock = createTestClock();
  const state = { isHung: false };
  const linksOf = (self: PeerId) => {
    const scope = createScope(clock);
    scopes.push(scope);
    const links = createQuorumLinks({
      network: hub.network(self),
      clock,
      logger: silentLogger,
      scope,
      isReplica: () => true,
      answer: (): Promise<Reply> =>
        state.isHung ? new Promise(() => undefined) : Promise.resolve({ t: 'disk', disk: 'd' }),
    });
    return { links, scope };
  };
  const { links, scope } = linksOf(ANN);
  linksOf(BOB);
  hub.connect(ANN, BOB);
  const ask = () => links.ask(BOB, CELL, { t: 'disk' }, 1000);
  return { ask, clock, hub, scope, state };
}

it('a link that ends while a question waits leaves no timer behind', async () => {
  const { ask, clock, hub, state } = makeLinks();
  state.isHung = true;
  const asked = ask();
  await calm(10);
  hub.cut(ANN, BOB);
  expect(await asked).toEqual({ sent: true });
  await calm(10);
  expect(clock.waiting()).toBe(0);
});

it('a link that is closed as nobody asks ends without the one that was opened since', async () => {
  const { ask, clock, hub } = makeLinks();
  expect(await ask()).toMatchObject({ sent: true, reply: { disk: 'd' } });
  clock.advance(IDLE_MS);
  // The end of the first one is still to come.
  const [second] = await Promise.all([ask(), calm(20)]);
  expect(second).toMatchObject({ sent: true, reply: { disk: 'd' } });
  expect(await ask()).toMatchObject({ sent: true, reply: { disk: 'd' } });
  expect(hub.opened).toHaveLength(2);
});

it('no stream is opened once the node stops', async () => {
  const { ask, clock, hub, scope } = makeLinks();
  scope.close();
  expect(await ask()).toEqual({ sent: false });
  expect(hub.opened).toEqual([]);
  expect(clock.waiting()).toBe(0);
});
