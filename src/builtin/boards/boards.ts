/** The tools that read and write the shared boards. */
import { z } from 'zod';
import type { Blackboard, Board } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Json } from '../../core/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../gateway/index.ts';
import { makeBoard, ttlOf, unknownBoard } from './board-care.ts';
import { createBoardFeeds } from './board-feed.ts';
import { requestId } from './board-strong.ts';
import { shownEntry, shownTombstone, strongEntry } from './board-views.ts';
import { checkUse, mayUse } from './client-boards.ts';
import type { ClientBoards } from './client-boards.ts';
import type {
  BoardDeleteResult,
  BoardGetResult,
  BoardListResult,
  BoardSetResult,
  BoardWatchResult,
} from '../results.ts';
import { defineTool } from '../../gateway/index.ts';

const WATCH_DEFAULT_S = 30;
const WATCH_MAX_S = 300;

/** What the board tools need. */
export interface BoardComponents {
  readonly blackboard: Blackboard;
  readonly clock: Clock;
  /** Of clients, on boards that are not open; without it clients have open boards only. */
  readonly rights?: ClientBoards;
}

/** Boards, and who of the clients may use which. */
type Shared = Pick<BoardComponents, 'blackboard' | 'rights'>;

const board = z.string().describe('Name of the board.');
const key = z.string().describe('Key of the entry.');
const token = z
  .string()
  .optional()
  .describe(
    'The `token` of an earlier answer, of any node: this one waits until it has seen as much.',
  );

const consistency = z
  .enum(['eventual', 'session', 'strong'])
  .optional()
  .describe(
    'How sure it must be: default `strong` on strong boards, where writing is never less; on others `eventual`, or `session` with a `token`.',
  );

/** `board_get`, `board_set`, `board_delete`, `board_list` and `board_watch`. */
export function boardTools(components: BoardComponents): readonly BuiltinTool[] {
  return [
    getTool(components),
    setTool(components),
    deleteTool(components),
    listTool(components),
    watchTool(components),
  ];
}

/** A board that has seen what `token` says. @throws STARLING_BOARD_BEHIND, STARLING_BOARD_REFUSED */
async function reached(
  { blackboard, rights }: Shared,
  input: { readonly board: string; readonly key: string; readonly token?: string | undefined },
  { what, context }: { readonly what: 'read' | 'write'; readonly context: BuiltinContext },
): Promise<Board> {
  const found = await blackboard.board(input.board);
  await checkUse(rights, context, { board: found, what, key: input.key });
  await found.hold();
  if (input.token !== undefined) await found.reach(input.token);
  return found;
}

/** Whether something is done strongly. @throws STARLING_BOARD_INVALID of a board that is not strong */
function isStrongly(found: Board, wanted: 'eventual' | 'session' | 'strong'): boolean {
  if (wanted !== 'strong' || found.isStrong) return wanted === 'strong';
  throw new StarlingError('STARLING_BOARD_INVALID', `board '${found.name}' is not strong`, {
    hint: 'make one that is: starling board create <board> --strong',
  });
}

/** @throws STARLING_BOARD_INVALID: of one key there are strong writes or others, never both */
function checkWritten(found: Board, wanted: 'eventual' | 'session' | 'strong' | undefined): void {
  if (wanted === undefined || isStrongly(found, wanted) || !found.isStrong) return;
  throw new StarlingError(
    'STARLING_BOARD_INVALID',
    `board '${found.name}' is strong, so that no write of it is '${wanted}'`,
    { hint: 'leave the consistency out, or use a board that is not strong' },
  );
}

function requestOf(request: string | undefined): { readonly request?: string } {
  return request === undefined ? {} : { request };
}

