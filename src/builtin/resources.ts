/** The resources of the built-in server: `grants://active` and `grants://audit`. */
import type { Audit } from '../audit/index.ts';
import type { BuiltinResource } from '../gateway/index.ts';
import type { GrantBook } from '../grants/index.ts';
import type { Principal } from '../guard/index.ts';
import { auditResource } from './audit.ts';
import { ACTIVE_GRANTS_URI, AUDIT_URI, activeGrants } from './permissions.ts';

/** What the resources need. */
export interface ResourceComponents {
  readonly audit: Audit;
  readonly grants: GrantBook;
}

/** Everybody sees what is about themselves; the operator sees all. */
export function grantResources(components: ResourceComponents): readonly BuiltinResource[] {
  return [
    {
      definition: {
        uri: ACTIVE_GRANTS_URI,
        name: 'active grants',
        description: 'The grants of this node that hold now: yours, and to its operator all.',
        mimeType: 'application/json',
      },
      read: async ({ principal }) =>
        JSON.stringify(activeGrants({ grants: components.grants }, principal)),
    },
    {
      definition: {
        uri: AUDIT_URI,
        name: 'audit log',
        description: 'What was decided lately: about you, and to the operator all. JSON Lines.',
        mimeType: 'application/jsonl',
      },
      read: ({ principal, signal }) =>
        auditResource(components.audit, { ...whose(principal), signal }),
    },
  ];
}

function whose(principal: Principal): { readonly by?: string } {
  switch (principal.kind) {
    case 'operator':
      return {};
    case 'client':
      return { by: `client:${principal.name}` };
    case 'agent':
    case 'peer':
      return { by: principal.did };
  }
  throw new TypeError('unknown kind of principal');
}
