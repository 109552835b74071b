/** What nodes know of each other's audit logs: real logs, joined by a network in memory. */
import { EventEmitter } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'cborg';
import { afterEach, describe, expect, it } from 'vitest';
import { createAudit, createCheckpointStore } from '../../../src/audit/index.ts';
import type { Audit, AuditInit, Checkpoint, CheckpointStore } from '../../../src/audit/index.ts';
import { sealLine } from '../../../src/audit/checkpoint.ts';
import { hashLine } from '../../../src/audit/format.ts';
import { createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, Health } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import {
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from '../../../src/membership/audit/checkpoint-messages.ts';
import type { CheckpointMessage } from '../../../src/membership/audit/checkpoint-messages.ts';
import { createCheckpointExchange } from '../../../src/membership/index.ts';
import type {
  CheckpointExchange,
  MembershipEvents,
  PeerState,
  PeerView,
} from '../../../src/membership/index.ts';
import { changesOf } from '../../../src/membership/peers/peer-diff.ts';
import { calm, createHub } from '../../blackboard/hub.ts';
import type { Hub } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Member {
  readonly name: string;
  readonly identity: Identity;
  readonly folder: string;
  readonly table: ReturnType<typeof memoryTable>;
  readonly clock: Clock;
  audit: Audit;
  book: CheckpointStore;
  health: Health;
  exchange: CheckpointExchange;
  readonly events: EventEmitter<MembershipEvents>;
  readonly peers: Map<string, PeerView>;
}

interface Mesh {
  readonly hub: Hub;
  readonly members: Member[];
  /** Every member hears the heartbeat of `member`, as it says it. */
  beat(member: Member, more?: Partial<PeerView>): void;
}

const entry = (n: number): AuditInit => ({
  kind: 'decision',
  who: 'did:key:z6MkBob',
  what: { ability: 'tool/call', resource: `tool:files/read_${n}` },
  outcome: 'allowed',
});

/** Its folder, key and book stay; everything else is made anew. */
async function boot(hub: Hub, member: Member): Promise<void> {
  const { identity, folder, clock, table } = member;
  member.health = createHealth();
  member.audit = createAudit(
    { identity, clock, logger: silentLogger, health: member.health },
    { folder, checkpointEntries: 4 },
  );
  member.book = createCheckpointStore({ table, clock });
  member.exchange = createCheckpointExchange({
    network: hub.network(identity.peerId),
    membership: {
      events: member.events,
      peers: () => [...member.peers.values()],
      peer: (peerId) => member.peers.get(peerId),
      find: (did) => [...member.peers.values()].find((peer) => peer.did === did),
    },
    audit: member.audit,
    checkpoints: member.book,
    self: identity.did,
    lineage: (did) => [did],
    health: member.health,
    clock,
    logger: silentLogger,
  });
  await member.audit.start();
  await member.exchange.start();
}

async function halt(member: Member): Promise<void> {
  await member.exchange.stop();
  await member.audit.stop();
}

async function meshOf(names: readonly string[], clock: Clock = systemClock): Promise<Mesh> {
  const hub = createHub();
  const members: Member[] = [];
  const beat: Mesh['beat'] = (member, more = {}) => {
    const { audit } = member.exchange.presence();
    for (const other of members) {
      if (other === member) continue;
      const view: PeerView = {
        peerId: member.identity.peerId,
        did: member.identity.did,
        alias: member.name,
        state: 'alive',
        lastHeartbeatAt: clock.now(),
        presence: {
          name: member.name,
          version: '0',
          addresses: [],
          load: 0,
          catalog: '',
          boards: {},
          ...(audit === undefined ? {} : { audit }),
        },
        ...more,
      };
      other.peers.set(member.identity.peerId, view);
      other.events.emit('change', view, undefined, changesOf(view, undefined));
    }
  };
  for (const [index, name] of names.entries()) {
    const folder = await mkdtemp(join(tmpdir(), 'starling-exchange-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const member = {
      name,
      identity: createIdentity(Buffer.alloc(32, index + 2)),
      folder,
      table: memoryTable(),
      clock,
      events: new EventEmitter<MembershipEvents>(),
      peers: new Map<string, PeerView>(),
    } as unknown as Member;
    await boot(hub, member);
    cleanups.push(() => halt(member));
    members.push(member);
    for (const other of members) {
      if (other !== member) hub.connect(other.identity.peerId, member.identity.peerId);
    }
  }
  return { hub, members, beat };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`it never came true: ${String(condition)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Entries, the last of which makes a checkpoint; and everybody hears of it. */
async function works(mesh: Mesh, member: Member): Promise<Checkpoint> {
  const before = member.audit.checkpoint()?.seq ?? 0;
  for (let n = 0; n < 4; n += 1) await member.audit.append(entry(n));
  await until(() => (member.audit.checkpoint()?.seq ?? 0) > before);
  const checkpoint = member.audit.checkpoint();
  if (checkpoint === undefined) throw new Error('it is not signed');
  mesh.beat(member);
  const others = mesh.members.filter((other) => other !== member);
  await until(() => others.every(({ book }) => knows(book, checkpoint)));
  return checkpoint;
}

const knows = (book: CheckpointStore, { did, seq }: Checkpoint): boolean =>
  book.of(did).some((one) => one.seq === seq);

/** Makes the chain of a stopped node anew with its own key, as if entry 1 had been another. */
async function rewrite({ folder, identity }: Member): Promise<void> {
  const file = join(folder, '0000000000000001.jsonl');
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  let prev = '0'.repeat(64);
  let last: Checkpoint | undefined;
  const made = lines.map((line, index) => {
    const { prev: _, ...old } = JSON.parse(line) as Record<string, unknown>;
    if (index === 0) old['who'] = 'did:key:z6MkSomebodyElse';
    if (old['checkpoint'] !== undefined) {
      const { at } = old['checkpoint'] as Checkpoint;
      last = sealLine(identity, 'checkpoint', { seq: index, hash: prev, at });
      old['checkpoint'] = last;
    }
    const text = JSON.stringify({ ...old, prev });
    prev = hashLine(text);
    return text;
  });
  await writeFile(file, made.map((line) => `${line}\n`).join(''));
  await writeFile(join(folder, 'head.json'), JSON.stringify({ checkpoint: last }));
}

const warningsOf = ({ health }: Member): readonly string[] =>
  health.warnings().map(({ text }) => text);

async function rewritesIn({ audit }: Member): Promise<number> {
  await audit.flush();
  const { entries } = await audit.query({ limit: 1000, kind: 'mesh' });
  return entries.length;
}

describe('nodes that live on', () => {
  it('see where each other’s log stands, and warn of nobody', async () => {
    const mesh = await meshOf(['alice', 'bob', 'carol']);
    const [alice, bob, carol] = mesh.members as [Member, Member, Member];
    for (let n = 0; n < 3; n += 1) for (const one of mesh.members) await works(mesh, one);
    const witnesses = await alice.exchange.ask();
    expect(witnesses.map(({ alias, seen }) => [alias, (seen?.length ?? 0) > 0])).toEqual([
      ['bob', true],
      ['carol', true],
    ]);
    expect(await alice.audit.compareWith(witnesses.flatMap(({ seen }) => seen ?? []))).toEqual([]);
    expect([alice, bob, carol].flatMap(warningsOf)).toEqual([]);
    // All of it went over the links that they have.
    expect(mesh.hub.opened).toEqual([]);
  });

  it('are told apart from what is replayed or forged in their name', async () => {
    const mesh = await meshOf(['alice', 'bob']);
    const [alice, bob] = mesh.members as [Member, Member];
    const first = await works(mesh, alice);
    await works(mesh, alice);
    const say = (audit: Omit<Checkpoint, 'did'>): void => {
      const view = bob.peers.get(alice.identity.peerId) as PeerView;
      const presence = { ...(view.presence as NonNullable<PeerView['presence']>), audit };
      bob.events.emit('change', { ...view, presence }, view, new Set(['audit'] as const));
    };
    const seen = bob.book.of(alice.identity.did);
    say(first);
    say({ ...first, hash: 'f'.repeat(64) });
    say(sealLine(createIdentity(), 'checkpoint', { seq: 99, hash: 'e'.repeat(64), at: 1 }));
    say({ seq: 99, hash: 'nothing', at: 1, sig: '' });
    await works(mesh, bob);
    expect(bob.book.of(alice.identity.did)).toEqual(seen);
    expect(warningsOf(bob)).toEqual([]);
  });

  it('may have clocks that are years apart, and set them back', async () => {
    const clock = createTestClock();
    const mesh = await meshOf(['alice', 'bob'], clock);
    const [alice, bob] = mesh.members as [Member, Member];
    await works(mesh, alice);
    clock.advance(-400 * 86_400_000);
    await works(mesh, alice);
    clock.advance(4000 * 86_400_000);
    await works(mesh, alice);
    const [witness] = await alice.exchange.ask();
    expect(await alice.audit.compareWith(witness?.seen ?? [])).toEqual([]);
    expect([...warningsOf(alice), ...warningsOf(bob)]).toEqual([]);
  });
});

describe('a node that comes back with another log than it had', () => {
  it('is found out by all, with a proof that newcomers get', async () => {
    const mesh = await meshOf(['alice', 'bob', 'carol']);
    const [alice, bob, carol] = mesh.members as [Member, Member, Member];
    const signed = await works(mesh, alice);
    await halt(alice);
    await rewrite(alice);
    // Not even its own book tells on it.
    await alice.table.batch([{ key: alice.identity.did }]);
    await boot(mesh.hub, alice);
    expect((await alice.audit.verify()).ok).toBe(true);
    mesh.beat(alice, { startedAt: 2 });
    await until(() => warningsOf(bob).length > 0 && warningsOf(carol).length > 0);
    expect(warningsOf(bob)[0]).toContain(
      `alice has rewritten its audit log, at or before entry ${signed.seq}: it signed two different`,
    );
    for (let n = 0; n < 20; n += 1) mesh.beat(alice, { startedAt: 2 });
    expect(await rewritesIn(bob)).toBe(1);
    for (const one of mesh.members) mesh.beat(one, { startedAt: 2 });
    const [witness] = (await alice.exchange.ask()).filter(({ alias }) => alias === 'bob');
    expect(await alice.audit.compareWith(witness?.seen ?? [])).toMatchObject([
      { rule: 'rewritten', checkpoint: { seq: signed.seq } },
    ]);

    // Whoever comes later knows alice only as she is now, and learns it from bob.
    await halt(carol);
    await carol.table.batch([{ key: alice.identity.did }]);
    await boot(mesh.hub, carol);
    expect(warningsOf(carol)).toEqual([]);
    mesh.beat(bob, { startedAt: 5 });
    await until(() => warningsOf(carol).length > 0);
    expect(carol.book.rewrites()).toMatchObject([{ did: alice.identity.did }]);

    // Bob does not forget it over a restart, and does not record it twice.
    await halt(bob);
    await boot(mesh.hub, bob);
    expect(warningsOf(bob)).toHaveLength(1);
    expect(await rewritesIn(bob)).toBe(1);
  });

  it('says so itself where it was changed without its key, and warns its own operator', async () => {
    const mesh = await meshOf(['alice', 'bob']);
    const [alice, bob] = mesh.members as [Member, Member];
    const signed = await works(mesh, alice);
    await halt(alice);
    // Somebody has removed the whole record, and the book as well.
    await rm(alice.folder, { recursive: true });
    await alice.table.batch([{ key: alice.identity.did }]);
    await boot(mesh.hub, alice);
    mesh.beat(bob, { startedAt: 1 });
    mesh.beat(alice, { startedAt: 2 });
    await until(() => warningsOf(bob).length > 0 && warningsOf(alice).length > 0);
    expect(warningsOf(bob)[0]).toContain(`it no longer has the entry ${signed.seq}`);
    expect(warningsOf(alice)[0]).toContain('this node has rewritten its audit log');
    expect(await rewritesIn(alice)).toBe(1);
    expect(await rewritesIn(bob)).toBe(1);
  });

  it('is found out by its own book where only the record was changed', async () => {
    const mesh = await meshOf(['alice']);
    const [alice] = mesh.members as [Member];
    for (let n = 0; n < 4; n += 1) await alice.audit.append(entry(n));
    await until(() => alice.book.of(alice.identity.did).length > 0);
    await halt(alice);
    await rewrite(alice);
    await boot(mesh.hub, alice);
    await until(() => warningsOf(alice).length > 0);
    expect(await rewritesIn(alice)).toBe(1);
  });
});

describe('a hostile peer', () => {
  /** Talks to bob as alice does, who hears nothing herself any more. */
  function speak({ hub }: Mesh, from: Member, to: Member): Line {
    const network = hub.network(from.identity.peerId);
    const heard: CheckpointMessage[] = [];
    network.onFrame('audit', (bytes) => {
      const message = decodeCheckpointMessage(bytes);
      if (message !== undefined) heard.push(message);
    });
    const send = async (bytes: Uint8Array): Promise<void> => {
      await network.sendFrame(to.identity.peerId, 'audit', bytes);
      await calm(4);
    };
    return { heard, send };
  }

  interface Line {
    readonly heard: CheckpointMessage[];
    send(bytes: Uint8Array): Promise<void>;
  }

  it('that signs ten thousand checkpoints costs a few, and hides nothing', async () => {
    const clock = createTestClock();
    const mesh = await meshOf(['alice', 'bob'], clock);
    const [alice, bob] = mesh.members as [Member, Member];
    const first = await works(mesh, alice);
    let written = 0;
    const put = bob.table.put.bind(bob.table);
    bob.table.put = (key, value) => ((written += 1), put(key, value));
    const view = bob.peers.get(alice.identity.peerId) as PeerView;
    const base = view.presence as NonNullable<PeerView['presence']>;
    for (let n = 1; n <= 10_000; n += 1) {
      // Signatures are dear here, and those over the rate are not looked at.
      const line = { seq: 100 + n, hash: hashLine(String(n)), at: n };
      const audit =
        n <= 20 ? sealLine(alice.identity, 'checkpoint', line) : { ...line, sig: 'A'.repeat(86) };
      const said = { ...view, presence: { ...base, audit } };
      bob.events.emit('change', said, view, new Set(['audit'] as const));
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBeLessThan(10);
    expect(knows(bob.book, first)).toBe(true);
    expect(warningsOf(bob)).toEqual([]);
  });

  it('can accuse nobody but itself', async () => {
    const mesh = await meshOf(['alice', 'bob', 'carol']);
    const [alice, bob, carol] = mesh.members as [Member, Member, Member];
    const real = await works(mesh, carol);
    const own = await works(mesh, bob);
    const forged = sealLine(alice.identity, 'checkpoint', { ...real, hash: 'a'.repeat(64) });
    mesh.beat(alice, { state: 'dead' as PeerState });
    const line = speak(mesh, alice, bob);
    const lies = [
      { ...forged, did: carol.identity.did },
      { ...own, hash: 'b'.repeat(64) },
    ];
    await line.send(encodeCheckpointMessage({ t: 'seen', of: lies, book: true }));
    const lie = { t: 'standing' as const, differ: [real.seq, own.seq], book: lies };
    await line.send(encodeCheckpointMessage(lie));
    await until(() => line.heard.length === 2);
    await calm();
    expect(line.heard.map(({ t }) => t)).toEqual(['seen', 'standing']);
    expect(mesh.members.flatMap(warningsOf)).toEqual([]);
    expect(await rewritesIn(bob)).toBe(0);
  });

  it('that tells a thousand forged ones of another does not hold up the node', async () => {
    const mesh = await meshOf(['alice', 'bob', 'carol']);
    const [alice, bob, carol] = mesh.members as [Member, Member, Member];
    const real = await works(mesh, carol);
    const mine = sealLine(alice.identity, 'checkpoint', { ...real, hash: 'a'.repeat(64) });
    const forged = Array.from({ length: 1024 }, (_, n) => ({
      ...mine,
      did: carol.identity.did,
      seq: 1000 + n,
    }));
    mesh.beat(alice, { state: 'dead' as PeerState });
    let turnsBetween = 0;
    let turns = 0;
    const add = bob.book.add.bind(bob.book);
    let refused = 0;
    let lastTurns: number | undefined;
    bob.book.add = (value) => {
      if (lastTurns !== undefined && turns > lastTurns) turnsBetween += 1;
      lastTurns = turns;
      refused += 1;
      return add(value);
    };
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    const line = speak(mesh, alice, bob);
    await line.send(encodeCheckpointMessage({ t: 'seen', of: [], book: false }));
    // He wants to know what others have been seen to say, and takes so many parts of that.
    expect(line.heard).toMatchObject([{ t: 'seen', book: true }]);
    count();
    for (let at = 0; at < 1024; at += 128) {
      const part = { t: 'standing' as const, differ: [], book: forged.slice(at, at + 128) };
      void line.send(encodeCheckpointMessage(part));
    }
    await until(() => refused >= 1024);
    isOver = true;
    await line.send(encodeCheckpointMessage({ t: 'standing', differ: [], book: forged }));
    await calm();
    expect(refused).toBe(1024);
    expect(turnsBetween).toBeGreaterThanOrEqual(15);
    expect(mesh.members.flatMap(warningsOf)).toEqual([]);
    expect(bob.book.of(carol.identity.did).map(({ seq }) => seq)).toEqual([real.seq]);
  });

  it('is answered a few times in a row, never answers an answer, and is told of what nobody asked for', async () => {
    const clock = createTestClock();
    const mesh = await meshOf(['alice', 'bob'], clock);
    const [alice, bob] = mesh.members as [Member, Member];
    mesh.beat(alice, { state: 'dead' as PeerState });
    const network = mesh.hub.network(alice.identity.peerId);
    const heard: (string | undefined)[] = [];
    network.onFrame('audit', (bytes) => void heard.push(decodeCheckpointMessage(bytes)?.t));
    const say = async (bytes: Uint8Array): Promise<void> => {
      await network.sendFrame(bob.identity.peerId, 'audit', bytes);
      await calm(4);
    };
    await say(encodeCheckpointMessage({ t: 'standing', differ: [1], book: [] }));
    await say(Buffer.from('hello'));
    expect(mesh.hub.reported.map(({ what }) => what)).toEqual(['records', 'malformed']);
    await say(encodeCheckpointMessage({ t: 'seen', of: [], book: false, re: true }));
    expect(heard).toEqual([]);
    for (let n = 0; n < 20; n += 1) {
      await say(encodeCheckpointMessage({ t: 'seen', of: [], book: false }));
    }
    expect(heard).toEqual(Array.from({ length: 7 }, () => 'seen'));
    expect(mesh.hub.reported.filter(({ what }) => what === 'records')).toHaveLength(14);
    expect(mesh.members.flatMap(warningsOf)).toEqual([]);
  });

  it.each<[string, Uint8Array]>([
    ['no CBOR', Buffer.from('hello')],
    ['a list', encode([1, 2])],
    ['another message', encode({ t: 'give' })],
    [
      'too many checkpoints',
      encode({ t: 'seen', of: Array.from({ length: 33 }, () => 0), book: false }),
    ],
    ['a checkpoint that is none', encode({ t: 'seen', of: [{ seq: -1 }], book: false })],
    ['a number that is none', encode({ t: 'standing', differ: [1.5], book: [] })],
    ['nothing of a book', encode({ t: 'standing', differ: [] })],
  ])('that sends %s is told of', async (_, bytes) => {
    const mesh = await meshOf(['alice', 'bob']);
    const [alice, bob] = mesh.members as [Member, Member];
    mesh.beat(alice, { state: 'dead' as PeerState });
    const line = speak(mesh, alice, bob);
    await line.send(bytes);
    expect(line.heard).toEqual([]);
    expect(mesh.hub.reported.map(({ peer, what }) => [peer, what])).toEqual([
      [alice.identity.peerId, 'malformed'],
    ]);
  });
});
