/** `starling trace` */
import { performance } from 'node:perf_hooks';
import type { ExitCode } from '../../core/exit-codes.ts';
import type { PeerPingResult } from '../../builtin/results.ts';
import { StarlingError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { addressText } from '../../core/words/address-text.ts';
import type { NodeClient } from '../node/client.ts';
import { withNode } from '../node/locate-node.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { print, safeLine } from '../terminal/output.ts';
import { callAt } from './call.ts';
import type { CallCommandOptions } from './call.ts';
import { readSpan, waysOf } from './trace-ways.ts';
import type { Link, Span, Way } from './trace-ways.ts';

const TRACE_META = 'starling/trace';
/** Two nodes tell, and a server that plays one is not believed: more than so many are not kept. */
const SPANS_MAX = 16;
/** How long the round trip to the peer may take, which is measured after the call. */
const PING_TIMEOUT_MS = 10_000;

/** What one call has shown. */
interface Traced {
  tool: string;
  totalMs: number;
  readonly spans: Span[];
}

/** Calls the tool, and prints what each part of the way took; exit code 1 when the tool says that it failed. */
export function run(
  tool: string,
  words: readonly string[],
  options: CallCommandOptions,
): Promise<ExitCode> {
  return untilInterrupted((signal) =>
    withNode(options, (node) => trace(node, tool, { ...options, arg: words }, signal), signal),
  );
}

async function trace(
  node: NodeClient,
  typed: string,
  options: CallCommandOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const traced: Traced = { tool: typed, totalMs: 0, spans: [] };
  const make: NodeClient['call'] = async (tool, args, init) => {
    const startedAt = performance.now();
    const hear = (params: JsonObject): void => {
      const span = spanIn(params);
      if (span === undefined) init?.progress?.(params);
      else if (traced.spans.push(span) > SPANS_MAX) traced.spans.shift();
    };
    traced.tool = tool;
    try {
      return await node.call(tool, args, { ...init, progress: hear, meta: { [TRACE_META]: true } });
    } finally {
      traced.totalMs = performance.now() - startedAt;
    }
  };
  let result: JsonObject = {};
  let failure: unknown;
  try {
    result = await callAt(node, typed, { options, signal, make });
  } catch (error) {
    failure = error;
  }
  const hasFailed = failure !== undefined || result['isError'] === true;
  if (traced.spans.length > 0) await show(node, traced, hasFailed, options);
  if (failure !== undefined) throw failure;
  if (traced.spans.length === 0) throw silent(traced.tool);
  return hasFailed ? 1 : 0;
}

function spanIn({ _meta: meta }: JsonObject): Span | undefined {
  const told = isObject(meta) ? meta[TRACE_META] : undefined;
  return isObject(told) ? readSpan(told) : undefined;
}

async function show(
  node: NodeClient,
  { tool, totalMs, spans }: Traced,
  hasFailed: boolean,
  { json }: CallCommandOptions,
): Promise<void> {
  const own = spans.at(-1);
  const link = own?.peer === undefined ? undefined : await linkTo(node, own.peer);
  const ways = waysOf(totalMs, spans, link);
  const traceId = own?.traceId;
  if (json === true) {
    const id = traceId === undefined ? {} : { traceId };
    print(JSON.stringify({ tool, ok: !hasFailed, totalMs, ...id, ways }));
    return;
  }
  const took = hasFailed ? 'failed after' : 'in';
  print(safeLine(`${tool} ${took} ${totalMs.toFixed(1)} ms`));
  if (traceId !== undefined) print(safeLine(`trace ${traceId}`));
  for (const way of ways) {
    const ms = `${way.ms.toFixed(1)} ms`.padStart(10);
    print(safeLine(`${ms}  ${placeOf(way)}: ${said(way)}`));
  }
}

/** How the peer is reached now; undefined where nobody says. */
async function linkTo(node: NodeClient, peer: string): Promise<Link | undefined> {
  try {
    const options = { timeoutMs: PING_TIMEOUT_MS };
    const { route, relay, address, rttMs } = await node.builtin<PeerPingResult>(
      'peer_ping',
      { peer },
      options,
    );
    return { route, address, rttMs, ...(relay === undefined ? {} : { relay }) };
  } catch {
    return undefined;
  }
}

function placeOf({ at, to }: Way): string {
  return to === undefined ? at : `${at} → ${to}`;
}

function said(way: Way): string {
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

function silent(tool: string): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `${tool} was called, and nobody told what that took`,
    {
      hint: 'update the node that you are attached to: starling --version, starling status',
    },
  );
}
