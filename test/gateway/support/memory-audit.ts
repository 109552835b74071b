/** An audit log in memory. */
import { EventEmitter } from 'node:events';
import { createDisabledAudit } from '../../../src/audit/index.ts';
import type { Audit, AuditInit } from '../../../src/audit/index.ts';

/** A log that shows what it holds. */
export interface Kept extends Audit {
  readonly entries: AuditInit[];
}

/** Makes it. */
export function memoryAudit(): Kept {
  const entries: AuditInit[] = [];
  return {
    ...createDisabledAudit(),
    isOn: true,
    events: new EventEmitter(),
    entries,
    append: (entry) => Promise.resolve(entries.push(entry)),
    note: (entry) => void entries.push(entry),
  };
}
