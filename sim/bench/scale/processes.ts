/** A mesh of `starling up` processes: how soon all know all, what that costs, and how soon a killed one is missed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import { cpuUs, rssMiB } from '../cpu.ts';
import { createSightings } from './sightings.ts';
import type { Sightings } from './sightings.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
/** Between joining and idling. */
const REST_MS = 3000;

/** What a mesh of so many processes did. */
export interface ProcessRow {
  /** `starling`, or a rival and its version. */
  readonly title: string;
  readonly nodes: number;
  /** From the last start until each had seen all others, ms; NaN when that did not come. */
  readonly knownMs: number;
  /** CPU until then, ms a node; what a process needs by itself to start included. */
  readonly joinCpuMs: number;
  /** Share of a core a node. */
  readonly idleCpu: number;
  readonly rssMiB: number;
  /** From kill -9 until all others suspect it or worse, and until all have it dead; ms. */
  readonly missedMs: number;
  readonly deadMs: number;
}

/** How long it takes. */
export interface ProcessesInit {
  readonly nodes: number;
  readonly patienceMs: number;
  readonly idleMs: number;
}

/** A mesh of any kind, to be measured. */
export interface MeasuredMesh {
  readonly title: string;
  readonly sightings: Sightings;
  /** Starts one more, and resolves when it is up. */
  startOne(at: number): Promise<void>;
  pids(): readonly number[];
  /** Ends by kill -9. */
  kill(at: number): void;
  /** What others call it. */
  idOf(at: number): string;
  stop(): Promise<void>;
}

/** A host for each process, in place of this machine's loopback. */
export interface MeshHosts {
  /** `ip netns exec …`, to put before a command. */
  prefix(at: number): readonly string[];
  address(at: number): string;
}

/** Starts the processes one after the other and measures them. */
export async function measureProcesses(init: ProcessesInit): Promise<ProcessRow> {
  const root = await mkdtemp(join(tmpdir(), 'starling-scale-'));
  try {
    return await measureMesh(createNodeMesh(root), init);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** CPU of one process until it is up, with nobody to join: what each of a mesh needs besides joining; ms. */
export async function measureAlone(): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'starling-scale-'));
  const mesh = createNodeMesh(root);
  try {
    await mesh.startOne(0);
    return (cpuUs(mesh.pids()) ?? Number.NaN) / 1000;
  } finally {
    await mesh.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** Measures a mesh, and stops it. */
export async function measureMesh(mesh: MeasuredMesh, init: ProcessesInit): Promise<ProcessRow> {
  const { nodes, patienceMs, idleMs } = init;
  const { sightings, title } = mesh;
  try {
    for (let at = 0; at < nodes; at += 1) await mesh.startOne(at);
    const from = performance.now();
    const knownMs = await sightings.until('alive', nodes, nodes - 1, { from, patienceMs });
    const joinUs = cpuUs(mesh.pids()) ?? Number.NaN;
    await sleep(REST_MS);
    const before = { us: cpuUs(mesh.pids()) ?? Number.NaN, at: performance.now() };
    await sleep(idleMs);
    const idleUs = (cpuUs(mesh.pids()) ?? Number.NaN) - before.us;
    const idleCpu = idleUs / 1000 / (performance.now() - before.at) / nodes;
    const rss = mesh.pids().reduce((sum, pid) => sum + rssMiB(pid), 0) / nodes;
    const killedAt = performance.now();
    mesh.kill(nodes - 1);
    const patience = { from: killedAt, patienceMs, whom: mesh.idOf(nodes - 1) };
    const missedMs = await sightings.until('missed', nodes - 1, 1, patience);
    const deadMs = await sightings.until('dead', nodes - 1, 1, patience);
    const joinCpuMs = joinUs / 1000 / nodes;
    return { title, nodes, knownMs, joinCpuMs, idleCpu, rssMiB: rss, missedMs, deadMs };
  } finally {
    await mesh.stop();
  }
}

/** Makes a mesh of `starling up`, each with its folder under `root`; none is started. */
export function createNodeMesh(root: string, hosts?: MeshHosts): MeasuredMesh {
  return new NodeMesh(root, hosts);
}

class NodeMesh implements MeasuredMesh {
  readonly title = 'starling';
  readonly sightings = createSightings();
  readonly #root: string;
  readonly #nodes: NodeProcess[] = [];

  readonly #hosts: MeshHosts | undefined;

  constructor(root: string, hosts: MeshHosts | undefined) {
    this.#root = root;
    this.#hosts = hosts;
  }

  async startOne(at: number): Promise<void> {
    const [first] = this.#nodes;
    const node = await startProcess({
      cli,
      root: this.#root,
      name: `node-${at}`,
      config: {
        open: 'scale',
        http: { enabled: false },
        limits: UNLIMITED,
        ...(this.#hosts === undefined
          ? {}
          : { listen: [`/ip4/${this.#hosts.address(at)}/tcp/4040`] }),
        bootstrap: first === undefined ? [] : first.up.addresses.slice(0, 1),
      },
      ...(this.#hosts === undefined ? {} : { prefix: this.#hosts.prefix(at) }),
      onLine: (line) => this.#heard(at, line),
    });
    this.#nodes.push(node);
  }

  pids(): readonly number[] {
    return this.#nodes.flatMap(({ child }) => child.pid ?? []);
  }

  kill(at: number): void {
    this.#nodes[at]?.child.kill('SIGKILL');
  }

  idOf(at: number): string {
    return this.#nodes[at]?.up.peerId ?? '';
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  #heard(at: number, line: string): void {
    const { event, peerId, state } = JSON.parse(line) as Readonly<Record<string, string>>;
    if (event !== 'peer' || peerId === undefined) return;
    if (state === 'alive') this.sightings.saw(at, 'alive', peerId);
    if (state === 'suspect' || state === 'dead') this.sightings.saw(at, 'missed', peerId);
    if (state === 'dead') this.sightings.saw(at, 'dead', peerId);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
