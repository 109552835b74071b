/**
 * Batches of OpenAI and of what is compatible with it: a file of requests, a batch of that file, and files of results
 * (`/files`, `/batches`; platform.openai.com/docs/api-reference/batch).
 */
import type { Json, JsonObject } from '../../core/index.ts';
import { listIn, objectIn, textIn } from '../json-reading.ts';
import { askVendor, linesAt, vendorIdIn } from './vendor-batches.ts';
import type {
  AboutBatches,
  OutgoingBatch,
  VendorBatches,
  VendorResult,
  VendorState,
} from './vendor-batches.ts';

/** The key of the metadata by which a batch is known to be ours. */
const MARK = 'starling_batch';
const LIST = 100;
/** Pages of the vendor's list, the newest batches first. */
const PAGES_MAX = 10;
const REASONS_MAX = 3;
const ENDS: Readonly<Record<string, 'expired' | 'cancelled'>> = {
  batch_expired: 'expired',
  batch_cancelled: 'cancelled',
};

/** Makes the batches of one provider; nobody is asked before one of them is. */
export function createOpenAiBatches(about: AboutBatches): VendorBatches {
  const { provider } = about;
  return {
    async upload(batch, signal) {
      const { body, type } = formOf(batch);
      const headers = { 'content-type': type };
      const { model } = batch;
      const file = await askVendor(about, { path: '/files', model, body, headers, signal });
      return vendorIdIn(provider, file['id']);
    },
    async create({ id, model, path }, upload, signal) {
      const asked = {
        input_file_id: upload,
        endpoint: `/v1${path}`,
        completion_window: '24h',
        metadata: { [MARK]: id },
      };
      const body = Buffer.from(JSON.stringify(asked));
      const made = await askVendor(about, { path: '/batches', model, body, signal });
      return vendorIdIn(provider, made['id']);
    },
    async find({ id, model }, signal) {
      let after = '';
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const path = `/batches?limit=${LIST}${after === '' ? '' : `&after=${after}`}`;
        const listed = await askVendor(about, { method: 'GET', path, model, signal });
        const all = listIn(listed['data']).map(objectIn);
        const ours = all.find(({ metadata }) => objectIn(metadata)[MARK] === id);
        if (ours !== undefined) return { id: vendorIdIn(provider, ours['id']) };
        const last = all.at(-1);
        if (listed['has_more'] !== true || last === undefined) return 'none';
        after = vendorIdIn(provider, last['id']);
      }
      return 'none';
    },
    async look(vendorId, model, signal) {
      const path = `/batches/${vendorId}`;
      return stateIn(about, await askVendor(about, { method: 'GET', path, model, signal }));
    },
    async cancel(vendorId, model, signal) {
      const path = `/batches/${vendorId}/cancel`;
      await askVendor(about, { path, model, body: Buffer.from('{}'), signal });
    },
    async *results(place, model, signal) {
      for await (const line of linesAt(about, place, model, signal)) yield resultIn(line);
    },
  };
}

function stateIn({ provider }: AboutBatches, batch: JsonObject): VendorState {
  const status = textIn(batch['status']);
  if (status === 'cancelling') return { is: 'cancelling' };
  const outcome = (['completed', 'expired', 'cancelled', 'failed'] as const).find(
    (one) => one === status,
  );
  if (outcome === undefined) return { is: 'running' };
  const files = [batch['output_file_id'], batch['error_file_id']].filter(isThere);
  const places = files.map((file) => `/files/${vendorIdIn(provider, file)}/content`);
  const reason = listIn(objectIn(batch['errors'])['data'])
    .slice(0, REASONS_MAX)
    .map((one) => textIn(objectIn(one)['message']))
    .join('; ');
  return { is: 'over', outcome, places, ...(reason === '' ? {} : { reason }) };
}

function isThere(file: Json | undefined): boolean {
  return file !== undefined && file !== null && file !== '';
}

function resultIn(line: JsonObject): VendorResult {
  const customId = textIn(line['custom_id']);
  const error = objectIn(line['error']);
  const end = ENDS[textIn(error['code'])];
  if (end !== undefined) return { customId, is: end };
  const { body, status_code: told } = objectIn(line['response']);
  if (told === 200) return { customId, is: 'answer', answer: objectIn(body) };
  const status = typeof told === 'number' && told >= 300 && told < 600 ? told : 500;
  const said = Object.keys(error).length === 0 ? (body ?? {}) : { error };
  return { customId, is: 'refusal', status, body: JSON.stringify(said) };
}

/** The file of requests as `multipart/form-data` (RFC 7578). */
function formOf({ bodies, id, path }: OutgoingBatch): {
  readonly body: Buffer;
  readonly type: string;
} {
  const lines = bodies.map(
    (body, at) => `{"custom_id":"${id}-${at}","method":"POST","url":"/v1${path}","body":${body}}\n`,
  );
  // An id is random, so that no request has it on a line of its own.
  const boundary = `starling-${id}`;
  const part = (disposition: string, text: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; ${disposition}\r\n${text}\r\n`;
  const text = [
    part('name="purpose"', '\r\nbatch'),
    part(
      `name="file"; filename="${id}.jsonl"`,
      `content-type: application/jsonl\r\n\r\n${lines.join('')}`,
    ),
    `--${boundary}--\r\n`,
  ].join('');
  return { body: Buffer.from(text), type: `multipart/form-data; boundary=${boundary}` };
}
