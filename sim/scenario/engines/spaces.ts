/** Hosts of our own on this machine: network namespaces on a bridge, with cuts, loss, rates and delays. Needs root. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { StarlingError } from '../../../src/index.ts';
import { exitAtSignals } from '../../exit-at-signals.ts';
import type { LinkShape } from '../schema.ts';

const run = promisify(execFile);

/** Addresses of the hosts: 10.77.0.1 and on. Nothing of it leaves the machine. */
const NET = '10.77';
/** What tbf lets through at once, and how long bytes may wait for it. */
const BURST = '32kb';
const QUEUE = '400ms';
/** How long what is under way when the process exits may take. */
const EXIT_MS = 200;

/** Hosts by name. */
export interface Spaces {
  /** What delays, loses and limits here. */
  readonly notes: readonly string[];
  prefix(name: string): readonly string[];
  address(name: string): string;
  /** What goes from one to the other is dropped, or no more. */
  cut(from: string, to: string): Promise<void>;
  mend(from: string, to: string): Promise<void>;
  heal(): Promise<void>;
  /** Drops all that comes to the host or leaves it, without a word to anybody. */
  silence(name: string): Promise<void>;
  /** The cable of a host is out, or in again. */
  cable(name: string, state: 'up' | 'down'): Promise<void>;
  /** Nobody can open a connection to the host. */
  shut(name: string): Promise<void>;
  shape(name: string, shape: LinkShape): Promise<void>;
  /** Bytes that went over all cables so far. */
  bytes(): Promise<number>;
  remove(): Promise<void>;
}

/** Makes a host for each name. @throws STARLING_USAGE where that is not possible */
export async function createSpaces(names: readonly string[], all: LinkShape): Promise<Spaces> {
  await requireTools();
  const spaces = new NamedSpaces(names);
  try {
    await spaces.make(all);
    return spaces;
  } catch (error) {
    await spaces.remove();
    throw error;
  }
}

async function requireTools(): Promise<void> {
  const missing: string[] = [];
  for (const [command, args] of [
    ['ip', ['-V']],
    ['tc', ['-V']],
    ['nft', ['-v']],
  ] as const) {
    await run(command, args).catch(() => missing.push(command));
  }
  if (missing.length > 0 || process.getuid?.() !== 0) {
    const why = missing.length > 0 ? `${missing.join(' and ')} missing` : 'you are not root';
    throw new StarlingError('STARLING_USAGE', `the engine netns can't make hosts here: ${why}`, {
      hint: 'on Debian: apt install iproute2 nftables, and run it as root; or take --engine inproc',
    });
  }
}

class NamedSpaces implements Spaces {
  readonly notes: string[] = [
    'loss and cuts by nft, rates by tbf: those of a node are of its cable',
  ];
  readonly #names: readonly string[];
  readonly #tag = `ss${process.pid.toString(36)}`;
  readonly #made: string[] = [];
  #hasNetem = false;
  readonly #shapes = new Map<string, LinkShape>();
  readonly #exit = (): void => {
    this.#removeNow();
    if (this.#made.length === 0) return;
    // What was being made, or was held by a process that ends with this one, goes a moment later.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_MS);
    this.#removeNow();
  };

