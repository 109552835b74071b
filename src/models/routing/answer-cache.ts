/**
 * Answers that are given again for the very same request of the same caller, while they are fresh; and requests that are
 * the same as one under way wait for its answer. In memory, bounded in bytes.
 */
import { createHash } from 'node:crypto';
import { leftMs } from '../../core/index.ts';
import type { Clock, Json } from '../../core/index.ts';
import type { ModelAnswer, ReadCall } from '../types.ts';

/** Share of the cache that one answer may have. */
const ANSWER_SHARE = 8;
/** A request waits no longer for the answer to its twin, whose caller may read slowly, and is asked itself. */
const TWIN_WAIT_MS = 30_000;

/** A whole answer, with the model that gave it. */
export interface KeptAnswer extends Pick<ModelAnswer, 'headers' | 'isStream'> {
  readonly body: Buffer;
  /** The model that has answered. */
  readonly model: string;
}

/** The answers of a node. */
export interface AnswerCache {
  /** The answer that is kept, or that one under way brings; undefined where there is none, or it failed. */
  find(key: string, signal: AbortSignal): Promise<KeptAnswer | undefined>;
  /** The same answer; what passes is kept once it is whole. Others that ask meanwhile wait. */
  keep(key: string, model: string, answer: ModelAnswer): ModelAnswer;
  /** A request for it is under way: others wait until what this gives is called. */
  begin(key: string): () => void;
}

/** How much is kept, now. */
export type CacheLimits = () => { readonly ttlMs: number; readonly bytes: number };

/**
 * The key of a call whose answer may be kept: an embedding, or a chat at temperature 0 without tools. Undefined for any
 * other. `whose` is the caller, or nobody in particular.
 */
export function cacheKey(
  { form, model, headers, fields, isStream }: ReadCall,
  whose: string,
): string | undefined {
  if (form === 'count_tokens') return undefined;
  const isSure = form === 'embeddings' || form === 'moderations' || fields['temperature'] === 0;
  const hasTools = ['tools', 'functions', 'mcp_servers', 'web_search_options'].some(
    (name) => fields[name] !== undefined,
  );
  if (!isSure || hasTools) return undefined;
  const said = JSON.stringify(
    sorted({ whose, form, model, headers: { ...headers }, fields, isStream }),
  );
  return createHash('sha256').update(said).digest('base64url');
}

/** Makes an empty one. */
export function createAnswerCache(clock: Clock, limits: CacheLimits): AnswerCache {
  return new Answers(clock, limits);
}

interface Entry {
  readonly answer: KeptAnswer;
  readonly until: number;
}

interface Under {
  readonly over: Promise<void>;
  end(): void;
}

class Answers implements AnswerCache {
  readonly #clock: Clock;
  readonly #limits: CacheLimits;
  readonly #kept = new Map<string, Entry>();
  readonly #under = new Map<string, Under>();
  #sizeBytes = 0;

  constructor(clock: Clock, limits: CacheLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  async find(key: string, signal: AbortSignal): Promise<KeptAnswer | undefined> {
    const found = this.#fresh(key);
    if (found !== undefined) return found;
    const under = this.#under.get(key);
    if (under === undefined) return undefined;
    const gone = new AbortController();
    let cancel = (): void => undefined;
    const left = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true, signal: gone.signal });
      cancel = this.#clock.schedule(TWIN_WAIT_MS, resolve);
    });
    await Promise.race([under.over, left]);
    cancel();
    gone.abort();
    signal.throwIfAborted();
    return this.#fresh(key);
  }

  begin(key: string): () => void {
    if (this.#under.has(key)) return () => undefined;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const under = { over, end };
    this.#under.set(key, under);
    return () => {
      if (this.#under.get(key) === under) this.#under.delete(key);
      end();
    };
  }

  keep(key: string, model: string, answer: ModelAnswer): ModelAnswer {
    return { ...answer, body: this.#keeping(key, model, answer) };
  }

  async *#keeping(
    key: string,
    model: string,
    { body, headers, isStream }: ModelAnswer,
  ): AsyncGenerator<Uint8Array> {
    const chunks: Uint8Array[] = [];
    const most = this.#limits().bytes / ANSWER_SHARE;
    let sizeBytes = 0;
    for await (const chunk of body) {
      sizeBytes += chunk.length;
      if (sizeBytes <= most) chunks.push(chunk);
      yield chunk;
    }
    if (sizeBytes > most) return;
    this.#add(key, { headers, isStream, model, body: Buffer.concat(chunks) });
  }

  #add(key: string, answer: KeptAnswer): void {
    this.#forget(key);
    this.#kept.set(key, { answer, until: this.#clock.now() + this.#limits().ttlMs });
    this.#sizeBytes += sizeOf(answer);
    for (const oldest of this.#kept.keys()) {
      if (this.#sizeBytes <= this.#limits().bytes) return;
      this.#forget(oldest);
    }
  }

  #fresh(key: string): KeptAnswer | undefined {
    const entry = this.#kept.get(key);
    if (entry === undefined) return undefined;
    if (leftMs(this.#clock, entry.until, this.#limits().ttlMs) === 0) {
      this.#forget(key);
      return undefined;
    }
    return entry.answer;
  }

  #forget(key: string): void {
    const entry = this.#kept.get(key);
    if (entry === undefined) return;
    this.#kept.delete(key);
    this.#sizeBytes -= sizeOf(entry.answer);
  }
}

/** Besides the bytes, what the entry itself takes. */
function sizeOf({ body }: KeptAnswer): number {
  return body.length + 512;
}

/** The same value whose keys are in one order. */
function sorted(value: Json | undefined): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value ?? null;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one as Json)]));
}
