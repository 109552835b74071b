/** The audit log that a configuration asks for. */
import { createAudit } from './log.ts';
import type { AuditComponents, AuditLogInit } from './log.ts';
import { createNoAudit } from './off.ts';
import type { Audit } from './types.ts';

/** Makes the log, or one that records nothing. */
export function createAuditOf(
  components: AuditComponents,
  { enabled, ...init }: AuditLogInit & { readonly enabled: boolean },
): Audit {
  return enabled ? createAudit(components, init) : createNoAudit();
}
