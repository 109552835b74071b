/** The words of the audit log for what an entry is about and how that ended, read by commands and pages that load no log. */

/** What an entry of a node's work is about. */
export const AUDIT_KINDS = [
  'decision',
  'call',
  'approval',
  'policy',
  'grant',
  'revocation',
  'identity',
  'mesh',
  'key',
  'pin',
] as const;

/** How it ended. */
export const AUDIT_OUTCOMES = [
  'allowed',
  'denied',
  'asked',
  'ok',
  'failed',
  'cancelled',
  'timeout',
] as const;

/** Kinds of all entries. `checkpoint`: a signature over all before; `log`: the log speaks of itself. */
export const ENTRY_KINDS = [...AUDIT_KINDS, 'checkpoint', 'log'] as const;
/** Outcomes of all entries, those of the log's own included. */
export const ENTRY_OUTCOMES = [...AUDIT_OUTCOMES, 'signed', 'noted'] as const;
