/** How well an agent does, as one number. Pure. */
import { OFFLINE_MS } from '../limits.ts';

/** What the health of an agent is reckoned from. */
export interface HealthInit {
  /** It was stopped, or its node has given it up. */
  readonly isOver: boolean;
  /** How long its program has not been heard of, ms. */
  readonly silentMs: number;
  /** Of its last {@link ANSWERS_KEPT} answers: the share that failed, 0 to 1. */
  readonly failed: number;
  /** Share of its processes that do not run, 0 to 1; 0 for an agent that the node does not run. */
  readonly down: number;
  /** Share of its memory limit that its fullest process has, 0 to 1; undefined without a limit. */
  readonly memory?: number | undefined;
}

/** Answers of which it is known whether they failed. */
export const ANSWERS_KEPT = 20;
/** From here on a process is near its memory limit. */
const MEMORY_HIGH = 0.9;
const MOST = { silence: 40, failed: 40, down: 30, memory: 20 } as const;

/**
 * 100 less the penalties: 40 for silence (in full after a minute), 40 times the share of the last 20 answers that failed, 30
 * times the share of processes that do not run, 20 for memory (none up to 90 % of the limit, in full at all of it).
 * 0 to 100, whole; 0 for an agent that is stopped or given up.
 */
export function healthOf({ isOver, silentMs, failed, down, memory = 0 }: HealthInit): number {
  if (isOver) return 0;
  const penalties =
    MOST.silence * share(silentMs / OFFLINE_MS) +
    MOST.failed * share(failed) +
    MOST.down * share(down) +
    MOST.memory * share((memory - MEMORY_HIGH) / (1 - MEMORY_HIGH));
  return Math.round(Math.max(0, 100 - penalties));
}

function share(value: number): number {
  return Math.min(1, Math.max(0, value));
}
