/** `starling key create` */
import type { KeyCreateResult } from '../../../builtin/results.ts';
import { duration, print, printData, safeLine, tell } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface KeyOptions extends CommonOptions {
  readonly scope?: readonly string[];
  readonly expires?: number;
}

/** Makes the key and prints it: alone on standard output, so that a script can take it. */
export async function run(name: string, options: KeyOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<KeyCreateResult>('key_create', {
      name,
      ...(options.scope === undefined ? {} : { scopes: options.scope }),
      ...(options.expires === undefined ? {} : { expires_s: options.expires / 1000 }),
    }),
  );
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
}
