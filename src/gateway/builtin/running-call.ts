/**
 * A call that the built-in server runs, and what its tool is told of it. What few tools ask for is made when one does: a
 * signal that can be aborted costs more than all else of a small call.
 */
import type { JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { eraOf } from '../wire/era.ts';
import type { RelayedCall, ServerChannelInit } from '../channel-types.ts';
import type { BuiltinContext, ClientSampling } from '../types.ts';
import { progressOf } from './call-progress.ts';
import { elicitOf } from './questions.ts';

/** The channel that a call came by. */
export interface CallChannel {
  readonly init: ServerChannelInit;
  readonly sampling: ClientSampling | undefined;
}

/** See the file. */
export class RunningCall implements BuiltinContext {
  readonly principal: Principal;
  readonly session: string | undefined;
  readonly #call: RelayedCall;
  readonly #channel: CallChannel;
  #isAborted = false;
  #abort: AbortController | undefined;
  #pause: ((result: JsonObject) => void) | undefined;
  #pausedWith: JsonObject | undefined;

  constructor(call: RelayedCall, channel: CallChannel) {
    this.principal = call.principal;
    this.session = call.session;
    this.#call = call;
    this.#channel = channel;
  }

  /** The caller has cancelled or gone away: what the tool gives is not sent. */
  get isAborted(): boolean {
    return this.#isAborted;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#isAborted) this.#abort.abort();
    return this.#abort.signal;
  }

  get progress(): NonNullable<BuiltinContext['progress']> {
    return progressOf(this.#call, () => this.#isAborted);
  }

  get elicit(): NonNullable<BuiltinContext['elicit']> {
    return elicitOf(this.#call, this.#channel.init, (result) => {
      this.#pausedWith = result;
      this.#pause?.(result);
    });
  }

  get sampling(): ClientSampling | undefined {
    return eraOf(this.#call.request) === 'modern' ? undefined : this.#channel.sampling;
  }

  abort(): void {
    this.#isAborted = true;
    this.#abort?.abort();
  }

  /** What the tool gives, or what the call ends with in the stateless era where the tool asks something before. */
  orPaused<T>(done: Promise<T>): Promise<T | JsonObject> {
    // A tool may have asked in the turn in which it was called.
    if (this.#pausedWith !== undefined)
      return Promise.race([Promise.resolve(this.#pausedWith), done]);
    return new Promise<T | JsonObject>((resolve, reject) => {
      this.#pause = resolve;
      done.then(resolve, reject);
    });
  }
}
