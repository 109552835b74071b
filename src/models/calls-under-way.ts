/** The calls of models that are under way: so many at a time, and none that is left open when the node stops. */
import { StarlingError, settledWithin } from '../core/index.ts';
import type { Clock } from '../core/index.ts';

/** Calls under way at a time, of all callers. */
const CALLS_MAX = 4000;
/** For how long those that are told that the node stops may take to say what they took. */
const STOP_MS = 2000;

/** One of them, from its beginning on. */
export interface CallUnderWay {
  /** It is over before it has begun. */
  leave(): void;
  /** Gives what ends it, once; where nobody has done that when the node stops, the node does. */
  ending(end: (error?: unknown) => void): (error?: unknown) => void;
}

/** Counts calls from their beginning to their end. */
export class CallsUnderWay {
  readonly #ends = new Set<(error?: unknown) => void>();
  #count = 0;
  #isIdle: () => void = () => undefined;

  /** A call begins. @throws STARLING_RATE_LIMITED */
  begin(): CallUnderWay {
    if (this.#count >= CALLS_MAX) {
      throw new StarlingError(
        'STARLING_RATE_LIMITED',
        `${CALLS_MAX} calls of models are under way`,
        { hint: 'try again in a while' },
      );
    }
    this.#count += 1;
    let isOver = false;
    const leave = (): void => {
      if (isOver) return;
      isOver = true;
      this.#count -= 1;
      if (this.#count === 0) this.#isIdle();
    };
    return {
      leave,
      ending: (end) => {
        const once = (error?: unknown): void => {
          if (!this.#ends.delete(once)) return;
          // What ends it settles what it did cost, and nobody must take the node for idle before.
          try {
            end(error);
          } finally {
            leave();
          }
        };
        this.#ends.add(once);
        return once;
      },
    };
  }

  /** Resolves once none is under way any more; ends those by `error` that are not over in a while, as who reads no further. */
  async stop(clock: Clock, error: unknown): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#isIdle = resolve;
    });
    if (this.#count > 0) await settledWithin(STOP_MS, idle, clock);
    for (const end of this.#ends) end(error);
  }
}

/** The same bytes; tells once how they ended: whoever stops reading has cancelled the call. */
export async function* followed(
  body: AsyncIterable<Uint8Array>,
  begun: () => void,
  end: (error?: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let error: unknown = new Error('nobody wanted the rest');
  try {
    for await (const chunk of body) {
      begun();
      yield chunk;
    }
    error = undefined;
  } catch (thrown) {
    error = thrown;
    throw thrown;
  } finally {
    end(error);
  }
}
