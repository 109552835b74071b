/** Where examples of the help are run: folders with a home of their own, as users have them. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { vi } from 'vitest';
import { run } from '../../cli/support.ts';
import type { Ran } from '../../cli/support.ts';
import { CLI } from '../support.ts';

/** A person's shell: the folder in which commands are typed, and what the shell's environment has. */
export interface Place {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Put before what is started, e.g. `ip netns exec ns1`. */
  readonly prefix?: readonly string[];
}

/** A command that runs until somebody ends it. */
export interface Running {
  /** Resolves when the command has printed what matches; rejects when the command ends before. */
  readonly says: (what: RegExp) => Promise<void>;
  /** Resolves with what `look` makes of all that was printed, once that is something; rejects as `says` does. */
  readonly until: <T>(look: (printed: string) => T | undefined) => Promise<T>;
  /** Sends Ctrl-C. */
  readonly interrupt: () => void;
  readonly ended: Promise<Ran>;
  readonly child: ChildProcess;
}

/** Makes a folder with programs: `starling`, and a service manager that agrees to all. */
export async function programsIn(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const programs = {
    starling: `exec '${process.execPath}' '${CLI}' "$@"`,
    systemctl: 'exit 0',
    loginctl: 'exit 0',
  };
  for (const [name, does] of Object.entries(programs)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${does}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}

/** The place of the node `name` of a world: what `starling up` there is started with, and its folder. */
export async function placeOf(root: string, name: string, programs: string): Promise<Place> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  return {
    folder,
    env: {
      HOME: folder,
      PATH: `${programs}${delimiter}${process.env['PATH'] ?? ''}`,
      STARLING_STATE_DIR: join(folder, 'state'),
      STARLING_NAME: name,
      STARLING_LISTEN: '/ip4/127.0.0.1/tcp/0',
      STARLING_HTTP_PORT: '0',
      STARLING_MDNS: 'false',
    },
  };
}

/** Runs the words after `starling` in this process, which spares starting one. */
export function runHere(
  place: Place,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return inPlace(place, () => run(...words), more);
}

/** Has this process be in the folder of the place, with its environment, while it works. One at a time. */
export async function inPlace<T>(
  { folder, env }: Place,
  work: () => Promise<T>,
  more: Readonly<Record<string, string>> = {},
): Promise<T> {
  const before = process.cwd();
  process.chdir(folder);
  for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME']) vi.stubEnv(name, '');
  for (const [name, value] of Object.entries({ ...env, ...more })) vi.stubEnv(name, value);
  try {
    return await work();
  } finally {
    vi.unstubAllEnvs();
    process.chdir(before);
  }
}

/** Starts a line in a shell, as a process of its own. */
export function startShell(
  { folder, env, prefix = [] }: Place,
  line: string,
  more: Readonly<Record<string, string>> = {},
  stdin = '',
): Running {
  const others = Object.entries(process.env).filter(([name]) => !/^(STARLING|XDG)_/.test(name));
  const shell = ['sh', '-c', /[|<>]/.test(line) ? line : `exec env ${line}`];
  const [command = 'sh', ...args] = [...prefix, ...shell];
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...Object.fromEntries(others), ...env, ...more },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A command that reads nothing may have ended before this is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const printed = { stdout: '', stderr: '' };
  const looks = new Set<() => void>();
  const take = (to: 'stdout' | 'stderr') => (text: string) => {
    printed[to] += text;
    for (const look of looks) look();
  };
  child.stdout.setEncoding('utf8').on('data', take('stdout'));
  child.stderr.setEncoding('utf8').on('data', take('stderr'));
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    ...printed,
  }));
  const until = <T>(look: (printed: string) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const again = (): void => {
        const value = look(printed.stdout + printed.stderr);
        if (value === undefined) return;
        looks.delete(again);
        resolve(value);
      };
      looks.add(again);
      again();
      void ended.then((ran) =>
        reject(new Error(`'${line}' ended with ${ran.code}: ${ran.stdout}${ran.stderr}`)),
      );
    });
  return {
    child,
    ended,
    interrupt: () => void child.kill('SIGINT'),
    says: async (what) => void (await until((text) => what.test(text) || undefined)),
    until,
  };
}

/** The words of a line as a shell splits it, as far as our examples go. */
export function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/((?:'[^']*'|[^\s'])+)/g)].map(([word]) => word.replaceAll("'", ''));
}
