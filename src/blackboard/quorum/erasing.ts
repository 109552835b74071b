/**
 * Erases keys that were deleted, once every replica has the deletion and has had it for a while: what is left of all of
 * them is one floor (`acceptor.ts`). One replica of a key looks after that, by a hash that all compute alike.
 */
import type { Clock, Scope } from '../../core/index.ts';
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
  readonly clock: Clock;
  readonly electorate: Electorate;
  /** What this node keeps of a key. */
  readonly look: (cell: Cell, set: ReplicaSet) => Promise<Shown | undefined>;
  /** Has all replicas that are there accept a key as it is, under one ballot. */
  readonly rewrite: (cell: Cell) => Promise<void>;
  /** Keys that this node keeps of a board. */
  readonly keys: (board: string) => Promise<readonly string[]>;
  /** Whether it is for this node to erase a key. */
  readonly isFirst: (cell: Cell, set: ReplicaSet) => boolean;
  /** Strong boards that are here. */
  readonly boards: () => readonly string[];
}

/** Keys that may have to be erased. */
export interface Erasing {
  /** Something was accepted of a key. */
  add(cell: Cell): void;
}

/** How long a deletion is remembered: so long a retry learns of it. Longer: more rows of deleted keys on disk. */
const REMEMBERED_MS = 600_000;
const SWEEP_MS = 60_000;
/** Keys that are looked after; of more, the next start does. */
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
  /** When each key is looked at next. */
  readonly #due = new Map<string, { readonly cell: Cell; readonly at: number }>();
  readonly #listed = new Set<string>();

  constructor(components: ErasingComponents, scope: Scope) {
    this.#components = components;
    this.#scope = scope;
  }

  add(cell: Cell): void {
    this.#addIn(REMEMBERED_MS, cell);
  }

  #addIn(delayMs: number, cell: Cell): void {
    const name = `${cell.board}/${cell.key}`;
    if (this.#due.has(name) || this.#due.size >= KEYS_MAX) return;
    this.#due.set(name, { cell, at: this.#components.clock.now() + delayMs });
  }

  async sweep(): Promise<void> {
    await this.#list();
    const now = this.#components.clock.now();
    const away = new Set<string>();
    for (const [name, { cell, at }] of this.#due) {
      if (this.#scope.closed) return;
      if (at > now || away.has(cell.board)) continue;
      this.#due.delete(name);
      const found = await this.#tryErase(cell).catch((): Found => 'away');
      // While a replica is away one key in each round is enough to see whether that still is so.
      if (found === 'away') away.add(cell.board);
      if (found !== 'over') this.#addIn(found === 'others' ? REMEMBERED_MS : SWEEP_MS, cell);
    }
  }

  /** What was deleted before this start. */
  async #list(): Promise<void> {
    for (const board of this.#components.boards()) {
      if (this.#listed.has(board)) continue;
      this.#listed.add(board);
      for (const key of await this.#components.keys(board)) this.add({ board, key });
    }
  }

  async #tryErase(cell: Cell): Promise<Found> {
    const { electorate, look, isFirst } = this.#components;
    const set = await electorate.setOf(cell.board);
    const shown = await look(cell, set);
    if (shown?.accepted === undefined || heldIn(shown.accepted.state)?.v !== undefined)
      return 'over';
    // While replicas change, none is erased: those that are written anew must be there.
    if (!isFirst(cell, set)) return 'others';
    if (set.before !== undefined) return 'again';
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

function isSame({ accepted }: Shown, ballot: Ballot): boolean {
  return accepted !== undefined && compareBallots(accepted.ballot, ballot) === 0;
}

function highest(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) > 0 ? a : b;
}
