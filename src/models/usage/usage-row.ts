/** One row of the counts of models, as it stands on the disk: JSON, read with care. Pure. */
import { isCount } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import { parsedObject, textIn } from '../json-reading.ts';

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
  cacheHits: number;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  costMicroUsd: number;
  hasEstimates: boolean;
  /** Calls of which the first byte came. */
  begun: number;
  firstByteMs: number;
  totalMs: number;
}

/** The row as it is written. */
export function rowBytes(row: UsageRow): Buffer {
  return Buffer.from(JSON.stringify(row));
}

/** The row that stands there; undefined for what is none. */
export function readRow(bytes: Uint8Array): UsageRow | undefined {
  const read = parsedObject(Buffer.from(bytes).toString('utf8'));
  if (read === undefined || textIn(read['model']) === '') return undefined;
  const count = (value: Json | undefined): number => (isCount(value) ? value : 0);
  const name = (key: 'agent' | 'onBehalfOf' | 'task'): object => {
    const text = textIn(read[key]);
    return text === '' ? {} : { [key]: text };
  };
  return {
    model: textIn(read['model']),
    caller: textIn(read['caller']),
    ...name('agent'),
    ...name('onBehalfOf'),
    ...name('task'),
    since: count(read['since']),
    lastAt: count(read['lastAt']),
    calls: count(read['calls']),
    failed: count(read['failed']),
    cacheHits: count(read['cacheHits']),
    inputTokens: count(read['inputTokens']),
    outputTokens: count(read['outputTokens']),
    cachedInputTokens: count(read['cachedInputTokens']),
    costMicroUsd: count(read['costMicroUsd']),
    hasEstimates: read['hasEstimates'] === true,
    begun: count(read['begun']),
    firstByteMs: count(read['firstByteMs']),
    totalMs: count(read['totalMs']),
  };
}
