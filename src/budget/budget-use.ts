/** What budgets are for: a caller by its name, tools or models by a pattern, or nothing in particular. */
import { StarlingError, printable } from '../core/index.ts';
import { parseResource } from '../grants/index.ts';
import type { ResourcePattern } from '../grants/index.ts';
import type { Books } from './books/book-types.ts';

/** The open budgets of this node by what they are for: a budget counts at the node that made it. */
export class BudgetUses {
  readonly #books: Books;
  readonly #whomOf = new Map<string, string>();
  readonly #byFor = new Map<string, string[]>();
  #patterns: { readonly pattern: ResourcePattern; readonly id: string }[] = [];

  constructor(books: Books) {
    this.#books = books;
  }

  /** Budgets of this node by what they are for. */
  get byFor(): ReadonlyMap<string, readonly string[]> {
    return this.#byFor;
  }

  /** Those that are for a pattern with a wildcard. */
  get patterns(): readonly { readonly pattern: ResourcePattern; readonly id: string }[] {
    return this.#patterns;
  }

  /** A budget was made, closed or forgotten, or its books have changed. */
  look(id: string): void {
    const before = this.#whomOf.get(id);
    // A busy budget changes with each call, and what it is for does not.
    if (before !== undefined && this.#isAsBefore(id)) return;
    const now = this.#whomNow(id);
    if (before === now) return;
    if (before !== undefined) this.#remove(id, before);
    if (now !== undefined) this.#add(id, now);
  }

  #isAsBefore(id: string): boolean {
    return this.#books.terms(id) !== undefined && this.#books.account(id)?.acts === undefined;
  }

  #whomNow(id: string): string | undefined {
    const whom = this.#books.terms(id)?.for;
    if (whom === undefined || this.#books.founderOf(id) !== this.#books.self) return undefined;
    return this.#books.isClosed(id) ? undefined : whom;
  }

  #add(id: string, whom: string): void {
    this.#whomOf.set(id, whom);
    const others = this.#byFor.get(whom);
    if (others === undefined) this.#byFor.set(whom, [id]);
    else others.push(id);
    if (!isPattern(whom) || !whom.includes('*')) return;
    this.#patterns = [...this.#patterns, { pattern: parseResource(whom), id }];
  }

  #remove(id: string, whom: string): void {
    this.#whomOf.delete(id);
    const others = (this.#byFor.get(whom) ?? []).filter((one) => one !== id);
    if (others.length === 0) this.#byFor.delete(whom);
    else this.#byFor.set(whom, others);
    this.#patterns = this.#patterns.filter((one) => one.id !== id);
  }
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
