/** What is known of the eras of MCP that one server speaks: learnt from its instances, kept until proven wrong. */
import type { McpServer } from '../../config/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Era } from '../wire/era.ts';
import { isAnswer } from './instances/instance.ts';

/**
 * For how long a process that gave no answer in the modern era is not asked in that era: twice as long after each further
 * time. Longer leaves a server that was only slow once on the bridge between the eras for longer; shorter costs the callers
 * of a server that never answers more starts in vain.
 */
const UNASKED_MS = 60_000;
/**
 * How often in a row a process is asked in vain: each time is a start of the program, for which a caller waits up to five
 * seconds. From then on the server is taken for one of the old era until somebody starts it anew.
 */
const VAIN_MAX = 5;

/** The eras of one server. */
export interface KnownEras {
  /** True for an era that the server turned out to lack, or in which it is not to be asked for now. */
  lacks(era: Era): boolean;
  /** Another number once what was found out in vain is forgotten: the server was started anew, or speaks the modern era. */
  readonly epoch: number;
  /** The server was listed in `era`, after the newest one was tried first where that is safe. */
  listed(era: Era): void;
  /** An instance of the modern era alone did not start, for `error`. */
  modernFailed(error: unknown): void;
  /** Somebody starts the server anew: it may be another program now. */
  startsAnew(): void;
}

/** Makes what is known of a server of this kind: nothing yet. */
export function createKnownEras(kind: McpServer['type'], clock: Pick<Clock, 'now'>): KnownEras {
  const lacking = new Set<Era>();
  let last: Era | undefined;
  /** Times in a row that a process gave no answer, when that was last, and for how long it is not asked. */
  let vain = 0;
  let vainAt = 0;
  let unaskedMs = 0;
  let epoch = 0;
  // A clock that is set back must not keep the server unasked for as long as it was ahead.
  const isUnasked = (): boolean => Math.abs(clock.now() - vainAt) < unaskedMs;
  const forgetVain = (): void => {
    vain = 0;
    unaskedMs = 0;
    epoch += 1;
  };
  return {
    get epoch() {
      return epoch;
    },
    lacks: (era) => lacking.has(era) || (era === 'modern' && isUnasked()),
    listed(era) {
      last = era;
      lacking.delete(era);
      if (era === 'modern') forgetVain();
      // At a URL the modern era was asked for first.
      if (era === 'legacy' && kind !== 'stdio') lacking.add('modern');
    },
    modernFailed(error) {
      if (last === 'modern') return;
      if (isAnswer(error)) lacking.add('modern');
      // A process may end when it is asked in an era that it does not know, or say nothing, as one does that is only slow.
      else if (kind === 'stdio' && !isUnasked()) {
        vain += 1;
        vainAt = clock.now();
        unaskedMs = vain < VAIN_MAX ? UNASKED_MS * 2 ** (vain - 1) : Number.POSITIVE_INFINITY;
      }
    },
    startsAnew() {
      lacking.clear();
      forgetVain();
    },
  };
}
