/**
 * Changes the replicas of a board. First the old replicas agree on which change comes next; then the old and the
 * new ones are needed together, while every key is written anew, and then the new ones alone. Whoever finds a change
 * that was begun and not ended ends it: each step may be done twice, and by two at once.
 */
import { randomUUID } from 'node:crypto';
import { StarlingError, isObject, pause } from '../../core/index.ts';
import type { Clock, Did, Json } from '../../core/index.ts';
import { nameIn } from '../board-id.ts';
import { isBelow } from '../lanes/lane-format.ts';
import type { Electorate, SetRecord, StrongBoard } from './electorate.ts';
import type { Cell, Reply } from './format.ts';
import { groupsOf, jointSet, settledSet, voterName, votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';
import { isMajority, majorityOf } from './groups.ts';
import type { Proposer } from './proposer.ts';
import type { Reader } from './reader.ts';

/** What changes of replicas work with. */
export interface SetChangeComponents {
  readonly clock: Clock;
  readonly electorate: Electorate;
  readonly proposer: Proposer;
  readonly reader: Reader;
  readonly isStopped: () => boolean;
  /** Tells all who have the board of a change that is agreed on. @throws what the disk says */
  readonly publish: (board: string, record: string) => Promise<void>;
}

/** Changes of the replicas of boards. */
export interface SetChanges {
  /**
   * Has the replicas change as `record` says. Resolves once the new ones are alone.
   * @throws STARLING_BOARD_CONFLICT when another change came first; STARLING_NO_QUORUM when too few replicas
   * answer: what is begun then is ended later
   */
  change(id: string, board: StrongBoard, record: string): Promise<void>;
  /** Ends a change that was begun, if there is one. @throws STARLING_NO_QUORUM */
  finish(id: string, board: StrongBoard): Promise<void>;
  /** Whether the replicas known here have agreed on the change `record`; false when too few of them answer. */
  isAgreed(id: string, record: string): Promise<boolean>;
}

/** Nothing is asked before a change is wanted or found. */
export function createSetChanges(components: SetChangeComponents): SetChanges {
  return new QuorumSetChanges(components);
}

/** Under which the board itself keeps the last change of its replicas; no user has such a key. */
export const SET_KEY = '\u0000replicas';
const STEP_MS = 5000;
/** How long voters are told and asked before the change is left for later. */
const PATIENCE_MS = 30_000;
const AGAIN_MS = 250;
/** Keys that are written anew at once. */
const KEYS_AT_ONCE = 32;

class QuorumSetChanges implements SetChanges {
  readonly #components: SetChangeComponents;
  /** Changes under way here, by board. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(components: SetChangeComponents) {
    this.#components = components;
  }

  async change(id: string, board: StrongBoard, record: string): Promise<void> {
    const wanted = board.readChange(record);
    if (wanted === undefined || !board.mayAdminister(wanted.by)) {
      throw new StarlingError('STARLING_BOARD_REFUSED', 'whoever signed this change may not', {
        hint: 'whoever made the board can, and its administrators: starling board info <board>',
      });
    }
    await this.finish(id, board);
    const now = await this.#components.electorate.setOf(id);
    if (now.record === record) return;
    if (!isNext(now, wanted)) throw conflict();
    const chosen = await this.#agree(id, wanted.number, record);
    const agreed = board.readChange(chosen);
    if (agreed === undefined) throw conflict();
    const isFirst = await this.#components.electorate.adopt(
      id,
      jointSet(now, agreed.voters, chosen),
    );
    if (isFirst) await this.finish(id, board);
    if (chosen !== record) throw conflict();
  }

  async isAgreed(id: string, record: string): Promise<boolean> {
    const chosen = await this.#components.reader.look({ board: id, key: SET_KEY });
    return recordIn(chosen?.value) === record;
  }

  async finish(id: string, board: StrongBoard): Promise<void> {
    const known = this.#running.get(id);
    if (known !== undefined) return known;
    const running = this.#finish(id, board).finally(() => this.#running.delete(id));
    this.#running.set(id, running);
    return running;
  }

  async #finish(id: string, board: StrongBoard): Promise<void> {
    const { electorate, publish } = this.#components;
    let joint = await electorate.setOf(id);
    if (joint.before === undefined) joint = await this.#begun(id, board, joint);
    if (joint.before === undefined || joint.record === undefined) return;
    // The new ones get the board by that, if they have not got it.
    await publish(id, joint.record);
    const cell = { board: id, key: SET_KEY };
    await this.#untilTold(cell, joint, (told) => isMajority(groupsOf(joint), told));
    const { keys, count } = await this.#keys(cell, joint, joint.before);
    await this.#rewrite(id, keys);
    const settled = settledSet(joint, count);
    if (!(await electorate.adopt(id, settled))) return;
    await this.#untilTold(cell, settled, (told) => isMajority(groupsOf(settled), told));
    // Whoever is a replica no more learns of that, or else when asking.
    await Promise.all((joint.before ?? []).map((voter) => electorate.tell(voter, cell, settled)));
  }

  /** A change that the replicas have agreed on and that nobody has carried further. */
  async #begun(id: string, board: StrongBoard, now: ReplicaSet): Promise<ReplicaSet> {
    const chosen = await this.#components.reader.look({ board: id, key: SET_KEY });
    const record = recordIn(chosen?.value);
    const change = record === undefined ? undefined : board.readChange(record);
    if (record === undefined || change === undefined || !isNext(now, change)) return now;
    const joint = jointSet(now, change.voters, record);
    await this.#components.electorate.adopt(id, joint);
    return joint;
  }

  /** The change that comes next: this one, or another that was agreed on before. */
  async #agree(board: string, number: number, record: string): Promise<string> {
    const { result } = await this.#components.proposer.propose({
      cell: { board, key: SET_KEY },
      ...newRequest(),
      patienceMs: STEP_MS,
      change: (before) => {
        const other = recordIn(before);
        if (other !== undefined && numberIn(before) >= number) {
          return { value: before, result: other };
        }
        return { value: { number, record }, result: record };
      },
    });
    return String(result);
  }

  async #untilTold(
    cell: Cell,
    set: ReplicaSet,
    isEnough: (told: ReadonlySet<string>) => boolean,
  ): Promise<void> {
    const told = new Set<string>();
    await this.#untilDone(cell, set, async () => {
      const open = votersOf(set).filter((voter) => !told.has(voterName(voter)));
      await Promise.all(
        open.map(async (voter) => {
          const isTold = await this.#components.electorate.tell(voter, cell, set);
          if (isTold) told.add(voterName(voter));
        }),
      );
      return isEnough(told);
    });
  }

  /** Every key that more than half of the old replicas may have chosen anything of. */
  async #keys(
    cell: Cell,
    joint: ReplicaSet,
    before: readonly Voter[],
  ): Promise<{ readonly keys: ReadonlySet<string>; readonly count: number }> {
    const keys = new Set<string>();
    const listed = new Set<string>();
    let count = 0;
    await this.#untilDone(cell, joint, async () => {
      const open = before.filter((voter) => !listed.has(voterName(voter)));
      await Promise.all(
        open.map(async (voter) => {
          const all = await this.#keysOf(cell, joint, voter);
          if (all === undefined) return;
          for (const key of all.keys) keys.add(key);
          count = Math.max(count, all.count);
          listed.add(voterName(voter));
        }),
      );
      return listed.size >= majorityOf(before);
    });
    return { keys, count };
  }

  async #keysOf(
    cell: Cell,
    joint: ReplicaSet,
    voter: Voter,
  ): Promise<{ readonly keys: readonly string[]; readonly count: number } | undefined> {
    const keys: string[] = [];
    let count = 0;
    for (;;) {
      const ask = { t: 'keys', after: keys.at(-1) ?? '' } as const;
      const reply: Reply | undefined = await this.#components.electorate.ask(voter, joint, {
        cell,
        ask,
      });
      if (reply?.t !== 'keys') return undefined;
      keys.push(...reply.keys);
      count = Math.max(count, reply.count);
      if (!reply.more || reply.keys.length === 0) return { keys, count };
    }
  }

  /** Has each key accepted by more than half of the old and of the new replicas, as it is. */
  async #rewrite(board: string, keys: ReadonlySet<string>): Promise<void> {
    const left = [...keys];
    const work = async (): Promise<void> => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) {
        await this.#components.proposer.propose({
          cell: { board, key },
          ...newRequest(),
          patienceMs: STEP_MS,
          change: (value: Json | undefined) => ({ value, result: null }),
        });
      }
    };
    await Promise.all(Array.from({ length: KEYS_AT_ONCE }, work));
  }

  async #untilDone(cell: Cell, set: ReplicaSet, step: () => Promise<boolean>): Promise<void> {
    const { clock, isStopped } = this.#components;
    const end = clock.now() + PATIENCE_MS;
    while (!(await step())) {
      if (isStopped() || clock.now() >= end) throw unfinished(cell, set);
      await pause(clock, AGAIN_MS);
    }
  }
}

