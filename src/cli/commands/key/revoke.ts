/** `starling key revoke` */
import type { KeyRevokeResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Revokes the key and says which it was. */
export async function run(key: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<KeyRevokeResult>('key_revoke', { key }),
  );
  const { revoked } = result;
  printData(result, options.json === true, () =>
    asSentence(`revoked ${revoked.name} (${revoked.id}): ${revoked.scopes.join(', ')}`),
  );
}
