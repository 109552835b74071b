/** What a peer does too much of, in words. Pure. */
import type { ConductReport, KnockingAddress, Misconduct } from '../network/index.ts';

const DEEDS: Readonly<Record<Misconduct, string>> = {
  streams: 'opens streams without end',
  frames: 'sends empty frames without end',
  connections: 'connects again and again',
  hellos: 'says hello again and again',
  gossip: 'floods gossip',
  forgeries: 'forges gossip',
  heartbeats: 'floods heartbeats',
  malformed: 'breaks the protocols',
  records: 'offers records or grants that are not to be had',
  catalogs: 'has its lists read without end',
  boards: 'floods boards',
  unpermitted: 'writes to boards without the right',
  messages: 'floods its sessions',
  control: 'floods its control streams',
  services: 'floods ping or the DHT',
  unread: 'asks for more than it reads',
  unfinished: 'begins messages that it does not end',
  lists: 'asks for lists without end',
  signs: 'signs records without end',
};
/** Deeds that one sentence names, the most frequent first. */
const NAMED_MAX = 3;

/** `floods gossip (120 times), opens streams without end (once)`. */
export function deedsOf({ counts }: Pick<ConductReport, 'counts'>): string {
  const deeds = Object.entries(DEEDS).flatMap(([what, text]) => {
    const count = counts[what as Misconduct] ?? 0;
    return count > 0 ? [{ text, count: Math.ceil(count) }] : [];
  });
  return deeds
    .sort((a, b) => b.count - a.count)
    .slice(0, NAMED_MAX)
    .map(({ text, count }) => `${text} (${count === 1 ? 'once' : `${count} times`})`)
    .join(', ');
}

/** Who knocks, and how often. */
export function knocksOf(addresses: readonly KnockingAddress[]): string {
  const named = addresses.slice(0, NAMED_MAX).map(({ address, failures, turnedAway }) => {
    const turned = turnedAway === 0 ? '' : `, ${turnedAway} turned away`;
    return `${address} (${failures} in vain${turned})`;
  });
  const more = addresses.length - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} other addresses` : '');
}
