/** The node and the entries of the audit tests; for processes, too, which have no test runner. */
import type { AuditInit } from '../../src/audit/index.ts';
import { createIdentity } from '../../src/identity/index.ts';

export const NODE = createIdentity(new Uint8Array(32).fill(7));

export function decision(n: number, more: Partial<AuditInit> = {}): AuditInit {
  return {
    kind: 'decision',
    who: 'did:key:z6MkBob',
    what: { ability: 'tool/call', resource: `tool:files/read_${n}` },
    outcome: 'allowed',
    ...more,
  };
}
