/**
 * What is left of a member's calls while somebody means harm to the node that answers them: each attack
 * beside a control round, in which the attacker's process burns the same CPU without touching the node.
 * Rounds alternate, so that a busy machine is busy for both.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusResult } from '../../src/index.ts';
import { ATTACKS } from '../hostile/attacks.ts';
import type { Attack, Target } from '../hostile/attack.ts';
import { UNLIMITED } from '../limits.ts';
import { startProcess } from '../process.ts';
import type { NodeProcess } from '../process.ts';
import { percentile } from '../report.ts';
import { startAttacker } from './attacker-process.ts';
import type { Attacker } from './attacker-process.ts';
import { renderBars } from './bars.ts';
import type { Bar } from './bars.ts';
import { startLoader } from './loader-process.ts';
import type { Loader } from './loader-process.ts';
import { cpuUs, rssMiB } from './cpu.ts';
import type { HostileSize } from './size.ts';

const CALLERS = 16;
const TOOL = 'owner__small__echo';
const RATIO_LEAST = 0.8;
/** How much more memory an attack may take than the node had before all of them. */
const GROWTH_MIB_MOST = 256;
/** The attack begins before the calls are counted, and ends after. */
const MARGIN_MS = 300;

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/** One attack, measured. */
export interface HostileRow {
  readonly name: string;
  readonly title: string;
  /** Medians of calls a second. */
  readonly attacked: number;
  readonly control: number;
  /** Median of the rounds' ratios. */
  readonly ratio: number;
  /** Median of how the node's CPU for a call stands to that beside the attack: tells where the time goes. */
  readonly cpuRatio: number;
  /** CPU of the node beside the attack when nobody calls, as a share of a core. */
  readonly nodeShare: number;
  /** What the attacker managed a second, and its share of a core. */
  readonly actsPerSecond: number;
  readonly share: number;
  /** Memory of the node after the attack, over what it had before all attacks. */
  readonly growthMiB: number;
  /** What the node's status says of it; empty when it says nothing. */
  readonly said: string;
}

/** Rows and bars. */
export interface HostileResult {
  readonly rows: readonly HostileRow[];
  readonly bars: readonly Bar[];
}

interface World {
  readonly owner: NodeProcess;
  readonly entry: NodeProcess;
  readonly loader: Loader;
  readonly attacker: Attacker;
  readonly target: Target;
  /** Of the member that attacks. */
  readonly peerId: string;
}

