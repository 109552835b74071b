/** Boards that are not open: who gets them, who may write what, and what a revocation leaves. */
import { afterEach, describe, expect, it } from 'vitest';
import { createEntrySignatures } from '../../../src/blackboard/access/entry-signatures.ts';
import { createDocument } from '../../../src/blackboard/document/document.ts';
import type { Arrival, BoardDocument } from '../../../src/blackboard/document/document-types.ts';
import { rawWrite } from '../../../src/blackboard/lanes/lane-format.ts';
import { fillLane, wholeOf } from '../../../src/blackboard/lanes/lane.ts';
import { encodeSent } from '../../../src/blackboard/lanes/update.ts';
import { LIMITS } from '../../../src/blackboard/limits.ts';
import { encodeGossip } from '../../../src/blackboard/sync/codec.ts';
import { ROAD_PROTOCOL } from '../../../src/blackboard/sync/update-road.ts';
import type { Board } from '../../../src/blackboard/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { verifySignature } from '../../../src/identity/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import type { MessageStream } from '../../../src/network/index.ts';
import type { FrequentSigner } from '../../../src/identity/index.ts';
import { calm, createHub } from '../hub.ts';
import { keysOf } from '../keys.ts';
import { makeDocument, makeMember, makeMesh } from '../support.ts';
import type { Member, Mesh } from '../support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan'] as const;
const KEYS = keysOf(...NAMES);

let mesh: Mesh;
const streams = new Map<string, MessageStream>();
afterEach(() => {
  streams.clear();
  return mesh.stop();
});

const didOf = (name: string): Did => KEYS.get(name)?.did ?? ('' as Did);
const member = (name: string): Member => {
  const found = mesh.members.find(({ id }) => id === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const board = (name: string, of = 'plan'): Promise<Board> => member(name).blackboard.board(of);
const contents = async (name: string, of = 'plan'): Promise<Record<string, Json>> =>
  Object.fromEntries((await board(name, of)).entries().map(({ key, value }) => [key, value]));

/** A mesh of all, in which ann has made the board `plan`. */
async function withPlan(): Promise<void> {
  mesh = await makeMesh(NAMES, {}, KEYS);
  mesh.connectAll();
  await calm();
  await (await board('ann')).create();
}

/** Lets news go round: frames, repairs, and what these set off. */
async function settle(rounds = 4): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await calm();
    mesh.clock.advance(3000);
    await calm();
  }
}

/** Sends an update as no honest node does, on a stream of updates that stays open. */
async function sendUpdate(from: string, to: string, update: Uint8Array): Promise<void> {
  const way = `${from} ${to}`;
  let stream = streams.get(way);
  if (stream === undefined) {
    const { signal } = new AbortController();
    const opened = await member(from).network.open(to as never, ROAD_PROTOCOL, { signal });
    stream = createMessageStream(opened, { maxBytes: 64 * 1024 });
    // What comes back is credit.
    stream.onMessage(() => undefined);
    streams.set(way, stream);
  }
  stream.send(update);
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error as { code: string }).code,
  );

