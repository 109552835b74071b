/** What a node lists to all comes from hand to hand, once to each, and nothing of it is believed that its owner has not signed. */
import { createHash } from 'node:crypto';
import { encode } from 'cborg';
import { expect, it } from 'vitest';
import {
  DOCUMENT_BYTES_MAX,
  bodyOf,
  hashOf,
  labelOf,
  sealDocument,
} from '../../../src/directory/documents/document.ts';
import { encodeDocumentMessage } from '../../../src/directory/documents/document-messages.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { createKeptDocuments } from '../../../src/directory/documents/kept-documents.ts';
import { agentOf, createDocumentWorld, serverOf } from './arrange.ts';
import type { DocumentNode, DocumentWorld } from './arrange.ts';

const LISTED_MS = 300;

/** Lists `names` at `node`, and tells everybody which document that is. */
async function list(world: DocumentWorld, node: DocumentNode, names: readonly string[]) {
  node.servers = names.map((name) => serverOf(name));
  node.documents.changed();
  await world.run(LISTED_MS);
  world.beat(node);
}

/** A chain of nodes, each linked to the next. */
function chain(world: DocumentWorld, count: number): readonly DocumentNode[] {
  const nodes = Array.from({ length: count }, (_, at) => world.node(at + 2));
  for (const [at, node] of nodes.entries()) {
    const next = nodes[at + 1];
    if (next !== undefined) world.link(node, next);
  }
  return nodes;
}

type Lists = ReturnType<DocumentNode['documents']['presence']>['lists'];

const seen = (node: DocumentNode, of: DocumentNode): readonly string[] =>
  node.shown.get(of.peerId) ?? [];

it('reaches who has no link to its owner, with no more than one question and one answer a node', async () => {
  const world = createDocumentWorld();
  const [alice, ...others] = chain(world, 5) as [DocumentNode, ...DocumentNode[]];
  await list(world, alice, ['files']);
  await world.run(1000);
  expect(others.map((node) => seen(node, alice))).toEqual(others.map(() => ['files-0']));
  const parts = world.sent.filter(({ message }) => message?.t === 'part');
  expect(parts.length).toBe(others.length);
  // At the most a link carries: I lack it, so do I, now I have it, then give me that, here.
  expect(world.sent.length).toBeLessThanOrEqual(5 * others.length);
  const before = world.sent.length;
  await world.run(60_000, 5000);
  expect(world.sent.length).toBe(before);
});

it('is hidden as soon as a heartbeat names another one, and is shown once that is here', async () => {
  const world = createDocumentWorld();
  const [alice, bob, carol] = chain(world, 3) as [DocumentNode, DocumentNode, DocumentNode];
  await list(world, alice, ['files']);
  await world.run(500);
  alice.servers = [serverOf('git')];
  alice.documents.changed();
  await world.run(LISTED_MS);
  const now = alice.documents.presence().lists;
  world.passes = () => false;
  carol.hear(alice.peerId, now);
  expect(seen(carol, alice)).toEqual([]);
  await world.run(2000);
  expect(seen(carol, alice)).toEqual([]);
  world.passes = () => true;
  bob.hear(alice.peerId, now);
  await world.run(20_000);
  expect([seen(bob, alice), seen(carol, alice)]).toEqual([['git-0'], ['git-0']]);
  // Who goes takes its list along, and who comes back with the same one has nobody fetch it.
  const before = world.sent.length;
  carol.hear(alice.peerId, now, { state: 'dead' });
  expect(seen(carol, alice)).toEqual([]);
  carol.hear(alice.peerId, now);
  expect(seen(carol, alice)).toEqual(['git-0']);
  expect(world.sent.length).toBe(before);
});

it('is wanted no more, and not shown when it comes, once its owner lists nothing or is gone', async () => {
  const world = createDocumentWorld();
  const [alice, bob, carol] = chain(world, 3) as [DocumentNode, DocumentNode, DocumentNode];
  const ends = [
    (lists: Lists) => carol.hear(alice.peerId, lists, { state: 'dead' }),
    () => carol.hear(alice.peerId, undefined),
  ];
  for (const [at, end] of ends.entries()) {
    // Bob has it, and carol, who asks for it, gets no answer.
    world.passes = ({ from, to }) => from !== bob.peerId || to !== carol.peerId;
    await list(world, alice, [`server${at}`]);
    await world.run(1000);
    end(alice.documents.presence().lists);
    world.passes = () => true;
    const before = world.sent.length;
    await world.run(600_000, 5000);
    expect([seen(carol, alice), world.sent.length]).toEqual([[], before]);
  }
});

