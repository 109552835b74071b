/** The schema of `models` in the configuration: which language models this node offers, and where they are. */
import { z } from 'zod';
import { clientTlsSchema } from './client-tls-schema.ts';
import { DURATION, OAUTH_SCOPE, count, flag, text } from './forms.ts';
import { MODEL_STRATEGIES, MODEL_TIERS } from '../model-types.ts';

const DAY_MS = 86_400_000;
/** A provider is the first part of a model's name, so it holds no `/`. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const KEY_FROM = /^(?:secret|env):[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const MODELS_MAX = 1000;
const ROUTE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ROUTE_MODELS_MAX = 32;
/** A server as grants name it: `files`, of a peer `@nas/files`. */
const SERVER = /^(?:@[^\s/@]{1,128}\/)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

const providerOAuthSchema = z
  .strictObject({
    grant: z
      .literal('client_credentials', { error: 'client_credentials' })
      .default('client_credentials')
      .describe('How the token is got: client_credentials, which asks no person.'),
    clientId: z.string().min(1).max(1024).describe('Id of the client.'),
    clientSecret: z
      .string()
      .min(1)
      .max(8192)
      .describe('Secret of the client, best as ${secret:NAME} or ${VARIABLE}.'),
    tokenUrl: z
      .string()
      .min(1)
      .max(2048)
      .describe('Token endpoint, an https:// URL: it alone gets the secret of the client.'),
    scopes: z
      .array(text(OAUTH_SCOPE, 'a scope without spaces'))
      .max(64)
      .default([])
      .describe('Scopes to ask for; none: what the token endpoint gives by itself.'),
  })
  .describe(
    'Access tokens by OAuth client credentials in place of a key, sent as Authorization: Bearer.',
  );

const providerSchema = z
  .strictObject({
    enabled: flag.default(true).describe('False: the provider is left alone.'),
    api: z
      .enum(['openai', 'anthropic', 'google'], { error: 'openai, anthropic or google' })
      .optional()
      .describe(
        'The API that it speaks. `openai`: OpenAI and all that is compatible (Ollama, llama.cpp, LM Studio, vLLM, OpenRouter). `google`: Gemini. Default: as its name or endpoint says, else openai.',
      ),
    responses: flag
      .optional()
      .describe(
        'True: it speaks the Responses API too, and requests in it pass as they came; else they are said as chats. Default: true for OpenAI itself.',
      ),
    endpoint: z
      .string()
      .min(1)
      .max(2048)
      .optional()
      .describe(
        'Its address, like http://127.0.0.1:11434; default that of a provider called openai, anthropic, google, openrouter or ollama.',
      ),
    keyFrom: text(KEY_FROM, 'secret:NAME or env:NAME')
      .optional()
      .describe('Where its key is: `secret:NAME` of this node, or `env:NAME`. No key stands here.'),
    oauth: providerOAuthSchema.optional(),
    tls: clientTlsSchema.optional(),
    rotateAfter: text(DURATION, 'a duration like 90d')
      .optional()
      .describe(
        'How old its key may be, like 90d, before `status` warns, from when the secret was set on; of a variable nobody knows. Default: no matter.',
      ),
    headers: z
      .record(z.string(), z.string())
      .default({})
      .describe('Headers of every request; ${secret:NAME} and ${VAR} are expanded.'),
    models: z
      .array(z.string().min(1).max(256))
      .max(MODELS_MAX)
      .default([])
      .describe("The only models that are offered, by the provider's own names. Default: all."),
    rate_limits: z
      .strictObject({
        requests_per_minute: count.max(10_000_000).optional().describe('Requests a minute.'),
        tokens_per_minute: count
          .max(10_000_000_000)
          .optional()
          .describe('Tokens a minute, in and out.'),
      })
      .default({})
      .describe('What this node sends the provider at the most; more is refused here.'),
    timeout: count
      .max(DAY_MS)
      .default(120_000)
      .describe('Milliseconds that it may say nothing: before the first token, and between two.'),
    tier: z
      .enum(MODEL_TIERS)
      .optional()
      .describe(
        'How far it is: `edge` on this machine or its network, `regional` in between, `central` elsewhere. Default: as its address says.',
      ),
  })
  .describe('A provider of language models. Its key never leaves this node.');

