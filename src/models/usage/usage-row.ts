/** One row of the counts of models, as it stands on the disk: JSON, read with care. Pure. */
import { isCount } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import { parsedObject, textIn } from '../json-reading.ts';
import type { ModelQuality, ModelStats } from '../types.ts';

/** The form in which rows are written; those of before have names of models as resources have them. */
const VERSION = 2;

/** Counts of one model, caller and task. Times are sums, ms. */
export interface UsageRow {
  readonly model: string;
  readonly caller: string;
  readonly agent?: string;
  readonly onBehalfOf?: string;
  readonly task?: string;
  /** When the first of these calls ended, and the last one, ms since the epoch. */
  readonly since: number;
  lastAt: number;
  calls: number;
  failed: number;
  /** Calls of batches, whose time is not counted. */
  batched: number;
  cacheHits: number;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  costMicroUsd: number;
  hasEstimates: boolean;
  /** Nobody knew the price of at least one call, which counts as the dearest. */
  hasGuessedPrices: boolean;
  /** Calls of which the first byte came. */
  begun: number;
  firstByteMs: number;
  totalMs: number;
  /** Answers that were checked, that stood in a vote, and that were graded; of the grades the sum, 0 to 1 each. */
  checked: number;
  passed: number;
  voted: number;
  agreed: number;
  graded: number;
  gradeSum: number;
}

/** A new row of those, with nothing in it. */
export function emptyRow(
  about: Pick<UsageRow, 'model' | 'caller' | 'agent' | 'onBehalfOf' | 'task'>,
  now: number,
): UsageRow {
  return {
    ...about,
    since: now,
    lastAt: now,
    calls: 0,
    failed: 0,
    batched: 0,
    cacheHits: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedInputTokens: 0,
    costMicroUsd: 0,
    hasEstimates: false,
    hasGuessedPrices: false,
    begun: 0,
    firstByteMs: 0,
    totalMs: 0,
    checked: 0,
    passed: 0,
    voted: 0,
    agreed: 0,
    graded: 0,
    gradeSum: 0,
  };
}

const SUMS = [
  'calls',
  'failed',
  'batched',
  'cacheHits',
  'inputTokens',
  'outputTokens',
  'cachedInputTokens',
  'costMicroUsd',
  'begun',
  'firstByteMs',
  'totalMs',
  'checked',
  'passed',
  'voted',
  'agreed',
  'graded',
  'gradeSum',
] as const satisfies readonly (keyof UsageRow)[];

/** The row with what another one counted. */
export function withCounts(row: UsageRow, other: UsageRow): UsageRow {
  const sums = Object.fromEntries(SUMS.map((key) => [key, row[key] + other[key]]));
  return {
    ...row,
    ...sums,
    since: Math.min(row.since, other.since),
    lastAt: Math.max(row.lastAt, other.lastAt),
    hasEstimates: row.hasEstimates || other.hasEstimates,
    hasGuessedPrices: row.hasGuessedPrices || other.hasGuessedPrices,
  };
}

/** The row as people see it. */
export function statsOf(row: UsageRow): ModelStats {
  const { batched, begun, firstByteMs, totalMs, hasGuessedPrices, ...rest } = row;
  const timed = row.calls - batched;
  const { checked, passed, voted, agreed, graded, gradeSum, ...counts } = rest;
  const quality: ModelQuality = {
    ...(checked === 0 ? {} : { checks: { passed, of: checked } }),
    ...(voted === 0 ? {} : { votes: { agreed, of: voted } }),
    ...(graded === 0 ? {} : { grades: { mean: gradeSum / graded, of: graded } }),
  };
  return {
    ...counts,
    ...(batched === 0 ? {} : { batched }),
    ...(hasGuessedPrices ? { hasGuessedPrices } : {}),
    firstByteMs: begun === 0 ? 0 : Math.round(firstByteMs / begun),
    totalMs: timed <= 0 ? 0 : Math.round(totalMs / timed),
    ...(Object.keys(quality).length === 0 ? {} : { quality }),
  };
}

/** The row as it is written. */
export function rowBytes(row: UsageRow): Buffer {
  return Buffer.from(JSON.stringify({ ...row, v: VERSION }));
}

/** The row that stands there; undefined for what is none. */
export function readRow(bytes: Uint8Array): UsageRow | undefined {
  const read = parsedObject(Buffer.from(bytes).toString('utf8'));
  if (read === undefined || textIn(read['model']) === '') return undefined;
  const count = (value: Json | undefined): number => (isCount(value) ? value : 0);
  const isOld = read['v'] !== VERSION;
  const model = textIn(read['model']);
  const caller = textIn(read['caller']);
  const gradeSum = read['gradeSum'];
  const name = (key: 'agent' | 'onBehalfOf' | 'task'): object => {
    const text = textIn(read[key]);
    return text === '' ? {} : { [key]: text };
  };
  return {
    model: isOld ? decoded(model) : model,
    caller: isOld ? caller.replace(/^the client agent:/, 'the agent ') : caller,
    ...name('agent'),
    ...name('onBehalfOf'),
    ...name('task'),
    since: count(read['since']),
    lastAt: count(read['lastAt']),
    calls: count(read['calls']),
    failed: count(read['failed']),
    batched: count(read['batched']),
    cacheHits: count(read['cacheHits']),
    inputTokens: count(read['inputTokens']),
    outputTokens: count(read['outputTokens']),
    cachedInputTokens: count(read['cachedInputTokens']),
    costMicroUsd: count(read['costMicroUsd']),
    hasEstimates: read['hasEstimates'] === true,
    begun: count(read['begun']),
    firstByteMs: count(read['firstByteMs']),
    totalMs: count(read['totalMs']),
    hasGuessedPrices: read['hasGuessedPrices'] === true,
    checked: count(read['checked']),
    passed: count(read['passed']),
    voted: count(read['voted']),
    agreed: count(read['agreed']),
    graded: count(read['graded']),
    gradeSum: typeof gradeSum === 'number' && gradeSum >= 0 ? gradeSum : 0,
  };
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // It was none that a resource can have.
    return name;
  }
}
