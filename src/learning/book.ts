/** What one agent has learned, while it is in memory: by sender, what is known of works and what is remembered. */
import type { Known } from './circles.ts';
import type { LearnedChange } from './learned-rows.ts';
import { WORKS_MAX } from './limits.ts';
import { OWN } from './types.ts';
import type { Experience, Learner, Work } from './types.ts';
import { NO_FIGURES } from './ways.ts';
import type { WorkFigures } from './ways.ts';

/** By the sender of each circle. */
export type Book = Map<string, Known>;

/** The work of a message that names none which its agent has. */
export const ANY_WORK = 'message';

/** A capability of the learner, without its version, or {@link ANY_WORK}: whoever sends a message makes no new works. */
export function workOf({ capabilities }: Learner, { capability }: Work): string {
  const wanted = capability?.split('@')[0];
  const isKnown = capabilities.some((one) => one.split('@')[0] === wanted);
  return wanted !== undefined && wanted !== '' && isKnown ? wanted : ANY_WORK;
}

/** What a circle knows of a work. */
export function figuresOf(known: Known | undefined, work: string): WorkFigures {
  const works = known?.circle.works ?? {};
  return Object.hasOwn(works, work) ? (works[work] ?? NO_FIGURES) : NO_FIGURES;
}

/** An experience, and the circle that it is of. */
export interface Remembered {
  readonly known: Known;
  readonly experience: Experience;
}

/**
 * By its id, else by what the sender knows it by; within one circle, or any, the own one first. Others choose the ids of their
 * messages themselves, so that several may have the same one: whoever means any circle means none of them by it.
 */
export function findIn(
  book: Book,
  reference: string,
  circle: string | undefined,
): Remembered | undefined {
  const senders = circle === undefined ? [...new Set([OWN, ...book.keys()])] : [circle];
  const foundBy = (isMeant: (one: Experience) => boolean): readonly Remembered[] =>
    senders.flatMap((sender) => {
      const known = book.get(sender);
      const experience = known?.experiences.findLast(
        (one) => one.reference !== undefined && isMeant(one),
      );
      return known === undefined || experience === undefined ? [] : [{ known, experience }];
    });
  const [byId] = foundBy(({ id }) => id === reference);
  if (byId !== undefined) return byId;
  const [first, ...others] = foundBy((one) => one.reference === reference);
  const isOwn = first?.known.circle.sender === OWN;
  return isOwn || others.length === 0 ? first : undefined;
}

/** The number of what comes next. */
export function nextSeq(book: Book): number {
  const all = [...book.values()].map(({ circle, experiences }) =>
    Math.max(circle.used, experiences.at(-1)?.seq ?? 0),
  );
  return Math.max(0, ...all) + 1;
}

/** Capabilities come and go: works of which least was done go. */
export function withinBounds(
  works: Readonly<Record<string, WorkFigures>>,
  kept: string,
): Readonly<Record<string, WorkFigures>> {
  const names = Object.keys(works);
  if (names.length <= WORKS_MAX) return works;
  const [least] = names
    .filter((name) => name !== kept)
    .toSorted((one, other) => (works[one]?.deeds ?? 0) - (works[other]?.deeds ?? 0));
  return Object.fromEntries(Object.entries(works).filter(([name]) => name !== least));
}

/** Makes a change that is on the disk. */
export function applyTo(book: Book, change: LearnedChange): void {
  const { circle, dropped, experience, gone = [] } = change;
  if (dropped !== undefined) book.delete(dropped.circle.sender);
  for (const { circle: of, experience: one } of gone) {
    const known = book.get(of);
    if (known === undefined) continue;
    book.set(of, { ...known, experiences: known.experiences.filter(({ id }) => id !== one.id) });
  }
  const before = book.get(circle.sender)?.experiences ?? [];
  const isKnown = experience !== undefined && before.some(({ id }) => id === experience.id);
  const experiences =
    experience === undefined
      ? before
      : isKnown
        ? before.map((one) => (one.id === experience.id ? experience : one))
        : [...before, experience];
  book.set(circle.sender, { circle, experiences });
}
