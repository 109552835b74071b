/**
 * Logging by room. `STARLING_LOG=info,gateway=debug` sets a default level and levels by namespace
 * prefix. Lines go to standard error, because standard output belongs to MCP and to data.
 */
import { pino } from 'pino';
import { StarlingError, messageOf } from './errors.ts';

/** Levels from loudest to quietest. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields of a line: ids and numbers, never secrets or payloads. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Logs ids as fields and a fixed sentence as message. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger for `namespace` (`gateway`, `gateway:session`). */
  child(namespace: string): Logger;
}

const LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** Reads `info,gateway=debug` into a function from namespace to level. Unknown words are ignored. */
export function parseLogSpec(spec: string): (namespace: string) => LogLevel {
  let fallback: LogLevel = 'warn';
  const rules: { prefix: string; level: LogLevel }[] = [];
  for (const part of spec.split(',')) {
    const [left = '', right] = part.trim().split('=');
    const level = right ?? left;
    if (!isLevel(level)) continue;
    if (right === undefined) fallback = level;
    else rules.push({ prefix: left, level });
  }
  rules.sort((a, b) => b.prefix.length - a.prefix.length);
  return (namespace) =>
    rules.find((rule) => namespace === rule.prefix || namespace.startsWith(`${rule.prefix}:`))
      ?.level ?? fallback;
}

/**
 * Makes the root logger. `file`: append there instead of standard error.
 * @throws STARLING_CONFIG_INVALID when the file can't be opened
 */
export function createLogger(init: { readonly spec: string; readonly file?: string }): Logger {
  const levelOf = parseLogSpec(init.spec);
  const destination = openDestination(init.file);
  const root = pino(
    { level: 'trace', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );

  const wrap = (namespace: string): Logger => {
    const line = root.child({ ns: namespace }, { level: levelOf(namespace) });
    return {
      debug: (fields, message) => line.debug(fields, message),
      info: (fields, message) => line.info(fields, message),
      warn: (fields, message) => line.warn(fields, message),
      error: (fields, message) => line.error(fields, message),
      child: (name) => wrap(namespace === 'starling' ? name : `${namespace}:${name}`),
    };
  };
  return wrap('starling');
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function openDestination(file: string | undefined): ReturnType<typeof pino.destination> {
  try {
    return pino.destination({ dest: file ?? 2, sync: true, append: true });
  } catch (error) {
    throw new StarlingError(
      'STARLING_CONFIG_INVALID',
      `the log file ${file} can't be opened: ${messageOf(error)}`,
      {
        hint: 'make its folder, or name another with `log.file` or STARLING_LOG_FILE',
        cause: error,
      },
    );
  }
}

function isLevel(word: string): word is LogLevel {
  return LEVELS.includes(word);
}
