/**
 * A poll of replicas: one question, put to as few of them first as are enough if all of these agree, as each question and its
 * answer cost both sides the same whether they are needed or not. The others are asked where one of the first says no, or
 * nothing in time; whoever is not asked is a bystander.
 */
import type { ErrorCode, Scope } from '../../core/index.ts';
import type { QuorumAnswer } from './acceptor.ts';
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
