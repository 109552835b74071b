/**
 * Message Batches of Anthropic: requests in one body, results as lines of JSON
 * (`/messages/batches`; platform.claude.com/docs/en/build-with-claude/batch-processing).
 */
import type { JsonObject } from '../../core/index.ts';
import { countIn, listIn, objectIn, textIn } from '../json-reading.ts';
import { askVendor, linesAt, vendorIdIn } from './vendor-batches.ts';
import type {
  AboutBatches,
  SoughtBatch,
  VendorBatches,
  VendorResult,
  VendorState,
} from './vendor-batches.ts';

const PATH = '/messages/batches';
const LIST = 100;
/** Pages of the vendor's list, the newest batches first. */
const PAGES_MAX = 5;
/** Batches into whose results is looked, for whose they are. */
const CANDIDATES_MAX = 50;
/** The HTTP status that an error of this type has where a request is made alone. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** Makes the batches of one provider; nobody is asked before one of them is. */
export function createAnthropicBatches(about: AboutBatches): VendorBatches {
  const { provider } = about;
  return {
    upload: async () => '',
    async create({ bodies, id, model }, _, signal) {
      const requests = bodies.map((body, at) => `{"custom_id":"${id}-${at}","params":${body}}`);
      const body = Buffer.from(`{"requests":[${requests.join(',')}]}`);
      const made = await askVendor(about, { path: PATH, model, body, signal });
      return vendorIdIn(provider, made['id']);
    },
    find: (batch, signal) => find(about, batch, signal),
    async look(vendorId, model, signal) {
      const path = `${PATH}/${vendorId}`;
      return stateIn(vendorId, await askVendor(about, { method: 'GET', path, model, signal }));
    },
    async cancel(vendorId, model, signal) {
      const path = `${PATH}/${vendorId}/cancel`;
      await askVendor(about, { path, model, body: Buffer.from('{}'), signal });
    },
    async *results(place, model, signal) {
      for await (const line of linesAt(about, place, model, signal)) yield resultIn(line);
    },
  };
}

/** Such a batch bears no mark but the names of its requests, and those are told with the results alone. */
async function find(
  about: AboutBatches,
  { id, model, others, requests }: SoughtBatch,
  signal: AbortSignal,
): ReturnType<VendorBatches['find']> {
  const candidates: JsonObject[] = [];
  let after = '';
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const path = `${PATH}?limit=${LIST}${after === '' ? '' : `&after_id=${after}`}`;
    const listed = await askVendor(about, { method: 'GET', path, model, signal });
    const all = listIn(listed['data']).map(objectIn);
    candidates.push(
      ...all.filter((one) => requestsIn(one) === requests && !others.has(textIn(one['id']))),
    );
    const last = all.at(-1);
    if (listed['has_more'] !== true || last === undefined) break;
    after = vendorIdIn(about.provider, last['id']);
  }
  let isUnsure = candidates.length > CANDIDATES_MAX;
  for (const one of candidates.slice(0, CANDIDATES_MAX)) {
    const vendorId = vendorIdIn(about.provider, one['id']);
    if (stateIn(vendorId, one).is !== 'over') isUnsure = true;
    else if (one['archived_at'] === undefined || one['archived_at'] === null) {
      const first = await firstOf(linesAt(about, `${PATH}/${vendorId}/results`, model, signal));
      if (textIn(first?.['custom_id']).startsWith(`${id}-`)) return { id: vendorId };
    }
  }
  return isUnsure ? 'later' : 'none';
}

async function firstOf(lines: AsyncIterable<JsonObject>): Promise<JsonObject | undefined> {
  for await (const line of lines) return line;
  return undefined;
}

function requestsIn({ request_counts: counts }: JsonObject): number {
  return Object.values(objectIn(counts)).reduce((sum: number, one) => sum + countIn(one), 0);
}

function stateIn(vendorId: string, batch: JsonObject): VendorState {
  const status = textIn(batch['processing_status']);
  if (status === 'canceling') return { is: 'cancelling' };
  if (status !== 'ended') return { is: 'running' };
  const { canceled, expired } = objectIn(batch['request_counts']);
  const isPart = countIn(expired) > 0 ? 'expired' : 'cancelled';
  const isWhole = countIn(expired) === 0 && countIn(canceled) === 0;
  return {
    is: 'over',
    outcome: isWhole ? 'completed' : isPart,
    // The address that the vendor names is not gone to: this one is below the endpoint.
    places: [`${PATH}/${vendorId}/results`],
  };
}

function resultIn(line: JsonObject): VendorResult {
  const customId = textIn(line['custom_id']);
  const { error, message, type } = objectIn(line['result']);
  if (type === 'succeeded') return { customId, is: 'answer', answer: objectIn(message) };
  if (type === 'expired') return { customId, is: 'expired' };
  if (type === 'canceled') return { customId, is: 'cancelled' };
  const told = objectIn(error);
  const inner = told['error'] === undefined ? told : objectIn(told['error']);
  const status = STATUSES[textIn(inner['type'])] ?? 500;
  return { customId, is: 'refusal', status, body: JSON.stringify({ error: inner }) };
}
