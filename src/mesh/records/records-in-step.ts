/**
 * Whether this node has all records that a peer had when it last connected, and who waits for that: whatever hangs on
 * revocations waits here.
 */
import { StarlingError } from '../../core/index.ts';
import type { PeerId, Scope } from '../../core/index.ts';

/** How long somebody may wait for records to be in step. */
const STEP_TIMEOUT_MS = 15_000;
/** Of two that meet one asks; the other asks too when nothing has come of it after this. */
const STEP_ASK_MS = 500;

/** Somebody who waits for a peer's records. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: StarlingError) => void;
}

/** See the file. */
export class RecordsInStep {
  /** Asks for the records of a peer. */
  readonly #sync: (peer: PeerId) => void;
  /** The last admitted connection of a peer: each may be the first after a cut, and no number comes twice. */
  readonly #links = new Map<PeerId, number>();
  #linkCount = 0;
  /** Connections of a peer that were admitted since it had none. */
  readonly #linksSince = new Map<PeerId, number>();
  /** Up to which of them the records are in step. */
  readonly #steps = new Map<PeerId, number>();
  readonly #waiters = new Map<PeerId, Set<Waiter>>();
  #scope: Scope | undefined;

  constructor(sync: (peer: PeerId) => void) {
    this.#sync = sync;
  }

  /** `scope` owns the timers. */
  start(scope: Scope): void {
    this.#scope = scope;
  }

  /** Whoever waits hears that the node stops. */
  stop(): void {
    this.#scope = undefined;
    this.#links.clear();
    this.#linksSince.clear();
    this.#steps.clear();
    for (const waiters of this.#waiters.values())
      for (const { reject } of waiters) reject(stopped());
  }

  /** Another connection of `peer` was admitted. */
  linked(peer: PeerId): void {
    this.#linkCount += 1;
    this.#links.set(peer, this.#linkCount);
    this.#linksSince.set(peer, (this.#linksSince.get(peer) ?? 0) + 1);
  }

  /** `peer` has no connection any more. */
  lost(peer: PeerId): void {
    this.#links.delete(peer);
    this.#linksSince.delete(peer);
    this.#steps.delete(peer);
  }

  /** The number of the last connection of `peer`. */
  linkOf(peer: PeerId): number {
    return this.#links.get(peer) ?? 0;
  }

  /** Whether `peer` has had but one connection since it had none. */
  isFirstLink(peer: PeerId): boolean {
    return this.#linksSince.get(peer) === 1;
  }

  isInStep(peer: PeerId): boolean {
    return this.#steps.get(peer) === this.linkOf(peer);
  }

  /** Whether this node has all that some peer had, other than `peer`: what `peer` has besides may be news to that one. */
  isInStepBeside(peer: PeerId): boolean {
    for (const other of this.#steps.keys()) if (other !== peer && this.isInStep(other)) return true;
    return false;
  }

  /** This node has all that `peer` had when its connection number `link` was the last. */
  stepped(peer: PeerId, link: number): void {
    if (link !== this.linkOf(peer)) return;
    this.#steps.set(peer, link);
    for (const { resolve } of this.#waiters.get(peer) ?? []) resolve();
  }

  /** Asks again, after a while, where somebody waits for what could not be had. */
  failed(peer: PeerId): void {
    if (!this.#waiters.has(peer)) return;
    this.#scope?.after(STEP_ASK_MS, () => {
      if (this.#waiters.has(peer)) this.#sync(peer);
    });
  }

  /** See `RecordSync.inStep`. */
  inStep(peer: PeerId): Promise<void> | undefined {
    if (this.isInStep(peer)) return undefined;
    const scope = this.#scope;
    if (scope === undefined) return Promise.reject(stopped());
    const waiters = this.#waiters.get(peer) ?? new Set();
    this.#waiters.set(peer, waiters);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        cancelAsk();
        cancelLate();
        waiters.delete(waiter);
        if (waiters.size === 0) this.#waiters.delete(peer);
      };
      const waiter: Waiter = {
        resolve: () => (done(), resolve()),
        reject: (error) => (done(), reject(error)),
      };
      const cancelAsk = scope.after(STEP_ASK_MS, () => this.#sync(peer));
      const cancelLate = scope.after(STEP_TIMEOUT_MS, () =>
        waiter.reject(
          new StarlingError(
            'STARLING_TIMEOUT',
            `what ${peer} knows of revocations has not come within ${STEP_TIMEOUT_MS / 1000} s`,
            { hint: 'try again; if it stays so, see: starling peers', data: { peer } },
          ),
        ),
      );
      waiters.add(waiter);
    });
  }
}

function stopped(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'this node is not running');
}
