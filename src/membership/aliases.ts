/** What we call each peer: first come, first served, and kept. Pure. */
import { BUILTIN_SERVER } from '../core/index.ts';
import type { PeerId } from '../core/index.ts';

/** What a nameless peer is called. */
const NAMELESS = 'peer';
const LENGTH_MAX = 32;
/** Characters of the PeerId that tell two peers of one name apart. */
const TAIL = 4;

/**
 * An alias for `peer`, who calls itself `name`: that name made fit, or with the end of its PeerId when
 * it is taken, so that nobody gets another's calls by taking its name.
 */
export function chooseAlias(
  name: string,
  peer: PeerId,
  isTaken: (alias: string) => boolean,
): string {
  const fit = fitAlias(name);
  if (!isTaken(fit)) return fit;
  const letters = peer.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  for (let tail = TAIL; tail <= letters.length; tail += 1) {
    const alias =
      `${fit.slice(0, Math.max(1, LENGTH_MAX - tail - 1))}-${letters.slice(-tail)}`.slice(
        0,
        LENGTH_MAX,
      );
    if (!isTaken(alias)) return alias;
  }
  return letters.slice(-LENGTH_MAX);
}

/** True when `alias` may be given to a peer by hand. */
export function isAlias(alias: string): boolean {
  return fitAlias(alias) === alias;
}

/** `name` as an alias would be: what a peer calls itself may be anything. */
export function fitAlias(name: string): string {
  const fit = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, LENGTH_MAX)
    .replaceAll(/^-+|-+$/g, '');
  return fit === '' || fit === BUILTIN_SERVER ? NAMELESS : fit;
}
