/** What a vendor's batches can be asked for, whichever vendor it is; each has a file of its own. */
import { StarlingError, createLineDecoder } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { parsedObject } from '../json-reading.ts';
import type { Provider, VendorRequest } from '../providers/provider.ts';

/** Largest answer about a batch, but for its results. */
const ABOUT_BYTES_MAX = 4 * 1024 * 1024;

/** A batch as it is sent. */
export interface OutgoingBatch {
  /** By which the vendor's batch is known to be ours: requests are called `<id>-<number>`. */
  readonly id: string;
  /** By the provider's own name, for errors. */
  readonly model: string;
  /** Where one such request would go, below the endpoint: `/chat/completions`. */
  readonly path: string;
  /** JSON each, in the provider's API. */
  readonly bodies: readonly string[];
}

/** A batch that may have been taken. */
export type SoughtBatch = Pick<OutgoingBatch, 'id' | 'model'> & {
  readonly requests: number;
  /** Batches of the vendor that are known to be others. */
  readonly others: ReadonlySet<string>;
};

/** How a batch is at the vendor. */
export type VendorState =
  | { readonly is: 'running' | 'cancelling' }
  | {
      readonly is: 'over';
      readonly outcome: 'completed' | 'expired' | 'cancelled' | 'failed';
      readonly reason?: string;
      /** Below the endpoint, where its results are. */
      readonly places: readonly string[];
    };

/** What became of one request at the vendor. */
export type VendorResult = { readonly customId: string } & (
  | { readonly is: 'answer'; readonly answer: JsonObject }
  /** As the vendor would have refused the request alone. */
  | { readonly is: 'refusal'; readonly status: number; readonly body: string }
  | { readonly is: 'expired' | 'cancelled' }
);

/** The batches of one vendor. All throw what {@link Provider.send} does. */
export interface VendorBatches {
  /** Brings the requests where the vendor wants them beforehand, which costs nothing; gives what it calls them, or ''. */
  upload(batch: OutgoingBatch, signal: AbortSignal): Promise<string>;
  /** Has the vendor take the batch; gives the vendor's id. To be called once for one batch. */
  create(batch: OutgoingBatch, upload: string, signal: AbortSignal): Promise<string>;
  /** Looks for a batch that may have been taken: its id; `later` where only time will tell. */
  find(
    batch: SoughtBatch,
    signal: AbortSignal,
  ): Promise<{ readonly id: string } | 'later' | 'none'>;
  look(vendorId: string, model: string, signal: AbortSignal): Promise<VendorState>;
  cancel(vendorId: string, model: string, signal: AbortSignal): Promise<void>;
  /** The results that stand at one of the places, as they come: hostile until they are looked at. */
  results(place: string, model: string, signal: AbortSignal): AsyncIterable<VendorResult>;
}

/** What a request about a batch hangs on. */
export interface AboutBatches {
  readonly provider: Provider;
  /** Longest line of results. */
  readonly lineBytes: number;
}

/** The answer to a request about a batch. @throws STARLING_MODEL_INVALID, and what {@link Provider.send} does */
export async function askVendor(
  { provider }: AboutBatches,
  request: Omit<VendorRequest, 'headers'> & Partial<Pick<VendorRequest, 'headers'>>,
): Promise<JsonObject> {
  const { body } = await provider.send({ headers: {}, ...request });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > ABOUT_BYTES_MAX) throw strange(provider, 'says more of a batch than can be');
    chunks.push(chunk);
  }
  const answer = parsedObject(Buffer.concat(chunks, sizeBytes).toString('utf8'));
  if (answer === undefined) throw strange(provider, 'says of a batch what is no JSON object');
  return answer;
}

/** Lines of JSON that stand at `path`; what is none is left out. @throws what {@link Provider.send} does */
export async function* linesAt(
  { lineBytes, provider }: AboutBatches,
  path: string,
  model: string,
  signal: AbortSignal,
): AsyncGenerator<JsonObject> {
  const { body } = await provider.send({ method: 'GET', path, model, headers: {}, signal });
  let found: JsonObject[] = [];
  const decoder = createLineDecoder(lineBytes, {
    line(bytes) {
      const line = parsedObject(bytes.toString('utf8'));
      if (line !== undefined) found.push(line);
    },
    // Whose answer it was says its beginning at the most: it counts as one that never came.
    oversize: () => undefined,
  });
  for await (const chunk of body) {
    decoder.push(chunk);
    yield* found;
    found = [];
  }
  decoder.end();
  yield* found;
}

/** An id as vendors give them: it goes into an address. @throws STARLING_MODEL_INVALID */
export function vendorIdIn(provider: Provider, value: unknown): string {
  if (typeof value === 'string' && /^[\w.-]{1,200}$/.test(value) && !/^\.+$/.test(value)) {
    return value;
  }
  throw strange(provider, 'names a batch, or what belongs to it, by no id');
}

function strange({ name }: Provider, what: string): StarlingError {
  return new StarlingError('STARLING_MODEL_INVALID', `provider ${name} ${what}`, {
    hint: `see that models.providers.${name}.endpoint is the base of its API`,
    data: { provider: name },
  });
}
