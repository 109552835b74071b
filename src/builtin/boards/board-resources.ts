/**
 * Boards as resources: `board://<board>/<key>` is one entry, `board://<board>` all of them. `memory_bank://<swarm>` is all
 * that is stored for a swarm, below a prefix of its board, or by the name of a board.
 */
import type { Blackboard, Board } from '../../blackboard/index.ts';
import type { BuiltinContext, BuiltinTemplate } from '../../gateway/index.ts';
import type { SwarmMemoryOf } from './board-care.ts';
import { shownEntry, strongEntry } from './board-views.ts';
import { checkUse, mayUse } from './client-boards.ts';
import type { ClientBoards } from './client-boards.ts';

const SCHEME = 'board://';
const MEMORY_SCHEME = 'memory_bank://';
const MIME_TYPE = 'application/json';

/** Boards, and who of the clients may use which. */
export interface BoardResourceComponents {
  readonly blackboard: Pick<Blackboard, 'board' | 'names'>;
  readonly rights?: ClientBoards;
  /** Where the swarm of an id remembers, as far as a caller may see it. */
  readonly swarmMemory?: SwarmMemoryOf;
}

/** What is read: entries of a board below a prefix, or one of them. */
interface Found {
  readonly board: Board;
  readonly prefix: string;
  readonly key: string | undefined;
}

/** What a URI names: an entry, or with no `key` a whole board. */
interface Named {
  readonly board: string;
  readonly key: string | undefined;
}

/** The templates of entries, of boards, and of what swarms remember. */
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
    templateOf(components, {
      scheme: MEMORY_SCHEME,
      uriTemplate: `${MEMORY_SCHEME}{swarmId}`,
      name: 'memory_bank',
      description:
        'All that memory_store has kept for a swarm, or by itself: memory_bank://memory, as far as the caller may read it.',
      reads: ({ key }) => key === undefined,
    }),
  ];
}

interface TemplateInit {
  /** Default: that of boards. */
  readonly scheme?: string;
  readonly uriTemplate: string;
  readonly name: string;
  readonly description: string;
  readonly reads: (named: Named) => boolean;
}

function templateOf(
  { blackboard, rights, swarmMemory }: BoardResourceComponents,
  { scheme = SCHEME, uriTemplate, name, description, reads }: TemplateInit,
): BuiltinTemplate {
  /** The board that `uri` names, where there is one and the caller may read it. @throws STARLING_BOARD_REFUSED */
  const find = async (uri: string, context: BuiltinContext): Promise<Found | undefined> => {
    const named = namedBy(uri, scheme);
    if (named === undefined || !reads(named)) return undefined;
    const isMemory = scheme === MEMORY_SCHEME;
    const ofSwarm = isMemory ? await swarmMemory?.(context.principal, named.board) : undefined;
    if (ofSwarm !== undefined) return { ...ofSwarm, key: undefined };
    // To ask for a board that there is not makes none.
    if (!blackboard.names().includes(named.board)) return undefined;
    const board = await blackboard.board(named.board);
    const { key } = named;
    await checkUse(rights, context, { board, what: 'read', key: key ?? '' });
    await board.hold();
    return { board, prefix: '', key };
  };
  return {
    definition: { uriTemplate, name, description, mimeType: MIME_TYPE },
    async read(uri, context) {
      const found = await find(uri, context);
      if (found === undefined) return undefined;
      const { board, key, prefix } = found;
      if (key === undefined) {
        const entries = board.entries(prefix).map((entry) => {
          return shownEntry({ ...entry, key: entry.key.slice(prefix.length) });
        });
        return JSON.stringify({ board: board.name, entries });
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
      const { board, key, prefix } = found;
      const mayRead = async (): Promise<boolean> => {
        if (prefix === '') return mayUse(rights, context, { board, what: 'read', key: key ?? '' });
        const { principal } = context;
        return (await swarmMemory?.(principal, board.name.split('@')[0] ?? '')) !== undefined;
      };
      return board.watch((changes) => {
        const isMeant = (one: string): boolean =>
          key === undefined ? one.startsWith(prefix) : one === key;
        if (!changes.some((change) => isMeant(change.key))) return;
        // The right may have been taken back since.
        void mayRead().then(
          (may) => may && changed(),
          () => undefined,
        );
      });
    },
  };
}

/** What `uri` names; undefined for what is no URI of a board. */
function namedBy(uri: string, scheme: string): Named | undefined {
  if (!uri.startsWith(scheme)) return undefined;
  const [board = '', ...rest] = uri.slice(scheme.length).split('/');
  try {
    const key = rest.length === 0 ? undefined : decodeURIComponent(rest.join('/'));
    return board === '' || key === '' ? undefined : { board: decodeURIComponent(board), key };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
