/** `starling invite` */
import type { InviteResult } from '../../builtin/results.ts';
import { duration, print, printData, safeLine, tell } from '../terminal/output.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';

interface InviteOptions extends CommonOptions {
  readonly expires?: number;
  readonly invite: boolean;
  readonly uses?: number;
}

/** Makes a ticket; standard output gets nothing but the line to paste. */
export async function run(options: InviteOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<InviteResult>('invite_create', {
      can_invite: options.invite,
      ...(options.uses === undefined ? {} : { uses: options.uses }),
      ...(options.expires === undefined ? {} : { expires_s: options.expires / 1000 }),
    }),
  );
  if (options.json === true) printData(result, true, () => '');
  else {
    tell(
      `${options.uses === undefined || options.uses === 1 ? 'One node' : `${options.uses} nodes`} can join '${safeLine(result.mesh)}' (${result.fingerprint}) with this within ${duration(result.expiresAt - Date.now())}:`,
    );
    print(`starling up --join ${result.ticket}`);
  }
}
