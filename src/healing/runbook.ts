/**
 * Runbooks: what has mended a server, on a board that only healers may write. A runbook is a plan and no program: it is
 * made of the steps that a healer knows, for the one server that it names, and each of its steps goes by the same grants
 * and approvals as a step of the rules.
 */
import { z } from 'zod';
import { isObject } from '../core/index.ts';
import type { Json, JsonObject } from '../core/index.ts';
import { CAUSES } from './types.ts';
import type { CallTool, Cause, Step, Watched } from './types.ts';

const STEPS_MAX = 8;
const WAIT_MAX_MS = 60_000;
const CALL_MS = 30_000;
const text = z.string().min(1).max(128);

const STEP = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('wait'), ms: z.number().int().min(0).max(WAIT_MAX_MS) }),
  z.strictObject({ do: z.literal('restart') }),
]);
const RUNBOOK = z.strictObject({
  form: z.literal('runbook/1'),
  server: text,
  cause: z.enum(CAUSES),
  steps: z
    .array(STEP)
    .min(1)
    .max(STEPS_MAX)
    .refine((steps) => steps.filter((step) => step.do === 'restart').length <= 1)
    .refine((steps) => waitOf(steps) <= WAIT_MAX_MS),
  /** What the log said then: data. */
  evidence: z.array(z.string().max(300)).max(3),
  healer: text,
  /** How often it has mended the server. */
  healed: z.number().int().min(1).max(1_000_000),
  tookMs: z.number().int().min(0),
});

/** What has mended a server. */
export type Runbook = z.output<typeof RUNBOOK>;

/** What a healer finds on its board for a cause. */
export interface Found {
  readonly runbook?: Runbook;
  /** Why what is there is not used; absent where nothing is. */
  readonly refused?: string;
}

/** The runbooks of a board, by the tools of boards of the healer's own node. */
export interface Runbooks {
  find(watched: Watched, cause: Cause): Promise<Found>;
  /** @throws what the board says */
  write(watched: Watched, runbook: Runbook): Promise<void>;
}

/** Reads and writes runbooks on `board`. */
export function createRunbooks(call: CallTool, board: string): Runbooks {
  const ask = (tool: string, args: JsonObject): Promise<JsonObject> =>
    call(`starling__${tool}`, { board, ...args }, CALL_MS);
  return {
    async find(watched, cause) {
      const { entry, writerMay } = await ask('board_get', {
        key: keyOf(watched, cause),
        writer: true,
      });
      if (!isObject(entry)) return {};
      const { open, signed } = await ask('board_info', {});
      // Else anybody, or who hands entries on, could have written it in another's name.
      if (open !== false || signed !== true) {
        return { refused: 'the board is not closed and signed: anybody may have written it' };
      }
      if (writerMay !== true) return { refused: 'who wrote it may not write there any more' };
      const runbook = readRunbook(entry['value'] ?? null);
      if (runbook === undefined) return { refused: 'it has not the form of a runbook' };
      if (runbook.server !== watched.server || runbook.cause !== cause) {
        return { refused: 'it is for another server or cause than its key says' };
      }
      return { runbook };
    },
    async write(watched, runbook) {
      const key = keyOf(watched, runbook.cause);
      await ask('board_set', { key, value: runbook });
    },
  };
}

/** Where the runbook for a server and a cause stands. */
export function keyOf({ node = 'here', server }: Watched, cause: Cause): string {
  return `runbook/${node}/${server}/${cause}`;
}

/** The runbook that a value is; undefined for what is none. */
export function readRunbook(value: Json): Runbook | undefined {
  return RUNBOOK.safeParse(value).data;
}

function waitOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + (step.do === 'wait' ? step.ms : 0), 0);
}
