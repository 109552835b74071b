/** The tools over all that decides on this node: permissions, approvals and the policy. */
import { isObject } from '../core/index.ts';
import type { Clock, Json } from '../core/index.ts';
import { toolResource } from '../grants/index.ts';
import type { GrantBook } from '../grants/index.ts';
import type { ApiKeys, BuiltinTool, Pins, Upstreams } from '../gateway/index.ts';
import type { Governance, OfferedTool } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import { approvalTools } from './approvals.ts';
import { permissionTools } from './permissions.ts';
import { policyTools } from './policy.ts';

/** What the tools of governance need. */
export interface GovernanceToolComponents {
  readonly governance: Governance;
  readonly grants: GrantBook;
  readonly membership: Pick<Membership, 'peer' | 'byAlias' | 'resolve'>;
  /** What this node calls itself. */
  readonly self: { readonly name: string };
  readonly keys: Pick<ApiKeys, 'list'>;
  readonly clock: Clock;
}

/** The tools of `permissions.ts`, `approvals.ts` and `policy.ts`. */
export function governanceTools(components: GovernanceToolComponents): readonly BuiltinTool[] {
  const { governance, grants, membership, keys, clock, self } = components;
  const { guardian, approvals, callerRules, policy, guard } = governance;
  return [
    ...permissionTools({ guardian, grants, clock }),
    ...approvalTools({ approvals, callerRules, clock }),
    ...policyTools({
      policy,
      guard,
      membership,
      keys,
      self,
      facts: (resource) => governance.tools().find((tool) => tool.resource === resource),
    }),
  ];
}

/** The tools of this node's servers as they are pinned: does the definition say that it only reads? */
export function offeredTools(
  upstreams: Pick<Upstreams, 'all'>,
  pins: Pick<Pins, 'review'>,
): readonly OfferedTool[] {
  return upstreams.all().flatMap((upstream) => {
    const catalog = upstream.catalog();
    const { allowed } = pins.review('', catalog.server, catalog);
    return allowed.tools.map(({ name, annotations }) => ({
      resource: toolResource(catalog.server, name),
      readOnly: isReadOnly(annotations),
    }));
  });
}

function isReadOnly(annotations: Json | undefined): boolean {
  return isObject(annotations) && annotations['readOnlyHint'] === true;
}
