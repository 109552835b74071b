/**
 * Counts calls as they end: how many of each kind, and how long they took. Plain arrays with a place for each series, so
 * that a call costs no look-up by text and no memory.
 */
import type { CallMeter, CallOutcome } from '../gateway/index.ts';
import { CALL_KINDS, CALL_OUTCOMES, CALL_PLACES, SECONDS } from './names.ts';

/** One series: its labels, and its value now. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a histogram: the name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** The counts since the start. */
export interface CallCounts extends CallMeter {
  ended(method: string, isPeers: boolean, outcome: CallOutcome, ms: number): void;
  /** How many have ended, by kind, place and outcome. */
  totals(): Sample[];
  /** The classes of times, with the sum and the number, as Prometheus has histograms. */
  times(name: string): Sample[];
}

const KIND_OF: Readonly<Record<string, number>> = {
  'tools/call': 0,
  'resources/read': 1,
  'prompts/get': 2,
};
const CLASSES = SECONDS.length;

/** Makes the counts, all at 0. */
export function createCallCounts(): CallCounts {
  const pairs = CALL_KINDS.length * CALL_PLACES.length;
  const totals = new Float64Array(pairs * CALL_OUTCOMES.length);
  const classes = new Float64Array(pairs * (CLASSES + 1));
  const sums = new Float64Array(pairs);
  return {
    ended(method, isPeers, outcome, ms) {
      const kind = KIND_OF[method] ?? CALL_KINDS.length - 1;
      const pair = kind * CALL_PLACES.length + (isPeers ? 1 : 0);
      add(totals, pair * CALL_OUTCOMES.length + CALL_OUTCOMES.indexOf(outcome), 1);
      const seconds = ms / 1000;
      let place = 0;
      while (place < CLASSES && seconds > (SECONDS[place] ?? 0)) place += 1;
      add(classes, pair * (CLASSES + 1) + place, 1);
      add(sums, pair, seconds);
    },
    totals: () =>
      [...pairLabels()].flatMap((labels, pair) =>
        CALL_OUTCOMES.map((outcome, index) => ({
          labels: { ...labels, outcome },
          value: totals[pair * CALL_OUTCOMES.length + index] ?? 0,
        })),
      ),
    times: (name) =>
      [...pairLabels()].flatMap((labels, pair) => {
        const begin = pair * (CLASSES + 1);
        let count = 0;
        const buckets = [...SECONDS, '+Inf'].map((le, index): Sample => {
          count += classes[begin + index] ?? 0;
          return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
        });
        return [
          ...buckets,
          { metricName: `${name}_sum`, labels, value: sums[pair] ?? 0 },
          { metricName: `${name}_count`, labels, value: count },
        ];
      }),
  };
}

function* pairLabels(): Generator<Readonly<Record<string, string>>> {
  for (const kind of CALL_KINDS) for (const place of CALL_PLACES) yield { kind, place };
}

function add(into: Float64Array, place: number, much: number): void {
  into[place] = (into[place] ?? 0) + much;
}
