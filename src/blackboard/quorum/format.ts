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
import type {
  AcceptorRow,
  Ballot,
  Erasure,
  Floor,
  QuorumAnswer,
  QuorumQuestion,
  Shown,
  StepQuestion,
  StrongStep,
  WantsWhole,
} from './acceptor.ts';
import { isDisk } from '../lanes/voters.ts';
import { readSet } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import { readRequest } from './request.ts';
import { REQUEST_CHARS_MAX, opOf, stateOf, stateText } from './state-text.ts';

/** The protocol of strong boards: whoever opens the stream asks, with many questions under way. */
export const QUORUM_PROTOCOL = '/starling/quorum/1';
/** A value of the largest size twice, as what is expected and what is set, and what is remembered of changes. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
const TEXT_MAX = 1024;
const RECORD_CHARS_MAX = 16_384;
/** Keys of one question whether they are the same; together with their ballots they fit into a message. */
export const SAME_KEYS_MAX = 256;

/** One key of one board. */
export interface Cell {
  readonly board: string;
  readonly key: string;
}

/** What is asked of one replica of a set. */
export type ReplicaAsk =
  | QuorumQuestion
  | StepQuestion
  /** What have you accepted? Under `known` whoever asks has accepted the same, and need not be told what. */
  | { readonly t: 'look'; readonly known?: Ballot | undefined }
  /** Have you accepted just this of these keys? The key of the message is the first of them. */
  | { readonly t: 'same'; readonly of: readonly KeyBallot[] }
  | ({ readonly t: 'erase' } & Erasure)
  /** Which keys have you, after this one? */
  | { readonly t: 'keys'; readonly after: string };

/** A key, and under which ballot something was accepted of it; undefined: nothing was. */
export type KeyBallot = readonly [key: string, ballot: Ballot | undefined];

/** By which set, and of which disk, a replica is asked. */
export interface Addressee {
  readonly set: number;
  /** Empty: whichever the node has. */
  readonly disk: string;
}

/** What any member may ask, and is judged by. */
export type NodeAsk =
  /** Go by this set from now on. */
  | { readonly t: 'adopt'; readonly state: ReplicaSet }
  /** What is your disk called? */
  | { readonly t: 'disk' }
  /** Do this for me, who is no replica or not the one that does most there. */
  | {
      readonly t: 'do';
      readonly id: string;
      readonly request: StrongRequest;
      readonly since?: number;
      readonly isFresh?: true;
      readonly patienceMs: number;
    }
  /** Have the replicas changed as this record says. */
  | { readonly t: 'change'; readonly record: string };

/** Every question of the protocol. */
export type Ask = (ReplicaAsk & { readonly to: Addressee }) | NodeAsk;

/** What a replica answers. */
export type Reply =
  | QuorumAnswer
  | WantsWhole
  | Shown
  /** Of which of the keys something else was accepted, by their places in the question. */
  | { readonly t: 'same'; readonly others: readonly number[] }
  | { readonly t: 'erased'; readonly isErased: boolean }
  | {
      readonly t: 'keys';
      readonly keys: readonly string[];
      /** No erased key had a higher number. */
      readonly count: number;
      readonly more: boolean;
    }
  | { readonly t: 'adopted' }
  /** Asked by an earlier set than the one that holds. */
  | { readonly t: 'moved'; readonly state: ReplicaSet }
  /** Asked by a later set than is known here. */
  | { readonly t: 'behind' }
  | { readonly t: 'disk'; readonly disk: string }
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
  const to = 'to' in ask ? { set: ask.to.set, disk: ask.to.disk } : {};
  return encode({ i, board, key, t: ask.t, ...to, ...fieldsOfAsk(ask) });
}

/**
 * What a question says beside its head. Here and elsewhere on the way of a request, what is spread stands behind the
 * members that are named: for each `{ ...some, name }` V8 makes a class of objects of its own, which takes 1 µs, and
 * more wherever such an object is read.
 */
function fieldsOfAsk(ask: Ask): Fields {
  switch (ask.t) {
    case 'look':
      return ask.known === undefined ? {} : { known: [...ask.known] };
    case 'same':
      return { of: JSON.stringify(ask.of) };
    case 'disk':
      return {};
    case 'erase':
      return { ballot: [...ask.ballot], below: [...ask.below], count: ask.count };
    case 'keys':
      return { after: ask.after };
    case 'adopt':
      return { state: JSON.stringify(ask.state) };
    case 'change':
      return { record: ask.record };
    case 'prepare':
      return { ballot: [...ask.ballot] };
    case 'accept':
      return { ballot: [...ask.ballot], next: [...ask.next], state: stateText(ask.state) };
    case 'step': {
      const { ballot, next, from, step } = ask;
      const made = step === undefined ? {} : { step: JSON.stringify(step) };
      return { ballot: [...ballot], next: [...next], from: [...from], ...made };
    }
    case 'do': {
      const { id, request, since, isFresh, patienceMs } = ask;
      const fresh = isFresh === true ? { isFresh } : {};
      const known = since === undefined ? {} : { since, ...fresh };
      return { id, request: JSON.stringify(request), patienceMs, ...known };
    }
  }
}

