/**
 * Strong boards of several nodes under a seeded scheduler: callers at each node, links that are cut and come back, disks
 * that refuse, and nodes that die as by kill -9 and start again from what was on their disks at that moment.
 */
import type { StrongRequest } from '../../../src/blackboard/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { keysOf } from '../keys.ts';
import type { Operation } from '../../../sim/bench/board/runs/linearizable.ts';
import { makeMember, makeMesh } from '../support.ts';
import type { Member, Mesh } from '../support.ts';
import { randomNumbers } from './random-numbers.ts';

/** What callers saw of one run. */
export interface StrongHistory {
  /** By key. */
  readonly operations: ReadonlyMap<string, readonly Operation[]>;
  readonly leases: readonly Granted[];
  /** How often the replicas changed. */
  readonly changes: number;
  /** More than half of the first replicas have lost their disks at some time: the board may have ended by that. */
  readonly isMajorityLost: boolean;
}

/** A lease as its holder was told of it. */
export interface Granted {
  readonly holder: string;
  readonly token: number;
  /** Steps at which it was asked for and given. */
  readonly from: number;
  readonly to: number;
}

const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve'] as const;
const KEYS = ['k', 'l'] as const;
const OPS = 10;
const TURNS_MAX = 6000;
const TURN_MS = 10;

/** Runs one world to its end. */
export async function runStrongWorld(seed: number): Promise<StrongHistory> {
  const world = new World(seed);
  try {
    return await world.run();
  } finally {
    await world.stop();
  }
}

