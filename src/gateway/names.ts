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
 * Names each entry, in the order of `entries`. One whose plain name does not fit, is one of `taken`,
 * or is wanted twice gets the hash; where even that is used, the hash of more, so that none ever
 * hides another.
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
  const isPlain = (whole: string): boolean =>
    whole.length <= NAME_MAX &&
    fit(whole) === whole &&
    wishes.get(whole) === 1 &&
    !taken.has(whole);
  const used = new Set(taken);
  const hashed: string[] = [];
  for (const whole of entries.map(full)) {
    if (isPlain(whole)) used.add(whole);
    else hashed.push(whole);
  }
  const names = new Map<string, string>();
  for (const whole of hashed.sort()) {
    let name = withHash(whole, '');
    for (let round = 1; used.has(name); round += 1) name = withHash(whole, `#${round}`);
    used.add(name);
    names.set(whole, name);
  }
  return new Map(
    entries.map((entry) => [names.get(full(entry)) ?? full(entry), entry.target] as const),
  );
}

function full(entry: Named<unknown>): string {
  return `${entry.prefix}${SEPARATOR}${entry.name}`;
}

function fit(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_');
}

function withHash(whole: string, salt: string): string {
  const hash = createHash('sha256').update(`${whole}${salt}`).digest('hex').slice(0, HASH_DIGITS);
  return `${fit(whole).slice(0, NAME_MAX - HASH_DIGITS - 1)}_${hash}`;
}
