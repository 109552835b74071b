/** The boards of several nodes, over a network in memory: writing, meeting, losing, repairing. */
import { afterEach, describe, expect, it } from 'vitest';
import { encodeGossip } from '../../src/blackboard/sync/codec.ts';
import { BOARD_PROTOCOL } from '../../src/blackboard/sync/sync.ts';
import { ROAD_PROTOCOL } from '../../src/blackboard/sync/update-road.ts';
import { encodeVector } from '../../src/blackboard/lanes/update.ts';
import { StarlingError } from '../../src/core/index.ts';
import type { Did, Json, PeerId } from '../../src/core/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { calm, createHub } from './hub.ts';
import { journalTable } from './journal-table.ts';
import { makeDocument, makeMember, makeMesh } from './support.ts';
import type { Member, Mesh } from './support.ts';

const running: Mesh[] = [];

async function mesh(...args: Parameters<typeof makeMesh>): Promise<Mesh> {
  const made = await makeMesh(...args);
  running.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((made) => made.stop()));
});

async function read(member: Member, board = 'b'): Promise<Record<string, Json>> {
  const opened = await member.blackboard.board(board);
  return Object.fromEntries(opened.entries().map(({ key, value }) => [key, value]));
}

async function write(member: Member, key: string, value: Json, board = 'b'): Promise<void> {
  await (await member.blackboard.board(board)).set(key, value);
}

/** Lets time pass, with heartbeats every five seconds. */
async function pass(made: Mesh, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    if (i % 5 === 0) made.heartbeats();
    made.clock.advance(1000);
    await calm();
  }
}

/** How many syncs there were. */
function syncs(made: Mesh): number {
  return made.hub.opened.filter(({ protocol }) => protocol === BOARD_PROTOCOL).length;
}

function digests(made: Mesh): number {
  const all = made.members.map(({ blackboard }) => JSON.stringify(blackboard.digests()));
  return new Set(all).size;
}

