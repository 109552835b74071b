/** The only place in Starling that starts processes. Never a shell. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { withFilesCovered } from '../covered-files.ts';
import { statOf } from './process-group.ts';
import type { RunBriefly } from '../sandbox/sandbox-means.ts';

/** The file descriptor of {@link ProcessInit.input}. */
const INPUT_FD = 3;
const STDERR_BYTES_MAX = 4096;
/** A program that is tried has this long: given up too soon, on a busy machine, servers would run without a sandbox. */
const TRIAL_MS = 20_000;

/** A process whose standard streams are pipes. */
export type PipedProcess = ChildProcessWithoutNullStreams;

/** What is to be started. */
export interface ProcessInit {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** What the process reads as its file descriptor 3. */
  readonly input?: Uint8Array;
}

/** Starts a process that leads a group of its own; its standard streams are pipes, and of what this node has open it gets no file. */
export function startProcess(init: ProcessInit): PipedProcess {
  const { command, args, cwd, env, input } = init;
  const given = input === undefined ? [] : (['pipe'] as const);
  const child: ChildProcess = withFilesCovered((covered) =>
    spawn(command, [...args], {
      cwd,
      env,
      stdio: ['pipe', 'pipe', 'pipe', ...given, ...covered.slice(given.length)],
      detached: process.platform !== 'win32',
      shell: false,
      windowsHide: true,
    }),
  );
  const extra = child.stdio[INPUT_FD];
  if (input !== undefined && typeof extra === 'object' && extra !== null && 'end' in extra) {
    // A process that ends before it has read everything is told of by its exit code.
    extra.on('error', () => undefined);
    extra.end(input);
  }
  return child as PipedProcess;
}

/** Runs a program of the system to its end, without input, and with no variables but those of `env`; code 127 when it can't be started. */
export const runBriefly = (
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ReturnType<RunBriefly> =>
  new Promise((resolve) => {
    const child = withFilesCovered((covered) =>
      spawn(program, [...args], {
        env,
        cwd: '/',
        stdio: ['ignore', 'ignore', 'pipe', ...covered],
        shell: false,
        timeout: TRIAL_MS,
        killSignal: 'SIGKILL',
      }),
    );
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr = `${stderr}${chunk.toString('utf8')}`.slice(-STDERR_BYTES_MAX);
    });
    child.once('error', (error) => resolve({ code: 127, stderr: error.message }));
    child.once('close', (code) => resolve({ code: code ?? 1, stderr }));
  });

/**
 * When the process `pid` was started, in words that no other process of that number has: on Linux ticks
 * since a boot, and which boot. Undefined when there is none, or the system does not tell (Windows).
 */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform === 'win32') return undefined;
  if (process.platform !== 'linux') return toldByPs(pid);
  const startedAt = statOf(pid)?.startedAt;
  return startedAt === undefined ? undefined : `${startedAt} ${bootId()}`;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Ticks since an unknown boot still tell the processes of one boot apart.
    return '';
  }
}

function toldByPs(pid: number): string | undefined {
  try {
    return execFileSync('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // ps ends with code 1 for a process that there is not.
    return undefined;
  }
}
