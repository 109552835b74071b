/**
 * `starling mcp`: what an MCP client starts. A byte pipe between standard streams and the node's
 * socket: nothing else ever goes to standard output.
 */
import { pipeline } from 'node:stream/promises';
import { StarlingError } from '../../../core/errors.ts';
import { open } from '../../node/client.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Pipes until both directions are over. @throws STARLING_NODE_UNREACHABLE */
export async function run(options: CommonOptions): Promise<void> {
  const socket = await open(await stateDirOf(options));
  let clientDone = false;
  process.stdin.once('end', () => {
    clientDone = true;
  });
  const asking = pipeline(process.stdin, socket).catch((error: unknown) => {
    // When the node ends first, the error below tells so.
    if (!socket.destroyed) throw error;
  });
  await pipeline(socket, process.stdout, { end: false });
  if (!clientDone) {
    process.stdin.destroy();
    throw new StarlingError('STARLING_NODE_UNREACHABLE', 'the node has stopped', {
      hint: 'start it again with: starling up; then let the MCP client start this again',
    });
  }
  await asking;
}