it('of a node whose folder was restored counts as its heartbeat says, also with a lower version', async () => {
  const world = createDocumentWorld();
  const [alice, bob] = chain(world, 2) as [DocumentNode, DocumentNode];
  await list(world, alice, ['old']);
  await world.run(500);
  const backup = new Map(alice.rows);
  const old = alice.documents.presence().lists;
  await list(world, alice, ['new']);
  await world.run(500);
  expect(seen(bob, alice)).toEqual(['new-0']);
  await alice.documents.stop();
  const again = world.node(2, { rows: backup, servers: [serverOf('old')] });
  again.documents.changed();
  await world.run(LISTED_MS);
  expect(again.documents.presence().lists).toEqual(old);
  world.beat(again);
  expect(seen(bob, alice)).toEqual([]);
  await world.run(500);
  expect(seen(bob, alice)).toEqual(['old-0']);
});

it('has a version that goes up over restarts and clocks that go back, and stays where nothing has changed', async () => {
  const world = createDocumentWorld();
  const rows = new Map<string, Uint8Array>();
  const first = world.node(2, { rows, servers: [serverOf('files')] });
  first.documents.changed();
  await world.run(LISTED_MS);
  const listed = first.documents.presence().lists;
  await first.documents.stop();
  const second = world.node(2, { rows, servers: [serverOf('files')] });
  second.documents.changed();
  await world.run(LISTED_MS);
  expect(second.documents.presence().lists).toEqual(listed);
  const future = { version: 9_000_000_000_000, body: 'another' };
  rows.set('own', Buffer.from(JSON.stringify(future)));
  second.servers = [serverOf('git')];
  second.documents.changed();
  await world.run(LISTED_MS);
  expect(second.documents.presence().lists?.version).toBe(future.version + 1);
  second.servers = [];
  second.documents.changed();
  await world.run(LISTED_MS);
  expect(second.documents.presence()).toEqual({});
});

it('is asked of somebody else when who was asked keeps silent, has it not, or gives another text', async () => {
  const world = createDocumentWorld();
  const [alice, bob, carol, dave] = [2, 3, 4, 5].map((seed) => world.node(seed)) as [
    DocumentNode,
    DocumentNode,
    DocumentNode,
    DocumentNode,
  ];
  world.link(alice, carol);
  await list(world, alice, ['files']);
  await world.run(500);
  const lists = alice.documents.presence().lists ?? { version: 0, hash: '' };
  // Bob passes on nothing.
  world.passes = ({ from }) => from !== bob.peerId;
  world.link(dave, bob);
  dave.hear(alice.peerId, lists);
  world.link(dave, carol);
  await world.run(6000);
  expect(seen(dave, alice)).toEqual(['files-0']);
  // Mallory gives what alice has never signed.
  const [mallory, erin] = [world.node(6), world.node(7)];
  await mallory.documents.stop();
  world.passes = () => true;
  world.link(erin, mallory);
  erin.hear(alice.peerId, lists);
  await world.run(50);
  const forged = sealDocument(mallory.identity, {
    owner: alice.peerId,
    version: lists.version,
    body: Buffer.from('{"servers":[]}'),
  }).bytes;
  const about = { of: alice.peerId, hash: lists.hash };
  const part = { t: 'part', at: 0, size: forged.length, bytes: forged, ...about } as const;
  mallory.say(erin.peerId, encodeDocumentMessage(part));
  await world.run(50);
  expect(erin.reported).toEqual([`forgeries ${mallory.peerId}`]);
  world.link(erin, carol);
  await world.run(500);
  expect(seen(erin, alice)).toEqual(['files-0']);
});