describe('a board in a private mesh', () => {
  it('reaches those who may read it, and of nobody else the node, the disk or the heartbeat', async () => {
    await withPlan();
    await (await board('ann')).set('secret', 'word');
    await settle();
    expect(member('bob').blackboard.names()).toEqual([]);
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'read' });
    await settle();
    expect(await contents('bob')).toEqual({ secret: 'word' });
    await (await board('ann')).set('secret', 'other word');
    await calm();
    expect(await contents('bob')).toEqual({ secret: 'other word' });
    for (const name of ['cyd', 'dan']) {
      expect(member(name).blackboard.names()).toEqual([]);
      expect(member(name).table.journal).toEqual([]);
    }
    for (const { blackboard } of mesh.members) expect(blackboard.digests()).toEqual({});
    // Asking for it by its id helps nobody.
    expect(await codeOf((await board('cyd', `plan@ann`)).set('k', 1))).toBe(
      'STARLING_BOARD_UNKNOWN',
    );
    expect(mesh.hub.reported).toEqual([]);
  });

  it('reaches also who was told of it while it was starting and had a link already', async () => {
    mesh = await makeMesh(NAMES, {}, KEYS);
    await member('bob').blackboard.stop();
    const plan = await board('ann');
    await plan.create();
    await plan.grant({ to: didOf('bob'), ability: 'read' });
    await plan.set('secret', 'word');
    mesh.connectAll();
    await calm();
    await member('bob').blackboard.start();
    await calm();
    expect(await contents('bob')).toEqual({ secret: 'word' });
    expect(mesh.hub.reported).toEqual([]);
  });

  it('lets a reader read, a writer write what its prefix covers, and an administrator let others in', async () => {
    await withPlan();
    const plan = await board('ann');
    await plan.grant({ to: didOf('bob'), ability: 'write', prefix: 'tasks/bob' });
    await plan.grant({ to: didOf('cyd'), ability: 'admin' });
    await settle();
    expect(await codeOf((await board('bob')).set('owner', 'bob'))).toBe('STARLING_BOARD_REFUSED');
    await (await board('bob')).set('tasks/bob/1', 'sweep');
    await (await board('bob')).set('tasks/bobby', 'too');
    await (await board('cyd')).grant({ to: didOf('dan'), ability: 'read' });
    await settle();
    expect(await contents('dan')).toEqual({ 'tasks/bob/1': 'sweep', 'tasks/bobby': 'too' });
    expect(await codeOf((await board('dan')).set('owner', 'dan'))).toBe('STARLING_BOARD_REFUSED');
    expect(await codeOf((await board('dan')).grant({ to: didOf('bob'), ability: 'admin' }))).toBe(
      'STARLING_BOARD_REFUSED',
    );
    expect(await codeOf((await board('bob')).drop())).toBe('STARLING_BOARD_REFUSED');
    await (await board('bob')).delete('tasks/bobby');
    await settle();
    for (const name of NAMES) expect(await contents(name)).toEqual({ 'tasks/bob/1': 'sweep' });
    expect(
      new Set(await Promise.all(NAMES.map(async (name) => (await board(name)).digest()))).size,
    ).toBe(1);
    expect(mesh.hub.reported).toEqual([]);
  });

  it('knows nothing after a start of a right that the disk refused to keep, though the disk has it', async () => {
    await withPlan();
    await settle();
    const { table } = member('ann');
    Object.assign(table, { failures: 1, keepsFailed: true });
    const given = (await board('ann')).grant({ to: didOf('bob'), ability: 'read' });
    expect(await codeOf(given)).not.toBe('fine');
    // The disk is asked again by itself, and once more where it refuses that.
    table.failures = 1;
    mesh.clock.advance(3000);
    await calm();
    mesh.clock.advance(30_000);
    await calm();
    const again = makeMember(createHub(), 'ann', { clock: mesh.clock, table, keys: KEYS });
    await again.blackboard.start();
    const plan = await again.blackboard.board('plan');
    expect([plan.may(didOf('ann'), 'admin'), plan.may(didOf('bob'), 'read')]).toEqual([
      true,
      false,
    ]);
    await again.blackboard.stop();
  });

  it.each([
    ['when it is killed at once', 1, false],
    ['when it stops, and the disk took nothing for a while', 2, true],
  ])('leaves nothing of a right that the disk refused, %s', async (_, failures, stops) => {
    await withPlan();
    await settle();
    const { blackboard, table } = member('ann');
    Object.assign(table, { failures, keepsFailed: true });
    const given = (await board('ann')).grant({ to: didOf('bob'), ability: 'read' });
    expect(await codeOf(given)).not.toBe('fine');
    if (stops) await blackboard.stop();
    const left = table.at(table.journal.length);
    const again = makeMember(createHub(), 'ann', { clock: mesh.clock, table: left, keys: KEYS });
    await again.blackboard.start();
    expect((await again.blackboard.board('plan')).may(didOf('bob'), 'read')).toBe(false);
    await again.blackboard.stop();
  });

  it('refuses whole what a hostile writer sends outside of its prefix, as somebody else, or without any right, and scores it', async () => {
    await withPlan();
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'write', prefix: 'b/' });
    await (await board('ann')).grant({ to: didOf('cyd'), ability: 'read' });
    await (await board('ann')).set('k', 'of ann');
    await settle();
    const { id } = await board('ann');
    const access = (await board('ann')).digest().split('.')[1] ?? '';
    /** What a changed program of `as` sends to ann under the name `from`. */
    const send = async (from: string, as: string, keys: readonly string[]): Promise<void> => {
      const forged = makeDocument([], {}, { self: didOf(as), now: () => mesh.clock.now() });
      const draft = forged.draft(keys.map((key) => ({ key, value: 'forged', valueBytes: 8 })));
      const bytes = draft?.bytes ?? new Uint8Array(0);
      const frame = encodeGossip({ board: id, update: bytes, access });
      await sendUpdate(from, 'ann', frame);
      await calm();
    };
    const before = (await board('ann')).digest();
    await send('bob', 'bob', ['b/1', 'k']);
    await send('bob', 'bob', ['\u0000board']);
    await send('bob', 'ann', ['b/2']);
    await send('cyd', 'cyd', ['b/3']);
    await send('dan', 'dan', ['b/4']);
    expect((await board('ann')).digest()).toBe(before);
    expect(await contents('ann')).toEqual({ k: 'of ann' });
    expect(mesh.hub.reported.filter(({ by }) => by === 'ann')).toEqual([
      { by: 'ann', peer: 'bob', what: 'unpermitted' },
      { by: 'ann', peer: 'bob', what: 'unpermitted' },
      { by: 'ann', peer: 'bob', what: 'malformed' },
      { by: 'ann', peer: 'cyd', what: 'unpermitted' },
      { by: 'ann', peer: 'dan', what: 'unpermitted' },
    ]);
    expect(member('ann').logger.lines).toContain(
      'entries of a board by a writer without the right are refused',
    );
    // The prefix itself still goes.
    await send('bob', 'bob', ['b/5']);
    expect(await contents('ann')).toEqual({ k: 'of ann', 'b/5': 'forged' });
  });

  it('asks for no more boards than there may be, whatever a peer names, and scores whoever names more', async () => {
    await withPlan();
    await settle();
    const before = mesh.hub.opened.length;
    for (let n = 0; n < 400; n += 1) {
      const frame = encodeGossip({
        board: `made@z6Mk${n}`,
        update: new Uint8Array(8),
        access: 'none',
      });
      await sendUpdate('dan', 'bob', frame);
    }
    await settle();
    const asked = mesh.hub.opened.slice(before).filter(({ from }) => from === ('bob' as never));
    expect(asked.length).toBeLessThan(300);
    const told = mesh.hub.reported.filter(({ what }) => what === 'boards');
    expect(told.length).toBeGreaterThan(50);
    expect(new Set(told.map(({ by, peer }) => `${by} ${peer}`))).toEqual(new Set(['bob dan']));
  });

  it('takes no word of a reader on what others wrote', async () => {
    await withPlan();
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'read' });
    await (await board('ann')).grant({ to: didOf('cyd'), ability: 'write' });
    await settle();
    // Bob's program is changed: it holds an entry that cyd never wrote, and offers it in a sync.
    const forged = makeDocument([], {}, { self: didOf('cyd'), now: () => mesh.clock.now() });
    forged.set({ key: 'k', value: 'forged' });
    const id = (await board('ann')).id;
    const [piece = new Uint8Array(0)] = forged.whole();
    await sendUpdate(
      'bob',
      'ann',
      encodeGossip({
        board: id,
        update: piece,
        access: (await board('ann')).digest().split('.')[1] ?? '',
      }),
    );
    await calm();
    expect(await contents('ann')).toEqual({});
    expect(mesh.hub.reported.at(-1)).toEqual({ by: 'ann', peer: 'bob', what: 'unpermitted' });
  });

  it('keeps an entry whose grant has not come yet, and shows it when the grant comes', async () => {
    await withPlan();
    await (await board('ann')).grant({ to: didOf('cyd'), ability: 'read' });
    await settle();
    mesh.hub.cut('ann' as never, 'cyd' as never);
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'write' });
    await settle();
    mesh.hub.cut('bob' as never, 'cyd' as never);
    await (await board('bob')).set('k', 'from bob');
    await settle();
    expect(await contents('cyd')).toEqual({});
    mesh.hub.connect('bob' as never, 'cyd' as never);
    await (await board('bob')).set('l', 'at once');
    await settle();
    expect(await contents('cyd')).toEqual({ k: 'from bob', l: 'at once' });
    expect(mesh.hub.reported).toEqual([]);
  });
});

