/** Language models in the configuration of a node: providers, routes, prices and bounds. */
import type { Secret } from '../core/index.ts';
import type { ClientTls } from './server-types.ts';

/** The API that a provider of models speaks. */
export type ModelApi = 'openai' | 'anthropic' | 'google';

/** How far a provider is, the nearest first. */
export const MODEL_TIERS = ['edge', 'regional', 'central'] as const;

/** See {@link MODEL_TIERS}. */
export type ModelTier = (typeof MODEL_TIERS)[number];

/** By what a route chooses which of its models is asked first. */
export const MODEL_STRATEGIES = [
  'cheapest',
  'fastest',
  'best',
  'balanced',
  'local-first',
  'escalate',
] as const;

/** See {@link MODEL_STRATEGIES}. */
export type ModelStrategy = (typeof MODEL_STRATEGIES)[number];

/** Several models behind one name. */
export interface ModelRoute {
  readonly models: readonly string[];
  readonly strategy: ModelStrategy;
  readonly fallbacks: readonly string[];
  /** How many answers of one model are compared, for the strategy `escalate`; 1: none. */
  readonly votes: number;
  /** An answer that is kept for one caller is given to the others as well. */
  readonly shared: boolean;
}

/** What a model costs, dollars for a million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  readonly cachedInput?: number;
  readonly cacheWrite?: number;
  /** Of tokens of pictures, where the provider tells them apart; default {@link input}. */
  readonly imageInput?: number;
  /** The share of these that a request in a batch costs, 0 to 1; default 1. */
  readonly batch?: number;
}

/** Requests and tokens of one minute; what is absent is not bounded. */
export interface MinuteLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** How we get an access token for a provider of models: by client credentials (RFC 6749 §4.4). */
export interface ProviderOAuth {
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** None: what the token endpoint gives by itself. */
  readonly scopes: readonly string[];
  /** The token endpoint: https, or http on loopback. */
  readonly tokenUrl: string;
}

/** A provider of models, as it is asked. */
export interface ModelProvider {
  readonly api: ModelApi;
  /** Its base URL, version included and without a slash at its end; absent when it can't be used. */
  readonly endpoint?: string;
  /** Headers of every request, the key's among them. Values may be secret: never print them. */
  readonly headers: Readonly<Record<string, Secret>>;
  /** How its access tokens are got, in place of a key; absent: it has none. */
  readonly oauth?: ProviderOAuth;
  /** Absent: no certificate is shown, and the system's authorities count. */
  readonly tls?: ClientTls;
  /** The secret of this node that is its key, its client's secret, or the key of its certificate; absent where there is none. */
  readonly keySecret?: string;
  /** A key that is older is a warning; absent: none is. */
  readonly rotateAfterMs?: number;
  /** Whether it speaks the Responses API too; absent: as its address says. */
  readonly responses?: boolean;
  /** The only models that are offered; none: all. */
  readonly models: readonly string[];
  /** What is sent to it at the most, a minute. */
  readonly limits: MinuteLimits;
  readonly tier: ModelTier;
  /** How long it may say nothing. */
  readonly timeoutMs: number;
  /** Why it can't be used, by key of the configuration; none when it can. */
  readonly problems: readonly string[];
}

/** Language models of a node. */
export interface ModelsConfig {
  readonly providers: Readonly<Record<string, ModelProvider>>;
  /** By name, which holds no `/`. */
  readonly routes: Readonly<Record<string, ModelRoute>>;
  /** By model, or by a pattern whose `*` is any characters. */
  readonly prices: Readonly<Record<string, ModelPrice>>;
  /** How many tokens fit into a model, by its name or a pattern. */
  readonly contexts: Readonly<Record<string, number>>;
  /** By caller: `operator`, `client:<name>`, `peer:<alias>`, or `*` for each other one. */
  readonly quotas: Readonly<Record<string, MinuteLimits>>;
  /** How long an answer is kept, 0 for not at all, and how many bytes of answers. */
  readonly cache: { readonly ttlMs: number; readonly bytes: number };
  /** Which route or model this node asks for a server, by its name (`files`, `@nas/files`), when the client that calls has none. */
  readonly sampling: Readonly<Record<string, string>>;
  /** For how long prompts and answers of models are kept, ms, by model or by a pattern; none: nothing is. */
  readonly transcripts: Readonly<Record<string, number>>;
}
