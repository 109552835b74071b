/**
 * What one call is asked about before it goes on, and again whenever rights have changed: the guard, and a person where one
 * is needed, of which the call's caller hears meanwhile.
 */
import type { StarlingError } from '../../../core/index.ts';
import type { GuardWanted, Principal } from '../../../guard/index.ts';
import type { Route } from '../../catalog/types.ts';
import type { ClearedCall } from '../../clearance/clearance.ts';
import type { FrameId, RequestFrame } from '../../frame-types.ts';
import { objectOf } from '../../wire/era.ts';
import type { Reply } from '../../wire/reply.ts';
import type { CallComponents, CallInit } from './call-types.ts';
import { tellWaiting } from '../waiting-notice.ts';

/** Methods that only look at what the caller may use anyway. */
const LOOKS: readonly string[] = ['completion/complete', 'resources/unsubscribe'];

/** The call, as far as it is asked about. */
export interface ClearingCall {
  readonly request: RequestFrame;
  /** The caller's progress token. */
  readonly token: FrameId | undefined;
  /** By whose rights it is made now. */
  readonly principal: Principal;
  readonly reply: Pick<Reply, 'interim'>;
  /** What the call waits for, where that is told. */
  says(message: string): void;
}

/** See the file: what is asked, of whom, and that nobody is asked any more once the call is over. */
export class CallClearance {
  readonly #components: Pick<CallComponents, 'clearance' | 'clock'>;
  readonly #init: CallInit;
  readonly #call: ClearingCall;
  #wanted: GuardWanted | undefined;
  /** Who was asked about just this call: the guard alone, or a person as well, who may not have answered. */
  #askedOf: 'guard' | 'person' | undefined;
  /** Made when somebody waits for more than the server. */
  #abort: AbortController | undefined;

  constructor(
    components: Pick<CallComponents, 'clearance' | 'clock'>,
    init: CallInit,
    call: ClearingCall,
  ) {
    this.#components = components;
    this.#init = init;
    this.#call = call;
  }

  /** What the guard is asked about; undefined before a way was chosen. */
  get wanted(): GuardWanted | undefined {
    return this.#wanted;
  }

  /** The call goes this way: the guard is asked about the thing that the arguments name, where the tool is about one. */
  choose({ subject, wanted }: Route): GuardWanted {
    const named = subject?.(objectOf(this.#call.request.params['arguments']));
    this.#wanted = named ?? wanted;
    return this.#wanted;
  }

  /** Asks whether the call may be made, with the arguments that it has. @throws STARLING_CALL_REFUSED, … */
  clear(route: Route): ClearedCall | undefined | Promise<ClearedCall> {
    const { principal, request } = this.#call;
    this.#askedOf = undefined;
    if (route.isCleared === true) return undefined;
    const isLook = LOOKS.includes(request.method);
    if (!isLook) this.#askedOf = 'guard';
    return this.#components.clearance.clear({
      principal,
      request,
      wanted: this.#wanted ?? route.wanted,
      isLook,
      obstacle: route.obstacle,
      session: this.#init.id,
      signal: () => {
        this.#abort ??= new AbortController();
        return this.#abort.signal;
      },
      waits: (timeoutMs) => this.#waits(timeoutMs),
    });
  }

  /** Why the call may not go on; undefined when it may. */
  refusal(): StarlingError | undefined {
    if (this.#wanted === undefined) return undefined;
    const { principal, request } = this.#call;
    return this.#components.clearance.refusalNow({
      principal,
      request,
      wanted: this.#wanted,
      askedOf: this.#askedOf,
    });
  }

  /** Nobody is asked any more. */
  abandon(why?: string): void {
    this.#abort?.abort(why);
  }

  /** A person is asked. */
  #waits(timeoutMs: number): () => void {
    const { principal, request, token } = this.#call;
    const { self } = this.#init;
    this.#call.says(`waits for an approval by the operator of ${self}`);
    const reply = { interim: (message: Buffer) => this.#call.reply.interim(message) };
    const stop = tellWaiting(
      { request, token, reply },
      { clock: this.#components.clock, timeoutMs, self, isPeer: principal.kind === 'peer' },
    );
    this.#askedOf = 'person';
    return stop;
  }
}
