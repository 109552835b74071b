/** A stream of Gemini, said piece by piece as a stream of a chat. */
import type { JsonObject } from '../../../core/index.ts';
import { asChatUsage } from '../answers.ts';
import type { StreamTranslator } from '../stream-translator.ts';
import { answerId, chatCall, googleUsage, saidIn } from './answers.ts';

/** Makes the translator of one stream; `model` as the caller named it, `createdS` in seconds since the epoch. */
export function createGoogleStream(
  model: string,
  createdS: number,
  withUsage: boolean,
): StreamTranslator {
  return new GoogleStream(model, createdS, withUsage);
}

class GoogleStream implements StreamTranslator {
  readonly #model: string;
  readonly #createdS: number;
  readonly #withUsage: boolean;
  #id: string | undefined;
  #calls = 0;
  #usage: JsonObject | undefined;

  constructor(model: string, createdS: number, withUsage: boolean) {
    this.#model = model;
    this.#createdS = createdS;
    this.#withUsage = withUsage;
  }

  push(piece: JsonObject): readonly JsonObject[] {
    const { text, thoughts, calls, finish } = saidIn(piece);
    const chunks: JsonObject[] = [];
    if (this.#id === undefined) {
      this.#id = answerId(piece);
      chunks.push(this.#chunk({ role: 'assistant', content: '' }));
    }
    const usage = googleUsage(piece['usageMetadata']);
    if (usage !== undefined) this.#usage = asChatUsage(usage);
    if (thoughts !== '') chunks.push(this.#chunk({ reasoning_content: thoughts }));
    if (text !== '') chunks.push(this.#chunk({ content: text }));
    for (const call of calls) {
      const made = chatCall(this.#id, this.#calls, call);
      chunks.push(this.#chunk({ tool_calls: [{ index: this.#calls, ...made }] }));
      this.#calls += 1;
    }
    if (finish !== '') {
      chunks.push(this.#chunk({}, finish === 'stop' && this.#calls > 0 ? 'tool_calls' : finish));
    }
    return chunks;
  }

  end(): readonly JsonObject[] {
    if (!this.#withUsage || this.#usage === undefined) return [];
    return [this.#whole({ choices: [], usage: this.#usage })];
  }

  #chunk(delta: JsonObject, finish: string | null = null): JsonObject {
    return this.#whole({ choices: [{ index: 0, delta, finish_reason: finish }] });
  }

  #whole(fields: JsonObject): JsonObject {
    return {
      id: this.#id ?? '',
      object: 'chat.completion.chunk',
      created: this.#createdS,
      model: this.#model,
      ...fields,
    };
  }
}
