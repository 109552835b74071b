/**
 * What replicas of a strong board ask each other over `/starling/quorum/1`, and what they keep of a key on disk. Each
 * message is a CBOR map with the number of the question; states are in it as JSON, as they are on disk. Read
 * field by field: whatever does not fit is no message.
 */
import { encode } from 'cborg';
import { ERRORS, isObject } from '../../core/index.ts';
import type { ErrorCode, Fields, Json } from '../../core/index.ts';
import { messageFields } from '../../network/index.ts';
import { isBoardId } from '../board-id.ts';
import { isBelow, isDid } from '../lanes/lane-format.ts';
import { LIMITS, isKey, problemOf } from '../limits.ts';
import type { StrongOutcome, StrongRequest } from '../types.ts';
import { OPS_MAX } from './acceptor.ts';
import type { AcceptorRow, Ballot, QuorumAnswer, QuorumQuestion, StrongState } from './acceptor.ts';
import { readRequest } from './request.ts';

/** The protocol of strong boards: whoever opens the stream asks, with many questions under way. */
export const QUORUM_PROTOCOL = '/starling/quorum/1';
/** A value of the largest size twice, as what is expected and what is set, and what is remembered of changes. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Characters of the id of a request. */
export const REQUEST_CHARS_MAX = 64;
const TEXT_MAX = 1024;

/** One key of one board. */
export interface Cell {
  readonly board: string;
  readonly key: string;
}

/** What is asked of a replica. */
export type Ask =
  | QuorumQuestion
  /** What have you accepted? */
  | { readonly t: 'look' }
  /** Do this for me, who is no replica or not the one that does most there. */
  | {
      readonly t: 'do';
      readonly id: string;
      readonly request: StrongRequest;
      readonly since?: number;
      readonly patienceMs: number;
    };

/** What a replica answers. */
export type Reply =
  | QuorumAnswer
  | { readonly t: 'shown'; readonly accepted?: AcceptorRow['accepted'] }
  | { readonly t: 'done'; readonly outcome: StrongOutcome }
  | { readonly t: 'failed'; readonly code: ErrorCode; readonly text: string };

/** A numbered question. */
export interface AskMessage extends Cell {
  readonly i: number;
  readonly ask: Ask;
}

/** The answer to the question of this number. */
export interface ReplyMessage {
  readonly i: number;
  readonly reply: Reply;
}

/** A question as bytes. */
export function encodeAsk({ i, board, key, ask }: AskMessage): Uint8Array {
  const head = { i, board, key, t: ask.t };
  switch (ask.t) {
    case 'look':
      return encode(head);
    case 'prepare':
      return encode({ ...head, ballot: [...ask.ballot] });
    case 'accept': {
      const ballots = { ballot: [...ask.ballot], next: [...ask.next] };
      return encode({ ...head, ...ballots, state: JSON.stringify(ask.state) });
    }
    case 'do': {
      const { id, request, since, patienceMs } = ask;
      const known = since === undefined ? {} : { since };
      return encode({ ...head, id, request: JSON.stringify(request), patienceMs, ...known });
    }
  }
}

/** An answer as bytes. */
export function encodeReply({ i, reply }: ReplyMessage): Uint8Array {
  const head = { i, t: reply.t };
  switch (reply.t) {
    case 'promised':
      return encode({ ...head, ballot: [...reply.ballot], ...acceptedText(reply.accepted) });
    case 'shown':
      return encode({ ...head, ...acceptedText(reply.accepted) });
    case 'accepted':
      return encode({ ...head, ballot: [...reply.ballot] });
    case 'refused':
      return encode({ ...head, ballot: [...reply.ballot], higher: [...reply.higher] });
    case 'done':
      return encode({ ...head, outcome: JSON.stringify(reply.outcome) });
    case 'failed':
      return encode({ ...head, code: reply.code, text: reply.text.slice(0, TEXT_MAX) });
  }
}

/** Reads a question; undefined when it is none. Never throws. */
export function decodeAsk(bytes: Uint8Array): AskMessage | undefined {
  const fields = messageFields(bytes);
  const { i, board, key } = fields;
  if (!isBelow(i) || typeof board !== 'string' || !isBoardId(board)) return undefined;
  if (typeof key !== 'string' || !isKey(key, LIMITS)) return undefined;
  const ask = askOf(fields);
  return ask === undefined ? undefined : { i, board, key, ask };
}

/** Reads an answer; undefined when it is none. Never throws. */
export function decodeReply(bytes: Uint8Array): ReplyMessage | undefined {
  const fields = messageFields(bytes);
  const { i } = fields;
  const reply = isBelow(i) ? replyOf(fields) : undefined;
  return reply === undefined ? undefined : { i: i as number, reply };
}