describe('boards of a mesh', () => {
  it('get every write and deletion by the road, one stream a peer, without gossip and without any sync', async () => {
    const made = await mesh(['A', 'B', 'C']);
    const [a, b, c] = made.members as [Member, Member, Member];
    made.connectAll();
    await calm();
    const before = syncs(made);
    await write(a, 'x', { from: 'A' });
    await write(b, 'y', [1, 2]);
    await write(c, 'z', null);
    await calm();
    expect(await read(c)).toEqual({ x: { from: 'A' }, y: [1, 2], z: null });
    expect(await (await b.blackboard.board('b')).delete('x')).toBe(true);
    await calm();
    for (const member of made.members) expect(await read(member)).toEqual({ y: [1, 2], z: null });
    await pass(made, 30);
    expect([digests(made), syncs(made), made.hub.traffic.gossip]).toEqual([1, before, 0]);
    const roads = made.hub.opened.filter(({ protocol }) => protocol === ROAD_PROTOCOL);
    expect(roads.length).toBe(6);
    expect((await a.blackboard.board('b')).get('y')).toMatchObject({ by: 'did:key:B' });
  });

  it('keep what peers wrote on disk, so that a restart alone loses nothing', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    await write(a, 'x', 1);
    await calm();
    made.clock.advance(50);
    await calm();
    const again = makeMember(createHub(), 'B', { clock: made.clock, table: b.table.at(9) });
    await again.blackboard.start();
    expect(await read(again)).toEqual({ x: 1 });
    expect(again.blackboard.digests()).toEqual(a.blackboard.digests());
    await again.blackboard.stop();
  });

  it('are equal once a node that was cut off is back, deletions included', async () => {
    const made = await mesh(['A', 'B', 'C']);
    const [a, b, c] = made.members as [Member, Member, Member];
    made.connectAll();
    for (const key of ['old', 'gone', 'kept']) await write(a, key, key);
    await calm();
    made.hub.cut('A' as PeerId, 'C' as PeerId);
    made.hub.cut('B' as PeerId, 'C' as PeerId);
    await write(a, 'old', 'new');
    await (await b.blackboard.board('b')).delete('gone');
    await write(c, 'mine', 'C');
    await write(c, 'only', 'C', 'second');
    await calm();
    expect(await read(c)).toMatchObject({ old: 'old', gone: 'gone' });
    made.hub.connect('A' as PeerId, 'C' as PeerId);
    await calm(200);
    await pass(made, 10);
    for (const member of made.members) {
      expect(await read(member)).toEqual({ old: 'new', kept: 'kept', mine: 'C' });
      expect(await read(member, 'second')).toEqual({ only: 'C' });
    }
    expect(digests(made)).toBe(1);
    expect(b.blackboard.names()).toEqual(['b', 'second']);
  });

  it('cost no stream and a few hundred bytes when two meet that are equal', async () => {
    const made = await mesh(['A', 'B']);
    const [a] = made.members as [Member];
    made.connectAll();
    for (let i = 0; i < 200; i++) await write(a, `k${i}`, i, `b${i % 20}`);
    await pass(made, 12);
    made.hub.cut('A' as PeerId, 'B' as PeerId);
    await calm();
    const before = { streams: made.hub.opened.length, bytes: made.hub.traffic.streamBytes };
    made.connectAll();
    await calm(100);
    expect(made.hub.opened.length - before.streams).toBe(0);
    expect(made.hub.traffic.streamBytes - before.bytes).toBeLessThan(2200);
  });

  it('hear by gossip from members that are not connected, and repair what gossip lost with few streams', async () => {
    const names = Array.from({ length: 25 }, (_, i) => `N${String(i).padStart(2, '0')}`);
    const made = await mesh(names);
    made.connectAll();
    await calm(100);
    const [writer, victim] = ['N03', 'N07'] as [PeerId, PeerId];
    made.hub.part(writer, victim);
    const opened = syncs(made);
    await write(made.members[3] as Member, 'k', 1);
    await calm(100);
    expect([digests(made), made.hub.traffic.gossip]).toEqual([2, 23]);
    await pass(made, 12);
    expect(digests(made)).toBe(1);
    expect(syncs(made) - opened).toBeLessThan(50);
    const after = syncs(made);
    await pass(made, 60);
    expect(syncs(made)).toBe(after);
  });

  it('repair updates that came in the wrong order, or whose first was lost', async () => {
    // One is not connected: A writes by gossip, too.
    const made = await mesh(['A', 'B', 'Z']);
    const [a, b] = made.members as [Member, Member];
    made.hub.connect(a.id, b.id);
    await calm();
    made.hub.opens = (protocol) => protocol !== ROAD_PROTOCOL;
    let lost = 0;
    made.hub.passes = () => (lost += 1) !== 1;
    await write(a, 'x', 1);
    await write(a, 'y', 2);
    await calm();
    expect(await read(b)).toEqual({});
    // Without any heartbeat.
    made.clock.advance(3000);
    await calm(100);
    expect(await read(b)).toEqual({ x: 1, y: 2 });
  });

  it('hear within two seconds of the last write that was lost on the road, without a heartbeat', async () => {
    const made = await mesh(['A', 'B', 'C']);
    const [a, b, c] = made.members as [Member, Member, Member];
    made.connectAll();
    await write(a, 'x', 'first');
    await calm();
    // What A sends to B now is lost with its stream, and B does not hear that it was.
    const lost = made.hub.loseNext(a.id, b.id, ROAD_PROTOCOL);
    await write(a, 'x', 'last');
    await calm();
    expect([lost.count, await read(b), await read(c)]).toEqual([1, { x: 'first' }, { x: 'last' }]);
    for (let passedMs = 0; passedMs < 2500; passedMs += 100) {
      made.clock.advance(100);
      await calm(10);
    }
    expect(await read(b)).toEqual({ x: 'last' });
  });

  it('get at once what was written while an idle stream was closed', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    await write(a, 'x', 'first');
    await calm();
    for (let turns = 0; turns < 6; turns += 1) {
      const writing = write(a, 'x', turns);
      await calm(turns);
      // So long nothing was sent.
      made.clock.advance(60_000);
      await writing;
      await calm();
      expect(await read(b)).toEqual({ x: turns });
    }
  });

  it('get what was written while no stream could be opened, or when one broke', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    await calm();
    made.hub.opens = (protocol) => protocol !== ROAD_PROTOCOL;
    await write(a, 'x', 1);
    await calm();
    expect(await read(b)).toEqual({});
    made.hub.opens = () => true;
    made.clock.advance(1000);
    await calm(100);
    expect(await read(b)).toEqual({ x: 1 });
    await write(a, 'y', 2);
    await calm();
    made.clock.advance(60_000);
    await calm();
    await write(a, 'z', 3);
    await calm();
    expect(await read(b)).toEqual({ x: 1, y: 2, z: 3 });
  });

  it('are held up by a slow reader, and what is written meanwhile comes as one', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    await calm();
    const before = made.hub.traffic.streamBytes;
    // More than B reads of one peer at a time.
    for (let i = 0; i < 700; i += 1) await write(a, `k${i % 10}`, i);
    await calm(200);
    const held = Object.values(await read(b));
    expect(Math.max(...held.map(Number))).toBeLessThan(600);
    made.clock.advance(500);
    await calm(200);
    made.clock.advance(500);
    await calm(200);
    expect(await read(b)).toEqual(await read(a));
    expect([syncs(made) < 3, made.hub.traffic.streamBytes - before < 700 * 200]).toEqual([
      true,
      true,
    ]);
  });

  it('send by stream what is too large for gossip', async () => {
    const made = await mesh(['A', 'B', 'C']);
    const [a, b, c] = made.members as [Member, Member, Member];
    made.connectAll();
    await calm();
    const { gossip } = made.hub.traffic;
    await write(a, 'x', 'é'.repeat(24_574));
    await calm(200);
    expect(made.hub.traffic.gossip).toBe(gossip);
    expect(await read(b)).toEqual(await read(a));
    expect(await read(c)).toEqual(await read(a));
  });

  it('arrive whole when there are thousands of entries', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    const board = await a.blackboard.board('b');
    const text = 'x'.repeat(500);
    await Promise.all(Array.from({ length: 4000 }, (_, i) => board.set(`k${i}`, { i, text })));
    const sizes: number[] = [];
    (await b.blackboard.board('b')).watch((changes) => void sizes.push(changes.length));
    made.connectAll();
    await calm(300);
    expect(b.blackboard.digests()).toEqual(a.blackboard.digests());
    // What has come can be read before the rest is there.
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(4000);
    expect([sizes.length > 4, Math.max(...sizes) <= 1000]).toEqual([true, true]);
    expect((await makeReopened(b)).digests()).toEqual(a.blackboard.digests());
  });
});