function newRequest(): { readonly request: string; readonly op: string } {
  const id = randomUUID();
  return { request: id, op: id };
}

/** Whether a change is the one that comes after a set. */
function isNext(now: ReplicaSet, { number, before }: SetRecord): boolean {
  return (
    number === now.number + 1 &&
    now.before === undefined &&
    JSON.stringify(before) === JSON.stringify(now.voters)
  );
}

function recordIn(value: Json | undefined): string | undefined {
  const record = isObject(value) ? value['record'] : undefined;
  return typeof record === 'string' ? record : undefined;
}

function numberIn(value: Json | undefined): number {
  const number = isObject(value) ? value['number'] : undefined;
  return isBelow(number) ? number : 0;
}

function conflict(): StarlingError {
  return new StarlingError(
    'STARLING_BOARD_CONFLICT',
    'another change of the replicas came before this one',
    { hint: 'see what they are now, and try again: starling board replicas <board>' },
  );
}

function unfinished({ board }: Cell, { voters }: ReplicaSet): StarlingError {
  return new StarlingError(
    'STARLING_NO_QUORUM',
    `too few of the old and the new replicas of board '${nameIn(board)}' answer: their change is begun, and goes on by itself when they do`,
    { hint: 'see who is away: starling peers', data: { replicas: voters.map(dids) } },
  );
}

const dids = ({ did }: Voter): Did => did;
