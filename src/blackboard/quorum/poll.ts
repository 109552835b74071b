/**
 * A poll of replicas: one question, put to as few of them first as are enough if all of these agree, as each question and its
 * answer cost both sides the same whether they are needed or not. The others are asked where one of the first says no, or
 * nothing in time; whoever is not asked is a bystander.
 */
import type { Clock, ErrorCode, Scope } from '../../core/index.ts';
import type { QuorumAnswer } from './acceptor.ts';
import { voterName } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';

/** Why a replica does not answer what it was asked. */
export type Trouble =
  /** The replicas have changed: this node knows those of now, and asks them. */
  | { readonly t: 'moved' }
  | { readonly t: 'failed'; readonly code: ErrorCode; readonly text: string };

/** A question, and to whom it is put. */
export interface PollInit<End> {
  /** Ends the wait for the first: nobody else is asked then. */
  readonly scope: Pick<Scope, 'after'>;
  readonly voters: readonly Voter[];
  /** Of the voters those that are asked first. */
  readonly first: readonly Voter[];
  /** Asks one; undefined when it gave no answer in time. Never rejects. */
  readonly ask: (voter: Voter) => Promise<QuorumAnswer | Trouble | undefined>;
  /** Hears each answer until it gives the end. */
  readonly hear: (voter: Voter, answer: QuorumAnswer | Trouble | undefined) => End | undefined;
  /** Hears which of the first had not answered when the others were asked for that. */
  readonly silent: (voters: Iterable<Voter>) => void;
}

/** What a poll has come to. */
export interface Poll<End> {
  /** Undefined: too few have answered. */
  readonly end: End | undefined;
  /** Who was not asked. */
  readonly bystanders: readonly Voter[];
}

/**
 * How long the first are waited for. Higher: a busy machine asks no more than it must; lower: a replica that hangs holds up
 * less.
 */
export const FIRST_MS = 500;
/**
 * How long a replica that was silent is not among those that are asked first; then one poll tries whether it still is.
 * Higher: fewer changes wait for one that hangs; lower: one that is well again is used sooner.
 */
const SILENT_MS = 5000;
/** Silent replicas that are remembered; of more, the one that was noted first is asked again like any other. */
const SILENT_MAX = 256;

/** Rejects when `hear` throws. */
export function takePoll<End>(init: PollInit<End>): Promise<Poll<End>> {
  const { scope, voters, first, ask, hear, silent } = init;
  const bystanders = new Set(voters.filter((voter) => !first.includes(voter)));
  const unheard = new Set(first);
  let left = voters.length;
  let isOver = false;
  return new Promise((resolve, reject) => {
    const heard = (voter: Voter, answer: QuorumAnswer | Trouble | undefined): void => {
      unheard.delete(voter);
      if (isOver) return;
      left -= 1;
      const end = hear(voter, answer);
      if (end !== undefined || left === 0 || answer?.t === 'moved') {
        isOver = true;
        cancel();
        resolve({ end, bystanders: [...bystanders] });
      } else if (answer?.t !== 'promised' && answer?.t !== 'accepted') askOthers();
    };
    const put = (voter: Voter): void => {
      ask(voter)
        .then((answer) => heard(voter, answer))
        .catch((error: unknown) => {
          isOver = true;
          cancel();
          reject(error);
        });
    };
    const askOthers = (): void => {
      cancel();
      const others = [...bystanders];
      bystanders.clear();
      for (const voter of others) put(voter);
    };
    const wait = (): (() => void) =>
      scope.after(FIRST_MS, () => {
        silent(unheard);
        askOthers();
      });
    const cancel = bystanders.size === 0 ? (): void => undefined : wait();
    for (const voter of first) put(voter);
  });
}

/** Replicas that did not answer a poll in time, and have not answered one since: each poll would wait for them anew. */
export class SilentReplicas {
  readonly #clock: Pick<Clock, 'now'>;
  /** Since when, by name, ms. */
  readonly #since = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** They are silent now. */
  note(voters: Iterable<Voter>): void {
    const now = this.#clock.now();
    for (const voter of voters) {
      const name = voterName(voter);
      const isFull = this.#since.size >= SILENT_MAX && !this.#since.has(name);
      const [oldest] = isFull ? this.#since.keys() : [];
      if (oldest !== undefined) this.#since.delete(oldest);
      this.#since.set(name, now);
    }
  }

  /** It has answered. */
  forget(voter: Voter): void {
    if (this.#since.size > 0) this.#since.delete(voterName(voter));
  }

  /** Whether whoever asks does better to ask others first. */
  isPassedOver(voter: Voter): boolean {
    const since = this.#since.size === 0 ? undefined : this.#since.get(voterName(voter));
    if (since === undefined) return false;
    const ms = this.#clock.now() - since;
    // By a clock that was set back nobody is passed over for longer.
    return ms >= 0 && ms < SILENT_MS;
  }

  /** A poll asks those first: whoever of them was silent is tried by this one alone, as all others would wait for it too. */
  try(voters: readonly Voter[]): void {
    if (this.#since.size > 0) {
      this.note(voters.filter((voter) => this.#since.has(voterName(voter))));
    }
  }
}
