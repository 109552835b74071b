/** The schema of `models` in the configuration: which language models this node offers, and where they are. */
import { z } from 'zod';
import { count, flag, text } from './forms.ts';

const DAY_MS = 86_400_000;
/** A provider is the first part of a model's name, so it holds no `/`. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const KEY_FROM = /^(?:secret|env):[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const MODELS_MAX = 1000;

const providerSchema = z
  .strictObject({
    enabled: flag.default(true).describe('False: the provider is left alone.'),
    api: z
      .enum(['openai', 'anthropic'], { error: 'openai or anthropic' })
      .optional()
      .describe(
        'The API that it speaks. `openai`: OpenAI and all that is compatible (Ollama, llama.cpp, LM Studio, vLLM, OpenRouter). Default: as its name or endpoint says, else openai.',
      ),
    endpoint: z
      .string()
      .min(1)
      .max(2048)
      .optional()
      .describe(
        'Its address, like http://127.0.0.1:11434; default that of a provider called openai, anthropic, openrouter or ollama.',
      ),
    keyFrom: text(KEY_FROM, 'secret:NAME or env:NAME')
      .optional()
      .describe('Where its key is: `secret:NAME` of this node, or `env:NAME`. No key stands here.'),
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
  })
  .describe('A provider of language models. Its key never leaves this node.');

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
  })
  .prefault({})
  .describe('Language models of this node.');

/** A provider after its schema. */
export type WrittenProvider = z.output<typeof providerSchema>;
