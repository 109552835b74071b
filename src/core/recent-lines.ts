/** The last lines of a node's log, whatever its level: what somebody who looks for a fault asks for first. */
import { messageOf } from './errors.ts';
import type { LogFields, Logger } from './logger.ts';
import type { Clock } from './time/clock.ts';

/** One line of the log. */
export interface RecentLine {
  /** When, as the clock had it (ISO 8601, UTC). */
  readonly at: string;
  readonly level: 'info' | 'warn' | 'error';
  /** The room that wrote the line, like `gateway:session`. */
  readonly ns: string;
  readonly message: string;
  /** Ids and numbers, each as text of at most {@link FIELD_CHARS_MAX} characters. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Keeps the last lines of all loggers that were made by {@link RecentLines.around}. */
export interface RecentLines {
  /** A logger that writes to `logger`, and keeps what is of level `info` or louder. */
  around(logger: Logger): Logger;
  /** The lines that are kept, the oldest first. */
  lines(): readonly RecentLine[];
}

/** Lines that are kept. */
const LINES_MAX = 300;
/** Of one sentence: what is said without end would else push out all that was said before. */
const LINES_OF_ONE_SENTENCE_MAX = 20;
const FIELDS_MAX = 16;
const FIELD_CHARS_MAX = 300;

/** Keeps at most 300 lines, and 20 of one sentence. */
export function createRecentLines(clock: Clock): RecentLines {
  const kept: RecentLine[] = [];
  const keep = (line: RecentLine): void => {
    const alike = kept.filter((one) => one.message === line.message);
    const [oldest = kept[0]] = alike.length < LINES_OF_ONE_SENTENCE_MAX ? [] : alike;
    const isFull = kept.length >= LINES_MAX || alike.length >= LINES_OF_ONE_SENTENCE_MAX;
    if (isFull && oldest !== undefined) kept.splice(kept.indexOf(oldest), 1);
    kept.push(line);
  };
  const wrap = (logger: Logger, ns: string): Logger => {
    const at =
      (level: RecentLine['level']) =>
      (fields: LogFields, message: string): void => {
        const time = new Date(clock.now()).toISOString();
        keep({ at: time, level, ns, message, fields: shown(fields) });
        logger[level](fields, message);
      };
    return {
      debug: (fields, message) => logger.debug(fields, message),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (name) => wrap(logger.child(name), ns === 'starling' ? name : `${ns}:${name}`),
    };
  };
  return { around: (logger) => wrap(logger, 'starling'), lines: () => [...kept] };
}

function shown(fields: LogFields): Record<string, string> {
  const some = Object.entries(fields).slice(0, FIELDS_MAX);
  return Object.fromEntries(
    some.map(([name, value]) => [name, textOf(value).slice(0, FIELD_CHARS_MAX)]),
  );
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return messageOf(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // A value that holds itself: what it is called must do.
    return String(value);
  }
}
