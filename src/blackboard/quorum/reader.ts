/**
 * Reads strong keys at their replicas without changing anything (`strong-read.ts`). A replica whose disk has something
 * asks just as many others as make a majority with it whether they have accepted the same, and only where they do not
 * say so does it ask all for what they have.
 */
import { settledWithin } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Ballot, Shown, StrongState } from './acceptor.ts';
import { SAME_KEYS_MAX } from './format.ts';
import type { Cell, KeyBallot, Reply } from './format.ts';
import type { Trouble } from './poll.ts';
import { fewBeside, groupsOf, voterName, votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import { beginLook } from './strong-read.ts';
import type { Voter } from '../lanes/voters.ts';

/** What a key is asked about, and what whoever asks has accepted itself; undefined: nothing. */
export interface Known {
  readonly cell: Cell;
  readonly known?: Ballot | undefined;
}

/** What reading works with. */
export interface ReaderComponents {
  readonly clock: Clock;
  /** The replicas of a board as this node knows them now. */
  setOf(board: string): Promise<ReplicaSet>;
  /** This node among the replicas of a set, if it is one. */
  ownVoter(set: ReplicaSet): Promise<Voter | undefined>;
  /** Whether there is a connection to a replica, and it did not hang just now. */
  isThere(voter: Voter): boolean;
  /**
   * What one replica keeps, but for what it has accepted under `known`; undefined when it gave no answer in time. Never
   * rejects.
   */
  look(voter: Voter, set: ReplicaSet, asked: Known): Promise<Shown | Trouble | undefined>;
  /** Whether another replica has accepted just what is known; false when it gave no answer in time. Never rejects. */
  isSame(voter: Voter, set: ReplicaSet, asked: Known): Promise<boolean>;
}

/** Reads keys. */
export interface Reader {
  /** The state of a key; undefined when the replicas do not agree on one, or do not answer. */
  look(cell: Cell): Promise<StrongState | undefined>;
}

/** How long a reading waits for this node's own disk, and for the few that are asked first, before all are asked. */
const FIRST_MS = 50;

/** Keys of one question, as bytes: a byte of a key takes up to six in JSON. */
const KEYS_BYTES_MAX = 96 * 1024;

/** Nothing is asked before the first reading. */
export function createReader(components: ReaderComponents): Reader {
  return new MajorityReader(components);
}

/** What this node keeps itself of a key. */
interface Own {
  readonly voter: Voter;
  /** What its disk says, now or later. */
  readonly shown: Promise<Shown | Trouble | undefined>;
  /** What it has said by now. */
  readonly kept?: Shown;
}

class MajorityReader implements Reader {
  readonly #components: ReaderComponents;

  constructor(components: ReaderComponents) {
    this.#components = components;
  }

  async look(cell: Cell): Promise<StrongState | undefined> {
    const set = await this.#components.setOf(cell.board);
    const own = await this.#ownOf(set, cell);
    if (own?.kept !== undefined) {
      const same = await this.#lookFew(set, cell, { ...own, kept: own.kept });
      if (same !== undefined) return same;
    }
    return this.#lookAll(set, cell, own);
  }

  /** What this node keeps itself, where it is a replica: states are long, and the others need not tell the same one. */
  async #ownOf(set: ReplicaSet, cell: Cell): Promise<Own | undefined> {
    const components = this.#components;
    const { clock } = components;
    const voter = await components.ownVoter(set);
    if (voter === undefined) return undefined;
    const shown = components.look(voter, set, { cell });
    // A disk that hangs holds up nobody for longer: the others tell what they have then.
    if (!(await settledWithin(FIRST_MS, shown, clock))) return { voter, shown };
    const kept = await shown;
    return kept?.t === 'shown' ? { voter, shown, kept } : { voter, shown };
  }

  /** Asks no more replicas than are needed; undefined where these do not have the same in time. */
  async #lookFew(
    set: ReplicaSet,
    cell: Cell,
    { voter: own, kept }: Own & { readonly kept: Shown },
  ): Promise<StrongState | undefined> {
    const components = this.#components;
    const few = fewBeside(own, set, (voter) => components.isThere(voter));
    if (few === undefined) return undefined;
    const { accepted } = kept;
    const looking = beginLook(groupsOf(set), accepted);
    let found = looking.hear(voterName(own), kept);
    const asked = few.map(async (voter) => {
      if (!(await components.isSame(voter, set, { cell, known: accepted?.ballot }))) return;
      const heard = looking.hear(voterName(voter), {
        t: 'shown',
        ...(accepted === undefined ? {} : { isSame: true }),
      });
      found ??= heard;
    });
    if (found === undefined) await settledWithin(FIRST_MS, Promise.all(asked), components.clock);
    return found === 'differ' ? undefined : found;
  }

  #lookAll(set: ReplicaSet, cell: Cell, own: Own | undefined): Promise<StrongState | undefined> {
    const components = this.#components;
    const voters = votersOf(set);
    const kept = own?.kept?.accepted;
    const looking = beginLook(groupsOf(set), kept);
    let left = voters.length;
    // The board was closed meanwhile, as the node stops: nobody is there to end the wait.
    if (left === 0) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const hear = (voter: Voter, one: Shown | Trouble | undefined): void => {
        const found = one?.t === 'shown' ? looking.hear(voterName(voter), one) : undefined;
        left -= 1;
        if (found !== undefined && found !== 'differ') resolve(found);
        else if (found === 'differ' || left === 0 || one?.t === 'moved') resolve(undefined);
      };
      for (const voter of voters) {
        const asked =
          own !== undefined && voterName(voter) === voterName(own.voter)
            ? own.shown
            : components.look(voter, set, { cell, known: kept?.ballot });
        asked.then((one) => hear(voter, one)).catch(reject);
      }
    });
  }
}

