/**
 * What tools are called towards a client: `<server>__<tool>` for our own, `<peer>__<server>__<tool>`
 * for a peer's, or shorter where the prefix mode says so. A name that does not fit is cut, with a hash
 * of the whole; where it leads is looked up, never split out of the name. The same set of tools gives
 * the same names in any order, and no peer can change what our own tools are called.
 */
import { createHash } from 'node:crypto';
import { BUILTIN_SERVER } from '../../core/index.ts';

/** Longest name by default: clients put prefixes of their own before it, and several APIs end at 64. */
export const NAME_MAX = 48;
/** Between prefix and name, by the convention of MCP gateways. */
export const SEPARATOR = '__';

const HASH_DIGITS = 6;
const HASHED = new RegExp(`_[0-9a-f]{${HASH_DIGITS}}$`);

/** One thing to name. */
export interface Named<T> {
  /** Alias of the peer that owns it; absent for our own. */
  readonly peer?: string;
  /** The server. */
  readonly prefix: string;
  /** The tool's name there. */
  readonly name: string;
  readonly target: T;
}

/**
 * When a name carries its prefix. `always`: every name does, and so no name depends on which other tools
 * there are. `auto`: our own tools go without it unless two of our own servers have a tool of that name, in
 * which case both carry it; peers' tools always carry theirs. `never`: none carries it, and of those
 * that want the same name ours come first; several of one rank get a hash each. The built-in server's
 * tools keep their prefix in every mode.
 */
export type PrefixMode = 'always' | 'auto' | 'never';

/** Whether servers and peers stand before a tool's name, and how long it may get. */
export interface NameStyle {
  /** Default `always`. */
  readonly prefix?: PrefixMode;
  /** Longest name, at least 16; default {@link NAME_MAX}. */
  readonly nameMax?: number;
}

interface NamePreference {
  /** Peer, server and name: no two entries have the same. */
  readonly key: string;
  /** The name with all its prefixes. */
  readonly whole: string;
  /** The name that the entry gets, unless another has it. */
  readonly preferred: string;
}

/**
 * Names each entry, in the order of `entries`. One whose preferred name does not fit, is one of `taken`,
 * or is wanted twice gets the hash; where even that is used, the hash of more, so that none ever
 * hides another. Our own are named before those of peers. Entries that repeat peer, server and name
 * are one: the last counts.
 */
export function assignNames<T>(
  entries: readonly Named<T>[],
  taken: ReadonlySet<string> = new Set(),
  style: NameStyle = {},
): ReadonlyMap<string, T> {
  const mode = style.prefix ?? 'always';
  const nameMax = style.nameMax ?? NAME_MAX;
  const used = new Set(taken);
  const names = new Map<string, string>();
  const own = entries.filter(({ peer }) => peer === undefined);
  const theirs = entries.filter(({ peer }) => peer !== undefined);
  assignRank(preferencesOf(own, mode, used), { used, names, nameMax });
  assignRank(preferencesOf(theirs, mode === 'auto' ? 'always' : mode, used), {
    used,
    names,
    nameMax,
  });
  return new Map(entries.map((entry) => [names.get(keyOf(entry)) ?? full(entry), entry.target]));
}

function preferencesOf(
  entries: readonly Named<unknown>[],
  mode: PrefixMode,
  used: ReadonlySet<string>,
): readonly NamePreference[] {
  const preferences = new Map<string, NamePreference>();
  for (const entry of entries) {
    const [key, whole] = [keyOf(entry), full(entry)];
    // Tools of the built-in server always carry their prefix: the CLI and every document call them so.
    const isWhole = mode === 'always' || entry.prefix === BUILTIN_SERVER;
    preferences.set(key, { key, whole, preferred: isWhole ? whole : entry.name });
  }
  const all = [...preferences.values()];
  if (mode !== 'auto') return all;
  const counts = countOf(all);
  const isFree = ({ preferred }: NamePreference): boolean =>
    counts.get(fit(preferred)) === 1 && !used.has(preferred);
  return all.map((one) => (isFree(one) ? one : { ...one, preferred: one.whole }));
}

function assignRank(
  preferences: readonly NamePreference[],
  state: {
    readonly used: Set<string>;
    readonly names: Map<string, string>;
    readonly nameMax: number;
  },
): void {
  const { used, names, nameMax } = state;
  const counts = countOf(preferences);
  const hashed: NamePreference[] = [];
  for (const one of preferences) {
    const { key, preferred } = one;
    const isPlain =
      preferred.length > 0 &&
      preferred.length <= nameMax &&
      fit(preferred) === preferred &&
      counts.get(preferred) === 1 &&
      !used.has(preferred);
    if (isPlain) names.set(key, preferred);
    else hashed.push(one);
  }
  for (const { key } of preferences) {
    const name = names.get(key);
    if (name !== undefined) used.add(name);
  }
  hashed.sort((a, b) => compare(a.whole, b.whole) || compare(a.key, b.key));
  for (const { key, whole, preferred } of hashed) {
    let name = withHash(preferred, whole, nameMax);
    for (let round = 1; used.has(name); round += 1) {
      name = withHash(preferred, `${whole}#${round}`, nameMax);
    }
    used.add(name);
    names.set(key, name);
  }
}

/** True for a name that may have been cut, or may stand for another: it ends as those do that get a hash. */
export function mayBeHashed(name: string): boolean {
  return HASHED.test(name);
}

function countOf(preferences: readonly NamePreference[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { preferred } of preferences)
    counts.set(fit(preferred), (counts.get(fit(preferred)) ?? 0) + 1);
  return counts;
}

function keyOf({ peer, prefix, name }: Named<unknown>): string {
  return JSON.stringify([peer ?? null, prefix, name]);
}

function full({ peer, prefix, name }: Named<unknown>): string {
  return [...(peer === undefined ? [] : [peer]), prefix, name].join(SEPARATOR);
}

function fit(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function withHash(name: string, salted: string, nameMax: number): string {
  const hash = createHash('sha256').update(salted).digest('hex').slice(0, HASH_DIGITS);
  return `${fit(name).slice(0, nameMax - HASH_DIGITS - 1)}_${hash}`;
}
