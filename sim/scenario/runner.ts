/** Carries a scenario out on real nodes: starts them, does each step at its time, and holds the claims. */
import { BudgetBook } from './budget-book.ts';
import { CallBook } from './calls.ts';
import { Claims } from './claims.ts';
import { attachControl } from './control.ts';
import type { Control } from './control.ts';
import type { Act, NodeAct, Plan, Step } from './plan.ts';
import { holdAfter } from './final-claims.ts';
import { plotsOf } from './plots.ts';
import { TaskBook } from './task-book.ts';
import type { RunReport, Sample } from './report.ts';
import { wordsOf } from './step-words.ts';
import { Sights } from './sights.ts';
import type { Sight, World, WorldInit, WorldNode } from './engines/world.ts';

const SAMPLE_MS = 500;
/** How long a newcomer waits for its first call to be let through. */
const READY_MS = 60_000;
const READY_POLL_MS = 200;
/** After a heal all records and boards are equal in this time, in every scenario. */
export const EQUAL_AFTER_HEAL_MS = 10_000;

/** How much of a run is done once its first nodes are started, once they know all, and once its steps are done. */
const STARTED_SHARE = 0.5;
const SETTLED_SHARE = 0.55;
const STEPS_DONE_SHARE = 0.9;

/** What is run. */
export interface RunnerInit {
  readonly plan: Plan;
  readonly settleMs: number | undefined;
  readonly everyMs: number;
  readonly makeWorld: (saw: WorldInit['saw']) => Promise<World>;
  /** Hears what happens, and which share of the run is done, 0 to 1. */
  readonly tell: (text: string, done: number) => void;
}

/** What came out; the caller adds names to it. */
export type RunResult = Pick<
  RunReport,
  'pass' | 'notes' | 'figures' | 'calls' | 'verdicts' | 'events' | 'plots'
>;

