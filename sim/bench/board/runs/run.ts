/**
 * One seeded run of boards on real processes: callers at each node, while nodes are killed (kill -9) and come back, links
 * are cut in one direction or both, and clocks jump. Then all heals, and what callers were told must fit: strong
 * changes are in one order that explains every answer, leases are one after the other, and open boards are
 * equal and hold the last acknowledged write of each writer.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from '../../../../src/index.ts';
import { createChance } from '../../../scenario/random.ts';
import type { Chance } from '../../../scenario/random.ts';
import { Disturbances, STORIES } from './disturbances.ts';
import type { Story } from './disturbances.ts';
import { deleteKey, remakeKey } from './erased-key.ts';
import type { Fault } from './faults.ts';
import { Member } from './member-handle.ts';
import { StrongCallers } from './strong-callers.ts';
import { StrongHistory } from './strong-history.ts';

/** By which seed, with how many nodes and for how long callers call; and what is planted, if anything is. */
export interface RunInit {
  readonly seed: number;
  readonly members: number;
  /** How long callers call and nodes are disturbed, at the least. */
  readonly ms: number;
  /** They go on until so many strong requests were answered, for {@link CALLS_MS} at the most. */
  readonly calls: number;
  /** How many stories are told, see `disturbances.ts`. */
  readonly stories: number;
  /** Of members that can have a fault (`faults.ts`), which they have. */
  readonly planted?: Fault | 'nothing';
  /** Among runs that go on at once: no other one has the same. Default: 0. */
  readonly place?: number;
}

/** What a run has shown. */
export interface RunResult {
  readonly seed: number;
  /** What does not fit; empty of a good run. */
  readonly problems: readonly string[];
  readonly strong: number;
  /** Of these, with an outcome that nobody ever learned. */
  readonly unknown: number;
  readonly open: number;
  readonly kills: number;
  readonly cuts: number;
  readonly jumps: number;
  /** From the end of the disturbances until all were equal. */
  readonly healedMs: number;
}

const KEYS = ['k', 'l', 'm', 'n', 'o', 'p', 'q', 'r'] as const;
const PAUSE_MS = 25;
const HEAL_MS = 40_000;
const CALLS_MS = 20_000;
/** Until all know one another, and the board. */
const BEGIN_MS = 120_000;
/** Replicas of a board that not all members keep. */
const FEW = 3;

