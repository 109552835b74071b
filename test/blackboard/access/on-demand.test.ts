/** Boards that are held on demand: who has their entries when, and that the last copy is never let go of. */
import { afterEach, describe, expect, it } from 'vitest';
import { COPIES_MIN, IDLE_MS } from '../../../src/blackboard/on-demand.ts';
import { BOARD_PROTOCOL } from '../../../src/blackboard/sync/sync.ts';
import { decodeMessage, encodeMessage } from '../../../src/blackboard/sync/codec.ts';
import type { BoardMessage } from '../../../src/blackboard/sync/codec.ts';
import { encodeVector } from '../../../src/blackboard/lanes/update.ts';
import type { Board, BoardHeld } from '../../../src/blackboard/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import { calm } from '../hub.ts';
import { keysOf } from '../keys.ts';
import { makeMember, makeMesh } from '../support.ts';
import type { Member, Mesh } from '../support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan'] as const;
type Name = (typeof NAMES)[number];
const KEYS = keysOf(...NAMES, 'eve');

let mesh: Mesh;
const more: Member[] = [];
afterEach(async () => {
  for (const { blackboard } of more.splice(0)) await blackboard.stop();
  await mesh.stop();
});

const didOf = (name: string): Did => KEYS.get(name)?.did ?? ('' as Did);
const member = (name: string): Member => {
  const found = [...more, ...mesh.members].find(({ id }) => id === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const board = (name: string): Promise<Board> => member(name).blackboard.board('plan');
const held = async (name: string): Promise<BoardHeld | undefined> =>
  (await board(name)).info().held;
const isHere = async (name: string): Promise<boolean> => (await held(name))?.isHere === true;
const contents = async (name: string): Promise<Record<string, Json>> =>
  Object.fromEntries((await board(name)).entries().map(({ key, value }) => [key, value]));
/** Rows of the board's entries on the disk of a node. */
const rowsOf = (name: string): readonly string[] =>
  [...member(name).table.rows.keys()].filter((key) => key.startsWith('plan@'));
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error as { code: string }).code,
  );

/** Lets news go round: frames, repairs, and what these set off. */
async function settle(rounds = 4): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await calm();
    mesh.clock.advance(3000);
    await calm();
  }
}

/** So much time passes, and then each node in turn hears heartbeats. */
async function idle(ms = IDLE_MS): Promise<void> {
  mesh.clock.advance(ms);
  for (const a of mesh.members) {
    for (const peer of a.network.connected()) a.blackboard.compare(peer, {});
    await calm();
    mesh.clock.advance(1000);
    await calm();
  }
}

/** A mesh in which ann has made the board `plan`, all others may write it, and it holds an entry. */
async function withPlan(names: readonly Name[] = NAMES): Promise<void> {
  mesh = await makeMesh(names, {}, KEYS);
  mesh.connectAll();
  await calm();
  const plan = await board('ann');
  expect(await plan.create({ hold: 'on-demand' })).toBe(true);
  for (const name of names.slice(1)) await plan.grant({ to: didOf(name), ability: 'write' });
  await plan.set('word', 'first');
  await settle();
}

