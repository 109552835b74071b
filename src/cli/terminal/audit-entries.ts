/** How entries of the audit log are asked for and shown. */
import type { AuditEntry, AuditFilter } from '../../audit/types.ts';
import { paint, safeLine } from './output.ts';
import type { CommonOptions } from '../node/locate-node.ts';

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

/** An entry on one line; `names`: by did, what to call who is known. */
export function showEntry(entry: AuditEntry, names: Readonly<Record<string, string>> = {}): string {
  const { at, kind, who, onBehalfOf, what, outcome, durationMs, reason, reasoning } = entry;
  const called = (one: string): string => {
    const name = Object.hasOwn(names, one) ? names[one] : undefined;
    return name === undefined ? short(one) : `${name} (${short(one)})`;
  };
  const actor = onBehalfOf === undefined ? called(who) : `${called(who)} for ${called(onBehalfOf)}`;
  const took = durationMs === undefined ? '' : ` in ${durationMs} ms`;
  const why = [
    ...(reason === undefined ? [] : [reason]),
    ...(reasoning === undefined ? [] : [`said: ${reasoning}`]),
  ];
  const line = `${actor} ${what.ability} ${what.resource}${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
  const ended = `${outcome}${took}`;
  return `${paint.dim(new Date(at).toISOString())} ${kind} ${colour(outcome)(ended)} ${safeLine(line)}`;
}

function colour(outcome: AuditEntry['outcome']): (text: string) => string {
  if (outcome === 'allowed' || outcome === 'ok') return paint.green;
  return outcome === 'denied' || outcome === 'failed' ? paint.red : paint.yellow;
}

/** A did by its end; it begins like all others. */
function short(name: string): string {
  return name.startsWith('did:key:') ? `…${name.slice(-8)}` : name;
}
