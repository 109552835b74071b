/**
 * Calls of tools by the program that holds the node, by the road of all others. Calls of tools of peers share a session,
 * as those of any other program do, and it stays open for a while after the last of them: at a peer each session costs a
 * stream and a handshake, and many that begin at once wait for their turns. So do calls of one tool of the node itself, which
 * are quicker than a session is made; no two tools, as whoever waits for a yes may not give the yes by the same session. All
 * other calls have a session each.
 */
import { StarlingError, VERSION, isObject } from '../../../core/index.ts';
import type { Clock, JsonObject } from '../../../core/index.ts';
import type { OwnCallOptions } from '../../types.ts';
import { META, MODERN_VERSIONS } from '../../wire/era.ts';
import { errorFrom, parseFrame } from '../../wire/frame.ts';
import { ownCallFrame } from '../../wire/own-frame.ts';
import type { Session } from '../types.ts';

/** How sessions are opened and ended. */
export interface OwnCallComponents {
  /** @throws STARLING_LIMIT_EXCEEDED */
  open(): Session;
  ended(session: Session): void;
  /** Calls with the same word share sessions; undefined for those of a tool that share none. */
  poolOf(name: string): string | undefined;
  /** Calls that a session may have under way (`limits.callsPerSession`). */
  readonly callsMax: number;
  readonly clock: Pick<Clock, 'schedule'>;
}

/** Calls of the program that holds the node. */
export interface OwnCalls {
  /** Calls `name`, and gives the result of MCP. @throws what the tool's server, the guard or the road says */
  call(name: string, args: JsonObject, options: OwnCallOptions): Promise<JsonObject>;
  /** Ends what stays open between calls; a session with calls under way ends with the last of them. */
  stop(): void;
}

/** Calls that share a session at the most; more than a peer lets one session have under way would be refused. */
const SHARED_MAX = 100;
/** How long a shared session stays open that nobody uses. More = fewer handshakes, more open streams at peers. */
const IDLE_MS = 60_000;
const CLIENT: JsonObject = {
  [META.protocolVersion]: MODERN_VERSIONS[0],
  [META.clientCapabilities]: {},
  [META.clientInfo]: { name: 'library', version: VERSION },
};

/** Makes the calls; there is no session before the first. */
export function createOwnCalls(components: OwnCallComponents): OwnCalls {
  return new ProgramCalls(components);
}

/** A session, and how many calls of it are under way. */
interface Used {
  readonly session: Session;
  readonly pool: string | undefined;
  underWay: number;
  /** There while nobody uses it. */
  cancelIdle: (() => void) | undefined;
}

class ProgramCalls implements OwnCalls {
  readonly #components: OwnCallComponents;
  readonly #shared = new Map<string, Set<Used>>();
  #lastId = 0;
  /** From then on nothing stays open behind a call. */
  #isStopped = false;

  constructor(components: OwnCallComponents) {
    this.#components = components;
  }

  async call(
    name: string,
    args: JsonObject,
    { onProgress, signal }: OwnCallOptions,
  ): Promise<JsonObject> {
    signal?.throwIfAborted();
    const id = (this.#lastId += 1);
    const meta = onProgress === undefined ? CLIENT : { ...CLIENT, progressToken: id };
    const frame = ownCallFrame(id, { name, args, meta });
    const used = this.#use(name);
    const { session } = used;
    let gone: (() => void) | undefined;
    try {
      return await new Promise<JsonObject>((resolve, reject) => {
        gone = () => {
          session.abandon?.(id, 'the program gave it up');
          reject(givenUp());
        };
        signal?.addEventListener('abort', gone, { once: true });
        const hear = (message: Buffer): void => progressIn(message, onProgress);
        session.receive(frame, {
          interim: hear,
          urgent: hear,
          dropped: () => reject(givenUp()),
          finalResult: resolve,
          final(message) {
            const answer = parseFrame(message);
            if (answer.kind === 'response' && answer.result !== undefined) resolve(answer.result);
            else {
              const error = answer.kind === 'response' ? answer.error : undefined;
              reject(error === undefined ? givenUp() : errorFrom(error));
            }
          },
        });
      });
    } finally {
      if (gone !== undefined) signal?.removeEventListener('abort', gone);
      this.#leave(used);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const pool of this.#shared.values()) {
      for (const used of pool) {
        if (used.underWay === 0) this.#end(used);
      }
    }
    this.#shared.clear();
  }

  #use(name: string): Used {
    const pool = this.#isStopped ? undefined : this.#components.poolOf(name);
    const used = this.#withRoom(pool) ?? this.#open(pool);
    used.cancelIdle?.();
    used.cancelIdle = undefined;
    used.underWay += 1;
    return used;
  }

  #withRoom(pool: string | undefined): Used | undefined {
    for (const used of this.#shared.get(pool ?? '') ?? []) {
      if (used.underWay < Math.min(SHARED_MAX, this.#components.callsMax)) return used;
    }
    return undefined;
  }

  #open(pool: string | undefined): Used {
    const session = this.#components.open();
    const used: Used = { session, pool, underWay: 0, cancelIdle: undefined };
    if (pool === undefined) return used;
    const others = this.#shared.get(pool) ?? new Set();
    this.#shared.set(pool, others.add(used));
    return used;
  }

  #leave(used: Used): void {
    used.underWay -= 1;
    if (used.underWay > 0) return;
    if (this.#shared.get(used.pool ?? '')?.has(used) !== true) this.#end(used);
    else used.cancelIdle = this.#components.clock.schedule(IDLE_MS, () => this.#end(used));
  }

  #end(used: Used): void {
    const others = this.#shared.get(used.pool ?? '');
    others?.delete(used);
    if (others?.size === 0) this.#shared.delete(used.pool ?? '');
    used.cancelIdle?.();
    used.session.end();
    this.#components.ended(used.session);
  }
}

function progressIn(message: Buffer, onProgress: OwnCallOptions['onProgress']): void {
  const frame = parseFrame(message);
  if (frame.kind !== 'notification' || frame.method !== 'notifications/progress') return;
  const { progress, total, message: text } = frame.params;
  if (typeof progress !== 'number' || !isObject(frame.params)) return;
  onProgress?.({
    progress,
    ...(typeof total === 'number' ? { total } : {}),
    ...(typeof text === 'string' ? { message: text } : {}),
  });
}

function givenUp(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the call was given up');
}
