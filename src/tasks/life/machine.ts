/**
 * The life of a task as a pure function: a row and an event give the next row, or nothing where the event does not fit.
 * Drawn in docs/tasks.md. Whoever holds the fencing token of the row may report; anybody else is late.
 */
import type { Json } from '../../core/index.ts';
import { ATTEMPTS_KEPT, ATTEMPTS_MAX, LATE_MAX, POISON_PEERS, QUESTIONS_MAX } from '../limits.ts';
import { worstTaint } from '../../guard/index.ts';
import type { Taint } from '../../guard/index.ts';
import { openQuestion } from './questions.ts';
import type {
  Attempt,
  LateResult,
  Progress,
  TaskFault,
  TaskQuestion,
  TaskRow,
  TaskState,
} from '../types.ts';

/** What happens to a task; `taint` is what the words that come with it may be made of. */
export type TaskEvent = Happening & { readonly taint?: Taint | undefined };

type Happening =
  | { readonly type: 'planned' }
  | { readonly type: 'offered' }
  | {
      readonly type: 'leased';
      readonly token: number;
      readonly agent: string;
      readonly did: string;
      readonly owner?: string | undefined;
      readonly at: number;
    }
  | { readonly type: 'refused'; readonly token: number }
  | { readonly type: 'started'; readonly token: number }
  | { readonly type: 'progressed'; readonly token: number; readonly progress: Progress }
  | { readonly type: 'asked'; readonly token: number; readonly question: TaskQuestion }
  | { readonly type: 'told'; readonly token: number }
  | { readonly type: 'reported'; readonly token: number }
  | { readonly type: 'verified'; readonly token: number }
  | {
      readonly type: 'counted';
      readonly token: number;
      readonly at: number;
      readonly ballot?: string | undefined;
    }
  | {
      readonly type: 'failed';
      readonly token: number;
      readonly at: number;
      readonly fault: TaskFault;
      /** The agent has answered so; false: it was lost. */
      readonly answered: boolean;
    }
  | { readonly type: 'answered'; readonly key: string; readonly answer: Json }
  | { readonly type: 'late'; readonly late: LateResult }
  | { readonly type: 'cancelled'; readonly at: number }
  | { readonly type: 'expired'; readonly at: number }
  | { readonly type: 'retried' }
  | {
      /** An agent that has given it, or done it, has retired: whom it is of now, and its attempts. */
      readonly type: 'disowned';
      readonly submitter: string;
      readonly owners: { readonly from: string; readonly to: string };
    };

/** States that nothing but `retried` leaves. */
export const ENDED: readonly TaskState[] = ['done', 'failed', 'cancelled', 'expired'];
/** States in which an agent has the task. */
export const WITH_AGENT: readonly TaskState[] = ['leased', 'running', 'input_required'];

/** Nothing but a retry changes the task any more: see {@link ENDED}. */
export function hasEnded({ state }: Pick<TaskRow, 'state'>): boolean {
  return ENDED.includes(state);
}

/** The row after `event`; undefined where the event does not fit the row, which then stays as it is. */
export function nextRow(row: TaskRow, event: TaskEvent): TaskRow | undefined {
  const next = changed(row, event);
  if (next === undefined) return undefined;
  const taint = event.taint === undefined ? undefined : worstTaint(row.taint, event.taint);
  const version = row.version + 1;
  return taint === undefined ? { ...next, version } : { ...next, version, taint };
}

function changed(row: TaskRow, event: TaskEvent): TaskRow | undefined {
  switch (event.type) {
    case 'planned':
      return moved(row, ['submitted'], 'planned');
    case 'offered':
      return moved(row, ['planned'], 'bidding');
    case 'leased':
      return leased(row, event);
    case 'late':
      return { ...row, late: [...(row.late ?? []), event.late].slice(-LATE_MAX) };
    case 'answered':
      return answered(row, event);
    case 'cancelled':
    case 'expired':
      return ended(row, event.type, event.at);
    case 'retried':
      return retried(row);
    case 'disowned':
      return disowned(row, event);
    default:
      // Whoever does not hold the token changes nothing.
      return event.token === row.token ? ofHolder(row, event) : undefined;
  }
}

type HolderEvent = Extract<TaskEvent, { readonly token: number }>;

function ofHolder(row: TaskRow, event: HolderEvent): TaskRow | undefined {
  switch (event.type) {
    case 'refused': {
      const back = moved(row, ['leased'], 'bidding');
      const attempts = row.attempts.filter(({ token }) => token !== event.token);
      return back === undefined ? undefined : { ...back, attempts };
    }
    case 'started':
      return moved(row, ['leased'], 'running');
    case 'progressed': {
      const running = moved(row, WITH_AGENT, row.state);
      return running === undefined ? undefined : { ...running, progress: event.progress };
    }
    case 'asked': {
      const asking = moved(row, ['running', 'input_required'], 'input_required');
      return asking === undefined ? undefined : { ...asking, question: event.question };
    }
    case 'told': {
      const { question: _, ...rest } = row;
      return moved(rest, ['input_required'], 'running');
    }
    case 'reported': {
      // Nobody else was given it since: what a worker that was given up has done counts as well.
      const { question: _, ...rest } = row;
      return row.token === 0 ? undefined : moved(rest, [...WITH_AGENT, 'bidding'], 'reported');
    }
    case 'verified':
      return moved(row, ['reported'], 'verified');
    case 'counted':
      return counted(row, event);
    case 'failed':
      return failed(row, event);
    default:
      return undefined;
  }
}