class World {
  readonly #random: () => number;
  readonly #keys = keysOf(...NAMES);
  readonly #replicas: readonly string[];
  /** Whether the replicas change now and then. */
  readonly #isChanging: boolean;
  /** Changes of the replicas that were done. */
  changes = 0;
  readonly #operations = new Map<string, Operation[]>(KEYS.map((key) => [key, []]));
  readonly #leases: Granted[] = [];
  readonly #living = new Map<string, Member>();
  readonly #dead: Member[] = [];
  readonly #lost = new Set<string>();
  readonly #cut = new Set<string>();
  #mesh: Mesh | undefined;
  #step = 0;
  #left = NAMES.length;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
    this.#isChanging = seed % 3 === 0;
    this.#replicas = NAMES.slice(0, seed % 2 === 0 ? 3 : 5);
  }

  async run(): Promise<StrongHistory> {
    const mesh = await makeMesh(NAMES, {}, this.#keys);
    this.#mesh = mesh;
    for (const member of mesh.members) this.#living.set(member.id, member);
    mesh.connectAll();
    await calm();
    const didOf = (name: string): never => this.#keys.get(name)?.did as never;
    const jobs = await this.#member('ann').blackboard.board('jobs');
    await jobs.create({ strong: this.#replicas.map(didOf) });
    for (const name of NAMES) await jobs.grant({ to: didOf(name), ability: 'write' });
    for (let i = 0; i < 4; i += 1) {
      await calm();
      mesh.clock.advance(3000);
    }
    for (const name of NAMES) void this.#call(name);
    for (let turn = 0; turn < TURNS_MAX && this.#left > 0; turn += 1) {
      await calm(3);
      mesh.clock.advance(TURN_MS);
      await this.#disturb(turn);
    }
    if (this.#left > 0) throw new Error(`${this.#left} callers are not done`);
    const lost = this.#replicas.filter((name) => this.#lost.has(name)).length;
    return {
      operations: this.#operations,
      leases: this.#leases,
      changes: this.changes,
      isMajorityLost: lost > this.#replicas.length / 2,
    };
  }

  async stop(): Promise<void> {
    const all = [...this.#living.values(), ...this.#dead, ...(this.#mesh?.members ?? [])];
    await Promise.all(all.map(({ blackboard }) => blackboard.stop()));
  }

  /** One caller: one request after the other, and a pause of some turns where it failed. */
  async #call(name: string): Promise<void> {
    for (let at = 0; at < OPS; at += 1) await this.#request(name, at);
    this.#left -= 1;
  }

  async #request(name: string, at: number): Promise<void> {
    const pick = this.#random();
    const key = this.#pick(KEYS);
    if (pick < 0.15) return this.#lease(name);
    const value = `${name}${at}`;
    if (pick < 0.45) {
      return this.#note(name, key, { t: 'get' }, (now) => ({ value: now, result: now ?? null }));
    }
    if (pick < 0.75) {
      return this.#note(name, key, { t: 'set', value }, () => ({ value, result: true }));
    }
    const expect = `${this.#pick(NAMES)}${Math.floor(this.#random() * OPS)}`;
    const isNew = this.#random() < 0.3;
    const request: StrongRequest = isNew ? { t: 'cas', value } : { t: 'cas', value, expect };
    return this.#note(name, key, request, (now) =>
      (isNew ? now === undefined : now === expect)
        ? { value, result: true }
        : { value: now, result: false },
    );
  }

  async #note(
    name: string,
    key: string,
    request: StrongRequest,
    apply: Operation['apply'],
  ): Promise<void> {
    const from = (this.#step += 1);
    const note = (to: number, result: Json | undefined): void => {
      this.#operations.get(key)?.push({ from, to, apply, result });
    };
    try {
      const jobs = await this.#member(name).blackboard.board('jobs');
      const { ok, value } = await jobs.strong(key, { request });
      const result = request.t === 'get' ? (value ?? null) : ok;
      note((this.#step += 1), result);
    } catch (error) {
      const { code } = error as { readonly code?: string };
      // What says that nothing was proposed must have left no trace.
      if (request.t === 'get' || code === 'STARLING_NO_QUORUM') return;
      note(Number.POSITIVE_INFINITY, undefined);
    }
  }

  async #lease(name: string): Promise<void> {
    const from = (this.#step += 1);
    try {
      const jobs = await this.#member(name).blackboard.board('jobs');
      const request = { t: 'lease', holder: name, ttlMs: 500 } as const;
      const { ok, value } = await jobs.strong('lock', { request });
      if (!ok) return;
      const { lease } = value as { readonly lease: { readonly token: number } };
      this.#leases.push({ holder: name, token: lease.token, from, to: (this.#step += 1) });
    } catch {
      // Nobody was told that anybody has it.
    }
  }

  /** What happens to links, disks and nodes in a turn. */
  async #disturb(turn: number): Promise<void> {
    const chance = this.#random();
    if (chance < 0.02) this.#cutOne();
    else if (chance < 0.05) this.#healOne();
    else if (chance < 0.055) this.#member(this.#pick(NAMES)).strong.failures += 3;
    else if (chance < 0.06 && turn % 2 === 0) await this.#kill(this.#pick(NAMES));
    else if (chance < 0.12 && this.#isChanging) void this.#changeReplicas();
  }

  /** One replica more, or another one, or one that has lost its disk and comes again; several at once, too. */
  async #changeReplicas(): Promise<void> {
    const [one, other] = [this.#pick(NAMES), this.#pick(NAMES)];
    const didOf = (name: string): Did => this.#keys.get(name)?.did as Did;
    const isLost = this.#random() < 0.3;
    if (isLost) this.#lost.add(one);
    try {
      if (isLost) await this.#kill(one, journalTable());
      const jobs = await this.#member('ann').blackboard.board('jobs');
      const remove = one === other || isLost ? [] : [didOf(other)];
      await jobs.changeReplicas({ add: [didOf(one)], remove });
      this.changes += 1;
    } catch {
      // Too few are there, or another change came first: what was begun is ended later.
    }
  }

  #cutOne(): void {
    const [a, b] = [this.#pick(NAMES), this.#pick(NAMES)];
    if (a === b || this.#cut.size > 4 || this.#cut.has(pairOf(a, b))) return;
    this.#cut.add(pairOf(a, b));
    this.#mesh?.hub.cut(this.#member(a).id, this.#member(b).id);
  }

  #healOne(): void {
    const [pair] = this.#cut;
    const [a = '', b = ''] = pair?.split(' ') ?? [];
    if (pair === undefined) return;
    this.#cut.delete(pair);
    this.#mesh?.hub.connect(this.#member(a).id, this.#member(b).id);
  }

  /** Whatever is written after this moment is not there when the node starts again. */
  async #kill(name: string, disk?: JournalTable): Promise<void> {
    const mesh = this.#mesh;
    if (mesh === undefined) return;
    const before = this.#member(name);
    const kept = disk ?? before.strong.at(before.strong.journal.length);
    const others = NAMES.filter((other) => other !== name && !this.#cut.has(pairOf(name, other)));
    for (const other of others) mesh.hub.cut(before.id, this.#member(other).id);
    this.#dead.push(before);
    await before.blackboard.stop();
    const { table, history } = before;
    const parts = { clock: mesh.clock, keys: this.#keys, table, history, strong: kept };
    const after = makeMember(mesh.hub, name, parts);
    this.#living.set(name, after);
    await after.blackboard.start();
    for (const other of others) mesh.hub.connect(after.id, this.#member(other).id);
  }

  #member(name: string): Member {
    const found = this.#living.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
