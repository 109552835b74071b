/** What a provider can do, as far as its API says so: a model or a server may do less, and says that when it is asked. Pure. */
import type { MinuteLimits, ModelApi } from '../../config/index.ts';
import type { ProviderCapabilities, ProviderRateLimits } from '../types.ts';

const OPENAI = 'api.openai.com';
const VERSION = /\/(v\d+[a-z]*\d*)(?:\/|$)/;

/** Whether an endpoint is OpenAI's own. */
export function isOpenAiAt(endpoint: string | undefined): boolean {
  return endpoint !== undefined && new URL(endpoint).hostname === OPENAI;
}

/** What whoever speaks `api` at `endpoint` can do. */
export function capabilitiesOf(api: ModelApi, endpoint: string | undefined): ProviderCapabilities {
  const chats = { completion: true, streaming: true, function_calling: true };
  if (api === 'anthropic') return { ...chats, embeddings: false, moderation: false };
  if (api === 'google') return { ...chats, embeddings: true, moderation: false };
  return { ...chats, embeddings: true, ...(isOpenAiAt(endpoint) ? { moderation: true } : {}) };
}

/** Which version of its API is spoken: `v1`; undefined where its address says none. */
export function versionOf(endpoint: string | undefined): string | undefined {
  return endpoint === undefined ? undefined : VERSION.exec(new URL(endpoint).pathname)?.[1];
}

/** Limits as the configuration writes them. */
export function rateLimitsOf({
  requestsPerMinute,
  tokensPerMinute,
}: MinuteLimits): ProviderRateLimits {
  return {
    ...(requestsPerMinute === undefined ? {} : { requests_per_minute: requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokens_per_minute: tokensPerMinute }),
  };
}
