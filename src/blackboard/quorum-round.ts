/**
 * One try to change or read a key strongly, as its proposer sees the try: what to ask the replicas, and what their
 * answers mean. Pure: waiting, timeouts and retries are the user's. See `quorum-acceptor.ts`.
 */
import { compareBallots } from './quorum-acceptor.ts';
import type { Ballot, QuorumAnswer, QuorumQuestion, StrongState } from './quorum-acceptor.ts';
import type { Json } from '../core/index.ts';

/** What a change makes of a state: the state after it, and what the caller is told. */
export type StrongChange = (value: Json | undefined) => {
  readonly value: Json | undefined;
  readonly result: Json;
};

/** One try. */
export interface RoundInit {
  /** The same for all tries of one request: the change is applied once, whatever happens. */
  readonly request: string;
  readonly change: StrongChange;
  readonly ballot: Ballot;
  /** The ballot that the next round of this proposer may begin with. */
  readonly next: Ballot;
  /** Replicas that answer, by name. */
  readonly replicas: readonly string[];
  /** What was promised ahead by this proposer's last round: then one round is enough. */
  readonly known?: StrongState;
}

/** What a round has come to. */
export type RoundEnd =
  /** A majority has it on disk. `state` holds until another proposer comes. */
  | { readonly t: 'done'; readonly result: Json; readonly state: StrongState }
  /** Try again with a ballot over `higher`. `isOut`: an accept went out, so that the change may be applied. */
  | { readonly t: 'refused'; readonly higher: Ballot; readonly isOut: boolean };

/** A round under way. */
export interface Round {
  /** To be asked of all replicas now. */
  readonly question: QuorumQuestion;
  /** An accept went out: if nothing more is heard, the outcome is unknown; else nothing was proposed. */
  readonly isOut: boolean;
  /** Hears an answer. Gives the end of the round, or whether `question` is to be asked anew, or nothing yet. */
  hear(replica: string, answer: QuorumAnswer): RoundEnd | 'ask' | undefined;
}

/** Requests whose outcome a state remembers: a retry that comes after so many others is refused by its caller. */
export const OPS_MAX = 8;

/** Begins a try. */
export function beginRound(init: RoundInit): Round {
  return new ProposerRound(init);
}

class ProposerRound implements Round {
  question: QuorumQuestion;
  readonly #init: RoundInit;
  readonly #majority: number;
  readonly #yes = new Set<string>();
  readonly #no = new Set<string>();
  #accepted: { readonly ballot: Ballot; readonly state: StrongState } | undefined;
  #result: Json = null;
  #higher: Ballot;
  #isOver = false;

  constructor(init: RoundInit) {
    this.#init = init;
    this.#majority = Math.floor(init.replicas.length / 2) + 1;
    this.#higher = init.ballot;
    this.question =
      init.known === undefined ? { t: 'prepare', ballot: init.ballot } : this.#proposal(init.known);
  }

  get isOut(): boolean {
    return this.question.t === 'accept';
  }

  hear(replica: string, answer: QuorumAnswer): RoundEnd | 'ask' | undefined {
    const { ballot, replicas } = this.#init;
    // An answer to another round, a second one, or one of somebody who is no replica says nothing here.
    if (this.#isOver || !replicas.includes(replica)) return undefined;
    if (compareBallots(answer.ballot, ballot) !== 0) return undefined;
    if (answer.t === 'refused') return this.#heardNo(replica, answer.higher);
    if (answer.t !== (this.isOut ? 'accepted' : 'promised')) return undefined;
    this.#yes.add(replica);
    if (answer.t === 'promised') this.#note(answer.accepted);
    if (this.#yes.size < this.#majority) return undefined;
    if (this.question.t === 'accept') {
      this.#isOver = true;
      return { t: 'done', result: this.#result, state: this.question.state };
    }
    this.question = this.#proposal(this.#accepted?.state ?? { ops: [] });
    this.#yes.clear();
    this.#no.clear();
    return 'ask';
  }

  #heardNo(replica: string, higher: Ballot): RoundEnd | undefined {
    // What comes twice is refused the second time.
    if (this.#yes.has(replica)) return undefined;
    this.#no.add(replica);
    if (compareBallots(higher, this.#higher) > 0) this.#higher = higher;
    if (this.#no.size <= this.#init.replicas.length - this.#majority) return undefined;
    this.#isOver = true;
    return { t: 'refused', higher: this.#higher, isOut: this.isOut };
  }

  #note(accepted: { readonly ballot: Ballot; readonly state: StrongState } | undefined): void {
    if (accepted === undefined) return;
    const known = this.#accepted;
    if (known === undefined || compareBallots(accepted.ballot, known.ballot) > 0) {
      this.#accepted = accepted;
    }
  }

  /** What is proposed on top of `state`: the same again, where this request is applied already. */
  #proposal(state: StrongState): QuorumQuestion {
    const { request, change, ballot, next } = this.#init;
    const before = state.ops.find(({ id }) => id === request);
    if (before !== undefined) {
      this.#result = before.result;
      return { t: 'accept', ballot, state, next };
    }
    const { value, result } = change(state.value);
    this.#result = result;
    const ops = [...state.ops, { id: request, result }].slice(-OPS_MAX);
    return { t: 'accept', ballot, state: { value, ops }, next };
  }
}
