/** Boards as resources: read, subscribed to, and by whom. */
import { afterEach, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { boardResources, createClientBoards } from '../../../src/builtin/index.ts';
import { createBuiltinServer } from '../../../src/gateway/builtin/server.ts';
import { parseFrame, requestBytes } from '../../../src/gateway/wire/frame.ts';
import type { RelayedCall } from '../../../src/gateway/channel-types.ts';
import type { ResponseFrame } from '../../../src/gateway/frame-types.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { calm } from '../../blackboard/hub.ts';
import { keysOf } from '../../blackboard/keys.ts';
import { journalTable } from '../../blackboard/journal-table.ts';
import { makeMesh } from '../../blackboard/support.ts';
import type { Mesh } from '../../blackboard/support.ts';

let made: Mesh;
afterEach(() => made.stop());

const OPERATOR: Principal = { kind: 'operator' };
const client = (name: string): Principal => ({ kind: 'client', name, scopes: ['*'] });

/** The built-in server of one node with two boards, `open` and `closed`, and sessions at it. */
async function bench(swarmMemory?: Parameters<typeof boardResources>[0]['swarmMemory']) {
  made = await makeMesh(['ann'], {}, keysOf('ann'));
  const [{ blackboard }] = made.members as [Mesh['members'][number]];
  const rights = createClientBoards({ table: journalTable() });
  const open = await blackboard.board('open');
  const closed = await blackboard.board('closed');
  await open.create({ open: true });
  await closed.create({ open: false });
  await open.set('to do/one', { done: false });
  await closed.set('k', 1);
  const more = swarmMemory === undefined ? {} : { swarmMemory };
  const templates = boardResources({ blackboard, rights, ...more });
  const server = createBuiltinServer({ tools: [], resources: [], templates, logger: silentLogger });
  const session = (principal: Principal) => {
    const heard: unknown[] = [];
    const channel = server.open({
      principal,
      client: { capabilities: {}, clientInfo: {} },
      listener: {
        notification: ({ params }) => heard.push(params['uri']),
        request: () => undefined,
      },
    });
    const ask = (method: string, uri: string): Promise<ResponseFrame> =>
      new Promise((response, failed) => {
        const request = parseFrame(requestBytes(1, method, { uri }));
        channel.relay({ request, principal, response, failed } as unknown as RelayedCall);
      });
    return { heard, ask, close: () => channel.close() };
  };
  return { blackboard, rights, open, closed, server, session };
}

const textOf = ({ result, error }: ResponseFrame): unknown => {
  if (error !== undefined) return (error.data as JsonObject)['code'];
  const { contents } = result as { contents: { text: string }[] };
  return JSON.parse(contents[0]?.text ?? '');
};

it('gives an entry with its author, or a whole board, to whoever may read it', async () => {
  const { server, session, rights, closed } = await bench();
  expect(server.catalog().templates.map(({ uriTemplate }) => uriTemplate)).toEqual([
    'board://{board}/{key}',
    'board://{board}',
    'memory_bank://{swarmId}',
  ]);
  expect(server.catalog().capabilities).toMatchObject({ resources: { subscribe: true } });
  const read = async (who: Principal, uri: string): Promise<unknown> =>
    textOf(await session(who).ask('resources/read', uri));
  const zed = client('zed');
  expect(await read(zed, 'board://open/to%20do/one')).toMatchObject({
    key: 'to do/one',
    value: { done: false },
    tombstone: false,
  });
  expect(await read(zed, 'board://open')).toMatchObject({
    board: 'open',
    entries: [{ key: 'to do/one' }],
  });
  expect(await read(zed, 'board://closed/k')).toBe('STARLING_BOARD_REFUSED');
  expect(await read(zed, 'board://closed')).toBe('STARLING_BOARD_REFUSED');
  // What a swarm remembers is what its board has, and nobody's who may not read that.
  expect(await read(zed, 'memory_bank://open')).toMatchObject({ entries: [{ key: 'to do/one' }] });
  expect(await read(zed, 'memory_bank://closed')).toBe('STARLING_BOARD_REFUSED');
  expect(await read(OPERATOR, 'board://closed/k')).toMatchObject({ value: 1 });
  await rights.give(closed, { client: 'zed', ability: 'read', prefix: 'k' });
  expect(await read(zed, 'board://closed/k')).toMatchObject({ value: 1 });
});

it('has no resource where there is no such board or entry, and makes none', async () => {
  const { session, blackboard } = await bench();
  const { ask } = session(OPERATOR);
  for (const uri of [
    'board://none/k',
    'board://open/none',
    'board://',
    'board://open/%zz',
    'memory_bank://none',
    'memory_bank://open/to%20do/one',
    'file:///x',
  ]) {
    expect(textOf(await ask('resources/read', uri)), uri).toBe('STARLING_USAGE');
  }
  expect(textOf(await ask('resources/subscribe', 'board://none/k'))).toBe('STARLING_USAGE');
  expect(blackboard.names()).not.toContain('none');
});

it('tells of changes to who has subscribed, until that ends or the right is taken back', async () => {
  const { session, rights, open, closed } = await bench();
  const zed = session(client('zed'));
  expect((await zed.ask('resources/subscribe', 'board://open/later')).error).toBeUndefined();
  expect((await zed.ask('resources/subscribe', 'board://open')).error).toBeUndefined();
  expect((await zed.ask('resources/subscribe', 'memory_bank://open')).error).toBeUndefined();
  expect(textOf(await zed.ask('resources/subscribe', 'board://closed/k'))).toBe(
    'STARLING_BOARD_REFUSED',
  );
  await open.set('later', 1);
  await calm();
  expect(zed.heard.toSorted()).toEqual([
    'board://open',
    'board://open/later',
    'memory_bank://open',
  ]);
  await zed.ask('resources/unsubscribe', 'memory_bank://open');
  await zed.ask('resources/unsubscribe', 'board://open');
  await open.set('other', 1);
  await open.delete('later');
  await calm();
  expect(zed.heard.slice(3)).toEqual(['board://open/later']);

  await rights.give(closed, { client: 'zed', ability: 'read', prefix: '' });
  await zed.ask('resources/subscribe', 'board://closed/k');
  await rights.takeBack(closed, 'zed');
  await closed.set('k', 2);
  await calm();
  expect(zed.heard.slice(4)).toEqual([]);

  zed.close();
  await open.set('later', 3);
  await calm();
  expect(zed.heard.slice(4)).toEqual([]);
});

it('a session hears of no more resources than it may however many it asks for at once, nor of what it took back', async () => {
  const { session, open } = await bench();
  const zed = session(client('zed'));
  const ask = (from: number, to: number): Promise<ResponseFrame[]> =>
    Promise.all(
      Array.from({ length: to - from }, (_, at) =>
        zed.ask('resources/subscribe', `board://open/${from + at}`),
      ),
    );
  await ask(0, 600);
  const refused = (await ask(600, 1200)).filter(({ error }) => error !== undefined);
  expect(refused).toHaveLength(200);
  zed.close();

  const ann = session(client('ann'));
  await Promise.all([
    ann.ask('resources/subscribe', 'board://open/0'),
    ann.ask('resources/unsubscribe', 'board://open/0'),
  ]);
  await open.set('0', 1);
  await calm();
  expect(ann.heard).toEqual([]);
});

it('shows and tells of what a swarm remembers to those who may see the swarm, and of nothing else on its board', async () => {
  const seen: { by: string[]; board?: Awaited<ReturnType<typeof bench>>['closed'] } = {
    by: ['zed'],
  };
  const { closed, session } = await bench(({ kind, ...who }, id) => {
    const isIn = 'name' in who && seen.by.includes(who.name);
    const { board } = seen;
    return Promise.resolve(
      kind === 'client' && isIn && id === 'closed' && board !== undefined
        ? { board, prefix: 'memory/' }
        : undefined,
    );
  });
  seen.board = closed;
  await closed.set('memory/plan', 'dig');
  const [zed, ann] = [session(client('zed')), session(client('ann'))];
  const uri = 'memory_bank://closed';
  expect(textOf(await zed.ask('resources/read', uri))).toMatchObject({
    entries: [{ key: 'plan', value: 'dig' }],
  });
  expect(textOf(await ann.ask('resources/read', uri))).toBe('STARLING_BOARD_REFUSED');
  expect((await zed.ask('resources/subscribe', uri)).error).toBeUndefined();
  await closed.set('k', 2);
  await calm();
  expect(zed.heard).toEqual([]);
  await closed.set('memory/plan', 'dig on');
  await calm();
  expect(zed.heard).toEqual([uri]);
  seen.by = [];
  await closed.set('memory/plan', 'dig elsewhere');
  await calm();
  expect(zed.heard).toEqual([uri]);
});
