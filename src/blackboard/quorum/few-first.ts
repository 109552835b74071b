/**
 * Puts a question to replicas, to as few first as are enough if all of these agree: each question and its answer cost both
 * sides the same whether they are needed or not. The others are asked where one of the first says no, or nothing in time.
 */
import type { Clock, ErrorCode } from '../../core/index.ts';
import type { QuorumAnswer } from './acceptor.ts';
import type { Voter } from '../lanes/voters.ts';

/** Why a replica does not answer what it was asked. */
export type Trouble =
  /** The replicas have changed: this node knows those of now, and asks them. */
  | { readonly t: 'moved' }
  | { readonly t: 'failed'; readonly code: ErrorCode; readonly text: string };

/** A question, and to whom it is put. */
export interface FewFirstInit<End> {
  readonly clock: Clock;
  readonly voters: readonly Voter[];
  /** Of the voters those that are asked first. */
  readonly first: readonly Voter[];
  /** Asks one; undefined when it gave no answer in time. Never rejects. */
  readonly ask: (voter: Voter) => Promise<QuorumAnswer | Trouble | undefined>;
  /** Hears each answer until it gives the end. */
  readonly hear: (voter: Voter, answer: QuorumAnswer | Trouble | undefined) => End | undefined;
  /** Hears which of the first had not answered when the others were asked for that. */
  readonly late: (voters: Iterable<Voter>) => void;
}

/** What a question has come to. */
export interface FewFirst<End> {
  /** Undefined: too few have answered. */
  readonly end: End | undefined;
  /** Who was not asked. */
  readonly unasked: readonly Voter[];
}

/**
 * How long the first are waited for. Higher: a busy machine asks no more than it must; lower: a replica that hangs holds
 * up less.
 */
export const FIRST_MS = 500;

/** Rejects when `hear` throws. */
export function askFewFirst<End>(init: FewFirstInit<End>): Promise<FewFirst<End>> {
  const { clock, voters, first, ask, hear, late } = init;
  const rest = new Set(voters.filter((voter) => !first.includes(voter)));
  const silent = new Set(first);
  let left = voters.length;
  let isOver = false;
  return new Promise((resolve, reject) => {
    const heard = (voter: Voter, answer: QuorumAnswer | Trouble | undefined): void => {
      silent.delete(voter);
      if (isOver) return;
      left -= 1;
      const end = hear(voter, answer);
      if (end !== undefined || left === 0 || answer?.t === 'moved') {
        isOver = true;
        cancel();
        resolve({ end, unasked: [...rest] });
      } else if (answer?.t !== 'promised' && answer?.t !== 'accepted') askRest();
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
    const askRest = (): void => {
      cancel();
      const others = [...rest];
      rest.clear();
      for (const voter of others) put(voter);
    };
    const wait = (): (() => void) =>
      clock.schedule(FIRST_MS, () => {
        late(silent);
        askRest();
      });
    const cancel = rest.size === 0 ? (): void => undefined : wait();
    for (const voter of first) put(voter);
  });
}
