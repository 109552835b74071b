/** The requests of one session that are under way: the one table of them, with its bounds. */
import { StarlingError, createChurnMap } from '../../../core/index.ts';
import type { Principal } from '../../../guard/index.ts';
import type { Route, SearchMode, View, Views } from '../../catalog/types.ts';
import { eraOf, protocolError } from '../../wire/era.ts';
import { idText } from '../../wire/frame-id.ts';
import { RPC } from '../../wire/frame.ts';
import { createCall } from './call.ts';
import type { Call } from './call.ts';
import type { CallComponents, CallInit, CallRequest } from './call-types.ts';
import { routesOfKnown, untilListed } from './late-names.ts';
import { routesOf } from '../request-target.ts';
import { listTasks, taskOf } from '../tasks/task-requests.ts';
import type { Subscriber } from '../subscribe.ts';
import type { RequestFrame } from '../../frame-types.ts';

/** What the table works with. */
export interface CallsComponents extends CallComponents {
  readonly subscriber: Subscriber;
  readonly search: SearchMode;
  /** Tell whether lists come that a name may be in. */
  readonly views: Pick<Views, 'awaitsLists' | 'events'>;
  view(): View;
  /** A listener wants to hear of lists from now on. */
  listening(): void;
}

/** Bounds of the table. */
export interface CallsInit extends CallInit {
  /** Calls that may be under way at one time (`limits.callsPerSession`). */
  readonly callsMax: number;
}

/** The calls of one session. */
export interface Calls {
  /** Calls under way. */
  readonly size: number;
  /** When a call last ended, ms since the epoch. */
  readonly endedAt: number;
  /** In the order in which they began. */
  values(): Iterable<Call>;
  /**
   * Begins a call; from then on its reply hears of everything, failures too. `key` tells it apart.
   * @throws STARLING_LIMIT_EXCEEDED, STARLING_CALL_REFUSED, … before the call is under way
   */
  begin(key: unknown, what: CallRequest): void;
  /** The caller has given up the request of `key`. */
  abandon(key: unknown, reason: string): void;
  /** The caller of all calls has another name now. */
  rename(principal: Principal): void;
  /** Asks the guard again about every call; ends those that it refuses now. */
  recheck(): void;
  /** Calls `listener` once, when nothing is under way any more; at once when nothing is. */
  whenIdle(listener: () => void): void;
  /** Ends all, because the session is over. */
  end(): void;
}

/** Makes the table of a session. */
export function createCalls(components: CallsComponents, init: CallsInit): Calls {
  return new SessionCalls(components, init);
}

class SessionCalls implements Calls {
  readonly #components: CallsComponents;
  readonly #init: CallsInit;
  readonly #calls = createChurnMap<unknown, Call>();
  #idleListeners: (() => void)[] = [];
  #endedAt = 0;

  constructor(components: CallsComponents, init: CallsInit) {
    this.#components = components;
    this.#init = init;
  }

  get size(): number {
    return this.#calls.size;
  }

  get endedAt(): number {
    return this.#endedAt;
  }

  values(): Iterable<Call> {
    return this.#calls.values();
  }

  begin(key: unknown, what: CallRequest): void {
    const { request } = what;
    this.#checkRoom(key, request);
    if (request.method === 'subscriptions/listen') return this.#listen(this.#open(key, what));
    const view = this.#components.view();
    return view.toolsMode === 'search'
      ? this.#search(key, { ...what, request: this.#components.search.unwrap(request) }, view)
      : this.#relay(key, what, view);
  }

  abandon(key: unknown, reason: string): void {
    this.#calls.get(key)?.abandon(reason);
  }

