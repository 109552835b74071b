/**
 * Erases keys that were deleted, or of which nothing came but a promise, once every replica has that and has had it for
 * a while: what is left of all of them is one floor (`acceptor.ts`). One replica of a key looks after that, by a
 * hash that all compute alike, and the next one by that hash where the first knows nothing of the key.
 */
import type { Scope } from '../../core/index.ts';
import { compareBallots } from './acceptor.ts';
import type { Ballot, Shown } from './acceptor.ts';
import type { Electorate } from './electorate.ts';
import type { Cell } from './format.ts';
import { votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';
import { heldIn } from './request.ts';

/** What erasing works with. */
export interface ErasingComponents {
  readonly electorate: Electorate;
  /** What this node keeps of a key. */
  readonly look: (cell: Cell, set: ReplicaSet) => Promise<Shown | undefined>;
  /** Has all replicas that are there accept a key as it is, under one ballot. */
  readonly rewrite: (cell: Cell) => Promise<void>;
  /** Keys that this node keeps of a board. */
  readonly keys: (board: string) => Promise<readonly string[]>;
  /** How many replicas come before this node in erasing a key; below 0: this node is none. */
  readonly rankOf: (cell: Cell, set: ReplicaSet) => number;
  /** Strong boards that are here. */
  readonly boards: () => readonly string[];
}

/** Keys that may have to be erased. */
export interface Erasing {
  /** Something is kept of a key; what was accepted just now is remembered from now on. */
  add(cell: Cell, isAccepted: boolean): void;
}

const SWEEP_MS = 60_000;
/**
 * How long a deletion is remembered, in sweeps, as clocks may jump: so long a retry learns of it. Longer: more rows of
 * deleted keys on disk.
 */
const REMEMBERED_SWEEPS = 10;
/** Keys that are looked after; more are listed again when these are fewer. */
const KEYS_MAX = 65_536;

/** Looks after keys until the scope closes. */
export function createErasing(components: ErasingComponents, scope: Scope): Erasing {
  const erasing = new Sweeper(components, scope);
  scope.every(SWEEP_MS, () => erasing.sweep());
  return erasing;
}

/** What a look at a key has come to: nothing to erase is left, another replica looks after the key, or else. */
type Found = 'again' | 'away' | 'others' | 'over';

class Sweeper implements Erasing {
  readonly #components: ErasingComponents;
  readonly #scope: Scope;
  /** In which sweep each key is looked at next, and how often it was left to others. */
  readonly #due = new Map<string, { readonly cell: Cell; at: number; left: number }>();
  readonly #listed = new Set<string>();
  #sweeps = 0;

  constructor(components: ErasingComponents, scope: Scope) {
    this.#components = components;
    this.#scope = scope;
  }

  add(cell: Cell, isAccepted: boolean): void {
    const due = this.#due.get(nameOf(cell));
    if (due === undefined) this.#addIn(REMEMBERED_SWEEPS + 1, cell, 0);
    // The key may have been there for long, and be deleted only now: whoever tries that again must learn of it.
    else if (isAccepted) due.at = this.#sweeps + REMEMBERED_SWEEPS + 1;
  }

  #addIn(sweeps: number, cell: Cell, left: number): void {
    const name = nameOf(cell);
    if (this.#due.has(name)) return;
    if (this.#due.size >= KEYS_MAX) this.#listed.delete(cell.board);
    else this.#due.set(name, { cell, at: this.#sweeps + sweeps, left });
  }

  async sweep(): Promise<void> {
    this.#sweeps += 1;
    await this.#list();
    const away = new Set<string>();
    for (const [name, { cell, at, left }] of this.#due) {
      if (this.#scope.closed) return;
      if (at > this.#sweeps || away.has(cell.board)) continue;
      this.#due.delete(name);
      const found = await this.#tryErase(cell, left).catch((): Found => 'away');
      // While a replica is away one key in each round is enough to see whether that still is so.
      if (found === 'away') away.add(cell.board);
      if (found === 'others') this.#addIn(REMEMBERED_SWEEPS, cell, left + 1);
      else if (found !== 'over') this.#addIn(1, cell, left);
    }
  }

  /** What was deleted before this start, or came when there were too many. */
  async #list(): Promise<void> {
    if (this.#due.size >= KEYS_MAX / 2) return;
    for (const board of this.#components.boards()) {
      if (this.#listed.has(board)) continue;
      this.#listed.add(board);
      for (const key of await this.#components.keys(board)) this.add({ board, key }, false);
    }
  }

  /** `left`: how often others had the time to do it. */
  async #tryErase(cell: Cell, left: number): Promise<Found> {
    const { electorate, look, rankOf } = this.#components;
    const set = await electorate.setOf(cell.board);
    const shown = await look(cell, set);
    const rank = rankOf(cell, set);
    const isLive = shown?.accepted && heldIn(shown.accepted.state)?.v !== undefined;
    if (shown?.promised === undefined || rank < 0 || isLive === true) return 'over';
    if (rank > left) return 'others';
    // While replicas change, none is erased: those that are written anew must be there.
    if (set.before !== undefined) return 'again';
    if (shown.accepted === undefined) {
      await this.#components.rewrite(cell);
      return 'again';
    }
    const { ballot, state } = shown.accepted;
    const all = await Promise.all(
      votersOf(set).map((voter) => electorate.ask(voter, set, { cell, ask: { t: 'look' } })),
    );
    if (all.some((one) => one?.t !== 'shown')) return 'away';
    let below = ballot;
    for (const one of all) {
      // Who keeps nothing of the key has erased it, or has never heard of it.
      const isFit = one?.t === 'shown' && (one.promised === undefined || isSame(one, ballot));
      if (!isFit) {
        await this.#components.rewrite(cell);
        return 'again';
      }
      below = highest(below, one.promised ?? ballot);
    }
    const ask = { t: 'erase', ballot, below, count: state.count } as const;
    const erase = async (voter: Voter): Promise<boolean> => {
      const reply = await electorate.ask(voter, set, { cell, ask });
      return reply?.t === 'erased' && reply.isErased;
    };
    // This node last: as long as it has the row, it tries again.
    const own = await electorate.ownVoter(set);
    const others = votersOf(set).filter((voter) => voter.did !== own?.did);
    const erased = await Promise.all(others.map(erase));
    if (own === undefined || erased.includes(false)) return 'again';
    return (await erase(own)) ? 'over' : 'again';
  }
}

function nameOf({ board, key }: Cell): string {
  return `${board}/${key}`;
}

function isSame({ accepted }: Shown, ballot: Ballot): boolean {
  return accepted !== undefined && compareBallots(accepted.ballot, ballot) === 0;
}

function highest(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) > 0 ? a : b;
}
