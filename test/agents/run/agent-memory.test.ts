/** What agents that a node runs remember, on boards of two members. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MEMORIES_MAX, createAgentMemory } from '../../../src/agents/run/agent-memory.ts';
import type { AgentMemory, OwnMemory } from '../../../src/agents/run/agent-memory.ts';
import { runPrincipal } from '../../../src/agents/run/orders.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { calm } from '../../blackboard/hub.ts';
import { journalTable } from '../../blackboard/journal-table.ts';
import type { JournalTable } from '../../blackboard/journal-table.ts';
import { keyOf, keysOf } from '../../blackboard/keys.ts';
import { makeMesh } from '../../blackboard/support.ts';
import type { Member, Mesh } from '../../blackboard/support.ts';

let mesh: Mesh;
let ours: Member;
let theirs: Member;
let table: JournalTable;
let memory: AgentMemory;

const made = (): AgentMemory =>
  createAgentMemory({ blackboard: ours.blackboard, table, self: keyOf('A').did });

beforeEach(async () => {
  mesh = await makeMesh(['A', 'B'], {}, keysOf('A', 'B'));
  [ours, theirs] = mesh.members as [Member, Member];
  table = journalTable();
  memory = made();
});
afterEach(() => mesh.stop());

async function of(name: string): Promise<OwnMemory> {
  const found = await memory.of(runPrincipal(name, []));
  if (found === undefined) throw new Error(`${name} has no memory`);
  return found;
}

it('each agent has its own, over restarts, and nobody else has one', async () => {
  await (await of('coder')).set('plan', { step: 1 }, {});
  await (await of('coder.old')).set('plan', 'another', {});
  expect((await of('code')).get('plan')).toBeUndefined();
  memory = made();
  expect((await of('coder')).get('plan')).toEqual({ step: 1 });
  expect(await memory.of(OPERATOR)).toBeUndefined();
  expect(await memory.of({ kind: 'client', name: 'coder', scopes: [] })).toBeUndefined();
});

it('no peer reads it, and whoever makes a board of that name first gets nothing by that', async () => {
  mesh.connectAll();
  const squat = await theirs.blackboard.board('agents.memory');
  await squat.create({ open: true });
  await squat.set('coder/plan', 'planted');
  await calm();
  const own = await of('coder');
  expect(own.get('plan')).toBeUndefined();
  await own.set('plan', 'secret', {});
  await calm();
  expect((await of('coder')).get('plan')).toBe('secret');
  const seen = await Promise.all(
    theirs.blackboard.names().map(async (name) => (await theirs.blackboard.board(name)).entries()),
  );
  expect(JSON.stringify(seen)).not.toContain('secret');
});

it('a retired agent leaves nothing to the next of its name, nor takes what others remember', async () => {
  await (await of('coder')).set('plan', 'mine', {});
  await (await of('coder-2')).set('plan', 'theirs', {});
  await memory.forget('coder');
  expect((await of('coder')).get('plan')).toBeUndefined();
  expect((await of('coder-2')).get('plan')).toBe('theirs');
});

it('a node whose agents remember nothing makes no board to forget', async () => {
  await memory.forget('coder');
  expect(ours.blackboard.names()).toEqual([]);
});

it('is there again after the operator has dropped the board', async () => {
  await (await of('coder')).set('plan', 'mine', {});
  await (await ours.blackboard.board((await of('coder')).board)).drop();
  expect((await of('coder')).get('plan')).toBeUndefined();
  await (await of('coder')).set('plan', 'again', {});
  expect((await of('coder')).get('plan')).toBe('again');
});

it('has a bound for each agent, also for what is under way at once, within which what is there can be written over', async () => {
  const own = await of('coder');
  const stores = Array.from({ length: MEMORIES_MAX + 7 }, (_, at) => own.set(`${at}`, at, {}));
  const refused = (await Promise.allSettled(stores)).filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(7);
  await expect(own.set('more', 1, {})).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  await own.set('7', 'over', {});
  expect(own.get('7')).toBe('over');
  await (await of('other')).set('more', 1, {});
});

it('what was stored after something from elsewhere was read is recalled with that, and nobody can pass it off as clean', async () => {
  const recalled: string[] = [];
  memory = createAgentMemory({
    blackboard: ours.blackboard,
    table,
    self: keyOf('A').did,
    recalled: (agent, taint) => void recalled.push(`${agent} ${taint}`),
  });
  const tainted = await memory.of(runPrincipal('coder', [], { taint: 'external' }));
  await tainted?.set('plan', { step: 1 }, {});
  const clean = await of('coder');
  expect(clean.get('plan')).toEqual({ step: 1 });
  expect(clean.taintOf('plan')).toBe('external');
  expect(recalled).toEqual(['coder external']);
  // Whatever a value looks like, it is kept as it is.
  const odd = { $taint: 'trusted', value: 'planted' };
  await clean.set('odd', odd, {});
  expect(clean.get('odd')).toEqual(odd);
  expect(clean.taintOf('odd')).toBeUndefined();
  await clean.set('plan', 'anew', {});
  expect(clean.taintOf('plan')).toBeUndefined();
});
