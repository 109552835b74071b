/** `starling mcp login` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { McpLoginResult } from '../../../builtin/results.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { duration, print, printData, safeLine, tell } from '../../terminal/output.ts';
import type { NodeClient } from '../../node/client.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

const WAIT_S = 60;

/** Prints the address to open, and waits until the login is done. @throws why it failed */
export async function run(server: string, options: CommonOptions): Promise<ExitCode> {
  const login = await untilInterrupted((signal) => logIn(server, options, signal));
  if (typeof login === 'number') return login;
  // The address, which is on standard output already, is not part of the JSON.
  if (options.json === true)
    printData({ server: login.server, state: login.state }, true, () => '');
  else tell(`logged in to ${safeLine(server)}`);
  return 0;
}

function logIn(
  server: string,
  options: CommonOptions,
  signal: AbortSignal,
): Promise<McpLoginResult> {
  const wait = async (node: NodeClient): Promise<McpLoginResult> => {
    let login = await node.builtin<McpLoginResult>('mcp_login', { server });
    if (login.state === 'waiting' && login.url !== undefined) {
      tell(
        `Open this in a browser on the node's machine within ${duration(login.expiresAt - Date.now())}, and agree:`,
      );
      print(safeLine(login.url));
    }
    while (login.state === 'waiting') {
      login = await node.builtin<McpLoginResult>(
        'mcp_login',
        { server, id: login.id, timeout_s: WAIT_S },
        { timeoutMs: (WAIT_S + 10) * 1000 },
      );
    }
    return login;
  };
  return withNode(options, wait, signal);
}