/** Kept, whoever has the task then: the worker is told it, and an attempt that comes later as well. */
function answered(
  row: TaskRow,
  { key, answer }: Extract<TaskEvent, { type: 'answered' }>,
): TaskRow | undefined {
  const { question, ...rest } = row;
  const { answers = {} } = row;
  if (hasEnded(row) || openQuestion(row)?.key !== key) return undefined;
  if (Object.keys(answers).length >= QUESTIONS_MAX) return undefined;
  const known = { ...answers, [key]: answer };
  // The agent of an owner before has asked it: whoever has the task now does not wait for it yet.
  if (row.state !== 'input_required') return { ...rest, answers: known };
  return { ...rest, ...(question === undefined ? {} : { question }), answers: known };
}

function moved(row: TaskRow, from: readonly TaskState[], to: TaskState): TaskRow | undefined {
  return from.includes(row.state) ? { ...row, state: to } : undefined;
}

function leased(
  row: TaskRow,
  { token, agent, did, owner, at }: Extract<TaskEvent, { type: 'leased' }>,
): TaskRow | undefined {
  if (row.state !== 'bidding' || token <= row.token) return undefined;
  const by = owner === undefined ? {} : { owner };
  const attempts = [...row.attempts, { token, agent, did, ...by, startedAt: at }];
  const { progress: _, ...rest } = row;
  return { ...rest, state: 'leased', token, attempts: attempts.slice(-ATTEMPTS_KEPT) };
}

function counted(
  row: TaskRow,
  { at, ballot, token }: Extract<TaskEvent, { type: 'counted' }>,
): TaskRow | undefined {
  if (row.state !== 'verified') return undefined;
  const attempts = withOutcome(row.attempts, token, { outcome: 'done', endedAt: at });
  const agent = attempts.find((one) => one.token === token)?.agent;
  const by = agent === undefined ? {} : { processedBy: agent };
  const signed = ballot === undefined ? {} : { ballot };
  return { ...row, ...by, ...signed, state: 'done', attempts, endedAt: at };
}

function failed(
  row: TaskRow,
  { token, at, fault, answered }: Extract<TaskEvent, { type: 'failed' }>,
): TaskRow | undefined {
  if (![...WITH_AGENT, 'reported', 'verified'].includes(row.state)) return undefined;
  const isIdle = row.question?.kind === 'approval' && !answered;
  const attempts = withOutcome(row.attempts, token, {
    outcome: answered ? 'failed' : 'lost',
    endedAt: at,
    why: fault.message,
    ...(isIdle ? { idle: true } : {}),
  });
  const { progress: _, question: __, ...rest } = row;
  const next = { ...rest, attempts };
  const error = verdict(next, fault, answered);
  if (error === undefined) return { ...next, state: 'bidding' };
  return { ...next, state: 'failed', error, endedAt: at };
}

/** Why the task is not tried again; undefined where it is. */
function verdict(
  { order, attempts, roundFrom }: TaskRow,
  fault: TaskFault,
  answered: boolean,
): TaskFault | undefined {
  const isIdle = attempts.at(-1)?.idle === true;
  if ((order.retry === 'none' && !isIdle) || (answered && order.retry === 'lost')) return fault;
  const bad = attempts.filter(
    ({ token, outcome, idle }) =>
      token > roundFrom && idle !== true && (outcome === 'failed' || outcome === 'lost'),
  );
  const nodes = new Set(bad.map(({ did }) => did)).size;
  if (nodes >= POISON_PEERS) {
    const message = `it failed at ${nodes} nodes, at last: ${fault.message}`;
    return { reason: 'poison', message };
  }
  if (bad.length < ATTEMPTS_MAX) return undefined;
  return {
    reason: 'attempts',
    message: `it failed ${bad.length} times, at last: ${fault.message}`,
  };
}

function ended(row: TaskRow, state: 'cancelled' | 'expired', at: number): TaskRow | undefined {
  // A result that is good already is not thrown away.
  if (hasEnded(row) || row.state === 'verified') return undefined;
  const attempts = withOutcome(row.attempts, row.token, { outcome: 'cancelled', endedAt: at });
  const { progress: _, question: __, ...rest } = row;
  return { ...rest, state, attempts, endedAt: at };
}

function retried(row: TaskRow): TaskRow | undefined {
  if (!['failed', 'cancelled', 'expired'].includes(row.state)) return undefined;
  const { error: _, endedAt: __, processedBy: ___, ...rest } = row;
  return { ...rest, state: 'bidding', roundFrom: row.token };
}

function disowned(
  row: TaskRow,
  { owners, submitter }: Extract<TaskEvent, { type: 'disowned' }>,
): TaskRow {
  const attempts = row.attempts.map((one) =>
    one.owner === owners.from ? { ...one, owner: owners.to } : one,
  );
  return { ...row, order: { ...row.order, submitter }, attempts };
}

function withOutcome(
  attempts: readonly Attempt[],
  token: number,
  outcome: Pick<Attempt, 'outcome' | 'endedAt' | 'why' | 'idle'>,
): readonly Attempt[] {
  return attempts.map((one) =>
    one.token === token && one.outcome === undefined ? { ...one, ...outcome } : one,
  );
}
