/**
 * Runs a server on trial: in a sandbox or not at all, for as long as it takes to ask it for its tools. Nobody else can call it,
 * nothing of it is kept, and it is ended whatever comes of that.
 */
import { StarlingError, isObject, withDeadline } from '../../core/index.ts';
import { listAll } from '../wire/client-handshake.ts';
import type { ServerTrial, TriedTool } from '../types.ts';
import { startOwnInstance } from './instances/own-instance.ts';
import type { OwnInstanceComponents } from './instances/own-instance.ts';

/** How long it may take to shake hands, and to list its tools. */
const START_MS = 20_000;
const LIST_MS = 10_000;
/** Bytes of one message of it, and of its lists. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const CALLS_MAX = 8;
const CLIENT = { capabilities: {}, clientInfo: {} };

/**
 * Starts it, and gives its tools.
 * @throws STARLING_UPSTREAM_UNAVAILABLE, also where there is no sandbox; STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT, and what
 * `signal` says
 */
export async function tryServer(
  components: OwnInstanceComponents,
  { name, server, signal, toolsMax, within, wrote }: ServerTrial,
): Promise<readonly TriedTool[]> {
  const { clock, sandbox } = components;
  const means = await sandbox?.means();
  if (
    sandbox === undefined ||
    means === undefined ||
    means.kind === 'none' ||
    server.sandbox === false
  ) {
    throw new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `'${name}' has no sandbox to be tried in`,
    );
  }
  const instance = await startOwnInstance(
    components,
    { hooks: { wrote, within }, signal },
    {
      name,
      server: { ...server, shared: false, peerRoots: false, idleMs: 0 },
      era: 'either',
      client: CLIENT,
      messageBytes: MESSAGE_BYTES_MAX,
      callTotalMs: LIST_MS,
      callsMax: CALLS_MAX,
      startTimeoutMs: START_MS,
    },
  );
  try {
    const bounds = { timeoutMs: LIST_MS, itemsMax: toolsMax, bytesMax: MESSAGE_BYTES_MAX };
    const listing = (until: AbortSignal): ReturnType<typeof listAll> =>
      Promise.race([
        listAll(instance.channel, `server '${name}'`, instance.handshake, bounds),
        aborted(until),
      ]);
    const { lists } = await withDeadline(clock, LIST_MS, listing, signal);
    return lists.tools.slice(0, toolsMax).flatMap(toolOf);
  } finally {
    await instance.close();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function toolOf(tool: unknown): readonly TriedTool[] {
  if (!isObject(tool)) return [];
  const { description, name } = tool;
  if (typeof name !== 'string') return [];
  return [{ name, description: typeof description === 'string' ? description : '' }];
}
