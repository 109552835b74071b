/** The audit log: every decision and every call, in a chain that can't be changed unseen. */
export { createCheckpointStore } from './checkpoint-store.ts';
export type { CheckpointStore, CheckpointVerdict, Rewrite } from './checkpoint-store.ts';
export { exportLog } from './export.ts';
export { hashArguments } from './format.ts';
export { createAudit } from './log.ts';
export type { AuditComponents, AuditLogInit } from './log.ts';
export { createDisabledAudit } from './disabled-log.ts';
export { createAuditFromConfig } from './from-config.ts';
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
