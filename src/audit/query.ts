/** Looks into the past: newest first, segment by segment, so that recent things are found at once. */
import { listSegments, readLinesBackward } from './segments/folder.ts';
import { readEntry } from './format.ts';
import { placeBefore } from './segments/seek.ts';
import type { AuditEntry, AuditFilter, AuditPage, AuditQuery } from './types.ts';

/**
 * Entries that one question may look at in vain, about 20 ms of a core; the answer says where to go on. More = a page that is
 * left open costs the node more, and whoever looks far back asks less often.
 */
const IN_VAIN_MAX = 5000;
/** Clocks are set back now and then: older entries are looked for so much further. */
const CLOCK_SLACK_MS = 3_600_000;

/** Entries of the log in `folder` that fit, newest first. Lines that are none are left out. */
export async function queryLog(folder: string, query: AuditQuery): Promise<AuditPage> {
  const { limit, before = Infinity, after = 0, since = -Infinity } = query;
  const entries: AuditEntry[] = [];
  let newest: number | undefined;
  let inVain = 0;
  for await (const entry of entriesBackward(folder, before, query.signal)) {
    newest ??= entry.seq;
    if (entry.seq <= after || entry.at < since - CLOCK_SLACK_MS) break;
    if (fits(entry, query)) entries.push(entry);
    else inVain += 1;
    if (entries.length < limit && inVain < IN_VAIN_MAX) continue;
    const isAll = entry.seq <= after + 1;
    return { entries, newest, ...(isAll ? {} : { next: entry.seq, lookedBackTo: entry.at }) };
  }
  return { entries, ...(newest === undefined ? {} : { newest }) };
}

/** Entries before one of them, newest first, over all segments. */
async function* entriesBackward(
  folder: string,
  before: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<AuditEntry> {
  const segments = (await listSegments(folder)).filter((segment) => segment.first < before);
  for (const [index, { path }] of segments.toReversed().entries()) {
    const isCut = index === 0 && before !== Infinity;
    const end = isCut ? await placeBefore(path, before) : Infinity;
    for await (const lines of readLinesBackward(path, end)) {
      signal?.throwIfAborted();
      for (const line of lines) {
        const entry = readEntry(line);
        if (typeof entry !== 'string' && entry.seq < before) yield entry;
      }
    }
  }
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
