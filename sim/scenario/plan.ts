/**
 * What a scenario comes to with so many nodes and a seed: single steps in the order of their time. Pure: the same
 * scenario, nodes and seed give the same steps.
 */
import { createChance, shuffled } from './random.ts';
import type { Chance } from './random.ts';
import type { Behaviour, DuringClaim, LinkShape, Scenario, ScenarioEvent } from './schema.ts';

type NodeVerb = 'leave' | 'kill' | 'restart' | 'freeze' | 'thaw' | 'stall' | 'resume';
/** What happens to one node. */
export type NodeAct = {
  [Verb in NodeVerb]: { readonly act: Verb; readonly node: string };
}[NodeVerb];

/** What one step does. */
export type Act =
  | { readonly act: 'start'; readonly node: string; readonly by: readonly string[] }
  | NodeAct
  | {
      readonly act: 'cut' | 'mend';
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly oneway: boolean;
    }
  | { readonly act: 'heal' }
  | {
      readonly act: 'link';
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly shape: LinkShape;
    }
  | { readonly act: 'call'; readonly from: string; readonly to: string; readonly id: number }
  | {
      readonly act: 'task';
      readonly from: string;
      readonly id: number;
      readonly durable: boolean;
    }
  | { readonly act: 'spend'; readonly node: string; readonly id: number }
  | { readonly act: 'write'; readonly node: string; readonly id: number }
  | { readonly act: 'record'; readonly node: string }
  | { readonly act: 'clock'; readonly node: string; readonly byMs: number }
  | { readonly act: 'disk'; readonly node: string; readonly state: 'full' | 'free' }
  | {
      readonly act: 'hostile';
      readonly name: string;
      readonly behaviour: Behaviour;
      readonly against: readonly string[];
      readonly forMs: number;
    }
  | { readonly act: 'expect'; readonly claim: TimedClaim };

/** A claim about nodes that must come true in time. */
export interface TimedClaim {
  readonly that: 'dead' | 'missed' | 'alive' | 'left' | 'known' | 'equal';
  readonly of: readonly string[];
  readonly by: readonly string[];
  readonly withinMs: number;
}

/** A step at its time, ms from the begin of the events. */
export type Step = { readonly atMs: number } & Act;

/** What is to be done. */
export interface Plan {
  readonly names: readonly string[];
  /** Names of the members that will mean harm. */
  readonly hostile: readonly string[];
  readonly roles: ReadonlyMap<string, readonly string[]>;
  /** Nodes of the start, in their order. */
  readonly first: readonly string[];
  readonly steps: readonly Step[];
  /** Look-ups, which only the model has. */
  readonly lookups: readonly { readonly atMs: number; readonly from: string }[];
  readonly links: readonly {
    readonly from: readonly string[];
    readonly to: readonly string[];
    readonly shape: LinkShape;
  }[];
  readonly during: readonly {
    readonly never: 'dead' | 'missed';
    readonly of: readonly string[];
    readonly by: readonly string[];
  }[];
  readonly after: readonly (
    | TimedClaim
    | { readonly that: 'answered'; readonly share: number }
    | { readonly that: 'at-least' | 'at-most'; readonly figure: string; readonly value: number }
  )[];
  /** Nodes with agents that do tasks, and how long one takes them, ms. */
  readonly workers: ReadonlyMap<string, number>;
  /** What the nodes may spend together; undefined where nobody spends. */
  readonly budget: { readonly limit: number; readonly by: readonly string[] } | undefined;
  /** When the last event is over, ms. */
  readonly endMs: number;
  readonly seed: number;
}

/** How long a stall of a slow node and the work after it take together. */
const SLOW_PERIOD_MS = 500;

/** Works a scenario out. */
export function planOf(scenario: Scenario, count: number, seed: number): Plan {
  return new Planner(scenario, count, seed).plan();
}

class Planner {
  readonly #scenario: Scenario;
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #names: readonly string[];
  readonly #roles = new Map<string, readonly string[]>();
  readonly #steps: Step[] = [];
  readonly #lookups: { atMs: number; from: string }[] = [];
  readonly #workers = new Map<string, number>();
  #budget: Plan['budget'];
  #endMs = 0;
  #ids = 0;
  readonly #hostileNames: readonly string[];
  #hostile = 0;

  constructor(scenario: Scenario, count: number, seed: number) {
    this.#scenario = scenario;
    this.#seed = seed;
    this.#chance = createChance(seed);
    this.#names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
    const harm = scenario.events.reduce(
      (sum, event) => sum + (event.do === 'hostile' ? event.count : 0),
      0,
    );
    this.#hostileNames = Array.from({ length: harm }, (_, at) => `mallory${at + 1}`);
    for (const [role, who] of Object.entries(scenario.nodes.roles))
      this.#roles.set(role, this.#some(who));
  }

