/**
 * Conversations that are shown to other nodes. Each node that is shown anything has a board of its own, which it alone may
 * read besides this one. There lies, of each conversation, what that node is shown, sealed by a key of the share, and the
 * key, closed for the node. What is ended is taken off the board: with the key goes what it opened, there and here, as soon
 * as the board is the same at both, and these boards have no history.
 */
import type { Blackboard, Board } from '../blackboard/index.ts';
import { SEALED_BOARDS } from '../blackboard/index.ts';
import { StarlingError, isCount, isObject } from '../core/index.ts';
import type { Did, Json, Logger } from '../core/index.ts';
import { closeBox } from '../identity/index.ts';
import type { BoxOpener } from '../identity/index.ts';
import { openWith, sealWith } from './context-rows.ts';
import type { ContextRow } from './context-rows.ts';
import { LINES_MAX } from './limits.ts';
import type { ContextContent, ContextLine, ContextShare, ContextSummary } from './types.ts';
import { shownOf } from './views.ts';

const DID_END = 16;
const ID = /^ctx_[0-9a-f]{16}$/;
const LINE = /^\d{9}$/;
/** Conversations that one node shows this one: each costs a key to open. */
const RECEIVED_MAX = 1000;
/** Of these, so many are opened before others have their turn. */
const OPENED_AT_ONCE = 20;
/** Characters of the names that another node says of one. */
const NAME_CHARS_MAX = 1024;

/** What shared boards work with. */
export interface SharedBoardsComponents {
  readonly blackboard: Pick<Blackboard, 'board' | 'names'>;
  readonly self: Did;
  readonly openBox: BoxOpener;
  readonly logger: Logger;
}

/** What is said of a conversation to whom it is shown. */
type About = Pick<ContextRow, 'agent' | 'createdAt' | 'from' | 'session' | 'usedAt'> & {
  readonly view: ContextShare['view'];
};

/** The boards of what is shown, from both sides. */
export class SharedBoards {
  readonly #components: SharedBoardsComponents;

  constructor(components: SharedBoardsComponents) {
    this.#components = components;
  }

  /** Brings what the share's node is shown to what it should be. @throws what a board throws */
  async publish(
    row: ContextRow,
    share: ContextRow['shares'][number] & { readonly to: Did },
    lines: readonly ContextLine[],
  ): Promise<void> {
    const board = await this.#boardFor(share.to);
    const wanted = contentOf(row, share, lines);
    const prefix = `${row.id}/`;
    for (const { key } of board.entries(prefix)) if (!wanted.has(key)) await board.delete(key);
    for (const [key, content] of wanted) {
      const known = board.get(key)?.value;
      const isSame = JSON.stringify(openWith(share.key, key, known)) === JSON.stringify(content);
      if (!isSame) await board.set(key, sealWith(share.key, key, content));
    }
    const place = keyPlace(row.id);
    if (board.get(place) !== undefined) return;
    const closed = closeBox(share.to, Buffer.from(share.key));
    // Last, so that nobody holds a key to half of what is shown.
    await board.set(place, Buffer.from(closed).toString('base64'));
  }

  /** Takes off all that a node was shown of a conversation: the key first. */
  async end(id: string, to: Did): Promise<void> {
    const board = await this.#components.blackboard.board(boardName(to));
    if (!board.info().exists) return;
    await board.delete(keyPlace(id));
    for (const { key } of board.entries(`${id}/`)) await board.delete(key);
  }

  /** What others show this node; of one conversation, or of all that there is room for. */
  async received(only?: string): Promise<readonly ContextContent[]> {
    const { blackboard, self } = this.#components;
    const found: ContextContent[] = [];
    for (const name of blackboard.names().filter((one) => one.startsWith(SEALED_BOARDS))) {
      const board = await blackboard.board(name);
      const { createdBy } = board.info();
      if (createdBy === undefined || createdBy === self) continue;
      for (const [at, id] of idsOn(board, only).entries()) {
        if (at % OPENED_AT_ONCE === OPENED_AT_ONCE - 1) {
          await new Promise((turn) => setImmediate(turn));
        }
        const content = this.#read(board, id, createdBy);
        if (content !== undefined) found.push(content);
      }
    }
    return found;
  }

