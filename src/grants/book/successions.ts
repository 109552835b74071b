/**
 * Which key took the place of which: a grow-only set on disk. The first succession of a key that is
 * seen counts; a second one is a conflict, which is told and changes nothing. Knows no network.
 */
import { EventEmitter } from 'node:events';
import { StarlingError } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import type { Table } from '../../store/types.ts';
import { readRows, rowOf } from './rows.ts';
import { parseSuccession } from '../format/succession.ts';
import type { Succession, SuccessionView } from '../types.ts';

/** Keys in one line of succession. */
const LINE_MAX = 64;
const TOTAL_MAX = 16_384;
/** Conflicts that are remembered. */
const CONFLICTS_MAX = 64;

/** Events of the set. */
export interface SuccessionEvents {
  added: [succession: Succession];
  /** `second` says otherwise than `first`, which counts. */
  conflict: [first: Succession, second: Succession];
}

/** The set. */
export interface Successions extends SuccessionView {
  readonly events: EventEmitter<SuccessionEvents>;
  /** Reads what was kept; to be called before anything else. */
  load(): Promise<void>;
  /**
   * Keeps a succession that parsed; whether its keys may speak in this mesh is for the caller to know.
   * `known` and `conflict` change nothing.
   * @throws STARLING_GRANT_INVALID for a cycle; STARLING_LIMIT_EXCEEDED
   */
  add(succession: Succession): Promise<'new' | 'known' | 'conflict'>;
  /** Requires that `did` can get an heir that is new here. @throws STARLING_LIMIT_EXCEEDED */
  requireRoom(did: Did): void;
  all(): readonly Succession[];
}

const ALONE: readonly Did[] = [];

/** Makes the set over a table of the store. */
export function createSuccessions(components: {
  readonly table: Table;
  readonly logger: Logger;
}): Successions {
  return new SuccessionSet(components.table, components.logger);
}

class SuccessionSet implements Successions {
  readonly events = new EventEmitter<SuccessionEvents>();
  readonly #table: Table;
  readonly #logger: Logger;
  readonly #byOld = new Map<Did, Succession>();
  readonly #byNew = new Map<Did, Succession>();
  readonly #conflicts = new Set<string>();

  constructor(table: Table, logger: Logger) {
    this.#table = table;
    this.#logger = logger;
  }

  async load(): Promise<void> {
    for (const one of await readRows(this.#table, '', parseSuccession, this.#logger)) {
      if (this.#compare(one) === 'new') this.#take(one);
      else this.#logger.warn({ old: one.claims.iss }, 'skipped a succession that does not fit');
    }
  }

  of(did: Did): Succession | undefined {
    return this.#byOld.get(did);
  }

  current(did: Did): Did {
    let last = did;
    for (let next = this.#byOld.get(last); next !== undefined; next = this.#byOld.get(last)) {
      last = next.claims.sub;
    }
    return last;
  }

  origin(did: Did): Did {
    let first = did;
    for (let one = this.#byNew.get(first); one !== undefined; one = this.#byNew.get(first)) {
      first = one.claims.iss;
    }
    return first;
  }

  lineage(did: Did): readonly Did[] {
    return [did, ...this.#walk(did, this.#byNew, ({ claims }) => claims.iss)];
  }

  heirs(did: Did): readonly Did[] {
    return [did, ...this.#walk(did, this.#byOld, ({ claims }) => claims.sub)];
  }

  follows(did: Did, before: Did): boolean {
    return did === before || (this.#byOld.has(before) && this.heirs(before).includes(did));
  }

  async add(succession: Succession): Promise<'new' | 'known' | 'conflict'> {
    const { iss, sub } = succession.claims;
    const verdict = this.#compare(succession);
    if (verdict === 'conflict') {
      const first = this.#byOld.get(iss) ?? this.#byNew.get(sub);
      const isTold = this.#conflicts.has(succession.jws) || this.#conflicts.size >= CONFLICTS_MAX;
      if (first === undefined || isTold) return verdict;
      this.#conflicts.add(succession.jws);
      this.events.emit('conflict', first, succession);
    }
    if (verdict !== 'new') return verdict;
    // At once, so that of two successions at the same time one is the first.
    this.#take(succession);
    const { key, value } = rowOf(iss, succession.jws);
    try {
      if (value !== undefined) await this.#table.put(key, value);
    } catch (error) {
      this.#byOld.delete(iss);
      this.#byNew.delete(sub);
      throw error;
    }
    this.events.emit('added', succession);
    return verdict;
  }

  requireRoom(did: Did): void {
    this.#requireRoom(did, this.lineage(did).length + 1);
  }

  all(): readonly Succession[] {
    return [...this.#byOld.values()];
  }

  #take(succession: Succession): void {
    this.#byOld.set(succession.claims.iss, succession);
    this.#byNew.set(succession.claims.sub, succession);
  }

  /** How a succession stands to those that are known. @throws STARLING_GRANT_INVALID for a cycle */
  #compare(succession: Succession): 'new' | 'known' | 'conflict' {
    const { iss, sub } = succession.claims;
    const known = this.#byOld.get(iss);
    if (known !== undefined) return known.jws === succession.jws ? 'known' : 'conflict';
    // A key takes the place of one other key, else it would be two at once.
    if (this.#byNew.has(sub)) return 'conflict';
    const before = this.lineage(iss);
    if (before.includes(sub)) {
      throw new StarlingError('STARLING_GRANT_INVALID', `${sub} would succeed itself in the end`, {
        data: { rule: 'cycle' },
      });
    }
    this.#requireRoom(iss, before.length + this.heirs(sub).length);
    return 'new';
  }

  #requireRoom(did: Did, length: number): void {
    const isLong = length > LINE_MAX;
    if (!isLong && this.#byOld.size < TOTAL_MAX) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      isLong
        ? `${did} comes from ${LINE_MAX - 1} changes of a key, which is the limit`
        : `${TOTAL_MAX} changes of keys are known already`,
      { hint: 'keep this key, or join with a fresh state folder and be granted anew' },
    );
  }

  #walk(
    from: Did,
    links: ReadonlyMap<Did, Succession>,
    next: (link: Succession) => Did,
  ): readonly Did[] {
    let link = links.get(from);
    if (link === undefined) return ALONE;
    const found: Did[] = [];
    for (; link !== undefined; link = links.get(next(link))) found.push(next(link));
    return found;
  }
}
