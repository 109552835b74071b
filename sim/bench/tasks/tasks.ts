/**
 * Tasks of real nodes: what becomes of a thousand durable ones under harm, how soon they are with a worker, and how
 * many are kept and done in a second beside what a store and a work queue of JetStream do on the same disk.
 */
import { atLeast, atMost, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { TasksSize } from '../size.ts';
import { runFaults } from './faults.ts';
import type { FaultsRow } from './faults.ts';
import { measureAwards, measureRates } from './speeds.ts';
import type { AwardFigures, RateFigures } from './speeds.ts';
import type { Pace } from './rate.ts';
import type { SubmitsRow } from './submits.ts';

/** What was measured; parts that were left out are absent. */
export interface TasksFigures {
  readonly faults?: readonly FaultsRow[];
  readonly awards?: AwardFigures;
  readonly rates?: RateFigures;
  readonly bars: readonly Bar[];
}

type Measured = Omit<TasksFigures, 'bars'>;

/** What is run, and who hears of it. */
export interface BenchTasksInit {
  /** Parts that are run: `faults`, `awards`, `rates`; none: all. */
  readonly only: readonly string[];
  /** Hears each table when it is there. */
  readonly print: (text: string) => void;
  /** Hears where the run is. */
  readonly progress: (line: string) => void;
}

/** Runs all parts, or those that are named. */
export async function benchTasks(
  size: TasksSize,
  { only, print, progress }: BenchTasksInit,
): Promise<TasksFigures> {
  const isWanted = (part: keyof Measured): boolean => only.length === 0 || only.includes(part);
  const rows: FaultsRow[] = [];
  if (isWanted('faults')) {
    for (let seed = size.first; seed < size.first + size.seeds; seed += 1) {
      rows.push(await runFaults({ size, seed, progress }));
    }
  }
  const isAwards = isWanted('awards') && size.awards > 0;
  if (isAwards) progress('how soon tasks are with a worker');
  const awards = isAwards ? await measureAwards(size) : undefined;
  const isRates = isWanted('rates') && size.submits > 0;
  if (isRates) progress('how many tasks are kept and done in a second');
  const rates = isRates ? await measureRates(size) : undefined;
  const measured: Measured = {
    ...(rows.length === 0 ? {} : { faults: rows }),
    ...(awards === undefined ? {} : { awards }),
    ...(rates === undefined ? {} : { rates }),
  };
  const bars = judge(measured);
  print(render(measured) + renderBars(bars));
  return { ...measured, bars };
}

function judge({ faults, awards, rates }: Measured): readonly Bar[] {
  const bars: Bar[] = [];
  if (faults !== undefined) {
    const sum = (pick: (row: FaultsRow) => number): number =>
      faults.reduce((all, row) => all + pick(row), 0);
    const acked = sum((row) => row.acked);
    bars.push(
      atLeast(
        `of ${acked} tasks, ended`,
        acked,
        sum((row) => row.done + row.failed),
      ),
      atMost(
        'lost',
        0,
        sum((row) => row.lost.length),
      ),
      atMost(
        'ended twice',
        0,
        sum((row) => row.twice.length),
      ),
      atMost(
        'results that no worker gave',
        0,
        sum((row) => row.unearned.length),
      ),
    );
  }
  if (awards !== undefined) {
    const { awardMs, rttMs, submitMs, afterKillMs, afterCutMs } = awards;
    bars.push(
      atMost('award over the submit, ms beyond 2 round trips', 2, awardMs - submitMs - 2 * rttMs),
      atMost('re-award after kill -9 of the worker, ms', 1000, afterKillMs),
      atMost('re-award after a silent cut, ms', 15_000, afterCutMs),
    );
  }
  if (rates !== undefined) {
    bars.push(
      ...submitBars(rates.submits),
      atLeast(
        'queued tasks/s, × JetStream that syncs before it acknowledges',
        0.5,
        rates.queue.perSecond / rates.jetstreamSynced,
      ),
    );
  }
  return bars;
}

/** By the program that holds them, as rows are written; of one caller, whose tasks share a sync with none. */
function submitBars(rows: readonly SubmitsRow[]): readonly Bar[] {
  const one = rows.find(({ callers }) => callers === 1);
  if (one === undefined) return [];
  const { library, writes } = one;
  const ratio = library.perSecond / writes.perSecond;
  return [atLeast('submits/s, 1 caller, × synced writes of the store', 0.5, ratio)];
}

function submitTable(rows: readonly SubmitsRow[]): string {
  const shown = ({ cpuUs, perSecond }: Pace, writes?: Pace): string[] => [
    perSecond.toFixed(0),
    ...(writes === undefined ? [] : [(perSecond / writes.perSecond).toFixed(2)]),
    cpuUs.toFixed(0),
  ];
  return table(
    [
      'callers',
      'writes/s',
      'µs',
      'recorded/s',
      '×',
      'µs',
      'submits/s',
      '×',
      'µs',
      'by socket/s',
      '×',
      'µs',
    ],
    rows.map(({ callers, least, library, socket, writes }) => [
      String(callers),
      ...shown(writes),
      ...shown(least, writes),
      ...shown(library, writes),
      ...shown(socket, writes),
    ]),
  );
}

function render({ faults = [], awards, rates }: Measured): string {
  const texts: string[] = [];
  if (faults.length > 0) {
    texts.push(
      table(
        ['seed', 'tasks', 'done', 'failed', 'again', 'kills', 'cuts', 'lost', 'twice', 's'],
        faults.map((row) =>
          [
            row.seed,
            row.acked,
            row.done,
            row.failed,
            row.again,
            row.kills,
            row.cuts,
            row.lost.length,
            row.twice.length,
            Math.round(row.tookMs / 1000),
          ].map(String),
        ),
      ),
    );
  }
  const others: string[][] = [];
  if (awards !== undefined) {
    others.push(['submit to worker, ms', awards.awardMs.toFixed(1)]);
    others.push(['submit alone, ms', awards.submitMs.toFixed(1)]);
    others.push(['a question to a peer, ms', awards.rttMs.toFixed(1)]);
    others.push(['kill -9 of the worker to the next, ms', awards.afterKillMs.toFixed(0)]);
    others.push(['silent cut to the next, ms', awards.afterCutMs.toFixed(0)]);
  }
  if (rates !== undefined) {
    texts.push(submitTable(rates.submits));
    others.push(['queued tasks done/s', rates.queue.perSecond.toFixed(0)]);
    others.push(['CPU of the node a task, µs', rates.queue.cpuUs.toFixed(0)]);
    others.push(['the same at a peer, done/s', rates.peerQueue.perSecond.toFixed(0)]);
    others.push(['CPU of both nodes a task, µs', rates.peerQueue.cpuUs.toFixed(0)]);
    others.push([
      'JetStream, on the disk before the ack, done/s',
      rates.jetstreamSynced.toFixed(0),
    ]);
    others.push(['JetStream as installed (sync every 2 min), done/s', rates.jetstream.toFixed(0)]);
  }
  if (others.length > 0) texts.push(table(['tasks', ''], others));
  return texts.join('');
}