describe('a revocation', () => {
  /** Bob may write; ann is cut off from cyd and dan, who go on with bob. */
  async function apart(): Promise<void> {
    await withPlan();
    const plan = await board('ann');
    for (const name of ['cyd', 'dan']) await plan.grant({ to: didOf(name), ability: 'write' });
    await plan.grant({ to: didOf('bob'), ability: 'write' });
    await settle();
    await (await board('bob')).set('k', 'first');
    await (await board('bob')).set('l', 'kept');
    await settle();
    for (const name of ['bob', 'cyd', 'dan']) mesh.hub.cut('ann' as never, name as never);
    await (await board('bob')).set('k', 'beyond');
    await (await board('bob')).set('m', 'beyond');
    await (await board('bob')).delete('l');
    await settle();
    expect(await contents('cyd')).toEqual({ k: 'beyond', m: 'beyond' });
  }

  it('leaves what the revoker had seen, and nothing after it, on every replica whenever it learns of it', async () => {
    await apart();
    expect(await (await board('ann')).revoke(didOf('bob'))).toHaveLength(1);
    expect(await contents('ann')).toEqual({ k: 'first', l: 'kept' });
    mesh.hub.connect('ann' as never, 'cyd' as never);
    await settle(6);
    for (const name of ['ann', 'cyd', 'dan']) {
      expect(await contents(name)).toEqual({ k: 'first', l: 'kept' });
    }
    const digests = await Promise.all(
      ['ann', 'cyd', 'dan'].map(async (name) => (await board(name)).digest()),
    );
    expect(new Set(digests).size).toBe(1);
    // The one who lost the right hears of that from whom it writes to.
    expect(await codeOf((await board('bob')).set('n', 'more'))).toBe('STARLING_BOARD_REFUSED');
    expect(mesh.hub.reported).toEqual([]);
    expect((await board('ann')).info().rights?.find(({ to }) => to === didOf('bob'))).toMatchObject(
      {
        ability: 'write',
        isRevoked: true,
      },
    );
  });

  it('counts after a restart of a replica that had gone further, and the right that is given again counts anew', async () => {
    await apart();
    await (await board('ann')).revoke(didOf('bob'));
    mesh.hub.connect('ann' as never, 'cyd' as never);
    await settle(6);
    const { table, blackboard } = member('cyd');
    await blackboard.stop();
    const again = makeMember(mesh.hub, 'cyd', { clock: mesh.clock, table, keys: KEYS });
    await again.blackboard.start();
    const plan = await again.blackboard.board('plan');
    expect(Object.fromEntries(plan.entries().map(({ key, value }) => [key, value]))).toEqual({
      k: 'first',
      l: 'kept',
    });
    expect(plan.digest()).toBe((await board('ann')).digest());
    await again.blackboard.stop();
    await blackboard.start();
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'write' });
    mesh.hub.connect('ann' as never, 'bob' as never);
    await settle(6);
    await (await board('bob')).set('k', 'again');
    await settle(6);
    for (const name of NAMES) expect(await contents(name)).toEqual({ k: 'again', l: 'kept' });
  });

  it('of an administrator takes the rights along that stood on it', async () => {
    await withPlan();
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'admin' });
    await settle();
    await (await board('bob')).grant({ to: didOf('cyd'), ability: 'write' });
    await settle();
    await (await board('cyd')).set('k', 'of cyd');
    await settle();
    await (await board('ann')).revoke(didOf('bob'));
    await settle();
    expect(await contents('ann')).toEqual({ k: 'of cyd' });
    expect(await codeOf((await board('cyd')).set('k', 'more'))).toBe('STARLING_BOARD_REFUSED');
    expect(await codeOf((await board('bob')).grant({ to: didOf('dan'), ability: 'read' }))).toBe(
      'STARLING_BOARD_REFUSED',
    );
  });

  it('that the disk refuses changes nothing', async () => {
    await apart();
    const { table } = member('ann');
    table.failures = 1;
    expect(await codeOf((await board('ann')).revoke(didOf('bob')))).not.toBe('fine');
    table.failures = 1;
    expect(
      await codeOf((await board('ann')).grant({ to: didOf('dan'), ability: 'admin' })),
    ).not.toBe('fine');
    expect((await board('ann')).info().rights?.some(({ isRevoked }) => isRevoked)).toBe(false);
    mesh.hub.connect('ann' as never, 'cyd' as never);
    await settle(6);
    expect(await contents('ann')).toEqual({ k: 'beyond', m: 'beyond' });
  });
});

