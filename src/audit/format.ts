/** A line of the log: how it is written, read, bounded and hashed. Knows no files. */
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { StarlingError, isCount, isObject, isText, messageOf } from '../core/index.ts';
import type { Json } from '../core/index.ts';
import type { AuditEntry, AuditInit, Checkpoint } from './types.ts';

/** `prev` of the first line. */
export const GENESIS = '0'.repeat(64);
/** A line longer than this is none of ours, in bytes. */
export const LINE_BYTES_MAX = 128 * 1024;

const NAME_MAX = 256;
const RESOURCE_MAX = 2048;
const REASON_MAX = 1024;
const REASONING_MAX = 2048;
/** As many as a segment's name has digits for; a hundred thousand a second for 300 years. */
const SEQ_MAX = 1e15;
const HASH = /^[0-9a-f]{64}$/;

/** What of an entry its place in the chain says. */
export interface Place {
  readonly seq: number;
  readonly at: number;
  readonly prev: string;
}

/** What stands in an entry besides its place. */
export type Content = Omit<AuditEntry, keyof Place>;

/** Hex SHA-256 of a line, without its line feed. */
export function hashLine(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex');
}

/**
 * Hex SHA-256 of the arguments' canonical JSON (RFC 8785).
 * @throws STARLING_USAGE for what has none: a lone surrogate, or nesting beyond the stack
 */
export function hashArguments(args: Json): string {
  try {
    return hash('sha256', canonicalize(args) ?? '', 'hex');
  } catch (error) {
    throw new StarlingError(
      'STARLING_USAGE',
      `the arguments have no canonical JSON: ${messageOf(error)}`,
      { hint: 'send Unicode text (no lone surrogates), nested less deeply', cause: error },
    );
  }
}

/** The entry at its place; its members are always in the same order. */
export function placed(content: Content, { seq, at, prev }: Place): AuditEntry {
  const { kind, who, what, outcome } = content;
  const entry: Partial<Writable<AuditEntry>> = { seq, at, kind, who };
  if (content.onBehalfOf !== undefined) entry.onBehalfOf = content.onBehalfOf;
  entry.what = what;
  if (content.args !== undefined) entry.args = content.args;
  if (content.grant !== undefined) entry.grant = content.grant;
  entry.outcome = outcome;
  if (content.reason !== undefined) entry.reason = content.reason;
  if (content.reasoning !== undefined) entry.reasoning = content.reasoning;
  if (content.durationMs !== undefined) entry.durationMs = content.durationMs;
  if (content.spent !== undefined) entry.spent = content.spent;
  if (content.of !== undefined) entry.of = content.of;
  if (content.checkpoint !== undefined) entry.checkpoint = content.checkpoint;
  entry.prev = prev;
  // A copy by spreading, which the types would prefer, costs as much as the line's hash.
  return entry as AuditEntry;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What a caller gave, with texts cut to their bounds. */
export function bounded(init: AuditInit): Content {
  if (isWithin(init)) return init;
  return {
    ...init,
    who: cut(init.who, NAME_MAX),
    ...(init.onBehalfOf === undefined ? {} : { onBehalfOf: cut(init.onBehalfOf, NAME_MAX) }),
    what: {
      ability: cut(init.what.ability, NAME_MAX),
      resource: cut(init.what.resource, RESOURCE_MAX),
    },
    ...(init.args === undefined ? {} : { args: cut(init.args, NAME_MAX) }),
    ...(init.grant === undefined ? {} : { grant: cut(init.grant, NAME_MAX) }),
    ...(init.reason === undefined ? {} : { reason: cut(init.reason, REASON_MAX) }),
    ...(init.reasoning === undefined ? {} : { reasoning: cut(init.reasoning, REASONING_MAX) }),
  };
}

function isWithin({ who, onBehalfOf, what, args, grant, reason, reasoning }: AuditInit): boolean {
  return (
    who.length <= NAME_MAX &&
    (onBehalfOf?.length ?? 0) <= NAME_MAX &&
    what.ability.length <= NAME_MAX &&
    what.resource.length <= RESOURCE_MAX &&
    (args?.length ?? 0) <= NAME_MAX &&
    (grant?.length ?? 0) <= NAME_MAX &&
    (reason?.length ?? 0) <= REASON_MAX &&
    (reasoning?.length ?? 0) <= REASONING_MAX
  );
}

/** The entry of a line; a sentence that says what is wrong when it is none. */
export function readEntry(line: Buffer): AuditEntry | string {
  if (line.length > LINE_BYTES_MAX) return `it is longer than ${LINE_BYTES_MAX} bytes`;
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch (error) {
    return error instanceof SyntaxError ? 'it is not JSON' : messageOf(error);
  }
  return isEntry(value) ? value : 'it is no entry of an audit log';
}

/** True for a checkpoint's shape; its signature is for `checkpoint.ts` to check. */
export function isCheckpoint(value: unknown): value is Checkpoint {
  if (!isObject(value)) return false;
  const { seq, hash: lineHash, at, did, sig } = value;
  return (
    isCount(seq) && isHash(lineHash) && isCount(at) && isText(did, NAME_MAX) && isText(sig, 128)
  );
}

function isEntry(value: unknown): value is AuditEntry {
  if (!isObject(value)) return false;
  const { seq, at, kind, who, what, outcome, prev, onBehalfOf, checkpoint } = value;
  return (
    isCount(seq) &&
    seq >= 1 &&
    seq <= SEQ_MAX &&
    typeof at === 'number' &&
    typeof kind === 'string' &&
    typeof who === 'string' &&
    (onBehalfOf === undefined || typeof onBehalfOf === 'string') &&
    isObject(what) &&
    typeof what['ability'] === 'string' &&
    typeof what['resource'] === 'string' &&
    typeof outcome === 'string' &&
    isHash(prev) &&
    (kind === 'checkpoint' ? isCheckpoint(checkpoint) : checkpoint === undefined)
  );
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

function isHash(value: unknown): value is string {
  return typeof value === 'string' && HASH.test(value);
}
