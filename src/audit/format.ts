/** A line of the log: how it is written, read, bounded and hashed. Knows no files. */
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { StarlingError, isCount, isObject, isText, messageOf } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import type { AuditEntry, AuditInit, Checkpoint } from './types.ts';

/** `prev` of the first line. */
export const GENESIS = '0'.repeat(64);
/** A line longer than this is none of ours, in bytes. */
export const LINE_BYTES_MAX = 128 * 1024;

const NAME_MAX = 256;
const RESOURCE_MAX = 2048;
const REASON_MAX = 1024;
const REASONING_MAX = 2048;
/** Resources whose parties' JSON is kept, 10 kB each at the most; beyond it all are forgotten, and those in use come again. */
const PARTIES_MAX = 256;
/** As many as a segment's name has digits for; a hundred thousand a second for 300 years. */
const SEQ_MAX = 1e15;
const HASH = /^[0-9a-f]{64}$/;
/** What is the same in JSON. */
const PLAIN = /^[\w-]*$/;

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
    return hash('sha256', canonicalText(args), 'hex');
  } catch (error) {
    throw new StarlingError(
      'STARLING_USAGE',
      `the arguments have no canonical JSON: ${messageOf(error)}`,
      { hint: 'send Unicode text (no lone surrogates), nested less deeply', cause: error },
    );
  }
}

/** The arguments mostly come in order: then what the engine itself makes of them is their canonical JSON. */
function canonicalText(args: Json): string {
  if (isInOrder(args)) {
    const text = JSON.stringify(args);
    // As lone surrogates are written, which have no canonical JSON.
    if (!text.includes('\\ud')) return text;
  }
  return canonicalize(args) ?? '';
}

/** Whether the names of all objects in it are in order, and all numbers can be written. */
function isInOrder(value: Json | undefined): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return value !== undefined;
  if (Array.isArray(value)) return value.every((item: Json) => isInOrder(item));
  let before = '';
  const members = value as JsonObject;
  for (const name of Object.keys(members)) {
    if (name < before || !isInOrder(members[name])) return false;
    before = name;
  }
  return true;
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

/**
 * The line of {@link placed} to the letter, without its line feed: laid by hand, as parties stay the same from call to call
 * and making an object of it for `JSON.stringify` costs twice the line's hash.
 */
export function lineOf(content: Content, { seq, at, prev }: Place): string {
  const { args, grant, outcome, reason, reasoning, durationMs, spent, of, checkpoint } = content;
  let line = `{"seq":${seq},"at":${numberText(at)},"kind":"${content.kind}",${partiesText(content)}`;
  if (args !== undefined) line += `,"args":${quoted(args)}`;
  if (grant !== undefined) line += `,"grant":${quoted(grant)}`;
  line += `,"outcome":"${outcome}"`;
  if (reason !== undefined) line += `,"reason":${JSON.stringify(reason)}`;
  if (reasoning !== undefined) line += `,"reasoning":${JSON.stringify(reasoning)}`;
  if (durationMs !== undefined) line += `,"durationMs":${numberText(durationMs)}`;
  if (spent !== undefined) line += `,"spent":${JSON.stringify(spent)}`;
  if (of !== undefined) line += `,"of":${of}`;
  if (checkpoint !== undefined) line += `,"checkpoint":${JSON.stringify(checkpoint)}`;
  return `${line},"prev":"${prev}"}`;
}

/** Who did what, as the lines written last about a resource have it; by the resource. */
const parties = new Map<string, { readonly of: Content; readonly text: string }>();

function partiesText(content: Content): string {
  const { who, onBehalfOf, what } = content;
  const { ability, resource } = what;
  const known = parties.get(resource);
  if (
    known !== undefined &&
    known.of.who === who &&
    known.of.onBehalfOf === onBehalfOf &&
    known.of.what.ability === ability
  ) {
    return known.text;
  }
  const text = JSON.stringify({ who, onBehalfOf, what: { ability, resource } }).slice(1, -1);
  if (parties.size >= PARTIES_MAX) parties.clear();
  parties.set(resource, { of: content, text });
  return text;
}

/** A text as JSON has it: hashes and numbers of grants stand as they are, for half of what it costs to look for what does not. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** A number as JSON has it. */
function numberText(value: number): string {
  return Number.isFinite(value) ? `${value}` : 'null';
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
