/**
 * One try to change or read a key strongly, as its proposer sees the try: what to ask the replicas, and what their
 * answers mean. Pure: waiting, timeouts and retries are the user's. See `acceptor.ts`.
 */
import { compareBallots, stepped } from './acceptor.ts';
import type { Accepted, Ballot, QuorumAnswer, QuorumQuestion, StrongState } from './acceptor.ts';
import type { Json } from '../../core/index.ts';
import { isLost, isMajority } from './groups.ts';
import type { Groups } from './groups.ts';

/**
 * What a change makes of a value: the value after it, and what the caller is told. `number` is that of the change.
 * What gives back the very same value has changed nothing, and leaves no trace.
 */
export type StrongChange = (
  value: Json | undefined,
  number: number,
) => {
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
  /** Replicas that answer, by name, in groups: more than half of each group is needed. */
  readonly groups: Groups;
  /**
   * What this proposer's last round had accepted, with `ballot` promised ahead: then one round is enough. Not of a
   * request tried before.
   */
  readonly known?: Accepted;
  /** Of a request that was tried before: how many changes there were at the least when that began. */
  readonly since?: number | undefined;
  /** That was moments ago: no key can have been erased meanwhile. */
  readonly isFresh?: boolean | undefined;
}

/** What a round has come to. */
export type RoundEnd =
  /** A majority has it on disk. `state` holds until another proposer comes. */
  | { readonly t: 'done'; readonly result: Json; readonly state: StrongState }
  /** Try again with a ballot over `higher`. `isOut`: the change was proposed, so that it may be applied. */
  | { readonly t: 'refused'; readonly higher: Ballot; readonly isOut: boolean }
  /** So many changes came since that nobody remembers whether this one was among them. */
  | { readonly t: 'forgotten' };

/** A round under way. */
export interface Round {
  /** To be asked of all replicas now. */
  readonly question: QuorumQuestion;
  /** The change was proposed: if nothing more is heard, the outcome is unknown; else nothing can have happened. */
  readonly isOut: boolean;
  /** How many changes there were when this one was proposed; undefined before that. */
  readonly basedOn: number | undefined;
  /** The highest ballot that a replica named which refused this one; this one as long as none did. */
  readonly higher: Ballot;
  /** Hears an answer. Gives the end of the round, or whether `question` is to be asked anew, or nothing yet. */
  hear(replica: string, answer: QuorumAnswer): RoundEnd | 'ask' | undefined;
}

/** Begins a try. */
export function beginRound(init: RoundInit): Round {
  return new ProposerRound(init);
}

class ProposerRound implements Round {
  question: QuorumQuestion;
  isOut = false;
  basedOn: number | undefined;
  readonly #init: RoundInit;
  readonly #yes = new Set<string>();
  readonly #no = new Set<string>();
  #accepted: Accepted | undefined;
  /** The highest number of what replicas have erased. */
  #erased = 0;
  #result: Json = null;
  higher: Ballot;
  #isOver = false;

  constructor(init: RoundInit) {
    this.#init = init;
    this.higher = init.ballot;
    this.question =
      init.known === undefined
        ? { t: 'prepare', ballot: init.ballot }
        : this.#proposal(init.known.state, init.known.ballot);
  }

  hear(replica: string, answer: QuorumAnswer): RoundEnd | 'ask' | undefined {
    const { ballot, groups } = this.#init;
    // An answer to another round, a second one, or one of somebody who is no replica says nothing here.
    if (this.#isOver || !groups.some((group) => group.includes(replica))) return undefined;
    if (compareBallots(answer.ballot, ballot) !== 0) return undefined;
    if (answer.t === 'refused') return this.#heardNo(replica, answer.higher);
    if (answer.t !== (this.question.t === 'accept' ? 'accepted' : 'promised')) return undefined;
    this.#yes.add(replica);
    if (answer.t === 'promised') this.#note(answer);
    if (!isMajority(groups, this.#yes)) return undefined;
    if (this.question.t === 'accept') {
      this.#isOver = true;
      return { t: 'done', result: this.#result, state: this.question.state };
    }
    const state = this.#accepted?.state ?? newState(this.#erased);
    if (this.#isForgotten(state)) {
      this.#isOver = true;
      return { t: 'forgotten' };
    }
    this.question = this.#proposal(state, this.#accepted?.ballot);
    this.#yes.clear();
    this.#no.clear();
    return 'ask';
  }

  #heardNo(replica: string, higher: Ballot): RoundEnd | undefined {
    // What comes twice is refused the second time.
    if (this.#yes.has(replica)) return undefined;
    this.#no.add(replica);
    if (compareBallots(higher, this.higher) > 0) this.higher = higher;
    if (!isLost(this.#init.groups, this.#no)) return undefined;
    this.#isOver = true;
    return { t: 'refused', higher: this.higher, isOut: this.isOut };
  }

  #note({ accepted, count = 0 }: Extract<QuorumAnswer, { t: 'promised' }>): void {
    this.#erased = Math.max(this.#erased, count);
    if (accepted === undefined) return;
    const known = this.#accepted;
    if (known === undefined || compareBallots(accepted.ballot, known.ballot) > 0) {
      this.#accepted = accepted;
    }
  }

  /** Whether the state can't say any more if the request was applied. */
  #isForgotten({ count, ops, base = 0 }: StrongState): boolean {
    const { request, since, isFresh = false } = this.#init;
    if (since === undefined || ops.some(({ id }) => id === request)) return false;
    // Of a key that was erased and made again nobody remembers the changes before that. Who asks for a new key knows
    // no number of it.
    return count - Math.max(since, isFresh ? base : 0) > ops.length;
  }

  /**
   * What is proposed on top of `state`, which was accepted under `from` if it ever was: the same again, where this
   * request is applied already, or changes nothing.
   */
  #proposal(state: StrongState, from: Ballot | undefined): QuorumQuestion {
    const { request, change, ballot, next } = this.#init;
    this.basedOn = state.count;
    const same = { t: 'accept', ballot, state, next, made: from && { from } } as const;
    const before = state.ops.find(({ id }) => id === request);
    if (before !== undefined) {
      this.isOut = true;
      this.#result = before.result;
      return same;
    }
    const count = state.count + 1;
    const { value, result } = change(state.value, count);
    this.#result = result;
    if (value === state.value) return same;
    this.isOut = true;
    const step = { value, op: { id: request, result } };
    return { ...same, state: stepped(state, step), made: from && { from, step } };
  }
}

/** Of a key that is new where keys with numbers up to `erased` were erased. */
function newState(erased: number): StrongState {
  return { count: erased, ops: [], ...(erased === 0 ? {} : { base: erased }) };
}
