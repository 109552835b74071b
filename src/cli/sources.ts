/** Which state folder a command means: flag, environment, or the platform's default. */
import { resolve } from 'node:path';
import { defaultStateDir } from '../config/paths.ts';
import { attach } from './client.ts';
import type { NodeClient } from './client.ts';

/** Options that every command has. */
export interface CommonOptions {
  readonly state?: string;
  readonly json?: boolean;
}

/** The state folder of `options`. */
export function stateDirOf(options: CommonOptions): string {
  return resolve(
    options.state ?? process.env['STARLING_STATE_DIR'] ?? defaultStateDir(process.env),
  );
}

/** Runs `work` with a client of the running node, and closes it. @throws STARLING_NODE_UNREACHABLE */
export async function withNode<T>(
  options: CommonOptions,
  work: (node: NodeClient) => Promise<T>,
): Promise<T> {
  const node = await attach(stateDirOf(options));
  try {
    return await work(node);
  } finally {
    node.close();
  }
}
