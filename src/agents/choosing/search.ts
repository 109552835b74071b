/** Capabilities that are like what somebody says in words: BM25 over names, what is said of them, tags and kinds. */
import MiniSearch from 'minisearch';
import { searchWords, stemOf } from '../../core/index.ts';
import { DESCRIPTION_MAX } from '../limits.ts';
import type { AgentView } from '../types.ts';

/** Words that are read of a text. */
const WORDS_MAX = 64;

/** Capabilities of `agents`, the nearest to `like` first; those that have no word of it are left out. */
export function capabilitiesLike(agents: readonly AgentView[], like: string): readonly string[] {
  const index = new MiniSearch<{ id: string; name: string; about: string }>({
    fields: ['name', 'about'],
    tokenize: (text) => searchWords(text, WORDS_MAX),
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
