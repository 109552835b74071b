/** The audit log: every decision and every call, in a chain that can't be changed unseen. */
export { createCheckpointBook } from './book.ts';
export type { CheckpointBook, CheckpointVerdict, Rewrite } from './book.ts';
export { exportLog } from './export.ts';
export { hashArguments } from './format.ts';
export { createAudit } from './log.ts';
export type { AuditComponents, AuditLogInit } from './log.ts';
export { createNoAudit } from './off.ts';
export { createAuditOf } from './of-config.ts';
export { ENTRY_KINDS, ENTRY_OUTCOMES } from './types.ts';
export type {
  Audit,
  AuditEntry,
  AuditEvents,
  AuditFilter,
  AuditFinding,
  AuditInit,
  AuditKind,
  AuditOutcome,
  AuditPage,
  AuditQuery,
  AuditTail,
  AuditTailRequest,
  AuditVerdict,
  AuditedAction,
  Checkpoint,
} from './types.ts';
export { KEY_CHANGE, verifyLog } from './verify.ts';
export type { VerifyInit } from './verify.ts';
