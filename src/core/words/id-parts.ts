/**
 * Which of several things a person means by a part of an id: the one rule for ids of grants, approvals and keys. A
 * node goes by the end of its PeerId instead (`identity/short-id.ts`): all PeerIds begin alike. Pure.
 */
import { printable } from './text.ts';

/** Fewest characters of its beginning by which an id is named. */
const ID_PART_MIN = 4;
/** Longest reference that a message repeats. */
const REFERENCE_MAX = 64;

/** How descriptions go on after "its id". */
export const ID_PART_WORDS = `or at least ${ID_PART_MIN} characters of its beginning`;

/** What a reference means: one thing, or nothing, and why. */
export type IdMeaning<Thing> =
  | { readonly found: Thing }
  /** `short`: too little to name the thing that it would mean; `several`: more than one id begins so. */
  | { readonly why: 'none' | 'short' | 'several' };

/**
 * The thing whose id `reference` is, or is the beginning of, where it has four characters and one id alone begins
 * so. The `…` with which a list ends what it cuts is no part of an id.
 */
export function meantById<Thing>(
  reference: string,
  things: Iterable<Thing>,
  idOf: (thing: Thing) => string,
): IdMeaning<Thing> {
  const part = reference.replace(/…$/, '');
  const begun: Thing[] = [];
  for (const thing of things) {
    const id = idOf(thing);
    if (id === part) return { found: thing };
    if (part !== '' && id.startsWith(part)) begun.push(thing);
  }
  const [first, second] = begun;
  if (first === undefined) return { why: 'none' };
  if (part.length < ID_PART_MIN) return { why: 'short' };
  return second === undefined ? { found: first } : { why: 'several' };
}

/** That `reference` means none of the things that are called `thing`, as a sentence: `'xy' is no grant of this node`. */
export function noSuchId(
  reference: string,
  why: 'none' | 'short' | 'several',
  thing: string,
): string {
  const said = `'${printable(reference, REFERENCE_MAX)}' is`;
  const article = /^[aeiou]/.test(thing) ? 'an' : 'a';
  if (why === 'none') return `${said} no ${thing} of this node`;
  if (why === 'several') return `${said} the beginning of more than one ${thing}`;
  return `${said} too short for ${article} ${thing}: at least ${ID_PART_MIN} characters of its id`;
}
