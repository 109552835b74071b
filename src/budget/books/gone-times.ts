/**
 * Times of budgets whose rows this node has forgotten, by the newest of each budget. A clock that was a year ahead has times
 * forgotten that are not over; set back, the node would begin one of them anew, with nothing spent and a row of number 1.
 */
import { StarlingError } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { splitRowId } from '../rows/row-format.ts';
import type { KnownBudgets } from './known-budgets.ts';

const KEY = 'gone/';
const TIME = /^\d{1,9}$/;

/** What knows the times. */
export interface GoneTimesComponents {
  readonly table: Table;
  readonly known: Pick<KnownBudgets, 'goneBy' | 'has' | 'newestGone'>;
}

/** Keeps on the disk which times are gone. */
export class GoneTimes {
  readonly #components: GoneTimesComponents;
  /** Budgets of which something is on the disk. */
  readonly #kept = new Set<string>();

  constructor(components: GoneTimesComponents) {
    this.#components = components;
  }

  /** Reads which are gone, before anything is spent. @throws STARLING_STATE_UNUSABLE */
  async load(): Promise<void> {
    const { known, table } = this.#components;
    for await (const [key, bytes] of table.entries(KEY)) {
      const id = key.slice(KEY.length);
      const time = Buffer.from(bytes).toString('latin1');
      if (!TIME.test(time)) throw damaged(id);
      known.goneBy(id, Number(time));
      this.#kept.add(id);
    }
  }

  /** Rows are forgotten, those of this node among them; gives what is to be written in the batch that erases them. */
  of(rowIds: readonly string[], isOwn: (rowId: string) => boolean): readonly Write[] {
    const { known } = this.#components;
    const ids = new Set<string>();
    for (const rowId of rowIds) {
      const { id = '', time } = splitRowId(rowId) ?? {};
      if (time !== undefined && known.has(id) && isOwn(rowId)) known.goneBy(id, time);
      // Of a budget that is over nothing is left.
      if (known.newestGone(id) >= 0 || this.#kept.has(id)) ids.add(id);
    }
    return [...ids].map((id) => {
      const newest = known.newestGone(id);
      if (newest < 0) {
        this.#kept.delete(id);
        return { key: KEY + id };
      }
      this.#kept.add(id);
      return { key: KEY + id, value: Buffer.from(String(newest), 'latin1') };
    });
  }
}

/** Whoever began a time anew would spend a second time what was spent in it. */
function damaged(id: string): StarlingError {
  return new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `which times of budget ${id} are over is damaged`,
    { hint: 'restore the state folder from a backup' },
  );
}