const routeSchema = z
  .strictObject({
    models: z
      .array(z.string().min(3).max(300))
      .min(1)
      .max(ROUTE_MODELS_MAX)
      .describe(
        'Its models, like gpu/qwen; for the strategy `best` the best one first, for `escalate` the smallest.',
      ),
    strategy: z
      .enum(MODEL_STRATEGIES)
      .default('best')
      .describe(
        'Which is asked first: `cheapest` by price, `fastest` as measured, `best` as they are listed, `balanced` by price, speed and load, `local-first` the nearest tier, `escalate` the first that is listed, and the next where its answer does not fit the schema that was asked for, was cut, or loses the vote: every call is paid.',
      ),
    fallbacks: z
      .array(z.string().min(3).max(300))
      .max(ROUTE_MODELS_MAX)
      .default([])
      .describe('Models that are asked, in this order, once all others have failed.'),
    votes: count
      .min(1)
      .max(9)
      .default(1)
      .describe(
        'For `escalate`: how often each model but the last is asked at once; most of its answers must say the same. 1: no vote.',
      ),
    shared: flag
      .default(false)
      .describe('True: an answer that is kept for one caller is given to the others as well.'),
  })
  .describe('A name for several models: the first that answers is the one.');

/** Per million tokens, in dollars. */
const dollars = z.number().min(0).max(1_000_000);
const priceSchema = z
  .strictObject({
    input: dollars.describe('Dollars for a million tokens of input.'),
    output: dollars.describe('Dollars for a million tokens of output.'),
    cached_input: dollars
      .optional()
      .describe("Dollars for a million tokens read from the provider's cache; default as input."),
    cache_write: dollars
      .optional()
      .describe("Dollars for a million tokens written to the provider's cache; default as input."),
    image_input: dollars
      .optional()
      .describe(
        'Dollars for a million tokens of pictures, where the provider tells them apart; default as input.',
      ),
    batch: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe(
        'The share of these that a request in a batch costs, 0 to 1; default 1, all of it.',
      ),
  })
  .describe('What a model costs.');

const quotaSchema = z
  .strictObject({
    requests_per_minute: count.max(10_000_000).optional().describe('Requests a minute.'),
    tokens_per_minute: count.max(10_000_000_000).optional().describe('Tokens a minute.'),
  })
  .describe('What one caller may ask for in a minute.');

const cacheSchema = z
  .strictObject({
    ttl: z
      .number()
      .int()
      .min(0)
      .max(DAY_MS)
      .default(300_000)
      .describe('Milliseconds for which an answer is kept; 0 keeps none.'),
    bytes: count
      .max(4_294_967_296)
      .default(16_777_216)
      .describe('Bytes of answers that are kept, in memory.'),
  })
  .prefault({})
  .describe('Answers that are given again for the very same request of the same caller.');

/** The part of the file. */
export const modelsSchema = z
  .strictObject({
    providers: z
      .record(
        text(NAME, '1 to 32 of A-Z a-z 0-9 . _ -, beginning with a letter or digit'),
        providerSchema,
      )
      .default({})
      .describe('Providers by name: `gpu` makes its models `gpu/<model>`.'),
    routes: z
      .record(
        text(ROUTE, '1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit'),
        routeSchema,
      )
      .default({})
      .describe('Names that stand for several models: `cheap` is asked for like a model.'),
    prices: z
      .record(z.string().min(1).max(300), priceSchema)
      .default({})
      .describe('Prices by model or by pattern, `gpu/*`, in place of those that the node knows.'),
    contexts: z
      .record(z.string().min(1).max(300), z.number().int().min(256).max(100_000_000))
      .default({})
      .describe(
        'How many tokens fit into a model, by its name or a pattern, `gpu/*`, in place of what its provider lists and the node knows: conversations of agents are summarised before they are longer.',
      ),
    quotas: z
      .record(z.string().min(1).max(200), quotaSchema)
      .default({})
      .describe(
        'What callers may ask for in a minute, by `operator`, `client:<name>`, `peer:<alias>`, and `*` for each other one.',
      ),
    cache: cacheSchema,
    sampling: z
      .record(text(SERVER, 'the name of a server, or @<peer>/<server>'), z.string().min(1).max(300))
      .default({})
      .describe(
        'Which servers may have this node ask a model for them (MCP sampling) when the client that calls has none, by the server, `files` or `@nas/files`, and the route or model that is asked. Default: none may.',
      ),
    transcripts: z
      .record(z.string().min(1).max(300), text(DURATION, 'a duration like 7d'))
      .default({})
      .describe(
        'Models of which prompts and answers are kept, by name or pattern, `gpu/*`, and for how long, like `7d`: `starling llm transcripts` shows them. Default: nothing is kept.',
      ),
  })
  .prefault({})
  .describe('Language models of this node.');

/** A provider after its schema. */
export type WrittenProvider = z.output<typeof providerSchema>;

/** The part after its schema. */
export type WrittenModels = z.output<typeof modelsSchema>;