async function makeReopened(member: Member): Promise<Member['blackboard']> {
  const table = journalTable(member.table.journal);
  const again = makeMember(createHub(), 'X', { clock: createTestClock(), table });
  await again.blackboard.start();
  return again.blackboard;
}

describe('a board', () => {
  it('is read by name without coming into being', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    const board = await a.blackboard.board('nobody-wrote-this');
    expect([board.get('k'), board.entries(), board.digest(), await board.delete('k')]).toEqual([
      undefined,
      [],
      '',
      false,
    ]);
    await expect(board.set('k', undefined as unknown as Json)).rejects.toThrow('no value');
    await pass(made, 10);
    expect([a.blackboard.names(), b.blackboard.names(), a.table.rows.size]).toEqual([[], [], 0]);
  });

  it('is watched from before it exists until one stops watching', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    made.connectAll();
    const heard: unknown[] = [];
    const board = await b.blackboard.board('b');
    const stop = board.watch((changes) => {
      for (const { key, entry } of changes) heard.push([key, entry?.value]);
    });
    board.watch(() => {
      throw new Error('a watcher with a defect');
    });
    await write(a, 'x', 1);
    await calm();
    await board.set('y', 2);
    await board.delete('x');
    stop();
    await board.set('z', 3);
    expect(heard).toEqual([
      ['x', 1],
      ['y', 2],
      ['x', undefined],
    ]);
    expect(b.logger.lines).toContain('a watcher of a board threw');
  });

  it('lists its entries by key, or those with a prefix', async () => {
    const made = await mesh(['A']);
    const [a] = made.members as [Member];
    for (const key of ['b/2', 'a/1', 'b/1', 'é']) await write(a, key, key);
    const board = await a.blackboard.board('b');
    expect(board.entries().map(({ key }) => key)).toEqual(['a/1', 'b/1', 'b/2', 'é']);
    expect(board.entries('b/').map(({ key }) => key)).toEqual(['b/1', 'b/2']);
  });

  it('may be called like a property that every object has', async () => {
    const made = await mesh(['A', 'B']);
    const [a, b] = made.members as [Member, Member];
    await write(a, 'constructor', 1, 'constructor');
    await write(b, 'toString', 2, 'valueOf');
    made.connectAll();
    await pass(made, 10);
    expect([digests(made), b.blackboard.names()]).toEqual([1, ['constructor', 'valueOf']]);
    expect(await read(b, 'constructor')).toEqual({ constructor: 1 });
  });

  it.each(['', 'a b', 'a/b', '../b', '-b', '__proto__', 'b'.repeat(65)])(
    'is not called %j',
    async (name) => {
      const made = await mesh(['A']);
      const [a] = made.members as [Member];
      await expect(a.blackboard.board(name)).rejects.toMatchObject({
        code: 'STARLING_BOARD_INVALID',
      });
    },
  );
});

