/** What senders, agents and other nodes can do to the conversations of a node by number, at once, and by what they say. */
import { expect, it } from 'vitest';
import { SharedBoards } from '../../src/contexts/shared-boards.ts';
import type { SharedBoardsComponents } from '../../src/contexts/shared-boards.ts';
import { newKey, sealWith } from '../../src/contexts/context-rows.ts';
import { CONTEXTS_PER_AGENT } from '../../src/contexts/limits.ts';
import type { ContextOf } from '../../src/contexts/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { OF, alone, talk } from './alone.ts';
import type { Alone } from './alone.ts';

const named = (session: string): ContextOf => ({ ...OF, session });
const say = ({ contexts }: Alone, of: ContextOf, message = 'm'): Promise<void> =>
  contexts.keep(of, { message, question: 'heron?', answer: 'yes', zone: 'local' });
const sessionsOf = async ({ contexts }: Pick<Alone, 'contexts'>): Promise<readonly string[]> =>
  (await contexts.list()).map(({ session }) => session);

it('a sender that begins many conversations at once pushes out as many, and no more are kept', async () => {
  const node = alone();
  const begin = (from: number, count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, (_, at) => say(node, named(`s${from + at}`))));
  await begin(0, CONTEXTS_PER_AGENT);
  expect(await sessionsOf(node)).toHaveLength(CONTEXTS_PER_AGENT);
  node.clock.advance(1000);
  await begin(1000, 40);
  const left = await sessionsOf(node);
  expect(left).toHaveLength(CONTEXTS_PER_AGENT);
  expect(left.filter((session) => session.startsWith('s10'))).toHaveLength(40);
  // Each has its room on the disk, too.
  expect(node.rows.size).toBe(CONTEXTS_PER_AGENT);
  expect(node.lines.size).toBe(2 * CONTEXTS_PER_AGENT);
});

it('a conversation that is pushed out while its sender goes on is whole, or gone: nothing is written behind its end', async () => {
  const node = alone();
  for (let at = 0; at < CONTEXTS_PER_AGENT; at += 1) {
    node.clock.advance(1000);
    await say(node, named(`s${at}`));
  }
  // Whichever of the two is how far when the other comes.
  for (let steps = 0; steps < 6; steps += 1) {
    node.clock.advance(1000);
    const oldest = named((await sessionsOf(node)).at(-1) ?? '');
    const coming = say(node, named(`new ${steps}`));
    for (let step = 0; step < steps; step += 1) await Promise.resolve();
    await Promise.all([coming, say(node, oldest, `m ${steps}`)]);
    const list = await node.contexts.list();
    for (const { id, lines } of list) {
      expect((await node.contexts.show(id)).said).toHaveLength(lines);
    }
    expect(node.rows.size).toBe(CONTEXTS_PER_AGENT);
    expect(node.lines.size).toBe(list.reduce((sum, { lines }) => sum + lines, 0));
  }
});

it('whoever takes the name of an agent that has given it up is shown nothing that the other was', async () => {
  const node = alone();
  const id = await talk(node, 1);
  const clerk: Principal = { kind: 'client', name: 'agent:clerk', scopes: [] };
  await node.contexts.share(id, 'client:agent:clerk', 'full');
  await node.contexts.share(id, 'client:cursor', 'full');
  expect(await node.contexts.showTo(clerk, id)).toBeDefined();
  await node.contexts.hideFrom('client:agent:clerk');
  const again = node.again();
  await again.start();
  for (const contexts of [node.contexts, again]) {
    expect(await contexts.showTo(clerk, id)).toBeUndefined();
    expect(await contexts.showTo({ ...clerk, name: 'cursor' }, id)).toBeDefined();
    expect(await contexts.showTo(OPERATOR, id)).toBeDefined();
  }
});

it('a failed summary is tried again ten minutes later at the latest, also where the clock was a year ahead', async () => {
  let tries = 0;
  const node = alone(() => {
    tries += 1;
    throw new Error('no');
  });
  await talk(node, 10, { chars: 3000 });
  const how = { model: 'm', asks: OPERATOR, contextTokens: 1000 };
  const compressed = async (): Promise<number> => {
    node.contexts.compress(OF, how);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setImmediate(done));
    return tries;
  };
  node.clock.advance(365 * 86_400_000);
  expect(await compressed()).toBe(1);
  expect(await compressed()).toBe(1);
  node.clock.sleep(-365 * 86_400_000);
  expect(await compressed()).toBe(2);
});

it('another node that shows ten thousand conversations, or odd ones, has some of them read, and holds nothing up', async () => {
  const key = newKey();
  const values = new Map<string, string>();
  const about = {
    agent: 'clerk',
    from: 'scout@bob',
    session: 'birds',
    createdAt: 1,
    usedAt: 2,
    view: 'full',
  };
  const put = (n: number, said: string): void => {
    const id = `ctx_${String(n).padStart(16, '0')}`;
    values.set(`${id}/key`, Buffer.from('box').toString('base64'));
    values.set(`${id}/about`, said);
  };
  const place = (n: number): string => `ctx_${String(n).padStart(16, '0')}/about`;
  for (let n = 10; n < 10_000; n += 1) put(n, 'no box');
  for (let n = 0; n < 4; n += 1) put(n, sealWith(key, place(n), about));
  put(4, sealWith(key, place(4), { ...about, usedAt: -1 }));
  put(5, sealWith(key, place(5), { ...about, createdAt: 1e300 }));
  put(6, sealWith(key, place(6), { ...about, session: 'x'.repeat(100_000) }));
  const entries = [...values].toSorted().map(([of, value]) => ({ key: of, value }));
  let opened = 0;
  const boards = new SharedBoards({
    blackboard: {
      names: () => ['contexts.x'],
      board: async () => ({
        info: () => ({ createdBy: 'did:key:bob' }),
        entries: (prefix = '') => entries.filter((entry) => entry.key.startsWith(prefix)),
        get: (of: string) => ({ value: values.get(of) }),
      }),
    } as unknown as SharedBoardsComponents['blackboard'],
    self: 'did:key:ann' as Did,
    openBox: () => {
      opened += 1;
      return Buffer.from(key);
    },
    logger: silentLogger,
  });
  let turns = 0;
  const progress = { isReading: true };
  const turn = (): void => {
    turns += 1;
    if (progress.isReading) setImmediate(turn);
  };
  setImmediate(turn);
  const found = await boards.received();
  progress.isReading = false;
  expect(found.map(({ id }) => Number(id.slice(4)))).toEqual([0, 1, 2, 3]);
  expect(opened).toBe(1000);
  expect(turns).toBeGreaterThan(30);
  opened = 0;
  expect(await boards.received(place(3).split('/')[0])).toHaveLength(1);
  expect(opened).toBe(1);
});
