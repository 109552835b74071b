/** The tools that look after boards: making, dropping, their past, and memory by the names of swarms. */
import { z } from 'zod';
import type { Blackboard, Board, SetOptions } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { defineTool } from '../../gateway/index.ts';
import { shownEntry } from './board-views.ts';
import { checkUse } from './client-boards.ts';
import type { ClientBoards } from './client-boards.ts';
import type {
  BoardCreateResult,
  BoardDropResult,
  BoardHistoryResult,
  BoardInfoResult,
  BoardUndoResult,
  MemoryRetrieveResult,
  MemoryStoreResult,
} from '../results.ts';

const HISTORY_LINES_MAX = 1000;
/** The board of what is stored without a swarm. */
const MEMORY = 'memory';
const SECOND_MS = 1000;

const board = z.string().describe('Name of the board.');
const key = z.string().describe('Key of the entry.');
const swarmId = z
  .string()
  .optional()
  .describe(`The swarm whose memory it is: the name of a board; default '${MEMORY}'.`);

/** `board_create`, `board_info`, `board_drop`, `board_history`, `board_undo`, `memory_store`, `memory_retrieve`. */
export function boardCareTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [...lifeTools(components), ...pastTools(components), ...memoryTools(components)];
}

/** What these tools need. */
export interface BoardCareComponents {
  readonly blackboard: Blackboard;
  /** Of clients, on boards that are not open; without it clients have open boards only. */
  readonly rights?: ClientBoards;
}

/** Makes a board where there is none of the name. What a client makes, it may read and write. */
export async function makeBoard(
  { blackboard, rights }: BoardCareComponents,
  input: {
    readonly board: string;
    readonly open?: boolean | undefined;
    readonly signed?: boolean | undefined;
    readonly lasts?: boolean;
  },
  { principal }: BuiltinContext,
): Promise<boolean> {
  const found = await blackboard.board(input.board);
  const { open, signed, lasts = true } = input;
  const created = await found.create({
    ...(open === undefined ? {} : { open }),
    ...(signed === undefined ? {} : { signed }),
    lasts,
  });
  if (created && !found.isOpen && principal.kind === 'client') {
    await rights?.give(found, { client: principal.name, ability: 'admin', prefix: '' });
  }
  return created;
}

/** The board that a call names, if whoever calls may do `what` there. @throws STARLING_BOARD_REFUSED */
async function usable(
  { blackboard, rights }: BoardCareComponents,
  name: string,
  { what, key = '', context }: Usage,
): Promise<Board> {
  const found = await blackboard.board(name);
  await checkUse(rights, context, { board: found, what, key });
  return found;
}

interface Usage {
  readonly what: 'read' | 'write' | 'admin';
  readonly key?: string;
  readonly context: BuiltinContext;
}

/** There is no board of this name, and nobody said that one may be made. */
export function unknownBoard(name: string): StarlingError {
  return new StarlingError('STARLING_BOARD_UNKNOWN', `there is no board '${name}'`, {
    hint: `to make it: starling board create ${name}, or set with --create (tools: create: true)`,
  });
}

/** Seconds to live as an option of a write. */
export function ttlOf(seconds: number | undefined): SetOptions {
  return seconds === undefined ? {} : { ttlMs: Math.round(seconds * SECOND_MS) };
}

function lifeTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'board_create',
      title: 'Make a board',
      description:
        "Makes a shared board: in a private mesh it is this node's until others get a right (board_grant), in an open one everybody's. Nothing happens when there is one.",
      input: z.object({
        board,
        open: z
          .boolean()
          .optional()
          .describe('All members may read and write it. Default: only in an open mesh.'),
        signed: z
          .boolean()
          .optional()
          .describe("Each entry carries its writer's signature, whoever passes it on."),
      }),
      hints: { idempotentHint: true },
      clients: 'yes',
      run: async (input, context): Promise<BoardCreateResult> => ({
        board: input.board,
        created: await makeBoard(components, input, context),
        open: (await components.blackboard.board(input.board)).isOpen,
      }),
    }),
    defineTool({
      name: 'board_info',
      title: 'Look at a board',
      description:
        'How much a shared board holds, who made it, and how many writes of each writer were seen.',
      input: z.object({ board }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input, context): Promise<BoardInfoResult> {
        const found = await usable(components, input.board, { what: 'read', context });
        const { clock, isOpen, isSigned, ...info } = found.info();
        if (!info.exists) throw unknownBoard(input.board);
        const isOperator = context.principal.kind === 'operator';
        const given = isOpen || !isOperator ? [] : ((await components.rights?.of(found)) ?? []);
        const clients = given.length === 0 ? {} : { clients: given };
        const kind = { open: isOpen, signed: isSigned };
        return { ...info, ...kind, ...clients, vector_clock: clock };
      },
    }),
    defineTool({
      name: 'board_drop',
      title: 'Drop a board',
      description: 'Deletes all entries of a shared board, everywhere, and the board with them.',
      input: z.object({ board }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'ask',
      async run(input, context): Promise<BoardDropResult> {
        const found = await usable(components, input.board, { what: 'admin', context });
        if (!found.info().exists) throw unknownBoard(input.board);
        return { board: input.board, deleted: await found.drop() };
      },
    }),
  ];
}

function pastTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'board_history',
      title: 'Read the past of a board',
      description:
        'Who changed what when, in the order in which it came to this node. `gap` says that older changes are kept no more.',
      input: z.object({
        board,
        key: key.optional(),
        prefix: z.string().optional().describe('Only keys that start with this.'),
        from: z
          .string()
          .max(64)
          .optional()
          .describe('Only what came after: the `next` of the answer before.'),
        limit: z.number().int().min(1).max(HISTORY_LINES_MAX).optional(),
      }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input, context): Promise<BoardHistoryResult> {
        const asked = input.key ?? input.prefix ?? '';
        const found = await usable(components, input.board, { what: 'read', key: asked, context });
        const { lines, next, isCut, more } = await found.history({
          limit: input.limit ?? HISTORY_LINES_MAX,
          ...(input.from === undefined ? {} : { from: input.from }),
          ...(input.key === undefined ? {} : { key: input.key }),
          ...(input.prefix === undefined ? {} : { prefix: input.prefix }),
        });
        return { changes: lines, next, gap: isCut, more };
      },
    }),
    defineTool({
      name: 'board_undo',
      title: 'Undo the last write of a board entry',
      description:
        "Writes again what was there before this node's last write of the key. Refused when somebody else wrote since.",
      input: z.object({ board, key }),
      hints: { destructiveHint: true },
      clients: 'yes',
      async run(input, context): Promise<BoardUndoResult> {
        const usage: Usage = { what: 'write', key: input.key, context };
        const entry = await (await usable(components, input.board, usage)).undo(input.key);
        return { entry: entry === undefined ? null : shownEntry(entry) };
      },
    }),
  ];
}

function memoryTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'memory_store',
      title: 'Remember something',
      description:
        "Stores a value in a swarm's memory, which every peer of the mesh shares. It is a board of that name.",
      input: z.object({
        swarmId,
        key,
        value: z.json().describe('Any JSON value, up to 256 KiB.'),
        ttl: z.number().positive().optional().describe('After how many seconds it is forgotten.'),
      }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'yes',
      async run(input, context): Promise<MemoryStoreResult> {
        const name = input.swarmId ?? MEMORY;
        const found = await usable(components, name, { what: 'write', key: input.key, context });
        const { until } = await found.set(input.key, input.value as Json, ttlOf(input.ttl));
        const expires = until === undefined ? {} : { expires: until };
        return { stored: true, key: input.key, swarmId: name, ...expires };
      },
    }),
    defineTool({
      name: 'memory_retrieve',
      title: 'Recall something',
      description:
        "A value from a swarm's memory; `found` is false and the value null when there is none.",
      input: z.object({ swarmId, key }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input, context): Promise<MemoryRetrieveResult> {
        const name = input.swarmId ?? MEMORY;
        const found = await usable(components, name, { what: 'read', key: input.key, context });
        const entry = found.get(input.key);
        const value = entry?.value ?? null;
        return { found: entry !== undefined, key: input.key, swarmId: name, value };
      },
    }),
  ];
}
