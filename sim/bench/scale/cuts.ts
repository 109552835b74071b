/**
 * How soon a mesh notices that one of it is gone, each process on a host of its own: killed, and cut off without a word
 * (nft drops all that comes to it or leaves it); with and without loss; and whether it takes the living for dead
 * beside busy loops. Between network namespaces: needs root, `ip`, `tc` and `nft`.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSpaces } from '../../scenario/engines/spaces.ts';
import { createNodeMesh } from './processes.ts';
import type { MeasuredMesh, MeshHosts } from './processes.ts';
import { createSerfMesh } from './serf.ts';

/** Busy loops beside the mesh. */
const LOOPS = 4;
/** After all know all. */
const REST_MS = 3000;

/** What one mesh noticed. Times are until all others knew (suspected it or worse), and until all had it dead; ms. */
export interface CutRow {
  readonly title: string;
  readonly nodes: number;
  /** Share of packets that are lost on their way into each host. */
  readonly loss: number;
  readonly killMissedMs: number;
  readonly killDeadMs: number;
  readonly cutMissedMs: number;
  readonly cutDeadMs: number;
  /** How often a living one was had dead, busy loops included. */
  readonly falseDeaths: number;
  readonly busyMs: number;
}

/** How it is measured. */
export interface CutsInit {
  readonly nodes: number;
  readonly losses: readonly number[];
  readonly patienceMs: number;
  /** How long the busy loops run, where packets are lost. */
  readonly busyMs: number;
  readonly rivals: boolean;
}

/** Measures ours, and Serf where it is installed. */
export async function measureCuts(init: CutsInit): Promise<readonly CutRow[]> {
  const rows: CutRow[] = [];
  for (const loss of init.losses) {
    const root = await mkdtemp(join(tmpdir(), 'starling-cuts-'));
    try {
      rows.push(await onHosts(init, loss, (hosts) => createNodeMesh(root, hosts)));
    } finally {
      await rm(root, { recursive: true, force: true });
    }
    if (!init.rivals || createSerfMesh() === undefined) continue;
    rows.push(await onHosts({ ...init, busyMs: 0 }, loss, createSerfMesh));
  }
  return rows;
}

async function onHosts(
  init: CutsInit,
  loss: number,
  make: (hosts: MeshHosts) => MeasuredMesh | undefined,
): Promise<CutRow> {
  const names = Array.from({ length: init.nodes }, (_, at) => `c${at}`);
  const spaces = await createSpaces(names, loss === 0 ? {} : { loss });
  const nameOf = (at: number): string => names[at] ?? '';
  const mesh = make({
    prefix: (at) => spaces.prefix(nameOf(at)),
    address: (at) => spaces.address(nameOf(at)),
  });
  try {
    if (mesh === undefined) throw new Error('there is no mesh to be measured');
    return await measure(mesh, { ...init, loss, silence: (at) => spaces.silence(nameOf(at)) });
  } finally {
    await mesh?.stop();
    await spaces.remove();
  }
}

type Measuring = CutsInit & {
  readonly loss: number;
  readonly silence: (at: number) => Promise<void>;
};

async function measure(mesh: MeasuredMesh, init: Measuring): Promise<CutRow> {
  const { nodes, loss, patienceMs } = init;
  const { sightings, title } = mesh;
  for (let at = 0; at < nodes; at += 1) await mesh.startOne(at);
  const from = performance.now();
  await sightings.until('alive', nodes, nodes - 1, { from, patienceMs });
  await sleep(REST_MS);
  const busyMs = loss === 0 ? 0 : init.busyMs;
  if (busyMs > 0) await besideBusyLoops(busyMs);

  const [killed, silenced] = [nodes - 1, nodes - 2];
  const noticed = async (at: number, witnesses: number): Promise<readonly [number, number]> => {
    const limit = { from: performance.now(), patienceMs, whom: mesh.idOf(at) };
    const missed = await sightings.until('missed', witnesses, 1, limit);
    return [missed, await sightings.until('dead', witnesses, 1, limit)];
  };
  mesh.kill(killed);
  const [killMissedMs, killDeadMs] = await noticed(killed, nodes - 1);
  // What the silenced one thinks of the others is true, and counts for nothing.
  const falseDeaths = sightings.count('dead', [mesh.idOf(killed)]);
  await init.silence(silenced);
  const [cutMissedMs, cutDeadMs] = await noticed(silenced, nodes - 2);
  const kill = { killMissedMs, killDeadMs };
  return { title, nodes, loss, ...kill, cutMissedMs, cutDeadMs, falseDeaths, busyMs };
}

async function besideBusyLoops(busyMs: number): Promise<void> {
  const loops = Array.from({ length: LOOPS }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  try {
    await sleep(busyMs);
  } finally {
    for (const loop of loops) loop.kill('SIGKILL');
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
