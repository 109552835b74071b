/** Serf (Debian package `serf`) as the rival of a mesh: agents as processes, measured as ours are. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { measureMesh } from './processes.ts';
import type { MeasuredMesh, MeshHosts, ProcessRow, ProcessesInit } from './processes.ts';
import { createSightings } from './sightings.ts';

/**
 * Agents have ports one after the other, by the number of this process, so that two benchmarks don't meet; below
 * those that the system gives to connections.
 */
const PORT_BASE = 12_000 + (process.pid % 100) * 200;
const START_TIMEOUT_MS = 20_000;

/** Measures so many agents; undefined where Serf is not installed. */
export async function measureSerf(init: ProcessesInit): Promise<ProcessRow | undefined> {
  const mesh = createSerfMesh();
  return mesh === undefined ? undefined : measureMesh(mesh, init);
}

/** Makes a mesh of Serf agents, none started; undefined where Serf is not installed. */
export function createSerfMesh(hosts?: MeshHosts): MeasuredMesh | undefined {
  const version = versionOfSerf();
  return version === undefined ? undefined : new SerfMesh(version, hosts);
}

function versionOfSerf(): string | undefined {
  try {
    const text = execFileSync('serf', ['version'], { encoding: 'utf8' });
    return /v?\d+\.\d+\.\d+/.exec(text)?.[0] ?? '';
  } catch {
    return undefined;
  }
}

class SerfMesh implements MeasuredMesh {
  readonly title: string;
  readonly sightings = createSightings();
  readonly #agents: ChildProcess[] = [];

  readonly #hosts: MeshHosts | undefined;

  constructor(version: string, hosts: MeshHosts | undefined) {
    this.title = `serf ${version}`;
    this.#hosts = hosts;
  }

  async startOne(at: number): Promise<void> {
    const [command = 'serf', ...args] = [
      ...(this.#hosts?.prefix(at) ?? []),
      'serf',
      'agent',
      `-node=node-${at}`,
      `-bind=${this.#place(at)}`,
      `-rpc-addr=127.0.0.1:${PORT_BASE + 2 * at + 1}`,
      ...(at === 0 ? [] : [`-join=${this.#place(0)}`]),
    ];
    const agent = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#agents.push(agent);
    const lines = createInterface({ input: agent.stdout });
    const isUp = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('serf did not start')), START_TIMEOUT_MS);
      agent.once('error', reject);
      agent.once('exit', () => reject(new Error('serf ended: is its port in use?')));
      lines.on('line', (line) => {
        this.#heard(at, line);
        if (!line.includes('EventMemberJoin: node-')) return;
        clearTimeout(timer);
        resolve();
      });
    });
    await isUp;
  }

  pids(): readonly number[] {
    return this.#agents.flatMap(({ pid }) => pid ?? []);
  }

  kill(at: number): void {
    this.#agents[at]?.kill('SIGKILL');
  }

  idOf(at: number): string {
    return `node-${at}`;
  }

  #place(at: number): string {
    return this.#hosts === undefined
      ? `127.0.0.1:${PORT_BASE + 2 * at}`
      : `${this.#hosts.address(at)}:${PORT_BASE}`;
  }

  async stop(): Promise<void> {
    for (const agent of this.#agents) agent.kill('SIGKILL');
  }

  #heard(at: number, line: string): void {
    const joined = /EventMemberJoin: (node-\d+)/.exec(line)?.[1];
    if (joined !== undefined && joined !== `node-${at}`) this.sightings.saw(at, 'alive', joined);
    const suspect = /Suspect (node-\d+)/.exec(line)?.[1];
    if (suspect !== undefined) this.sightings.saw(at, 'missed', suspect);
    const failed = /EventMemberFailed: (node-\d+)/.exec(line)?.[1];
    if (failed === undefined) return;
    this.sightings.saw(at, 'missed', failed);
    this.sightings.saw(at, 'dead', failed);
  }
}
