/** The sessions that are open, by the door that they came through: each door has room of its own. */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { SessionDoor } from '../types.ts';
import type { Session } from './types.ts';

/** Sessions that the operator has besides those that clients may fill. */
const OPERATOR_SESSIONS = 100;
const NONE: Readonly<Record<SessionDoor, number>> = { socket: 0, http: 0, tcp: 0, peer: 0 };

/** Who is served. */
export interface OpenSessions {
  /** @throws STARLING_LIMIT_EXCEEDED when `door` has no room for `principal` */
  checkRoom(door: SessionDoor, principal: Principal): void;
  /** Names a session before it is made. */
  nextId(): string;
  add(session: Session, door: SessionDoor): void;
  /** For a session that has ended. */
  forget(session: Session): void;
  /** Asks again what each session may do. */
  recheck(): void;
  /** The same for those of one agent. */
  recheckAgent(did: Did): void;
  serves(agent: Did): boolean;
  /** Calls `listener` whenever an agent comes; gives how to end that. */
  onCaller(listener: (agent: Did) => void): () => void;
  /** Calls under way. */
  load(): number;
  counts(): Readonly<Record<SessionDoor, number>>;
  end(): void;
}

/** Makes room for `max` sessions a door. */
export function createOpenSessions(logger: Logger, max: number): OpenSessions {
  return new SessionsByDoor(logger, max);
}

class SessionsByDoor implements OpenSessions {
  readonly #logger: Logger;
  readonly #max: number;
  readonly #doors = new Map<Session, SessionDoor>();
  readonly #counts: Record<SessionDoor, number> = { ...NONE };
  readonly #callerListeners = new Set<(caller: Did) => void>();
  #named = 0;

  constructor(logger: Logger, max: number) {
    this.#logger = logger;
    this.#max = max;
  }

  checkRoom(door: SessionDoor, principal: Principal): void {
    // By door, so that neither peers nor forgetful clients can lock the operator out.
    const isOwn = door === 'socket' && principal.kind === 'operator';
    if (this.#counts[door] < this.#max + (isOwn ? OPERATOR_SESSIONS : 0)) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${this.#max} ${door} sessions are open (limits.sessions)`,
      { hint: 'close some, or try again later', data: { limit: 'limits.sessions' } },
    );
  }

  nextId(): string {
    this.#named += 1;
    return `session:${this.#named}`;
  }

  add(session: Session, door: SessionDoor): void {
    this.#doors.set(session, door);
    this.#counts[door] += 1;
    const { principal } = session;
    if (principal.kind === 'agent') this.#tellCaller(principal.did);
  }

  forget(session: Session): void {
    const door = this.#doors.get(session);
    if (door === undefined) return;
    this.#doors.delete(session);
    this.#counts[door] -= 1;
  }

  recheck(): void {
    for (const session of this.#doors.keys()) session.recheck();
  }

  recheckAgent(did: Did): void {
    for (const session of this.#of(did)) session.recheck();
  }

  serves(agent: Did): boolean {
    return this.#of(agent).length > 0;
  }

  onCaller(listener: (agent: Did) => void): () => void {
    this.#callerListeners.add(listener);
    return () => this.#callerListeners.delete(listener);
  }

  load(): number {
    let sum = 0;
    for (const session of this.#doors.keys()) sum += session.inFlight;
    return sum;
  }

  counts(): Readonly<Record<SessionDoor, number>> {
    return { ...this.#counts };
  }

  end(): void {
    for (const session of this.#doors.keys()) session.end();
    this.#doors.clear();
    Object.assign(this.#counts, NONE);
  }

  #of(agent: Did): readonly Session[] {
    return [...this.#doors.keys()].filter(
      ({ principal }) => principal.kind === 'agent' && principal.did === agent,
    );
  }

  /** A listener that throws must not keep the caller out: nobody would end the session then. */
  #tellCaller(caller: Did): void {
    for (const listener of this.#callerListeners) {
      try {
        listener(caller);
      } catch (error) {
        this.#logger.error({ error: messageOf(error) }, 'a listener to callers threw');
      }
    }
  }
}
