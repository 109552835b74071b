/**
 * Whose turn it is to write, among the streams of one connection: who has waited longest. A stream that
 * always has more to send fills the connection each time that it drains; without turns whoever was opened
 * first wins each time, and the others never write a byte.
 */

/** A stream that has something to send. */
export interface Sender {
  /** Whether the connection, or the stream's window, takes nothing now. */
  isBlocked(): boolean;
  /** Sends what one turn allows; gives whether there is more. Never throws. */
  send(): boolean;
}

/** The turns of one connection. */
export interface SendTurns {
  /** Asks for a turn at the end of the current tick. Who has asked keeps its place until it has sent. */
  ask(sender: Sender): void;
  /** Gives up the place. */
  leave(sender: Sender): void;
}

/** The turns of `connection`, the same for all its streams. */
export function sendTurnsOf(connection: object): SendTurns {
  const known = TURNS.get(connection);
  if (known !== undefined) return known;
  const turns = new RoundRobin();
  TURNS.set(connection, turns);
  return turns;
}

const TURNS = new WeakMap<object, SendTurns>();

class RoundRobin implements SendTurns {
  /** In the order of their last turn. */
  readonly #waiting = new Set<Sender>();
  #isScheduled = false;

  ask(sender: Sender): void {
    this.#waiting.add(sender);
    this.#schedule();
  }

  leave(sender: Sender): void {
    this.#waiting.delete(sender);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#round();
    });
  }

  /** One turn for each; who is blocked keeps its place, and asks again when that is over. */
  #round(): void {
    for (const sender of Array.from(this.#waiting)) {
      if (!this.#waiting.has(sender) || sender.isBlocked()) continue;
      this.#waiting.delete(sender);
      if (!sender.send()) continue;
      this.#waiting.add(sender);
      if (!sender.isBlocked()) this.#schedule();
    }
  }
}
