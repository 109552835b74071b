/** Providers of models in the configuration, made into what the node asks; variables expanded. */
import { durationMs } from '../core/index.ts';
import type { Secret } from '../core/index.ts';
import { readEntry } from './servers/mcp-servers.ts';
import type { ReadServersInit } from './servers/mcp-servers.ts';
import type { WrittenModels, WrittenProvider } from './schema/models-schema.ts';
import type {
  MinuteLimits,
  ModelApi,
  ModelProvider,
  ModelTier,
  ModelsConfig,
} from './model-types.ts';

/** Where providers are that everybody knows by name. */
const ENDPOINTS: Readonly<Record<string, string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com/v1',
  google: 'https://generativelanguage.googleapis.com/v1beta',
  openrouter: 'https://openrouter.ai/api/v1',
  ollama: 'http://127.0.0.1:11434/v1',
};
/** Names and addresses of this machine and of private networks (RFC 1918, 4193, 3927, 6762). */
const EDGE =
  /^(localhost|[^.:]+|.+\.local|127\..+|10\..+|192\.168\..+|172\.(1[6-9]|2\d|3[01])\..+|169\.254\..+|\[(::1|f[cd].*|fe[89ab].*)\])$/i;
const VERSIONED = /\/v\d+[a-z]*\d*(?:\/|$)/;
const VERSION: Readonly<Record<ModelApi, string>> = {
  openai: 'v1',
  anthropic: 'v1',
  google: 'v1beta',
};
const GOOGLE = 'generativelanguage.googleapis.com';

/** The providers that are enabled, each read by itself: one that can't be used says why when it is asked. */
export function readModelProviders(
  providers: Readonly<Record<string, WrittenProvider>>,
  init: ReadServersInit,
): Readonly<Record<string, ModelProvider>> {
  return Object.fromEntries(
    Object.entries(providers)
      .filter(([, { enabled }]) => enabled)
      .map(([name, provider]) => [name, readProvider(name, provider, init)]),
  );
}

