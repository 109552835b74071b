/** The tools that look after boards: making, dropping, their past, and memory by the names of swarms. */
import { z } from 'zod';
import type { Blackboard, Board, BoardHold, SetOptions } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Membership } from '../../membership/index.ts';
import { audienceOf } from '../grants/grant-input.ts';
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
/** Replicas that a strong board may have. */
export const REPLICAS_MAX = 7;

const board = z.string().describe('Name of the board.');
const key = z.string().describe('Key of the entry.');
const swarmId = z
  .string()
  .optional()
  .describe(
    `The swarm whose memory it is: its id, or the name of a board; default '${MEMORY}', of an agent that this node runs its own.`,
  );

/** `board_create`, `board_info`, `board_drop`, `board_history`, `board_undo`, `memory_store`, `memory_retrieve`. */
export function boardCareTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [...lifeTools(components), ...pastTools(components), ...memoryTools(components)];
}

/** What these tools need. */
export interface BoardCareComponents {
  readonly blackboard: Blackboard;
  /** Of clients, on boards that are not open; without it clients have open boards only. */
  readonly rights?: ClientBoards;
  /** Who can keep a strong board besides this node. */
  readonly membership: Pick<Membership, 'peer' | 'peers' | 'resolve'>;
  readonly self: { readonly did: Did; readonly name: string };
  /** Where the swarm of an id remembers, as far as a caller may see it; undefined where no swarm has it. */
  readonly swarmMemory?: SwarmMemoryOf;
  /** What a caller remembers by itself, where the caller is an agent that this node runs. */
  readonly ownMemory?: (principal: Principal) => Promise<OwnMemory | undefined>;
}

/** Finds where a swarm remembers: below a prefix of its board. */
export type SwarmMemoryOf = (
  principal: Principal,
  swarmId: string,
) => Promise<{ readonly board: Board; readonly prefix: string } | undefined>;

/** The memory of one agent: what is stored and recalled where no swarm is named. */
export interface OwnMemory {
  /** The name of the board on which that is. */
  readonly board: string;
  get(key: string): Json | undefined;
  /** The least trusted zone that the agent had read from when it stored the value. */
  taintOf(key: string): 'trusted' | 'external' | undefined;
  /** Resolves to when the value is forgotten, ms since the epoch. */
  set(key: string, value: Json, options: SetOptions): Promise<number | undefined>;
}

/**
 * Who is to keep a strong board: those who are named, or this node and two or four others that are here now. An odd
 * number, because one more to make it even only adds one that can be away.
 */
function replicasOf(
  { membership, self }: BoardCareComponents,
  wanted: boolean | readonly string[] | undefined,
): readonly Did[] | undefined {
  if (wanted === undefined || wanted === false) return undefined;
  if (wanted !== true) return replicaDids({ membership, self }, wanted);
  const here = membership.peers().filter(({ state }) => state === 'alive');
  const others = here.length >= 4 ? 4 : here.length >= 2 ? 2 : 0;
  return [self.did, ...here.slice(0, others).map(({ did }) => did)];
}

/** The dids of nodes that are to keep a strong board, or no more. */
export function replicaDids(
  {
    membership,
    self,
  }: {
    readonly membership: Pick<Membership, 'peers' | 'resolve'>;
    readonly self: BoardCareComponents['self'];
  },
  names: readonly string[],
): readonly Did[] {
  const didOf = (name: string): Did =>
    name === self.name ? self.did : audienceOf(membership, name);
  return [...new Set(names.map(didOf))];
}

/** Makes a board where there is none of the name. What a client makes, it may read and write. */
export async function makeBoard(
  { blackboard, rights }: Pick<BoardCareComponents, 'blackboard' | 'rights'>,
  input: {
    readonly board: string;
    readonly open?: boolean | undefined;
    readonly signed?: boolean | undefined;
    readonly hold?: BoardHold | undefined;
    readonly strong?: readonly Did[] | undefined;
    readonly lasts?: boolean;
  },
  { principal }: BuiltinContext,
): Promise<boolean> {
  const found = await blackboard.board(input.board);
  const { open, signed, hold, strong, lasts = true } = input;
  const created = await found.create({
    ...(open === undefined ? {} : { open }),
    ...(signed === undefined ? {} : { signed }),
    ...(hold === undefined ? {} : { hold }),
    ...(strong === undefined ? {} : { strong }),
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
    hint: `see which there are, in a moment also one that was just granted: starling board list; to make it: starling board create ${name}, or set with --create (tools: create: true)`,
  });
}

