/** What servers say of their models when they list them: names, how much fits into each, and how large each is. Pure. */
import { isCount } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { objectIn, textIn } from '../json-reading.ts';

const MODELS_MAX = 5000;
/** What a model may be called: on one line, and no longer than the configuration may name it. */
const MODEL_ID = /^.{1,256}$/;
/** Half of a character, which no address can hold. */
const LONE = /\p{Cs}/u;
/** What servers call the number of tokens that fit into a model: vLLM, OpenRouter, Groq, llama.cpp, Anthropic, Google. */
const CONTEXT_KEYS = [
  'max_model_len',
  'context_length',
  'context_window',
  'n_ctx',
  'max_input_tokens',
  'inputTokenLimit',
];
/** What is less than that is no such number. */
const CONTEXT_MIN = 256;
/** And what is more. */
const CONTEXT_MAX = 100_000_000;
/** As Ollama says how many weights a model has: `8.2B`. */
const PARAMETERS = /^\d{1,6}(?:\.\d{1,3})?\s?[KMBT]$/i;
/** Weights that no model has. */
const PARAMETERS_MAX = 1e15;

/** How large a model is, as its server says; what it does not say is absent. */
export interface ModelSize {
  /** Its weights: `8.2B`. */
  readonly parameters?: string;
  /** Tokens that fit into it at the most. */
  readonly contextTokens?: number;
  /** Tokens that fit into it as the server runs it, where the server cuts longer prompts without a word. */
  readonly runsWith?: number;
}

/** Models by name, in the order of the server, and what it says of each. */
export function readListed(listed: readonly Json[]): ReadonlyMap<string, ModelSize> {
  const models = listed.slice(0, MODELS_MAX).map(objectIn);
  return new Map(
    models.flatMap((model): [string, ModelSize][] => {
      const id = idOf(model);
      return MODEL_ID.test(id) && !LONE.test(id) ? [[id, sizeIn(model)]] : [];
    }),
  );
}

/** Whether the list is Ollama's, whose own API says more. */
export function isOllamas(listed: readonly Json[]): boolean {
  const [first] = listed.map(objectIn);
  return first !== undefined && textIn(first['owned_by']) === 'library';
}

/** What Ollama says of one model (`/api/show`). */
export function readShown(shown: JsonObject): ModelSize {
  const info = objectIn(shown['model_info']);
  const most = info[`${textIn(info['general.architecture'])}.context_length`];
  const [, set = ''] = /^num_ctx\s+(\d{1,9})\s*$/m.exec(textIn(shown['parameters'])) ?? [];
  const said = textIn(objectIn(shown['details'])['parameter_size']);
  return {
    ...(PARAMETERS.test(said) ? { parameters: said } : weightsIn(info['general.parameter_count'])),
    ...(isContext(most) ? { contextTokens: most } : {}),
    ...(isContext(Number(set)) ? { runsWith: Number(set) } : {}),
  };
}

function sizeIn(model: JsonObject): ModelSize {
  const meta = objectIn(model['meta']);
  const told = [model, meta]
    .flatMap((place) => CONTEXT_KEYS.map((key) => place[key]))
    .find(isContext);
  return {
    ...weightsIn(meta['n_params']),
    ...(told === undefined ? {} : { contextTokens: told, runsWith: told }),
  };
}

function isContext(told: Json | undefined): told is number {
  return isCount(told) && told >= CONTEXT_MIN && told <= CONTEXT_MAX;
}

/** A count of weights, as people say it: `8.2B`. */
function weightsIn(count: Json | undefined): Pick<ModelSize, 'parameters'> {
  if (!isCount(count) || count <= 0 || count > PARAMETERS_MAX) return {};
  const scales = [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'K'],
  ] as const;
  const found = scales.find(([scale]) => count >= scale);
  if (found === undefined) return {};
  return { parameters: `${Number((count / found[0]).toFixed(1))}${found[1]}` };
}

/** Google names its models with the folder that they stand in. */
function idOf({ id, name }: JsonObject): string {
  return id === undefined ? textIn(name).replace(/^models\//, '') : textIn(id);
}
