/**
 * Writers who mean harm and write what no honest one does, within what the format has room for. Goal: they take nothing from others:
 * no right to write, no room, and no more work than their messages are worth.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoardAccess } from '../../src/blackboard/access/board-access.ts';
import { signCreation } from '../../src/blackboard/access/access-records.ts';
import { boardIdOf } from '../../src/blackboard/board-id.ts';
import { createDocument } from '../../src/blackboard/document/document.ts';
import { LaneForks } from '../../src/blackboard/document/lane-forks.ts';
import { headPlaces } from '../../src/blackboard/document/head-places.ts';
import { replaces } from '../../src/blackboard/document/lane-renewal.ts';
import { LaneSet } from '../../src/blackboard/document/lane-set.ts';
import type { Head, Place, RawWrite } from '../../src/blackboard/lanes/lane-format.ts';
import { WinnerIndex } from '../../src/blackboard/document/winner-index.ts';
import { createWinner } from '../../src/blackboard/document/winner.ts';
import {
  createLane,
  fillLane,
  piecesOf,
  wholeOf,
  writesOf,
} from '../../src/blackboard/lanes/lane.ts';
import type { Lane } from '../../src/blackboard/lanes/lane.ts';
import { inspectUpdate } from '../../src/blackboard/lanes/inspect-update.ts';
import type { UpdateFacts } from '../../src/blackboard/lanes/inspect-update.ts';
import { createParking } from '../../src/blackboard/lanes/parking.ts';
import { encodeSent, encodeUpdate } from '../../src/blackboard/lanes/update.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import type { Did } from '../../src/core/index.ts';
import { keyOf } from './keys.ts';
import { ANN, makeDocument } from './support.ts';
import type { LooseDocument } from './support.ts';

const EVE = 'did:key:z6MkEve' as Did;
const BOB = 'did:key:z6MkBob' as Did;
const NOW = 1_000_000;
const LAST = Number.MAX_SAFE_INTEGER - 1;
const HEAD: Head = { base: 1, replaces: [], after: [], adopts: [] };

/** A whole lane of somebody with one write, or with none. */
function laneOf(did: Did, raw?: RawWrite): Uint8Array {
  const id = { did, client: 7, gen: 1 };
  const writes = raw === undefined ? [] : [{ key: 'k', raw }];
  return encodeUpdate({
    isWhole: false,
    parts: [{ ...id, update: wholeOf(fillLane(id, HEAD, writes)) }],
  });
}

/** What becomes at another replica, which has heard the same, of what one writes now. */
function writes(one: LooseDocument, other: LooseDocument, times: number): readonly string[] {
  const results: string[] = [];
  one.onUpdate((update, origin) => {
    if (origin === 'local') results.push(other.apply(update));
  });
  for (let n = 0; n < times; n += 1) one.set({ key: 'l', value: n });
  return results;
}

