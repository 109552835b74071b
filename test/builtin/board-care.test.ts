/** The tools that look after boards, as a client calls them. */
import { afterEach, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/index.ts';
import { boardCareTools, boardTools } from '../../src/builtin/index.ts';
import type { BuiltinContext } from '../../src/gateway/index.ts';
import { calm } from '../blackboard/hub.ts';
import { makeMesh } from '../blackboard/support.ts';
import type { Mesh } from '../blackboard/support.ts';

let made: Mesh;
afterEach(() => made.stop());

const CONTEXT: BuiltinContext = {
  principal: { kind: 'operator' },
  signal: new AbortController().signal,
};

/** Calls a tool of the only node. */
async function node(): Promise<(tool: string, input: JsonObject) => Promise<JsonObject>> {
  made = await makeMesh(['A']);
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const tools = [
    ...boardTools({ blackboard, clock: made.clock }),
    ...boardCareTools({ blackboard }),
  ];
  return async (name, input) => {
    const tool = tools.find(({ definition }) => definition.name === name);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    return tool.call(input, CONTEXT);
  };
}

const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'fine',
    (error: unknown) => (error as { code: string }).code,
  );

it('a slip in the name makes no board, and one is made when that is said', async () => {
  const call = await node();
  const entry = { board: 'plan', key: 'owner', value: 'alice' };
  await expect(call('board_set', entry)).rejects.toMatchObject({
    code: 'STARLING_BOARD_UNKNOWN',
    hint: expect.stringContaining('starling board create plan') as string,
  });
  expect((await call('board_list', {}))['boards']).toEqual([]);
  await call('board_set', { ...entry, create: true });
  const { entry: read } = await call('board_get', { board: 'plan', key: 'owner' });
  expect(read).toMatchObject({
    value: 'alice',
    tombstone: false,
    vector_clock: { 'did:key:A': 1 },
  });
  await call('board_set', { ...entry, value: 'bob' });
  expect(await codeOf(call('board_info', { board: 'pan' }))).toBe('STARLING_BOARD_UNKNOWN');
});

it('a deletion shows who made it, and is undone', async () => {
  const call = await node();
  await call('board_create', { board: 'plan' });
  await call('board_set', { board: 'plan', key: 'k', value: { n: 1 } });
  made.clock.advance(5);
  await call('board_delete', { board: 'plan', key: 'k' });
  await calm();
  const deleted = await call('board_get', { board: 'plan', key: 'k' });
  expect(deleted).toMatchObject({ entry: null, deleted: { by: 'did:key:A', tombstone: true } });
  const { changes, gap } = await call('board_history', { board: 'plan', key: 'k' });
  expect([(changes as unknown[]).length, gap]).toEqual([2, false]);
  expect(await call('board_undo', { board: 'plan', key: 'k' })).toMatchObject({
    entry: { value: { n: 1 } },
  });
  expect(await call('board_drop', { board: 'plan' })).toEqual({ board: 'plan', deleted: 1 });
});

it('memory is stored by the name of a swarm, is recalled, and is forgotten after its time', async () => {
  const call = await node();
  const value = { language: 'rust' };
  const swarm = { swarmId: 'swarm_123', key: 'project_context' };
  const stored = await call('memory_store', { ...swarm, value, ttl: 3600 });
  expect(stored).toMatchObject({ stored: true, swarmId: 'swarm_123' });
  expect(await call('memory_retrieve', swarm)).toMatchObject({ found: true, value });
  expect(await call('memory_retrieve', { key: 'project_context' })).toMatchObject({ found: false });
  expect(await call('board_get', { board: 'swarm_123', key: swarm.key })).toMatchObject({
    entry: { value, expires: made.clock.now() + 3_600_000 },
  });
  made.clock.advance(3_600_001);
  expect(await call('memory_retrieve', swarm)).toEqual({ ...swarm, found: false, value: null });
});
