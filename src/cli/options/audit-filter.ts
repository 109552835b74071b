/** Which entries of the audit log are wanted, from the options of `starling audit …`. */
import type { AuditEntry, AuditFilter } from '../../audit/types.ts';
import type { CommonOptions } from './common-options.ts';

/** Options that say which entries are wanted. */
export interface FilterOptions extends CommonOptions {
  readonly who?: string;
  readonly what?: string;
  readonly kind?: AuditEntry['kind'];
  readonly outcome?: AuditEntry['outcome'];
  /** ms since the epoch */
  readonly since?: number;
  /** ms since the epoch */
  readonly until?: number;
}

/** What the options ask for. */
export function filterOf(options: FilterOptions): AuditFilter {
  const { who, what, kind, outcome, since, until } = options;
  return {
    ...(who === undefined ? {} : { who }),
    ...(what === undefined ? {} : { what }),
    ...(kind === undefined ? {} : { kind }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}
