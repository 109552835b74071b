/**
 * What the register of a durable task holds, and the reading of one that somebody else has written: a replica is
 * trusted with the tasks that it keeps, and with no others. Pure.
 */
import { z } from 'zod';
import { anyJson } from '../../gateway/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { sendersIn } from '../../agents/index.ts';
import { readLink } from '../../guard/index.ts';
import { ATTEMPTS_KEPT, ATTEMPT_MAX_MS, LATE_MAX, TOKENS_OF_EPOCH, WORDS_MAX } from '../limits.ts';
import { QUESTION, questionOf } from '../life/questions.ts';
import { TASK_STATES } from '../types.ts';
import type { TaskRow } from '../types.ts';

/** One durable task, as its register has it. */
export interface TaskRegister {
  /** The node that gives the task to agents now. */
  readonly owner: Did;
  /** Higher with each owner; the high part of the fencing tokens of that one's attempts. */
  readonly epoch: number;
  readonly row: TaskRow;
  /** Until it has ended. */
  readonly input?: Json;
  /** Of one that is done. */
  readonly result?: Json;
  /** The batch that it was given in, until something else is written of it: where that does not count, it does not. */
  readonly batch?: string;
}

/** Tasks that were given together, as the register of their batch has it. */
export interface BatchRegister {
  /** The node that gives them. */
  readonly owner: Did;
  /** `open` while they are written; then all of them count, or none does. */
  readonly state: 'open' | 'kept' | 'ended';
  /** When it was begun, ms since the epoch. */
  readonly at: number;
}

/** Epochs whose tokens are whole numbers. */
const EPOCHS_MAX = Math.floor(Number.MAX_SAFE_INTEGER / TOKENS_OF_EPOCH) - 1;

/** Budgets of one task. */
const BUDGETS_MAX = 16;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const text = z.string().max(128);
const words = z.string().max(WORDS_MAX);
const fault = z.object({ reason: text, message: words });
const taint = z.enum(['trusted', 'external']).optional();
const ORDER = z.object({
  id: z.string().min(1).max(128),
  seq: count,
  durable: z.literal('mesh'),
  capability: text.optional(),
  agentId: text.optional(),
  priority: z.enum(['low', 'normal', 'high']),
  retry: z.enum(['none', 'lost', 'exponential_backoff']),
  tags: z.array(text).max(16).optional(),
  prefer: text.optional(),
  attemptMs: z.number().positive().max(ATTEMPT_MAX_MS),
  submitter: z.string().min(1).max(8192),
  from: z.string().max(512),
  submittedAt: count,
  expiresAt: count,
  retriedAt: count.optional(),
  placedAt: count.optional(),
  inputBytes: count,
  taint,
  fund: z
    .object({
      budgets: z.array(z.string().max(32)).max(BUDGETS_MAX),
      own: z.string().max(32).optional(),
    })
    .optional(),
  said: z.record(z.string().max(128), anyJson).optional(),
});
const ATTEMPT = z.object({
  token: count,
  agent: z.string().max(256),
  did: z.string().max(256),
  startedAt: count,
  endedAt: count.optional(),
  outcome: z.enum(['done', 'failed', 'lost', 'cancelled']).optional(),
  why: words.optional(),
});
const LATE = z.object({
  token: count,
  agent: z.string().max(256),
  at: count,
  result: anyJson.optional(),
  bytes: count.optional(),
  error: words.optional(),
});
const REGISTER = z.object({
  v: z.literal(1),
  owner: z.string().regex(/^did:key:z\w{20,128}$/),
  epoch: count.max(EPOCHS_MAX),
  row: z.object({
    order: ORDER,
    state: z.enum(TASK_STATES),
    token: count,
    attempts: z.array(ATTEMPT).max(ATTEMPTS_KEPT),
    roundFrom: count,
    version: count,
    error: fault.optional(),
    processedBy: z.string().max(256).optional(),
    late: z.array(LATE).max(LATE_MAX).optional(),
    taint,
    question: QUESTION.optional().catch(undefined),
    answers: z.record(z.string().max(128), anyJson).optional(),
    endedAt: count.optional(),
  }),
  input: anyJson.optional(),
  result: anyJson.optional(),
  batch: text.optional(),
});
const BATCH = z.object({
  v: z.literal(1),
  owner: z.string().regex(/^did:key:z\w{20,128}$/),
  batch: z.enum(['open', 'kept', 'ended']),
  at: count,
});

/** What is written for a batch. */
export function batchValue({ owner, state, at }: BatchRegister): Json {
  return { v: 1, owner, batch: state, at };
}

/** Reads the register of a batch; undefined for what is none. */
export function readBatch(value: Json | undefined): BatchRegister | undefined {
  const read = BATCH.safeParse(value);
  if (!read.success) return undefined;
  const { at, batch, owner } = read.data;
  return { owner: owner as Did, state: batch, at };
}

/** What is written for `register`. */
export function registerValue({ owner, epoch, row, input, result, batch }: TaskRegister): Json {
  const { progress: _, question, ...rest } = row;
  // A person at the node of a worker is asked anew by the next one.
  const kept = question?.kind === 'input' ? { ...rest, question } : rest;
  const value = {
    v: 1,
    owner,
    epoch,
    row: kept,
    ...(input === undefined ? {} : { input }),
    ...(result === undefined ? {} : { result }),
    ...(batch === undefined ? {} : { batch }),
  };
  return value as unknown as Json;
}

/**
 * Reads a register under `id` on the board of `creator`; undefined for what is none. Whoever has made the board can
 * give tasks by its own right, and by nobody else's: the node that has vouched for the submitter must be that one.
 */
export function readRegister(
  value: Json | undefined,
  { id, creator }: { readonly id: string; readonly creator: Did },
): TaskRegister | undefined {
  const read = REGISTER.safeParse(value);
  if (!read.success) return undefined;
  const { owner, epoch, row, input, result, batch } = read.data;
  const { order, token } = row;
  if (order.id !== id || (order.capability === undefined) === (order.agentId === undefined)) {
    return undefined;
  }
  const [first = ''] = sendersIn(order.submitter);
  const link = readLink(first);
  if (link === undefined || (link.node ?? link.did) !== creator) return undefined;
  if (token >= (epoch + 1) * TOKENS_OF_EPOCH) return undefined;
  const asked = row.question === undefined ? {} : { question: questionOf(row.question) };
  return {
    owner: owner as Did,
    epoch,
    row: { ...row, ...asked } as TaskRow,
    ...(input === undefined ? {} : { input: input }),
    ...(result === undefined ? {} : { result: result }),
    ...(batch === undefined ? {} : { batch }),
  };
}
