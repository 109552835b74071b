/** Whole nodes in this process, for what budgets cost. */
import { createNode, loadConfig } from '../../../src/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../limits.ts';

/** The configuration of such a node; `join` is the ticket of another. */
export function configOf(
  name: string,
  stateDir: string,
  join?: string,
): ReturnType<typeof loadConfig> {
  return loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name,
      stateDir,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mdns: false,
      http: { enabled: false },
      limits: { ...UNLIMITED },
      log: { level: 'error' },
      ...(join === undefined ? {} : { join }),
    },
  });
}

/** Resolves once the node listens and, with a ticket, has joined. */
export async function startNode(
  name: string,
  stateDir: string,
  ticket?: string,
): Promise<StarlingNode> {
  const node = await createNode(await configOf(name, stateDir, ticket));
  await node.start();
  return node;
}