/** Runs it. Nothing is left behind. */
export async function runOnWorld(init: RunnerInit): Promise<RunResult> {
  const run = new Run(init);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

interface Running {
  readonly node: WorldNode;
  readonly control: Control;
}

class Run {
  readonly #init: RunnerInit;
  readonly #plan: Plan;
  readonly #sights: Sights;
  readonly #calls = new CallBook();
  readonly #tasks: TaskBook;
  readonly #budget: BudgetBook;
  readonly #claims: Claims;
  readonly #running = new Map<string, Running>();
  readonly #ids = new Map<string, string>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #samples: Sample[] = [];
  readonly #events: { atMs: number; text: string }[] = [];
  readonly #errors: string[] = [];
  readonly #figures: Record<string, number> = {};
  readonly #beganAt = performance.now();
  #done = 0;
  #zeroAt = performance.now();
  #world: World | undefined;
  #sampler: NodeJS.Timeout | undefined;
  #writes = 0;
  #cpuBeforeMs = 0;

  constructor(init: RunnerInit) {
    this.#init = init;
    this.#plan = init.plan;
    this.#tasks = new TaskBook(init.plan.workers);
    this.#budget = new BudgetBook(init.plan.budget);
    this.#sights = new Sights(
      init.plan.during.map(({ never, of, by }) => ({ never, of: new Set(of), by: new Set(by) })),
    );
    this.#claims = new Claims({
      sights: this.#sights,
      running: () =>
        [...this.#running]
          .filter(([name]) => !this.#sights.down.has(name))
          .map(([name, { control }]) => ({ name, control })),
    });
  }

  async run(): Promise<RunResult> {
    const { plan, makeWorld, settleMs } = this.#init;
    this.#world = await makeWorld((by, peerId, sight) => this.#saw(by, peerId, sight));
    this.#cpuBeforeMs = (await this.#world.usage()).cpuMs;
    for (const { from, to, shape } of plan.links) {
      for (const [one, other] of pairsOf(from, to)) await this.#world.link(one, other, shape);
    }
    this.#sampler = setInterval(() => void this.#sample(), SAMPLE_MS);
    if (settleMs !== undefined) {
      await this.#startFirst();
      // A mesh that does not come about has nothing to show.
      if (!(await this.#settle(settleMs))) return this.#result();
      await this.#allowCalls();
      await this.#tasks.allow(this.#running);
      await this.#budget.make(this.#running);
      this.#zeroAt = performance.now();
      await this.#steps();
    } else {
      this.#zeroAt = performance.now();
      await Promise.all([this.#startFirst(), this.#steps()]);
    }
    this.#tell('waiting for calls', STEPS_DONE_SHARE);
    await this.#calls.over();
    await this.#tasks.over(this.#running);
    // Who is on its way back has rows that nobody else has.
    await Promise.all(this.#turns.values());
    await this.#budget.over(this.#running);
    this.#tell('holding the claims', 0.95);
    await this.#claims.over();
    await this.#cost('');
    await this.#after();
    return this.#result();
  }

  async close(): Promise<void> {
    clearInterval(this.#sampler);
    for (const { control } of this.#running.values()) control.close();
    await this.#world?.close();
  }

  get #it(): World {
    if (this.#world === undefined) throw new Error('there is no world yet');
    return this.#world;
  }

  #now(): number {
    return Math.round(performance.now() - this.#zeroAt);
  }

  #saw(by: string, peerId: string, sight: Sight): void {
    this.#sights.saw(by, peerId, sight, `${(this.#now() / 1000).toFixed(1)} s`);
  }

  #note(text: string): void {
    this.#events.push({ atMs: this.#now(), text });
    const share = Math.min(1, this.#now() / Math.max(1, this.#plan.endMs));
    this.#tell(text, SETTLED_SHARE + (STEPS_DONE_SHARE - SETTLED_SHARE) * share);
  }

  /** Tells how far it is, which never goes back: where nodes are started beside the steps, both tell. */
  #tell(text: string, done: number): void {
    this.#done = Math.max(this.#done, done);
    this.#init.tell(text, this.#done);
  }

  async #startFirst(): Promise<void> {
    const { first } = this.#plan;
    for (const [at, name] of first.entries()) {
      this.#tell(`starting ${name}`, (at / first.length) * STARTED_SHARE);
      await this.#start(name, first.slice(0, 1));
      if (this.#init.everyMs > 0) await sleep(this.#init.everyMs);
    }
    this.#figures['startMs'] = performance.now() - this.#beganAt;
  }

  async #settle(withinMs: number): Promise<boolean> {
    this.#tell('waiting until all know all', STARTED_SHARE);
    const verdict = await this.#claims.hold({
      that: 'known',
      of: this.#plan.first,
      by: this.#plan.first,
      withinMs,
    });
    this.#figures['knownMs'] = verdict.measured ?? Number.NaN;
    this.#claims.add({ ...verdict, claim: `settled: ${verdict.claim}` });
    await this.#cost('join');
    return verdict.pass;
  }

  /** What it took so far, a node. */
  async #cost(prefix: string): Promise<void> {
    const count = this.#plan.names.length;
    const name = (word: string): string =>
      prefix === '' ? word : `${prefix}${word[0]?.toUpperCase()}${word.slice(1)}`;
    const { cpuMs, bytes, rssMiB } = await this.#it.usage();
    this.#figures[name('cpuMsPerNode')] = (cpuMs - this.#cpuBeforeMs) / count;
    this.#figures[name('kilobytesPerNode')] = bytes / 1000 / count;
    if (prefix === '') this.#figures['rssMiB'] = rssMiB;
  }

  async #start(name: string, by: readonly string[]): Promise<void> {
    const known = by.filter((one) => one !== name && this.#running.has(one));
    const [any] = [...this.#running.keys()].filter((one) => one !== name);
    const from = known.length > 0 ? known : any === undefined ? [] : [any];
    const bootstrap = from.flatMap(
      (one) => this.#running.get(one)?.node.addresses.slice(0, 1) ?? [],
    );
    this.#sights.fresh(name);
    const node = await this.#it.start(name, bootstrap);
    this.#ids.set(name, node.peerId);
    this.#sights.named(name, node.peerId);
    const control = await attachControl(node.socket);
    this.#running.set(name, { node, control });
    await this.#tasks.serve(name, this.#running);
    this.#sights.down.delete(name);
  }

  /** Grants what the scenario will call, and waits until the first calls come through. */
  async #allowCalls(): Promise<void> {
    const pairs = new Set<string>();
    for (const step of this.#plan.steps)
      if (step.act === 'call') pairs.add(`${step.from} ${step.to}`);
    if (pairs.size > 0) this.#tell('granting', SETTLED_SHARE);
    await Promise.all(
      [...pairs].map((pair) => {
        const [from = '', to = ''] = pair.split(' ');
        return this.#allow(from, to);
      }),
    );
  }

  async #allow(from: string, to: string): Promise<void> {
    const caller = this.#running.get(from);
    const owner = this.#running.get(to);
    if (caller === undefined || owner === undefined) return;
    await owner.control.builtin('grant_create', {
      peer: caller.node.peerId,
      tools: ['toolbox/*'],
      expires_s: 3600,
    });
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const end = await caller.control.call(`${to}__toolbox__echo`, { message: 'ready' }, READY_MS);
      if (end.kind === 'answer') return;
      if (performance.now() > deadline) {
        this.#errors.push(`${from} could not call ${to}: ${'text' in end ? end.text : end.kind}`);
        return;
      }
      await sleep(READY_POLL_MS);
    }
  }

  /** Does each step at its time; those of one node one after the other. */
  async #steps(): Promise<void> {
    for (const step of this.#plan.steps) {
      const waitMs = step.atMs - (performance.now() - this.#zeroAt);
      if (waitMs > 0) await sleep(waitMs);
      this.#do(step);
    }
    const restMs = this.#plan.endMs - (performance.now() - this.#zeroAt);
    if (restMs > 0) await sleep(restMs);
  }

  #do(step: Step): void {
    switch (step.act) {
      case 'call':
        this.#call(step);
        return;
      case 'write':
        this.#write(step.node);
        return;
      case 'task':
        this.#tasks.give(step, this.#running.get(step.from)?.control);
        return;
      case 'spend':
        this.#budget.spend(this.#running.get(step.node)?.control);
        return;
      case 'expect':
        this.#note(`expected: ${this.#claims.words(step.claim)}`);
        this.#claims.begin(step.claim);
        return;
      case 'start':
      case 'leave':
      case 'kill':
      case 'restart':
      case 'freeze':
      case 'thaw':
        this.#note(`${step.act} ${step.node}`);
        this.#inTurn(step.node, () => this.#ofNode(step));
        return;
      case 'stall':
      case 'resume':
        this.#inTurn(step.node, () => this.#ofNode(step));
        return;
      case 'hostile':
        this.#note(wordsOf(step));
        this.#inTurn(step.name, () => this.#hostile(step));
        return;
      default:
        this.#note(wordsOf(step));
        this.#inTurn('', () => this.#ofMesh(step));
    }
  }

  #inTurn(name: string, work: () => Promise<unknown>): void {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(work).then(
      () => undefined,
      (error: unknown) => void this.#errors.push(`${name}: ${String(error)}`),
    );
    this.#turns.set(name, turn);
  }

  async #ofNode(step: Extract<Act, { act: 'start' }> | NodeAct): Promise<void> {
    const { node: name } = step;
    const isRunning = this.#running.has(name);
    switch (step.act) {
      case 'start':
        if (!isRunning) await this.#start(name, step.by);
        return;
      case 'restart':
        if (!isRunning) await this.#start(name, []);
        return;
      case 'freeze':
        this.#sights.down.add(name);
        return this.#it.freeze(name);
      case 'thaw':
        await this.#it.thaw(name);
        this.#sights.down.delete(name);
        return;
      case 'leave':
      case 'kill':
        if (!isRunning) return;
        this.#sights.down.add(name);
        await this.#it[step.act](name);
        this.#running.get(name)?.control.close();
        this.#running.delete(name);
        return;
      case 'stall':
      case 'resume':
        return this.#it[step.act](name);
    }
  }

  async #ofMesh(step: Step): Promise<void> {
    const world = this.#it;
    switch (step.act) {
      case 'cut':
      case 'mend':
        for (const [from, to] of pairsOf(step.from, step.to)) {
          await world[step.act](from, to);
          if (!step.oneway) await world[step.act](to, from);
        }
        return;
      case 'heal':
        await world.heal();
        this.#claims.begin(
          {
            that: 'equal',
            of: this.#plan.names,
            by: this.#plan.names,
            withinMs: EQUAL_AFTER_HEAL_MS,
          },
          'after the heal',
        );
        return;
      case 'link':
        for (const [from, to] of pairsOf(step.from, step.to))
          await world.link(from, to, step.shape);
        return;
      case 'clock':
        return world.clock(step.node, step.byMs);
      case 'disk':
        return world.disk(step.node, step.state);
      case 'record':
        return this.#record(step.node);
      default:
        throw new Error(`nobody does ${step.act}`);
    }
  }

  #call({ from, to, id }: Extract<Act, { act: 'call' }>): void {
    const caller = this.#running.get(from);
    if (caller === undefined || this.#sights.down.has(from)) this.#calls.unsent();
    else
      this.#calls.make(
        caller.control,
        `${to}__toolbox__echo`,
        `call ${id} of ${from}`,
        this.#now(),
      );
  }

  #write(name: string): void {
    const writer = this.#running.get(name);
    if (writer === undefined || this.#sights.down.has(name)) return;
    this.#writes += 1;
    const key = `${name}-${this.#writes % 50}`;
    this.#inTurn(`board ${name}`, async () => {
      const end = await writer.control.call(
        'starling__board_set',
        { board: 'sim', key, value: this.#writes, create: true, open: true },
        READY_MS,
      );
      if (end.kind === 'error')
        this.#figures['writesRefused'] = (this.#figures['writesRefused'] ?? 0) + 1;
    });
  }

  async #record(name: string): Promise<void> {
    const giver = this.#running.get(name);
    const [to] = [...this.#running].filter(([other]) => other !== name);
    if (giver === undefined || to === undefined) return;
    const made = await giver.control.builtin<{ readonly grant: { readonly id: string } }>(
      'grant_create',
      {
        peer: to[1].node.peerId,
        tools: ['none/*'],
        expires_s: 3600,
      },
    );
    await giver.control.builtin('grant_revoke', { id: made.grant.id });
  }

  async #hostile(step: Extract<Act, { act: 'hostile' }>): Promise<void> {
    const [first] = this.#running.values();
    const against = step.against.flatMap((name) => this.#running.get(name)?.node ?? []);
    const invite = await first?.control.builtin<{ readonly ticket: string }>('invite_create', {});
    const { behaviour, forMs } = step;
    const members = [...this.#running.values()].map(({ node }) => node.peerId);
    await this.#it.hostile(step.name, {
      behaviour,
      forMs,
      against,
      members,
      ticket: invite?.ticket ?? '',
    });
  }

  async #sample(): Promise<void> {
    const up = [...this.#running.keys()].filter((name) => !this.#sights.down.has(name));
    const { cpuMs, bytes } = await this.#it.usage();
    const atMs = this.#now();
    const before = this.#lastUsage ?? { atMs: atMs - SAMPLE_MS, cpuMs, bytes };
    this.#lastUsage = { atMs, cpuMs, bytes };
    const spanMs = Math.max(1, atMs - before.atMs);
    const pairs = up.length * (up.length - 1);
    const each = Math.max(1, up.length);
    this.#samples.push({
      atMs,
      known: pairs === 0 ? 0 : this.#sights.pairsAlive(up) / pairs,
      cpu: Math.max(0, (cpuMs - before.cpuMs) / spanMs / each),
      kilobytes: Math.max(0, (bytes - before.bytes) / spanMs / each),
    });
  }

  #lastUsage: { readonly atMs: number; readonly cpuMs: number; readonly bytes: number } | undefined;

  /** What must hold in the end. */
  async #after(): Promise<void> {
    const lastStartMs = this.#plan.steps.findLast(({ act }) => act === 'start')?.atMs;
    Object.assign(this.#figures, this.#it.figures());
    this.#tasks.judge(this.#claims, this.#figures);
    this.#budget.judge(this.#claims, this.#figures);
    await holdAfter({
      plan: this.#plan,
      claims: this.#claims,
      calls: this.#calls,
      sights: this.#sights,
      figures: this.#figures,
      errors: this.#errors,
      sinceStartMs: () =>
        lastStartMs === undefined ? undefined : performance.now() - this.#zeroAt - lastStartMs,
    });
  }

  #result(): RunResult {
    const { verdicts } = this.#claims;
    return {
      pass: verdicts.every(({ pass }) => pass),
      notes: this.#it.notes,
      figures: { ...this.#figures },
      calls: this.#calls.tally(),
      verdicts,
      events: this.#events,
      plots: plotsOf(this.#samples, this.#calls),
    };
  }
}

function pairsOf(
  from: readonly string[],
  to: readonly string[],
): readonly (readonly [string, string])[] {
  return from.flatMap((one) =>
    to.filter((other) => other !== one).map((other) => [one, other] as const),
  );
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
