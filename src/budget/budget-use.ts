/** What budgets are for: a caller by its name, tools or models by a pattern, or nothing in particular. */
import { StarlingError, printable } from '../core/index.ts';
import { matchesTarget, parseResource } from '../grants/index.ts';
import type { ResourcePattern, ResourceTarget } from '../grants/index.ts';
import type { Books } from './books/book-types.ts';

/** A budget for whatever a pattern with a wildcard matches. */
interface PatternUse {
  readonly pattern: ResourcePattern;
  readonly id: string;
}

/** The open budgets of this node by what they are for: a budget counts at the node that made it. */
export class BudgetUses {
  readonly #books: Books;
  readonly #whomOf = new Map<string, string>();
  readonly #byFor = new Map<string, string[]>();
  /** Those with a wildcard, by where they begin: each call asks, and a node may have a thousand. */
  readonly #byStart = new Map<string, readonly PatternUse[]>();

  constructor(books: Books) {
    this.#books = books;
  }

  /** Budgets of this node by what they are for. */
  get byFor(): ReadonlyMap<string, readonly string[]> {
    return this.#byFor;
  }

  /** Ids of those whose pattern with a wildcard matches. */
  matching(target: ResourceTarget): readonly string[] {
    const ids: string[] = [];
    for (const start of [startOf(target.scheme, target.segments[0]), startOf(target.scheme)]) {
      for (const { pattern, id } of this.#byStart.get(start) ?? []) {
        if (matchesTarget(pattern, target)) ids.push(id);
      }
    }
    return ids;
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
    const pattern = wildcardOf(whom);
    if (pattern === undefined) return;
    const start = patternStart(pattern);
    this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), { pattern, id }]);
  }

  #remove(id: string, whom: string): void {
    this.#whomOf.delete(id);
    const others = (this.#byFor.get(whom) ?? []).filter((one) => one !== id);
    if (others.length === 0) this.#byFor.delete(whom);
    else this.#byFor.set(whom, others);
    const pattern = wildcardOf(whom);
    if (pattern === undefined) return;
    const start = patternStart(pattern);
    const left = (this.#byStart.get(start) ?? []).filter((one) => one.id !== id);
    if (left.length === 0) this.#byStart.delete(start);
    else this.#byStart.set(start, left);
  }
}

/** Undefined for what names a caller, or just one thing. */
function wildcardOf(whom: string): ResourcePattern | undefined {
  return isPattern(whom) && whom.includes('*') ? parseResource(whom) : undefined;
}

/** Where a pattern begins: at its first name, where that has no wildcard. */
function patternStart({ scheme, segments: [first] }: ResourcePattern): string {
  return startOf(scheme, first?.length === 1 ? first[0] : undefined);
}

/** No name has a slash in it, so that no name is taken for the lack of one. */
function startOf(scheme: string, name = '/'): string {
  return `${scheme}:${name}`;
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