/** An answer as bytes. */
export function encodeReply({ i, reply }: ReplyMessage): Uint8Array {
  return encode({ i, t: reply.t, ...fieldsOfReply(reply) });
}

function fieldsOfReply(reply: Reply): Fields {
  switch (reply.t) {
    case 'promised': {
      const { count } = reply;
      const counted = count === undefined ? {} : { count };
      return { ballot: [...reply.ballot], ...counted, ...acceptedText(reply.accepted) };
    }
    case 'shown': {
      const { promised } = reply;
      const same = reply.isSame === true ? { isSame: true } : {};
      if (promised === undefined) return same;
      return { promised: [...promised], ...same, ...acceptedText(reply.accepted) };
    }
    case 'accepted':
    case 'whole':
      return { ballot: [...reply.ballot] };
    case 'refused':
      return { ballot: [...reply.ballot], higher: [...reply.higher] };
    case 'same':
      return { others: [...reply.others] };
    case 'erased':
      return { isErased: reply.isErased };
    case 'keys':
      return { keys: [...reply.keys], count: reply.count, more: reply.more };
    case 'moved':
      return { state: JSON.stringify(reply.state) };
    case 'disk':
      return { disk: reply.disk };
    case 'adopted':
    case 'behind':
      return {};
    case 'done':
      return { outcome: JSON.stringify(reply.outcome) };
    case 'failed':
      return { code: reply.code, text: reply.text.slice(0, TEXT_MAX) };
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
export function encodeRow({ promised, accepted }: AcceptorRow): Uint8Array {
  const { accepted: text } = acceptedText(accepted);
  const kept = text === undefined ? '' : `,"accepted":${text}`;
  return Buffer.from(`{"promised":${JSON.stringify(promised)}${kept}}`);
}

/** A set or a floor as bytes. */
export function encodeJson(value: ReplicaSet | Floor): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Reads a set; undefined when the bytes are none. */
export function decodeSet(bytes: Uint8Array): ReplicaSet | undefined {
  return readSet(parsed(Buffer.from(bytes).toString()));
}

/** Reads a floor; undefined when the bytes are none. */
export function decodeFloor(bytes: Uint8Array): Floor | undefined {
  const floor = parsed(Buffer.from(bytes).toString());
  if (!isObject(floor)) return undefined;
  const ballot = ballotOf(floor['ballot']);
  const { count } = floor;
  return ballot === undefined || !isBelow(count) ? undefined : { ballot, count };
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
  switch (fields['t']) {
    case 'disk':
      return { t: 'disk' };
    case 'do':
      return doOf(fields);
    case 'adopt': {
      const state = readSet(parsed(fields['state']));
      return state && { t: 'adopt', state };
    }
    case 'change': {
      const { record } = fields;
      if (typeof record !== 'string' || record.length > RECORD_CHARS_MAX) return undefined;
      return { t: 'change', record };
    }
    default: {
      const { set, disk } = fields;
      const ask = isBelow(set) && isDisk(disk) ? replicaAskOf(fields) : undefined;
      return ask && { to: { set: set as number, disk: disk as string }, ...ask };
    }
  }
}

function doOf(fields: Fields): Ask | undefined {
  const { id, since, isFresh, patienceMs } = fields;
  const request = readRequest(parsed(fields['request']));
  if (typeof id !== 'string' || id === '' || id.length > REQUEST_CHARS_MAX) return undefined;
  if (request === undefined || !isBelow(patienceMs)) return undefined;
  if (since === undefined) return { t: 'do', id, request, patienceMs };
  if (!isBelow(since)) return undefined;
  const fresh = isFresh === true ? ({ isFresh } as const) : {};
  return { t: 'do', id, request, patienceMs, since, ...fresh };
}

function replicaAskOf(fields: Fields): ReplicaAsk | undefined {
  const { t, after } = fields;
  if (t === 'look') {
    if (fields['known'] === undefined) return { t };
    const known = ballotOf(fields['known']);
    return known && { t, known };
  }
  if (t === 'same') {
    const of = keyBallotsOf(parsed(fields['of']));
    return of && { t, of };
  }
  if (t === 'keys') {
    return typeof after === 'string' && after.length <= LIMITS.keyBytes ? { t, after } : undefined;
  }
  const ballot = ballotOf(fields['ballot']);
  if (ballot === undefined) return undefined;
  if (t === 'prepare') return { t, ballot };
  if (t === 'erase') {
    const below = ballotOf(fields['below']);
    const { count } = fields;
    return below !== undefined && isBelow(count) ? { t, ballot, below, count } : undefined;
  }
  const next = ballotOf(fields['next']);
  if (t === 'step') return next && stepOf(fields, ballot, next);
  const state = stateOf(parsed(fields['state']), fields['state']);
  if (t !== 'accept' || next === undefined || state === undefined) return undefined;
  return { t, ballot, next, state };
}

function stepOf(fields: Fields, ballot: Ballot, next: Ballot): StepQuestion | undefined {
  const from = ballotOf(fields['from']);
  if (from === undefined) return undefined;
  if (fields['step'] === undefined) return { t: 'step', ballot, next, from };
  const raw = parsed(fields['step']);
  const op = isObject(raw) ? opOf(raw['op']) : undefined;
  if (!isObject(raw) || op === undefined) return undefined;
  const { value } = raw;
  const step: StrongStep = value === undefined ? { op } : { op, value: value as Json };
  return { t: 'step', ballot, next, from, step };
}

function replyOf(fields: Fields): Reply | undefined {
  const { t, code, text, disk, isErased } = fields;
  switch (t) {
    case 'done': {
      const outcome = parsed(fields['outcome']);
      return isObject(outcome) ? { t, outcome: outcome as unknown as StrongOutcome } : undefined;
    }
    case 'failed':
      if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code)) return undefined;
      return typeof text === 'string' ? { t, code: code as ErrorCode, text } : undefined;
    case 'adopted':
    case 'behind':
      return { t };
    case 'moved': {
      const state = readSet(parsed(fields['state']));
      return state && { t, state };
    }
    case 'disk':
      return isDisk(disk) ? { t, disk } : undefined;
    case 'same': {
      const others = fields['others'];
      if (!Array.isArray(others) || others.length > SAME_KEYS_MAX) return undefined;
      const all = others as readonly unknown[];
      return all.every((one): one is number => isBelow(one)) ? { t, others: all } : undefined;
    }
    case 'erased':
      return typeof isErased === 'boolean' ? { t, isErased } : undefined;
    case 'keys':
      return keysOf(fields);
    default:
      return answerOf(fields);
  }
}

