/**
 * What clients of this node may do on boards that are not open. An open board is every client's; of the others a client
 * has what the operator gave it by name, or what it made itself. Only this node knows of that: towards the mesh a
 * client's writes are the node's, which needs the right itself.
 */
import type { Board, BoardAbility } from '../../blackboard/index.ts';
import { StarlingError, isObject } from '../../core/index.ts';
import type { BuiltinContext } from '../../gateway/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';

/** One right of one client on one board. */
export interface ClientRight {
  readonly client: string;
  readonly ability: BoardAbility;
  /** Of keys; '' is all of them. */
  readonly prefix: string;
}

/** The rights of all clients. */
export interface ClientBoards {
  /** Resolves once the right is durable. */
  give(board: Board, right: ClientRight): Promise<void>;
  /** Resolves to how many rights there were. */
  takeBack(board: Board, client: string): Promise<number>;
  of(board: Board): Promise<readonly ClientRight[]>;
}

/** Rights of one client on one board. */
const RIGHTS_MAX = 64;
const ABILITIES: readonly BoardAbility[] = ['read', 'write', 'admin'];

/** Keeps rights of clients in `table`. */
export function createClientBoards({ table }: { readonly table: Table }): ClientBoards {
  const read = async (board: Board, client: string): Promise<readonly ClientRight[]> => {
    const bytes = await table.get(rowOf(board, client));
    return bytes === undefined ? [] : rightsOf(bytes, client);
  };
  return {
    async give(board, right) {
      const rights = await read(board, right.client);
      if (rights.some((one) => one.ability === right.ability && one.prefix === right.prefix))
        return;
      if (rights.length >= RIGHTS_MAX) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `client:${right.client} has ${RIGHTS_MAX} rights on this board already`,
          {
            hint: `take them back first: starling board revoke ${board.name} client:${right.client}`,
          },
        );
      }
      const rows = [...rights, right].map(({ ability, prefix }) => ({ ability, prefix }));
      await table.put(rowOf(board, right.client), Buffer.from(JSON.stringify(rows)));
    },
    async takeBack(board, client) {
      const rights = await read(board, client);
      if (rights.length > 0) await table.delete(rowOf(board, client));
      return rights.length;
    },
    async of(board) {
      const all: ClientRight[] = [];
      for await (const [key, bytes] of table.entries(`${board.id}/`)) {
        all.push(...rightsOf(bytes, key.slice(board.id.length + 1)));
      }
      return all;
    },
  };
}

/**
 * Whether whoever calls may do something with keys of a board that start with `key`. An agent may it as far as all those
 * may for whom it works.
 */
export async function mayUse(
  rights: ClientBoards | undefined,
  { principal }: Pick<BuiltinContext, 'principal'>,
  {
    board,
    what,
    key = '',
  }: { readonly board: Board; readonly what: BoardAbility; readonly key?: string },
): Promise<boolean> {
  if (principal.kind === 'operator' || board.isOpen) return true;
  if (principal.kind !== 'client' || rights === undefined) return false;
  const needed = ABILITIES.indexOf(what);
  const given = (await rights.of(board)).filter(
    ({ ability, prefix }) => ABILITIES.indexOf(ability) >= needed && key.startsWith(prefix),
  );
  const may = (one: Principal): boolean =>
    one.kind === 'operator' ||
    (one.kind === 'client' &&
      given.some(({ client }) => client === one.name) &&
      (one.worksFor ?? []).every(may));
  return may(principal);
}

/** As {@link mayUse}. @throws STARLING_BOARD_REFUSED when not */
export async function checkUse(
  rights: ClientBoards | undefined,
  context: Pick<BuiltinContext, 'principal'>,
  wanted: { readonly board: Board; readonly what: BoardAbility; readonly key?: string },
): Promise<void> {
  if (await mayUse(rights, context, wanted)) return;
  const { principal } = context;
  const { board, what } = wanted;
  const who = principal.kind === 'client' ? `client:${principal.name}` : 'this caller';
  throw new StarlingError(
    'STARLING_BOARD_REFUSED',
    `board '${board.name}' is not open, and ${who} has no right to ${what} there`,
    { hint: `the operator can give it: starling board grant ${board.name} ${who} ${what}` },
  );
}

function rowOf(board: Board, client: string): string {
  return `${board.id}/${client}`;
}

function rightsOf(bytes: Uint8Array, client: string): readonly ClientRight[] {
  const rows: unknown = JSON.parse(Buffer.from(bytes).toString());
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: unknown) => {
    if (!isObject(row)) return [];
    const ability = ABILITIES.find((one) => one === row['ability']);
    const prefix = row['prefix'];
    return ability === undefined || typeof prefix !== 'string' ? [] : [{ client, ability, prefix }];
  });
}