describe('two boards of one name', () => {
  it('stay two: the bare name is the one that was made first, and the other one says whose it is', async () => {
    mesh = await makeMesh(NAMES, {}, KEYS);
    await (await board('bob')).create();
    await (await board('bob')).set('whose', 'bob');
    mesh.clock.advance(1000);
    await (await board('ann')).create();
    await (await board('ann')).set('whose', 'ann');
    await (await board('ann')).grant({ to: didOf('cyd'), ability: 'read' });
    await (await board('bob')).grant({ to: didOf('cyd'), ability: 'read' });
    mesh.connectAll();
    await settle();
    expect(member('cyd').blackboard.names()).toEqual(['plan', 'plan@ann']);
    expect(await contents('cyd')).toEqual({ whose: 'bob' });
    expect(await contents('cyd', 'plan@ann')).toEqual({ whose: 'ann' });
    // An open one that nobody has made comes last.
    await (await board('dan')).set('whose', 'all');
    mesh.heartbeats();
    await settle();
    expect(member('cyd').blackboard.names()).toEqual(['plan', 'plan@ann', 'plan@open']);
    expect(await contents('cyd', 'plan@open')).toEqual({ whose: 'all' });
  });

  it('are open where that is said, and boards that were there stay so', async () => {
    mesh = await makeMesh(NAMES, {}, KEYS);
    await (await board('ann')).create({ open: true });
    await (await board('bob', 'notes')).set('k', 1);
    mesh.connectAll();
    await settle();
    await (await board('dan')).set('k', 2);
    await settle();
    expect(await contents('ann')).toEqual({ k: 2 });
    expect((await board('ann', 'notes')).isOpen).toBe(true);
    expect(await codeOf((await board('ann')).grant({ to: didOf('bob'), ability: 'read' }))).toBe(
      'STARLING_BOARD_INVALID',
    );
  });
});

