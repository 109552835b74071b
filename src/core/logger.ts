/**
 * Logging by room. `STARLING_LOG=info,gateway=debug` sets a default level and levels by namespace
 * prefix. Lines go to standard error, because standard output belongs to MCP and to data.
 */
import { pino } from 'pino';
import type { DestinationStream } from 'pino';
import { createBuckets } from './bucket.ts';
import { systemClock } from './time/clock.ts';
import type { Clock } from './time/clock.ts';
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

/** What is kept of lines that the disk refuses, in characters. */
const WAITING_MAX = 1024 * 1024;
/** What a disk says that is full, or read-only by now (POSIX.1-2017 §2.3). */
const REFUSED = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO']);

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

/** A burst of lines with the same sentence, and then thirty a minute. Levels below `info` are not counted. */
const LINES_OF_ONE_SENTENCE = { burst: 60, everyMs: 2000 } as const;
/**
 * The same of lines about one peer, whatever they say: who brings about lines of many kinds would else write as much
 * of each. Lines that tell of a fault of this node (`error`) are counted by their sentence only.
 */
const LINES_OF_ONE_PEER = { burst: 20, everyMs: 3000 } as const;
/** Sentences that are counted, and peers. */
const SENTENCES_MAX = 1000;

/**
 * Makes the root logger. `file`: append there instead of standard error. Of lines with the same sentence, or about the
 * same peer, only so many are written; the next one that is says in `leftOut` how many of its sentence were not.
 * @throws STARLING_CONFIG_INVALID when the file can't be opened
 */
export function createLogger(init: {
  readonly spec: string;
  readonly file?: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
}): Logger {
  const levelOf = parseLogSpec(init.spec);
  const destination = openDestination(init.file);
  const root = pino(
    { level: 'trace', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );

  const pace = createLinePace(init.clock ?? systemClock);

  const wrap = (namespace: string): Logger => {
    const line = root.child({ ns: namespace }, { level: levelOf(namespace) });
    const paced =
      (level: 'info' | 'warn' | 'error') =>
      (fields: LogFields, message: string): void => {
        if (!line.isLevelEnabled(level)) return;
        const leftOut = pace(message, level === 'error' ? undefined : fields['peer']);
        if (leftOut === 0) line[level](fields, message);
        else if (leftOut !== undefined) line[level]({ ...fields, leftOut }, message);
      };
    return {
      debug: (fields, message) => line.debug(fields, message),
      info: paced('info'),
      warn: paced('warn'),
      error: paced('error'),
      child: (name) => wrap(namespace === 'starling' ? name : `${namespace}:${name}`),
    };
  };
  return wrap('starling');
}

/**
 * How often one sentence may stand in the log: who can bring a line about could else fill the disk with it. Gives
 * how many lines of that sentence were left out before this one; undefined when this one is left out, too.
 */
function createLinePace(clock: Clock): (message: string, peer: unknown) => number | undefined {
  const lines = createBuckets(clock, LINES_OF_ONE_SENTENCE, SENTENCES_MAX);
  const ofPeers = createBuckets(clock, LINES_OF_ONE_PEER, SENTENCES_MAX);
  const leftOut = new Map<string, number>();
  return (message, peer) => {
    const count = leftOut.get(message) ?? 0;
    const isOfPeer = typeof peer === 'string';
    if ((!isOfPeer || ofPeers.waitMs(peer) === 0) && lines.take(message)) {
      if (isOfPeer) ofPeers.take(peer);
      leftOut.delete(message);
      return count;
    }
    if (leftOut.size < SENTENCES_MAX) leftOut.set(message, count + 1);
    return undefined;
  };
}

/** A logger that drops everything. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function openDestination(file: string | undefined): DestinationStream {
  try {
    return keepingLines(pino.destination({ dest: file ?? 2, sync: true, append: true }));
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

/** A node runs on where the disk of its log is full: lines wait, as far as there is room for them, and are written once the disk takes them. */
function keepingLines(destination: ReturnType<typeof pino.destination>): DestinationStream {
  let isRefused = false;
  let waiting = 0;
  destination.on('error', (error: NodeJS.ErrnoException) => {
    if (!REFUSED.has(error.code ?? '')) throw error;
    isRefused = true;
  });
  destination.on('write', () => {
    isRefused = false;
  });
  return {
    write(line) {
      if (!isRefused) waiting = 0;
      const isTooMuch = waiting + line.length > WAITING_MAX;
      waiting += isTooMuch ? 0 : line.length;
      // Nothing more to write is another try with what waits.
      destination.write(isTooMuch ? '' : line);
    },
  };
}

function isLevel(word: string): word is LogLevel {
  return LEVELS.includes(word);
}
