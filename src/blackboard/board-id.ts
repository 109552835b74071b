/**
 * What a board is called between nodes and on disk. An open board is its name, the same one for everybody. A board
 * that somebody created for some is `<name>@<key>`, with the key of its creator: two boards of one name never become
 * one, and whose board it is needs no other proof.
 */
import type { Did } from '../core/index.ts';
import { isBoardName } from './limits.ts';

/**
 * What the names of boards begin with that have no history, at any node: what is on them is sealed, and must be able to end
 * with its key.
 */
export const SEALED_BOARDS = 'contexts.';

const DID = 'did:key:';
const KEY = /^[A-Za-z0-9]{1,128}$/;

/** The id of the board `name` that `creator` made. */
export function boardIdOf(name: string, creator: Did): string {
  return `${name}@${creator.slice(DID.length)}`;
}

/** By its form alone: a name, or a name and the key of whoever made the board. */
export function isBoardId(id: string): boolean {
  const [name = '', key, ...more] = id.split('@');
  return isBoardName(name) && (key === undefined || KEY.test(key)) && more.length === 0;
}

/** The name in an id. */
export function nameIn(id: string): string {
  return id.split('@', 1)[0] ?? '';
}

/** Who made the board; undefined of an open one. */
export function creatorIn(id: string): Did | undefined {
  const at = id.indexOf('@');
  return at === -1 ? undefined : (`${DID}${id.slice(at + 1)}` as Did);
}

/** Of a board that only those read and write who have a right on it; its id has the key of whoever made it. */
export function isClosed(id: string): boolean {
  return id.includes('@');
}

/** Sealed conversations have no history, which would outlast their keys. */
export function isWithoutPast(id: string): boolean {
  return isClosed(id) && id.startsWith(SEALED_BOARDS);
}
