/** Capabilities that are like what somebody says in words: BM25 over names, what is said of them, tags and kinds. */
import MiniSearch from 'minisearch';
import { DESCRIPTION_MAX } from '../limits.ts';
import type { AgentView } from '../types.ts';

/** What words of a text are: runs of letters and digits. */
const BETWEEN = /[^\p{L}\p{N}]+/u;
/** Endings of one word. */
const ENDING = /(?:isation|ization|ising|izing|ises|izes|ised|ized|ise|ize|ing|ed|es|s)$/;
/** Words that are read of a text. */
const WORDS_MAX = 64;

/** Capabilities of `agents`, the nearest to `like` first; those that have no word of it are left out. */
export function capabilitiesLike(agents: readonly AgentView[], like: string): readonly string[] {
  const index = new MiniSearch<{ id: string; name: string; about: string }>({
    fields: ['name', 'about'],
    tokenize: wordsOf,
    processTerm: (word) => stemOf(word),
    searchOptions: { boost: { name: 2 }, prefix: (word) => word.length > 3, fuzzy: 0 },
  });
  for (const [id, about] of described(agents)) {
    index.add({ id, name: id, about: [...about].join(' ') });
  }
  return index
    .search(like)
    .toSorted(
      (one, other) => other.score - one.score || (String(one.id) < String(other.id) ? -1 : 1),
    )
    .map(({ id }) => String(id));
}

/** By capability, all that is said of it. */
function described(agents: readonly AgentView[]): ReadonlyMap<string, ReadonlySet<string>> {
  const said = new Map<string, Set<string>>();
  for (const { capabilities, definitions = {}, kind, tags } of agents) {
    for (const capability of capabilities) {
      const about = said.get(capability) ?? new Set();
      const { description = '' } = definitions[capability] ?? {};
      for (const text of [description.slice(0, DESCRIPTION_MAX), kind, ...tags]) about.add(text);
      said.set(capability, about);
    }
  }
  return said;
}

function wordsOf(text: string): string[] {
  return text
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(BETWEEN)
    .filter((word) => word !== '')
    .slice(0, WORDS_MAX);
}

/** British and American endings, and plurals, are one word. */
function stemOf(word: string): string {
  if (word.length < 4) return word;
  const stem = word.length < 5 ? word : word.replace(ENDING, '');
  return stem.replace(/e$/, '');
}
