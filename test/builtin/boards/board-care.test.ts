/** The tools that look after boards, as a client calls them. */
import { afterEach, expect, it } from 'vitest';
import type { Did, Json, JsonObject } from '../../../src/core/index.ts';
import type { OwnMemory } from '../../../src/builtin/boards/board-care.ts';
import {
  boardCareTools,
  boardRightTools,
  boardTools,
  createClientBoards,
  strongBoardTools,
} from '../../../src/builtin/index.ts';
import { boardGrantCalled, boardGrants } from '../../../src/builtin/grants/board-grants.ts';
import type { BuiltinContext } from '../../../src/gateway/index.ts';
import { calm } from '../../blackboard/hub.ts';
import { keyOf, keysOf } from '../../blackboard/keys.ts';
import { journalTable } from '../../blackboard/journal-table.ts';
import { makeMesh } from '../../blackboard/support.ts';
import type { Mesh } from '../../blackboard/support.ts';

let made: Mesh;
afterEach(() => made.stop());

const CONTEXT: BuiltinContext = {
  principal: { kind: 'operator' },
  signal: new AbortController().signal,
};

/** There are no peers here. */
const ALONE = {
  membership: {
    resolve: () => Promise.reject(new Error('no peers here')) as never,
    peers: () => [],
    peer: () => undefined,
  },
  self: { did: 'did:key:A' as Did, name: 'A' },
};

