/** What the nodes on the way of a traced call tell, and how the time of the whole call divides by that. */
import type { JsonObject } from '../json/json.ts';
import { isObject } from '../json/value-checks.ts';
import { addressText } from './address-text.ts';

/** By this key of `_meta` a caller asks for what a call takes, and the nodes on its way tell that. */
export const TRACE_META = 'starling/trace';
/** Two nodes tell, and a server that plays one is not believed: more than so many are not kept. */
export const SPANS_MAX = 16;
const NAME_MAX = 256;
const TRACE_ID = /^[0-9a-f]{32}$/;
const SPAN_ID = /^[0-9a-f]{16}$/;

/** What one node says: times in milliseconds since the call came to it. */
export interface Span {
  readonly node: string;
  readonly server?: string;
  /** Whose server it is, where that is another node's. */
  readonly peer?: string;
  readonly peerName?: string;
  /** When the request went on to the server; absent where the call ended before. */
  readonly sentMs?: number;
  readonly totalMs: number;
  /** Where the node sends spans to a collector: by which the call is found there (W3C Trace Context). */
  readonly traceId?: string;
  readonly spanId?: string;
}

/** How a peer is reached. */
export interface Link {
  readonly route: 'direct' | 'relayed';
  readonly address: string;
  readonly rttMs: number;
  readonly relay?: string;
}

/** One part of the way, there and back, and what it took. */
export interface Way extends Partial<Link> {
  readonly part: 'client' | 'node' | 'link' | 'server';
  readonly at: string;
  readonly to?: string;
  readonly ms: number;
  /** The call went no further. */
  readonly endedHere?: true;
  /** By which the node's part is found at the collector of its traces. */
  readonly spanId?: string;
  /** The node at the other end did not say what it took: that is in here, too. */
  readonly isWhole?: true;
}

/** What a node says in the parameters of a notification of progress; undefined when it says nothing. Never throws. */
export function spanIn({ _meta: meta }: JsonObject): Span | undefined {
  const told = isObject(meta) ? meta[TRACE_META] : undefined;
  return isObject(told) ? readSpan(told) : undefined;
}

/** Reads what a node says; undefined when it is none. Never throws. */
export function readSpan(told: JsonObject): Span | undefined {
  const { node, server, peer, peerName, sentMs, totalMs, traceId, spanId } = told;
  if (!isName(node) || !isTime(totalMs)) return undefined;
  return {
    node,
    ...(isName(server) ? { server } : {}),
    ...(isName(peer) ? { peer } : {}),
    ...(isName(peerName) ? { peerName } : {}),
    ...(isTime(sentMs) ? { sentMs } : {}),
    totalMs,
    ...(isForm(traceId, TRACE_ID) ? { traceId } : {}),
    ...(isForm(spanId, SPAN_ID) ? { spanId } : {}),
  };
}

/**
 * Divides `totalMs`, as who called has measured it; `caller`: where that is. The last of `spans` is of the node that was called, the one before
 * of the peer where there is one: whatever came earlier may be by a server that plays a node.
 */
export function waysOf(
  totalMs: number,
  spans: readonly Span[],
  link?: Link,
  caller = 'this terminal',
): readonly Way[] {
  const own = spans.at(-1);
  if (own === undefined) return [];
  const ways: Way[] = [
    { part: 'client', at: caller, to: own.node, ms: less(totalMs, own.totalMs) },
    stepsAt(own),
  ];
  if (own.sentMs === undefined) return ways;
  const restMs = less(own.totalMs, own.sentMs);
  if (own.peer === undefined) return [...ways, serverOf(own, own.node, restMs)];
  const name = own.peerName ?? own.peer;
  const owner = spans.at(-2);
  const between = { part: 'link', at: own.node, to: name, ...link } as const;
  if (owner === undefined) return [...ways, { ...between, ms: restMs, isWhole: true }];
  ways.push({ ...between, ms: less(restMs, owner.totalMs) }, { ...stepsAt(owner), at: name });
  if (owner.sentMs === undefined) return ways;
  return [...ways, serverOf(owner, name, less(owner.totalMs, owner.sentMs))];
}

/** Where a part of the way is: a node, or from where to where. */
export function placeOf({ at, to }: Way): string {
  return to === undefined ? at : `${at} → ${to}`;
}

/** What is there, in words. */
export function wayText(way: Way): string {
  if (way.part === 'client') return 'the socket of this machine';
  if (way.part === 'server') return 'the server';
  if (way.part === 'node') {
    const span = way.spanId === undefined ? '' : ` (span ${way.spanId})`;
    return (way.endedHere === true ? 'it ended here' : 'checked and sent on') + span;
  }
  const { route, relay, address, rttMs } = way;
  const how = route === 'direct' ? 'direct' : `through ${relay ?? 'a relay'}`;
  const where = route === 'direct' && address !== undefined ? `, ${addressText(address)}` : '';
  const trip = rttMs === undefined ? '' : `, a round trip takes ${rttMs.toFixed(1)} ms`;
  const whole = way.isWhole === true ? 'with what that node took, which it did not say; ' : '';
  return route === undefined ? `${whole}the link` : `${whole}${how}${where}${trip}`;
}

function stepsAt({ node, sentMs, totalMs, spanId }: Span): Way {
  const span = spanId === undefined ? {} : { spanId };
  if (sentMs === undefined) {
    return { part: 'node', at: node, ms: totalMs, ...span, endedHere: true };
  }
  return { part: 'node', at: node, ms: sentMs, ...span };
}

function serverOf({ server }: Span, at: string, ms: number): Way {
  return { part: 'server', at, to: server ?? 'the server', ms };
}

/** Clocks of two machines run a little apart, and nothing takes less than no time. */
function less(whole: number, part: number): number {
  return Math.max(0, Math.round((whole - part) * 1000) / 1000);
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= NAME_MAX;
}

function isForm(value: unknown, form: RegExp): value is string {
  return typeof value === 'string' && form.test(value);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
