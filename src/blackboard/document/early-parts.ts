/**
 * Parts of lanes that are stamped too far ahead of this node's clock, and what follows on them: kept until their time, and
 * of each writer no more than a bound. They are in no vector and no digest: whoever has them offers them again.
 */
import type { Did } from '../../core/index.ts';
import { laneName } from '../lanes/lane.ts';
import type { LanePart } from '../lanes/update.ts';

/** What waits for its time. */
export interface EarlyView {
  /** Updates. */
  readonly count: number;
  /** When the first of them counts, ms since the epoch. */
  readonly nextAt: number;
}

/** From which clock of its lane a part goes, and to which. */
interface Span {
  readonly from: number;
  readonly to: number;
}

interface Early extends Span {
  readonly part: LanePart;
  /** When it counts, ms since the epoch. */
  readonly dueAt: number;
}

/** Bounds of what is kept. Higher: more of a writer with a wrong clock is there at once when its time comes. */
const PARTS_PER_WRITER_MAX = 64;
const BYTES_PER_WRITER_MAX = 256 * 1024;
const PARTS_MAX = 1024;
const BYTES_MAX = 2 * 1024 * 1024;
const PART_BYTES = 200;

/** The early parts of one board. */
export class EarlyParts {
  /** By lane and first clock: what comes again takes no more room. */
  readonly #parts = new Map<string, Early>();
  /** Bytes of all, and of each writer. */
  #bytes = 0;
  readonly #ofWriter = new Map<Did, { count: number; bytes: number }>();

  /** Undefined while nothing waits. */
  get view(): EarlyView | undefined {
    const nextAt = this.nextAt();
    return nextAt === undefined ? undefined : { count: this.#parts.size, nextAt };
  }

  /** All that waits. */
  get parts(): readonly LanePart[] {
    return [...this.#parts.values()].map(({ part }) => part);
  }

  /** When the first part counts, ms since the epoch. */
  nextAt(): number | undefined {
    let next: number | undefined;
    for (const { dueAt } of this.#parts.values()) {
      if (next === undefined || dueAt < next) next = dueAt;
    }
    return next;
  }

  /** When what a part of this lane follows on counts; undefined where nothing that waits ends at `from`. */
  dueBefore(part: LanePart, from: number): number | undefined {
    const name = laneName(part);
    let due: number | undefined;
    for (const early of this.#parts.values()) {
      const isBefore = early.from < from && early.to >= from && laneName(early.part) === name;
      if (isBefore) due = Math.max(due ?? 0, early.dueAt);
    }
    return due;
  }

  /** Whether a part waits already. */
  has(part: LanePart, { from, to }: Span): boolean {
    const known = this.#parts.get(`${laneName(part)} ${from}`);
    return known !== undefined && known.to >= to;
  }

  /**
   * Whether there is room for one more part of its writer, in the place of what begins where that one begins: where all have too many,
   * at the cost of whoever has most.
   */
  hasRoomFor(part: LanePart, { from }: Pick<Span, 'from'>): boolean {
    const before = this.#parts.get(`${laneName(part)} ${from}`);
    const freed = before === undefined ? 0 : bytesOf(before.part);
    const one = before === undefined ? 0 : 1;
    const bytes = bytesOf(part) - freed;
    const { count = 0, bytes: used = 0 } = this.#ofWriter.get(part.did) ?? {};
    if (count - one >= PARTS_PER_WRITER_MAX || used + bytes > BYTES_PER_WRITER_MAX) return false;
    if (this.#parts.size - one < PARTS_MAX && this.#bytes + bytes <= BYTES_MAX) return true;
    const most = this.#ofWriter.get(this.#mostLoaded() ?? part.did);
    return loadOf(most) > loadOf({ count: count + 1 - one, bytes: used + bytes });
  }

  /** Keeps a part until `dueAt`; false when its writer has too many here, or all have. */
  put(part: LanePart, { from, to }: Span, dueAt: number): boolean {
    if (this.has(part, { from, to })) return true;
    const name = `${laneName(part)} ${from}`;
    const before = this.#parts.get(name);
    const isFitting = this.hasRoomFor(part, { from });
    if (before !== undefined) this.#remove(name, before);
    if (!isFitting) return false;
    const bytes = bytesOf(part);
    const { count = 0, bytes: used = 0 } = this.#ofWriter.get(part.did) ?? {};
    this.#ofWriter.set(part.did, { count: count + 1, bytes: used + bytes });
    this.#bytes += bytes;
    this.#parts.set(name, { part, from, to, dueAt });
    while (this.#parts.size > PARTS_MAX || this.#bytes > BYTES_MAX) this.#dropOne();
    return true;
  }

  /** Lets go of what counts last of whoever has most here. */
  #dropOne(): void {
    const did = this.#mostLoaded();
    let last: readonly [string, Early] | undefined;
    for (const one of this.#parts) {
      const [, early] = one;
      if (early.part.did === did && early.dueAt >= (last?.[1].dueAt ?? 0)) last = one;
    }
    if (last !== undefined) this.#remove(...last);
  }

  #mostLoaded(): Did | undefined {
    let most: Did | undefined;
    for (const [did, amount] of this.#ofWriter) {
      if (loadOf(amount) > loadOf(most && this.#ofWriter.get(most))) most = did;
    }
    return most;
  }

  /** Takes out the parts whose time has come, each after what it follows on. */
  take(now: number): readonly LanePart[] {
    const due = [...this.#parts].filter(([, { dueAt }]) => dueAt <= now);
    for (const [name, early] of due) this.#remove(name, early);
    return due.toSorted(([, a], [, b]) => a.from - b.from).map(([, { part }]) => part);
  }

  #remove(name: string, { part }: Early): void {
    this.#parts.delete(name);
    const bytes = bytesOf(part);
    this.#bytes -= bytes;
    const { count, bytes: used } = this.#ofWriter.get(part.did) ?? { count: 1, bytes };
    if (count <= 1) this.#ofWriter.delete(part.did);
    else this.#ofWriter.set(part.did, { count: count - 1, bytes: used - bytes });
  }
}

function bytesOf({ update }: LanePart): number {
  return PART_BYTES + (update?.length ?? 0);
}

/** How much of what one writer may have here somebody has. */
function loadOf(amount: { readonly count: number; readonly bytes: number } | undefined): number {
  const { count = 0, bytes = 0 } = amount ?? {};
  return Math.max(count / PARTS_PER_WRITER_MAX, bytes / BYTES_PER_WRITER_MAX);
}
