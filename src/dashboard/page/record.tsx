/** Entries of the audit log that fit a filter, as they come, and a button that looks further back. */
import { useRef, useState } from 'preact/hooks';
import type { AuditQueryResult } from '../../builtin/results.ts';
import { ENTRIES_MAX, lookAgain, lookFurther, nothingFound } from './found-entries.ts';
import type { AskRecord, Found } from './found-entries.ts';
import { noteFailure, useAnswers } from './live.ts';
import type { Live } from './live.ts';
import { ask } from './mcp.ts';
import { Command, Failure } from './parts.tsx';
import { clock, shellWord } from './words.ts';

/** Which entries are wanted, by the options of `starling audit query`; an empty text wants all. */
export type RecordFilter = Readonly<Record<'kind' | 'what' | 'who' | 'outcome', string>>;

/** What is on record, and how to look further back. */
export interface Recorded {
  readonly live: Live<Found>;
  readonly lookFurther: () => Promise<void>;
}

/** Entries that fit: the newest `shown` of them, and those that somebody looked further back for. */
export function useRecord(filter: RecordFilter, shown: number, everyMs: number): Recorded {
  const wanted = Object.fromEntries(Object.entries(filter).filter(([, word]) => word !== ''));
  const key = JSON.stringify(wanted);
  const kept = useRef<{ readonly key: string; readonly found: Found } | undefined>(undefined);
  const foundNow = (): Found =>
    kept.current?.key === key ? kept.current.found : nothingFound(shown);
  const keep = (found: Found): void => {
    kept.current = { key, found };
  };
  const askRecord: AskRecord = (args) =>
    ask<AuditQueryResult>('audit_query', { ...wanted, ...args });
  const live = useAnswers(
    key,
    async () => {
      const found = await lookAgain(askRecord, foundNow, shown);
      keep(found);
      return found;
    },
    everyMs,
  );
  return {
    live,
    async lookFurther() {
      await lookFurther(askRecord, foundNow, shown, keep);
      live.refresh();
    },
  };
}

/** How far back it was looked, and a button that looks further, with the command that does so. */
export function LookedBack({
  found: { lookedBackTo, next, entries },
  filter,
  lookFurther: further,
}: {
  found: Found;
  filter: RecordFilter;
  lookFurther: () => Promise<void>;
}) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  if (next === undefined || lookedBackTo === undefined) return undefined;
  const look = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      await further();
    } catch (failure) {
      if (!noteFailure(failure)) {
        setError(failure instanceof Error ? failure : new Error(String(failure)));
      }
    }
    setBusy(false);
  };
  return (
    <>
      <p class="hint">{`It was looked back to ${clock(lookedBackTo)}.`}</p>
      {error === undefined ? undefined : <Failure error={error} />}
      <div class="actions">
        {entries.length >= ENTRIES_MAX ? undefined : (
          <button
            type="button"
            disabled={isBusy}
            onClick={() => {
              look().catch(reportError);
            }}
          >
            {isBusy ? 'looking …' : 'Look further back'}
          </button>
        )}
        <Command line={commandOf(filter)} />
      </div>
    </>
  );
}

/** The command that looks for the same. */
function commandOf(filter: RecordFilter): string {
  const options = Object.entries(filter)
    .filter(([, word]) => word !== '')
    .map(([name, word]) => ` --${name} ${shellWord(word)}`);
  return `starling audit query${options.join('')}`;
}