it('is refused for good when its owner names what is none of its own, and nobody asks for it again', async () => {
  const world = createDocumentWorld();
  const [alice, bob, mallory] = [2, 3, 4].map((seed) => world.node(seed)) as [
    DocumentNode,
    DocumentNode,
    DocumentNode,
  ];
  world.link(alice, bob);
  world.link(mallory, bob);
  await list(world, alice, ['files']);
  await world.run(500);
  const lists = alice.documents.presence().lists;
  // Mallory says that alice's document is its own, and has it.
  await mallory.documents.stop();
  bob.hear(mallory.peerId, lists);
  await world.run(50);
  const want = world.sent.findLast(({ to }) => to === mallory.peerId)?.message;
  expect(want).toMatchObject({ t: 'want', of: mallory.peerId });
  const alices = sealDocument(alice.identity, {
    owner: alice.peerId,
    version: lists?.version ?? 0,
    body: Buffer.from(JSON.stringify({ servers: alice.servers })),
  }).bytes;
  expect(hashOf(alices)).toBe(lists?.hash);
  const give = (): void => {
    const about = { of: mallory.peerId, hash: lists?.hash ?? '' };
    const part = { t: 'part', at: 0, size: alices.length, bytes: alices, ...about } as const;
    mallory.say(bob.peerId, encodeDocumentMessage(part));
  };
  give();
  await world.run(50);
  expect(seen(bob, mallory)).toEqual([]);
  expect(bob.reported).toEqual([`malformed ${mallory.peerId}`]);
  const before = world.sent.length;
  bob.hear(mallory.peerId, lists);
  await world.run(600_000, 5000);
  expect(world.sent.length).toBe(before);
});

it('is not fetched when it is too long, nor more of it than was asked for', async () => {
  const world = createDocumentWorld();
  const [bob, mallory] = [world.node(3), world.node(4)];
  await mallory.documents.stop();
  world.link(bob, mallory);
  const hash = 'ab'.repeat(16);
  bob.hear(mallory.peerId, { version: 2 ** 53 - 1, hash });
  await world.run(50);
  const about = { of: mallory.peerId, hash };
  const size = 100 * 1024 * 1024;
  const bytes = Buffer.alloc(32 * 1024);
  mallory.say(bob.peerId, encodeDocumentMessage({ t: 'part', at: 0, size, bytes, ...about }));
  await world.run(50);
  expect(bob.reported).toEqual([`malformed ${mallory.peerId}`]);
  expect(DOCUMENT_BYTES_MAX).toBeLessThan(size);
  const asked = (): number => world.sent.filter(({ from }) => from === bob.peerId).length;
  const before = asked();
  for (let at = 0; at < 100; at += 1) {
    mallory.say(bob.peerId, encodeDocumentMessage({ t: 'part', at, size: 10, bytes, ...about }));
  }
  mallory.say(bob.peerId, encode({ t: 'part', of: mallory.peerId, hash, at: 0 }));
  await world.run(1000);
  expect(asked()).toBe(before);
  expect(bob.reported.length).toBeGreaterThan(60);
  // In an hour of that it is asked for some dozen times.
  await world.run(3_600_000, 5000);
  expect(asked() - before).toBeLessThan(30);
});

it('is passed on at a pace: who asks again and again is not answered, and is told of', async () => {
  const world = createDocumentWorld();
  const [alice, mallory] = chain(world, 2) as [DocumentNode, DocumentNode];
  await mallory.documents.stop();
  alice.servers = [serverOf('files', 100, 1000)];
  alice.documents.changed();
  await world.run(LISTED_MS);
  const about = { of: alice.peerId, hash: alice.documents.presence().lists?.hash ?? '' };
  for (let at = 0; at < 1000; at += 1) {
    mallory.say(alice.peerId, encodeDocumentMessage({ t: 'want', at: 0, ...about }));
  }
  await world.run(0);
  const parts = world.sent.filter(({ message }) => message?.t === 'part').length;
  expect(parts).toBeGreaterThan(100);
  expect(parts).toBeLessThan(140);
  expect(alice.reported.length).toBe(1000 - parts);
});