describe('a board that is held on demand', () => {
  it('is known to all who may have it, and its entries are at those alone where somebody uses it', async () => {
    await withPlan();
    for (const name of ['bob', 'cyd', 'dan']) {
      expect(member(name).blackboard.names()).toEqual(['plan']);
      expect([rowsOf(name), await held(name)]).toEqual([[], { isHere: false, others: 1 }]);
    }
    const bobs = await board('bob');
    expect(bobs.info()).toMatchObject({ exists: true, hold: 'on-demand', keys: 0 });
    // What is not here is not read as if there were nothing.
    for (const read of [() => bobs.get('word'), () => bobs.entries(), () => bobs.tombstone('x')]) {
      expect(read).toThrow(/is held on demand, and is not here yet/);
    }
    await bobs.hold();
    expect(await contents('bob')).toEqual({ word: 'first' });
    await settle();
    expect(await held('ann')).toMatchObject({ isHere: true, others: 1 });
    expect(await held('cyd')).toEqual({ isHere: false, others: 2 });
    expect((await bobs.history()).lines.map(({ key }) => key)).toEqual(['word']);
    expect(mesh.hub.reported).toEqual([]);
  });

  it('is told of to those who hold it, and writes of others find it whole', async () => {
    await withPlan();
    await (await board('bob')).hold();
    await settle();
    await (await board('ann')).set('word', 'second');
    await calm();
    expect(await contents('bob')).toEqual({ word: 'second' });
    // Who writes has all of it first: quotas, undo and what was seen go by that.
    await (await board('cyd')).set('more', 1);
    await settle();
    for (const name of ['ann', 'bob', 'cyd']) {
      expect(await contents(name)).toEqual({ word: 'second', more: 1 });
    }
    expect((await board('cyd')).get('more')?.clock[didOf('ann')]).toBe(3);
    expect([rowsOf('dan'), await isHere('dan')]).toEqual([[], false]);
    expect(mesh.hub.reported).toEqual([]);
  });

  it('is repaired by digests while it is held, and a watcher has it fetched', async () => {
    await withPlan();
    const heard: string[] = [];
    (await board('bob')).watch((changes) => heard.push(...changes.map(({ key }) => key)));
    await settle();
    expect([heard, await contents('bob')]).toEqual([['word'], { word: 'first' }]);
    mesh.hub.cut(member('ann').id, member('bob').id);
    await (await board('ann')).set('word', 'while away');
    await calm();
    mesh.hub.connect(member('ann').id, member('bob').id);
    await settle();
    expect(await contents('bob')).toEqual({ word: 'while away' });
  });

  it('comes from nowhere where nobody who holds it can be reached, and that is said', async () => {
    await withPlan();
    for (const name of ['bob', 'cyd', 'dan']) mesh.hub.cut(member('ann').id, member(name).id);
    await calm();
    const bobs = await board('bob');
    for (const work of [() => bobs.hold(), () => bobs.set('a', 1), () => bobs.history()]) {
      expect(await codeOf(work())).toBe('STARLING_PEER_UNREACHABLE');
    }
    expect(rowsOf('bob')).toEqual([]);
    mesh.hub.connect(member('ann').id, member('bob').id);
    await calm();
    await bobs.hold();
    expect(await contents('bob')).toEqual({ word: 'first' });
  });

  it('is held again after a restart by who held it, and by nobody else', async () => {
    await withPlan();
    await (await board('bob')).hold();
    for (const name of ['bob', 'cyd']) {
      await member(name).blackboard.stop();
      await member(name).blackboard.start();
    }
    expect([await isHere('bob'), await contents('bob')]).toEqual([true, { word: 'first' }]);
    expect([await isHere('cyd'), rowsOf('cyd')]).toEqual([false, []]);
    await settle();
    expect(await isHere('cyd')).toBe(false);
  });

  it('is neither strong nor open, and which of both is said', async () => {
    mesh = await makeMesh(['ann'], {}, KEYS);
    const plan = await board('ann');
    await expect(plan.create({ hold: 'on-demand', strong: [didOf('ann')] })).rejects.toThrow(
      /a strong board is held by its replicas, not 'on-demand'/,
    );
    await expect(plan.create({ hold: 'on-demand', open: true })).rejects.toThrow(
      /a board that is held 'on-demand' is not open/,
    );
    await expect(plan.create({ hold: 'all', open: false })).rejects.toThrow(/held by all is open/);
    await plan.create({ hold: 'listed' });
    expect(plan.info()).toMatchObject({ hold: 'listed', isOpen: false });
    const notes = await member('ann').blackboard.board('notes');
    await notes.create({ hold: 'all' });
    expect(notes.info()).toMatchObject({ hold: 'all', isOpen: true });
  });
});

