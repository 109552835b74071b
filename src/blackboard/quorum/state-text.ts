/**
 * States of strong keys as JSON text, on the wire and on the disk: a state goes to every replica with each change, and most of it is
 * what is remembered of the last changes. Of nearly each of these the outcome follows from its place, who made the
 * change and when, so that just that is written:
 *
 *   state := { value?, count, base?, by?: [did, …], ops: [op, …] }
 *   op    := [id, index in by, ms]     its outcome: { ok: true, version, by, at }; the version of the last one is count
 *          | { id, result }            any other outcome
 */
import { isObject, isText } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { isBelow, isDid } from '../lanes/lane-format.ts';
import { OPS_MAX } from './acceptor.ts';
import type { StrongState } from './acceptor.ts';

/** Characters of the id of a request. */
export const REQUEST_CHARS_MAX = 64;

type Op = StrongState['ops'][number];

/** The outcome of a plain change, as `changeOf` tells it. */
interface Plain {
  readonly by: Did;
  readonly at: number;
}

/** A plain change as text: before and after the index in `by`. */
interface Row {
  readonly by: Did;
  readonly head: string;
  readonly tail: string;
}

/** The changes of a state as text, and who made them. */
interface Joined {
  readonly by: readonly Did[];
  readonly text: string;
  readonly count: number;
  /** How many changes. */
  readonly length: number;
}

const PLAIN_MEMBERS = 4;
/** The first of several changes as text, where it is a plain one with an id that needs no escapes. */
const FIRST_ROW = /^\["[\w:.-]*",\d+,\d+\],/;

/** Texts of states, each made once; of a state that was read it is the text that was read. */
const texts = new WeakMap<StrongState, string>();

/** Texts of all changes of a state, by the last of them: that of the next state is made of it, and then it is of no use. */
const joined = new WeakMap<Op, Joined>();

/** Made once of each state. */
export function stateText(state: StrongState): string {
  const known = texts.get(state);
  if (known !== undefined) return known;
  const { ops, count, value, base } = state;
  const { by, text: all } = nextJoined(ops, count) ?? wholeJoined(ops, count);
  const last = ops.at(-1);
  if (last !== undefined) joined.set(last, { by, text: all, count, length: ops.length });
  const writers = by.length === 0 ? '' : `,"by":${JSON.stringify(by)}`;
  const head = JSON.stringify({ value, count, base }).slice(0, -1);
  const text = `${head}${writers},"ops":[${all}]}`;
  texts.set(state, text);
  return text;
}

/** Made of the text of the state before; undefined where that is not known, or holds what has another form. */
function nextJoined(ops: readonly Op[], count: number): Pick<Joined, 'by' | 'text'> | undefined {
  const [before, last] = ops.slice(-2);
  const known = before && joined.get(before);
  if (known?.count !== count - 1 || before === undefined || last === undefined) return undefined;
  const gone = known.length + 1 - ops.length;
  const first = gone === 1 ? FIRST_ROW.exec(known.text)?.[0] : '';
  const row = rowOf(last, count);
  if (gone < 0 || gone > 1 || first === undefined || row === undefined) return undefined;
  const who = known.by.indexOf(row.by);
  if (who === -1 && known.by.length >= OPS_MAX) return undefined;
  joined.delete(before);
  const by = who === -1 ? [...known.by, row.by] : known.by;
  const at = who === -1 ? known.by.length : who;
  return { by, text: `${known.text.slice(first.length)},${row.head}${at}${row.tail}` };
}

function wholeJoined(ops: readonly Op[], count: number): Pick<Joined, 'by' | 'text'> {
  const by: Did[] = [];
  const parts = ops.map((op, at) => {
    const row = rowOf(op, count - (ops.length - 1 - at));
    if (row === undefined) return JSON.stringify(op);
    let who = by.indexOf(row.by);
    if (who === -1) who = by.push(row.by) - 1;
    return `${row.head}${who}${row.tail}`;
  });
  return { by, text: parts.join(',') };
}

/** The state that `raw` is, which was read from `text` if that is given; undefined when it is none. */
export function stateOf(raw: unknown, text?: unknown): StrongState | undefined {
  if (!isObject(raw) || !isBelow(raw['count']) || !Array.isArray(raw['ops'])) return undefined;
  const { count, base, value } = raw;
  const all = raw['ops'] as readonly unknown[];
  const by = raw['by'] === undefined ? [] : didsOf(raw['by']);
  if (by === undefined || all.length > OPS_MAX) return undefined;
  const ops = all.flatMap((op, at) => opIn(op, count - (all.length - 1 - at), by) ?? []);
  if (ops.length !== all.length) return undefined;
  if (base !== undefined && !isBelow(base)) return undefined;
  const from = base === undefined ? {} : { base };
  const state: StrongState = { value: value as Json | undefined, count, ops, ...from };
  if (typeof text === 'string') texts.set(state, text);
  return state;
}

/** Undefined where the outcome of a change to `version` is another than a plain one. */
function rowOf(op: Op, version: number): Row | undefined {
  const plain = plainOf(op, version);
  if (plain === undefined) return undefined;
  const { by, at } = plain;
  return { by, head: `[${JSON.stringify(op.id)},`, tail: `,${at}]` };
}

/** What has to be told of a change to `version`; undefined where its outcome is another than a plain one. */
function plainOf({ result }: Op, version: number): Plain | undefined {
  if (!isObject(result) || result['ok'] !== true || result['version'] !== version) return undefined;
  const { by, at } = result;
  if (!isDid(by) || !isBelow(at)) return undefined;
  return Object.keys(result).length === PLAIN_MEMBERS ? { by, at } : undefined;
}

/** A change that a state remembers, in its long form; undefined when the value is none. */
export function opOf(raw: unknown): Op | undefined {
  if (!isObject(raw) || !isText(raw['id'], REQUEST_CHARS_MAX) || raw['result'] === undefined)
    return undefined;
  return { id: raw['id'], result: raw['result'] as Json };
}

function opIn(raw: unknown, version: number, all: readonly Did[]): Op | undefined {
  if (Array.isArray(raw)) {
    const [id, who, at, ...more] = raw as readonly unknown[];
    const by = isBelow(who) ? all[who] : undefined;
    if (!isText(id, REQUEST_CHARS_MAX) || by === undefined || !isBelow(at) || more.length > 0)
      return undefined;
    return isBelow(version) ? { id, result: { ok: true, version, by, at } } : undefined;
  }
  return opOf(raw);
}

function didsOf(value: unknown): readonly Did[] | undefined {
  if (!Array.isArray(value) || value.length > OPS_MAX) return undefined;
  return value.every((one) => isDid(one)) ? value : undefined;
}