  plan(): Plan {
    const { nodes, links, events, during, after } = this.#scenario;
    const late = new Set(nodes.late === undefined ? [] : this.#some(nodes.late));
    for (const event of events) this.#expand(event);
    // A stable sort: what is written first is done first.
    const steps = this.#steps.toSorted((a, b) => a.atMs - b.atMs);
    return {
      names: this.#names,
      hostile: this.#hostileNames,
      roles: this.#roles,
      first: this.#names.filter((name) => !late.has(name)),
      steps,
      lookups: this.#lookups,
      links: links.between.map(({ from, to, ...shape }) => ({
        from: this.#some(from),
        to: this.#some(to),
        shape,
      })),
      during: during.map((claim) => this.#never(claim)),
      after: after.map((claim) => {
        if (claim.expect === 'answered') return { that: 'answered', share: claim.share } as const;
        if (claim.expect === 'at-most' || claim.expect === 'at-least') {
          return { that: claim.expect, figure: claim.figure, value: claim.value } as const;
        }
        return this.#timed({ ...claim, that: claim.expect });
      }),
      workers: this.#workers,
      budget: this.#budget,
      endMs: this.#endMs,
      seed: this.#seed,
    };
  }

  #never({ never, of, by }: DuringClaim): Plan['during'][number] {
    return { never, of: this.#some(of), by: by === undefined ? this.#names : this.#some(by) };
  }

  #timed(claim: {
    readonly that: TimedClaim['that'];
    readonly within: number;
    readonly of?: readonly string[] | undefined;
    readonly by?: readonly string[] | undefined;
  }): TimedClaim {
    const { that, within, of, by } = claim;
    return {
      that,
      of: of === undefined ? this.#names : this.#some(of),
      by: by === undefined ? this.#names : this.#some(by),
      withinMs: within,
    };
  }

