/** Real node processes, for the demo, the benchmark and the end-to-end tests. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { StatusResult } from '../src/index.ts';
import { exitAtSignals } from './exit-at-signals.ts';

/** The longest that a node may take to stop, also on a busy machine. */
const STOP_MS = 30_000;

/** How a node process is started. */
export interface ProcessInit {
  /** Built CLI: `dist/cli.js`. */
  readonly cli: string;
  /** Folder under which the node gets `<name>/` with its config and state. */
  readonly root: string;
  readonly name: string;
  /** `mcpServers` and other keys of the config file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Further arguments of `starling up`. */
  readonly args?: readonly string[];
  /** Put before the command, e.g. `ip netns exec ns1`. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Hears each line on standard output: the events of `up --json`. */
  readonly onLine?: (line: string) => void;
  /** Hears each line on standard error. */
  readonly onLog?: (line: string) => void;
  readonly timeoutMs?: number;
  /** Ends a node that is still starting. */
  readonly signal?: AbortSignal;
}

/** A running `starling up`. */
export interface NodeProcess {
  readonly name: string;
  readonly stateDir: string;
  readonly child: ChildProcess;
  /** The first line of `up --json`. */
  readonly up: StatusResult & { readonly ticket?: string };
  /** Everything it wrote to standard error so far. */
  log(): string;
  /** Runs `starling <args> --state <its folder>` and gives what it printed. */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Waits until it has ended and all that it wrote is read; gives its exit code. */
  ended(): Promise<number | null>;
  /** Signals it and waits for its end; a node that won't stop in half a minute is killed. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** What a command printed and how it ended. */
export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly prefix?: readonly string[];
}

/** The node ended before it was up. */
export class StartFailedError extends Error {
  readonly code: number | null;
  readonly output: string;

  constructor(name: string, code: number | null, output: string) {
    super(`node ${name} ended with code ${code} before it was up:\n${output}`);
    this.name = 'StartFailedError';
    this.code = code;
    this.output = output;
  }
}

/** Runs the CLI once. Never throws for its exit code. */
export async function runCli(
  cli: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const [command = process.execPath, ...rest] = [
    ...(options.prefix ?? []),
    process.execPath,
    cli,
    ...args,
  ];
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment(options.env),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.end(options.stdin ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return {
    code,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
  };
}

/** Starts `starling up --json` and waits until it is up. @throws StartFailedError */
export async function startProcess(init: ProcessInit): Promise<NodeProcess> {
  const home = join(init.root, init.name);
  const stateDir = join(home, 'state');
  const configFile = join(home, 'starling.json');
  await mkdir(home, { recursive: true });
  const config = {
    name: init.name,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    http: { port: 0 },
    mdns: false,
    ...init.config,
  };
  await writeFile(configFile, JSON.stringify(config, null, 2));
  const [command = process.execPath, ...rest] = [
    ...(init.prefix ?? []),
    process.execPath,
    init.cli,
    'up',
    '--json',
    '--config',
    configFile,
    '--state',
    stateDir,
    ...(init.args ?? []),
  ];
  init.signal?.throwIfAborted();
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment({ HOME: home, ...init.env }),
  });
  endWithUs(child);
  const log: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    log.push(line);
    init.onLog?.(line);
  });
  const closed = new Promise<number | null>((resolve) => void child.once('close', resolve));
  const kill = (): unknown => child.kill('SIGKILL');
  init.signal?.addEventListener('abort', kill);
  const up = await firstLine(child, init, log).finally(() =>
    init.signal?.removeEventListener('abort', kill),
  );
  return {
    name: init.name,
    stateDir,
    child,
    up,
    log: () => log.join('\n'),
    ended: () => closed,
    run: (args, options) =>
      runCli(init.cli, [...args, '--state', stateDir], {
        ...options,
        prefix: options?.prefix ?? init.prefix ?? [],
        env: { HOME: home, ...options?.env },
      }),
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, 'exit');
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const [code] = (await ended) as [number | null];
      clearTimeout(timer);
      return code;
    },
  };
}

const children = new Set<ChildProcess>();

function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** A run that exits, or is ended by a signal, leaves no node behind. */
function endWithUs(child: ChildProcess): void {
  exitAtSignals();
  if (!process.listeners('exit').includes(killAll)) process.on('exit', killAll);
  children.add(child);
  child.once('exit', () => children.delete(child));
}

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('STARLING_') && !name.startsWith('XDG_'),
  );
  return { ...Object.fromEntries(kept), ...extra };
}

function firstLine(
  child: ChildProcess,
  init: ProcessInit,
  log: readonly string[],
): Promise<NodeProcess['up']> {
  return new Promise((resolve, reject) => {
    const timeoutMs = init.timeoutMs ?? 120_000;
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`node ${init.name} was not up in ${timeoutMs} ms:\n${log.join('\n')}`));
    }, timeoutMs);
    const printed: string[] = [];
    child.once('close', (code: number | null) => {
      clearTimeout(timer);
      reject(new StartFailedError(init.name, code, [...printed, ...log].join('\n')));
    });
    child.once('error', reject);
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      init.onLine?.(line);
      printed.push(line);
      const event = parseEvent(line);
      if (event === undefined) return;
      clearTimeout(timer);
      resolve(event);
    });
  });
}

function parseEvent(line: string): NodeProcess['up'] | undefined {
  const value = JSON.parse(line) as { event?: string };
  return value.event === 'up' ? (value as unknown as NodeProcess['up']) : undefined;
}
