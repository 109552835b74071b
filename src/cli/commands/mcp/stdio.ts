/**
 * `starling mcp`: what an MCP client starts. Says to the node for which client it comes; from then on a
 * byte pipe between standard streams and the node's socket: nothing else ever goes to standard output.
 */
import { pipeline } from 'node:stream/promises';
import {
  ATTACH_CLIENT,
  ATTACH_OPERATOR,
  CLIENT_LOCAL,
  CLIENT_NAME_WORDS,
  isFreeClientName,
} from '../../../config/client-names.ts';
import { StarlingError } from '../../../core/errors.ts';
import { attachAs } from '../../node/attach-as.ts';
import { open } from '../../node/client.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import { tell } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface AttachOptions extends CommonOptions {
  readonly as?: string;
  readonly operator?: boolean;
}

/** What whoever attaches a client as the operator should know. */
const OPERATOR_MEANS =
  'starling: this client is attached as the operator of the node (--operator): it can grant, make keys, ' +
  'set secrets, approve and change the policy, as you can, and so can whatever talks its model into it';

/** What a person sees who starts by hand what a client should start. */
const AT_A_TERMINAL =
  'starling: waits for an MCP client to speak; Ctrl-C ends it. A client starts this by itself: starling connect <client>';

/** Pipes until both directions are over. @throws STARLING_NODE_UNREACHABLE, STARLING_USAGE */
export async function run(options: AttachOptions): Promise<void> {
  const as = principalOf(options);
  const socket = await open(await stateDirOf(options));
  if ((await attachAs(socket, as)) !== as) {
    socket.destroy();
    throw oldNode();
  }
  if (as === ATTACH_OPERATOR) tell(OPERATOR_MEANS);
  if (process.stdin.isTTY) tell(AT_A_TERMINAL);
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

/** For whom the client's program comes. @throws STARLING_USAGE */
function principalOf({ as, operator }: AttachOptions): string {
  if (operator === true && as !== undefined) {
    throw new StarlingError('STARLING_USAGE', '--as and --operator exclude each other', {
      hint: 'leave --operator out: a client has a name, and the operator has none',
    });
  }
  if (operator === true) return ATTACH_OPERATOR;
  if (as === undefined) return `${ATTACH_CLIENT}${CLIENT_LOCAL}`;
  if (isFreeClientName(as)) return `${ATTACH_CLIENT}${as}`;
  throw new StarlingError('STARLING_USAGE', `'${as}' can't be the name of a client`, {
    hint: `use ${CLIENT_NAME_WORDS}; local, tcp and operator are taken`,
  });
}

function oldNode(): StarlingError {
  return new StarlingError(
    'STARLING_NODE_UNREACHABLE',
    'the node that runs is of an earlier version, and would take this client for its operator',
    { hint: 'stop it, and start it again with: starling up' },
  );
}