/** Calls a tool of the only node. */
async function node(): Promise<(tool: string, input: JsonObject) => Promise<JsonObject>> {
  made = await makeMesh(['A']);
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const tools = [
    ...boardTools({ blackboard, clock: made.clock }),
    ...boardCareTools({ blackboard, ...ALONE }),
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

it('a client has open boards, those that it made, and what the operator gives it by name', async () => {
  made = await makeMesh(['ann'], {}, keysOf('ann'));
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const rights = createClientBoards({ table: journalTable() });
  const { membership } = ALONE;
  const tools = [
    ...boardTools({ blackboard, clock: made.clock, rights }),
    ...boardCareTools({
      blackboard,
      ...ALONE,
      self: { name: 'ann', did: keyOf('ann').did },
      rights,
    }),
    ...strongBoardTools({
      blackboard,
      ...ALONE,
      self: { name: 'ann', did: keyOf('ann').did },
      rights,
    }),
    ...boardRightTools({ blackboard, membership, rights }),
  ];
  const as =
    (name?: string) =>
    (tool: string, input: JsonObject): Promise<JsonObject> => {
      const found = tools.find(({ definition }) => definition.name === tool);
      if (found === undefined) throw new Error(`no tool ${tool}`);
      const principal: BuiltinContext['principal'] =
        name === undefined ? { kind: 'operator' } : { kind: 'client', name, scopes: ['*'] };
      return found.call(input, { ...CONTEXT, principal });
    };
  const [operator, cursor, zed] = [as(), as('cursor'), as('zed')];
  const plan = { board: 'plan' };
  await operator('board_set', { ...plan, key: 'a/1', value: 1, create: true });
  await operator('board_set', { board: 'notes', key: 'k', value: 1, create: true, open: true });
  expect((await cursor('board_list', {}))['boards']).toEqual(['notes']);
  for (const call of [
    cursor('board_get', { ...plan, key: 'a/1' }),
    cursor('board_list', plan),
    cursor('board_watch', plan),
    cursor('board_history', plan),
    cursor('board_info', plan),
    cursor('memory_retrieve', { swarmId: 'plan', key: 'a/1' }),
    cursor('board_set', { ...plan, key: 'a/1', value: 2 }),
    cursor('board_drop', plan),
  ]) {
    expect(await codeOf(call)).toBe('STARLING_BOARD_REFUSED');
  }
  await operator('board_grant', { ...plan, to: 'client:cursor', ability: 'read', prefix: 'a/' });
  expect((await cursor('board_list', {}))['boards']).toEqual(['notes', 'plan']);
  expect(await cursor('board_get', { ...plan, key: 'a/1' })).toMatchObject({ entry: { value: 1 } });
  expect(await codeOf(cursor('board_get', { ...plan, key: 'b' }))).toBe('STARLING_BOARD_REFUSED');
  expect(await codeOf(cursor('board_list', plan))).toBe('STARLING_BOARD_REFUSED');
  expect((await cursor('board_list', { ...plan, prefix: 'a/' }))['entries']).toHaveLength(1);
  expect(await codeOf(cursor('board_set', { ...plan, key: 'a/1', value: 2 }))).toBe(
    'STARLING_BOARD_REFUSED',
  );
  expect(await codeOf(zed('board_get', { ...plan, key: 'a/1' }))).toBe('STARLING_BOARD_REFUSED');
  await zed('board_set', { board: 'mine', key: 'k', value: 1, create: true });
  expect((await zed('board_list', {}))['boards']).toEqual(['mine', 'notes']);
  expect(await codeOf(cursor('board_get', { board: 'mine', key: 'k' }))).toBe(
    'STARLING_BOARD_REFUSED',
  );
  expect((await operator('board_info', plan))['clients']).toEqual([
    { client: 'cursor', ability: 'read', prefix: 'a/' },
  ]);
  await operator('board_revoke', { ...plan, from: 'client:cursor' });
  expect(await codeOf(cursor('board_get', { ...plan, key: 'a/1' }))).toBe('STARLING_BOARD_REFUSED');
});

it('a strong board has compare and set and leases by tools, for the operator and for clients with a right', async () => {
  made = await makeMesh(['ann'], {}, keysOf('ann'));
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const rights = createClientBoards({ table: journalTable() });
  const self = { name: 'ann', did: keyOf('ann').did };
  const tools = [
    ...boardTools({ blackboard, clock: made.clock, rights }),
    ...boardCareTools({ blackboard, ...ALONE, self, rights }),
    ...boardRightTools({ blackboard, membership: ALONE.membership, rights }),
    ...strongBoardTools({ blackboard, ...ALONE, self, rights }),
  ];
  const call = (tool: string, input: JsonObject, client?: string): Promise<JsonObject> => {
    const found = tools.find(({ definition }) => definition.name === tool);
    if (found === undefined) throw new Error(`no tool ${tool}`);
    if (client === undefined) return found.call(input, CONTEXT);
    return found.call(input, {
      ...CONTEXT,
      principal: { kind: 'client', name: client, scopes: [] },
    });
  };
  const jobs = { board: 'jobs', key: 'leader' };
  expect(await call('board_create', { board: 'jobs', strong: ['ann'] })).toEqual({
    board: 'jobs',
    created: true,
    hold: 'listed',
    open: false,
    replicas: [self.did],
  });
  expect(await codeOf(call('board_cas', { ...jobs, value: 1 }, 'cursor'))).toBe(
    'STARLING_BOARD_REFUSED',
  );
  await call('board_grant', { board: 'jobs', to: 'client:cursor', ability: 'write' });
  expect(await call('board_cas', { ...jobs, value: 1 }, 'cursor')).toMatchObject({
    done: true,
    version: 1,
    entry: { value: 1, by: self.did, version: 1 },
  });
  expect(await call('board_cas', { ...jobs, value: 2 })).toMatchObject({
    done: false,
    entry: { value: 1 },
  });
  expect(await call('board_cas', { ...jobs, value: 2, expect: 1 })).toMatchObject({ done: true });
  expect(await call('board_get', jobs)).toMatchObject({ entry: { value: 2 }, version: 2 });
  expect(await call('board_set', { ...jobs, value: 3, request: 'r' })).toMatchObject({
    entry: { value: 3, version: 3 },
  });
  expect(await call('board_set', { ...jobs, value: 3, request: 'r' })).toMatchObject({
    entry: { version: 3 },
  });
  expect(await codeOf(call('board_set', { ...jobs, value: 4, consistency: 'eventual' }))).toBe(
    'STARLING_BOARD_INVALID',
  );
  expect(await codeOf(call('board_set', { ...jobs, value: 4, request: 'no id' }))).toBe(
    'STARLING_USAGE',
  );
  const lock = { board: 'jobs', key: 'lock' };
  const holder = `client:cursor@${self.did}`;
  expect(await call('board_lease', lock, 'cursor')).toMatchObject({
    granted: true,
    holder,
    token: 1,
  });
  expect(await call('board_lease', lock)).toMatchObject({ granted: false, holder });
  expect(await call('board_lease', { ...lock, release: true }, 'cursor')).toMatchObject({
    granted: false,
    until: 0,
  });
  expect(await call('board_lease', lock)).toMatchObject({ granted: true, token: 3 });
  expect(await codeOf(call('board_lease', jobs))).toBe('STARLING_BOARD_CONFLICT');
  expect(await call('board_delete', jobs)).toMatchObject({ deleted: true });
  expect(await call('board_get', jobs)).toMatchObject({ entry: null, version: 4 });
  expect(await call('board_replicas', { board: 'jobs', add: ['ann'] })).toEqual({
    board: 'jobs',
    replicas: [self.did],
  });
  await call('board_create', { board: 'plain', open: true });
  expect(await codeOf(call('board_get', { board: 'plain', key: 'k', consistency: 'strong' }))).toBe(
    'STARLING_BOARD_INVALID',
  );
});

it('rights on boards are among the grants of who gave them and who got them, and end by board revoke', async () => {
  made = await makeMesh(['ann', 'bob'], {}, keysOf('ann', 'bob'));
  made.connectAll();
  await calm();
  const [ann, bob] = made.members as [Mesh['members'][number], Mesh['members'][number]];
  const plan = await ann.blackboard.board('plan');
  await plan.create();
  const { id } = await plan.grant({ to: keyOf('bob').did, ability: 'write', prefix: 'b/' });
  for (let round = 0; round < 4; round += 1) {
    await calm();
    made.clock.advance(3000);
    await calm();
  }
  const nobody = { peer: () => undefined };
  const listed = ({ blackboard }: Mesh['members'][number], name: string): Promise<unknown> =>
    boardGrants({ blackboard, self: keyOf(name).did }, nobody);
  const right = {
    id,
    board: 'plan',
    state: 'valid',
    capabilities: [{ ability: 'board/write', resource: 'board:plan/b/**' }],
  };
  expect(await listed(ann, 'ann')).toMatchObject([{ ...right, direction: 'issued' }]);
  expect(await listed(bob, 'bob')).toMatchObject([{ ...right, direction: 'received' }]);
  const called = (part: string): Promise<Error | undefined> =>
    boardGrantCalled({ blackboard: ann.blackboard, self: keyOf('ann').did }, nobody, part);
  expect(await called(id.slice(0, 8))).toMatchObject({
    code: 'STARLING_USAGE',
    hint: expect.stringContaining('starling board revoke plan ') as string,
  });
  expect(await called('00000000')).toBeUndefined();
  await plan.revoke(keyOf('bob').did);
  expect(await listed(ann, 'ann')).toMatchObject([{ id, state: 'revoked' }]);
});

it('what is stored for a swarm stands below its prefix, for those who may see the swarm', async () => {
  made = await makeMesh(['A'], {}, keysOf('A'));
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const swarm = await blackboard.board('swarm_1');
  await swarm.create({ open: false });
  await swarm.set('swarm', 'what it is');
  const tools = boardCareTools({
    blackboard,
    ...ALONE,
    swarmMemory: ({ kind }, id) =>
      Promise.resolve(
        kind === 'operator' && id === 'swarm_1' ? { board: swarm, prefix: 'memory/' } : undefined,
      ),
  });
  const call = async (name: string, input: JsonObject, context = CONTEXT): Promise<unknown> =>
    tools.find(({ definition }) => definition.name === name)?.call(input, context);
  const told = { swarmId: 'swarm_1', key: 'swarm' };
  expect(await call('memory_store', { ...told, value: 1 })).toEqual({ stored: true, ...told });
  expect(await call('memory_retrieve', told)).toMatchObject({ found: true, value: 1, ...told });
  expect(swarm.entries().map(({ key }) => key)).toEqual(['memory/swarm', 'swarm']);
  expect(swarm.get('swarm')?.value).toBe('what it is');
  const stranger: BuiltinContext = {
    ...CONTEXT,
    principal: { kind: 'client', name: 'zed', scopes: ['*'] },
  };
  const refused = [
    call('memory_store', { ...told, value: 2 }, stranger),
    call('memory_retrieve', told, stranger),
  ].map(codeOf);
  expect(await Promise.all(refused)).toEqual(refused.map(() => 'STARLING_BOARD_REFUSED'));
});

it('what an agent stores without a swarm is its own, and with one the board of that', async () => {
  made = await makeMesh(['A']);
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const kept = new Map<string, Json>();
  const own: OwnMemory = {
    board: 'agents.memory',
    get: (key) => kept.get(key),
    taintOf: () => undefined,
    set: (key, value) => {
      kept.set(key, value);
      return Promise.resolve(undefined);
    },
  };
  const tools = boardCareTools({
    blackboard,
    ...ALONE,
    ownMemory: ({ kind }) => Promise.resolve(kind === 'client' ? own : undefined),
  });
  const call = async (name: string, input: JsonObject, context = CONTEXT): Promise<unknown> =>
    tools.find(({ definition }) => definition.name === name)?.call(input, context);
  const agent: BuiltinContext = {
    ...CONTEXT,
    principal: { kind: 'client', name: 'agent:coder', scopes: [] },
  };
  await call('memory_store', { key: 'plan', value: null }, agent);
  expect(await call('memory_retrieve', { key: 'plan' }, agent)).toEqual({
    found: true,
    key: 'plan',
    swarmId: 'agents.memory',
    value: null,
  });
  expect(await call('memory_retrieve', { key: 'plan' })).toMatchObject({ found: false });
  await call('memory_store', { key: 'plan', value: 1, swarmId: 'memory' });
  expect(await call('memory_retrieve', { key: 'plan', swarmId: 'memory' }, agent)).toMatchObject({
    value: 1,
  });
});
