/**
 * What happens to the members of a run: they are killed (kill -9) and come back, read nothing of others, are parted,
 * and their clocks jump; and stories of several such things that each of a few wrong protocols can't bear.
 */
import type { Json, JsonObject } from '../../../../src/index.ts';
import type { Chance } from '../../../scenario/random.ts';
import type { Member } from './member-handle.ts';

/** Who can be disturbed, and in which way. */
export interface DisturbancesInit {
  readonly members: readonly Member[];
  /** Of these, those that keep the strong board. */
  readonly replicas: readonly Member[];
  readonly chance: Chance;
  /** How many requests callers have had an answer to. */
  answered(): number;
  /** Starts a member that is dead. */
  start(member: Member): Promise<void>;
}

/** Stories, of which each run has some. */
export const STORIES = ['bridge', 'deaf', 'minority'] as const;
export type Story = (typeof STORIES)[number];

const SINGLE = ['kill', 'cut', 'jump', 'cut off', 'heal'] as const;
/** With these each run begins. */
const FIRST = ['kill', 'cut', 'jump'] as const;
const SINGLE_MS = { least: 150, most: 500 } as const;
/** How far clocks are off at the most: two of them less than the minute beyond which an entry is not taken before its time. */
const JUMP_MS = 25_000;
/** How long members are parted before more happens. */
const PARTED_MS = 1200;
/** Single disturbances in a row without an answer: more of them would only disturb those who wait already. */
const UNANSWERED_MAX = 4;
/** How long a part of a story may take on a busy machine. */
const PART_MS = 6000;
const LOOK_MS = 20;
/** Longer than a request is tried: whoever hears nothing for so long has an outcome that nobody knows. */
const DEAF_MS = 6000;

/** Disturbs the members of one run. */
export class Disturbances {
  readonly counts = { kills: 0, cuts: 0, jumps: 0 };
  /** Members at which nobody calls for now. */
  #quiet: ReadonlySet<Member> = new Set();
  #half: 0 | 1 | undefined;
  #answeredBefore = 0;
  /** Single disturbances since anybody has had an answer. */
  #unanswered = 0;
  readonly #init: DisturbancesInit;

  constructor(init: DisturbancesInit) {
    this.#init = init;
  }

  isQuiet(member: Member): boolean {
    return this.#quiet.has(member);
  }

  /** Those of all keys that callers ask for now. */
  keysOf(all: readonly string[]): readonly string[] {
    return this.#half === undefined ? all : all.filter((_, at) => at % 2 === this.#half);
  }

  /** A few single disturbances, of each kind at least one. */
  async begin(): Promise<void> {
    for (const what of FIRST) await this.#after(what);
  }

  /** One disturbance of any kind, after a while; where nobody has had an answer since the last few, nothing is cut any more. */
  async single(): Promise<void> {
    const answered = this.#init.answered();
    this.#unanswered = answered > this.#answeredBefore ? 0 : this.#unanswered + 1;
    this.#answeredBefore = answered;
    await this.#after(this.#unanswered > UNANSWERED_MAX ? 'heal' : this.#pick(SINGLE));
  }

  /** Heals all, and tells the story. Nothing is cut, and all are there, when this resolves. */
  async tell(story: Story): Promise<void> {
    await this.heal();
    if (story === 'bridge') await this.#bridge();
    else if (story === 'deaf') await this.#deaf();
    else await this.#minority();
    await this.heal();
  }

  /** Nothing is cut any more, and all are there. */
  async heal(): Promise<void> {
    const { members } = this.#init;
    this.#quiet = new Set();
    this.#half = undefined;
    for (let times = 0; times < 2; times += 1) {
      for (const member of members) {
        member.slow(false);
        member.cut([]);
      }
      // Whoever starts needs the others for that.
      await Promise.all(members.map(({ starting }) => starting));
    }
  }