/** Updates by which a peer writes three entries. */
function threeOf(peer: string): readonly Uint8Array[] {
  const other = makeDocument([], {}, { self: `did:key:${peer}` as Did });
  for (let i = 0; i < 3; i++) other.set({ key: `o${i}`, value: i });
  return [...(other.diff(encodeVector([])) ?? [])];
}

describe('bounds', () => {
  it('refuse a board too many, clearly to a writer and once in the log to peers', async () => {
    const made = await mesh(['A', 'B'], { limits: { boards: 2 } });
    const [a, b] = made.members as [Member, Member];
    for (const name of ['one', 'two']) await write(a, 'k', 1, name);
    for (const name of ['three', 'two']) await write(b, 'k', 1, name);
    await expect(write(a, 'k', 1, 'three')).rejects.toThrow('has 2 boards, which is the limit');
    made.connectAll();
    await pass(made, 60);
    expect([a.blackboard.names(), b.blackboard.names()]).toEqual([
      ['one', 'two'],
      ['three', 'two'],
    ]);
    expect(await read(a, 'two')).toEqual(await read(b, 'two'));
    expect(a.logger.lines.length).toBeLessThanOrEqual(1);
    expect(made.hub.opened.length).toBeLessThan(14);
  });

  it('drop what peers send to a full board, say so once, and do not sync for ever', async () => {
    const made = await mesh(['A', 'B'], { limits: { keys: 2 } });
    const [a, b] = made.members as [Member, Member];
    // One writer fills three quarters at the most.
    const updates = threeOf('O');
    const hub = made.hub.network('O' as PeerId);
    made.hub.connect('O' as PeerId, 'A' as PeerId);
    for (const update of updates) {
      await hub.topic('board2').publish(encodeGossip({ board: 'b', update }));
    }
    await calm();
    expect(await read(a)).toEqual({ o0: 0, o1: 1, o2: 2 });
    await write(b, 'b0', 1);
    await write(b, 'b1', 1);
    made.hub.connect('A' as PeerId, 'B' as PeerId);
    await pass(made, 300);
    expect(digests(made)).toBe(2);
    expect(made.hub.opened.length).toBeLessThan(25);
    const lines = a.logger.lines.filter((line) => line.includes('full board'));
    expect([lines.length, a.health.warnings().length]).toEqual([1, 1]);
    await expect(write(a, 'mine', 1)).rejects.toThrow('holds 2 keys');
  });

  it('are no trouble any more once the copies are equal', async () => {
    const made = await mesh(['A', 'B'], { limits: { keys: 2 } });
    const [a, b] = made.members as [Member, Member];
    // One writer fills three quarters at the most.
    const updates = threeOf('O');
    const hub = made.hub.network('O' as PeerId);
    made.hub.connect('O' as PeerId, 'A' as PeerId);
    for (const update of updates) {
      await hub.topic('board2').publish(encodeGossip({ board: 'b', update }));
    }
    await calm();
    await write(b, 'b0', 1);
    await write(b, 'b1', 1);
    made.hub.connect('A' as PeerId, 'B' as PeerId);
    await pass(made, 20);
    expect(a.health.warnings().map(({ code }) => code)).toEqual(['board-full:b']);
    const B = 'B' as PeerId;
    a.blackboard.compare(B, b.blackboard.digests());
    expect(a.health.warnings()).toHaveLength(1);
    // As its heartbeat says once both have the same.
    a.blackboard.compare(B, a.blackboard.digests());
    expect(a.health.warnings()).toEqual([]);
  });
});

