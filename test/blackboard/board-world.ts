/**
 * Whole nodes with their boards under a story that fast-check makes up: writes and their ends, rights that are given and taken
 * back, lanes that are begun anew and adopted, links that are cut, messages that are lost and come again, disks that
 * refuse, and nodes that die as by kill -9. What was told to whom is in a ledger.
 */
import { ABSENT_MS } from '../../src/blackboard/adopting.ts';
import type { Board } from '../../src/blackboard/index.ts';
import { readToken } from '../../src/blackboard/lanes/session-token.ts';
import { ROAD_PROTOCOL } from '../../src/blackboard/sync/update-road.ts';
import type { Did, PeerId } from '../../src/core/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { calm, createHub } from './hub.ts';
import type { Way } from './hub.ts';
import { keysOf } from './keys.ts';
import { makeMember } from './support.ts';
import type { Member } from './support.ts';
import { BOARDS, KEYS, NAMES, seenKeyOf, unseenKeyOf } from './board-events.ts';
import type { BoardEvent, EventOf } from './board-events.ts';
import { HoppingClient } from './world-client.ts';
import { Ledger } from './ledger.ts';
import type { Op, Shown } from './ledger.ts';

const SIGNERS = keysOf(...NAMES);
const DAY_MS = 24 * 3_600_000;
const ANN = NAMES[0];
/** Small, so that lanes are begun anew and adopted. */
const LIMITS = { dead: 2 };
const ROUNDS_MAX = 120;
/** Longer than any entry of a story lasts that ends by itself, ms. */
const ENDS_MS = 15_000;
const LARGE_CHARS = 240_000;
/** What was sent and may come again. */
const SENT_MAX = 200;

/** `again`: a message that came before; `reordered`: after one that was sent later; `ended`: writes that end by themselves. */
const HAPPENINGS = [
  'acknowledged',
  'adopted',
  'again',
  'beyond',
  'cut',
  'deleted',
  'ended',
  'folded',
  'lost',
  'refused',
  'renewed',
  'reordered',
  'restarted',
  'revoked',
  'served',
] as const;

/** What happened, for a test to see that it did. */
export type Happened = Record<(typeof HAPPENINGS)[number], number>;

/** What is written where; without `ttlMs` the key is deleted, with 0 the entry stays. */
interface WriteInit {
  readonly board: string;
  readonly key: string;
  readonly ttlMs?: number;
  readonly isLarge?: boolean;
}

/** A world of some nodes. */
export class BoardWorld {
  readonly clock = createTestClock();
  readonly ledger = new Ledger();
  /** What was promised and not kept. */
  readonly faults: string[] = [];
  readonly happened = Object.fromEntries(HAPPENINGS.map((one) => [one, 0])) as Happened;
  readonly names: readonly string[];
  readonly #hub = createHub();
  readonly #members = new Map<string, Member>();
  readonly #cut = new Set<string>();
  readonly #sent: { readonly way: Way; readonly chunk: Uint8Array }[] = [];
  readonly #lost = new Set<string>();
  /** How many chunks were lost of those that were to be. */
  readonly #losses: { readonly count: number }[] = [];
  /** The grant by which each may write the board of ann, as ann gave it last. */
  readonly #grants = new Map<string, string>();
  readonly #revoked = new Set<string>();
  readonly #client: HoppingClient;
  /** Boards by their names. */
  readonly #ids = new Map<string, string>(BOARDS.map((name) => [name, name]));
  #away: string | undefined;
  /** How often each has started, and in which of its runs a write was made. */
  readonly #runs = new Map<string, number>();
  readonly #runOf = new Map<Op, number>();
  /** How far the clocks of nodes are off, ms. */
  readonly #skews = new Map<string, number>();