function keyBallotsOf(raw: unknown): readonly KeyBallot[] | undefined {
  if (!Array.isArray(raw) || raw.length === 0 || raw.length > SAME_KEYS_MAX) return undefined;
  const of: KeyBallot[] = [];
  for (const one of raw as readonly unknown[]) {
    if (!Array.isArray(one)) return undefined;
    const [key, known] = one as readonly unknown[];
    if (typeof key !== 'string' || !isKey(key, LIMITS)) return undefined;
    const ballot = ballotOf(known);
    if (ballot === undefined && known !== null) return undefined;
    of.push([key, ballot]);
  }
  return of;
}

function keysOf(fields: Fields): Reply | undefined {
  const { keys, count, more } = fields;
  if (!Array.isArray(keys) || !isBelow(count) || typeof more !== 'boolean') return undefined;
  const all = keys as readonly unknown[];
  if (!all.every((key): key is string => typeof key === 'string' && isKey(key, LIMITS))) {
    return undefined;
  }
  return { t: 'keys', keys: all, count, more };
}

function answerOf(fields: Fields): Reply | undefined {
  const { t, count } = fields;
  const raw = fields['accepted'] === undefined ? undefined : parsed(fields['accepted']);
  const accepted = raw === undefined ? undefined : acceptedOf(raw);
  if ((raw === undefined) !== (accepted === undefined)) return undefined;
  const shown = accepted === undefined ? {} : { accepted };
  if (t === 'shown') {
    if (fields['promised'] === undefined) return accepted === undefined ? { t } : undefined;
    const promised = ballotOf(fields['promised']);
    const same = fields['isSame'] === true ? ({ isSame: true } as const) : {};
    return promised && { t, promised, ...same, ...shown };
  }
  const ballot = ballotOf(fields['ballot']);
  if (ballot === undefined) return undefined;
  if (t === 'promised') {
    if (count === undefined) return { t, ballot, ...shown };
    return isBelow(count) ? { t, ballot, count, ...shown } : undefined;
  }
  if (t === 'accepted' || t === 'whole') return { t, ballot };
  const higher = ballotOf(fields['higher']);
  return t === 'refused' && higher !== undefined ? { t, ballot, higher } : undefined;
}

function acceptedText(accepted: AcceptorRow['accepted']): { readonly accepted?: string } {
  if (accepted === undefined) return {};
  const { ballot, state } = accepted;
  return { accepted: `{"ballot":${JSON.stringify(ballot)},"state":${stateText(state)}}` };
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
