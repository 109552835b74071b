/** A provider of models as people and programs see it, in the words of the Anonymous Identity framework's document: nothing of it is secret. Pure. */
import type { MinuteLimits, ModelApi, ModelProvider } from './model-types.ts';

const OPENAI = 'api.openai.com';
const VERSION = /\/(v\d+[a-z]*\d*)(?:\/|$)/;

/** By the words of the Anonymous Identity framework's document. */
interface ProviderCapabilities {
  readonly completion: boolean;
  readonly streaming: boolean;
  readonly function_calling: boolean;
  readonly embeddings: boolean;
  /** Absent where it is up to the server: few that are compatible with OpenAI have it. */
  readonly moderation?: boolean;
}

/** Requests and tokens a minute that this node sends at the most; what is absent is not bounded. */
interface ProviderRateLimits {
  readonly requests_per_minute?: number;
  readonly tokens_per_minute?: number;
}

/** One provider, as people see it. */
export interface ProviderView {
  /** Its name, as the document of the Anonymous Identity framework has both. */
  readonly id: string;
  readonly name: string;
  readonly api: string;
  /** Of its API: `v1`; absent where its address says none. */
  readonly version?: string;
  readonly endpoint?: string;
  readonly capabilities: ProviderCapabilities;
  /** Those that the configuration offers, by the provider's own names; none: all that it has. */
  readonly models: readonly string[];
  readonly rate_limits: ProviderRateLimits;
  readonly problems: readonly string[];
}

/** Whether an endpoint is OpenAI's own. */
export function isOpenAiAt(endpoint: string | undefined): boolean {
  return endpoint !== undefined && new URL(endpoint).hostname === OPENAI;
}

/** What whoever speaks `api` at `endpoint` can do, as far as its API says so: a model or a server may do less, and says that when it is asked. */
function capabilitiesOf(api: ModelApi, endpoint: string | undefined): ProviderCapabilities {
  const chats = { completion: true, streaming: true, function_calling: true };
  if (api === 'anthropic') return { ...chats, embeddings: false, moderation: false };
  if (api === 'google') return { ...chats, embeddings: true, moderation: false };
  return { ...chats, embeddings: true, ...(isOpenAiAt(endpoint) ? { moderation: true } : {}) };
}

/** Which version of its API is spoken: `v1`; undefined where its address says none. */
function versionOf(endpoint: string | undefined): string | undefined {
  return endpoint === undefined ? undefined : VERSION.exec(new URL(endpoint).pathname)?.[1];
}

/** Limits as the configuration writes them. */
function rateLimitsOf({ requestsPerMinute, tokensPerMinute }: MinuteLimits): ProviderRateLimits {
  return {
    ...(requestsPerMinute === undefined ? {} : { requests_per_minute: requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokens_per_minute: tokensPerMinute }),
  };
}

/** What of a configuration is shown. */
type Shown = Pick<ModelProvider, 'api' | 'endpoint' | 'limits' | 'models' | 'problems'>;

/** What is shown of the provider `name`. */
export function providerView(name: string, provider: Shown): ProviderView {
  const { api, endpoint, limits, models, problems } = provider;
  const version = versionOf(endpoint);
  return {
    id: name,
    name,
    api,
    ...(version === undefined ? {} : { version }),
    ...(endpoint === undefined ? {} : { endpoint }),
    capabilities: capabilitiesOf(api, endpoint),
    models,
    rate_limits: rateLimitsOf(limits),
    problems,
  };
}
