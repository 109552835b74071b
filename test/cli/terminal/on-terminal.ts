/** Runs the built command on a terminal of its own, as a person does. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { promisify, stripVTControlCharacters } from 'node:util';

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js');
const PTY = resolve(import.meta.dirname, '../../fixtures/terminal.py');
const ROWS = 40;

/** What `type` sends for Ctrl-C. */
export const CTRL_C = '\u0003';

export interface OnTerminal {
  readonly pid: number;
  /** What is on the screen and above: the lines that changed by what they were at last, colours left off. */
  screen(): string;
  /** What was written, with all its control sequences. */
  raw(): string;
  /** Resolves when the screen holds `text`. */
  shows(text: string | RegExp): Promise<void>;
  type(text: string): void;
  /** Makes the terminal 40 columns wide. */
  narrow(): void;
  ended(): Promise<{ readonly code: number | null; readonly screen: string }>;
  /** Closes the terminal, as its window would; gives the exit code of what ran there, once that has ended. */
  close(): Promise<number | null>;
}

export interface TerminalInit {
  /** The built program; default the command line. */
  readonly program?: string;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `starling <args>`. The caller ends it. */
export function startOnTerminal(args: readonly string[], init: TerminalInit = {}): OnTerminal {
  const { program = CLI, columns = 80, env = {} } = init;
  const child = spawn(
    'python3',
    [PTY, String(columns), String(ROWS), process.execPath, program, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, TERM: 'xterm', NO_COLOR: '', CI: '', COLUMNS: '', LINES: '', ...env },
    },
  );
  let raw = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    raw += text;
  });
  const closed = once(child, 'close');
  const screen = (): string => screenOf(raw);
  return {
    pid: child.pid ?? 0,
    screen,
    raw: () => raw,
    async shows(text) {
      const isThere = (): boolean =>
        typeof text === 'string' ? screen().includes(text) : text.test(screen());
      while (!isThere()) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`it ended and never showed ${text}:\n${raw}`);
        await Promise.race([once(child.stdout, 'data'), closed]);
      }
    },
    type: (text) => void child.stdin.write(text),
    narrow: () => void child.kill('SIGUSR1'),
    async ended() {
      const [code] = (await closed) as [number | null];
      return { code, screen: screen() };
    },
    async close() {
      child.kill('SIGTERM');
      const [code] = (await closed) as [number | null];
      return code;
    },
  };
}

/** The lines as a person sees them at last. */
function screenOf(raw: string): string {
  return raw
    .split('\n')
    .map((line) => {
      const kept = line.replace(/\r$/, '').split('\r\u001B[2K').at(-1) ?? '';
      return stripVTControlCharacters(kept).trimEnd();
    })
    .join('\n');
}

/** Whether this machine can give a program a terminal. Without Python these tests are left out. */
export async function hasTerminals(): Promise<boolean> {
  try {
    await promisify(execFile)('python3', ['-c', 'import pty']);
    return true;
  } catch {
    return false;
  }
}
