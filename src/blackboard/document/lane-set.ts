/** The lanes of one board, and which of them are not needed any more because another stands for them. */
import type { Did } from '../../core/index.ts';
import type { LaneAccess } from '../access/board-access.ts';
import type { OwnedPlace, Place, SeenPlace } from '../lanes/lane-format.ts';
import { AdoptedLanes } from './adoption.ts';
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
  /** Lanes that will stand for others once all is here that they need. */
  readonly #pending = new Set<Lane>();
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
    return [...this.#lanes.values()].filter((lane) => lane.did === did);
  }

  /** Adds a lane, or puts another one in the place of one with the same name. */
  add(lane: Lane): void {
    const before = this.#lanes.get(lane.name);
    if (before === lane) return;
    if (before !== undefined) {
      this.#pending.delete(before);
      this.#adopted.remove(before);
    }
    this.#lanes.set(lane.name, lane);
    this.#pending.add(lane);
    // What stands for a part of it comes after it in a log, where it would be left out otherwise.
    const { client, gen } = lane;
    for (const other of this.of(lane.did)) {
      if (!replaces(other, { client, gen, clock: 1 })) continue;
      this.#lanes.delete(other.name);
      this.#lanes.set(other.name, other);
    }
  }

  remove(lane: Lane): void {
    this.#pending.delete(lane);
    this.#adopted.remove(lane);
    if (this.#lanes.get(lane.name) === lane) this.#lanes.delete(lane.name);
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
    for (const lane of this.#lanes.values()) {
      if (lane.did !== did || !lane.isEffective) continue;
      if (replaces(lane, { client, gen, clock })) return true;
    }
    return false;
  }

  /** Whether all of `places` was seen, or what stands for it, or can't come any more: see `BoardDocument.covers`. */
  covers(places: readonly SeenPlace[]): boolean {
    return this.#covers(places, (place) => place.did !== undefined && !this.#mayCome(place));
  }

  /** Whether a lane that is not here counts by the rights of now. */
  #mayCome({ did, client, gen }: OwnedPlace): boolean {
    if (this.#access === undefined) return true;
    return this.#access.limitOf({ did, client, gen }) > 0 && this.#access.mayWriteSome(did);
  }

  #covers<T extends Place>(places: readonly T[], mayMiss: (place: T) => boolean): boolean {
    if (places.length === 0) return true;
    const lanes = new Map<string, Lane>();
    for (const lane of this.#lanes.values()) lanes.set(`${lane.client} ${lane.gen}`, lane);
    return places.every((place) => {
      const lane = lanes.get(`${place.client} ${place.gen}`);
      if (lane === undefined) return this.#isStoodFor(place) || mayMiss(place);
      const limit = this.#access?.limitOf(lane) ?? Number.POSITIVE_INFINITY;
      return clockOf(lane) >= Math.min(place.clock, limit) || this.#isStoodFor(place);
    });
  }

  /** Takes out the lanes that are not needed any more now, and gives them. */
  settle(): readonly Lane[] {
    const dropped: Lane[] = [];
    let hasChanged = this.#pending.size > 0;
    // What the owner of a lane had seen does not say whose it is, and may never come where something was cut off.
    const mayMiss = (): boolean => this.#access?.hasCuts === true;
    while (hasChanged) {
      hasChanged = false;
      for (const lane of this.#pending) {
        const head = laneHead(lane);
        if (head === undefined || clockOf(lane) < head.base || !this.#covers(head.after, mayMiss))
          continue;
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

  #isStoodFor(place: Place): boolean {
    for (const lane of this.#lanes.values()) {
      const { base = Number.POSITIVE_INFINITY, adopts = [] } = laneHead(lane) ?? {};
      if (clockOf(lane) < base) continue;
      if (replaces(lane, place)) return true;
      const isAdopted = adopts.some(
        ({ client, gen, clock }) =>
          client === place.client && gen === place.gen && place.clock <= clock,
      );
      if (isAdopted && this.#access?.mayAdopt(lane) === true) return true;
    }
    return false;
  }
}
