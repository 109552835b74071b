/**
 * The node's log on a terminal: lines for people in place of JSON. Unless somebody asks for a level, only
 * faults of the node are told, each once; what is wrong for long is told by warnings.
 */
import { createLogger, messageOf, parseLogSpec, silentLogger } from '../../core/index.ts';
import type { LogFields, Logger } from '../../core/index.ts';
import { paintTalk, safeLine, tell } from './output.ts';

/** Faults that are remembered as told. */
const FAULTS_MAX = 1000;
/** Longest text of one field. */
const FIELD_MAX = 200;

type Level = 'debug' | 'info' | 'warn' | 'error';
const ORDER: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** Where the log of a node goes, and how much of it. */
export interface LogInit {
  readonly spec: string;
  readonly file?: string | undefined;
  /** True when somebody has asked for that level, and so for the log itself. */
  readonly isWanted: boolean;
}

/** The log of a process that a person may look at: JSON for files and pipes, sentences on a terminal. */
export function createTalkingLogger(init: LogInit): Logger {
  const { spec, file, isWanted } = init;
  if (file !== undefined || !process.stderr.isTTY) {
    return createLogger({ spec, ...(file === undefined ? {} : { file }) });
  }
  return isWanted ? lineLogger(parseLogSpec(spec), 'starling') : faultLogger();
}

function lineLogger(levelOf: ReturnType<typeof parseLogSpec>, namespace: string): Logger {
  const least = ORDER.indexOf(levelOf(namespace));
  const at =
    (level: Level) =>
    (fields: LogFields, message: string): void => {
      if (ORDER.indexOf(level) < least) return;
      const time = new Date().toTimeString().slice(0, 8);
      const text = safeLine(`${level} ${namespace}: ${message}${fieldsText(fields)}`);
      tell(paintTalk.dim(`${time} ${text}`));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) => lineLogger(levelOf, namespace === 'starling' ? name : `${namespace}:${name}`),
  };
}

function fieldsText(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${valueText(value).slice(0, FIELD_MAX)}`)
    .join('');
}

function valueText(value: unknown): string {
  if (value instanceof Error) return messageOf(value);
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}

function faultLogger(): Logger {
  const told = new Set<string>();
  const logger: Logger = {
    ...silentLogger,
    error(_, message) {
      if (told.has(message) || told.size >= FAULTS_MAX) return;
      told.add(message);
      tell(`${paintTalk.yellow('!')} ${safeLine(message)} (--verbose shows more)`);
    },
    child: () => logger,
  };
  return logger;
}
