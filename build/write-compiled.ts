/**
 * The last step of `npm run build`: starts a node and asks it as users do, and keeps the code that V8
 * compiled for it beside the chunks. The program works without, so that a failure here only costs time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CompiledChunks } from './compiled-chunks.ts';

/** The longest that the node may take, in milliseconds. */
const LONGEST_MS = 60_000;

/** What users do most, each in a process of its own; the node runs until all have ended. */
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
  const config = join(folder, 'starling.json');
  const listen = ['/ip4/127.0.0.1/tcp/0'];
  const settings = { name: 'build', listen, http: { port: 0 }, mdns: false };
  writeFileSync(config, JSON.stringify(settings));
  const state = ['--state', join(folder, 'state')];
  const start = (...words: string[]) =>
    spawn(process.execPath, [script, ...words, ...state], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], HOME: folder },
      timeout: LONGEST_MS,
    });
  const node = start('up', '--json', '--config', config);
  const ended = once(node, 'exit');
  // The first line says that the node is up; without one, the node has ended.
  const lines = createInterface({ input: node.stdout });
  const up = await Promise.race([once(lines, 'line').then(() => true), ended.then(() => false)]);
  if (up) {
    for (const words of COMMANDS) {
      const command = start(...words);
      command.stdout.resume();
      await once(command, 'exit');
    }
    node.kill();
  }
  await ended;
  rmSync(folder, { recursive: true, force: true });
}
