/**
 * Events that outlast the moment: on a board, as the operator's configuration names it. Each node keeps what it tells
 * itself, and nothing of others, so that the board has each event once, from a writer that is proven.
 */
import { z } from 'zod';
import type { Board } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { isAgentName } from '../names.ts';

/** A subject: words with dots between. */
export const SUBJECT = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}$/;

/** An event as a node tells it. */
export const toldSchema = z.object({
  v: z.literal(1),
  id: z.string().min(1).max(64),
  subject: z.string().max(520).regex(SUBJECT),
  agent: z.string().max(64).refine(isAgentName).optional(),
  at: z.number().int().min(0).max(8.64e15),
  message: z.json(),
});

/** What a node has told. */
export interface Told {
  readonly v: 1;
  readonly id: string;
  readonly subject: string;
  /** The agent of that node that tells it; absent: the node. */
  readonly agent?: string | undefined;
  /** ms since the epoch, by the clock of the node. */
  readonly at: number;
  readonly message: Json;
}

/** Where events are kept. */
export interface EventLogComponents {
  /** The board by its name, and for how long an event stays on it; undefined where none are kept. */
  readonly config: () => { readonly board: string; readonly keepMs: number } | undefined;
  readonly board: (name: string) => Promise<Pick<Board, 'entries' | 'set'>>;
}

/** Keeps events, and finds them again. */
export interface EventLog {
  /**
   * Keeps an event of this node's own, where events are kept. Resolves once that is on the disk.
   * @throws STARLING_BOARD_REFUSED, STARLING_BOARD_INVALID, STARLING_STATE_UNUSABLE, …
   */
  keep(told: Told): Promise<void>;
  /** What nodes have told at `sinceMs` or later, the oldest first, with who told it. @throws STARLING_USAGE where none are kept */
  since(sinceMs: number): Promise<readonly { readonly told: Told; readonly by: Did }[]>;
}

const PREFIX = 'events/';
const TIME_DIGITS = 10;
const BASE = 36;

/** Makes the log of one node, whose configuration is asked each time. */
export function createEventLog({ config, board }: EventLogComponents): EventLog {
  return {
    async keep(told) {
      const kept = config();
      if (kept === undefined) return;
      const place = await board(kept.board);
      await place.set(keyOf(told), told as unknown as Json, { ttlMs: kept.keepMs });
    },
    async since(sinceMs) {
      const kept = config();
      if (kept === undefined) throw keptNowhere();
      const place = await board(kept.board);
      return place
        .entries(PREFIX)
        .flatMap(({ value, by, key }) => {
          const read = toldSchema.safeParse(value);
          // The time in the key and in the event are one: else an old event could be put among the new ones.
          if (!read.success || keyOf(read.data) !== key || read.data.at < sinceMs) return [];
          return [{ told: read.data, by }];
        })
        .toSorted((one, other) => one.told.at - other.told.at);
    },
  };
}

function keyOf({ at, id }: Told): string {
  return `${PREFIX}${at.toString(BASE).padStart(TIME_DIGITS, '0')}-${id}`;
}

function keptNowhere(): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    'this node keeps no events, but the last ones of its own memory',
    {
      hint: 'name a board in its config file: "agents": { "events": { "board": "events" } }',
    },
  );
}