  /** One conversation; undefined where the key is not here (any more), or does not open what is said of it. */
  #read(board: Board, id: string, by: Did): ContextContent | undefined {
    const key = this.#keyOf(board.get(keyPlace(id))?.value);
    if (key === undefined) return undefined;
    const open = (place: string): Json | undefined => openWith(key, place, board.get(place)?.value);
    const about = open(`${id}/about`);
    if (!isAbout(about)) return undefined;
    const { agent, createdAt, from, session, usedAt, view } = about;
    const said = board
      .entries(`${id}/`)
      .filter((entry) => entry.by === by && LINE.test(entry.key.slice(id.length + 1)))
      .slice(-LINES_MAX)
      .flatMap((entry) => {
        const line = open(entry.key);
        return isLine(line) ? [line] : [];
      });
    const summary = open(`${id}/summary`);
    return {
      id,
      by,
      view,
      agent,
      from,
      session,
      createdAt,
      usedAt,
      lines: said.length,
      said,
      shares: [],
      ...(isSummary(summary) ? { summary } : {}),
    };
  }

  #keyOf(box: Json | undefined): string | undefined {
    if (typeof box !== 'string') return undefined;
    try {
      return Buffer.from(this.#components.openBox(Buffer.from(box, 'base64'))).toString();
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#components.logger.debug(
        { error: error.message },
        'a key of a conversation is not ours',
      );
      return undefined;
    }
  }

  async #boardFor(to: Did): Promise<Board> {
    const board = await this.#components.blackboard.board(boardName(to));
    await board.create({ open: false });
    if (!board.may(to, 'read')) await board.grant({ to, ability: 'read' });
    return board;
  }
}

/** The ids of conversations of which a board says anything. */
function idsOn(board: Board, only: string | undefined): readonly string[] {
  if (only !== undefined) {
    return ID.test(only) && board.get(keyPlace(only)) !== undefined ? [only] : [];
  }
  const ids = board.entries().map(({ key }) => key.split('/', 1)[0] ?? '');
  return [...new Set(ids)].filter((id) => ID.test(id)).slice(0, RECEIVED_MAX);
}

/** What a node is to be shown, by the keys of its board. */
function contentOf(
  row: ContextRow,
  { view }: ContextShare,
  lines: readonly ContextLine[],
): ReadonlyMap<string, object> {
  const { agent, createdAt, from, id, session, usedAt } = row;
  const { said, summary } = shownOf(view, row, lines);
  const about: About = { agent, from, session, createdAt, usedAt, view };
  return new Map<string, object>([
    [`${id}/about`, about],
    ...(summary === undefined ? [] : [[`${id}/summary`, summary] as const]),
    ...said.map((line) => [`${id}/${String(line.n).padStart(9, '0')}`, line] as const),
  ]);
}

/** What another node says is what it likes. */
function isAbout(value: Json | undefined): value is Json & About {
  if (!isObject(value)) return false;
  const { agent, createdAt, from, session, usedAt, view } = value;
  const isNamed = [agent, from, session].every(
    (text) => typeof text === 'string' && text.length <= NAME_CHARS_MAX,
  );
  const isDated = [createdAt, usedAt].every(isCount);
  const isView = view === 'full' || view === 'summary' || (isObject(view) && isCount(view['last']));
  return isNamed && isDated && isView;
}

function isSummary(value: Json | undefined): value is Json & ContextSummary {
  if (!isObject(value)) return false;
  const { at, first, last, model, text } = value;
  const isDated = [at, first, last].every(isCount);
  return isDated && typeof model === 'string' && typeof text === 'string';
}

function isLine(value: Json | undefined): value is Json & ContextLine {
  if (!isObject(value)) return false;
  const { at, n, role, text } = value;
  const isSaid = role === 'user' || role === 'assistant';
  return isSaid && typeof text === 'string' && isCount(n) && isCount(at);
}

function keyPlace(id: string): string {
  return `${id}/key`;
}

/** The end of a did tells nodes apart; of a did the beginning is the same. */
function boardName(to: Did): string {
  return `${SEALED_BOARDS}${to.slice(-DID_END)}`;
}