  /**
   * Two halves that have one replica in common, which is killed and comes back while proposers of one half have
   * the promises of a majority and stand still, and then the other half goes on: whatever that replica has told
   * must hold.
   */
  async #bridge(): Promise<void> {
    const { members, replicas } = this.#init;
    const [bridge, ...others] = this.#shuffled(replicas);
    if (bridge === undefined) return;
    const sides = [...others, ...members.filter((one) => !replicas.includes(one))];
    const left = sides.filter((_, at) => at % 2 === 0);
    const right = sides.filter((_, at) => at % 2 === 1);
    this.#part(left, right);
    // Both change the same keys by turns.
    await this.#callOnly(members, 1, 48);
    // Each half knows what comes next of other keys; and the turns of the left one are the later ones.
    await this.#callOnly(right, 1, 12);
    await this.#callOnly(left, 0, 24);
    for (const member of left) member.slow(true);
    this.#half = 1;
    await this.#until(async () => {
      const looks = await Promise.all(left.map((member) => member.ask({ t: 'look' })));
      return looks.some((news) => news?.t === 'done' && isHeld(news.result));
    });
    this.#quiet = new Set(members);
    await this.#restart(bridge);
    await pause(PARTED_MS);
    await this.#callOnly(right, 1, 12);
    for (const member of left) member.slow(false);
    await pause(PARTED_MS / 2);
  }

  /** Callers of these members alone ask for one half of the keys, until so many had an answer. */
  async #callOnly(members: readonly Member[], half: 0 | 1, answers: number): Promise<void> {
    this.#quiet = new Set(this.#init.members.filter((member) => !members.includes(member)));
    this.#half = half;
    await this.#answered(answers);
  }

  async #answered(count: number): Promise<void> {
    const wanted = this.#init.answered() + count;
    await this.#until(() => this.#init.answered() >= wanted);
  }

  async #until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + PART_MS;
    while (!(await isSo()) && performance.now() < end) await pause(LOOK_MS);
  }

  /** A replica hears nothing of all others, who hear it: what it asks for is done, and it does not learn that. */
  async #deaf(): Promise<void> {
    const deaf = this.#pick(this.#init.replicas);
    this.#cut(deaf, this.#init.members);
    await pause(DEAF_MS);
  }

  /** Fewer than half of the replicas are parted from the others, and one of them is killed and comes back to all. */
  async #minority(): Promise<void> {
    const { members, replicas } = this.#init;
    const shuffled = this.#shuffled(replicas);
    const few = shuffled.slice(0, Math.floor((replicas.length - 1) / 2));
    const many = members.filter((one) => !few.includes(one));
    this.#part(few, many);
    await pause(PARTED_MS);
    const [first] = few;
    if (first === undefined) return;
    const restarting = this.#restart(first);
    for (const member of members) member.cut([]);
    await restarting;
  }

  #part(left: readonly Member[], right: readonly Member[]): void {
    this.counts.cuts += 1;
    const hosts = (of: readonly Member[]): readonly string[] => of.map(({ host }) => host);
    for (const member of left) member.cut(hosts(right), true);
    for (const member of right) member.cut(hosts(left), true);
  }

  async #restart(member: Member): Promise<void> {
    this.#kill(member, 0);
    await member.starting;
  }

  async #after(what: (typeof SINGLE)[number]): Promise<void> {
    const { least, most } = SINGLE_MS;
    await pause(least + this.#init.chance.next() * (most - least));
    this.#once(what);
  }

  #once(what: (typeof SINGLE)[number]): void {
    const { members, chance } = this.#init;
    const member = this.#pick(members);
    switch (what) {
      case 'kill':
        this.#kill(member, 100 + chance.next() * 500);
        return;
      case 'cut':
        this.#cut(member, [this.#pick(members.filter((one) => one !== member))]);
        return;
      case 'cut off':
        this.#cut(member, members);
        for (const other of members) if (other !== member) other.cut([member.host]);
        return;
      case 'jump':
        this.counts.jumps += 1;
        member.jump(Math.round((chance.next() * 2 - 1) * JUMP_MS));
        return;
      case 'heal':
        for (const one of members) one.cut([]);
    }
  }

  #kill(member: Member, downMs: number): void {
    if (!member.isUp) return;
    this.counts.kills += 1;
    member.kill();
    member.starting = pause(downMs).then(() => this.#init.start(member));
    // Whoever waits for the start hears why there is none.
    member.starting.catch(() => undefined);
  }

  /** `member` reads nothing of the others: a cut in one direction. */
  #cut(member: Member, others: readonly Member[]): void {
    this.counts.cuts += 1;
    member.cut(others.filter((other) => other !== member).map(({ host }) => host));
  }

  #pick<T>(all: readonly T[]): T {
    const found = all[this.#init.chance.below(all.length)];
    if (found === undefined) throw new Error('nothing to pick');
    return found;
  }

  #shuffled<T>(all: readonly T[]): readonly T[] {
    return all
      .map((one) => ({ one, at: this.#init.chance.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ one }) => one);
  }
}

/** Whether a proposer of a member that was looked at waits with a change. */
function isHeld(look: Json): boolean {
  return Number((look as JsonObject)['held']) > 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