describe('a board that nobody has used for long', () => {
  const holders = async (): Promise<readonly string[]> => {
    const here: string[] = [];
    for (const { id } of mesh.members) if (await isHere(id)) here.push(id);
    return here;
  };

  it('is let go of while enough others hold all of it, never by the last of them, and comes back', async () => {
    await withPlan();
    for (const name of NAMES.slice(1)) await (await board(name)).hold();
    await settle();
    let before = 4;
    for (let round = 0; round < 8; round += 1) {
      await idle();
      await settle(1);
      const { length } = await holders();
      expect(length).toBeLessThanOrEqual(before);
      expect(length).toBeGreaterThanOrEqual(COPIES_MIN);
      before = length;
    }
    expect(before).toBe(COPIES_MIN);
    for (const { id, history } of mesh.members) {
      if (await isHere(id)) continue;
      // Nothing of its entries is on the disk; who may what is.
      expect(rowsOf(id)).toEqual([]);
      expect([...history.rows.keys()].filter((key) => key.startsWith('plan@'))).toEqual([]);
      expect(member(id).blackboard.names()).toEqual(['plan']);
      await (await board(id)).hold();
      // With what those who came before it have written, where that is here already.
      expect(await contents(id)).toMatchObject({ word: 'first' });
      // Its own lane goes on where it was.
      await (await board(id)).set(id, 1);
    }
    await settle();
    const all = await contents('ann').catch(() => ({}));
    for (const id of await holders()) expect(await contents(id)).toMatchObject({ word: 'first' });
    expect(Object.keys(all)).toContain('word');
  });

  it('stays where all nodes would let go of it at the same moment', async () => {
    await withPlan();
    for (const name of NAMES.slice(1)) await (await board(name)).hold();
    await settle();
    for (let round = 0; round < 6; round += 1) {
      mesh.clock.advance(IDLE_MS);
      for (const { blackboard, network } of mesh.members) {
        for (const peer of network.connected()) blackboard.compare(peer, {});
      }
      await calm();
      expect((await holders()).length).toBeGreaterThanOrEqual(COPIES_MIN);
      await settle(1);
    }
  });

  it('stays with two who hold it, while it is watched, and where a holder has not all of it', async () => {
    await withPlan(['ann', 'bob']);
    await (await board('bob')).hold();
    await settle();
    for (let round = 0; round < 3; round += 1) await idle();
    expect(await holders()).toEqual(['ann', 'bob']);
    await mesh.stop();

    await withPlan(['ann', 'bob', 'cyd']);
    for (const name of ['bob', 'cyd']) await (await board(name)).hold();
    const ends = [];
    for (const name of ['ann', 'bob', 'cyd']) ends.push((await board(name)).watch(() => undefined));
    await settle();
    for (let round = 0; round < 3; round += 1) await idle();
    expect(await holders()).toEqual(['ann', 'bob', 'cyd']);
    for (const end of ends) end();
    // What bob wrote is at nobody else: all of the others would let go of it before bob does.
    mesh.hub.losesFrame = () => true;
    mesh.hub.opens = (protocol) => protocol === BOARD_PROTOCOL;
    await (await board('bob')).set('own', 1);
    await calm();
    mesh.clock.advance(IDLE_MS);
    for (const peer of member('bob').network.connected()) {
      member('bob').blackboard.compare(peer, {});
    }
    await calm();
    expect(await isHere('bob')).toBe(true);
  });

  it('stays as it was when the disk refuses, and goes later', async () => {
    await withPlan();
    for (const name of NAMES.slice(1)) await (await board(name)).hold();
    await settle();
    member('bob').table.failures = 1;
    mesh.clock.advance(IDLE_MS);
    const look = async (): Promise<void> => {
      for (const peer of member('bob').network.connected()) {
        member('bob').blackboard.compare(peer, {});
      }
      await calm();
    };
    await look();
    expect([await isHere('bob'), await contents('bob')]).toEqual([true, { word: 'first' }]);
    expect(member('bob').logger.lines).toContain('a board is not let go of');
    await (await board('bob')).set('still', 'here');
    await settle();
    expect(await contents('ann')).toEqual({ word: 'first', still: 'here' });
    mesh.clock.advance(IDLE_MS);
    await look();
    expect([await isHere('bob'), rowsOf('bob')]).toEqual([false, []]);
  });

  it('is kept for nobody who may not read it: such a question is refused', async () => {
    await withPlan(['ann', 'bob']);
    const eve = makeMember(mesh.hub, 'eve', { clock: mesh.clock, keys: KEYS });
    await eve.blackboard.start();
    more.push(eve);
    mesh.hub.connect(member('ann').id, eve.id);
    await calm();
    const { signal } = new AbortController();
    const stream = createMessageStream(
      await eve.network.open(member('ann').id, BOARD_PROTOCOL, { signal }),
      { maxBytes: 64 * 1024 },
    );
    const answers: (BoardMessage | undefined)[] = [];
    let isEnded = false;
    stream.onMessage((bytes) => void answers.push(decodeMessage(bytes)));
    stream.onEnd(() => {
      isEnded = true;
    });
    const { id } = await board('ann');
    stream.send(encodeMessage({ t: 'leave', board: id, vector: encodeVector([]) }));
    await calm();
    expect([answers, isEnded]).toEqual([[], true]);
  });
});
