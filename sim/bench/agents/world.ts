/** The nodes of the benchmark of agents, and how they are spoken to. */
import { fileURLToPath } from 'node:url';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { connectHttp } from '../../client.ts';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/** The agent's program, built. */
export const PROGRAM = fileURLToPath(new URL('./bench-agent.js', import.meta.url));
/** The name of its kind. */
export const KIND = 'worker';
const AGENTS_MAX = 64;
const CALL_TIMEOUT_MS = 300_000;

/** A node, and its operator's client. */
export interface Machine {
  readonly node: NodeProcess;
  readonly client: Client;
}

/** Starts a node that can run the agent, and has a tool to compare with. */
export async function startMachine(
  root: string,
  name: string,
  cleanups: (() => unknown)[],
  init: { readonly ticket?: string | undefined; readonly concurrency?: number } = {},
): Promise<Machine> {
  const { ticket, concurrency = 64 } = init;
  const node = await startProcess({
    cli,
    root,
    name,
    config: {
      mcpServers: { small: { command: process.execPath, args: [upstream] } },
      limits: UNLIMITED,
      agents: {
        max: AGENTS_MAX,
        // Where there is no sandbox the benchmark runs all the same.
        unconfined: true,
        kinds: {
          [KIND]: {
            command: process.execPath,
            args: [PROGRAM],
            capabilities: ['work'],
            maxConcurrentTasks: concurrency,
            maxReplicas: AGENTS_MAX,
          },
        },
      },
    },
    ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
  });
  cleanups.push(() => node.stop());
  const { url = '', tokenFile } = node.up.endpoints;
  const client = await connectHttp({ url, tokenFile });
  cleanups.push(() => client.close());
  return { node, client };
}

/** Calls a tool of the node; gives the structured content. @throws what the node answers */
export async function call<T>(
  { client }: Pick<Machine, 'client'>,
  name: string,
  args: Record<string, unknown> = {},
): Promise<T> {
  const options = { timeout: CALL_TIMEOUT_MS };
  const result = await client.callTool(
    { name: `starling__${name}`, arguments: args },
    undefined,
    options,
  );
  if (result['isError'] === true) throw new Error(JSON.stringify(result['content']));
  return result['structuredContent'] as T;
}

/** Lets `peer` write to all agents of `owner`, and use the tool. */
export async function grant(owner: Machine, peer: Machine): Promise<void> {
  const { peerId } = peer.node.up;
  await call(owner, 'grant_create', { peer: peerId, agents: ['*'] });
  await call(owner, 'grant_create', { peer: peerId, tools: ['small/*'] });
}
