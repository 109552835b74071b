/** What an attack is, and what it may use. */
import type { Member } from './member.ts';
import type { Stranger } from './stranger.ts';

/** Whom an attack is against, and how far it may go. */
export interface Target {
  /** Addresses of the node, each with its PeerId at the end. */
  readonly addresses: readonly string[];
  readonly peerId: string;
  /** PeerIds of other members, whose names may be forged. */
  readonly members: readonly string[];
}

/** What an attack is carried out with. */
export interface AttackTools {
  readonly target: Target;
  readonly signal: AbortSignal;
  /** Counts one act: a stream, a message, a connection. */
  readonly act: () => void;
  /** Its key changes after so many connections; default: 50. */
  stranger(connectionsPerKey?: number): Promise<Stranger>;
  /** Connected to the target for as long as the target allows it. */
  member(): Promise<Member>;
}

/** One kind of harm. */
export interface Attack {
  readonly name: string;
  readonly title: string;
  /** What `status` must say of it: who, and what it does. Absent for what is within one's rights, which have a quota. */
  readonly said?: RegExp;
  /** Whether it only opens connections: then a bare listener is measured beside the node. */
  readonly hasFloor?: boolean;
  /** What others do beside it that is counted: calls of a tool where nothing is said. */
  readonly beside?: 'strong writes';
  /** Goes on until the signal of the tools fires. May reject: then the attack begins anew. */
  run(tools: AttackTools): Promise<void>;
}

/** Gives the event loop a turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits, but not longer than `signal` allows. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, delayMs);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
