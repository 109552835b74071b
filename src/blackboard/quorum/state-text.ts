/**
 * States of strong keys as JSON text, on the wire and on the disk: a state goes to every replica with each change, and most of it is
 * what is remembered of the last changes. Of nearly each of these the outcome follows from its place, who made the
 * change and when, so that just that is written:
 *
 *   state := { value?, count, base?, by?: [did, …], ops: [op, …] }
 *   op    := [id, index in by, ms]     its outcome: { ok: true, version, by, at }; the version of the last one is count
 *          | { id, result }            any other outcome
 */
import { isObject } from '../../core/index.ts';
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

const PLAIN_MEMBERS = 4;

/** Texts of states, each made once; of a state that was read it is the text that was read. */
const texts = new WeakMap<StrongState, string>();

/** Made once of each state. */
export function stateText(state: StrongState): string {
  const known = texts.get(state);
  if (known !== undefined) return known;
  const { ops, count, ...rest } = state;
  const by: string[] = [];
  const parts = ops.map((op, at) => {
    const plain = plainOf(op, count - (ops.length - 1 - at));
    return plain === undefined ? JSON.stringify(op) : rowOf(op.id, plain, by);
  });
  const writers = by.length === 0 ? '' : `,"by":${JSON.stringify(by)}`;
  const head = JSON.stringify({ ...rest, count }).slice(0, -1);
  const text = `${head}${writers},"ops":[${parts.join(',')}]}`;
  texts.set(state, text);
  return text;
}

/** The state that `raw` is, which was read from `text` if that is given; undefined when it is none. */
export function stateOf(raw: unknown, text?: unknown): StrongState | undefined {
  if (!isObject(raw) || !isBelow(raw['count']) || !Array.isArray(raw['ops'])) return undefined;
  const { count, base, value } = raw;
  const all = raw['ops'] as readonly unknown[];
  const by = raw['by'] === undefined ? [] : didsOf(raw['by']);
  if (by === undefined || all.length > OPS_MAX) return undefined;
  const ops = all.flatMap((op, at) => opOf(op, count - (all.length - 1 - at), by) ?? []);
  if (ops.length !== all.length) return undefined;
  if (base !== undefined && !isBelow(base)) return undefined;
  const from = base === undefined ? {} : { base };
  const state = { ...(value === undefined ? {} : { value: value as Json }), count, ...from, ops };
  if (typeof text === 'string') texts.set(state, text);
  return state;
}

function rowOf(id: string, { by, at }: Plain, all: string[]): string {
  let who = all.indexOf(by);
  if (who === -1) who = all.push(by) - 1;
  return `[${JSON.stringify(id)},${who},${at}]`;
}

/** What has to be told of a change to `version`; undefined where its outcome is another than a plain one. */
function plainOf({ result }: Op, version: number): Plain | undefined {
  if (!isObject(result) || result['ok'] !== true || result['version'] !== version) return undefined;
  const { by, at } = result;
  if (!isDid(by) || !isBelow(at)) return undefined;
  return Object.keys(result).length === PLAIN_MEMBERS ? { by, at } : undefined;
}

function opOf(raw: unknown, version: number, all: readonly Did[]): Op | undefined {
  if (Array.isArray(raw)) {
    const [id, who, at, ...more] = raw as readonly unknown[];
    const by = isBelow(who) ? all[who] : undefined;
    if (!isId(id) || by === undefined || !isBelow(at) || more.length > 0) return undefined;
    return isBelow(version) ? { id, result: { ok: true, version, by, at } } : undefined;
  }
  if (!isObject(raw) || !isId(raw['id']) || raw['result'] === undefined) return undefined;
  return { id: raw['id'], result: raw['result'] as Json };
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= REQUEST_CHARS_MAX;
}

function didsOf(value: unknown): readonly Did[] | undefined {
  if (!Array.isArray(value) || value.length > OPS_MAX) return undefined;
  return value.every((one) => isDid(one)) ? value : undefined;
}
