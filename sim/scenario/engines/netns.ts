/** The engine `netns`: a process for each node, each on a host of its own. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startAttacker } from '../../bench/hostile/attacker-process.ts';
import type { Attacker } from '../../bench/hostile/attacker-process.ts';
import { cpuUs, rssMiB } from '../../bench/cpu.ts';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import { builtFile } from '../../project-root.ts';
import type { Behaviour, LinkShape } from '../schema.ts';
import { createSpaces } from './spaces.ts';
import type { Spaces } from './spaces.ts';
import type { HostileInit, Sight, Usage, World, WorldInit, WorldNode } from './world.ts';

const run = promisify(execFile);
const MESH = 'sim';
/** Of a node whose disk is filled. */
const DISK_BYTES = 64 * 1024 * 1024;
/** Where Debian has libfaketime. */
const FAKETIME = 'faketime/libfaketime.so.1';
const LIBRARIES = '/usr/lib';

/** What hostile processes are asked for. */
const ATTACKS: Readonly<Record<Exclude<Behaviour, 'lying-witness'>, string>> = {
  'gossip-flood': 'heartbeats',
  'forged-heartbeats': 'forged-heartbeats',
  'stream-flood': 'member-streams',
  'signed-flood': 'signed-revocations',
};

/** Makes hosts for all nodes. @throws STARLING_USAGE where that is not possible */
export async function createNetnsWorld(init: WorldInit): Promise<World> {
  const spaces = await createSpaces([...init.names, ...init.hostile], init.links);
  const world = new ProcessWorld(init, spaces);
  try {
    await world.prepare();
    return world;
  } catch (error) {
    await world.close();
    throw error;
  }
}