/** Asks one replica; undefined when it does not answer in time. Never rejects. */
export type AskSame = (
  voter: Voter,
  set: ReplicaSet,
  asked: { readonly board: string; readonly of: readonly KeyBallot[] },
) => Promise<Reply | undefined>;

interface Gathered {
  readonly voter: Voter;
  readonly set: ReplicaSet;
  readonly board: string;
  readonly of: KeyBallot[];
  readonly hear: ((isSame: boolean) => void)[];
  keysBytes: number;
}

/**
 * Asks replicas whether they have accepted just what this node has: of all keys that are asked about in one turn of the
 * event loop, one question for each replica, whose answer names those that differ.
 */
export class SameQuestions {
  readonly #ask: AskSame;
  #gathered = new Map<string, Gathered>();

  constructor(ask: AskSame) {
    this.#ask = ask;
  }

  /** Whether a replica has accepted just what is known; false where it does not say so. Never rejects. */
  isSame(voter: Voter, set: ReplicaSet, { cell, known }: Known): Promise<boolean> {
    const { board, key } = cell;
    const name = `${set.number} ${board} ${voterName(voter)}`;
    const keyBytes = Buffer.byteLength(key);
    let one = this.#gathered.get(name);
    const isFull =
      one !== undefined &&
      (one.of.length >= SAME_KEYS_MAX || one.keysBytes + keyBytes > KEYS_BYTES_MAX);
    if (one !== undefined && isFull) this.#send(name, one);
    if (one === undefined || isFull) {
      one = { voter, set, board, of: [], hear: [], keysBytes: 0 };
      this.#gathered.set(name, one);
      const begun = one;
      setImmediate(() => this.#send(name, begun));
    }
    one.keysBytes += keyBytes;
    one.of.push([key, known]);
    const { hear } = one;
    return new Promise((resolve) => hear.push(resolve));
  }

  /** Once, in its turn or when it is full. */
  #send(name: string, one: Gathered): void {
    if (this.#gathered.get(name) !== one) return;
    this.#gathered.delete(name);
    const { voter, set, board, of, hear } = one;
    const told = (reply: Reply | undefined): void => {
      const others = reply?.t === 'same' ? new Set(reply.others) : undefined;
      for (const [at, resolve] of hear.entries()) resolve(others?.has(at) === false);
    };
    this.#ask(voter, set, { board, of }).then(told, () => told(undefined));
  }
}
