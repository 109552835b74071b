/**
 * Entries of the audit log that were found so far, and what further answers of the node add to them. The node looks back only
 * so far for one question, and is asked for what came since the last one. Pure, but for what it asks.
 */
import type { AuditQueryResult } from '../../builtin/results.ts';

/** Entries that are shown at most, however often one looks further back. */
export const ENTRIES_MAX = 1000;
/** Questions for what came since the last one: more came in seconds than anybody reads. */
const FRESH_QUESTIONS_MAX = 4;
/** Questions of one press: a person waits for them. */
const FURTHER_QUESTIONS_MAX = 20;

/** Asks `audit_query`. */
export type AskRecord = (args: Readonly<Record<string, unknown>>) => Promise<AuditQueryResult>;

/** What was found so far. */
export interface Found {
  /** Newest first. */
  readonly entries: AuditQueryResult['entries'];
  readonly names: Readonly<Record<string, string>>;
  /** The newest entry that was looked at; 0 where none was. */
  readonly newest: number;
  /** Where to look further back, and until when it was looked; absent where all was looked at. */
  readonly next?: number;
  readonly lookedBackTo?: number;
  /** Entries that are kept. */
  readonly most: number;
}

/** Nothing yet, of which `most` entries are to be kept. */
export function nothingFound(most: number): Found {
  return { entries: [], names: {}, newest: 0, most };
}

/**
 * What came since the newest entry that was looked at; the first time the newest ones that there are. `foundNow` is asked
 * once the answers are there: somebody may have looked further back meanwhile.
 */
export async function lookAgain(
  ask: AskRecord,
  foundNow: () => Found,
  shown: number,
): Promise<Found> {
  const { newest: after } = foundNow();
  if (after === 0) return withOlder(foundNow(), [await ask({ limit: shown })]);
  const pages: AuditQueryResult[] = [];
  let count = 0;
  let before: number | undefined;
  do {
    const from: Readonly<Record<string, number>> = before === undefined ? {} : { before };
    const page = await ask({ limit: shown, after, ...from });
    pages.push(page);
    count += page.entries.length;
    before = page.next;
  } while (before !== undefined && count < shown && pages.length < FRESH_QUESTIONS_MAX);
  const found = foundNow();
  // What did not fit into the answers stands between them and what was found before.
  return before === undefined ? merged(found, pages) : withOlder({ ...found, entries: [] }, pages);
}

/** Looks further back until something is found, or for as long as a person waits; tells of each step. */
export async function lookFurther(
  ask: AskRecord,
  foundNow: () => Found,
  shown: number,
  keep: (found: Found) => void,
): Promise<void> {
  for (let asked = 0; asked < FURTHER_QUESTIONS_MAX; asked += 1) {
    const { next } = foundNow();
    if (next === undefined) return;
    const page = await ask({ limit: shown, before: next });
    const found = foundNow();
    // Somebody else has looked there meanwhile, or what was found is something else now.
    if (found.next !== next) return;
    const most = Math.min(found.most + page.entries.length, ENTRIES_MAX);
    keep(withOlder({ ...found, most }, [page]));
    if (page.entries.length > 0) return;
  }
}

/** With answers that reach further back than what was found. */
function withOlder(found: Found, pages: readonly AuditQueryResult[]): Found {
  const { entries, names, newest, most } = found;
  const { next, lookedBackTo } = pages.at(-1) ?? found;
  return merged(
    {
      entries,
      names,
      newest,
      most,
      ...(next === undefined ? {} : { next }),
      ...(lookedBackTo === undefined ? {} : { lookedBackTo }),
    },
    pages,
  );
}

function merged(found: Found, pages: readonly AuditQueryResult[]): Found {
  const all = new Map(found.entries.map((entry) => [entry.seq, entry]));
  for (const { entries } of pages) for (const entry of entries) all.set(entry.seq, entry);
  const sorted = [...all.values()].toSorted((a, b) => b.seq - a.seq);
  const entries = sorted.slice(0, found.most);
  const oldest = sorted.length > entries.length ? entries.at(-1) : undefined;
  const names = [found, ...pages].flatMap((one) => Object.entries(one.names ?? {}));
  return {
    ...found,
    ...(oldest === undefined ? {} : { next: oldest.seq, lookedBackTo: oldest.at }),
    entries,
    names: Object.fromEntries(names),
    newest: Math.max(found.newest, ...pages.map(({ newest = 0 }) => newest)),
  };
}
