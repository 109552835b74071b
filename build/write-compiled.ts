/**
 * The last step of `npm run build`: starts nodes and asks them as users do, and keeps the code that V8
 * compiled for them beside the chunks. The program works without, so that a failure here only costs time.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { CompiledChunks } from './compiled-chunks.ts';

/** The longest that a node may run, in milliseconds. */
const LONGEST_MS = 60_000;

/** What users do most, each in a process of its own; the founder runs until all have ended. */
const COMMANDS = [['status', '--json'], ['tools', 'starling'], ['grant', 'list'], ['mcp']];

const [, script = '', ...args] = process.argv;

if (args.length > 0) runAsProgram();
else await tryTheProgram();

/** Runs the program with this process's arguments, and writes at its end what was compiled. */
function runAsProgram(): void {
  const chunks = new CompiledChunks();
  process.on('exit', () => chunks.write());
  chunks.run(join(import.meta.dirname, 'program.cjs'));
}

async function tryTheProgram(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-build-'));
  try {
    const founder = await up(folder, 'founder');
    if (founder === undefined) return;
    for (const words of COMMANDS) await run(folder, words);
    await founder.end();
    // A process begins with what those before it have compiled, and the last to end writes what is kept.
    const again = await up(folder, 'founder');
    const { ticket = '' } = JSON.parse((await run(folder, ['invite', '--json'])) || '{}') as {
      readonly ticket?: string;
    };
    const joined = await up(folder, 'joined', '--join', ticket);
    await again?.end();
    await joined?.end();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a node, and waits until it is up; undefined when it has ended before. */
async function up(
  folder: string,
  name: string,
  ...words: string[]
): Promise<{ end(): Promise<unknown> } | undefined> {
  const config = join(folder, `${name}.json`);
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  writeFileSync(config, JSON.stringify({ name, listen, http: { port: 0 }, mdns: false }));
  const node = start(folder, name, ['up', '--json', '--config', config, ...words]);
  const ended = once(node, 'exit');
  let said = '';
  node.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  // The first line says that the node is up; without one, the node has ended.
  const lines = createInterface({ input: node.stdout });
  const isUp = await Promise.race([once(lines, 'line').then(() => true), ended.then(() => false)]);
  if (!isUp) {
    process.stderr.write(said);
    return undefined;
  }
  return {
    end() {
      node.kill();
      return ended;
    },
  };
}

/** Runs a command of the founder; gives what the command printed. */
async function run(folder: string, words: readonly string[]): Promise<string> {
  const command = start(folder, 'founder', words);
  let printed = '';
  command.stderr.pipe(process.stderr, { end: false });
  command.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(command, 'close');
  return printed;
}

function start(
  folder: string,
  name: string,
  words: readonly string[],
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [script, ...words, '--state', join(folder, name)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: folder },
    timeout: LONGEST_MS,
  });
}
