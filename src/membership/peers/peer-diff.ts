/** What has changed between two views of one peer. Pure. */
import type { PeerAspect, PeerView, Presence } from '../types.ts';

/** Of each part of a presence a value that is equal when the part is. */
const PRESENCE: Readonly<Record<keyof Presence, (presence: Presence) => unknown>> = {
  name: ({ name }) => name,
  version: ({ version }) => version,
  addresses: ({ addresses }) => addresses.join('\n'),
  load: ({ load }) => load,
  catalog: ({ catalog }) => catalog,
  boards: ({ boards }) => boardsText(boards),
  agents: ({ agents }) => agents ?? '',
  offers: ({ offers }) => offers?.join(' ') ?? '',
  lists: ({ lists }) => (lists === undefined ? '' : `${lists.version} ${lists.hash}`),
  audit: ({ audit }) => (audit === undefined ? '' : `${audit.seq} ${audit.hash} ${audit.sig}`),
};
const PARTS = Object.keys(PRESENCE) as (keyof Presence)[];

/** The same of the rest of a view. */
const VIEW: Readonly<Record<Exclude<PeerAspect, keyof Presence>, (view: PeerView) => unknown>> = {
  state: ({ state }) => state,
  ended: ({ ended }) => (ended === undefined ? '' : `ended ${ended.by ?? ''}`),
  alias: ({ alias }) => alias,
  callsUs: ({ callsUs }) => callsUs,
  keys: ({ peerId, formerly = [] }) => [peerId, ...formerly].join(),
  startedAt: ({ startedAt }) => startedAt,
  route: ({ route = '', address = '' }) => `${route} ${address}`,
};
const REST = Object.keys(VIEW) as (keyof typeof VIEW)[];

/** What of `now` is not as it was `before`; everything when the peer is new. */
export function changesOf(now: PeerView, before: PeerView | undefined): ReadonlySet<PeerAspect> {
  if (before === undefined) return new Set([...REST, ...PARTS]);
  const changes = new Set<PeerAspect>(
    REST.filter((part) => VIEW[part](now) !== VIEW[part](before)),
  );
  if (now.presence === before.presence) return changes;
  for (const part of PARTS) if (differs(part, now.presence, before.presence)) changes.add(part);
  return changes;
}

/** `next`, or `before` itself when that says the same, so that listeners may compare by identity. */
export function sameOrNext(next: Presence, before: Presence | undefined): Presence {
  if (before === undefined || next === before) return next;
  return PARTS.some((part) => differs(part, next, before)) ? next : before;
}

/** True when two say other digests of boards, in whatever order. */
export function boardsDiffer(a: Presence['boards'], b: Presence['boards']): boolean {
  return boardsText(a) !== boardsText(b);
}

function differs(part: keyof Presence, a: Presence | undefined, b: Presence | undefined): boolean {
  if (a === undefined || b === undefined) return a !== b;
  return PRESENCE[part](a) !== PRESENCE[part](b);
}

function boardsText(boards: Presence['boards']): string {
  return JSON.stringify(Object.entries(boards).sort(([a], [b]) => (a < b ? -1 : 1)));
}
