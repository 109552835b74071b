/** The lanes of one board, and which of them are not needed any more because another stands for them. */
import type { Did } from '../../core/index.ts';
import type { LaneAccess } from '../access/board-access.ts';
import type { OwnedPlace, Place, SeenPlace } from '../lanes/lane-format.ts';
import { AdoptedLanes } from './adoption.ts';
import { headPlaces } from './head-places.ts';
import { replaces } from './lane-renewal.ts';
import { clockOf, laneHead, laneName } from '../lanes/lane.ts';
import type { Lane, LaneId } from '../lanes/lane.ts';

/** How far a lane was seen. */
export interface NamedPlace extends OwnedPlace {
  readonly name: string;
}

/** Lanes by their names. */
export class LaneSet {
  readonly #lanes = new Map<string, Lane>();
  /** The same by their writers: whoever asks for one writer's pays for no other's. */
  readonly #byWriter = new Map<Did, Map<string, Lane>>();
  /** Lanes that will stand for others once all is here that they need. */
  readonly #pending = new Set<Lane>();
  /** Of these what was missing when that was looked at last: as long as that is missing, nothing else need be looked at. */
  readonly #lacking = new WeakMap<Lane, Place>();
  readonly #access: LaneAccess | undefined;
  readonly #adopted: AdoptedLanes;
  readonly #self: Did;

  constructor(self: Did, access?: LaneAccess) {
    this.#self = self;
    this.#access = access;
    this.#adopted = new AdoptedLanes(access);
  }

  get byName(): ReadonlyMap<string, Lane> {
    return this.#lanes;
  }

  get size(): number {
    return this.#lanes.size;
  }

  /** Pieces of Yjs' memory of all lanes. */
  get structs(): number {
    let count = 0;
    for (const { doc, client } of this.#lanes.values()) {
      count += doc.store.clients.get(client)?.length ?? 0;
    }
    return count;
  }