function readProvider(
  name: string,
  written: WrittenProvider,
  init: ReadServersInit,
): ModelProvider {
  const endpoint = written.endpoint ?? ENDPOINTS[name];
  const api = written.api ?? apiOf(name, endpoint);
  const { keyFrom, models, oauth, rotateAfter, timeout, tls, rate_limits: limits } = written;
  const [, keySecret] =
    /^secret:(.+)$/.exec(keyFrom ?? '') ??
    /^\$\{secret:([^}]+)\}$/.exec(oauth?.clientSecret ?? tls?.key ?? '') ??
    [];
  const base = {
    api,
    ...(keySecret === undefined ? {} : { keySecret }),
    ...(rotateAfter === undefined ? {} : { rotateAfterMs: durationMs(rotateAfter) }),
    ...(written.responses === undefined ? {} : { responses: written.responses }),
    models,
    timeoutMs: timeout,
    limits: minuteLimits(limits),
    tier: written.tier ?? tierOf(endpoint),
  };
  const key = `models.providers.${name}`;
  if (endpoint === undefined) {
    return { ...base, headers: {}, problems: [`${key}.endpoint: it is missing`] };
  }
  if (keyFrom !== undefined && oauth !== undefined) {
    return { ...base, headers: {}, problems: [`${key}.oauth: give it either this or keyFrom`] };
  }
  const headers = { ...written.headers, ...keyHeader(api, keyFrom) };
  const entry = {
    type: 'http',
    url: endpoint,
    headers,
    ...(oauth === undefined ? {} : { oauth }),
    ...(tls === undefined ? {} : { tls }),
  };
  const { server, problems } = readEntry(name, entry, init);
  const said = problems.map(({ key: at, text }) => {
    const part = at.startsWith(`mcpServers.${name}`) ? at.slice(`mcpServers.${name}`.length) : at;
    return `${key}${part.replace('.url', '.endpoint')}: ${text}`;
  });
  if (server?.type !== 'http') return { ...base, headers: {}, problems: said };
  const url = new URL(server.url);
  if (!VERSIONED.test(url.pathname)) {
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${VERSION[api]}`;
  }
  url.pathname = url.pathname.replace(/\/$/, '');
  url.hash = '';
  const { clientId = '', clientSecret, scopes = [], tokenUrl } = server.oauth ?? {};
  return {
    ...base,
    endpoint: url.href,
    headers: server.headers,
    ...(clientSecret === undefined || tokenUrl === undefined
      ? {}
      : { oauth: { clientId, clientSecret, scopes, tokenUrl } }),
    ...(server.tls === undefined ? {} : { tls: server.tls }),
    problems: said,
  };
}

/** The parts of `models` besides its providers. */
export function readModelRules({
  routes,
  prices,
  contexts,
  quotas,
  cache,
  sampling,
  transcripts,
}: WrittenModels): Omit<ModelsConfig, 'providers'> {
  return {
    routes,
    prices: mapped(
      prices,
      ({ batch, input, output, cached_input: cached, cache_write: write, image_input: image }) => ({
        input,
        output,
        ...(batch === undefined ? {} : { batch }),
        ...(cached === undefined ? {} : { cachedInput: cached }),
        ...(write === undefined ? {} : { cacheWrite: write }),
        ...(image === undefined ? {} : { imageInput: image }),
      }),
    ),
    contexts,
    quotas: mapped(quotas, minuteLimits),
    cache: { ttlMs: cache.ttl, bytes: cache.bytes },
    sampling,
    transcripts: mapped(transcripts, durationMs),
  };
}

function mapped<From, To>(
  given: Readonly<Record<string, From>>,
  make: (one: From) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(given).map(([name, one]) => [name, make(one)]));
}

function minuteLimits({
  requests_per_minute: requests,
  tokens_per_minute: tokens,
}: WrittenProvider['rate_limits']): MinuteLimits {
  return {
    ...(requests === undefined ? {} : { requestsPerMinute: requests }),
    ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
  };
}

/** On this machine and its network is the edge. */
function tierOf(endpoint: string | undefined): ModelTier {
  const host = endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint).hostname : '';
  return EDGE.test(host) ? 'edge' : 'central';
}

function apiOf(name: string, endpoint: string | undefined): ModelApi {
  const isUrl = endpoint !== undefined && URL.canParse(endpoint);
  const { hostname: host, pathname } = new URL(isUrl ? endpoint : 'http://nowhere');
  if (name === 'anthropic' || host === 'api.anthropic.com') return 'anthropic';
  // There Google answers like OpenAI.
  if (host === GOOGLE) return pathname.includes('/openai') ? 'openai' : 'google';
  return name === 'google' ? 'google' : 'openai';
}

/** The header by which the key is sent, with the key's place in it. */
function keyHeader(api: ModelApi, keyFrom: string | undefined): Readonly<Record<string, string>> {
  if (keyFrom === undefined) return {};
  const [kind, name = ''] = keyFrom.split(':', 2);
  const place = kind === 'env' ? `\${${name}}` : `\${secret:${name}}`;
  if (api === 'google') return { 'x-goog-api-key': place };
  return api === 'anthropic' ? { 'x-api-key': place } : { authorization: `Bearer ${place}` };
}

/** The providers with their secrets from `bind`. */
export function mapProviderSecrets(
  providers: Readonly<Record<string, ModelProvider>>,
  bind: (secret: Secret) => Secret,
): Readonly<Record<string, ModelProvider>> {
  return Object.fromEntries(
    Object.entries(providers).map(([name, provider]) => [
      name,
      {
        ...provider,
        headers: Object.fromEntries(
          Object.entries(provider.headers).map(([header, secret]) => [header, bind(secret)]),
        ),
        ...(provider.oauth === undefined
          ? {}
          : {
              oauth: { ...provider.oauth, clientSecret: bind(provider.oauth.clientSecret) },
            }),
        ...(provider.tls?.key === undefined
          ? {}
          : { tls: { ...provider.tls, key: bind(provider.tls.key) } }),
      },
    ]),
  );
}
