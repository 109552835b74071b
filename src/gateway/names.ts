/**
 * What tools are called towards a client: `<server>__<tool>` for our own, `<alias>__<their name>` for
 * a peer's. A name that does not fit is cut, with a hash of the whole; where it leads is looked up,
 * never split out of the name. The same set of tools gives the same names in any order.
 */
import { createHash } from 'node:crypto';

/** Longest name: clients put prefixes of their own before it, and several APIs end at 64. */
export const NAME_MAX = 48;
/** Between prefix and name, by the convention of MCP gateways. */
export const SEPARATOR = '__';

const HASH_DIGITS = 6;

/** One thing to name. */
export interface Named<T> {
  /** Server, or alias of the peer. */
  readonly prefix: string;
  /** The tool's name there. */
  readonly name: string;
  readonly target: T;
}

/**
 * Names each entry. An entry whose name would be one of `taken`, or that of another entry, gets the
 * hash as well.
 */
export function assignNames<T>(
  entries: readonly Named<T>[],
  taken: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, T> {
  const wishes = new Map<string, number>();
  for (const entry of entries) {
    const wish = fit(full(entry));
    wishes.set(wish, (wishes.get(wish) ?? 0) + 1);
  }
  const named = new Map<string, T>();
  for (const entry of entries) {
    const whole = full(entry);
    const wish = fit(whole);
    const free = wish === whole && wish.length <= NAME_MAX && wishes.get(wish) === 1;
    named.set(free && !taken.has(wish) ? wish : hashed(wish, whole), entry.target);
  }
  return named;
}

function full(entry: Named<unknown>): string {
  return `${entry.prefix}${SEPARATOR}${entry.name}`;
}

function fit(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}

function hashed(name: string, whole: string): string {
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, HASH_DIGITS);
  return `${name.slice(0, NAME_MAX - HASH_DIGITS - 1)}_${hash}`;
}
