/**
 * The lanes of writers who are long away are adopted by an administrator of the board, as nobody else begins them anew: what
 * of them still counts is carried in a lane of the administrator's, each entry with its author, stamp and signature, and the
 * head of that lane says which lanes it stands for, up to which clocks. Where one of these is found to go further, it is
 * there again beside what was carried; an owner who returns begins a lane anew, so that nobody carries its entries any more.
 */
import type { Did } from '../../core/index.ts';
import type { LaneAccess } from '../access/board-access.ts';
import { PLACES_MAX } from '../lanes/lane-format.ts';
import type { OwnedPlace, RawWrite } from '../lanes/lane-format.ts';
import {
  clockOf,
  fillLane,
  holds,
  laneHead,
  laneName,
  placeOf,
  rawIn,
  writesOf,
} from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';
import { beatenWrites } from './beaten-writes.ts';
import { planRenewal } from './lane-renewal.ts';
import type { RenewalInit } from './lane-renewal.ts';
import { endOf, isGoneAt } from './winner.ts';
import type { Winner } from './winner.ts';

/** What whoever adopts decides by. */
export interface AdoptionInit extends Omit<RenewalInit, 'isContested'> {
  /** Whose lanes are adopted. */
  readonly owners: ReadonlySet<Did>;
  /** Signs the head of the lane that is made, where the board has that. */
  signed(lane: LaneId, head: NonNullable<Lane['head']>): NonNullable<Lane['head']>;
}

/** A lane of the adopter's that holds what of its own lanes and of the adopted ones still counts; undefined of nothing. */
export function makeAdopting(init: AdoptionInit): Lane | undefined {
  const { making, ...id } = planRenewal({ ...init, isContested: false });
  const lanes = [...init.lanes];
  const adopted = lanes.filter(({ did }) => init.owners.has(did));
  if (making === undefined || adopted.length === 0 || adopted.length > PLACES_MAX / 8) {
    return undefined;
  }
  const others = lanes.filter(({ did }) => did !== id.did && !init.owners.has(did));
  const renewed = lanes.filter(({ did }) => did === id.did || init.owners.has(did));
  const beaten = beatenWrites(renewed, init);
  const writes: { readonly key: string; readonly raw: RawWrite }[] = [];
  for (const lane of renewed) {
    const isOwn = lane.did === id.did;
    for (const { write, clock } of writesOf(lane)) {
      const winner = init.winners.get(write.key);
      const last = beaten.get(write.key) ?? winner;
      if (last?.lane !== lane || last.clock !== clock) continue;
      if (last === winner && isOver(winner, others, init)) continue;
      const raw = rawIn(lane, write.key);
      if (raw !== undefined)
        writes.push({ key: write.key, raw: isOwn ? raw : carried(raw, lane.did) });
    }
  }
  const places = adopted.map((lane) => ({
    did: lane.did,
    client: lane.client,
    gen: lane.gen,
    clock: clockOf(lane),
  }));
  const adopts = [...making.head.adopts, ...places];
  // What is adopted need not have been seen: a newcomer never does.
  const after = others.map(placeOf);
  const head = { ...making.head, base: writes.length + 1, after, adopts };
  return fillLane(id, init.signed(id, head), writes);
}

/** Deletions and ends that are long over are forgotten, where nobody else holds what they were of. */
function isOver(
  winner: Winner,
  others: readonly Lane[],
  { now, forgetBefore }: AdoptionInit,
): boolean {
  if (!isGoneAt(winner, now) || endOf(winner) >= forgetBefore) return false;
  return !others.some((lane) => holds(lane, winner.key));
}

/** A write as somebody else's lane holds it. */
function carried(raw: RawWrite, author: Did): RawWrite {
  return { ...raw, b: raw.b ?? author, a: 1 };
}

/** Which lanes others stand for. */
export class AdoptedLanes {
  readonly #access: LaneAccess | undefined;
  /** By lane that adopts. */
  readonly #byAdopter = new Map<Lane, readonly OwnedPlace[]>();
  /** The furthest clocks, by name of the lane; undefined until somebody asks. */
  #clocks: Map<string, OwnedPlace> | undefined;

  constructor(access?: LaneAccess) {
    this.#access = access;
  }

  /** A lane stands for others now, if its owner may adopt. */
  add(lane: Lane): readonly OwnedPlace[] {
    const adopts = laneHead(lane)?.adopts ?? [];
    // On an open board nobody administers: there a lane stands for those of its own writer alone.
    if (adopts.length === 0 || this.#access?.mayAdopt(lane) !== true) return [];
    this.#byAdopter.set(lane, adopts);
    this.#clocks = undefined;
    return adopts;
  }

  remove(lane: Lane): void {
    if (this.#byAdopter.delete(lane)) this.#clocks = undefined;
  }

  /** Up to which clock others stand for a lane; 0: not at all. */
  clockOf(name: string): number {
    return this.#places.get(name)?.clock ?? 0;
  }

  /** The lanes that others stand for. */
  get all(): Iterable<OwnedPlace> {
    return this.#places.values();
  }

  get isEmpty(): boolean {
    return this.#byAdopter.size === 0;
  }

  get #places(): ReadonlyMap<string, OwnedPlace> {
    if (this.#clocks !== undefined) return this.#clocks;
    const clocks = new Map<string, OwnedPlace>();
    for (const place of [...this.#byAdopter.values()].flat()) {
      const name = laneName(place);
      if ((clocks.get(name)?.clock ?? 0) < place.clock) clocks.set(name, place);
    }
    this.#clocks = clocks;
    return clocks;
  }
}
