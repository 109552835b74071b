/**
 * What this node writes to a board: drafts of its own lane, which are on disk before they are applied. Each run writes
 * a lane of its own, so that no clock is ever used twice, whatever the disk has lost; what runs have left becomes
 * one lane when there are several, or when much of it is dead.
 */
import { randomInt } from 'node:crypto';
import type { Did, Json } from '../../core/index.ts';
import type { DocumentInit, Draft, EntryChange } from './document-types.ts';
import { createDrafter } from '../lanes/draft.ts';
import { ENTRIES, INDEX_MAX, rawWrite } from '../lanes/lane-format.ts';
import type { Head, RawWrite } from '../lanes/lane-format.ts';
import { makeAdopting } from './adoption.ts';
import { beatenWrites } from './beaten-writes.ts';
import type { BeatenInit } from './beaten-writes.ts';
import { areWorn, makeLane, planRenewal } from './lane-renewal.ts';
import type { LaneSet } from './lane-set.ts';
import { fillLane, laneName, structsOf, wholeOf } from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';
import { AHEAD_MS, nextStamp } from '../lanes/stamp.ts';
import type { Stamp } from '../lanes/stamp.ts';
import { encodeUpdate } from '../lanes/update.ts';
import type { LanePart } from '../lanes/update.ts';
import type { PastLine } from '../types.ts';
import type { WinnerIndex } from './winner-index.ts';

/** Client ids of Yjs have 32 bits. */
const CLIENTS = 2 ** 32;
/** A tombstone is forgotten after this, whoever has not seen it. */
const TOMBSTONE_MS = 30 * 24 * 3_600_000;
/** How often all own entries are told anew because somebody holds other ones. */
const CONTEST_PACE_MS = 600_000;
/** What is kept of beaten writes is counted again after this, or once own lanes are longer by this share: it takes a look at all of them. */
const COUNT_PACE_MS = 3_600_000;
const COUNT_SHARE = 1 / 16;

/** The lanes of this node on one board. */
export class OwnLanes {
  readonly #init: DocumentInit;
  readonly #lanes: LaneSet;
  readonly #winners: WinnerIndex;
  /** This run of this node: its lanes carry this client id. */
  #client = randomInt(CLIENTS);
  /** The lane that changes go to; undefined until there is one. */
  #lane: Lane | undefined;
  /** A draft is on its way to the disk. */
  #isDrafted = false;
  /** Somebody holds another thing for what this node wrote. */
  #isContested = false;
  #contestedAt = Number.NEGATIVE_INFINITY;
  /** Own lanes were counted and not worn: they are looked at again at this length, or at this time, ms since the epoch. */
  #countAgain: { readonly structs: number; readonly at: number } | undefined;

  constructor(init: DocumentInit, lanes: LaneSet, winners: WinnerIndex) {
    this.#init = init;
    this.#lanes = lanes;
    this.#winners = winners;
  }

