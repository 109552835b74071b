/** What the tests of the CLI share: fake nodes that end with their test, and runs of the program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { onTestFinished, vi } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { startFakeNode } from './fake-node.ts';
import type { FakeInit, FakeNode } from './fake-node.ts';

/** The built command: `npm test` builds before it tests, and a build starts four times as fast as sources. */
const CLI = resolve(import.meta.dirname, '../../dist/cli.js');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function fakeNode(init?: FakeInit): Promise<FakeNode> {
  const node = await startFakeNode(init);
  onTestFinished(() => node.stop());
  return node;
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-cli-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A folder whose path is as long on every machine, so that lines with it break at the same words everywhere. */
export async function shortFolder(): Promise<string> {
  const folder = await mkdtemp('/tmp/st-');
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** The text with such a folder, and with that of a double in it, under a name of the same width. */
export function withHome(text: string, folder: string): string {
  return text
    .replaceAll(folder, '/home/somebody')
    .replaceAll(/starling-fake-\w{6}/g, 'state-of-this-node-0');
}

/** Runs a command in this process, and gives what it printed. */
export async function run(...args: string[]): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const code = await runHeard(args, (stream, text) => void (said[stream] += text));
  return { code, ...said };
}

/** The same, with both streams in the order in which they were written, as a terminal shows them. */
export async function runTogether(
  ...args: string[]
): Promise<{ readonly code: number; readonly said: string }> {
  let said = '';
  const code = await runHeard(args, (_, text) => void (said += text));
  return { code, said };
}

async function runHeard(
  args: readonly string[],
  hear: (stream: 'stdout' | 'stderr', text: string) => void,
): Promise<number> {
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi
      .spyOn(process[stream], 'write')
      .mockImplementation((text: string | Uint8Array, ...rest: unknown[]) => {
        hear(stream, text.toString());
        const done = rest.at(-1);
        if (typeof done === 'function') done();
        return true;
      }),
  );
  try {
    return await runProgram(args);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** Does `work` while both streams of this process pass for a terminal of this width. */
export async function atColumns<T>(columns: number, work: () => Promise<T>): Promise<T> {
  const streams = [process.stdout, process.stderr];
  const before = streams.map(({ isTTY, columns: width }) => ({ isTTY, columns: width }));
  for (const stream of streams) Object.assign(stream, { isTTY: true, columns });
  try {
    return await work();
  } finally {
    for (const [at, stream] of streams.entries()) Object.assign(stream, before[at]);
  }
}

/** Runs a command in this process on a terminal of this width, and gives what it printed, colours left off. */
export async function runAt(columns: number, ...args: string[]): Promise<Ran> {
  const { code, stdout, stderr } = await atColumns(columns, () => run(...args));
  const plain = stripVTControlCharacters;
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

export interface Started {
  readonly child: ReturnType<typeof spawn>;
  readonly stdout: () => string;
  /** Resolves when standard output holds `text`. */
  readonly says: (text: string) => Promise<void>;
  readonly ended: () => Promise<Ran>;
}

/** Starts the built command as a process of its own, which ends with the test, or when `atEnd` says so. */
export function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  atEnd: (end: () => Promise<void>) => void = onTestFinished,
): Started {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const exited = once(child, 'exit');
  // Until it has, it may write into a folder that is being taken away.
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = once(child, 'close');
  let isClosed = false;
  void closed.finally(() => {
    isClosed = true;
  });
  return {
    child,
    stdout: () => stdout,
    async says(text) {
      while (!stdout.includes(text)) {
        if (isClosed) throw new Error(`it ended and never said '${text}':\n${stdout}${stderr}`);
        await Promise.race([once(child.stdout, 'data'), closed]);
      }
    },
    async ended() {
      const [code] = (await closed) as [number | null];
      return { code, stdout, stderr };
    },
  };
}