it('is fetched no oftener than its owner may name another one, which is told of, and the last one wins', async () => {
  const world = createDocumentWorld();
  const [mallory, bob] = chain(world, 2) as [DocumentNode, DocumentNode];
  await list(world, mallory, ['first']);
  await world.run(500);
  expect(seen(bob, mallory)).toEqual(['first-0']);
  const last = mallory.documents.presence().lists;
  const names = Array.from({ length: 1000 }, (_, at) => ({
    version: at + 1,
    hash: createHash('sha256').update(String(at)).digest('hex').slice(0, 32),
  }));
  const wants = (): number => world.sent.filter(({ message }) => message?.t === 'want').length;
  const before = wants();
  for (const name of names) bob.hear(mallory.peerId, name);
  await world.run(50);
  expect(wants() - before).toBeLessThanOrEqual(9);
  expect(bob.reported.length).toBe(1000 - 9);
  expect(new Set(bob.reported)).toEqual(new Set([`catalogs ${mallory.peerId}`]));
  // Two that are both there cost as much, when one after the other is named.
  for (let at = 0; at < 50; at += 1) bob.hear(mallory.peerId, at % 2 === 0 ? names[0] : last);
  // What does not count is not shown meanwhile, and the last one is once it may be.
  expect(seen(bob, mallory)).toEqual([]);
  await world.run(5000);
  expect(seen(bob, mallory)).toEqual(['first-0']);
  expect(wants() - before).toBeLessThanOrEqual(11);
  // Who is held and goes is forgotten, and its heartbeats that say the same cost nothing.
  for (const name of names) bob.hear(mallory.peerId, name);
  bob.hear(mallory.peerId, last, { state: 'dead' });
  const asked = wants();
  await world.run(60_000, 5000);
  expect([wants(), seen(bob, mallory)]).toEqual([asked, []]);
  const reported = bob.reported.length;
  for (let at = 0; at < 50; at += 1) bob.hear(mallory.peerId, last);
  expect([bob.reported.length, seen(bob, mallory)]).toEqual([reported, ['first-0']]);
});

it('is kept on disk by its hash: of who is away it tells what was listed last, and who comes back has nobody fetch it', async () => {
  const world = createDocumentWorld();
  const [alice, bob] = chain(world, 2) as [DocumentNode, DocumentNode];
  await list(world, alice, ['files']);
  await world.run(500);
  const lists = alice.documents.presence().lists;
  const toolsOf = (node: DocumentNode): readonly string[] | undefined =>
    node.documents
      .kept(alice.peerId)
      ?.servers.flatMap(({ tools }) => tools.map(({ name }) => name));
  expect(bob.documents.kept(alice.peerId)).toMatchObject({
    version: lists?.version,
    isCurrent: true,
  });
  bob.hear(alice.peerId, lists, { state: 'dead' });
  expect([seen(bob, alice), toolsOf(bob)]).toEqual([[], ['files-0']]);
  expect(bob.documents.kept(alice.peerId)?.isCurrent).toBe(false);
  await bob.documents.stop();

  // Bob again, who has heard nothing of alice yet, and then hears that all is as it was.
  const again = world.node(3, { rows: bob.rows });
  again.hear(alice.peerId, undefined, { state: 'dead', presence: undefined } as never);
  await world.run(0);
  expect([toolsOf(again), again.documents.kept(alice.peerId)?.isCurrent]).toEqual([
    ['files-0'],
    false,
  ]);
  const before = world.sent.length;
  again.hear(alice.peerId, lists);
  expect([seen(again, alice), toolsOf(again)]).toEqual([['files-0'], ['files-0']]);
  expect(world.sent.length).toBe(before);

  // Alice names another one, which never comes: the old one is told by nobody as what counts, nor as the last.
  world.passes = () => false;
  again.hear(alice.peerId, { version: 9, hash: 'ab'.repeat(16) });
  expect(toolsOf(again)).toBeUndefined();
  again.hear(alice.peerId, { version: 9, hash: 'ab'.repeat(16) }, { state: 'left' });
  expect(toolsOf(again)).toBeUndefined();
  await world.run(0);
  const third = world.node(4, { rows: new Map(again.rows) });
  third.hear(alice.peerId, undefined, { state: 'left', presence: undefined } as never);
  await world.run(0);
  expect(toolsOf(third)).toBeUndefined();
  // Who lists nothing, or is no member any more, has its row removed.
  for (const more of [{}, { state: 'dead', ended: {} }] as const) {
    world.passes = () => true;
    again.hear(alice.peerId, lists);
    await world.run(500);
    expect(toolsOf(again)).toEqual(['files-0']);
    again.hear(alice.peerId, undefined, more);
    await world.run(0);
    expect([toolsOf(again), [...again.rows.keys()]]).toEqual([undefined, []]);
  }
});

it('waits for a slow disk with the last text of each owner, however often that names another one', async () => {
  const { identity, peerId } = createDocumentWorld().node(2);
  const table = memoryTable();
  const puts: string[] = [];
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = {
    ...table,
    async put(key: string, value: Uint8Array) {
      puts.push(key);
      await gate;
      await table.put(key, value);
    },
  };
  const kept = createKeptDocuments({ table: slow, logger: silentLogger });
  const body = Buffer.from(JSON.stringify({ servers: [serverOf('files')] }));
  for (let version = 1; version <= 50; version += 1) {
    kept.put(sealDocument(identity, { owner: peerId, version, body }), []);
    await Promise.resolve();
  }
  release();
  await kept.written();
  expect(puts.length).toBeLessThanOrEqual(2);
  expect(labelOf(table.rows.get(`of/${peerId}`) ?? new Uint8Array())).toMatchObject({
    version: 50,
  });
  kept.delete(peerId);
  await kept.written();
  expect(table.rows.size).toBe(0);
});

