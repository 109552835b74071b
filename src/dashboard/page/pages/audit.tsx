/** Audit: what is on record, and whether the record holds. */
import { useState } from 'preact/hooks';
import type { AuditVerifyResult } from '../../../builtin/results.ts';
import { AUDIT_KINDS } from '../../../core/words/audit-words.ts';
import { EntryTable } from '../entries.tsx';
import { noteFailure, useSettled } from '../live.ts';
import { ask } from '../mcp.ts';
import { Answer, Badge, Card, Command, Failure, Nothing } from '../parts.tsx';
import { LookedBack, useRecord } from '../record.tsx';
import { counted } from '../words.ts';

const SHOWN = 100;
const LOOK_MS = 4000;

/** Whether the record holds, and the record itself, filtered by kind and by who did it. */
export function AuditPage() {
  const [kind, setKind] = useState('');
  const [who, setWho] = useState('');
  const asked = useSettled(who);
  const filter = { kind, what: '', who: asked, outcome: '' };
  const { live, lookFurther } = useRecord(filter, SHOWN, LOOK_MS);
  return (
    <>
      <Verify />
      <Card title="Record">
        <div class="filters">
          <label class="field">
            <span>kind</span>
            <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
              {['', ...AUDIT_KINDS].map((word) => (
                <option value={word} key={word}>
                  {word === '' ? 'any' : word}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>who</span>
            <input
              type="search"
              value={who}
              onInput={(event) => setWho(event.currentTarget.value)}
            />
          </label>
        </div>
        <Answer live={live}>
          {(found) => (
            <>
              {found.entries.length > 0 ? (
                <EntryTable
                  label="Entries, newest first"
                  entries={found.entries}
                  names={found.names}
                />
              ) : found.next === undefined ? (
                <Nothing>No such entry is on record.</Nothing>
              ) : (
                <Nothing>No such entry is among those that were looked at.</Nothing>
              )}
              <LookedBack found={found} filter={filter} lookFurther={lookFurther} />
            </>
          )}
        </Answer>
      </Card>
    </>
  );
}

/** Reads the whole record, and asks peers what they have seen of it. */
function Verify() {
  const [verdict, setVerdict] = useState<AuditVerifyResult>();
  const [error, setError] = useState<Error>();
  const [isBusy, setBusy] = useState(false);
  const verify = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      setVerdict(await ask<AuditVerifyResult>('audit_verify'));
    } catch (failure) {
      noteFailure(failure);
      setError(failure instanceof Error ? failure : new Error(String(failure)));
    }
    setBusy(false);
  };
  return (
    <Card title="Does the record hold?" aside={<Command line="starling audit verify" />}>
      {verdict === undefined ? undefined : (
        <p role="status">
          <Badge tone={verdict.ok ? 'good' : 'bad'}>
            {verdict.ok ? 'it holds' : 'it was changed'}
          </Badge>{' '}
          {counted(verdict.entries, 'entry', 'entries')},{' '}
          {counted(verdict.witnesses.filter(({ answered }) => answered).length, 'peer')} asked,{' '}
          {verdict.unsigned} at the end not signed yet
        </p>
      )}
      {verdict?.findings.map(({ text, segment, line }) => (
        <p key={`${segment}${line}`}>
          {text}{' '}
          <small>
            {segment} line {line}
          </small>
        </p>
      ))}
      {error === undefined ? undefined : <Failure error={error} />}
      <div class="actions">
        <button
          type="button"
          disabled={isBusy}
          onClick={() => {
            verify().catch(reportError);
          }}
        >
          {isBusy ? 'reading …' : 'Verify'}
        </button>
      </div>
    </Card>
  );
}
