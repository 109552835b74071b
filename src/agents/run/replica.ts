/** One process of an agent: started, watched, started again within its intensity, and ended. */
import type { Worker } from '../inbox/mailbox.ts';
import {
  StarlingError,
  createScope,
  settledWithin,
  sleep,
  toStarlingError,
  unawaited,
} from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, Random, Scope } from '../../core/index.ts';
import { cameToNobody } from '../../gateway/index.ts';
import type { AgentProcess } from '../../gateway/index.ts';
import type { RunState } from '../types.ts';
import { nextState, takesMessages } from './lifecycle.ts';
import type { RunEvent } from './lifecycle.ts';
import { createRestarts } from './restarts.ts';
import type { Restarts } from './restarts.ts';

/** What a process works with. */
export interface ReplicaComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Starts the program; `signal` gives a start up that is under way. */
  launch(init: {
    spawned(this: void, pid: number): void;
    readonly signal: AbortSignal;
  }): Promise<AgentProcess>;
  /** Hears that the state is another one. */
  changed(): void;
  /** Hears why a process ended or did not start. */
  failed(error: StarlingError): void;
  /** Hears that a process which ran has ended, unless others of its agent are why. */
  fell(): void;
}

/** One process, from its first start to its last end. */
export interface Replica extends Worker {
  readonly state: RunState;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Why it does not run; undefined while it does. */
  readonly error: StarlingError | undefined;
  /** Starts it; a second call is a no-op. */
  start(): void;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** How long what is learned of one message keeps its process from counting as free. */
const LEARN_MS = 5000;

/** Makes one process; `start` starts it. */
export function createReplica(
  components: ReplicaComponents,
  init: { readonly title: string; readonly restarts: number },
): Replica {
  return new WatchedReplica(components, init);
}

class WatchedReplica implements Replica {
  readonly #components: ReplicaComponents;
  readonly #title: string;
  readonly #scope: Scope;
  readonly #restarts: Restarts;
  #state: RunState = 'spawning';
  #process: AgentProcess | undefined;
  #pid: number | undefined;
  #running: Promise<void> | undefined;
  /** It was ended because of another process. */
  #isRenewed = false;
  busy = 0;
  isOver = false;
  error: StarlingError | undefined;

  constructor(
    components: ReplicaComponents,
    { title, restarts }: { readonly title: string; readonly restarts: number },
  ) {
    this.#components = components;
    this.#title = title;
    this.#scope = createScope(components.clock);
    this.#restarts = createRestarts(components, restarts);
  }

  get state(): RunState {
    return this.#state;
  }

  get isReady(): boolean {
    return takesMessages(this.#state) && this.#process !== undefined;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  get restarts(): number {
    return this.#restarts.count;
  }

  start(): void {
    this.#running ??= this.#run().finally(() => {
      this.isOver = true;
      this.#components.changed();
    });
  }

  async deliver(message: JsonObject, timeoutMs: number, sender: string): Promise<Json> {
    const running = this.#process;
    if (running === undefined) throw this.#ended('it does not run');
    this.#begins();
    try {
      return await running.deliver(message, timeoutMs, sender);
    } catch (error) {
      const known = toStarlingError(error, 'STARLING_AGENT_FAILED', this.#title);
      if (known.code !== 'STARLING_UPSTREAM_UNAVAILABLE') throw known;
      // It is told of its end in a moment, and is given nothing until then.
      if (this.#process === running) this.#process = undefined;
      throw this.#ended(known.message, cameToNobody(known));
    } finally {
      this.#learns(running);
    }
  }

  #begins(): void {
    this.busy += 1;
    this.#happened('busy');
  }

  /** What came of the message is taken in after its answer went, and is waited for a while before the next one is begun. */
  #learns(running: AgentProcess): void {
    const learned = running.learned?.();
    if (learned === undefined) {
      this.#ends();
      return;
    }
    this.#happened('learn');
    const { clock, logger } = this.#components;
    const over = settledWithin(LEARN_MS, learned, clock).then(() => this.#ends());
    unawaited(over, logger, 'a process stays busy', { title: this.#title });
  }

  #ends(): void {
    this.busy -= 1;
    if (this.busy === 0) this.#happened('idle');
  }

  async renew(why: 'hung' | 'with another'): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running !== undefined && why === 'with another') this.#isRenewed = true;
    await running?.close();
  }

  async stop(): Promise<void> {
    this.#happened('stop');
    this.#scope.close();
    const running = this.#process;
    await running?.close();
    await this.#running;
    this.#happened('ended');
  }

  /** Until it is stopped, or has ended too often. */
  async #run(): Promise<void> {
    while (!this.#scope.closed) {
      const error = await this.#life();
      this.#pid = undefined;
      if (this.#scope.closed) return;
      this.#happened('crashed');
      const waitMs = this.#restarts.next();
      this.error = waitMs === undefined ? givenUp(error) : error;
      this.#components.failed(this.error);
      if (waitMs === undefined || !(await sleep(this.#scope, waitMs))) return;
      this.#happened('restart');
    }
  }

  /** One process from its start to its end; gives why it ended. Never rejects. */
  async #life(): Promise<StarlingError> {
    try {
      const started = await this.#components.launch({
        spawned: (pid) => {
          this.#pid = pid;
          this.#happened('started');
        },
        signal: this.#scope.signal,
      });
      this.#process = started;
      this.error = undefined;
      // A program may be there before it was told of.
      this.#happened('started');
      this.#happened('initialised');
      if (this.#scope.closed) await started.close();
      const error = await started.ended;
      if (!this.#isRenewed && !this.#scope.closed) this.#components.fell();
      this.#isRenewed = false;
      return error;
    } catch (error) {
      return toStarlingError(error, 'STARLING_AGENT_FAILED', this.#title);
    } finally {
      this.#process = undefined;
    }
  }

  #happened(event: RunEvent): void {
    const before = this.#state;
    this.#state = nextState(before, event);
    if (this.#state !== before) this.#components.changed();
  }

  #ended(why: string, isUnread = true): StarlingError {
    return new StarlingError('STARLING_AGENT_FAILED', `${this.#title}: ${why}`, {
      data: { reason: 'ended', ...(isUnread ? { unread: true } : {}) },
    });
  }
}

function givenUp(error: StarlingError): StarlingError {
  return new StarlingError(
    error.code,
    `${error.message}; it has ended too often and is not started again by itself`,
    { hint: 'see why: starling agent logs <name>; then spawn it again', data: error.data },
  );
}