describe('a hostile peer', () => {
  async function victim(): Promise<{
    made: Mesh;
    a: Member;
    evil: ReturnType<Mesh['hub']['network']>;
  }> {
    const made = await mesh(['A']);
    const [a] = made.members as [Member];
    await write(a, 'k', 'kept');
    const evil = made.hub.network('E' as PeerId);
    made.hub.connect('A' as PeerId, 'E' as PeerId);
    await calm();
    return { made, a, evil };
  }

  const messages: Record<string, Uint8Array> = {
    'no message': Uint8Array.from([3, 1, 2, 3]),
    'an endless length': Uint8Array.from([255, 255, 255, 255, 255, 255]),
    'a length over the limit': Uint8Array.from([0xff, 0xff, 0xff, 0x7f]),
    'CBOR nested without end': Buffer.concat([Buffer.from([0xd0, 0x0f]), Buffer.alloc(2000, 0x81)]),
  };

  it.each(Object.entries(messages))('is cut off when it sends %s', async (_, bytes) => {
    const { a, evil } = await victim();
    const stream = await evil.open(a.id, '/starling/board/2', {
      signal: new AbortController().signal,
    });
    let error: Error | undefined;
    stream.onEnd((reason) => (error = reason));
    stream.write(bytes);
    await calm();
    expect(error).toBeInstanceOf(StarlingError);
    expect(await read(a)).toEqual({ k: 'kept' });
  });

  it('is cut off when it opens a stream and says nothing', async () => {
    const { made, a, evil } = await victim();
    // What was written a moment ago has been told.
    made.clock.advance(1000);
    await calm();
    // What recurs as long as the node runs.
    const recurring = made.clock.waiting();
    const ends: unknown[] = [];
    for (let i = 0; i < 40; i++) {
      const stream = await evil.open(a.id, '/starling/board/2', {
        signal: new AbortController().signal,
      });
      stream.onEnd((error) => ends.push(error));
    }
    await calm();
    // Two are served and sixteen wait; the others are refused at once.
    expect(ends).toHaveLength(22);
    for (let i = 0; i < 12; i++) {
      made.clock.advance(15_000);
      await calm();
    }
    expect(ends).toHaveLength(40);
    expect(made.clock.waiting()).toBe(recurring);
  });

  it('does no harm by gossip of any kind', async () => {
    const { a, evil } = await victim();
    const topic = evil.topic('board2');
    const digest = a.blackboard.digests();
    const [forged = new Uint8Array()] = threeOf('A');
    for (const data of [
      Uint8Array.from([]),
      Uint8Array.from([1, 2, 3]),
      encodeGossip({ board: 'b', update: Uint8Array.from([9, 9, 9]) }),
      encodeGossip({ board: 'b', update: forged }),
      encodeGossip({ board: 'b', update: Buffer.from('[2,0,[["did:key:E",1,0,9,[[1,"k",1]]]]]') }),
      encodeGossip({ board: '../b', update: Uint8Array.from([0, 0]) }),
      encodeGossip({ board: 'new', update: Buffer.from('[2,0,[]]') }),
    ]) {
      await topic.publish(data);
    }
    await calm();
    expect(a.blackboard.digests()).toEqual(digest);
    expect(a.blackboard.names()).toEqual(['b']);
    a.blackboard.compare('E' as PeerId, { b: 'x'.repeat(1000), '../x': 'y', n: 7 as never });
    a.blackboard.compare('E' as PeerId, null as never);
    await write(a, 'still', 'alive');
  });
});

describe('start and stop', () => {
  it('may come twice, in any order, and leave nothing behind', async () => {
    const hub = createHub();
    const clock = createTestClock();
    const a = makeMember(hub, 'A', { clock });
    await a.blackboard.stop();
    await expect(a.blackboard.board('b')).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
    await a.blackboard.start();
    await a.blackboard.start();
    const board = await a.blackboard.board('b');
    const writing = board.set('k', 1);
    await a.blackboard.stop();
    await writing;
    await a.blackboard.stop();
    await expect(board.set('k', 2)).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
    expect(clock.waiting()).toBe(0);
    expect(a.network.events.listenerCount('peer:connect')).toBe(0);
    await a.blackboard.start();
    expect((await a.blackboard.board('b')).get('k')?.value).toBe(1);
    await a.blackboard.stop();
  });

  it('ends the syncs that run', async () => {
    const made = await mesh(['A', 'B']);
    const [a] = made.members as [Member];
    await write(a, 'k', 'x'.repeat(40_000));
    made.connectAll();
    await calm(2);
    await made.stop();
    await calm();
    expect(made.clock.waiting()).toBe(0);
  });
});
