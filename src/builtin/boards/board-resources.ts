/** Boards as resources: `board://<board>/<key>` is one entry, `board://<board>` all of them. */
import type { Blackboard, Board } from '../../blackboard/index.ts';
import type { BuiltinContext, BuiltinTemplate } from '../../gateway/index.ts';
import { shownEntry, strongEntry } from './board-views.ts';
import { checkUse, mayUse } from './client-boards.ts';
import type { ClientBoards } from './client-boards.ts';

const SCHEME = 'board://';
const MIME_TYPE = 'application/json';

/** Boards, and who of the clients may use which. */
export interface BoardResourceComponents {
  readonly blackboard: Pick<Blackboard, 'board' | 'names'>;
  readonly rights?: ClientBoards;
}

/** What a URI names: an entry, or with no `key` a whole board. */
interface Named {
  readonly board: string;
  readonly key: string | undefined;
}

/** The templates of entries and of boards. */
export function boardResources(components: BoardResourceComponents): readonly BuiltinTemplate[] {
  return [
    templateOf(components, {
      uriTemplate: `${SCHEME}{board}/{key}`,
      name: 'board entry',
      description: 'One entry of a shared board, with who wrote it when.',
      reads: ({ key }) => key !== undefined,
    }),
    templateOf(components, {
      uriTemplate: `${SCHEME}{board}`,
      name: 'board',
      description: 'All entries of a shared board.',
      reads: ({ key }) => key === undefined,
    }),
  ];
}

interface TemplateInit {
  readonly uriTemplate: string;
  readonly name: string;
  readonly description: string;
  readonly reads: (named: Named) => boolean;
}

function templateOf(
  { blackboard, rights }: BoardResourceComponents,
  { uriTemplate, name, description, reads }: TemplateInit,
): BuiltinTemplate {
  /** The board that `uri` names, where there is one and the caller may read it. @throws STARLING_BOARD_REFUSED */
  const find = async (
    uri: string,
    context: BuiltinContext,
  ): Promise<{ readonly board: Board; readonly key: string | undefined } | undefined> => {
    const named = namedBy(uri);
    if (named === undefined || !reads(named)) return undefined;
    // To ask for a board that there is not makes none.
    if (!blackboard.names().includes(named.board)) return undefined;
    const board = await blackboard.board(named.board);
    const { key } = named;
    await checkUse(rights, context, { board, what: 'read', key: key ?? '' });
    return { board, key };
  };
  return {
    definition: { uriTemplate, name, description, mimeType: MIME_TYPE },
    async read(uri, context) {
      const found = await find(uri, context);
      if (found === undefined) return undefined;
      const { board, key } = found;
      if (key === undefined) {
        return JSON.stringify({ board: board.name, entries: board.entries().map(shownEntry) });
      }
      if (board.isStrong) {
        const entry = strongEntry(key, await board.strong(key, { request: { t: 'get' } }));
        return entry === undefined ? undefined : JSON.stringify(entry);
      }
      const entry = board.get(key);
      return entry === undefined ? undefined : JSON.stringify(shownEntry(entry));
    },
    async watch(uri, context, changed) {
      const found = await find(uri, context);
      if (found === undefined) return undefined;
      const { board, key } = found;
      return board.watch((changes) => {
        if (key !== undefined && !changes.some((change) => change.key === key)) return;
        // The right may have been taken back since.
        void mayUse(rights, context, { board, what: 'read', key: key ?? '' }).then(
          (may) => may && changed(),
          () => undefined,
        );
      });
    },
  };
}

/** What `uri` names; undefined for what is no URI of a board. */
function namedBy(uri: string): Named | undefined {
  if (!uri.startsWith(SCHEME)) return undefined;
  const [board = '', ...rest] = uri.slice(SCHEME.length).split('/');
  try {
    const key = rest.length === 0 ? undefined : decodeURIComponent(rest.join('/'));
    return board === '' || key === '' ? undefined : { board: decodeURIComponent(board), key };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