describe('a signed board', () => {
  it('proves who wrote each entry, so that a reader may pass it on, and nobody can make one up', async () => {
    mesh = await makeMesh(NAMES, {}, KEYS);
    mesh.connectAll();
    await calm();
    await (await board('ann')).create({ signed: true });
    const plan = await board('ann');
    for (const name of ['bob', 'dan'] as const)
      await plan.grant({ to: didOf(name), ability: 'write' });
    await plan.grant({ to: didOf('cyd'), ability: 'read' });
    await settle();
    mesh.hub.cut('bob' as never, 'dan' as never);
    mesh.hub.cut('ann' as never, 'dan' as never);
    for (let n = 0; n < 5; n += 1) await (await board('bob')).set('k', n);
    await (await board('bob')).delete('k');
    await (await board('bob')).set('l', 'by way of cyd');
    await settle();
    expect(await contents('dan')).toEqual({ l: 'by way of cyd' });
    expect((await board('dan')).get('l')?.by).toBe(didOf('bob'));
    const access = (await board('ann')).digest().split('.')[1] ?? '';
    // A writer's own entries without its signature, or with one for something else, count nowhere.
    const forged = makeDocument([], {}, { self: didOf('bob'), now: () => mesh.clock.now() });
    const draft = forged.draft([{ key: 'l', value: 'forged', valueBytes: 8 }]);
    const frame = encodeGossip({
      board: plan.id,
      update: draft?.bytes ?? new Uint8Array(0),
      access,
    });
    await sendUpdate('bob', 'cyd', frame);
    await settle();
    expect(await contents('cyd')).toEqual({ l: 'by way of cyd' });
    expect(mesh.hub.reported).toEqual([{ by: 'cyd', peer: 'bob', what: 'unpermitted' }]);
    expect((await board('cyd')).info()).toMatchObject({ isSigned: true, isOpen: false });
  });

  it('keeps signatures when lanes are begun anew and after a restart', async () => {
    mesh = await makeMesh(['ann', 'bob'], { limits: { dead: 2 } }, KEYS);
    mesh.connectAll();
    await calm();
    await (await board('ann')).create({ signed: true });
    await (await board('ann')).grant({ to: didOf('bob'), ability: 'write' });
    await settle();
    for (let n = 0; n < 20; n += 1) await (await board('bob')).set(`k${n % 3}`, n);
    await settle();
    const { table, blackboard } = member('ann');
    await blackboard.stop();
    const again = makeMember(mesh.hub, 'ann', { clock: mesh.clock, table, keys: KEYS });
    await again.blackboard.start();
    const plan = await again.blackboard.board('plan');
    expect(plan.entries().map(({ value }) => value)).toEqual([18, 19, 17]);
    await again.blackboard.stop();
    await blackboard.start();
    expect(mesh.hub.reported).toEqual([]);
  });

  it('checks the signatures of what a sync brings ahead of time, one by one, and each of them once', () => {
    let checks = 0;
    const signatures = createEntrySignatures({
      board: 'plan',
      isSigned: () => true,
      sign: (message) => (KEYS.get('bob') as FrequentSigner).signOften(message),
      verify: (did, message, signature) => {
        checks += 1;
        return verifySignature(did, message, signature);
      },
    });
    const make = (self: Did): BoardDocument =>
      createDocument({ limits: LIMITS, self, now: () => 1_000_000, signatures });
    const bob = make(didOf('bob'));
    const draft = bob.draft(
      Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: i, valueBytes: 2 })),
    );
    if (draft !== undefined) bob.commit(draft);
    const [piece = new Uint8Array(0)] = [...bob.snapshot()];
    const cyd = make(didOf('cyd'));
    checks = 0;
    expect([...cyd.prove(cyd.read(piece) as Arrival)].length).toBe(20);
    expect([checks, cyd.size]).toEqual([20, 0]);
    expect(cyd.apply(piece)).toBe('applied');
    // The head of the lane besides.
    expect([checks, cyd.size]).toEqual([21, 20]);
    // What is not signed so is not proven, ahead of time or later.
    const forged = Buffer.from(piece);
    forged[forged.length - 20] = (forged[forged.length - 20] ?? 0) ^ 1;
    const dan = make(didOf('dan'));
    const read = dan.read(forged);
    for (const _ of typeof read === 'string' ? [] : dan.prove(read)) expect(dan.size).toBe(0);
    expect(dan.apply(forged)).not.toBe('applied');
    expect(dan.size).toBe(0);
  });

  it('makes no lane of what its owner has not signed, also where both stand in a log as they were sent', () => {
    const signatures = createEntrySignatures({
      board: 'plan',
      isSigned: () => true,
      sign: (message) => (KEYS.get('bob') as FrequentSigner).signOften(message),
      verify: verifySignature,
    });
    const limits = { ...LIMITS, dead: 0 };
    const make = (self: Did, rows: readonly Uint8Array[] = []): BoardDocument =>
      createDocument({ limits, self, now: () => 1_000_000, signatures }, rows);
    const bob = make(didOf('bob'));
    const rows: Uint8Array[] = [];
    bob.onUpdate((bytes) => rows.push(bytes));
    for (const value of ['first', 'second']) {
      const draft = bob.draft([{ key: 'k', value, valueBytes: 8 }]);
      if (draft !== undefined) bob.commit(draft);
    }
    const [{ did, client, gen } = { did: didOf('bob'), client: 0, gen: 0 }] = bob.seen();
    const renewal = bob.draftRenewal();
    if (renewal === undefined) throw new Error('nothing to begin anew');
    expect(make(didOf('cyd'), [...rows, renewal.bytes]).get('k')?.value).toBe('second');
    const raw = rawWrite({
      ms: 1,
      n: 0,
      value: 'forged',
      until: 0,
      index: 1,
      by: undefined,
      seen: [],
    });
    const head = { base: 1, replaces: [], after: [], adopts: [] };
    const writes = [raw, raw].map((one) => ({ key: 'k', raw: one }));
    const update = wholeOf(fillLane({ did, client, gen }, head, writes));
    const forged = encodeSent({ isWhole: false, parts: [{ did, client, gen, update }] }, 1_000_000);
    expect(make(didOf('cyd'), [forged, renewal.bytes]).get('k')).toBeUndefined();
  });
});