  constructor(names: readonly string[]) {
    this.#names = names;
    exitAtSignals();
    process.on('exit', this.#exit);
  }

  async make(all: LinkShape): Promise<void> {
    const hub = this.#hub;
    await this.#add(hub);
    await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
    await ip('-n', hub, 'link', 'set', 'br0', 'up');
    for (const [at, name] of this.#names.entries()) {
      const space = this.#space(name);
      const port = `p${at + 1}`;
      await this.#add(space);
      await ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'eth0', 'netns', space);
      await ip('-n', hub, 'link', 'set', port, 'master', 'br0', 'up');
      await ip('-n', space, 'addr', 'add', `${this.address(name)}/16`, 'dev', 'eth0');
      await ip('-n', space, 'link', 'set', 'eth0', 'up');
      await nft(space, TABLE);
    }
    await this.#probeNetem();
    if (Object.values(all).some((value) => value !== undefined)) {
      for (const name of this.#names) await this.shape(name, all);
    }
  }

  prefix(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#space(name)];
  }

  address(name: string): string {
    const at = this.#names.indexOf(name);
    if (at === -1) throw new Error(`no host is called ${name}`);
    return `${NET}.${Math.floor(at / 250)}.${(at % 250) + 1}`;
  }

  cut(from: string, to: string): Promise<void> {
    return nft(this.#space(from), `add element inet sim cut { ${this.address(to)} }`);
  }

  async mend(from: string, to: string): Promise<void> {
    // A way that is not cut is mended in vain.
    await nft(this.#space(from), `add element inet sim cut { ${this.address(to)} }`);
    await nft(this.#space(from), `delete element inet sim cut { ${this.address(to)} }`);
  }

  async heal(): Promise<void> {
    await Promise.all(this.#names.map((name) => nft(this.#space(name), 'flush set inet sim cut')));
  }

  silence(name: string): Promise<void> {
    const rules = ['come', 'leave'].map((chain) => `insert rule inet sim ${chain} drop`);
    return nft(this.#space(name), rules.join('\n'));
  }

  cable(name: string, state: 'up' | 'down'): Promise<void> {
    return ip('-n', this.#hub, 'link', 'set', `p${this.#names.indexOf(name) + 1}`, state);
  }

  shut(name: string): Promise<void> {
    return nft(
      this.#space(name),
      // Whatever port: nobody makes a hole either.
      'add rule inet sim come iifname "eth0" tcp flags & (syn | ack) == syn drop',
    );
  }

  async shape(name: string, shape: LinkShape): Promise<void> {
    const known = Object.entries(shape).filter(([, value]) => value !== undefined);
    const whole: LinkShape = { ...this.#shapes.get(name), ...Object.fromEntries(known) };
    this.#shapes.set(name, whole);
    const { delay = 0, jitter = 0, loss = 0, rate } = whole;
    const space = this.#space(name);
    if ((delay > 0 || jitter > 0) && !this.#hasNetem) {
      throw new StarlingError(
        'STARLING_USAGE',
        'the engine netns can not delay here: this kernel has no netem (sch_netem)',
        { hint: 'take --engine inproc, or leave delay and jitter out of the links' },
      );
    }
    const set =
      loss === 0
        ? []
        : [
            `add rule inet sim lost ip saddr ${NET}.0.0/16 numgen random mod 100000 < ${Math.round(loss * 100_000)} drop`,
          ];
    await nft(space, ['flush chain inet sim lost', ...set].join('\n'));
    await run('tc', ['-n', space, 'qdisc', 'del', 'dev', 'eth0', 'root']).catch(() => undefined);
    if (rate !== undefined) {
      await tc(
        space,
        'root',
        'handle',
        '1:',
        'tbf',
        'rate',
        `${rate}mbit`,
        'burst',
        BURST,
        'latency',
        QUEUE,
      );
    }
    if (delay > 0 || jitter > 0) {
      const under = rate === undefined ? ['root'] : ['parent', '1:1'];
      await tc(space, ...under, 'netem', 'delay', `${delay}ms`, `${jitter}ms`);
    }
  }

  async bytes(): Promise<number> {
    if (this.#made.length === 0) return 0;
    const { stdout } = await run('ip', ['-n', this.#hub, '-j', '-s', 'link', 'show']);
    const links = JSON.parse(stdout) as readonly {
      readonly ifname: string;
      readonly stats64: { readonly rx: { readonly bytes: number } };
    }[];
    return links
      .filter(({ ifname }) => /^p\d+$/.test(ifname))
      .reduce((sum, { stats64 }) => sum + stats64.rx.bytes, 0);
  }

  async remove(): Promise<void> {
    // A signal meanwhile finds those that are still there.
    for (let name = this.#made.at(-1); name !== undefined; name = this.#made.at(-1)) {
      await ip('netns', 'del', name).catch(unlessAbsent);
      this.#made.pop();
    }
    process.off('exit', this.#exit);
  }

  /** Removes what can be removed; the rest stays in the list. */
  #removeNow(): void {
    for (const name of this.#made.splice(0)) {
      try {
        execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
      } catch {
        this.#made.push(name);
      }
    }
  }

  async #probeNetem(): Promise<void> {
    const [name] = this.#names;
    if (name === undefined) return;
    const space = this.#space(name);
    try {
      await tc(space, 'root', 'netem', 'delay', '1ms');
      await run('tc', ['-n', space, 'qdisc', 'del', 'dev', 'eth0', 'root']);
      this.#hasNetem = true;
      this.notes.push('delay by netem');
    } catch {
      this.notes.push('no delay: this kernel has no netem');
    }
  }

  async #add(name: string): Promise<void> {
    // Before it is there, so that a signal meanwhile leaves nothing.
    this.#made.push(name);
    await ip('netns', 'add', name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  get #hub(): string {
    return `${this.#tag}-hub`;
  }

  #space(name: string): string {
    return `${this.#tag}-${name}`;
  }
}

/** Cuts go out by name, what is lost is lost on its way in. */
const TABLE = `table inet sim {
  set cut { type ipv4_addr; }
  chain leave { type filter hook output priority 0; ip daddr @cut drop; }
  chain lost { }
  chain come { type filter hook input priority 0; jump lost; }
}`;

/** A host that was not made need not be removed. */
function unlessAbsent(error: unknown): void {
  if (!String(error).includes('No such file or directory')) throw error;
}

async function ip(...args: readonly string[]): Promise<void> {
  await run('ip', args);
}

async function tc(space: string, ...args: readonly string[]): Promise<void> {
  await run('tc', ['-n', space, 'qdisc', 'add', 'dev', 'eth0', ...args]);
}

function nft(space: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('ip', ['netns', 'exec', space, 'nft', '-f', '-'], (error, _, stderr) =>
      error === null ? resolve() : reject(new Error(stderr || error.message)),
    );
    child.stdin?.end(`${text}\n`);
  });
}
