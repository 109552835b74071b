/** `starling grant revoke` */
import type { GrantRevokeResult } from '../../../builtin/results.ts';
import { localTime } from '../../../core/time/local-time.ts';
import { rightsText } from '../../terminal/rights.ts';
import { printData, safeLine } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Revokes the grant and says whose it was. */
export async function run(
  id: string,
  options: CommonOptions & { readonly reason?: string },
): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<GrantRevokeResult>('grant_revoke', {
      id,
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }),
  );
  printData(result, options.json === true, () =>
    result.revoked
      .map((grant) =>
        grant.ticket !== undefined
          ? `the ticket ${grant.id.slice(0, 8)} lets nobody in any more`
          : safeLine(
              `${result.since === undefined ? 'revoked' : 'was revoked already:'} ${grant.id.slice(0, 8)} of ${grant.with}: ${rightsText(grant.capabilities)}${result.since === undefined ? '' : `, since ${localTime(result.since)}`}`,
            ),
      )
      .join('\n'),
  );
}
