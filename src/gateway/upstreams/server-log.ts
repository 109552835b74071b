/** What the processes of one server wrote on standard error, and what became of them: the last lines. */
import type { Clock } from '../../core/index.ts';
import type { ServerLogLine } from '../server-condition.ts';

/** Lines that are kept of a server. */
const LINES_MAX = 200;
/** Characters of a line that are kept. */
const LINE_MAX = 500;

/** The log of one server, in memory: it ends with the node. */
export interface ServerLog {
  add(text: string): void;
  /** The oldest first. */
  lines(): readonly ServerLogLine[];
}

/** Makes an empty log. */
export function createServerLog({ clock }: { readonly clock: Clock }): ServerLog {
  const kept: ServerLogLine[] = [];
  return {
    add(text) {
      kept.push({ at: clock.now(), text: text.slice(0, LINE_MAX) });
      if (kept.length > LINES_MAX) kept.shift();
    },
    lines: () => [...kept],
  };
}
