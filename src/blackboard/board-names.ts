/**
 * Which board a person means by a name. A bare name is the board of this name that was created first, as its record
 * says; another one of the same name is `<name>@<peer>`, and `<name>@open` the one that is everybody's. Pure.
 */
import type { Did } from '../core/index.ts';
import { creatorIn, isBoardId, nameIn } from './board-id.ts';

/** A board that is here. */
export interface NamedBoard {
  readonly id: string;
  /** Undefined of a board that began with its first entry. */
  readonly createdAt: number | undefined;
}

/** What stands for a creator where there is none. */
const OPEN = 'open';
const KEY_AT = 'did:key:'.length;

/** The id of the board that `text` means; undefined when there is none. `calls` says what a creator is called here. */
export function resolveBoard(
  text: string,
  boards: readonly NamedBoard[],
  calls: (creator: Did) => string | undefined,
): string | undefined {
  const name = nameIn(text);
  const whose = text === name ? undefined : text.slice(name.length + 1);
  const named = boards.filter(({ id }) => nameIn(id) === name);
  if (whose === undefined) return named.toSorted(compareBoards)[0]?.id;
  const meant = named.find(({ id }) => {
    const creator = creatorIn(id);
    if (creator === undefined) return whose === OPEN;
    return whose === creator.slice(KEY_AT) || whose === calls(creator);
  });
  return meant?.id ?? (isBoardId(text) && named.some(({ id }) => id === text) ? text : undefined);
}

/** What a board is called here: by its bare name where no other one has that. */
export function shownBoardName(
  id: string,
  boards: readonly NamedBoard[],
  calls: (creator: Did) => string | undefined,
): string {
  const name = nameIn(id);
  const first = resolveBoard(name, boards, calls);
  if (first === undefined || first === id) return name;
  const creator = creatorIn(id);
  if (creator === undefined) return `${name}@${OPEN}`;
  return `${name}@${calls(creator) ?? creator.slice(KEY_AT)}`;
}

function compareBoards(a: NamedBoard, b: NamedBoard): number {
  const order = (a.createdAt ?? Number.MAX_SAFE_INTEGER) - (b.createdAt ?? Number.MAX_SAFE_INTEGER);
  if (order !== 0) return order;
  return a.id < b.id ? -1 : 1;
}