  /** Changes go to a lane of their own from now on, under a client id that was never used before. */
  begin(): void {
    const used = new Set([...this.#lanes.all()].map(({ client }) => client));
    const before = this.#client;
    do this.#client = randomInt(CLIENTS);
    while (used.has(this.#client) || this.#client === before);
    this.#lane = undefined;
  }

  /** Changes as an update; undefined when nothing would change. */
  draft(changes: readonly EntryChange[]): Draft | undefined {
    const { self } = this.#init;
    const seen = this.#winners.seenOfOthers();
    let index = this.#winners.counts.get(self) ?? 0;
    let stamp: Stamp = this.#winners.last;
    const wanted: { readonly key: string; readonly value: RawWrite }[] = [];
    const lines: PastLine[] = [];
    for (const { key, value, until = 0, by, stamp: given } of changes) {
      if (value === undefined && this.#winners.entry(key) === undefined) continue;
      stamp = nextStamp(stamp, this.#init.now());
      // Others may have said that this node had made as many writes as can be counted.
      index = Math.min(index + 1, INDEX_MAX);
      const [ms, n] = given ?? stamp;
      const author = by === self ? undefined : by;
      const write = { ms, n, value, until, index, by: author, seen };
      const { signatures } = this.#init;
      const sig =
        signatures?.isSigned === true ? signatures.signEntry({ ...write, key }) : undefined;
      wanted.push({ key, value: rawWrite({ ...write, sig }) });
      if (given === undefined && author === undefined) lines.push(lineOf(write, key, self));
    }
    if (wanted.length === 0) return undefined;
    return this.#drafted({ ...this.#id(), update: this.#updateOf(wanted) }, lines);
  }

  /** All lanes as one, if that is worth the work. */
  draftRenewal(): Draft | undefined {
    const { self } = this.#init;
    const isContested = this.#isContested;
    // What was cut off stays as it is: nobody may make another of it.
    const isCut = (lane: LaneId): boolean => this.#isCut(lane);
    const worn = this.#lanes.of(self).filter((lane) => !isCut(lane));
    if (!isContested && !this.#areWorn(worn)) return undefined;
    // What others hold of a contested lane is not what to make another from.
    if (isContested) this.begin();
    const { did, client, gen } = this.#id();
    const plan = planRenewal({
      ...this.#known(),
      id: { did, client, gen: this.#lane === undefined ? gen : gen + 1 },
      isContested,
    });
    const { making: made } = plan;
    if (made === undefined) return undefined;
    const making = { ...made, head: this.#signed(plan, made.head) };
    if (!isContested) return this.#drafted({ did, client, gen: plan.gen, making });
    const lane = makeLane(this.#lanes.byName, plan, making);
    return lane && this.#drafted({ did, client, gen, update: wholeOf(lane) });
  }

  /** Own lanes with what still counts of the lanes of `owners` as one; see `adoption.ts`. */
  draftAdoption(owners: ReadonlySet<Did>): Draft | undefined {
    const { self } = this.#init;
    const { did, client, gen } = this.#id();
    const lane = makeAdopting({
      ...this.#known(),
      id: { did, client, gen: this.#lane === undefined ? gen : gen + 1 },
      owners: new Set([...owners].filter((one) => one !== self)),
      signed: (id, head) => this.#signed(id, head),
    });
    if (lane === undefined) return undefined;
    return this.#drafted({ did, client, gen: lane.gen, update: wholeOf(lane) });
  }

  /** Whether it pays to adopt the lanes of another writer: over `dead` items of them, and more than of the others, would be left out. */
  isWorthAdopting(lanes: readonly Lane[], dead: number): boolean {
    const known = this.#known();
    const renewed = [...known.lanes].filter((lane) => lane.did === this.#init.self);
    const beaten = [...beatenWrites([...renewed, ...lanes], known).values()];
    return areWorn(lanes, dead, beaten.filter(({ lane }) => lanes.includes(lane)).length);
  }

  /** What this node may write has changed: where its lane is cut off, or was dropped, changes go to another one. */
  reviewRights(wasDropped: boolean): void {
    const lane = this.#lane ?? { did: this.#init.self, client: this.#client, gen: 1 };
    if (wasDropped || this.#isCut(lane)) this.begin();
  }

  /** The draft is applied. */
  committed(part: LanePart): void {
    this.#isDrafted = false;
    this.#lane = this.#lanes.get(laneName(part));
    if (this.#lanes.of(part.did).length === 1) this.#isContested = false;
  }

  /**
   * The draft, if there is one, will never be applied. Where it is on the disk, and stays, its clock counts as used; where the disk has refused
   * it the next one takes its place, so that a disk which refuses every second write leaves no lane behind each time.
   */
  giveUp({ isOnDisk }: { readonly isOnDisk: boolean }): void {
    if (!this.#isDrafted) return;
    this.#isDrafted = false;
    if (isOnDisk) this.begin();
  }

  /** A lane is not needed any more. */
  dropped(lane: Lane): void {
    if (this.#lane === lane) this.#lane = undefined;
  }

  /**
   * Somebody knows more of a lane than this node. If that is the lane which is written here, another is from now on,
   * as no clock may be used twice; but not while a draft is on its way. False: not now.
   */
  letsOthersExtend({ did, client }: LaneId): boolean {
    if (did !== this.#init.self || client !== this.#client) return true;
    if (this.#isDrafted) return false;
    this.begin();
    return true;
  }

  /** Somebody holds another thing of an own lane: is told what was written here, but not as often as it says so. */
  contested(): void {
    const now = this.#init.now();
    if (now - this.#contestedAt < CONTEST_PACE_MS) return;
    this.#contestedAt = now;
    this.#isContested = true;
  }

  /** Whether own lanes should become one; what is kept of beaten writes is counted only where that may decide it. */
  #areWorn(lanes: readonly Lane[]): boolean {
    const { limits, access } = this.#init;
    if (!areWorn(lanes, limits.dead)) return false;
    // Whatever is kept of them, there may be too many.
    if (access === undefined || areWorn(lanes, limits.dead, Number.POSITIVE_INFINITY)) return true;
    let structs = 0;
    for (const lane of lanes) structs += structsOf(lane).length;
    const now = this.#init.now();
    const again = this.#countAgain;
    if (again !== undefined && structs < again.structs && now < again.at) return false;
    const isWorn = areWorn(lanes, limits.dead, beatenWrites(lanes, this.#known()).size);
    const next = { structs: structs * (1 + COUNT_SHARE), at: now + COUNT_PACE_MS };
    this.#countAgain = isWorn ? undefined : next;
    return isWorn;
  }

  /** What of the board decides what is kept; what was cut off of own lanes stays as it is. */
  #known(): BeatenInit {
    const { access, limits, self } = this.#init;
    const now = this.#init.now() - AHEAD_MS;
    return {
      lanes: [...this.#lanes.all()].filter((lane) => lane.did !== self || !this.#isCut(lane)),
      winners: this.#winners.byKey,
      now,
      forgetBefore: now - TOMBSTONE_MS,
      limits,
      isClosed: access !== undefined,
    };
  }

  #signed(lane: LaneId, head: Head): Head {
    const { signatures } = this.#init;
    if (signatures?.isSigned !== true) return head;
    return { ...head, sig: signatures.signHead(lane, head) };
  }

  #isCut(lane: LaneId): boolean {
    return Number.isFinite(this.#init.access?.limitOf(lane) ?? Number.POSITIVE_INFINITY);
  }

  #id(): LaneId {
    const { did, client, gen } = this.#lane ?? {
      did: this.#init.self,
      client: this.#client,
      gen: 1,
    };
    return { did, client, gen };
  }

  #drafted(part: LanePart, lines: readonly PastLine[] = []): Draft {
    this.#isDrafted = true;
    return { part, bytes: encodeUpdate({ isWhole: false, parts: [part] }), lines };
  }

  #updateOf(wanted: readonly { readonly key: string; readonly value: RawWrite }[]): Uint8Array {
    const own = this.#lane;
    if (own === undefined) {
      const writes = wanted.map(({ key, value }) => ({ key, raw: value }));
      const id = this.#id();
      const head = this.#signed(id, { base: 1, replaces: [], after: [], adopts: [] });
      return wholeOf(fillLane(id, head, writes));
    }
    own.drafter ??= createDrafter<RawWrite>(own.doc, ENTRIES);
    return own.drafter.draft(own.client, wanted) ?? new Uint8Array(0);
  }
}

/** An own write as a history tells it. */
function lineOf(
  {
    value,
    ms,
    until,
  }: { readonly value: Json | undefined; readonly ms: number; readonly until: number },
  key: string,
  by: Did,
): PastLine {
  if (value === undefined) return { key, by, at: ms };
  return { key, value, by, at: ms, ...(until === 0 ? {} : { until }) };
}
