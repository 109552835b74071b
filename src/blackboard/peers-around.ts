/**
 * What the blackboard wants to know of other members: whether one that is alive is not connected, and whether it is this
 * node's own clock that is wrong. Stamps go by the others' clocks then: what this node writes would else lose against
 * what is older, or be kept out by everybody until its time.
 */
import type { Clock, Health, PeerId } from '../core/index.ts';

/** A member that is alive. */
export interface MemberAround {
  readonly peerId: PeerId;
  /** Its clock less ours, ms; absent where that is not known. */
  readonly clockOffsetMs?: number;
}

/** What is asked about members. */
export interface PeersAroundComponents {
  readonly clock: Clock;
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** Members that are alive; without it nobody is known. */
  readonly members?: () => readonly MemberAround[];
  isConnected(peer: PeerId): boolean;
}

/** How long an answer holds. */
const KEPT_MS = 1000;
/** From here on this node's clock is wrong. Higher: entries of this node are kept out as early; lower: jitter counts. */
const OFF_MS = 30_000;
/** Of one other nobody can say whose clock is wrong. */
const CLOCKS_MIN = 2;
const CODE = 'clock';

/** The members around this node. */
export class PeersAround {
  readonly #components: PeersAroundComponents;
  #askedAt = Number.NEGATIVE_INFINITY;
  #hasAfar = false;
  #offsetMs = 0;

  constructor(components: PeersAroundComponents) {
    this.#components = components;
  }

  /** Whether a member is alive that is not connected. */
  get hasAfar(): boolean {
    this.#look();
    return this.#hasAfar;
  }

  /** What must be added to this node's clock, ms: nothing unless most others say that it is far off. */
  get clockOffsetMs(): number {
    this.#look();
    return this.#offsetMs;
  }

  clear(): void {
    this.#askedAt = Number.NEGATIVE_INFINITY;
    this.#offsetMs = 0;
    this.#components.health?.clear(CODE);
  }

  #look(): void {
    const { clock, members } = this.#components;
    const now = clock.now();
    if (members === undefined || Math.abs(now - this.#askedAt) < KEPT_MS) return;
    this.#askedAt = now;
    const around = members();
    this.#hasAfar = around.some(({ peerId }) => !this.#components.isConnected(peerId));
    const offsets = around.flatMap(({ clockOffsetMs }) => clockOffsetMs ?? []);
    const offsetMs = offsets.length < CLOCKS_MIN ? 0 : medianOf(offsets);
    this.#offsetMs = Math.abs(offsetMs) > OFF_MS ? Math.round(offsetMs) : 0;
    this.#tell();
  }

  #tell(): void {
    const { health } = this.#components;
    if (this.#offsetMs === 0) {
      health?.clear(CODE);
      return;
    }
    const seconds = Math.round(Math.abs(this.#offsetMs) / 1000);
    const side = this.#offsetMs > 0 ? 'behind' : 'ahead of';
    health?.raise({
      code: CODE,
      text: `this machine's clock is ${seconds} s ${side} the others': boards are stamped by theirs`,
      hint: 'set the clock, best by NTP: timedatectl set-ntp true',
    });
  }
}

/** Of an even number the one nearer to zero: who is right counts before who is not. */
function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = 0, high = 0] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.floor(sorted.length / 2)],
  ];
  return Math.abs(low) < Math.abs(high) ? low : high;
}
