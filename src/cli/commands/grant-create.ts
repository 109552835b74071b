/** `starling grant create` */
import type { GrantCreateResult } from '../../builtin/types.ts';
import { StarlingError } from '../../core/errors.ts';
import { duration, printData, safeLine } from '../output.ts';
import { withNode } from '../sources.ts';
import type { CommonOptions } from '../sources.ts';

interface GrantOptions extends CommonOptions {
  readonly tool?: readonly string[];
  readonly resource?: readonly string[];
  readonly prompt?: readonly string[];
  readonly server?: readonly string[];
  readonly expires?: number;
}

/** Creates the grant and prints it. */
export async function run(peer: string, options: GrantOptions): Promise<void> {
  const { tool = [], resource = [], prompt = [], server = [] } = options;
  if (tool.length + resource.length + prompt.length + server.length === 0) {
    throw new StarlingError('STARLING_USAGE', 'say what to grant', {
      hint: "name tools (--tool 'files/*'), resources, prompts or a --server; see: starling grant create --help",
    });
  }
  const result = await withNode(options, (node) =>
    node.builtin<GrantCreateResult>('grant_create', {
      peer,
      ...(tool.length === 0 ? {} : { tools: tool }),
      ...(resource.length === 0 ? {} : { resources: resource }),
      ...(prompt.length === 0 ? {} : { prompts: prompt }),
      ...(server.length === 0 ? {} : { servers: server }),
      ...(options.expires === undefined ? {} : { expires_s: options.expires / 1000 }),
    }),
  );
  const { grant } = result;
  const things = [
    ...(tool.length === 0 ? [] : [`call ${tool.join(', ')}`]),
    ...(resource.length === 0 ? [] : [`read ${resource.join(', ')}`]),
    ...(prompt.length === 0 ? [] : [`get the prompts ${prompt.join(', ')}`]),
    ...(server.length === 0 ? [] : [`use all of ${server.join(', ')}`]),
  ];
  printData(result, options.json === true, () =>
    safeLine(
      `${grant.with} may now ${things.join(' and ')} for ${duration(grant.expiresAt - Date.now())}; end it with: starling grant revoke ${grant.id.slice(0, 8)}`,
    ),
  );
}