/** Makes one run. @throws when processes do not start */
export async function runOnce(init: RunInit): Promise<RunResult> {
  const root = await mkdtemp(join(tmpdir(), 'starling-runs-'));
  const world = new World(init, root);
  try {
    return await world.run();
  } finally {
    world.stop();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

class World {
  readonly #init: RunInit;
  readonly #chance: Chance;
  readonly #members: readonly Member[];
  readonly #disturbances: Disturbances;
  readonly #history = new StrongHistory(KEYS);
  readonly #callers: StrongCallers;
  /** Of each writer of the open board: the last number that was acknowledged, and the last that was tried. */
  readonly #written = new Map<number, { acknowledged: number; tried: number }>();
  #open = 0;
  #isOver = false;

  constructor(init: RunInit, root: string) {
    this.#init = init;
    const { seed, members, planted, place = 0 } = init;
    this.#chance = createChance(seed);
    this.#members = Array.from(
      { length: members },
      (_, at) => new Member(at, { folder: join(root, `${at}`), place, planted }),
    );
    this.#disturbances = new Disturbances({
      members: this.#members,
      replicas: this.#replicas,
      chance: this.#chance,
      answered: () => this.#callers.counts.strong,
      start: (member) => member.start(this.#addresses(member)),
    });
    this.#callers = new StrongCallers({
      keys: () => this.#disturbances.keysOf(KEYS),
      chance: this.#chance,
      history: this.#history,
      isOver: () => this.#isOver,
      isQuiet: (member) => this.#disturbances.isQuiet(member),
      isDeleting: planted === undefined,
    });
  }

  async run(): Promise<RunResult> {
    await this.#begin();
    const { seed, planted } = this.#init;
    const [first] = this.#members;
    const isErasing = planted !== undefined && seed % 4 === 2;
    const deleted = isErasing && first !== undefined ? await deleteKey(first) : undefined;
    const calling = Promise.all(
      this.#members.flatMap((member) => [this.#callers.call(member), this.#callOpen(member)]),
    );
    // A caller that fails ends the run with what it says, and not before its end.
    calling.catch(() => undefined);
    await this.#disturb();
    this.#isOver = true;
    await this.#disturbances.heal();
    await calling;
    const from = performance.now();
    const problems = [...(await this.#healed()), ...this.#history.judge()];
    const healedMs = performance.now() - from;
    if (deleted !== undefined && first !== undefined) {
      problems.push(...(await remakeKey(first, deleted)));
    }
    return {
      seed,
      problems,
      ...this.#callers.counts,
      open: this.#open,
      ...this.#disturbances.counts,
      healedMs,
    };
  }

  stop(): void {
    for (const member of this.#members) member.kill();
  }

  /** Those with which the board begins: all, or some, by the seed. */
  get #replicas(): readonly Member[] {
    return this.#init.seed % 2 === 0 ? this.#members : this.#members.slice(0, FEW);
  }

  async #begin(): Promise<void> {
    const [first, ...others] = this.#members;
    if (first === undefined) throw new Error('no members');
    await first.start([]);
    await Promise.all(others.map((member) => member.start([first.address])));
    const dids = this.#members.map(({ did }) => did);
    await this.#untilAll(({ peers }) => peers === dids.length - 1);
    const replicas = this.#replicas.map(({ did }) => did);
    // Whoever keeps the board no more goes on to write.
    await create(first, replicas, dids.slice(1));
    await this.#untilAll(({ isStrong }) => isStrong === true);
  }

  async #untilAll(isSo: (look: Record<string, Json>) => boolean): Promise<void> {
    const end = performance.now() + BEGIN_MS;
    for (;;) {
      const looks = await Promise.all(this.#members.map((member) => member.ask({ t: 'look' })));
      const isAll = looks.every(
        (news) => news?.t === 'done' && isSo(news.result as Record<string, Json>),
      );
      if (isAll) return;
      if (performance.now() > end) throw new Error(`no beginning: ${JSON.stringify(looks)}`);
      await pause(50);
    }
  }

  /** Other members, for whoever starts. */
  #addresses(member: Member): readonly string[] {
    return this.#members
      .filter((one) => one !== member && one.address !== '')
      .map(({ address }) => address);
  }

  async #disturb(): Promise<void> {
    const begin = performance.now();
    const { ms, calls, seed, stories } = this.#init;
    const isEnough = (): boolean => {
      const passedMs = performance.now() - begin;
      const { strong } = this.#callers.counts;
      return passedMs >= ms && (strong >= calls || passedMs >= CALLS_MS);
    };
    await this.#disturbances.begin();
    for (let told = 0; told < stories; told += 1) {
      await this.#disturbances.tell(storyOf(seed, told));
      if (told === 0 && seed % 4 === 3) await this.#changeReplicas();
    }
    while (!isEnough()) await this.#disturbances.single();
  }

  /** The last members keep the board from now on, and some of the first no more. */
  async #changeReplicas(): Promise<void> {
    const [first] = this.#members;
    const dids = this.#members.map(({ did }) => did);
    const add = dids.slice(FEW);
    const remove = dids.slice(0, add.length);
    // What is begun and not ended holds as well: both the old and the new ones are asked then.
    await first?.ask({ t: 'change', add, remove });
  }

  async #callOpen(member: Member): Promise<void> {
    const written = { acknowledged: -1, tried: -1 };
    this.#written.set(member.at, written);
    while (!this.#isOver) {
      await pause(PAUSE_MS);
      if (!member.isUp) continue;
      const number = (written.tried += 1);
      const news = await member.ask({ t: 'set', key: `of-${member.at}`, value: number });
      if (news?.t === 'done') written.acknowledged = number;
      await member.ask({ t: 'set', key: 'of-all', value: `${member.at}-${number}` });
      this.#open += 1;
    }
  }

  /** What is wrong once nothing is cut and all are there again. */
  async #healed(): Promise<readonly string[]> {
    const end = performance.now() + HEAL_MS;
    for (;;) {
      const looks = await Promise.all(this.#members.map((member) => member.ask({ t: 'look' })));
      const found = looks.map((news) =>
        news?.t === 'done' ? (news.result as Record<string, Json>) : {},
      );
      const isEqual =
        new Set(found.map(({ digest }) => digest)).size === 1 && found[0]?.['digest'] !== undefined;
      if (isEqual) return this.#lost(found[0]?.['entries'] as Record<string, Json>);
      if (performance.now() > end)
        return [`open boards differ: ${found.map(({ digest }) => digest).join(', ')}`];
      await pause(50);
    }
  }

  #lost(entries: Record<string, Json>): readonly string[] {
    return [...this.#written].flatMap(([member, { acknowledged, tried }]) => {
      const value = entries[`of-${member}`] ?? -1;
      const isFit = typeof value === 'number' && value >= acknowledged && value <= tried;
      return isFit
        ? []
        : [
            `member ${member} was told that ${acknowledged} is written, and all hold ${JSON.stringify(value)}`,
          ];
    });
  }
}

/** Makes the board; on a busy machine a replica may be too slow to say what its disk is called, and is asked again. */
async function create(
  member: Member,
  replicas: readonly string[],
  writers: readonly string[],
): Promise<void> {
  const end = performance.now() + BEGIN_MS;
  for (;;) {
    const created = await member.ask({ t: 'create', replicas, writers });
    if (created?.t === 'done') return;
    if (performance.now() > end) throw new Error(`no board: ${JSON.stringify(created)}`);
    await pause(50);
  }
}

/** The story that most faults show in is in each run; the others are in every second one. */
function storyOf(seed: number, told: number): Story {
  return told === 0 ? 'bridge' : (STORIES[1 + ((seed >> 1) % 2)] ?? 'bridge');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
