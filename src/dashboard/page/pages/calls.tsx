/** Calls: what goes through the node now and in the last hour, and the calls that are on record. */
import { useState } from 'preact/hooks';
import type { RecentCalls } from '../../../metrics/index.ts';
import { Bars, Times } from '../chart.tsx';
import { EntryTable } from '../entries.tsx';
import { useLive, useSettled } from '../live.ts';
import { Answer, Card, Figure, Nothing } from '../parts.tsx';
import { LookedBack, useRecord } from '../record.tsx';
import { TryPanel } from '../try-tool.tsx';
import { count, latency } from '../words.ts';

const SHOWN = 60;
const LOOK_MS = 2000;

/** The last hour as bars, and the latest calls, filtered by what was called and how it ended. */
export function CallsPage() {
  const recent = useLive<RecentCalls>('calls_recent', {}, 5000);
  const [what, setWhat] = useState('');
  const [outcome, setOutcome] = useState('');
  const [tried, setTried] = useState<string>();
  const asked = useSettled(what);
  const filter = { kind: 'call', what: asked, who: '', outcome };
  const calls = useRecord(filter, SHOWN, LOOK_MS);
  return (
    <>
      <Answer live={recent}>{(data) => <Hour recent={data} />}</Answer>
      <Card title="Latest calls">
        <div class="filters">
          <label class="field">
            <span>tool or server</span>
            <input
              type="search"
              value={what}
              onInput={(event) => setWhat(event.currentTarget.value)}
            />
          </label>
          <label class="field">
            <span>how it ended</span>
            <select value={outcome} onChange={(event) => setOutcome(event.currentTarget.value)}>
              {['', 'ok', 'failed', 'cancelled', 'timeout'].map((word) => (
                <option value={word} key={word}>
                  {word === '' ? 'any' : word}
                </option>
              ))}
            </select>
          </label>
        </div>
        <Answer live={calls.live}>
          {(found) => (
            <>
              {found.entries.length > 0 ? (
                <EntryTable
                  label="Calls, newest first"
                  entries={found.entries}
                  names={found.names}
                  onTry={setTried}
                />
              ) : found.next === undefined ? (
                <Nothing command="starling call <tool>">No such call is on record.</Nothing>
              ) : (
                <Nothing>No such call is among those that were looked at.</Nothing>
              )}
              <LookedBack found={found} filter={filter} lookFurther={calls.lookFurther} />
            </>
          )}
        </Answer>
      </Card>
      {tried === undefined ? undefined : (
        <TryPanel name={tried} onClose={() => setTried(undefined)} />
      )}
    </>
  );
}

function Hour({ recent: { now, minutes } }: { recent: RecentCalls }) {
  const all = minutes.reduce((sum, { calls }) => sum + calls, 0);
  const bad = minutes.reduce((sum, { failed, refused }) => sum + failed + refused, 0);
  return (
    <>
      <dl class="figures">
        <Figure
          label="calls a second"
          value={now.perSecond.toFixed(1)}
          detail="in the last ten seconds"
        />
        <Figure label="half took up to" value={latency(now.p50Ms)} detail="of those" />
        <Figure label="99 of 100 took up to" value={latency(now.p99Ms)} detail="of those" />
        <Figure
          label="in the last hour"
          value={count(all)}
          detail={`${count(bad)} failed or refused`}
          tone={bad > 0 ? 'warn' : 'good'}
        />
      </dl>
      <div class="columns">
        <Card>
          <Bars
            label="Calls by minute"
            values={minutes.map(({ calls, failed, refused }) => ({
              all: calls,
              bad: failed + refused,
            }))}
          />
        </Card>
        <Card>
          <Times label="How long they took" values={minutes} />
        </Card>
      </div>
    </>
  );
}