it('is not believed because it stands on the disk', async () => {
  const world = createDocumentWorld();
  const [alice, mallory] = [world.node(2), world.node(3)];
  const body = Buffer.from(
    JSON.stringify({ servers: [serverOf('files')], agents: [agentOf('one')] }),
  );
  const sealed = (signer: DocumentNode, owner: DocumentNode): Uint8Array =>
    sealDocument(signer.identity, { owner: owner.peerId, version: 7, body }).bytes;
  const rows = new Map([
    [`of/${alice.peerId}`, sealed(mallory, alice)],
    [`of/${mallory.peerId}`, sealed(alice, alice)],
    ['of/nobody', sealed(alice, alice)],
    [`of/${world.node(4).peerId}`, Buffer.from('nothing')],
    [`of/${world.node(5).peerId}`, new Uint8Array()],
  ]);
  const bob = world.node(6, { rows });
  for (const { peerId } of [alice, mallory]) {
    bob.hear(peerId, undefined, { state: 'dead', presence: undefined } as never);
  }
  await world.run(0);
  expect([...rows.keys()]).toEqual([`of/${alice.peerId}`]);
  expect(bob.documents.agentsOf(alice.peerId)).toEqual([]);
  expect(bob.documents.kept(alice.peerId)).toBeUndefined();
  await world.run(0);
  expect(rows.size).toBe(0);
});

it('has the agents of its owner, as far as they are listed and fit, and nothing odd of what another says', async () => {
  const world = createDocumentWorld();
  const [alice, bob] = chain(world, 2) as [DocumentNode, DocumentNode];
  alice.agents = [agentOf('researcher'), agentOf('critic')];
  alice.documents.changed();
  await world.run(LISTED_MS);
  world.beat(alice);
  await world.run(500);
  expect(bob.documents.agentsOf(alice.peerId)).toEqual(alice.agents);
  // A node without any has the document that it had before there were agents in it.
  expect(Buffer.from(bodyOf({ servers: [], agents: [] }).bytes).toString()).toBe('{"servers":[]}');
  // Those that are too many are left out, which is told of.
  alice.agents = Array.from({ length: 256 }, (_, at) =>
    agentOf(
      `a${at}`,
      Array.from({ length: 64 }, (_, of) => `capability-${of}`),
    ),
  );
  alice.servers = [serverOf('files')];
  alice.documents.changed();
  await world.run(LISTED_MS);
  expect(alice.warnings).toEqual(['listing-cut']);
  world.beat(alice);
  await world.run(500);
  const count = bob.documents.agentsOf(alice.peerId).length;
  expect(count).toBeGreaterThan(50);
  expect(count).toBeLessThan(256);
  expect(seen(bob, alice)).toEqual(['files-0']);
});

it('has ten thousand tools as far as they fit, says what does not, and comes in parts', async () => {
  const world = createDocumentWorld();
  const [alice, bob] = chain(world, 2) as [DocumentNode, DocumentNode];
  alice.servers = [serverOf('small', 10), serverOf('large', 10_000, 200), serverOf('after', 1)];
  alice.documents.changed();
  await world.run(LISTED_MS);
  expect(alice.warnings).toEqual(['listing-cut']);
  world.beat(alice);
  await world.run(5000);
  const names = seen(bob, alice);
  expect(names.length).toBeGreaterThan(3000);
  expect(names.length).toBeLessThan(10_000);
  expect(names.filter((name) => name.startsWith('small')).length).toBe(10);
  const parts = world.sent.filter(({ message }) => message?.t === 'part');
  expect(Math.max(...parts.map(({ sizeBytes }) => sizeBytes))).toBeLessThan(33 * 1024);
  expect(parts.length).toBeLessThanOrEqual(DOCUMENT_BYTES_MAX / (32 * 1024));
  // What has changed ten times in a second is a few versions.
  for (let at = 0; at < 30; at += 1) {
    alice.servers = [serverOf(`changed-${at}`)];
    alice.documents.changed();
    await world.run(300);
  }
  expect(alice.announced).toBeLessThan(10);
});
