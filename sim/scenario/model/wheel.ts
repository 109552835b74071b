/**
 * A queue of events by time: one bucket a millisecond (Brown, "Calendar Queues", 1988), in typed arrays. Events of
 * one millisecond come in the order in which they were added.
 */

const GROWTH = 1.5;

/** The queue. An event is a kind and two numbers. */
export class Wheel {
  readonly #heads: Int32Array;
  readonly #tails: Int32Array;
  #next: Int32Array;
  #kinds: Uint8Array;
  #a: Int32Array;
  #b: Int32Array;
  #free = -1;
  #used = 0;
  #nowMs = 0;
  /** Events that were done. */
  done = 0;
  /** Events that wait. */
  waiting = 0;

  /** Holds events up to `endMs`; later ones are not kept. */
  constructor(endMs: number, room = 1 << 16) {
    this.#heads = new Int32Array(endMs + 1).fill(-1);
    this.#tails = new Int32Array(endMs + 1).fill(-1);
    this.#next = new Int32Array(room);
    this.#kinds = new Uint8Array(room);
    this.#a = new Int32Array(room);
    this.#b = new Int32Array(room);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Adds an event after `delayMs`, to the millisecond. */
  add(delayMs: number, kind: number, a: number, b: number): void {
    const at = this.#nowMs + Math.max(0, Math.round(delayMs));
    if (at >= this.#heads.length) return;
    const slot = this.#slot();
    this.#kinds[slot] = kind;
    this.#a[slot] = a;
    this.#b[slot] = b;
    this.#next[slot] = -1;
    const tail = this.#tails[at] as number;
    if (tail === -1) this.#heads[at] = slot;
    else this.#next[tail] = slot;
    this.#tails[at] = slot;
    this.waiting += 1;
  }

  /** Does all events in their order; `each` may add more. `every` is told the time now and then. */
  run(each: (kind: number, a: number, b: number) => void, every?: (nowMs: number) => void): void {
    const end = this.#heads.length;
    for (let at = this.#nowMs; at < end; at += 1) {
      this.#nowMs = at;
      if (at % 1000 === 0) every?.(at);
      for (let slot = this.#heads[at] as number; slot !== -1;) {
        const kind = this.#kinds[slot] as number;
        const a = this.#a[slot] as number;
        const b = this.#b[slot] as number;
        this.done += 1;
        this.waiting -= 1;
        each(kind, a, b);
        // Read only now: the event may have added another to this millisecond.
        const next = this.#next[slot] as number;
        this.#heads[at] = next;
        if (next === -1) this.#tails[at] = -1;
        this.#next[slot] = this.#free;
        this.#free = slot;
        slot = this.#heads[at] as number;
      }
    }
  }

  #slot(): number {
    if (this.#free !== -1) {
      const slot = this.#free;
      this.#free = this.#next[slot] as number;
      return slot;
    }
    if (this.#used === this.#next.length) this.#grow();
    this.#used += 1;
    return this.#used - 1;
  }

  #grow(): void {
    const room = Math.ceil(this.#next.length * GROWTH);
    const wider = <T extends Int32Array | Uint8Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.#next = wider(this.#next, new Int32Array(room));
    this.#kinds = wider(this.#kinds, new Uint8Array(room));
    this.#a = wider(this.#a, new Int32Array(room));
    this.#b = wider(this.#b, new Int32Array(room));
  }
}