  get(name: string): Lane | undefined {
    return this.#lanes.get(name);
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  of(did: Did): readonly Lane[] {
    return [...(this.#byWriter.get(did)?.values() ?? [])];
  }

  /** Adds a lane, or puts another one in the place of one with the same name. */
  add(lane: Lane): void {
    const before = this.#lanes.get(lane.name);
    if (before === lane) return;
    if (before !== undefined) {
      this.#pending.delete(before);
      this.#adopted.remove(before);
    }
    this.#put(lane);
    this.#pending.add(lane);
    // What stands for a part of it comes after it in a log, where it would be left out otherwise.
    const { client, gen } = lane;
    for (const other of this.of(lane.did)) {
      if (!replaces(other, { client, gen, clock: 1 })) continue;
      this.#takeOut(other);
      this.#put(other);
    }
  }

  #put(lane: Lane): void {
    this.#lanes.set(lane.name, lane);
    const own = this.#byWriter.get(lane.did);
    if (own === undefined) this.#byWriter.set(lane.did, new Map([[lane.name, lane]]));
    else own.set(lane.name, lane);
  }

  #takeOut({ did, name }: Lane): void {
    this.#lanes.delete(name);
    const own = this.#byWriter.get(did);
    own?.delete(name);
    if (own?.size === 0) this.#byWriter.delete(did);
  }

  remove(lane: Lane): void {
    this.#pending.delete(lane);
    this.#adopted.remove(lane);
    if (this.#lanes.get(lane.name) === lane) this.#takeOut(lane);
  }

  /**
   * How far each lane was seen. Whether a lane that others stand for is still here makes no difference, so that replicas are
   * equal before and after they let go of it.
   */
  *places(): Iterable<NamedPlace> {
    for (const lane of this.#lanes.values()) {
      const { did, client, gen, name } = lane;
      const clock = Math.max(clockOf(lane), this.adoptedClock(lane));
      yield { did, client, gen, clock, name };
    }
    for (const place of this.#adopted.all) {
      const name = laneName(place);
      if (!this.#lanes.has(name) && !this.isReplaced(place, place.clock)) yield { ...place, name };
    }
  }

  /** Up to which clock lanes of other writers stand for a lane; 0: not at all. */
  adoptedClock(lane: LaneId): number {
    if (this.#adopted.isEmpty) return 0;
    const clock = this.#adopted.clockOf(laneName(lane));
    return clock > 0 && this.isReplaced(lane, clock) ? 0 : clock;
  }

  /** Whether others' lanes stand for one of this node's own that is still here. */
  get isOwnAdopted(): boolean {
    if (this.#adopted.isEmpty) return false;
    return this.of(this.#self).some((lane) => this.adoptedClock(lane) > 0);
  }

  /** Whether what a lane says up to a clock is not needed any more. */
  isReplaced({ did, client, gen }: LaneId, clock: number): boolean {
    for (const lane of this.#byWriter.get(did)?.values() ?? []) {
      if (lane.isEffective && replaces(lane, { client, gen, clock })) return true;
    }
    return false;
  }

  /** Whether all of `places` was seen, or what stands for it, or can't come any more: see `BoardDocument.covers`. */
  covers(places: readonly SeenPlace[]): boolean {
    const lanes = this.#byPlace();
    const mayMiss = (place: SeenPlace): boolean => place.did !== undefined && !this.#mayCome(place);
    const laneOf = (place: SeenPlace): Lane | undefined =>
      place.did === undefined ? lanes.get(placeName(place)) : this.#lanes.get(laneName(place));
    return this.#missingOf(places, laneOf, mayMiss) === undefined;
  }

  /** Whether a lane that is not here counts by the rights of now. */
  #mayCome({ did, client, gen }: OwnedPlace): boolean {
    if (this.#access === undefined) return true;
    return this.#access.limitOf({ did, client, gen }) > 0 && this.#access.mayWriteSome(did);
  }

  /**
   * Lanes as places name them that do not say whose they are. Where writers have one number, the longer lane is meant: nobody makes
   * others wait for what another has written long ago.
   */
  #byPlace(): ReadonlyMap<string, Lane> {
    const lanes = new Map<string, Lane>();
    for (const lane of this.#lanes.values()) {
      const name = placeName(lane);
      const other = lanes.get(name);
      if (other === undefined || clockOf(other) < clockOf(lane)) lanes.set(name, lane);
    }
    return lanes;
  }

  /** The first of `places` that was not seen, nor what stands for it. */
  #missingOf<T extends SeenPlace>(
    places: readonly T[],
    laneOf: (place: T) => Lane | undefined,
    mayMiss: (place: T) => boolean,
  ): T | undefined {
    return places.find((place) => {
      const lane = laneOf(place);
      if (lane === undefined) return !this.#isStoodFor(place) && !mayMiss(place);
      const limit = this.#access?.limitOf(lane) ?? Number.POSITIVE_INFINITY;
      return clockOf(lane) < Math.min(place.clock, limit) && !this.#isStoodFor(place);
    });
  }

  /** Whether all is here that a lane needs before it stands for others. */
  #isReady(lane: Lane, lanes: ReadonlyMap<string, Lane>): boolean {
    const head = laneHead(lane);
    if (head === undefined || clockOf(lane) < head.base) return false;
    // What the owner of a lane had seen does not say whose it is, and may never come where something was cut off.
    const mayMiss = (): boolean => this.#access?.hasCuts === true;
    const laneOf = (place: Place): Lane | undefined => lanes.get(placeName(place));
    const lacking = this.#lacking.get(lane);
    if (lacking !== undefined && this.#missingOf([lacking], laneOf, mayMiss) !== undefined) {
      return false;
    }
    const missing = this.#missingOf(head.after, laneOf, mayMiss);
    if (missing !== undefined) this.#lacking.set(lane, missing);
    return missing === undefined;
  }

  /** Takes out the lanes that are not needed any more now, and gives them. */
  settle(): readonly Lane[] {
    const dropped: Lane[] = [];
    let hasChanged = this.#pending.size > 0;
    // A lane that is taken out meanwhile is stood for as far as it went.
    const lanes = hasChanged ? this.#byPlace() : new Map<string, Lane>();
    while (hasChanged) {
      hasChanged = false;
      for (const lane of this.#pending) {
        if (!this.#isReady(lane, lanes)) continue;
        lane.isEffective = true;
        this.#pending.delete(lane);
        hasChanged = true;
        for (const other of this.#stoodForBy(lane)) {
          this.remove(other);
          dropped.push(other);
        }
      }
    }
    return dropped;
  }

  /** The lanes that are not needed any more when `lane` is effective. */
  *#stoodForBy(lane: Lane): Iterable<Lane> {
    for (const other of this.of(lane.did)) {
      const { client, gen } = other;
      if (other !== lane && replaces(lane, { client, gen, clock: clockOf(other) })) yield other;
    }
    for (const { did, client, gen, clock } of this.#adopted.add(lane)) {
      const other = this.#lanes.get(laneName({ did, client, gen }));
      // One that goes further stays, and of its own lanes a node takes back what there is.
      if (other !== undefined && did !== this.#self && clockOf(other) <= clock) yield other;
    }
  }

  /** Whether other lanes stand for what was seen; for whose lane it is known to be, those of that writer alone, and who may adopt. */
  #isStoodFor(place: SeenPlace): boolean {
    const { did } = place;
    for (const lane of this.#lanes.values()) {
      const head = laneHead(lane);
      if (head === undefined || clockOf(lane) < head.base) continue;
      if ((did === undefined || lane.did === did) && replaces(lane, place)) return true;
      if (headPlaces(head).adopts(place) && this.#access?.mayAdopt(lane) === true) return true;
    }
    return false;
  }
}

/** What a place is called that does not say whose lane it is of. */
function placeName({ client, gen }: Pick<Place, 'client' | 'gen'>): string {
  return `${client} ${gen}`;
}
