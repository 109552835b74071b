/** Which vendor's batches a provider has. */
import { StarlingError } from '../../core/index.ts';
import type { Provider } from '../providers/provider.ts';
import { createAnthropicBatches } from './anthropic-batches.ts';
import { createOpenAiBatches } from './openai-batches.ts';
import type { AboutBatches, VendorBatches } from './vendor-batches.ts';

/** The batches of a provider. @throws STARLING_MODEL_UNSUPPORTED where this node knows none of its API */
export function vendorBatches(about: AboutBatches): VendorBatches {
  const { provider } = about;
  if (provider.api === 'anthropic') return createAnthropicBatches(about);
  if (provider.api === 'openai') return createOpenAiBatches(about);
  throw noBatches(provider);
}

/** What somebody says who has no such address. */
const NOWHERE: readonly number[] = [404, 405, 501];

/** The same error, or that the provider has no batches, where that is what it says. */
export function toldOfBatches(provider: Provider, error: unknown): unknown {
  const status = error instanceof StarlingError ? error.data['status'] : undefined;
  return typeof status === 'number' && NOWHERE.includes(status) ? noBatches(provider) : error;
}

/** Nobody makes single calls of a batch, which would cost twice as much. */
export function noBatches({ name }: Provider): StarlingError {
  return new StarlingError('STARLING_MODEL_UNSUPPORTED', `provider ${name} has no batches`, {
    hint: 'choose a model of a provider that has them: OpenAI, Anthropic, and what has their batch API',
    data: { provider: name },
  });
}
