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
import { isLinearizable } from './linearizable.ts';
import type { Operation } from './linearizable.ts';
import { Member } from './member-handle.ts';
import type { Fault, MemberNews, StrongAsk } from './orders.ts';

/** By which seed, with how many nodes and for how long callers call; and what is planted, if anything is. */
export interface RunInit {
  readonly seed: number;
  readonly members: number;
  /** How long callers call and nodes are disturbed, at the least. */
  readonly ms: number;
  /** They go on until so many strong requests were answered, for {@link CALLS_MS} at the most. */
  readonly calls: number;
  readonly fault?: Fault;
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

const KEYS = ['k', 'l', 'm', 'n'] as const;
/** Changes of a key that one search can order in a moment. */
const OPS_PER_KEY = 80;
const PAUSE_MS = 25;
const DISTURB_MS = { least: 150, most: 500 } as const;
/** How far clocks are off at the most: two of them less than the minute beyond which an entry is not taken before its time. */
const JUMP_MS = 25_000;
const HEAL_MS = 40_000;
const CALLS_MS = 20_000;
/** Until all know one another, and the board. */
const BEGIN_MS = 120_000;
const DISTURBANCES = ['kill', 'cut', 'jump', 'cut off', 'heal'] as const;
/** With these each run begins. */
const ALWAYS = 3;

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
  readonly #random: () => number;
  readonly #members: Member[];
  readonly #operations = new Map<string, Operation[]>(KEYS.map((key) => [key, []]));
  readonly #leases: {
    readonly holder: string;
    readonly token: number;
    readonly from: number;
    readonly to: number;
  }[] = [];
  /** Of each writer of the open board: the last number that was acknowledged, and the last that was tried. */
  readonly #written = new Map<number, { acknowledged: number; tried: number }>();
  readonly #counts = { strong: 0, unknown: 0, open: 0, kills: 0, cuts: 0, jumps: 0 };
  #isOver = false;

  constructor(init: RunInit, root: string) {
    this.#init = init;
    const chance = createChance(init.seed);
    this.#random = () => chance.next();
    this.#members = Array.from(
      { length: init.members },
      (_, at) => new Member(at, join(root, `${at}`), init.fault),
    );
  }

  async run(): Promise<RunResult> {
    await this.#begin();
    const callers = this.#members.flatMap((member) => [
      this.#callStrong(member),
      this.#callOpen(member),
    ]);
    await this.#disturb();
    this.#isOver = true;
    for (const member of this.#members) {
      member.cut([]);
      if (!member.isUp) await member.start(this.#addresses(member));
    }
    await Promise.all(callers);
    const from = performance.now();
    const problems = [...(await this.#healed()), ...this.#judgeStrong(), ...this.#judgeLeases()];
    return { seed: this.#init.seed, problems, ...this.#counts, healedMs: performance.now() - from };
  }

  stop(): void {
    for (const member of this.#members) member.kill();
  }

  async #begin(): Promise<void> {
    const [first, ...others] = this.#members;
    if (first === undefined) throw new Error('no members');
    await first.start([]);
    await Promise.all(others.map((member) => member.start([first.address])));
    const dids = this.#members.map(({ did }) => did);
    await this.#untilAll(({ peers }) => peers === dids.length - 1);
    const replicas = this.#init.seed % 2 === 0 ? dids : dids.slice(0, 3);
    const writers = dids.filter((did) => !replicas.includes(did));
    const created = await first.ask({ t: 'create', replicas, writers });
    if (created?.t !== 'done') throw new Error(`no board: ${JSON.stringify(created)}`);
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
    const { ms, calls } = this.#init;
    const isEnough = (): boolean => {
      const passedMs = performance.now() - begin;
      return passedMs >= ms && (this.#counts.strong >= calls || passedMs >= CALLS_MS);
    };
    for (let at = 0; at < ALWAYS || !isEnough(); at += 1) {
      const { least, most } = DISTURB_MS;
      await pause(least + this.#random() * (most - least));
      this.#disturbOnce(DISTURBANCES[at < ALWAYS ? at : -1] ?? this.#pick(DISTURBANCES));
    }
    await Promise.all(this.#members.map(({ starting }) => starting));
  }

  #disturbOnce(what: (typeof DISTURBANCES)[number]): void {
    const member = this.#pick(this.#members);
    switch (what) {
      case 'kill':
        this.#kill(member);
        return;
      case 'cut':
        this.#cut(member, [this.#pick(this.#members.filter((one) => one !== member))]);
        return;
      case 'cut off':
        this.#cutOff(member);
        return;
      case 'jump':
        this.#jump(member);
        return;
      case 'heal':
        for (const one of this.#members) one.cut([]);
    }
  }

  #kill(member: Member): void {
    if (!member.isUp) return;
    this.#counts.kills += 1;
    member.kill();
    const downMs = 100 + this.#random() * 500;
    member.starting = pause(downMs).then(() => member.start(this.#addresses(member)));
  }

  /** `member` reads nothing of the others: a cut in one direction. */
  #cut(member: Member, others: readonly Member[]): void {
    this.#counts.cuts += 1;
    member.cut(others.filter((other) => other !== member).map(({ host }) => host));
  }

  #cutOff(member: Member): void {
    this.#cut(member, this.#members);
    for (const other of this.#members) if (other !== member) other.cut([member.host]);
  }

  #jump(member: Member): void {
    this.#counts.jumps += 1;
    member.jump(Math.round((this.#random() * 2 - 1) * JUMP_MS));
  }

  async #callStrong(member: Member): Promise<void> {
    for (let at = 0; !this.#isOver; at += 1) {
      const key = this.#pick(KEYS);
      // A node that is dead is asked nothing.
      if (member.isUp && (this.#operations.get(key)?.length ?? 0) < OPS_PER_KEY)
        await this.#strong(member, key, at);
      await pause(PAUSE_MS);
    }
  }

  async #strong(member: Member, key: string, at: number): Promise<void> {
    const pick = this.#random();
    const value = `${member.at}-${at}`;
    if (pick < 0.15) return this.#lease(member);
    if (pick < 0.45) {
      return this.#note(member, key, { t: 'get' }, (now) => ({ value: now, result: now ?? null }));
    }
    if (pick < 0.7)
      return this.#note(member, key, { t: 'set', value }, () => ({ value, result: true }));
    const last = this.#operations.get(key)?.at(-1);
    const known = last?.apply(undefined).value;
    if (typeof known !== 'string') {
      return this.#note(member, key, { t: 'cas', value }, (now) =>
        now === undefined ? { value, result: true } : { value: now, result: false },
      );
    }
    return this.#note(member, key, { t: 'cas', value, expect: known }, (now) =>
      now === known ? { value, result: true } : { value: now, result: false },
    );
  }

  async #note(
    member: Member,
    key: string,
    request: StrongAsk,
    apply: Operation['apply'],
  ): Promise<void> {
    const { fault } = this.#init;
    const from = performance.now();
    let news = await member.ask({ t: 'strong', key, request });
    for (
      let tries = 0;
      tries < 3 && request.t !== 'get' && isUnknown(news) && !this.#isOver;
      tries += 1
    ) {
      await pause(100);
      const id =
        news?.t === 'failed' && fault !== 'a retry is another request' ? news.request : undefined;
      if (id === undefined && fault !== 'a retry is another request') break;
      news = await member.ask({ t: 'strong', key, request, ...(id === undefined ? {} : { id }) });
    }
    const to = performance.now();
    // A reading that nobody was told of says nothing.
    if (request.t === 'get' && news?.t !== 'done') return;
    const isNothing =
      news?.t === 'failed' &&
      (news.code === 'STARLING_NO_QUORUM' || fault === 'unknown told as failed');
    if (isNothing) return;
    this.#counts.strong += 1;
    const result =
      news?.t === 'done' ? told(request, news.result as Record<string, Json>) : undefined;
    if (result === undefined) this.#counts.unknown += 1;
    this.#operations
      .get(key)
      ?.push({ from, to: result === undefined ? Number.POSITIVE_INFINITY : to, apply, result });
  }

  async #lease(member: Member): Promise<void> {
    const holder = `member-${member.at}`;
    const from = performance.now();
    const news = await member.ask({
      t: 'strong',
      key: 'lease',
      request: { t: 'lease', holder, ttlMs: 300 },
    });
    const result = news?.t === 'done' ? (news.result as Record<string, Json>) : undefined;
    const lease = (result?.['value'] as { lease?: { holder: string; token: number } } | undefined)
      ?.lease;
    if (result?.['ok'] === true && lease !== undefined) {
      this.#leases.push({ holder, token: lease.token, from, to: performance.now() });
    }
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
      this.#counts.open += 1;
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

  #judgeStrong(): readonly string[] {
    return [...this.#operations].flatMap(([key, operations]) =>
      isLinearizable(operations)
        ? []
        : [`no order explains the ${operations.length} answers about '${key}'`],
    );
  }

  #judgeLeases(): readonly string[] {
    const holders = new Map<number, string>();
    const problems: string[] = [];
    for (const { token, holder, from } of this.#leases) {
      const known = holders.get(token) ?? holder;
      holders.set(token, holder);
      if (known !== holder) problems.push(`${known} and ${holder} both hold the lease ${token}`);
      const later = this.#leases.find((one) => one.to < from && one.token > token);
      if (later !== undefined) problems.push(`the lease ${token} was given after ${later.token}`);
    }
    return problems;
  }

  #pick<T>(all: readonly T[]): T {
    const found = all[Math.floor(this.#random() * all.length)];
    if (found === undefined) throw new Error('nothing to pick');
    return found;
  }
}

function isUnknown(news: MemberNews | undefined): boolean {
  return news?.t === 'failed' && news.code === 'STARLING_OUTCOME_UNKNOWN';
}

/** What the caller was told, as an operation has it. */
function told(request: StrongAsk, outcome: Record<string, Json>): Json {
  return request.t === 'get' ? (outcome['value'] ?? null) : outcome['ok'] === true;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