/** A row as bytes. */
export function encodeRow(row: AcceptorRow): Uint8Array {
  return Buffer.from(JSON.stringify(row));
}

/** Reads a row; undefined when the bytes are none. */
export function decodeRow(bytes: Uint8Array): AcceptorRow | undefined {
  const row = parsed(Buffer.from(bytes).toString());
  if (!isObject(row)) return undefined;
  const promised = ballotOf(row['promised']);
  if (promised === undefined) return undefined;
  if (row['accepted'] === undefined) return { promised };
  const accepted = acceptedOf(row['accepted']);
  return accepted === undefined ? undefined : { promised, accepted };
}

function askOf(fields: Fields): Ask | undefined {
  const { t } = fields;
  if (t === 'look') return { t };
  if (t === 'do') {
    const { id, since, patienceMs } = fields;
    const request = readRequest(parsed(fields['request']));
    if (typeof id !== 'string' || id === '' || id.length > REQUEST_CHARS_MAX) return undefined;
    if (request === undefined || !isBelow(patienceMs)) return undefined;
    if (since === undefined) return { t, id, request, patienceMs };
    return isBelow(since) ? { t, id, request, patienceMs, since } : undefined;
  }
  const ballot = ballotOf(fields['ballot']);
  if (ballot === undefined) return undefined;
  if (t === 'prepare') return { t, ballot };
  const next = ballotOf(fields['next']);
  const state = stateOf(parsed(fields['state']));
  if (t !== 'accept' || next === undefined || state === undefined) return undefined;
  return { t, ballot, next, state };
}

function replyOf(fields: Fields): Reply | undefined {
  const { t, code, text } = fields;
  if (t === 'done') {
    const outcome = parsed(fields['outcome']);
    return isObject(outcome) ? { t, outcome: outcome as unknown as StrongOutcome } : undefined;
  }
  if (t === 'failed') {
    if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code)) return undefined;
    return typeof text === 'string' ? { t, code: code as ErrorCode, text } : undefined;
  }
  const raw = fields['accepted'] === undefined ? undefined : parsed(fields['accepted']);
  const accepted = raw === undefined ? undefined : acceptedOf(raw);
  if ((raw === undefined) !== (accepted === undefined)) return undefined;
  const shown = accepted === undefined ? {} : { accepted };
  if (t === 'shown') return { t, ...shown };
  const ballot = ballotOf(fields['ballot']);
  if (ballot === undefined) return undefined;
  if (t === 'promised') return { t, ballot, ...shown };
  if (t === 'accepted') return { t, ballot };
  const higher = ballotOf(fields['higher']);
  return t === 'refused' && higher !== undefined ? { t, ballot, higher } : undefined;
}

function acceptedText(accepted: AcceptorRow['accepted']): { readonly accepted?: string } {
  return accepted === undefined ? {} : { accepted: JSON.stringify(accepted) };
}

function acceptedOf(raw: unknown): AcceptorRow['accepted'] {
  if (!isObject(raw)) return undefined;
  const ballot = ballotOf(raw['ballot']);
  const state = stateOf(raw['state']);
  return ballot === undefined || state === undefined ? undefined : { ballot, state };
}

function ballotOf(raw: unknown): Ballot | undefined {
  if (!Array.isArray(raw) || raw.length !== 3) return undefined;
  const [counter, boot, node] = raw as readonly unknown[];
  if (!isBelow(counter) || !isBelow(boot) || !(node === '' || isDid(node))) return undefined;
  return [counter, boot, node];
}

function stateOf(raw: unknown): StrongState | undefined {
  if (!isObject(raw) || !isBelow(raw['count']) || !Array.isArray(raw['ops'])) return undefined;
  const all = raw['ops'] as readonly unknown[];
  const ops = all.flatMap((op) => {
    if (!isObject(op) || typeof op['id'] !== 'string' || op['id'].length > REQUEST_CHARS_MAX) {
      return [];
    }
    return op['result'] === undefined ? [] : [{ id: op['id'], result: op['result'] as Json }];
  });
  if (ops.length !== all.length || ops.length > OPS_MAX) return undefined;
  const { count } = raw;
  if (raw['value'] === undefined) return { count, ops };
  return { value: raw['value'] as Json, count, ops };
}

/** JSON of a depth that is fit for values; undefined of what is none. */
function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    const value = JSON.parse(text) as Json;
    // A value is at most that deep, and what is around it a few levels more.
    return problemOf(value, LIMITS.valueDepth + 8) === undefined ? value : undefined;
  } catch {
    return undefined;
  }
}
