/** What budgets are for: a caller by its name, tools or models by a pattern, or nothing in particular. */
import { StarlingError, printable } from '../core/index.ts';
import { parseResource } from '../grants/index.ts';
import type { ResourcePattern } from '../grants/index.ts';
import type { Books, BudgetsByUse } from './books/book-types.ts';

/** The open budgets of this node by what they are for: a budget counts at the node that made it. */
export function byUseOf(books: Books): BudgetsByUse {
  const byFor = new Map<string, string[]>();
  const patterns: { readonly pattern: ResourcePattern; readonly id: string }[] = [];
  for (const id of books.ids()) {
    const named = books.terms(id)?.for;
    if (named === undefined || books.founderOf(id) !== books.self || books.acts(id).closed)
      continue;
    byFor.set(named, [...(byFor.get(named) ?? []), id]);
    if (isPattern(named) && named.includes('*')) {
      patterns.push({ pattern: parseResource(named), id });
    }
  }
  return { byFor, patterns };
}

/** Refuses a pattern of tools or models that can't be read. @throws STARLING_USAGE */
export function requirePattern(whom: string | undefined): void {
  if (whom === undefined || !isPattern(whom)) return;
  try {
    parseResource(whom);
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `'${printable(whom, 80)}' names no tools or models`, {
      hint: 'write it like tool:search/*, tool:search/web or model:gpu/*',
      cause: error,
    });
  }
}

/** Whether such budgets are for what is used, and not for whoever uses it. */
function isPattern(whom: string): boolean {
  return whom.startsWith('tool:') || whom.startsWith('model:');
}
