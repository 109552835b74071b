/** Servers in Go and Python that read messages less strictly than Node does, and write down what they ran. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { McpServer } from '../../../src/config/index.ts';
import { STDIO_SERVER } from './gateways.ts';

const run = promisify(execFile);
const SOURCES = resolve(import.meta.dirname, '../../fixtures/servers');

/** A server and what it ran. */
export interface LenientServer {
  readonly name: string;
  readonly server: McpServer;
  /** Names of tools and URIs that it ran, with the arguments, in order. */
  readonly ran: () => Promise<readonly { readonly ran: unknown; readonly args?: unknown }[]>;
}

/** The servers that this machine can run, and why it can't run others. */
export interface LenientServers {
  readonly servers: readonly LenientServer[];
  readonly missing: readonly string[];
  readonly remove: () => Promise<void>;
}

/** Builds what has to be built, of the standard library alone, and makes the servers' logs. */
export async function lenientServers(): Promise<LenientServers> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-lenient-'));
  const made = await Promise.allSettled([
    run('python3', ['--version']).then(() =>
      serverOf('python', folder, 'python3', [resolve(SOURCES, 'lenient.py')]),
    ),
    buildGo(folder).then((binary) => serverOf('go', folder, binary, [])),
  ]);
  return {
    servers: made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    missing: made.flatMap((one) =>
      one.status === 'rejected' ? [(one.reason as Error).message.split('\n')[0] ?? ''] : [],
    ),
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

async function buildGo(folder: string): Promise<string> {
  const binary = join(folder, 'go-server');
  // Nothing is downloaded: the module needs none.
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' };
  await run('go', ['build', '-o', binary, '.'], { cwd: join(SOURCES, 'go'), env });
  return binary;
}

function serverOf(
  name: string,
  folder: string,
  command: string,
  args: readonly string[],
): LenientServer {
  const log = join(folder, `${name}.log`);
  return {
    name,
    server: { ...STDIO_SERVER, command, args: [...args, log], shared: true },
    async ran() {
      const text = await readFile(log, 'utf8').catch(() => '');
      const lines = text.split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as { readonly ran: unknown });
    },
  };
}