function getTool(components: Shared): BuiltinTool {
  return defineTool({
    name: 'board_get',
    title: 'Read a board entry',
    description: 'One entry of a shared board, or null when there is none.',
    input: z.object({
      board,
      key,
      token,
      consistency,
      writer: z
        .boolean()
        .optional()
        .describe('Also say whether who wrote the entry may write it now.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardGetResult> {
      const found = await reached(components, input, { what: 'read', context });
      if (isStrongly(found, input.consistency ?? (found.isStrong ? 'strong' : 'eventual'))) {
        const outcome = await found.strong(input.key, { request: { t: 'get' } });
        const { version } = outcome;
        return { entry: strongEntry(input.key, outcome) ?? null, version, token: found.token() };
      }
      const entry = found.get(input.key);
      const gone = found.tombstone(input.key);
      const asked = input.writer === true && entry !== undefined;
      return {
        entry: entry === undefined ? null : shownEntry(entry),
        ...(asked ? { writerMay: found.may(entry.by, 'write', input.key) } : {}),
        ...(gone === undefined ? {} : { deleted: shownTombstone(gone) }),
        token: found.token(),
      };
    },
  });
}

function setTool(components: Shared): BuiltinTool {
  return defineTool({
    name: 'board_set',
    title: 'Write a board entry',
    description:
      'Writes one entry of a shared board. Every peer of the mesh gets it; of two writes the later one wins everywhere.',
    input: z.object({
      board,
      key,
      value: z.json().describe('Any JSON value, up to 256 KiB.'),
      ttl: z
        .number()
        .positive()
        .optional()
        .describe('After how many seconds the entry ends by itself.'),
      create: z.boolean().optional().describe('Makes the board where there is none of this name.'),
      open: z
        .boolean()
        .optional()
        .describe(
          'Of a board that is made: all members may read and write it. Default: only in an open mesh.',
        ),
      token,
      consistency,
      request: requestId,
    }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardSetResult> {
      if (input.create === true) await makeBoard(components, { ...input, lasts: false }, context);
      const found = await reached(components, input, { what: 'write', context });
      if (input.create !== true && !found.info().exists) throw unknownBoard(input.board);
      checkWritten(found, input.consistency);
      const entry = await found.set(input.key, input.value as Json, {
        ...ttlOf(input.ttl),
        ...requestOf(input.request),
      });
      return { entry: shownEntry(entry), token: found.token() };
    },
  });
}

function deleteTool(components: Shared): BuiltinTool {
  return defineTool({
    name: 'board_delete',
    title: 'Delete a board entry',
    description: 'Deletes one entry of a shared board, everywhere.',
    input: z.object({ board, key, token, consistency, request: requestId }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardDeleteResult> {
      const found = await reached(components, input, { what: 'write', context });
      checkWritten(found, input.consistency);
      const deleted = await found.delete(input.key, requestOf(input.request));
      return { deleted, token: found.token() };
    },
  });
}

function listTool(components: Shared): BuiltinTool {
  return defineTool({
    name: 'board_list',
    title: 'List boards or entries',
    description: 'Without `board`: the names of all boards. With it: its entries and its digest.',
    input: z.object({
      board: board.optional(),
      prefix: z.string().optional().describe('Only keys that start with this.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    async run(input, context): Promise<BoardListResult> {
      if (input.board === undefined) return { boards: await namesFor(components, context) };
      const opened = await components.blackboard.board(input.board);
      if (!opened.info().exists) throw unknownBoard(input.board);
      const { prefix: key = '' } = input;
      await checkUse(components.rights, context, { board: opened, what: 'read', key });
      await opened.hold();
      return { entries: opened.entries(input.prefix).map(shownEntry), digest: opened.digest() };
    },
  });
}

function watchTool(components: BoardComponents): BuiltinTool {
  const feeds = createBoardFeeds(components);
  return defineTool({
    name: 'board_watch',
    title: 'Wait for board changes',
    description:
      'Without `cursor`: returns a cursor at once. With one: waits for changes after it, and returns them with the next cursor.',
    input: z.object({
      board,
      prefix: z.string().optional().describe('Only keys that start with this.'),
      cursor: z.string().max(64).optional().describe('The cursor of the answer before.'),
      timeout_s: z
        .number()
        .min(0)
        .max(WATCH_MAX_S)
        .optional()
        .describe(`How long to wait, in seconds; default ${WATCH_DEFAULT_S}.`),
    }),
    hints: { readOnlyHint: true },
    clients: 'yes',
    stop: () => feeds.stop(),
    async run(input, context): Promise<BoardWatchResult> {
      const { blackboard, rights } = components;
      const { board: name, prefix = '' } = input;
      const watched = await blackboard.board(name);
      await checkUse(rights, context, { board: watched, what: 'read', key: prefix });
      await watched.hold();
      return feeds.after({
        board: name,
        prefix,
        cursor: input.cursor,
        timeoutMs: (input.timeout_s ?? WATCH_DEFAULT_S) * 1000,
        signal: context.signal,
      });
    },
  });
}

/** Names of the boards of which whoever asks may read something. */
async function namesFor(
  { blackboard, rights }: Shared,
  context: BuiltinContext,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of blackboard.names()) {
    const found = await blackboard.board(name);
    const given = found.isOpen ? [] : ((await rights?.of(found)) ?? []);
    const prefixes = ['', ...given.map(({ prefix }) => prefix)];
    for (const key of prefixes) {
      if (!(await mayUse(rights, context, { board: found, what: 'read', key }))) continue;
      names.push(name);
      break;
    }
  }
  return names;
}