  constructor(nodes: number) {
    this.names = NAMES.slice(0, nodes);
    this.#client = new HoppingClient({
      ledger: this.ledger,
      clock: this.clock,
      faults: this.faults,
      // What counts no more may be seen, and be gone afterwards.
      isLasting: (board, by) =>
        board !== 'plan' || ![...this.#revoked].some((name) => didOf(name) === by),
    });
    this.#hub.seesChunk = (way, chunk) => {
      if (way.protocol !== ROAD_PROTOCOL || chunk.length < 32) return;
      this.#sent.push({ way, chunk });
      if (this.#sent.length > SENT_MAX) this.#sent.shift();
    };
    this.#hub.passes = (from, to) => {
      if (!this.#lost.delete(`${from} ${to}`)) return true;
      this.happened.lost += 1;
      return false;
    };
  }

  /** All are connected, and have both boards. */
  async start(): Promise<void> {
    for (const name of this.names) await this.#open(name, {});
    this.#heal();
    await calm(10);
    const plan = await this.member(ANN).blackboard.board('plan');
    await plan.create({ open: false });
    this.#ids.set('plan', plan.id);
    await (await this.board(ANN, 'wall')).create({ open: true });
    for (const name of this.names.slice(1)) await this.#grant(name);
    await this.settle();
  }

  member(name: string): Member {
    const found = this.#members.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  }

  board(name: string, of: string): Promise<Board> {
    return this.member(name).blackboard.board(this.#ids.get(of) ?? of);
  }

  async happen(event: BoardEvent): Promise<void> {
    this.clock.advance(1);
    const name = this.#nameOf(event.who);
    switch (event.kind) {
      case 'set':
      case 'delete':
        void this.#write(name, event);
        break;
      case 'compact':
        await this.#compact(name, event);
        break;
      case 'pass':
        this.clock.advance(event.ms);
        break;
      case 'reads':
      case 'puts':
        await this.#visit(name, event);
        break;
      default:
        await this.#disturb(name, event);
    }
    await calm(event.turns);
  }

  async #disturb(name: string, event: BoardEvent): Promise<void> {
    const other = 'other' in event ? this.#nameOf(event.other) : name;
    if (event.kind === 'away') await this.#goAway(name);
    else if (event.kind === 'skew') this.#skews.set(name, event.ms);
    else if (event.kind === 'revoke') await this.#revoke(name, event);
    else if (event.kind === 'grant') await this.#grant(name).catch(() => undefined);
    else if (event.kind === 'cut') this.#cutOff(name, other);
    else if (event.kind === 'split') this.#split(event.sides);
    else if (event.kind === 'heal') this.#heal();
    else if (event.kind === 'restart') await this.#restart(name, event.isKilled);
    else if (event.kind === 'again') await this.#sendAgain(event.which);
    else if (event.kind === 'fail') {
      const { table } = this.member(name);
      table.failures += event.writes;
      table.keepsFailed = event.isKept;
      void this.#write(name, { ...event, ttlMs: 0 });
    } else if (event.kind === 'lose' && name !== other) {
      this.#lost.add(`${name} ${other}`);
      const [from, to] = [this.member(name).id, this.member(other).id];
      this.#losses.push(this.#hub.loseNext(from, to, ROAD_PROTOCOL));
    }
  }

  /** Mends all, and lets time go on until all are equal; says whether they are. */
  async settle(): Promise<boolean> {
    this.#heal();
    this.#lost.clear();
    // Clocks as well, and whatever ends by itself has ended.
    this.#skews.clear();
    this.clock.advance(ENDS_MS);
    for (const { table } of this.#members.values()) table.failures = 0;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      await calm(12);
      if (round > 1 && (await this.#areEqual())) return true;
      // Longer and longer: what has failed often waits for minutes.
      this.clock.advance(1000 + 500 * round);
      await calm(12);
      this.#heartbeats();
    }
    return this.#areEqual();
  }

  /** Members that may read a board, by the word of ann. */
  async readers(of: string): Promise<readonly string[]> {
    const board = await this.board(ANN, of);
    return this.names.filter((name) => board.may(didOf(name), 'read'));
  }

  /** What a node shows of a board. */
  async contents(name: string, of: string): Promise<readonly (readonly [string, unknown])[]> {
    const board = await this.board(name, of);
    return board.entries().map(({ key, value, by, at }) => [key, [numberIn(value), by, at]]);
  }

  /** What is wrong with what all show in the end. */
  async judge(): Promise<readonly string[]> {
    const found: string[] = [];
    await this.#count();
    for (const of of BOARDS) {
      const board = await this.board(ANN, of);
      const own = this.names.flatMap((name) => [seenKeyOf(name), unseenKeyOf(name)]);
      for (const key of [...KEYS, 'big', ...own]) {
        found.push(...this.ledger.judge({ board: of, key }, shownOf(board, key), this.clock.now()));
      }
    }
    return found;
  }

  /** Counts what is seen in the end alone. */
  async #count(): Promise<void> {
    for (const { count } of this.#losses) this.happened.lost += count;
    for (const of of BOARDS) {
      const places = readToken((await this.board(ANN, of)).token());
      this.happened.renewed += places.filter(({ gen }) => gen > 1).length;
    }
    for (const { table } of this.#members.values()) {
      const folds = table.journal.filter((batch) => batch.some(({ value }) => value === undefined));
      this.happened.folded += folds.length;
    }
  }

  /** All die at once and start again from their disks, without a link to anybody. */
  async restartAll(): Promise<void> {
    for (const a of this.names) for (const b of this.names) this.#cutOff(a, b);
    for (const name of this.names) await this.#restart(name, true);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ blackboard }) => blackboard.stop()));
  }

  async #write(name: string, { board: of, key, ttlMs, isLarge = false }: WriteInit): Promise<void> {
    const isDeletion = ttlMs === undefined;
    const ends = ttlMs === undefined || ttlMs === 0 ? {} : { ttlMs };
    const until = ends.ttlMs === undefined ? undefined : this.clock.now() + ends.ttlMs;
    const op = this.ledger.begin({ board: of, key, by: name, isDeletion, until });
    const member = this.member(name);
    const mayKeep = member.table.keepsFailed;
    try {
      const board = await this.board(name, of);
      if (isDeletion) {
        if (!(await board.delete(key))) {
          // There was nothing.
          op.state = 'refused';
          return;
        }
        this.#done(op, member, board.tombstone(key));
        return;
      }
      const value = `${op.id}${isLarge ? ` ${'x'.repeat(LARGE_CHARS)}` : ''}`;
      const entry = await board.set(key, value, ends);
      this.#done(op, member, entry.value === value ? entry : undefined);
    } catch (error) {
      const { code } = error as { readonly code?: string };
      const isKept = mayKeep || member.table.keepsFailed;
      // The disks of tests give no codes.
      const isRefused = code === undefined && !isKept;
      if (isRefused || code === 'STARLING_BOARD_REFUSED') op.state = 'refused';
      if (isRefused) this.happened.refused += 1;
    }
  }

  /** Acknowledged: it counts for sure where the node lives still and the right to write holds. */
  #done(op: Op, member: Member, written: Shown['entry'] | Shown['gone']): void {
    const did = didOf(op.by);
    // An entry that had ended when its write was acknowledged has no place any more.
    if (written?.by !== did || (written.clock[did] ?? 0) === 0) return;
    op.at = written.at;
    op.count = written.clock[did] ?? 0;
    this.#runOf.set(op, this.#runs.get(op.by) ?? 0);
    if (this.#members.get(op.by) !== member) return;
    this.happened.acknowledged += 1;
    if (op.isDeletion) this.happened.deleted += 1;
    if (op.until !== undefined) this.happened.ended += 1;
    if (op.board === 'wall' || op.by === ANN) op.state = 'sure';
    else if (this.#isUpToDate(op.by, member)) op.state = 'sure';
  }

  /** Whether a writer writes by the right that ann gave last, and knows of all that were taken back. */
  #isUpToDate(name: string, { blackboard }: Member): boolean {
    const last = this.#grants.get(name);
    if (last === undefined) return false;
    // Without a turn of the event loop: the rights of now.
    const rights = (this.#rightsOf(blackboard) ?? []).filter(({ to }) => to === didOf(name));
    const live = rights.filter(({ isRevoked }) => !isRevoked);
    return live.length === 1 && live[0]?.id === last;
  }

  #rightsOf(blackboard: Member['blackboard']): ReturnType<Board['info']>['rights'] {
    return this.#planOf.get(blackboard)?.info().rights;
  }
  /** The board of ann at each node, once that has been looked at. */
  readonly #planOf = new Map<Member['blackboard'], Board>();

  async #compact(name: string, { key, ends, isLarge }: EventOf<'compact'>): Promise<void> {
    await this.#write(name, { board: 'plan', key, ...(ends ? { ttlMs: 1 } : {}) });
    this.clock.advance(5);
    for (let times = 0; times < 6; times += 1) {
      await this.#write(name, { board: 'plan', key: 'big', ttlMs: 0, isLarge });
    }
  }

  async #visit(name: string, event: EventOf<'puts' | 'reads'>): Promise<void> {
    const board = await this.board(name, event.board);
    if (!board.info().exists) return;
    if (!(await this.#client.reach(event.board, board))) return;
    this.happened.served += 1;
    this.#client.reads(event.board, board);
    if (event.kind === 'reads') return;
    const before = this.ledger.ops.length;
    await this.#write(name, { board: event.board, key: event.key, ttlMs: 0 });
    const op = this.ledger.ops[before];
    if (op?.state === 'sure') this.#client.wrote(op, didOf(name), board);
  }

  /** A month later, of whom ann has not heard. */
  async #goAway(name: string): Promise<void> {
    if (name === ANN) return;
    for (const key of KEYS) await this.#write(name, { board: 'plan', key, ttlMs: 0 });
    await calm(8);
    for (const other of this.names) this.#cutOff(name, other);
    for (const key of KEYS) await this.#write(ANN, { board: 'plan', key, ttlMs: 0 });
    this.#away = name;
    this.clock.sleep(ABSENT_MS + DAY_MS);
    this.member(ANN).blackboard.compare('nobody' as PeerId, {});
    await calm(8);
    this.#away = undefined;
  }

  async #grant(name: string): Promise<void> {
    if (name === ANN || this.#grants.has(name)) return;
    const plan = await this.board(ANN, 'plan');
    const { id } = await plan.grant({ to: didOf(name), ability: 'write' });
    this.#grants.set(name, id);
    // Whoever has the right anew brings in lanes of which the revoker knew nothing.
    for (const op of this.ledger.of(name, 'plan')) if (op.state === 'beyond') op.state = 'open';
  }

  /** What ann has seen of a writer counts; what ann had not seen of it before and does not see after lies beyond. */
  async #revoke(name: string, { isUnseen, fails }: EventOf<'revoke'>): Promise<void> {
    if (name === ANN || !this.#grants.has(name)) return;
    if (isUnseen) {
      await this.#write(name, { board: 'plan', key: seenKeyOf(name), ttlMs: 0 });
      await calm(8);
      for (const other of this.names) this.#cutOff(name, other);
      await this.#write(name, { board: 'plan', key: unseenKeyOf(name), ttlMs: 0 });
    }
    const { table } = this.member(ANN);
    if (fails) Object.assign(table, { failures: table.failures + 1, keepsFailed: true });
    const plan = await this.board(ANN, 'plan');
    const isFirst = !this.#revoked.has(name);
    const did = didOf(name);
    const ops = this.ledger.of(name, 'plan').filter(({ state }) => state === 'sure');
    const seen = plan.info().clock[did] ?? 0;
    // A node that has started anew writes into another lane, which may come before the rest of the one before.
    const isOfThisRun = (op: Op): boolean => this.#runOf.get(op) === (this.#runs.get(name) ?? 0);
    const isSeen = (op: Op): boolean => {
      const { entry, gone } = shownOf(plan, op.key);
      if (isFirst && isOfThisRun(op)) return (op.count ?? 0) <= seen;
      return (entry ?? gone)?.by === did && (entry ?? gone)?.at === op.at;
    };
    const unseen = ops.filter((op) => !isSeen(op));
    for (const op of unseen) op.state = 'open';
    this.#revoked.add(name);
    try {
      await plan.revoke(did);
    } catch {
      return;
    }
    this.#grants.delete(name);
    this.happened.revoked += 1;
    if (!isFirst) return;
    const cut = Math.max(seen, plan.info().clock[did] ?? 0);
    for (const op of unseen) {
      if ((op.count ?? 0) <= cut) continue;
      op.state = 'beyond';
      this.happened.beyond += 1;
    }
  }

  /** A message comes once more, from whom it came. */
  async #sendAgain(which: number): Promise<void> {
    const sent = this.#sent[which % Math.max(1, this.#sent.length)];
    if (sent === undefined) return;
    const { from, to } = sent.way;
    const { signal } = new AbortController();
    try {
      const stream = await this.#hub.network(from).open(to, ROAD_PROTOCOL, { signal });
      stream.onData(() => undefined);
      stream.write(sent.chunk);
      await stream.close();
      this.happened.again += 1;
      const later = this.#sent.slice(this.#sent.indexOf(sent) + 1);
      if (later.some(({ way }) => way.from === from && way.to === to)) {
        this.happened.reordered += 1;
      }
    } catch {
      // There is no link now.
    }
  }

  #cutOff(a: string, b: string): void {
    const pair = pairOf(a, b);
    if (a === b || this.#cut.has(pair)) return;
    this.#cut.add(pair);
    this.happened.cut += 1;
    this.#hub.cut(this.member(a).id, this.member(b).id);
  }

  #split(sides: number): void {
    const sideOf = (name: string): number => (sides >> this.names.indexOf(name)) & 1;
    for (const a of this.names) {
      for (const b of this.names) if (sideOf(a) !== sideOf(b)) this.#cutOff(a, b);
    }
  }

  #heal(): void {
    this.#cut.clear();
    for (const [at, a] of this.names.entries()) {
      for (const b of this.names.slice(at + 1)) {
        const [one, other] = [this.member(a), this.member(b)];
        if (!one.network.isConnected(other.id)) this.#hub.connect(one.id, other.id);
      }
    }
  }

  /** Whatever is written after this moment is not there when a node starts again that was killed. */
  async #restart(name: string, isKilled: boolean): Promise<void> {
    const before = this.member(name);
    const { table, history, strong } = before;
    const left = table.at(table.journal.length);
    const others = this.names.filter((other) => before.network.isConnected(other as PeerId));
    for (const other of others) this.#hub.cut(before.id, this.member(other).id);
    this.#members.delete(name);
    await before.blackboard.stop();
    await this.#open(name, { table: isKilled ? left : table, history, strong });
    for (const other of others) this.#hub.connect(before.id, this.member(other).id);
    this.#runs.set(name, (this.#runs.get(name) ?? 0) + 1);
    this.happened.restarted += 1;
  }

  async #open(
    name: string,
    disks: Partial<Pick<Member, 'history' | 'strong' | 'table'>>,
  ): Promise<void> {
    const member = makeMember(this.#hub, name, {
      clock: {
        now: () => this.clock.now() + (this.#skews.get(name) ?? 0),
        schedule: (delayMs, task) => this.clock.schedule(delayMs, task),
      },
      keys: SIGNERS,
      init: { limits: LIMITS },
      members: () => this.#around(name),
      adopted: () => {
        this.happened.adopted += 1;
      },
      ...disks,
    });
    this.#members.set(name, member);
    await member.blackboard.start();
    this.#planOf.set(member.blackboard, await this.board(name, 'plan'));
  }

  #around(name: string): readonly { readonly peerId: PeerId }[] {
    return this.names
      .filter((other) => other !== name && other !== this.#away)
      .map((other) => ({ peerId: other as PeerId }));
  }

  #heartbeats(): void {
    for (const a of this.#members.values()) {
      for (const b of this.#members.values()) {
        if (a.network.isConnected(b.id)) a.blackboard.compare(b.id, b.blackboard.digests());
      }
    }
  }

  async #areEqual(): Promise<boolean> {
    for (const of of BOARDS) {
      const digests = new Set<string>();
      for (const name of await this.readers(of)) digests.add((await this.board(name, of)).digest());
      if (digests.size !== 1) return false;
    }
    return true;
  }

  #nameOf(who: number): string {
    return this.names[who % this.names.length] ?? ANN;
  }
}

/** What a board shows of a key. */
export function shownOf(board: Board, key: string): Shown {
  return { entry: board.get(key), gone: board.tombstone(key) };
}

function didOf(name: string): Did {
  return SIGNERS.get(name)?.did ?? ('' as Did);
}

function numberIn(value: unknown): number {
  return Number.parseInt(String(value), 10);
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