  rename(principal: Principal): void {
    for (const call of this.#calls.values()) call.rename(principal);
  }

  recheck(): void {
    for (const call of this.#calls.values()) call.recheck();
  }

  whenIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
    this.#tellIdle();
  }

  end(): void {
    // Most sessions end with nothing under way, and an error costs more than the rest of the end.
    if (this.#calls.size > 0) {
      const error = new StarlingError('STARLING_STOPPED', 'the session ended before the call did');
      for (const call of this.#calls.values()) call.endWithSession(error);
    }
    this.#tellIdle();
  }

  #checkRoom(key: unknown, request: RequestFrame): void {
    if (this.#calls.has(key)) {
      throw protocolError(
        RPC.invalidRequest,
        `a request with id ${idText(request.id)} is under way`,
      );
    }
    const { callsMax } = this.#init;
    if (this.#calls.size < callsMax) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${callsMax} calls of this session are under way (limits.callsPerSession)`,
      { hint: 'wait for some of them', data: { limit: 'limits.callsPerSession' } },
    );
  }

  /** From here on the call is under way, and takes itself out of the table however it ends. */
  #open(key: unknown, what: CallRequest): Call {
    let at = key;
    const call = createCall(this.#components, this.#init, what, {
      ended: () => this.#ended(at),
      becameTask: () => {
        // Its request is answered: the client may give up another one by that key, and no call that is a task.
        this.#calls.delete(at);
        at = Symbol('a task');
        this.#calls.set(at, call);
      },
    });
    this.#calls.set(key, call);
    return call;
  }

  #listen(call: Call): void {
    try {
      const listener = call.listen();
      this.#components.listening();
      this.#components.subscriber.listen(listener);
    } catch (error) {
      call.fail(error);
    }
  }

  /** Answers one of the tools that stand for the list; another tool that is named there is called. */
  #search(key: unknown, what: CallRequest, view: View): void {
    const answer = this.#components.search.answer(view, what.request);
    if (answer === undefined) return this.#relay(key, what, view);
    return this.#open(key, what).answerWith(answer);
  }

  #relay(key: unknown, what: CallRequest, view: View): void {
    const { callTasks, channels, subscriptions } = this.#components;
    const { principal, request } = what;
    const task = taskOf(callTasks, request, principal);
    if (task !== undefined) return this.#open(key, what).about(task);
    if (request.method === 'tasks/list' && eraOf(request) === 'legacy') {
      return this.#open(key, what).answerWith(listTasks(callTasks, channels, principal));
    }
    const { uri } = request.params;
    const home = typeof uri === 'string' ? subscriptions.homeOf(uri) : undefined;
    const find = (now: View): readonly Route[] =>
      routesOf(now, request, ({ target }) => channels.nameOf(target) === home);
    const known = routesOfKnown(view, request, find);
    if (known !== undefined) return this.#open(key, what).relay(known);
    if (this.#components.views.awaitsLists()) return this.#relayLate(this.#open(key, what), find);
    // What is wrong with the name the view says, or whoever may have it.
    const routes = find(view);
    return this.#open(key, what).relay(routes);
  }

  /** The name is in no list: it is looked up again when those have come that are on their way. */
  #relayLate(call: Call, find: (view: View) => readonly Route[]): void {
    const view = (): View => this.#components.view();
    const { request } = call;
    const isFound = (): boolean => {
      try {
        return routesOfKnown(view(), request, find) !== undefined;
      } catch {
        // What is wrong by now is told below.
        return true;
      }
    };
    const signal = call.underWay();
    untilListed(this.#components, isFound, signal)
      .then(() => {
        if (!signal.aborted) call.relay(find(view()));
      })
      .catch((error: unknown) => call.fail(error));
  }

  #ended(key: unknown): void {
    this.#calls.delete(key);
    this.#endedAt = this.#components.clock.now();
    // After this turn, when the answer has been handed on.
    if (this.#calls.size === 0) queueMicrotask(() => this.#tellIdle());
  }

  #tellIdle(): void {
    if (this.#calls.size > 0) return;
    for (const listener of this.#idleListeners.splice(0)) listener();
  }
}
