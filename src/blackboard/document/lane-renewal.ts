/**
 * Begins a lane anew when more of it is dead than alive: a fresh document with what of the writer's lanes still counts
 * takes their place. Yjs keeps something of each item that was replaced, also when a document is written and read
 * again; only a fresh one is small. Whoever has the same lanes makes the same fresh one from a short message.
 */
import type { Did } from '../../core/index.ts';
import { PLACES_MAX } from '../lanes/lane-format.ts';
import type { OwnedPlace, Place, RawWrite, Write } from '../lanes/lane-format.ts';
import { clockOf, fillLane, laneHead, laneName, placeOf, rawIn, writesOf } from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';
import type { LanePart, Making, Source } from '../lanes/update.ts';
import { beatenWrites } from './beaten-writes.ts';
import type { BeatenInit } from './beaten-writes.ts';
import { headPlaces } from './head-places.ts';
import { deadIn, endOf, isGoneAt, isHeldByOthers } from './winner.ts';

/** What the owner of lanes decides by. */
export interface RenewalInit extends BeatenInit {
  /** The lane that is made. */
  readonly id: LaneId;
  /** Others hold other things of these lanes: all of what they hold is replaced. */
  readonly isContested: boolean;
}

/** Each run of a writer begins a lane; from here on they become one. */
const LANES_MAX = 4;
const REPLACED_MAX = PLACES_MAX / 8;
const CLOCK_MAX = 2 ** 48;
/**
 * How many dead items there may be for each live one. Higher: lanes are begun anew less often; lower: what was replaced takes less memory,
 * which is as much for an item that others have beaten as for one that counts.
 */
const DEAD_SHARE = 0.6;

/**
 * Whether the lanes of one writer should become one; fewer than `deadMin` dead items are not worth the work. `beaten`: how many of
 * their items others' have beaten and that are kept all the same, which are not dead: the one lane would have as many.
 */
export function areWorn(lanes: readonly Lane[], deadMin: number, beaten = 0): boolean {
  if (lanes.length > LANES_MAX) return true;
  let dead = -beaten;
  let live = beaten;
  for (const lane of lanes) {
    dead += deadIn(lane);
    live += lane.winning;
  }
  return dead > Math.max(deadMin, live * DEAD_SHARE);
}

/** How the lanes of the owner of `id` become one. */
export function planRenewal(init: RenewalInit): LanePart {
  const { id } = init;
  const all = [...init.lanes];
  const own = all.filter(({ did }) => did === id.did).toSorted(compareLanes);
  const forgotten = forgettable(init, all);
  const beaten = beatenWrites(own, init);
  let kept = 0;
  const sources = own.map((lane): Source => {
    const leftOut: number[] = [];
    for (const { write, clock } of writesOf(lane)) {
      const { key } = write;
      const last = beaten.get(key) ?? (forgotten.has(key) ? undefined : init.winners.get(key));
      const isKept = last?.lane === lane && last.clock === clock;
      if (isKept) kept += 1;
      else leftOut.push(clock);
    }
    return { ...placeOf(lane), leftOut };
  });
  const before = own.flatMap((lane) => laneHead(lane)?.replaces ?? []);
  const seen = sources.map(({ client, gen, clock }) => {
    return { client, gen, clock: init.isContested ? CLOCK_MAX : clock };
  });
  const replaces = lastOfRuns([...seen, ...before], id.client).slice(0, REPLACED_MAX);
  const after = all.filter(({ did }) => did !== id.did).map(placeOf);
  const adopts = adoptedStill(own, all);
  return { ...id, making: { head: { base: kept + 1, replaces, after, adopts }, sources } };
}

/** Whether `lanes` are just what `making` says that a lane is made from. */
export function hasSources(
  lanes: ReadonlyMap<string, Lane>,
  did: Did,
  { sources }: Making,
): boolean {
  return sources.every((source) => {
    const lane = sourceIn(lanes, did, source);
    return lane !== undefined && clockOf(lane) === source.clock;
  });
}

/** Makes the lane; undefined when `making` does not fit its sources, as no owner says. */
export function makeLane(
  lanes: ReadonlyMap<string, Lane>,
  id: LaneId,
  { head, sources }: Making,
): Lane | undefined {
  const writes = new Map<string, Write & { readonly raw: RawWrite }>();
  for (const source of sources) {
    const lane = sourceIn(lanes, id.did, source);
    if (lane === undefined) return undefined;
    const leftOut = new Set(source.leftOut);
    for (const { write, clock } of writesOf(lane)) {
      const raw = leftOut.has(clock) ? undefined : rawIn(lane, write.key);
      if (raw === undefined) continue;
      if (writes.has(write.key)) return undefined;
      writes.set(write.key, { ...write, raw });
    }
  }
  return writes.size + 1 === head.base ? fillLane(id, head, writes.values()) : undefined;
}

/** Whether the lane `of` stands for all of another lane of its writer up to a clock. */
export function replaces(of: Lane, { client, gen, clock }: Place): boolean {
  if (of.client === client) return gen < of.gen;
  const head = laneHead(of);
  return head !== undefined && headPlaces(head).replaces({ client, gen, clock });
}

/** What lanes stand for of others', without what an owner who returned has taken back. */
function adoptedStill(own: readonly Lane[], all: readonly Lane[]): readonly OwnedPlace[] {
  const adopts = new Map<string, OwnedPlace>();
  for (const place of own.flatMap((lane) => laneHead(lane)?.adopts ?? [])) {
    if ((adopts.get(laneName(place))?.clock ?? 0) < place.clock) adopts.set(laneName(place), place);
  }
  return [...adopts.values()].filter(
    (place) =>
      !all.some((lane) => lane.did === place.did && lane.isEffective && replaces(lane, place)),
  );
}

function sourceIn(lanes: ReadonlyMap<string, Lane>, did: Did, place: Place): Lane | undefined {
  return lanes.get(`${did} ${place.client} ${place.gen}`);
}

/** Keys of own deletions and ends that nobody can bring back by what is known here. */
function forgettable(init: RenewalInit, lanes: readonly Lane[]): ReadonlySet<string> {
  const { id, winners, now, forgetBefore } = init;
  const gone = [...winners.values()]
    .filter((winner) => winner.lane.did === id.did && isGoneAt(winner, now))
    .toSorted((a, b) => endOf(a) - endOf(b));
  const tooMany = gone.length - init.limits.tombstones;
  return new Set(
    gone
      .filter((winner, at) => at < tooMany || endOf(winner) < forgetBefore)
      .map(({ key }) => key)
      .filter((key) => !isHeldByOthers(lanes, key, id.did)),
  );
}

/** Of each run but `client`, whose lanes follow each other by number, the last place. */
function lastOfRuns(places: readonly Place[], client: number): readonly Place[] {
  const last = new Map<number, Place>();
  for (const place of places) {
    const known = last.get(place.client);
    const isLater =
      known === undefined ||
      place.gen > known.gen ||
      (place.gen === known.gen && place.clock > known.clock);
    if (place.client !== client && isLater) last.set(place.client, place);
  }
  return [...last.values()];
}

function compareLanes(a: Lane, b: Lane): number {
  return a.client === b.client ? a.gen - b.gen : a.client - b.client;
}
