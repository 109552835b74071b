/** Reads what a peer says of its part of a spread agent: what is odd counts as an answer that was not given. */
import { z } from 'zod';
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { SPREAD_PROCESSES_MAX } from '../limits.ts';
import type { PartView } from '../types.ts';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const VIEW = z.object({
  state: z.enum([
    'none',
    'spawning',
    'init',
    'ready',
    'running',
    'learning',
    'stopping',
    'stopped',
    'failed',
  ]),
  replicas: count.max(SPREAD_PROCESSES_MAX),
  life: z.string().max(64),
  fell: count,
  isOver: z.boolean(),
  waiting: count,
  error: z.string().max(1000).optional(),
});

/** @throws STARLING_AGENT_FAILED */
export function readPartView(answer: JsonObject): PartView {
  const read = VIEW.safeParse(answer);
  if (!read.success) {
    throw new StarlingError('STARLING_AGENT_FAILED', 'its node says nothing sound of its part');
  }
  const { error, ...view } = read.data;
  return error === undefined ? view : { ...view, error };
}
