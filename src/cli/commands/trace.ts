/** `starling trace` */
import { performance } from 'node:perf_hooks';
import type { ExitCode } from '../../core/exit-codes.ts';
import type { PeerPingResult } from '../../builtin/results.ts';
import { StarlingError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json.ts';
import {
  SPANS_MAX,
  TRACE_META,
  placeOf,
  spanIn,
  wayText,
  waysOf,
} from '../../core/words/trace-ways.ts';
import type { Link, Span } from '../../core/words/trace-ways.ts';
import type { NodeClient } from '../node/client.ts';
import { withNode } from '../node/locate-node.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { print, safeLine } from '../terminal/output.ts';
import { callAt } from './call.ts';
import type { CallCommandOptions } from './call.ts';

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
    print(safeLine(`${ms}  ${placeOf(way)}: ${wayText(way)}`));
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

function silent(tool: string): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `${tool} was called, and nobody told what that took`,
    {
      hint: 'update the node that you are attached to: starling --version, starling status',
    },
  );
}