describe('a writer who means harm', () => {
  it.each([2 ** 32 - 1, LAST])(
    'leaves others a stamp after its own, which says count %i of its millisecond',
    (n) => {
      const [ann, bob] = [makeDocument(), makeDocument([], {}, { self: BOB })];
      const update = laneOf(EVE, { v: 1, m: NOW + 50_000, n, i: 1 });
      const results = [ann.apply(update), bob.apply(update)];
      expect(results).toEqual(n === LAST ? ['malformed', 'malformed'] : ['applied', 'applied']);
      expect(writes(ann, bob, 3)).toEqual(['applied', 'applied', 'applied']);
      expect([ann.get('l')?.value, bob.get('l')?.value]).toEqual([2, 2]);
    },
  );

  it('leaves whom it says to have made all writes that can be counted another one', () => {
    const [ann, bob] = [makeDocument(), makeDocument([], {}, { self: BOB })];
    const update = laneOf(EVE, { v: 1, m: NOW - 1, i: LAST, b: ANN, a: 1 });
    expect([ann.apply(update), bob.apply(update)]).toEqual(['applied', 'applied']);
    expect(writes(ann, bob, 3)).toEqual(['applied', 'applied', 'applied']);
    expect(bob.get('l')?.value).toBe(2);
  });

  it('makes others count no more writers than a board has, however many it names', () => {
    const id = { did: EVE, client: 7, gen: 1 };
    const named = Array.from({ length: 6000 }, (_, at) => ({
      key: `k${at}`,
      raw: { v: 1, m: NOW - 1, i: 1, b: `did:key:z6Mk${at}`, a: 1 as const },
    }));
    const ann = makeDocument();
    const update = wholeOf(fillLane(id, HEAD, named));
    expect(ann.apply(encodeUpdate({ isWhole: false, parts: [{ ...id, update }] }))).toBe('applied');
    expect([ann.size, Object.keys(ann.clock()).length < 5000]).toEqual([6000, true]);
    // Who has a lane is counted all the same.
    const bob = makeDocument([], {}, { self: BOB });
    bob.set({ key: 'of bob', value: 1 });
    ann.take(bob.whole());
    expect(ann.clock()[BOB]).toBe(1);
  });

  it('makes no client wait for what is here, or read before that, by lanes under the numbers of others', () => {
    const ann = makeDocument();
    for (let n = 0; n < 3; n += 1) ann.set({ key: 'k', value: n });
    const seen = ann.seen();
    const [place] = seen;
    if (place === undefined) throw new Error('nothing was written');
    const { client, gen, clock } = place;
    const lane = (head: Head): Uint8Array => {
      const id = { did: EVE, client, gen };
      return encodeUpdate({
        isWhole: false,
        parts: [{ ...id, update: wholeOf(fillLane(id, head, [])) }],
      });
    };
    const bob = makeDocument(ann.whole(), {}, { self: BOB });
    expect(bob.apply(lane(HEAD))).toBe('applied');
    expect(bob.covers(seen)).toBe(true);
    // Nor does it say for others that what they have written was seen.
    const cyd = makeDocument();
    const id = { did: EVE, client: client === 7 ? 8 : 7, gen: 1 };
    const head = { ...HEAD, replaces: [{ client, gen, clock }] };
    const update = encodeUpdate({
      isWhole: false,
      parts: [{ ...id, update: wholeOf(fillLane(id, head, [])) }],
    });
    expect(cyd.apply(update)).toBe('applied');
    expect(cyd.covers(seen)).toBe(false);
  });

  it('leaves no lane where it may write nothing, not even one that says nothing', () => {
    const [ann, eve] = [keyOf('ann'), keyOf('eve')];
    const access = new BoardAccess(boardIdOf('plan', ann.did));
    access.keep(access.fit([signCreation(ann, 'plan', NOW)]).records);
    const board = makeDocument([], {}, { self: ann.did, access });
    const id = { did: eve.did, client: 7, gen: 1 };
    const head = { ...HEAD, replaces: [{ client: 1, gen: 1, clock: 1 }] };
    const making = { head, sources: [{ client: 1, gen: 1, clock: 1, leftOut: [] }] };
    for (const update of [
      laneOf(eve.did),
      encodeUpdate({ isWhole: false, parts: [{ ...id, making }] }),
    ]) {
      // Nothing of it is on its way to the disk, nor waits.
      expect(board.read(update, eve.did)).toBe('unpermitted');
    }
    expect([board.isBlank, board.isWaiting]).toEqual([true, false]);
    expect(board.apply(laneOf(ann.did), ann.did)).toBe('applied');
  });
});

const MANY = 1000;
const TIMES = 200;

/** Places of lanes as far as `clock`, and how often one of them was looked at. */
function countedPlaces(clock: number): {
  readonly places: readonly Place[];
  readonly looks: () => number;
} {
  let looks = 0;
  const places = Array.from({ length: MANY }, (_, at) => {
    return new Proxy(
      { client: at + 10, gen: 1, clock },
      {
        get: (target, name) => {
          looks += 1;
          return Reflect.get(target, name) as unknown;
        },
      },
    );
  });
  return { places, looks: () => looks };
}

/** An empty lane with a head, which stands for others as soon as all is there that it names. */
function headed(did: Did, client: number, head: Partial<Head> = {}): Lane {
  const lane = createLane({ did, client, gen: 1 });
  lane.head = { ...HEAD, base: 0, ...head };
  return lane;
}

describe('a head that names many lanes', () => {
  it('is read once, however often it is asked whether it replaces one', () => {
    const { places, looks } = countedPlaces(1);
    const lane = headed(EVE, 1, { replaces: places });
    for (let n = 0; n < TIMES; n += 1) {
      expect(replaces(lane, { client: 2, gen: 1, clock: 1 })).toBe(false);
    }
    expect(replaces(lane, { client: 10, gen: 1, clock: 1 })).toBe(true);
    expect(looks()).toBeLessThan(20 * MANY);
  });

  it('is asked for what was missing alone, as long as that is missing', () => {
    const { places, looks } = countedPlaces(0);
    const lanes = new LaneSet(ANN);
    for (let at = 0; at < MANY; at += 1) lanes.add(headed(`did:key:z6Mk${at}` as Did, at + 10));
    expect([lanes.settle(), lanes.size]).toEqual([[], MANY]);
    const missing = { client: 5, gen: 1, clock: 0 };
    const waiting = headed(EVE, 1, { after: [...places, missing] });
    lanes.add(waiting);
    for (let n = 0; n < TIMES; n += 1) lanes.settle();
    expect([waiting.isEffective, looks() < 20 * MANY]).toEqual([false, true]);
    lanes.add(headed(BOB, 5));
    lanes.settle();
    expect(waiting.isEffective).toBe(true);
  });

  it('says of each place what its list says', () => {
    const place = fc.record({
      client: fc.nat(3),
      gen: fc.nat(3),
      clock: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 8 }), place, (all, asked) => {
        const adopts = all.map((one) => ({ did: BOB, ...one }));
        const said = headPlaces({ base: 1, replaces: all, after: [], adopts });
        const isReplaced = all.some(
          ({ client, gen, clock }) =>
            client === asked.client &&
            (asked.gen < gen || (asked.gen === gen && asked.clock <= clock)),
        );
        const isAdopted = all.some(
          ({ client, gen, clock }) =>
            client === asked.client && gen === asked.gen && asked.clock <= clock,
        );
        expect([said.replaces(asked), said.adopts(asked)]).toEqual([isReplaced, isAdopted]);
      }),
    );
  });
});