/** Runs the attacks whose names are given, those of `size` when none is; `print` hears each row when it is there. */
export async function benchHostile(
  size: HostileSize,
  names: readonly string[],
  print: (text: string) => void,
): Promise<HostileResult> {
  const root = await mkdtemp(join(tmpdir(), 'starling-hostile-'));
  const cleanups: (() => unknown)[] = [() => rm(root, { recursive: true, force: true })];
  const wanted = names.length === 0 ? size.attacks : names;
  const attacks = ATTACKS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  try {
    const world = await startWorld(root, cleanups);
    const before = rssMiB(pidOf(world.owner));
    await calls(world, size.warmUpMs);
    print(`harm: calls of a member beside it, ${size.rounds} rounds of ${size.roundMs} ms\n`);
    const rows: HostileRow[] = [];
    for (const attack of attacks) {
      const row = await measure(world, attack, size, before);
      rows.push(row);
      print(line(row));
    }
    const bars = rows.flatMap(barsOf);
    print(`\n${renderBars(bars)}`);
    return { rows, bars };
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

interface Round {
  readonly attacked: Calls;
  readonly control: Calls;
  readonly acts: number;
  readonly share: number;
}

interface Calls {
  readonly perSecond: number;
  /** CPU of the node. */
  readonly cpuUsPerCall: number;
}

async function measure(
  world: World,
  attack: Attack,
  size: HostileSize,
  before: number,
): Promise<HostileRow> {
  const { attacker, owner, target } = world;
  const rounds: Round[] = [];
  let said = '';
  const durationMs = size.roundMs + 2 * MARGIN_MS;
  await owner.run(['peers', 'forgive', world.peerId]);
  const alone = await nodeShare(world, attack, durationMs);
  for (let round = 0; round < size.rounds; round += 1) {
    // Each round has the whole attack: not only what is left of it while its author is kept out.
    await owner.run(['peers', 'forgive', world.peerId]);
    const attacking = attacker.attack({ name: attack.name, target, durationMs });
    await sleep(MARGIN_MS);
    const attacked = await calls(world, size.roundMs);
    const { acts, share } = await attacking;
    said = (await saidOf(owner, world.peerId)) || said;
    const burning = attacker.burn({ share, durationMs });
    await sleep(MARGIN_MS);
    const control = await calls(world, size.roundMs);
    await burning;
    rounds.push({ attacked, control, acts, share });
  }
  const of = (pick: (round: Round) => number): number => percentile(rounds.map(pick), 0.5);
  return {
    name: attack.name,
    title: attack.title,
    attacked: of(({ attacked }) => attacked.perSecond),
    control: of(({ control }) => control.perSecond),
    ratio: of(({ attacked, control }) => attacked.perSecond / control.perSecond),
    cpuRatio: of(({ attacked, control }) => control.cpuUsPerCall / attacked.cpuUsPerCall),
    nodeShare: alone,
    actsPerSecond: of((round) => (round.acts / durationMs) * 1000),
    share: of((round) => round.share),
    growthMiB: rssMiB(pidOf(owner)) - before,
    said,
  };
}

/** What the attack alone costs the node: told, and no bar, because it hangs on the machine. */
async function nodeShare(
  { attacker, owner, target }: World,
  { name }: Attack,
  durationMs: number,
): Promise<number> {
  const before = cpuUs([pidOf(owner)]) ?? Number.NaN;
  await attacker.attack({ name, target, durationMs });
  return ((cpuUs([pidOf(owner)]) ?? Number.NaN) - before) / 1000 / durationMs;
}

/** Calls a second; 0 when the calls failed, as they do while a node is overrun. */
async function calls({ loader, owner }: World, durationMs: number): Promise<Calls> {
  try {
    const { perSecond, cpuUsPerCall = Number.NaN } = await loader.run({
      session: 'entry',
      tool: TOOL,
      args: { message: 'hello world' },
      expect: { text: '"text":"hello world"', sizeBytes: 0 },
      callers: CALLERS,
      warmUpMs: 0,
      durationMs,
      pids: [pidOf(owner)],
    });
    return { perSecond, cpuUsPerCall };
  } catch (error) {
    process.stderr.write(
      `calls failed: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    return { perSecond: 0, cpuUsPerCall: Infinity };
  }
}

/** The warnings of `status` that are about a peer or about strangers. */
async function saidOf(owner: NodeProcess, peerId: string): Promise<string> {
  const { code, stdout } = await owner.run(['status', '--json']);
  if (code !== 0) return '';
  const { warnings } = JSON.parse(stdout) as StatusResult;
  return warnings
    .filter(({ code: name, text }) => /^(peer|strangers)-/.test(name) && isAbout(text, peerId))
    .map(({ text }) => text)
    .join('; ');
}

function isAbout(text: string, peerId: string): boolean {
  return ['mallory', peerId, '127.0.0.1'].some((name) => text.includes(name));
}

async function startWorld(root: string, cleanups: (() => unknown)[]): Promise<World> {
  const server = { command: process.execPath, args: [upstream] };
  const owner = await startProcess({
    cli,
    root,
    name: 'owner',
    config: { mcpServers: { small: server }, limits: UNLIMITED, audit: { enabled: false } },
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
  const target: Target = {
    addresses: owner.up.addresses,
    peerId: owner.up.peerId,
    members: [entry.up.peerId],
  };
  return { owner, entry, loader, attacker, target, peerId };
}

function barsOf(row: HostileRow): readonly Bar[] {
  const { name, ratio, growthMiB, said } = row;
  return [
    {
      title: `${name}: × control`,
      limit: RATIO_LEAST,
      kind: 'at least',
      measured: ratio,
      pass: ratio >= RATIO_LEAST,
    },
    {
      title: `${name}: MiB more`,
      limit: GROWTH_MIB_MOST,
      kind: 'at most',
      measured: growthMiB,
      pass: growthMiB <= GROWTH_MIB_MOST,
    },
    {
      title: `${name}: status tells`,
      limit: 1,
      kind: 'at least',
      measured: said === '' ? 0 : 1,
      pass: said !== '',
    },
  ];
}

function line(row: HostileRow): string {
  const { title, control, attacked, ratio, cpuRatio, actsPerSecond, share, growthMiB, said } = row;
  const nodePercent = (row.nodeShare * 100).toFixed(0);
  return (
    `  ${title}\n    ${control.toFixed(0)} → ${attacked.toFixed(0)} calls/s, × ${ratio.toFixed(2)} (CPU × ${cpuRatio.toFixed(2)});` +
    ` ${actsPerSecond.toFixed(0)} acts/s at ${(share * 100).toFixed(0)} % of a core, the node alone ${nodePercent} %; ${growthMiB.toFixed(0)} MiB more\n` +
    `    status: ${said === '' ? '–' : said}\n`
  );
}

function pidOf(node: NodeProcess): number {
  return node.child.pid ?? 0;
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
