/** The audit log that a configuration asks for. */
import { createAudit } from './log.ts';
import type { AuditComponents, AuditLogInit } from './log.ts';
import { createDisabledAudit } from './disabled-log.ts';
import type { Audit } from './types.ts';

/** Makes the log, or one that records nothing. */
export function createAuditFromConfig(
  components: AuditComponents,
  { enabled, ...init }: AuditLogInit & { readonly enabled: boolean },
): Audit {
  return enabled ? createAudit(components, init) : createDisabledAudit();
}
