/** The engine `inproc`: real nodes in this process, whose connections are in memory. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { systemClock } from '../../../src/testing.ts';
import type { Clock } from '../../../src/testing.ts';
import { UNLIMITED } from '../../limits.ts';
import { MemoryNetwork } from '../../memory-transport.ts';
import { builtFile } from '../../project-root.ts';
import { createLyingWitness } from '../../hostile/lying-witness.ts';
import type { LyingWitness } from '../../hostile/lying-witness.ts';
import { createChance } from '../random.ts';
import type { LinkShape } from '../schema.ts';
import { createWays } from './ways.ts';
import type { HostileInit, Sight, Usage, World, WorldInit, WorldNode } from './world.ts';

const MESH = 'sim';

/** Makes a world in memory. */
export function createInprocWorld(init: WorldInit): World {
  return new MemoryWorld(init);
}

class MemoryWorld implements World {
  readonly notes = [
    'loss is what TCP makes of it: what was lost comes later, nothing is missing',
    'a node that is killed has its connections broken and is stopped unheard; its process is this one',
  ];
  readonly #init: WorldInit;
  readonly #ways;
  readonly #memory: MemoryNetwork;
  readonly #nodes = new Map<string, StarlingNode>();
  readonly #hostile: LyingWitness[] = [];
  readonly #offsets = new Map<string, number>();
  readonly #ips: ReadonlyMap<string, string>;
  readonly #runs = new Map<string, number>();

  constructor(init: WorldInit) {
    this.#init = init;
    this.#ways = createWays(createChance(init.seed ^ 0x5f5f));
    this.#ways.shapeAll(init.links);
    this.#memory = new MemoryNetwork(this.#ways);
    this.#ips = new Map([...init.names, ...init.hostile].map((name, at) => [name, ipOf(at)]));
  }

  async start(name: string, bootstrap: readonly string[]): Promise<WorldNode> {
    const { root, roles, heartbeatMs, saw } = this.#init;
    const isProvider = roles.get('provider')?.includes(name) === true;
    const config = await loadConfig({
      env: { STARLING_CONFIG: '' },
      flags: {
        name,
        stateDir: join(root, name),
        listen: [`/ip4/${this.#ip(name)}/tcp/4040`],
        bootstrap: [...bootstrap],
        open: MESH,
        mdns: false,
        http: { enabled: false },
        limits: UNLIMITED,
        ...(heartbeatMs === undefined ? {} : { heartbeat: { intervalMs: heartbeatMs } }),
        ...(isProvider
          ? {
              mcpServers: {
                toolbox: { command: process.execPath, args: [builtFile('bench-upstream.js')] },
              },
            }
          : {}),
      },
    });
    const run = (this.#runs.get(name) ?? 0) + 1;
    this.#runs.set(name, run);
    const transports = [this.#memory.host(this.#ip(name))];
    const node = await createNode(config, {
      transports,
      logger: silentLogger,
      clock: this.#clock(name),
    });
    node.events.on('peer', ({ peerId, state }) => {
      if (this.#runs.get(name) === run) saw(name, peerId, state satisfies Sight);
    });
    this.#nodes.set(name, node);
    await node.start();
    const { addresses, endpoints } = node.status();
    return { peerId: node.peerId, addresses, socket: endpoints.socket };
  }

  async leave(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    await node?.stop();
    this.#gone(name);
  }

  /** Its connections break, nobody reaches it, and its goodbye reaches nobody. */
  async kill(name: string): Promise<void> {
    const ip = this.#ip(name);
    const node = this.#nodes.get(name);
    this.#gone(name);
    this.#memory.forget(ip);
    await node?.stop();
    this.#memory.mend(ip);
  }

  freeze(name: string): Promise<void> {
    return this.stall(name);
  }

  thaw(name: string): Promise<void> {
    return this.resume(name);
  }

  async stall(name: string): Promise<void> {
    this.#ways.stall(this.#ip(name));
  }

  async resume(name: string): Promise<void> {
    this.#ways.resume(this.#ip(name));
  }

  async cut(from: string, to: string): Promise<void> {
    this.#ways.cut(this.#ip(from), this.#ip(to));
  }

  async mend(from: string, to: string): Promise<void> {
    this.#ways.mend(this.#ip(from), this.#ip(to));
  }

  async heal(): Promise<void> {
    this.#ways.heal();
  }

  async link(from: string, to: string, shape: LinkShape): Promise<void> {
    this.#ways.shape(this.#ip(from), this.#ip(to), shape);
    this.#ways.shape(this.#ip(to), this.#ip(from), shape);
  }

  async clock(name: string, byMs: number): Promise<void> {
    this.#offsets.set(name, byMs);
  }

  async disk(): Promise<void> {
    throw new Error('disks are shared in one process');
  }

  async hostile(name: string, { ticket, against }: HostileInit): Promise<string> {
    const ip = this.#ip(name);
    const liar = await createLyingWitness({
      name,
      stateDir: join(this.#init.root, name),
      home: this.#init.root,
      ticket,
      listen: `/ip4/${ip}/tcp/4040`,
      transports: [this.#memory.host(ip)],
      heartbeatMs: this.#init.heartbeatMs,
      peers: against.map(({ addresses }) => addresses[0] ?? ''),
    });
    this.#hostile.push(liar);
    return liar.peerId;
  }

  async usage(): Promise<Usage> {
    const { user, system } = process.cpuUsage();
    const rssMiB = process.memoryUsage.rss() / 2 ** 20;
    return { cpuMs: (user + system) / 1000, bytes: this.#memory.bytes, rssMiB };
  }

  figures(): Readonly<Record<string, number>> {
    if (this.#hostile.length === 0) return {};
    return { lies: this.#hostile.reduce((sum, { lies }) => sum + lies, 0) };
  }

  async close(): Promise<void> {
    this.#ways.heal();
    await Promise.all(this.#hostile.map((liar) => liar.stop()));
    await Promise.all([...this.#nodes.values()].map((node) => node.stop()));
    await rm(this.#init.root, { recursive: true, force: true, maxRetries: 10 });
  }

  #gone(name: string): void {
    this.#nodes.delete(name);
    this.#runs.set(name, (this.#runs.get(name) ?? 0) + 1);
  }

  #ip(name: string): string {
    const ip = this.#ips.get(name);
    if (ip === undefined) throw new Error(`no node is called ${name}`);
    return ip;
  }

  /** The time as the node's clock has it; its timers are right. */
  #clock(name: string): Clock {
    return {
      now: () => systemClock.now() + (this.#offsets.get(name) ?? 0),
      schedule: (delayMs, task) => systemClock.schedule(delayMs, task),
    };
  }
}

function ipOf(at: number): string {
  return `10.81.${Math.floor(at / 250)}.${(at % 250) + 1}`;
}
