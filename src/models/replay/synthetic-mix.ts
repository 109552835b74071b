/**
 * A mix that a program has made up, so that the harness has something to show where no vendor was asked: a thousand requests
 * of five classes, answered by three tiers that are right as often as written here. It says nothing of any real model.
 */
import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Expectation, MixRequest, MixTier, ModelMix } from './mix.ts';

const EACH = 220;
/** Hard ones are fewer, and still cost the most. */
const HARD = 120;
/** Prices as three sizes of one vendor have them, dollars for a million tokens. */
const TIERS: readonly MixTier[] = [
  { model: 'synthetic/small', price: { input: 0.25, output: 1.25 } },
  { model: 'synthetic/middle', price: { input: 1, output: 5 } },
  { model: 'synthetic/best', price: { input: 5, output: 25 } },
];
const CHARACTERS_A_TOKEN = 4;

/** One class: its requests, and how often each tier is right. */
interface Kind {
  readonly class: string;
  /** Requests; as many as of others by default. */
  readonly count?: number;
  readonly right: readonly [number, number, number];
  /** Of answers that are wrong, how many break the form that was asked for. */
  readonly broken: number;
  /** Output tokens of each tier. */
  readonly tokens: readonly [number, number, number];
  make(at: number): Made;
}

interface Made {
  readonly body: JsonObject;
  readonly expect: Expectation;
  /** Messages of a right answer, of a wrong one, and of one in no form. */
  readonly right: JsonObject;
  readonly wrong: JsonObject;
  readonly broken: JsonObject;
}

const LABELS = ['billing', 'delivery', 'damage', 'praise'] as const;
const CITIES = ['Bern', 'Oslo', 'Quito', 'Hanoi', 'Lagos'] as const;
const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday'] as const;
const THINGS = ['lamp', 'chair', 'kettle', 'bicycle', 'ladder'] as const;

const KINDS: readonly Kind[] = [
  {
    class: 'classify',
    right: [0.995, 0.998, 1],
    broken: 0.5,
    tokens: [8, 8, 8],
    make(at) {
      const label = pick(LABELS, at);
      const wrong = pick(LABELS, at + 1);
      return {
        body: {
          ...asked(
            `Which of ${LABELS.join(', ')} is letter ${at} about? It speaks of ${label} from its first line to its last.`,
          ),
          ...form({ label: { type: 'string', enum: [...LABELS] } }),
        },
        expect: { json: { label } },
        right: said({ label }),
        wrong: said({ label: wrong }),
        broken: said(`It is about ${wrong}.`),
      };
    },
  },
  {
    class: 'extract',
    right: [0.9, 0.985, 1],
    broken: 1,
    tokens: [20, 20, 20],
    make(at) {
      const fields = { order: `A-${4000 + at}`, amount: 10 + (at % 90) };
      const text = `We have had no answer about order ${fields.order}, for which we paid ${fields.amount} euros in spring.`;
      return {
        body: {
          ...asked(`Take the order and the amount out of this letter: ${text}`),
          ...form({ order: { type: 'string' }, amount: { type: 'number' } }),
        },
        expect: { json: fields },
        right: said(fields),
        wrong: said({ ...fields, amount: 0 }),
        broken: said({ ...fields, amount: `${fields.amount} euros` }),
      };
    },
  },
  {
    class: 'summarise',
    right: [0.7, 0.995, 1],
    broken: 0,
    tokens: [45, 50, 60],
    make(at) {
      const words = [pick(THINGS, at), pick(CITIES, at), pick(DAYS, at), `${at} people`];
      const [thing, city, day, people] = words;
      const text = `The ${thing} was shown in ${city} on ${day}, where ${people} came to see how it is made. `;
      return {
        body: asked(`Say in one sentence: ${text.repeat(8)}`),
        expect: { words },
        right: said(`In ${city}, ${people} saw the ${thing} on ${day}.`),
        wrong: said(`In ${city}, people saw the ${thing}.`),
        broken: said(''),
      };
    },
  },
  {
    class: 'tools',
    right: [0.85, 0.975, 0.995],
    broken: 1,
    tokens: [30, 30, 30],
    make(at) {
      const fields = { city: pick(CITIES, at), day: pick(DAYS, at) };
      const { city, day } = fields;
      return {
        body: {
          ...asked(`What will the weather be like on ${day} in ${city}, where I go by bicycle?`),
          tools: [tool('weather', { city: { type: 'string' }, day: { type: 'string' } })],
        },
        expect: { call: { name: 'weather', arguments: fields } },
        right: called('weather', fields),
        wrong: called('weather', { city, day: 'today' }),
        broken: called('weather', { city }),
      };
    },
  },
  {
    class: 'reason',
    count: HARD,
    right: [0.3, 0.6, 0.92],
    broken: 0.05,
    tokens: [250, 400, 700],
    make(at) {
      const [one, other] = [17 + (at % 83), 3 + (at % 11)];
      return {
        body: asked(
          `A ferry takes ${one} cars, each with ${other} people, and half of the people of each second car get off. How many are left? Answer by the number alone.`,
        ),
        expect: { equals: `${one * other - Math.floor(one / 2) * Math.floor(other / 2)}` },
        right: said(`${one * other - Math.floor(one / 2) * Math.floor(other / 2)}`),
        wrong: said(`${one * other}`),
        broken: said(''),
      };
    },
  },
];

