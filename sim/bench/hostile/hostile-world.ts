/** Who takes part in the benchmark of harm: a node, a member that calls its tools, and who means harm. */
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Target } from '../../hostile/attack.ts';
import { didFromPeerId } from '../../../src/testing.ts';
import { UNLIMITED } from '../../limits.ts';
import { measureMemory } from '../../soak/memory.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import { startAttacker } from './attacker-process.ts';
import type { Attacker } from './attacker-process.ts';
import { startLoader } from '../loader-process.ts';
import type { Loader } from '../loader-process.ts';

/** The tool that the member calls. */
export const TOOL = 'owner__small__echo';
/** The strong board of the node, which both members may write. */
export const STRONG_BOARD = 'jobs';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const probe = fileURLToPath(new URL('./soak-probe.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/** All of them, running. */
export interface HostileWorld {
  readonly owner: NodeProcess;
  readonly loader: Loader;
  readonly attacker: Attacker;
  readonly target: Target;
  /** A listener that does nothing but drop who connects: how the same attack does on that is the floor. */
  readonly floor: Target;
  /** Of the member that attacks. */
  readonly peerId: string;
  /** Has the node collect what nobody needs any more. */
  collect(): Promise<void>;
  /** Ends everybody and removes their folders. */
  stop(): Promise<void>;
}

/** Starts everybody. */
export async function startHostileWorld(): Promise<HostileWorld> {
  const root = await mkdtemp(join(tmpdir(), 'starling-hostile-'));
  const cleanups: (() => unknown)[] = [() => rm(root, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return { ...(await startAll(root, cleanups)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startAll(
  root: string,
  cleanups: (() => unknown)[],
): Promise<Omit<HostileWorld, 'stop'>> {
  const server = { command: process.execPath, args: [upstream] };
  const probePath = join(root, 'probe');
  const owner = await startProcess({
    cli,
    root,
    name: 'owner',
    config: { mcpServers: { small: server }, limits: UNLIMITED, audit: { enabled: false } },
    // What a node in the background writes to its log.
    env: {
      STARLING_LOG: 'info',
      NODE_OPTIONS: `--import ${pathToFileURL(probe).href}`,
      SOAK_PROBE: probePath,
    },
  });
  cleanups.push(() => owner.stop());
  const entry = await startProcess({
    cli,
    root,
    name: 'entry',
    config: { limits: UNLIMITED, audit: { enabled: false } },
    env: { STARLING_JOIN: owner.up.ticket ?? '' },
  });
  cleanups.push(() => entry.stop());
  await owner.run(['grant', 'create', entry.up.peerId, '--tool', 'small/*']);
  await owner.run(['board', 'create', STRONG_BOARD, '--strong', 'owner']);
  await owner.run(['board', 'grant', STRONG_BOARD, entry.up.peerId, 'write']);
  const loader = startLoader();
  cleanups.push(() => loader.stop());
  const { url = '', tokenFile } = entry.up.endpoints;
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}` };
  await loader.open({ session: 'entry', target: { kind: 'http', url, headers }, tool: TOOL });
  const attacker = startAttacker();
  cleanups.push(() => attacker.stop());
  const invited = await owner.run(['invite', '--json']);
  const { ticket } = JSON.parse(invited.stdout) as { ticket: string };
  const home = join(root, 'mallory');
  const { peerId } = await attacker.join({ ticket, home, stateDir: join(home, 'state') });
  await owner.run(['board', 'grant', STRONG_BOARD, didFromPeerId(peerId as never), 'write']);
  const listener = startAttacker();
  cleanups.push(() => listener.stop());
  const { port } = await listener.listen();
  const members = [entry.up.peerId];
  return {
    owner,
    loader,
    attacker,
    target: { addresses: owner.up.addresses, peerId: owner.up.peerId, members },
    floor: { addresses: [`/ip4/127.0.0.1/tcp/${port}`], peerId: '', members },
    peerId,
    collect: async () => void (await measureMemory(probePath)),
  };
}

/** What a node has written so far, to its log and to its state folder, bytes. */
export async function writtenBytes(node: NodeProcess): Promise<{ log: number; state: number }> {
  return { log: Buffer.byteLength(node.log()), state: await sizeOf(node.stateDir) };
}

/** Files may vanish between the look at a folder and the look at its files. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sizeOf(path);
    return stat(path).then(
      ({ size }) => (entry.isFile() ? size : 0),
      () => 0,
    );
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
