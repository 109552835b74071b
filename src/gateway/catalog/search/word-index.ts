/**
 * Finds tools by words: BM25 over name, title, description and names of arguments. An index is built
 * when it is first asked, and kept per view, because lists change far less often than they are searched.
 */
import MiniSearch from 'minisearch';
import { isObject } from '../../../core/index.ts';
import type { ListedTool } from '../../../directory/index.ts';

/** One tool that was found. */
export interface ToolHit {
  readonly tool: ListedTool;
  /** Higher is better; comparable only within one answer. */
  readonly score: number;
}

/**
 * Searches one list of tools; best first, at most `limit`. A query without words finds the first ones.
 */
export type ToolSearch = (query: string, limit: number) => Promise<readonly ToolHit[]>;

/** Keeps the searches of the views that were used last. */
export interface ToolSearches {
  /** The search over the list that `digest` stands for; `tools` is called when there is none yet. */
  get(digest: string, tools: () => readonly ListedTool[]): ToolSearch;
}

const QUERY_LENGTH_MAX = 512;
const QUERY_WORDS_MAX = 16;
/** Characters of one field that are indexed. */
const FIELD_MAX = 2000;
/** Tools indexed in one turn of the loop: some milliseconds. */
const TURN_TOOLS = 25;
const ARGUMENTS_MAX = 64;
/** Views whose index is kept. */
const KEPT_MAX = 8;
/** A word of at least this many letters is found by its beginning and with a slip, too. */
const LOOSE_LENGTH_MIN = 4;

interface Document {
  readonly id: number;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly arguments: string;
}

/** Makes the search over `tools`; the index is built by the first search, in small steps. */
export function createToolSearch(tools: readonly ListedTool[]): ToolSearch {
  let index: Promise<MiniSearch<Document>> | undefined;
  return async (query, limit) => {
    const words = wordsOf(query.slice(0, QUERY_LENGTH_MAX)).slice(0, QUERY_WORDS_MAX);
    if (words.length === 0) return tools.slice(0, limit).map((tool) => ({ tool, score: 0 }));
    index ??= build(tools);
    const scores = await scoresOf(await index, words);
    return best(scores, limit).flatMap(([id, score]) => {
      const tool = tools[id];
      return tool === undefined ? [] : [{ tool, score }];
    });
  };
}

/** Makes an empty store of searches. */
export function createToolSearches(): ToolSearches {
  const kept = new Map<string, ToolSearch>();
  return {
    get(digest, tools) {
      const search = kept.get(digest) ?? createToolSearch(tools());
      // Put at the end: the first is the one that was used longest ago.
      kept.delete(digest);
      kept.set(digest, search);
      const [oldest] = kept.keys();
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      return search;
    },
  };
}

async function build(tools: readonly ListedTool[]): Promise<MiniSearch<Document>> {
  const index = new MiniSearch<Document>({
    fields: ['name', 'title', 'description', 'arguments'],
    tokenize: wordsOf,
    // The words are lower case already.
    processTerm: (word) => word,
    searchOptions: {
      boost: { name: 4, title: 2, arguments: 1.5 },
      prefix: (word) => word.length >= LOOSE_LENGTH_MIN - 1,
      fuzzy: (word) => word.length >= LOOSE_LENGTH_MIN && 0.2,
      weights: { prefix: 0.5, fuzzy: 0.2 },
    },
  });
  for (const [id, tool] of tools.entries()) {
    index.add({
      id,
      name: tool.name.slice(0, FIELD_MAX),
      title: textOf(tool['title']),
      description: textOf(tool['description']),
      arguments: argumentsOf(tool['inputSchema']),
    });
    if (id % TURN_TOOLS === TURN_TOOLS - 1) await nextTurn();
  }
  return index;
}

/**
 * The score of each tool that has one of `words`, by place in the list. Each word is looked for in a turn of
 * its own, and the sums are those of MiniSearch for all words at once: scores add up, and count as often as
 * words of the query are found.
 */
async function scoresOf(
  index: MiniSearch<Document>,
  words: readonly string[],
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, { sum: number; words: number }>();
  for (const word of new Set(words)) {
    for (const { id, score } of index.search(word)) {
      const known = found.get(Number(id));
      if (known === undefined) found.set(Number(id), { sum: score, words: 1 });
      else {
        known.sum += score;
        known.words += 1;
      }
    }
    await nextTurn();
  }
  return new Map([...found].map(([id, { sum, words: count }]) => [id, sum * count]));
}

/** The `limit` best, best first; of equal ones the earlier in the list. */
function best(scores: ReadonlyMap<number, number>, limit: number): readonly [number, number][] {
  return [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, limit);
}

/** Lets everybody else go on. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** `readTextFile`, `read_text-file` and `HTTPServer2` as their words, lower case. */
function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .replaceAll(/(?<=[\p{Ll}\d])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, ' ')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  );
}

function argumentsOf(schema: unknown): string {
  if (!isObject(schema) || !isObject(schema['properties'])) return '';
  return Object.keys(schema['properties']).slice(0, ARGUMENTS_MAX).join(' ').slice(0, FIELD_MAX);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, FIELD_MAX) : '';
}
