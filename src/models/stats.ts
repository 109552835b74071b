/** What went through, by model and caller: calls, tokens and times since the node was started. */
import type { Clock } from '../core/index.ts';
import type { ModelStats, Usage } from './types.ts';

/** Pairs of model and caller that are told apart; the one that was idle longest is forgotten. */
const ROWS_MAX = 2000;

/** One call under way. */
export interface Metered {
  /** The first byte of the answer is there. */
  begun(): void;
  used(usage: Usage): void;
  /** The call is over; later calls of this are ignored. */
  over(hasFailed: boolean): void;
}

/** The counts of a node. */
export interface Meter {
  start(model: string, caller: string): Metered;
  rows(): readonly ModelStats[];
}

interface Row {
  calls: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  hasEstimates: boolean;
  begun: number;
  firstByteMs: number;
  totalMs: number;
  readonly model: string;
  readonly caller: string;
}

/** Makes the counts, all at 0. */
export function createMeter(clock: Clock): Meter {
  const rows = new Map<string, Row>();
  return {
    start(model, caller) {
      const row = rowOf(rows, model, caller);
      const startedAt = clock.now();
      let firstAt: number | undefined;
      let isOver = false;
      return {
        begun() {
          firstAt ??= clock.now();
        },
        used({ input, output, isEstimated = false }) {
          row.inputTokens += input;
          row.outputTokens += output;
          row.hasEstimates ||= isEstimated;
        },
        over(hasFailed) {
          if (isOver) return;
          isOver = true;
          row.calls += 1;
          if (hasFailed) row.failed += 1;
          row.totalMs += clock.now() - startedAt;
          if (firstAt === undefined) return;
          row.begun += 1;
          row.firstByteMs += firstAt - startedAt;
        },
      };
    },
    rows: () =>
      [...rows.values()]
        .filter(({ calls }) => calls > 0)
        .map(({ begun, firstByteMs, totalMs, ...row }) => ({
          ...row,
          firstByteMs: begun === 0 ? 0 : Math.round(firstByteMs / begun),
          totalMs: Math.round(totalMs / row.calls),
        })),
  };
}

function rowOf(rows: Map<string, Row>, model: string, caller: string): Row {
  const key = `${caller} ${model}`;
  const row = rows.get(key) ?? {
    model,
    caller,
    calls: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    hasEstimates: false,
    begun: 0,
    firstByteMs: 0,
    totalMs: 0,
  };
  rows.delete(key);
  rows.set(key, row);
  if (rows.size > ROWS_MAX) {
    const oldest = rows.keys().next();
    if (oldest.done !== true) rows.delete(oldest.value);
  }
  return row;
}