/** Seconds to live as an option of a write. */
export function ttlOf(seconds: number | undefined): SetOptions {
  return seconds === undefined ? {} : { ttlMs: Math.round(seconds * SECOND_MS) };
}

async function shownInfo(
  components: BoardCareComponents,
  found: Board,
  { principal }: BuiltinContext,
): Promise<BoardInfoResult> {
  const { clock, coming, isOpen, isSigned, ...info } = found.info();
  const isOperator = principal.kind === 'operator';
  const clients = isOpen || !isOperator ? [] : ((await components.rights?.of(found)) ?? []);
  const { membership } = components;
  const on = coming?.map((one) => {
    return { ...one, from: membership.peer(one.from)?.alias ?? one.from };
  });
  return {
    ...info,
    open: isOpen,
    signed: isSigned,
    ...(clients.length === 0 ? {} : { clients }),
    ...(on === undefined ? {} : { coming: on }),
    vector_clock: clock,
  };
}

function createTool(components: BoardCareComponents): BuiltinTool {
  return defineTool({
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
      hold: z
        .enum(['all', 'listed', 'on-demand'])
        .optional()
        .describe(
          'Which nodes hold its entries: all members of an open board, `listed` those with a right, `on-demand` of these only the ones at which somebody uses it. Not of strong boards.',
        ),
      strong: z
        .union([z.boolean(), z.array(z.string().min(1).max(256)).min(1).max(REPLICAS_MAX)])
        .optional()
        .describe(
          'Its keys change one change after the other: true, or the peers that keep it (alias, PeerId or did:key); an odd number, all of them there now, and more than half of them for each change.',
        ),
    }),
    hints: { idempotentHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardCreateResult> {
      const { strong: wanted, ...rest } = input;
      const strong = replicasOf(components, wanted);
      const created = await makeBoard(components, { ...rest, strong }, context);
      const found = await components.blackboard.board(input.board);
      const { replicas, hold } = found.info();
      const kept = replicas === undefined ? {} : { replicas };
      return { board: input.board, created, open: found.isOpen, hold, ...kept };
    },
  });
}

function lifeTools(components: BoardCareComponents): readonly BuiltinTool[] {
  return [
    createTool(components),
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
        if (!found.info().exists) throw unknownBoard(input.board);
        return shownInfo(components, found, context);
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

/**
 * The memory that is meant: that of a swarm, which the nodes of its members share, or of a board of that name; without one an
 * agent's own, or the one that all share.
 */
async function memoryOf(
  components: BoardCareComponents,
  input: { readonly swarmId?: string | undefined; readonly key: string },
  { what, context }: Omit<Usage, 'key'>,
): Promise<OwnMemory> {
  const own =
    input.swarmId === undefined ? await components.ownMemory?.(context.principal) : undefined;
  if (own !== undefined) return own;
  const name = input.swarmId ?? MEMORY;
  const { board: found, prefix } = (await components.swarmMemory?.(context.principal, name)) ?? {
    board: await usable(components, name, { what, key: input.key, context }),
    prefix: '',
  };
  await found.hold();
  return {
    board: name,
    get: (key) => found.get(`${prefix}${key}`)?.value,
    taintOf: () => undefined,
    set: async (key, value, options) => (await found.set(`${prefix}${key}`, value, options)).until,
  };
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
        const memory = await memoryOf(components, input, { what: 'write', context });
        const until = await memory.set(input.key, input.value as Json, ttlOf(input.ttl));
        const expires = until === undefined ? {} : { expires: until };
        return { stored: true, key: input.key, swarmId: memory.board, ...expires };
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
        const memory = await memoryOf(components, input, { what: 'read', context });
        const value = memory.get(input.key);
        const { board: name } = memory;
        const taint = memory.taintOf(input.key);
        return {
          found: value !== undefined,
          key: input.key,
          swarmId: name,
          value: value ?? null,
          ...(taint === undefined ? {} : { taint }),
        };
      },
    }),
  ];
}
