/**
 * What is left of a member's calls while somebody means harm to the node that answers them: each attack
 * beside a control round, in which the attacker's process burns the same CPU without touching the node.
 * Rounds alternate, so that a busy machine is busy for both. Beside attacks that only open connections stands
 * a floor: the same attack on a bare listener in a process of its own, which shows what the kernel takes of
 * the machine for it whoever is attacked.
 */
import type { StatusResult } from '../../../src/index.ts';
import { ATTACKS } from '../../hostile/attacks.ts';
import type { Attack } from '../../hostile/attack.ts';
import type { NodeProcess } from '../../process.ts';
import { percentile } from '../../report.ts';
import { renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import { beginPeak, cpuUs, peakMiB, rssMiB } from '../cpu.ts';
import { STRONG_BOARD, TOOL, startHostileWorld, writtenBytes } from './hostile-world.ts';
import type { HostileWorld } from './hostile-world.ts';
import type { HostileSize } from '../size.ts';

const CALLERS = 16;
const RATIO_LEAST = 0.8;
/** So near to the bar more rounds decide. */
const NEAR = 0.1;
const ACTS_LEAST = 0.2;
/** How much more memory the node may have at any moment of an attack than it had before, after a collection. */
const GROWTH_MIB_MOST = 256;
/** What the node may write to its log, and to its state folder, in a minute of it, KiB. */
const LOG_KIB_MOST = 32;
const STATE_KIB_MOST = 8 * 1024;
/** What the member does beside an attack. */
const TOOL_CALLS = {
  tool: TOOL,
  args: { message: 'hello world' },
  expect: { text: '"text":"hello world"', sizeBytes: 0 },
} as const;
const STRONG_WRITES = {
  tool: 'starling__board_set',
  args: { board: STRONG_BOARD, key: 'owner', value: 'hello world' },
  expect: { text: 'hello world', sizeBytes: 0 },
} as const;
/** What the figures of the table are of. */
const LEGEND = `Each round begins with \`peers forgive\`: all allowances of conduct are new, nothing is counted against the
member, and it is let in again if it was kept out. So each figure is of the first seconds of harm, the burst
with all that is taken at once, and not of what is left once its author is throttled or kept out.

`;

/** One attack, measured. */
export interface HostileRow {
  readonly name: string;
  readonly title: string;
  /** Medians of calls a second. */
  readonly attacked: number;
  readonly control: number;
  /** Median of the rounds' ratios. */
  readonly ratio: number;
  /** Median of the ratios of the same attack on a bare listener; NaN where that is not measured. */
  readonly floor: number;
  /** Median of how the node's CPU for a call stands to that beside the attack: tells where the time goes. */
  readonly cpuRatio: number;
  /** CPU of the node beside the attack when nobody calls, as a share of a core. */
  readonly nodeShare: number;
  /** What the attacker managed a second, and its share of a core. */
  readonly actsPerSecond: number;
  readonly share: number;
  /** Most memory of the node during the attack, over what it had before, after a collection. */
  readonly growthMiB: number;
  /** What the node wrote in a minute of the attack. */
  readonly logKiB: number;
  readonly stateKiB: number;
  /** What the node's status says of it; empty when it says nothing. */
  readonly said: string;
  /** Whether that names who it is and what it does; undefined where that is not asked for. */
  readonly isTold: boolean | undefined;
  /** Why the attack could not be measured. */
  readonly failed?: string;
}

/** Rows and bars. */
export interface HostileResult {
  readonly rows: readonly HostileRow[];
  readonly bars: readonly Bar[];
}

/**
 * Runs the attacks whose names are given, those of `size` when none is; `print` hears each row when it is there.
 * One that can't be measured is told, and the others are measured all the same. A first SIGTERM ends the run
 * after the attack that is measured, with the table of those that were.
 */
export async function benchHostile(
  size: HostileSize,
  names: readonly string[],
  print: (text: string) => void,
): Promise<HostileResult> {
  const wanted = names.length === 0 ? size.attacks : names;
  const unknown = names.filter((name) => !ATTACKS.some((attack) => attack.name === name));
  if (unknown.length > 0) {
    const known = ATTACKS.map(({ name }) => name).join(', ');
    throw new Error(`no attack is called ${unknown.join(', ')}; attacks: ${known}`);
  }
  const attacks = ATTACKS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const rows: HostileRow[] = [];
  let isOver = false;
  const end = (): void => {
    isOver = true;
  };
  process.once('SIGTERM', end);
  let runner: Runner | undefined;
  print(`harm: calls of a member beside it, ${size.rounds} rounds of ${size.roundMs} ms\n`);
  try {
    for (const attack of attacks) {
      if (isOver) break;
      let row: HostileRow;
      try {
        runner ??= await Runner.start(size);
        row = await runner.measure(attack);
      } catch (error) {
        row = failedRow(attack, error);
        // Whoever is in what state now: the next attack gets a world of its own.
        await runner?.stop();
        runner = undefined;
      }
      rows.push(row);
      print(line(row));
    }
  } finally {
    process.off('SIGTERM', end);
    await runner?.stop();
  }
  if (rows.length < attacks.length) {
    print(`\nended by a signal: ${rows.length} of ${attacks.length} attacks were measured\n`);
  }
  const bars = rows.flatMap(barsOf);
  const missed = bars.filter((bar) => !bar.pass);
  print(`\n${renderRows(rows)}${LEGEND}`);
  print(missed.length === 0 ? `all ${bars.length} bars are cleared\n\n` : renderBars(missed));
  return { rows, bars };
}

/**
 * How many rounds an attack is measured: thrice as many where the first ones come near the bar or under it. Calls of one
 * round and the next differ by a fifth on a quiet machine, and the median of nine by much less; all of them count.
 */
function roundsOf({ rounds: first }: HostileSize, rounds: readonly Round[]): number {
  if (rounds.length < first || first === 1) return first;
  const ratios = rounds
    .slice(0, first)
    .map(({ attacked, control }) => attacked.perSecond / control.perSecond);
  return percentile(ratios, 0.5) < RATIO_LEAST + NEAR ? 3 * first : first;
}

interface Round {
  readonly attacked: Calls;
  readonly control: Calls;
  readonly floor: Calls | undefined;
  readonly acts: number;
  readonly share: number;
}

interface Calls {
  readonly perSecond: number;
  /** CPU of the node. */
  readonly cpuUsPerCall: number;
}

/** Measures attacks in one world. */
class Runner {
  readonly #world: HostileWorld;
  readonly #size: HostileSize;

  private constructor(world: HostileWorld, size: HostileSize) {
    this.#world = world;
    this.#size = size;
  }

  static async start(size: HostileSize): Promise<Runner> {
    const runner = new Runner(await startHostileWorld(), size);
    await runner.#calls(size.warmUpMs);
    return runner;
  }

  stop(): Promise<void> {
    return this.#world.stop();
  }

  async measure(attack: Attack): Promise<HostileRow> {
    const { owner, peerId } = this.#world;
    const rounds: Round[] = [];
    const durationMs = this.#size.roundMs + 2 * this.#size.marginMs;
    await owner.run(['peers', 'forgive', peerId]);
    // What the attacks before have left to be collected is no growth of this one.
    await this.#world.collect();
    const beforeMiB = rssMiB(pidOf(owner));
    beginPeak(pidOf(owner));
    const logBefore = (await writtenBytes(owner)).log;
    const begin = performance.now();
    const alone = await this.#nodeShare(attack, durationMs);
    // What is written once, as the first list of a peer is, is bounded by what a peer may have; here counts what goes on.
    const roundsBegin = performance.now();
    const stateBefore = (await writtenBytes(owner)).state;
    let said = await this.#saidBy(attack);
    for (let round = 0; round < roundsOf(this.#size, rounds); round += 1) {
      // Each round has the whole attack: not only what is left of it while its author is kept out.
      await owner.run(['peers', 'forgive', peerId]);
      const { told, ...figures } = await this.#round(attack, durationMs);
      rounds.push(figures);
      if (attack.said?.test(said) !== true) said = told || said;
    }
    const minutesSince = (sinceMs: number): number => (performance.now() - sinceMs) / 60_000;
    const after = await writtenBytes(owner);
    const of = (pick: (round: Round) => number): number => percentile(rounds.map(pick), 0.5);
    const perSecond = ({ perSecond: calls }: Calls): number => calls;
    return {
      name: attack.name,
      title: attack.title,
      attacked: of(({ attacked }) => perSecond(attacked)),
      control: of(({ control }) => perSecond(control)),
      ratio: of(({ attacked, control }) => perSecond(attacked) / perSecond(control)),
      floor: of(({ floor, control }) => (floor?.perSecond ?? Number.NaN) / perSecond(control)),
      cpuRatio: of(({ attacked, control }) => control.cpuUsPerCall / attacked.cpuUsPerCall),
      nodeShare: alone,
      actsPerSecond: of((round) => (round.acts / durationMs) * 1000),
      share: of((round) => round.share),
      growthMiB: peakMiB(pidOf(owner)) - beforeMiB,
      logKiB: (after.log - logBefore) / 1024 / minutesSince(begin),
      stateKiB: Math.max(0, after.state - stateBefore) / 1024 / minutesSince(roundsBegin),
      said,
      isTold: attack.said?.test(said),
    };
  }

  async #round(attack: Attack, durationMs: number): Promise<Round & { readonly told: string }> {
    const { attacker, floor, target } = this.#world;
    const { name, beside } = attack;
    const attacking = handled(attacker.attack({ name, target, durationMs }));
    await sleep(this.#size.marginMs);
    const attacked = await this.#calls(this.#size.roundMs, beside);
    const { acts, share } = await attacking;
    const told = await this.#saidBy(attack);
    const burning = handled(attacker.burn({ share, durationMs }));
    await sleep(this.#size.marginMs);
    const control = await this.#calls(this.#size.roundMs, beside);
    await burning;
    if (attack.hasFloor !== true) return { attacked, control, floor: undefined, acts, share, told };
    const knocking = handled(attacker.attack({ name, target: floor, durationMs }));
    await sleep(this.#size.marginMs);
    const least = await this.#calls(this.#size.roundMs, beside);
    await knocking;
    return { attacked, control, floor: least, acts, share, told };
  }

  /** What the attack alone costs the node: told, and no bar, because it hangs on the machine. */
  async #nodeShare({ name }: Attack, durationMs: number): Promise<number> {
    const { attacker, owner, target } = this.#world;
    const before = cpuUs([pidOf(owner)]) ?? Number.NaN;
    await attacker.attack({ name, target, durationMs });
    return ((cpuUs([pidOf(owner)]) ?? Number.NaN) - before) / 1000 / durationMs;
  }

  /** Calls a second; 0 when the calls failed, as they do while a node is overrun. */
  async #calls(durationMs: number, beside?: Attack['beside']): Promise<Calls> {
    const { loader, owner } = this.#world;
    try {
      const { perSecond, cpuUsPerCall = Number.NaN } = await loader.run({
        session: 'entry',
        ...(beside === undefined ? TOOL_CALLS : STRONG_WRITES),
        callers: CALLERS,
        warmUpMs: 0,
        durationMs,
        pids: [pidOf(owner)],
      });
      return { perSecond, cpuUsPerCall };
    } catch (error) {
      process.stderr.write(`calls failed: ${wordsOf(error)}\n`);
      return { perSecond: 0, cpuUsPerCall: Infinity };
    }
  }

  /** The warnings of `status` that tell of the attack; those of the attacker when none does. */
  async #saidBy(attack: Attack): Promise<string> {
    const { code, stdout } = await this.#world.owner.run(['status', '--json']);
    if (code !== 0) return '';
    const { warnings } = JSON.parse(stdout) as StatusResult;
    // Before its first heartbeat nobody knows what the member is called.
    const texts = warnings.map(({ text }) => text.replaceAll(this.#world.peerId, 'mallory'));
    const telling = texts.filter((text) => attack.said?.test(text) === true);
    return (telling.length > 0 ? telling : texts.filter((text) => text.includes('mallory'))).join(
      '; ',
    );
  }
}

/** A promise that is awaited only later: should it fail before, that must not end the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

function failedRow({ name, title }: Attack, error: unknown): HostileRow {
  const none = Number.NaN;
  return {
    name,
    title,
    attacked: none,
    control: none,
    ratio: none,
    floor: none,
    cpuRatio: none,
    nodeShare: none,
    actsPerSecond: none,
    share: none,
    growthMiB: none,
    logKiB: none,
    stateKiB: none,
    said: '',
    isTold: false,
    failed: wordsOf(error),
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function barsOf(row: HostileRow): readonly Bar[] {
  const { name, ratio, growthMiB, isTold, logKiB, stateKiB } = row;
  const atMost = (title: string, limit: number, measured: number): Bar => ({
    title: `${name}: ${title}`,
    limit,
    kind: 'at most',
    measured,
    pass: measured <= limit,
  });
  const atLeast = (title: string, limit: number, measured: number): Bar => ({
    title: `${name}: ${title}`,
    limit,
    kind: 'at least',
    measured,
    pass: measured >= limit,
  });
  // Of what the kernel takes of the machine whoever is attacked, the node gives nothing back.
  const reachable = Number.isNaN(row.floor) ? 1 : Math.min(1, row.floor);
  const ratioTitle = reachable === 1 ? '× control' : '× control, of what a bare listener leaves';
  return [
    atLeast(ratioTitle, RATIO_LEAST, ratio / reachable),
    // Who does nothing does no harm.
    atLeast('acts a second', ACTS_LEAST, row.actsPerSecond),
    ...(isTold === undefined ? [] : [atLeast('status tells', 1, isTold ? 1 : 0)]),
    atMost('MiB more', GROWTH_MIB_MOST, growthMiB),
    atMost('KiB of log a minute', LOG_KIB_MOST, logKiB),
    atMost('KiB of state a minute', STATE_KIB_MOST, stateKiB),
  ];
}

function line(row: HostileRow): string {
  const { title, control, attacked, actsPerSecond, share, said, failed } = row;
  if (failed !== undefined) return `  ${title}\n    not measured: ${failed}\n`;
  const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
  return (
    `  ${title}\n    ${control.toFixed(0)} → ${attacked.toFixed(0)} calls/s, × ${row.ratio.toFixed(2)} (CPU × ${row.cpuRatio.toFixed(2)}${floorOf(row)});` +
    ` ${actsPerSecond.toFixed(0)} acts/s at ${percent(share)} of a core, the node alone ${percent(row.nodeShare)};` +
    ` ${row.growthMiB.toFixed(0)} MiB more, a minute ${row.logKiB.toFixed(0)} KiB of log and ${row.stateKiB.toFixed(0)} of state\n` +
    `    status: ${said === '' ? '–' : said}\n`
  );
}

function floorOf({ floor }: HostileRow): string {
  return Number.isNaN(floor) ? '' : `, a bare listener × ${floor.toFixed(2)}`;
}

function renderRows(rows: readonly HostileRow[]): string {
  const figure = (value: number, digits = 0): string =>
    Number.isNaN(value) ? '–' : value.toFixed(digits);
  return table(
    ['harm', '× control', 'floor', 'CPU ×', 'MiB more', 'log KiB/min', 'state KiB/min', 'told'],
    rows.map((row) => [
      row.name,
      figure(row.ratio, 2),
      figure(row.floor, 2),
      figure(row.cpuRatio, 2),
      figure(row.growthMiB),
      figure(row.logKiB),
      figure(row.stateKiB),
      row.isTold === undefined ? '–' : row.isTold ? 'yes' : 'no',
    ]),
  );
}

function pidOf(node: NodeProcess): number {
  return node.child.pid ?? 0;
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
