/**
 * One replica's part in strong writes of a key, after CASPaxos (Rystsov, "CASPaxos: Replicated State Machines without
 * logs", 2018). Pure: whoever uses this brings the new row to disk, synced, before the answer leaves, promises and
 * accepted states both.
 */
import type { Json } from '../../core/index.ts';

/** Whose turn it is: higher wins. A start of a node has another boot number than all before, so that no ballot comes twice. */
export type Ballot = readonly [counter: number, boot: number, node: string];

/** What a key holds, and the last requests that were applied to it, so that a retry learns its own outcome. */
export interface StrongState {
  /** Undefined: nothing was ever set. */
  readonly value?: Json | undefined;
  /** How many changes have made it what it is. */
  readonly count: number;
  /** The number before its first change, where that is not 0: keys of the board were erased before. */
  readonly base?: number;
  /** The last changes, the newest at the end: {@link OPS_MAX} at the most. */
  readonly ops: readonly { readonly id: string; readonly result: Json }[];
}

/** Before all changes. */
export const NO_STATE: StrongState = Object.freeze({ count: 0, ops: Object.freeze([]) });

/**
 * Changes whose outcome a state remembers. Higher: who tries again later still learns the outcome; lower: each
 * state is smaller, which every change sends to every replica.
 */
export const OPS_MAX = 32;

/** One change of a state. */
export interface StrongStep {
  /** After the change; undefined: nothing. */
  readonly value?: Json | undefined;
  readonly op: StrongState['ops'][number];
}

/** The state after one change more. */
export function stepped(state: StrongState, { value, op }: StrongStep): StrongState {
  const { ops } = state;
  const kept = ops.length < OPS_MAX ? ops : ops.slice(1 - OPS_MAX);
  const { base } = state;
  const from = base === undefined ? {} : { base };
  return { value, count: state.count + 1, ops: [...kept, op], ...from };
}

/** A state, and under which ballot it was accepted: no other one ever is under that ballot. */
export interface Accepted {
  readonly ballot: Ballot;
  readonly state: StrongState;
}

/** What one replica keeps of a key. */
export interface AcceptorRow {
  readonly promised: Ballot;
  readonly accepted?: Accepted;
}

/** How a state came out of another: what was accepted under `from`, and the change after it, if there is one. */
export interface Made {
  readonly from: Ballot;
  readonly step?: StrongStep | undefined;
}

/** What a proposer asks. */
export type QuorumQuestion =
  | { readonly t: 'prepare'; readonly ballot: Ballot }
  | {
      readonly t: 'accept';
      readonly ballot: Ballot;
      readonly state: StrongState;
      /** Promised at once to the same proposer, so that its next change takes one round. */
      readonly next: Ballot;
      /** How the state was made: whoever has accepted the one before it needs no more than that. */
      readonly made?: Made | undefined;
    };

/** As an accept, for whoever has accepted the state before. */
export interface StepQuestion extends Made {
  readonly t: 'step';
  readonly ballot: Ballot;
  readonly next: Ballot;
}

/** What a replica answers. */
export type QuorumAnswer =
  | {
      readonly t: 'promised';
      readonly ballot: Ballot;
      readonly accepted?: AcceptorRow['accepted'];
      /** Of a key that the replica does not know, see {@link Floor.count}. */
      readonly count?: number;
    }
  | { readonly t: 'accepted'; readonly ballot: Ballot }
  /** A higher ballot was promised, or the key was erased behind it. */
  | { readonly t: 'refused'; readonly ballot: Ballot; readonly higher: Ballot };

/** A step on top of what the replica has not accepted: nothing has changed, and it has to be told the whole state. */
export interface WantsWhole {
  readonly t: 'whole';
  readonly ballot: Ballot;
}

/** What a replica shows of a key. */
export interface Shown extends Partial<AcceptorRow> {
  readonly t: 'shown';
  /** Accepted is what whoever asks has as well: it is not told again. */
  readonly isSame?: true;
}

/** Before all others. */
export const NO_BALLOT: Ballot = Object.freeze([0, 0, '']);

/** What is left on a replica of all keys of a board that were erased. */
export interface Floor {
  /** Of a key that is not known ballots up to this are refused: a message that was long under way brings nothing back. */
  readonly ballot: Ballot;
  /** No erased key had a higher number: a new one goes on from here, so that no number and no token comes twice. */
  readonly count: number;
}

/** Nothing was erased. */
export const NO_FLOOR: Floor = Object.freeze({ ballot: NO_BALLOT, count: 0 });

/** Below zero when `a` is lower. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  if (a[1] !== b[1]) return a[1] - b[1];
  if (a[2] === b[2]) return 0;
  return a[2] < b[2] ? -1 : 1;
}

/** The whole question that a step stands for, at a replica with this row; undefined where it stands on another state. */
export function wholeOf(
  row: AcceptorRow | undefined,
  { ballot, next, from, step }: StepQuestion,
): Extract<QuorumQuestion, { t: 'accept' }> | undefined {
  const accepted = row?.accepted;
  if (accepted === undefined || compareBallots(accepted.ballot, from) !== 0) return undefined;
  const state = step === undefined ? accepted.state : stepped(accepted.state, step);
  return { t: 'accept', ballot, next, state };
}

/**
 * What a replica keeps after a question, and what it answers. `row` is undefined for a key that it does not
 * know: then `floor` says what was erased.
 */
export function answerQuestion(
  row: AcceptorRow | undefined,
  question: QuorumQuestion,
  floor: Floor = NO_FLOOR,
): { readonly row: AcceptorRow | undefined; readonly answer: QuorumAnswer } {
  const { ballot } = question;
  const promised = row?.promised ?? floor.ballot;
  // A promise is kept against the very same ballot, too, unless it is the one that was promised ahead.
  const order = compareBallots(ballot, promised);
  if (order < 0 || (order === 0 && (row === undefined || question.t === 'prepare'))) {
    return { row, answer: { t: 'refused', ballot, higher: promised } };
  }
  if (question.t === 'prepare') {
    const accepted = row?.accepted;
    const known = accepted === undefined ? { count: floor.count } : { accepted };
    return {
      row: { promised: ballot, ...(accepted && { accepted }) },
      answer: { t: 'promised', ballot, ...known },
    };
  }
  const { state, next } = question;
  const later = compareBallots(next, ballot) > 0 ? next : ballot;
  return {
    row: { promised: later, accepted: { ballot, state } },
    answer: { t: 'accepted', ballot },
  };
}

/** A deletion that every replica of the set has accepted under `ballot`, or has erased; none has promised more than `below`. */
export interface Erasure {
  readonly ballot: Ballot;
  readonly below: Ballot;
  /** The number of the deletion. */
  readonly count: number;
}

/**
 * What is left after an erasure: the floor that stands for the row. Undefined when the row is not the deletion
 * that is meant, or has promised more since: then the row stays.
 */
export function eraseRow(
  row: AcceptorRow | undefined,
  { ballot, below, count }: Erasure,
  floor: Floor = NO_FLOOR,
): Floor | undefined {
  if (row !== undefined) {
    const { accepted, promised } = row;
    if (accepted === undefined || compareBallots(accepted.ballot, ballot) !== 0) return undefined;
    if (compareBallots(promised, below) > 0) return undefined;
  }
  return {
    ballot: compareBallots(below, floor.ballot) > 0 ? below : floor.ballot,
    count: Math.max(count, floor.count),
  };
}
