/** `starling grant delegate` */
import type { GrantCreateResult } from '../../../builtin/results.ts';
import { grantConditions } from '../../options/grant-conditions.ts';
import type { GrantOptions } from '../../options/grant-conditions.ts';
import { rightsText } from '../../terminal/rights.ts';
import { asSentence, duration, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';

/** Hands the grant on and prints the new one. */
export async function run(id: string, peer: string, options: GrantOptions): Promise<void> {
  const args = { id, peer, ...grantConditions(options) };
  const result = await withNode(options, (node) =>
    node.builtin<GrantCreateResult>('grant_delegate', args),
  );
  const { grant } = result;
  const left = duration(grant.expiresAt - Date.now());
  const end = grant.renewed ? `${left}, and as long as what it stands on is renewed` : left;
  printData(result, options.json === true, () =>
    asSentence(
      `${grant.with} may now ${rightsText(grant.capabilities)} for ${end}; see it with: starling grant show ${grant.id.slice(0, 8)}; end it with: starling grant revoke ${grant.id.slice(0, 8)}`,
    ),
  );
}
