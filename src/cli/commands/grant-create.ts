/** `starling grant create` */
import type { GrantCreateResult } from '../../builtin/types.ts';
import { duration, printData, safeLine } from '../output.ts';
import { withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

interface GrantOptions extends CommonOptions {
  readonly tool: readonly string[];
  readonly expires?: number;
}

/** Creates the grant and prints it. */
export async function run(peer: string, options: GrantOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<GrantCreateResult>('grant_create', {
      peer,
      tools: options.tool,
      ...(options.expires === undefined ? {} : { expires_s: options.expires / 1000 }),
    }),
  );
  const { grant } = result;
  printData(result, options.json === true, () =>
    safeLine(
      `${grant.with} may now call ${options.tool.join(', ')} for ${duration(grant.expiresAt - Date.now())}; end it with: starling grant revoke ${grant.id.slice(0, 8)}`,
    ),
  );
}
