/** Looks into the past: newest first, segment by segment, so that recent things are found at once. */
import { listSegments, readLinesBackward } from './folder.ts';
import { readEntry } from './format.ts';
import type { AuditEntry, AuditFilter, AuditPage, AuditQuery } from './types.ts';

/** Lines that one question may cost; the answer says where to go on. */
const SCANNED_MAX = 200_000;
/** Clocks are set back now and then: older entries are looked for so much further. */
const CLOCK_SLACK_MS = 3_600_000;

/** Entries of the log in `folder` that fit, newest first. Lines that are none are left out. */
export async function queryLog(folder: string, query: AuditQuery): Promise<AuditPage> {
  const { limit, before = Infinity, since = -Infinity, signal } = query;
  const entries: AuditEntry[] = [];
  let scanned = 0;
  const segments = (await listSegments(folder)).filter((segment) => segment.first < before);
  for (const segment of segments.toReversed()) {
    for await (const lines of readLinesBackward(segment.path)) {
      signal?.throwIfAborted();
      for (const line of lines) {
        const entry = readEntry(line);
        if (typeof entry === 'string' || entry.seq >= before) continue;
        if (entry.at < since - CLOCK_SLACK_MS) return { entries };
        scanned += 1;
        if (fits(entry, query)) entries.push(entry);
        if (entries.length >= limit || scanned >= SCANNED_MAX) {
          return entry.seq <= 1 ? { entries } : { entries, next: entry.seq };
        }
      }
    }
  }
  return { entries };
}

/** True when the entry is what the filter asks for. */
export function fits(entry: AuditEntry, filter: AuditFilter): boolean {
  const { kind, who = '', by, what, except, outcome, since, until } = filter;
  const parts = typeof who === 'string' ? [who] : who;
  return (
    (except === undefined || entry.what.resource !== except) &&
    (kind === undefined || entry.kind === kind) &&
    (outcome === undefined || entry.outcome === outcome) &&
    (since === undefined || entry.at >= since) &&
    (until === undefined || entry.at < until) &&
    (by === undefined || entry.who === by || entry.onBehalfOf === by) &&
    parts.some((part) => entry.who.includes(part) || entry.onBehalfOf?.includes(part) === true) &&
    (what === undefined || `${entry.what.ability} ${entry.what.resource}`.includes(what))
  );
}