describe('parts that wait for what never comes', () => {
  const part = (did: Did, from: number) => ({
    part: { did, client: 1, gen: 1, update: new Uint8Array(10) },
    from,
    to: from + 1,
  });

  it('of one writer are a few, and push out nobody else’s', () => {
    const parking = createParking();
    parking.put(part(BOB, 5));
    let most = 0;
    for (let n = 0; n < 5000; n += 1) {
      parking.put(part(EVE, n));
      most = Math.max(most, parking.all.length);
    }
    expect(most).toBeLessThan(200);
    expect(parking.all.filter(({ part: { did } }) => did === BOB)).toHaveLength(1);
    expect([parking.of(part(BOB, 0).part).length, parking.lastOf(part(BOB, 0).part)]).toEqual([
      1, 6,
    ]);
    parking.take(({ part: { did } }) => did === BOB);
    expect(parking.lastOf(part(BOB, 0).part)).toBe(0);
  });
});

describe('a lane that ends with something replaced in it', () => {
  const raw = { v: 1, m: NOW, i: 1 };
  const laneWith = (did: Did, names: readonly string[]): Lane =>
    fillLane(
      { did, client: 7, gen: 1 },
      HEAD,
      names.map((key) => ({ key, raw })),
    );

  it('costs a look at its own keys alone, however large the board is', () => {
    const names = Array.from({ length: 2000 }, (_, at) => `of-ann-${at}`);
    const [large, small] = [laneWith(ANN, names), laneWith(EVE, ['of-eve'])];
    const lanes = [large];
    const index = new WinnerIndex({
      self: BOB,
      now: () => NOW,
      lanes: () => lanes,
      places: () => [],
    });
    let looks = 0;
    for (const lane of [large, small]) {
      for (const found of writesOf(lane)) {
        const winner = createWinner(lane, found, 10);
        Object.defineProperty(winner, 'lane', {
          get: () => {
            looks += 1;
            return lane;
          },
        });
        index.put(winner, new Set());
      }
    }
    const before = looks;
    const keys = new Set<string>();
    // What replaced it is gone by now, so that the write counts no more.
    small.entries.delete('of-eve');
    index.ended(small, keys);
    expect([[...keys], index.size]).toEqual([['of-eve'], names.length]);
    expect(looks - before).toBeLessThan(100);
  });
});

it('a row of a log that can not be brought in, whatever is wrong with it, ends no start', () => {
  const access = {
    hasCuts: false,
    limitOf: () => Number.POSITIVE_INFINITY,
    mayBegin: () => true,
    mayWriteIn: (_: unknown, key: string) => {
      if (key === 'odd') throw new Error('as a library does that was given odd bytes');
      return true;
    },
    mayWriteSome: () => true,
    mayAdopt: () => false,
  };
  const rowOf = (did: Did, key: string): Uint8Array => {
    const id = { did, client: 7, gen: 1 };
    const lane = fillLane(id, HEAD, [{ key, raw: { v: 1, m: NOW, i: 1 } }]);
    return encodeSent({ isWhole: false, parts: [{ ...id, update: wholeOf(lane) }] }, NOW);
  };
  const init = { limits: LIMITS, self: ANN, now: () => NOW, access };
  const board = createDocument(init, [rowOf(EVE, 'odd'), rowOf(BOB, 'k')]);
  expect([board.unreadable, board.get('k')?.value, board.size]).toEqual([1, 1, 1]);
});

it('whoever begins to tell many lanes anew and never ends keeps nobody from telling one', () => {
  /** A lane of several pieces. */
  const told = (client: number, value: string): Lane =>
    fillLane(
      { did: BOB, client, gen: 1 },
      HEAD,
      Array.from({ length: 600 }, (_, at) => ({ key: `k${at}`, raw: { v: value, m: NOW, i: at } })),
    );
  const factsOf = (lane: Lane): UpdateFacts[] =>
    [...piecesOf(lane, 0)].flatMap((piece) => inspectUpdate(piece, LIMITS, 10_000) ?? []);
  const offered = (forks: LaneForks, known: Lane, facts: readonly UpdateFacts[]) =>
    facts.map((one) => forks.offer(known, one)).at(-1);
  const [one, other] = [told(1, 'one'), told(1, 'other')];
  // Of both the same one is kept, whoever had it first.
  const isOther = offered(new LaneForks(), one, factsOf(other)) !== undefined;
  const [lower, higher] = isOther ? [one, other] : [other, one];
  const pieces = factsOf(higher);
  expect(pieces.length).toBeGreaterThan(1);
  const forks = new LaneForks();
  for (let client = 2; client < 12; client += 1) {
    const lane = told(client, 'begun');
    expect(offered(forks, lane, factsOf(lane).slice(0, 1))).toBeUndefined();
  }
  expect(offered(forks, lower, pieces)?.entries.get('k0')?.v).toBe(higher.entries.get('k0')?.v);
});