  /** The nodes that `selectors` mean, each once, in the order of the selectors. */
  #some(selectors: readonly string[]): readonly string[] {
    return [...new Set(selectors.flatMap((one) => this.#selected(one)))];
  }

  #selected(selector: string): readonly string[] {
    const all = this.#names;
    const [kind = '', value = ''] = selector.split(':');
    const share = Number(value);
    switch (kind) {
      case 'all':
        return all;
      case 'first':
        return all.slice(0, 1);
      case 'last':
        return all.slice(-1);
      case 'others':
        return all.slice(1);
      case 'role':
        return this.#roles.get(value) ?? [];
      case 'random':
        return shuffled(all.slice(1), this.#chance).slice(0, share);
      case 'share':
        return all.slice(0, Math.max(1, Math.floor(all.length * share)));
      case 'tail':
        return all.slice(-share);
      default: {
        const [from = '', to = from] = selector.replaceAll('n', '').split('-');
        return all.slice(Number(from) - 1, Number(to));
      }
    }
  }

  #others(than: readonly string[]): readonly string[] {
    const these = new Set(than);
    return [...this.#names, ...this.#hostileNames].filter((name) => !these.has(name));
  }

  #add(atMs: number, act: Act): void {
    this.#steps.push({ atMs, ...act });
    this.#endMs = Math.max(this.#endMs, atMs);
  }

  #expand(event: ScenarioEvent): void {
    switch (event.do) {
      case 'join':
        this.#join(event);
        return;
      case 'leave':
      case 'kill':
      case 'restart':
        for (const node of this.#some(event.nodes)) this.#add(event.at, { act: event.do, node });
        return;
      case 'partition':
      case 'flap':
      case 'heal':
      case 'link':
        this.#ways(event);
        return;
      case 'churn':
        this.#churn(event);
        return;
      case 'calls':
      case 'board':
      case 'records':
      case 'spend':
      case 'tasks':
        this.#load(event);
        return;
      case 'slow':
      case 'sleep':
        this.#still(event);
        return;
      case 'clock':
        for (const node of this.#some(event.nodes))
          this.#add(event.at, { act: 'clock', node, byMs: event.by });
        return;
      case 'disk':
        for (const node of this.#some(event.nodes))
          this.#add(event.at, { act: 'disk', node, state: event.state });
        return;
      case 'hostile':
        this.#hostiles(event);
        return;
      case 'expect':
        this.#add(event.at, { act: 'expect', claim: this.#timed(event) });
        return;
      case 'lookups':
        this.#load(event);
        this.#endMs = Math.max(this.#endMs, event.at + event.for);
    }
  }

  #join(event: Extract<ScenarioEvent, { do: 'join' }>): void {
    const by = event.by === undefined ? [] : this.#some(event.by);
    for (const [at, node] of this.#some(event.nodes).entries()) {
      this.#add(event.at + at * (event.every ?? 0), { act: 'start', node, by });
    }
  }

  #ways(event: Extract<ScenarioEvent, { do: 'partition' | 'flap' | 'heal' | 'link' }>): void {
    if (event.do === 'heal') return this.#add(event.at, { act: 'heal' });
    const from = this.#some(event.from);
    const to = event.to === undefined ? this.#others(from) : this.#some(event.to);
    if (event.do === 'partition') {
      return this.#add(event.at, { act: 'cut', from, to, oneway: event.oneway });
    }
    if (event.do === 'link') {
      const { delay, jitter, loss, rate } = event;
      return this.#add(event.at, { act: 'link', from, to, shape: { delay, jitter, loss, rate } });
    }
    for (let at = 0; at < event.for; at += event.down + event.up) {
      this.#add(event.at + at, { act: 'cut', from, to, oneway: false });
      this.#add(event.at + at + event.down, { act: 'mend', from, to, oneway: false });
    }
  }

  #churn(event: Extract<ScenarioEvent, { do: 'churn' }>): void {
    const who = this.#some(event.nodes);
    let order: readonly string[] = [];
    const backAt = new Map<string, number>();
    for (let at = event.at; at < event.at + event.for; at += event.every) {
      if (order.length === 0) order = shuffled(who, this.#chance);
      const node = order[0];
      order = order.slice(1);
      if (node === undefined || (backAt.get(node) ?? 0) > at) continue;
      this.#add(at, { act: event.how, node });
      this.#add(at + event.down, { act: 'restart', node });
      backAt.set(node, at + event.down);
    }
  }

  #load(
    event: Extract<
      ScenarioEvent,
      { do: 'calls' | 'board' | 'records' | 'spend' | 'tasks' | 'lookups' }
    >,
  ): void {
    const from = this.#some(event.from);
    if (event.do === 'records') {
      for (const node of from) this.#add(event.at, { act: 'record', node });
      return;
    }
    if (event.do === 'spend') {
      const by = [...new Set([...(this.#budget?.by ?? []), ...from])];
      this.#budget = { limit: (this.#budget?.limit ?? 0) + event.limit, by };
    }
    const to = event.do === 'calls' || event.do === 'tasks' ? this.#some(event.to) : [];
    if (event.do === 'tasks') for (const node of to) this.#workers.set(node, event.takes);
    for (let at = 0; at < event.for; at += 1000 / event.rate) {
      const node = from[this.#chance.below(from.length)] ?? '';
      const atMs = Math.round(event.at + at);
      this.#ids += 1;
      if (event.do === 'lookups') this.#lookups.push({ atMs, from: node });
      else if (event.do === 'tasks') {
        const { durable } = event;
        this.#add(atMs, { act: 'task', from: node, id: this.#ids, durable });
      } else if (event.do === 'spend') this.#add(atMs, { act: 'spend', node, id: this.#ids });
      else if (event.do === 'board') this.#add(atMs, { act: 'write', node, id: this.#ids });
      else {
        const others = to.filter((name) => name !== node);
        const other = others[this.#chance.below(others.length)];
        if (other !== undefined)
          this.#add(atMs, { act: 'call', from: node, to: other, id: this.#ids });
      }
    }
  }

  #still(event: Extract<ScenarioEvent, { do: 'slow' | 'sleep' }>): void {
    for (const node of this.#some(event.nodes)) {
      if (event.do === 'sleep') {
        this.#add(event.at, { act: 'freeze', node });
        this.#add(event.at + event.for, { act: 'thaw', node });
        continue;
      }
      for (let at = 0; at < event.for; at += SLOW_PERIOD_MS) {
        this.#add(event.at + at, { act: 'stall', node });
        this.#add(event.at + at + SLOW_PERIOD_MS * event.share, { act: 'resume', node });
      }
    }
  }

  #hostiles(event: Extract<ScenarioEvent, { do: 'hostile' }>): void {
    const against = this.#some(event.against ?? ['first']);
    for (let at = 0; at < event.count; at += 1) {
      this.#hostile += 1;
      const { behaviour, for: forMs } = event;
      this.#add(event.at, {
        act: 'hostile',
        name: `mallory${this.#hostile}`,
        behaviour,
        against,
        forMs,
      });
    }
    this.#endMs = Math.max(this.#endMs, event.at + event.for);
  }
}