/** Makes the mix: the same each time. */
export function createSyntheticMix(): ModelMix {
  const requests = KINDS.flatMap((kind) =>
    Array.from({ length: kind.count ?? EACH }, (_, at) => requestOf(kind, at)),
  );
  return { synthetic: true, tiers: TIERS, requests };
}

function requestOf(kind: Kind, at: number): MixRequest {
  const { body, expect, ...messages } = kind.make(at);
  // What is hard for a large model is hard for a smaller one.
  const difficulty = chance(`${kind.class} ${at}`);
  const isBroken = chance(`${kind.class} ${at} broken`) < kind.broken;
  const input = Math.ceil(JSON.stringify(body).length / CHARACTERS_A_TOKEN);
  const answers = TIERS.map(({ model }, tier): [string, JsonObject] => {
    const isRight = difficulty < (kind.right[tier] ?? 0);
    const message = isRight ? messages.right : isBroken ? messages.broken : messages.wrong;
    const output = kind.tokens[tier] ?? 0;
    const finish = message['tool_calls'] === undefined ? 'stop' : 'tool_calls';
    return [
      model,
      {
        choices: [{ index: 0, message, finish_reason: finish }],
        usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
      },
    ];
  });
  return { class: kind.class, body, expect, answers: Object.fromEntries(answers) };
}

/** In [0, 1): the same for the same words. */
function chance(words: string): number {
  return createHash('sha256').update(words).digest().readUInt32BE() / 2 ** 32;
}

function asked(content: string): JsonObject {
  return { messages: [{ role: 'user', content }] };
}

function form(properties: JsonObject): JsonObject {
  const schema = { type: 'object', properties, required: Object.keys(properties) };
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } };
}

function tool(name: string, properties: JsonObject): JsonObject {
  const parameters = { type: 'object', properties, required: Object.keys(properties) };
  return { type: 'function', function: { name, parameters } };
}

function said(value: Json): JsonObject {
  return { role: 'assistant', content: typeof value === 'string' ? value : JSON.stringify(value) };
}

function called(name: string, fields: JsonObject): JsonObject {
  const one = {
    id: 'call_1',
    type: 'function',
    function: { name, arguments: JSON.stringify(fields) },
  };
  return { role: 'assistant', content: null, tool_calls: [one] };
}

function pick(items: readonly string[], at: number): string {
  return items[at % items.length] ?? '';
}
