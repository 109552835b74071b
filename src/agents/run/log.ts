/** What one agent writes: its last lines, kept over restarts, and read by a cursor. */
import { messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { LOG_BYTES_MAX, LOG_LINES_MAX, LOG_LINE_MAX } from '../limits.ts';
import type { AgentLogLine } from '../types.ts';
import { waitForNews } from '../inbox/wait-for-news.ts';

/** Lines behind a cursor. */
export interface LogPage {
  readonly lines: readonly AgentLogLine[];
  /** Given with the next call, gives what comes after these. */
  readonly cursor: number;
}

/** Lines of one agent, in the order in which its processes wrote them. */
export interface AgentLog {
  /** Adds a line of process `replica`. Never throws. */
  add(text: string, replica: number): void;
  /** The lines behind `cursor`, at most `limit`: the last of them where there is no cursor. */
  page(cursor: number | undefined, limit: number): LogPage;
  /** The same, waiting for a line. */
  read(init: {
    readonly cursor?: number | undefined;
    readonly limit: number;
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }): Promise<LogPage>;
  /** Writes what is not on disk yet, and ends all waits. */
  close(): Promise<void>;
}

/** How long lines wait for others before they are written: a node that is killed loses so much. */
const WRITE_MS = 1000;
const LOG = 'log/';

/** Reads the log of `name`, or begins an empty one. */
export async function openLog(
  components: { readonly table: Table; readonly clock: Clock; readonly logger: Logger },
  name: string,
): Promise<AgentLog> {
  const stored = await components.table.get(LOG + name);
  const lines = stored === undefined ? [] : readLines(Buffer.from(stored).toString('utf8'));
  return new KeptLog(components, name, lines);
}

/** By which what an agent has written is gone from the disk. */
export function logDropOf(name: string): Write {
  return { key: LOG + name };
}

/** What is left of the log of a former agent of that name. */
export async function logLeftOf(
  table: Pick<Table, 'get'>,
  name: string,
): Promise<readonly Write[]> {
  return (await table.get(LOG + name)) === undefined ? [] : [logDropOf(name)];
}

class KeptLog implements AgentLog {
  readonly #components: Parameters<typeof openLog>[0];
  readonly #name: string;
  readonly #lines: AgentLogLine[];
  readonly #wakers = new Set<() => void>();
  #bytes = 0;
  #next: number;
  #cancelWrite: (() => void) | undefined;
  #isClosed = false;

  constructor(components: Parameters<typeof openLog>[0], name: string, lines: AgentLogLine[]) {
    this.#components = components;
    this.#name = name;
    this.#lines = lines;
    this.#next = (lines.at(-1)?.seq ?? 0) + 1;
    for (const { text } of lines) this.#bytes += text.length;
  }

  add(text: string, replica: number): void {
    if (this.#isClosed) return;
    const at = new Date(this.#components.clock.now()).toISOString();
    const line = { seq: this.#next, at, replica, text: text.slice(0, LOG_LINE_MAX) };
    this.#next += 1;
    this.#lines.push(line);
    this.#bytes += line.text.length;
    while (this.#lines.length > LOG_LINES_MAX || this.#bytes > LOG_BYTES_MAX) {
      this.#bytes -= this.#lines.shift()?.text.length ?? 0;
    }
    for (const wake of this.#wakers) wake();
    const { clock, logger } = this.#components;
    this.#cancelWrite ??= clock.schedule(WRITE_MS, () =>
      unawaited(this.#write(), logger, 'the log of an agent was not written', {
        agent: this.#name,
      }),
    );
  }

  page(cursor: number | undefined, limit: number): LogPage {
    const lines =
      cursor === undefined
        ? this.#lines.slice(-limit)
        : this.#lines.filter(({ seq }) => seq > cursor).slice(0, limit);
    return { lines, cursor: lines.at(-1)?.seq ?? cursor ?? this.#next - 1 };
  }

  async read({ cursor, limit, waitMs, signal }: Parameters<AgentLog['read']>[0]): Promise<LogPage> {
    const found = this.page(cursor, limit);
    if (found.lines.length > 0 || waitMs <= 0 || signal.aborted || this.#isClosed) return found;
    await waitForNews(this.#wakers, this.#components.clock, { waitMs, signal });
    return this.page(found.cursor, limit);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const wake of this.#wakers) wake();
    if (this.#cancelWrite !== undefined) await this.#write();
  }

  async #write(): Promise<void> {
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    const { logger, table } = this.#components;
    try {
      await table.put(LOG + this.#name, Buffer.from(JSON.stringify(this.#lines)));
    } catch (error) {
      logger.warn({ agent: this.#name, error: messageOf(error) }, 'the log of an agent was lost');
    }
  }
}

function readLines(text: string): AgentLogLine[] {
  try {
    return JSON.parse(text) as AgentLogLine[];
  } catch {
    // A log that can't be read is no reason for an agent not to run.
    return [];
  }
}
