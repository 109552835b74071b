/** Brings the results of a batch that is over at its vendor onto the disk, and adds up what they did cost. */
import type { Clock } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import type { Provider } from '../providers/provider.ts';
import type { BatchAnswer, Usage } from '../types.ts';
import type { BatchRow, BatchRows } from './batch-rows.ts';
import { ANSWERS_BYTES_MAX, ROWS_AT_ONCE } from './limits.ts';
import { readResult, resultLess, withoutRoom } from './read-result.ts';
import type { ReadResult, ReadingResults } from './read-result.ts';
import type { VendorBatches, VendorState } from './vendor-batches.ts';

/** What was brought. */
export interface Collected {
  readonly answered: number;
  readonly cost: Cost;
  /** What each request took. */
  readonly usages: readonly {
    readonly usage?: Usage;
    readonly costMicroUsd: number;
    readonly hasFailed: boolean;
  }[];
}

/** What is collected, and from whom. */
export interface CollectInit {
  readonly row: BatchRow;
  readonly state: VendorState & { readonly is: 'over' };
  readonly provider: Provider;
  readonly vendor: VendorBatches;
  readonly answerBytes: number;
}

/**
 * Collects: may be done again where it breaks off, and writes the same then. Of two results for one request the first counts,
 * and one for no request not at all. @throws what the vendor's results break off with
 */
export async function collect(
  { clock, rows }: { readonly clock: Clock; readonly rows: BatchRows },
  { answerBytes, provider, row, state, vendor }: CollectInit,
  signal: AbortSignal,
): Promise<Collected> {
  const { form, id, model, price } = row;
  const reading: ReadingResults = { provider, model, form, price, clock, answerBytes };
  const requests = new Map(await rows.requests(id));
  const gathered = new Gathered(id, rows, answerBytes);
  for (const place of state.places) {
    for await (const result of vendor.results(place, model, signal)) {
      const at = numberOf(result.customId, id);
      const request = at === undefined ? undefined : requests.get(at);
      if (at === undefined || request === undefined) continue;
      requests.delete(at);
      await gathered.add(at, readResult(reading, request, result));
    }
  }
  for (const [at, request] of requests) await gathered.add(at, resultLess(request, state.outcome));
  return gathered.end();
}

class Gathered {
  readonly #id: string;
  readonly #rows: BatchRows;
  readonly #answerBytes: number;
  readonly #usages: Collected['usages'][number][] = [];
  #pending = new Map<number, BatchAnswer>();
  #sizeBytes = 0;
  #answered = 0;
  #cost = { tokens: 0, usd: 0, calls: 0 };

  constructor(id: string, rows: BatchRows, answerBytes: number) {
    this.#id = id;
    this.#rows = rows;
    this.#answerBytes = answerBytes;
  }

  async add(at: number, result: ReadResult): Promise<void> {
    const sizeBytes = Buffer.byteLength(JSON.stringify(result.answer));
    const isRoom = this.#sizeBytes + sizeBytes <= ANSWERS_BYTES_MAX;
    const { answer, cost, usage } = isRoom ? result : withoutRoom(result, this.#answerBytes);
    if (isRoom) this.#sizeBytes += sizeBytes;
    const hasFailed = answer.error !== undefined;
    if (!hasFailed) this.#answered += 1;
    const { tokens = 0, usd = 0, calls = 0 } = cost;
    this.#cost = {
      tokens: this.#cost.tokens + tokens,
      usd: this.#cost.usd + usd,
      calls: this.#cost.calls + calls,
    };
    this.#usages.push({ costMicroUsd: usd, hasFailed, ...(usage === undefined ? {} : { usage }) });
    this.#pending.set(at, answer);
    if (this.#pending.size >= ROWS_AT_ONCE) await this.#flush();
  }

  async end(): Promise<Collected> {
    await this.#flush();
    return { answered: this.#answered, cost: this.#cost, usages: this.#usages };
  }

  async #flush(): Promise<void> {
    await this.#rows.addAnswers(this.#id, this.#pending);
    this.#pending = new Map();
  }
}

/** The number of a request by the name under which it was sent. */
function numberOf(customId: string, id: string): number | undefined {
  const [, digits = ''] = customId.startsWith(`${id}-`)
    ? (/^(\d{1,6})$/.exec(customId.slice(id.length + 1)) ?? [])
    : [];
  return digits === '' ? undefined : Number(digits);
}