class ProcessWorld implements World {
  readonly notes: string[];
  readonly #init: WorldInit;
  readonly #spaces: Spaces;
  readonly #nodes = new Map<string, NodeProcess>();
  readonly #attackers: Attacker[] = [];
  readonly #disks: string[] = [];
  readonly #faketime = findFaketime();
  /** CPU of processes that have ended, ms. */
  #endedCpuMs = 0;
  #acts = 0;
  #isOver = false;
  readonly #exit = (): void => {
    for (const { child } of this.#nodes.values()) child.kill('SIGKILL');
    for (const path of this.#disks) execFileSync('umount', ['--lazy', path]);
  };

  constructor(init: WorldInit, spaces: Spaces) {
    this.#init = init;
    this.#spaces = spaces;
    this.notes = [...spaces.notes];
    process.on('exit', this.#exit);
  }

  /** Small disks, clocks that can be set, and hosts that nobody can dial. */
  async prepare(): Promise<void> {
    const { root, special, roles } = this.#init;
    for (const name of special.disks) {
      const path = join(root, name, 'state');
      await mkdir(path, { recursive: true });
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=0700`, 'tmpfs', path]);
      this.#disks.push(path);
    }
    for (const name of special.clocks) await this.clock(name, 0);
    if (special.clocks.size > 0) {
      this.notes.push(
        `clocks by ${this.#faketime === undefined ? 'a changed Date (there is no libfaketime)' : 'libfaketime'}`,
      );
    }
    for (const name of roles.get('relayed') ?? []) await this.#spaces.shut(name);
  }

  async start(name: string, bootstrap: readonly string[]): Promise<WorldNode> {
    const { root, roles, heartbeatMs, saw, special } = this.#init;
    const isProvider = roles.get('provider')?.includes(name) === true;
    const node = await startProcess({
      cli: builtFile('cli.js'),
      root,
      name,
      prefix: this.#spaces.prefix(name),
      env: special.clocks.has(name) ? await this.#clockEnv(name) : {},
      config: {
        listen: ['/ip4/0.0.0.0/tcp/4040'],
        bootstrap: [...bootstrap],
        open: MESH,
        http: { enabled: false },
        limits: UNLIMITED,
        ...(special.disks.has(name) ? { audit: { enabled: false } } : {}),
        ...(heartbeatMs === undefined ? {} : { heartbeat: { intervalMs: heartbeatMs } }),
        ...(isProvider
          ? {
              mcpServers: {
                toolbox: {
                  command: process.execPath,
                  args: [builtFile('bench-upstream.js')],
                  sandbox: false,
                },
              },
            }
          : {}),
      },
      onLine: (line) => hear(line, (peerId, sight) => saw(name, peerId, sight)),
    });
    this.#nodes.set(name, node);
    const { peerId, addresses, endpoints } = node.up;
    return { peerId, addresses, socket: endpoints.socket };
  }

  async leave(name: string): Promise<void> {
    await this.#end(name, 'SIGTERM');
  }

  async kill(name: string): Promise<void> {
    await this.#end(name, 'SIGKILL');
  }

  /** The machine sleeps: nothing runs, and its network card is off. */
  async freeze(name: string): Promise<void> {
    this.#signal(name, 'SIGSTOP');
    await this.#spaces.cable(name, 'down');
  }

  async thaw(name: string): Promise<void> {
    await this.#spaces.cable(name, 'up');
    this.#signal(name, 'SIGCONT');
  }

  async stall(name: string): Promise<void> {
    this.#signal(name, 'SIGSTOP');
  }

  async resume(name: string): Promise<void> {
    this.#signal(name, 'SIGCONT');
  }

  cut(from: string, to: string): Promise<void> {
    return this.#spaces.cut(from, to);
  }

  mend(from: string, to: string): Promise<void> {
    return this.#spaces.mend(from, to);
  }

  heal(): Promise<void> {
    return this.#spaces.heal();
  }

  async link(from: string, to: string, shape: LinkShape): Promise<void> {
    await this.#spaces.shape(from, shape);
    await this.#spaces.shape(to, shape);
  }

  async clock(name: string, byMs: number): Promise<void> {
    const path = this.#clockFile(name);
    await mkdir(this.#init.root, { recursive: true });
    const seconds = byMs / 1000;
    await writeFile(path, `${seconds < 0 ? '' : '+'}${seconds}`);
  }

  async disk(name: string, state: 'full' | 'free'): Promise<void> {
    const path = join(this.#init.root, name, 'state');
    const ballast = join(path, 'ballast');
    if (state === 'free') return rm(ballast, { force: true });
    const { bavail, bsize } = await statfs(path);
    await writeFile(ballast, new Uint8Array(bavail * bsize), { flag: 'a' }).catch(
      (error: unknown) => {
        // The node has filled the disk meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      },
    );
  }

  async hostile(name: string, init: HostileInit): Promise<string> {
    const attacker = startAttacker(this.#spaces.prefix(name));
    this.#attackers.push(attacker);
    const { peerId } = await attacker.join({
      stateDir: join(this.#init.root, name),
      home: this.#init.root,
      ticket: init.ticket,
      name,
      listen: `/ip4/${this.#spaces.address(name)}/tcp/4040`,
    });
    const [target] = init.against;
    if (target === undefined || init.behaviour === 'lying-witness') return peerId;
    const { addresses } = target;
    const attack = {
      name: ATTACKS[init.behaviour],
      target: { addresses, peerId: target.peerId, members: init.members },
      durationMs: init.forMs,
    };
    const { acts } = await attacker.attack(attack);
    this.#acts += acts;
    return peerId;
  }

  async usage(): Promise<Usage> {
    const pids = this.#pids();
    const cpuMs = this.#endedCpuMs + (cpuUs(pids) ?? 0) / 1000;
    const memory = pids.reduce((sum, pid) => sum + rssMiB(pid), 0);
    return { cpuMs, bytes: this.#isOver ? 0 : await this.#spaces.bytes(), rssMiB: memory };
  }

  figures(): Readonly<Record<string, number>> {
    return this.#attackers.length === 0 ? {} : { acts: this.#acts };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    for (const attacker of this.#attackers) attacker.stop();
    for (const name of this.#nodes.keys()) this.#signal(name, 'SIGCONT');
    await this.#spaces.heal().catch(() => undefined);
    await Promise.all([...this.#nodes.values()].map((node) => node.stop('SIGKILL')));
    for (const path of this.#disks.splice(0)) await run('umount', ['--lazy', path]);
    await this.#spaces.remove();
    await rm(this.#init.root, { recursive: true, force: true, maxRetries: 10 });
    process.off('exit', this.#exit);
  }

  async #end(name: string, signal: NodeJS.Signals): Promise<void> {
    const node = this.#nodes.get(name);
    if (node?.child.pid === undefined) return;
    this.#endedCpuMs += (cpuUs([node.child.pid]) ?? 0) / 1000;
    this.#nodes.delete(name);
    await node.stop(signal);
  }

  #signal(name: string, signal: NodeJS.Signals): void {
    this.#nodes.get(name)?.child.kill(signal);
  }

  #pids(): readonly number[] {
    return [...this.#nodes.values()]
      .filter(({ child }) => child.exitCode === null && child.signalCode === null)
      .flatMap(({ child }) => child.pid ?? []);
  }

  #clockFile(name: string): string {
    return join(this.#init.root, `${name}.clock`);
  }

  /** Makes a whole process believe in the time of its clock file; its timers are right. */
  async #clockEnv(name: string): Promise<Readonly<Record<string, string>>> {
    if (this.#faketime !== undefined) {
      return {
        LD_PRELOAD: this.#faketime,
        FAKETIME_TIMESTAMP_FILE: this.#clockFile(name),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      };
    }
    const file = join(this.#init.root, `${name}-clock.mjs`);
    await writeFile(file, changedDate(this.#clockFile(name)));
    return { NODE_OPTIONS: `--import=${file}` };
  }
}

function findFaketime(): string | undefined {
  if (!existsSync(LIBRARIES)) return undefined;
  const folders = readdirSync(LIBRARIES).map((name) => join(LIBRARIES, name, FAKETIME));
  return [join(LIBRARIES, FAKETIME), ...folders].find((path) => existsSync(path));
}

function changedDate(clockFile: string): string {
  return `import { readFileSync, watchFile } from 'node:fs';
const file = ${JSON.stringify(clockFile)};
let offset = 0;
const read = () => { offset = Number(readFileSync(file, 'utf8')) * 1000 || 0; };
read();
watchFile(file, { interval: 200, persistent: false }, read);
const Real = Date;
globalThis.Date = class extends Real {
  constructor(...given) { super(...(given.length === 0 ? [Real.now() + offset] : given)); }
  static now() { return Real.now() + offset; }
};
`;
}

/** The events of `up --json` that tell of peers. */
function hear(line: string, saw: (peerId: string, sight: Sight) => void): void {
  if (!line.startsWith('{"event":"peer"')) return;
  const { peerId, state } = JSON.parse(line) as { readonly peerId: string; readonly state: Sight };
  saw(peerId, state);
}
