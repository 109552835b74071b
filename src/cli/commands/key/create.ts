/** `starling key create` */
import type { KeyCreateResult, StatusResult } from '../../../builtin/results.ts';
import type { NodeClient } from '../../node/client.ts';
import { duration, paintTalk, print, printData, safeLine, tell } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface KeyOptions extends CommonOptions {
  readonly scope?: readonly string[];
  readonly expires?: number;
}

/** Makes the key and prints it: alone on standard output, so that a script can take it. */
export async function run(name: string, options: KeyOptions): Promise<void> {
  const { result, servers } = await withNode(options, async (node) => ({
    result: await node.builtin<KeyCreateResult>('key_create', {
      name,
      ...(options.scope === undefined ? {} : { scopes: options.scope }),
      ...(options.expires === undefined ? {} : { expires_s: options.expires / 1000 }),
    }),
    servers: options.json === true ? undefined : await serversOf(node),
  }));
  if (options.json === true) {
    printData(result, true, () => '');
    return;
  }
  const { info, key } = result;
  const until =
    info.expiresAt === undefined ? 'until revoked' : `for ${duration(info.expiresAt - Date.now())}`;
  print(safeLine(key));
  tell(
    safeLine(
      `key ${info.name} may use ${info.scopes.join(', ')} ${until}; it is shown this once: send it as Authorization: Bearer <key>`,
    ),
  );
  for (const server of servers === undefined ? [] : absentIn(info.scopes, servers)) {
    tell(
      `${paintTalk.yellow('!')} ${safeLine(`no server here is called '${server}': that scope counts once there is one; of a peer it is like tool:@<peer>/${server}/*`)}`,
    );
  }
}

/** The names of this node's servers; undefined where it does not say. */
async function serversOf(node: NodeClient): Promise<readonly string[] | undefined> {
  const status = await node.builtin<Partial<StatusResult>>('status').catch(() => undefined);
  return status?.upstreams?.map(({ server }) => server);
}

/** Servers that scopes name and this node does not have. */
function absentIn(scopes: readonly string[], servers: readonly string[]): readonly string[] {
  const named = scopes.flatMap(
    (scope) => /^(?:tool|resource|prompt|server):([^/@*]+)\//.exec(scope)?.[1] ?? [],
  );
  return [...new Set(named)].filter((server) => !servers.includes(server));
}
