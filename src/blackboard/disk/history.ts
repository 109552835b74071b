/**
 * Who changed what when: of each update that changed a board one row beside the board's log, kept as long and as
 * large as the bounds say. Rows are `<board>/<ms>-<number>` by when they came, so that reading goes on from
 * any row; what was cut away is said.
 */
import type { Clock } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { lineOf, linesOf, rowOf } from './history-rows.ts';
import type {
  BoardChange,
  HistoryBounds,
  HistoryLine,
  HistoryPage,
  HistoryQuery,
  PastLine,
} from '../types.ts';

/** A change that stands in a board's log, and when it came, ms since the epoch. */
export interface LateChange {
  readonly sentAt: number;
  readonly change: BoardChange;
}

/** What was written to a key, and by whom, as far as rows on disk tell. */
export interface BoardHistory {
  /**
   * Writes down what changed, with what else changes in the next moments; `bulk` is the update that says all of it, see
   * `history-rows.ts`. Resolves once that is on disk. @throws what the disk says: then the lines are lost, which readers are told
   * of as soon as the disk takes anything
   */
  note(changes: readonly BoardChange[], bulk?: Uint8Array): Promise<void>;
  /**
   * Writes down what is written in this very turn, and all that waits: one sync of the disk serves both. What is returned
   * is called once that write has ended, and takes the lines back where it was refused; it rejects with what the disk says of lines that
   * should be there.
   */
  noteWriting(lines: readonly PastLine[]): (isRefused: boolean) => Promise<void>;
  /**
   * Hears what stands in the board's log and came to this node right before its last end: its lines may be missing where that
   * was a kill (kill -9). They are looked for before the first reading.
   */
  recovered(changes: readonly LateChange[]): void;
  /** Resolves once all that was noted is on disk. @throws what the disk says */
  flushed(): Promise<void>;
  read(query: HistoryQuery): Promise<HistoryPage>;
  /** The last two changes of a key, the newest first, and whether older ones may have been cut away. */
  lastOf(key: string): Promise<{ readonly lines: readonly HistoryLine[]; readonly isCut: boolean }>;
}

const MS_DIGITS = 15;
const COUNT_DIGITS = 6;
const COUNT_END = 10 ** COUNT_DIGITS;
const DAY_MS = 86_400_000;
/**
 * How long lines wait for others, and for a write to the board, which takes them along: longer than what peers sent waits
 * for its write. Higher: fewer syncs of the disk; lower: fewer lines to lose in a crash.
 */
const GATHER_MS = 75;
/** Over this they wait no longer. */
const GATHER_BYTES = 256 * 1024;
/** The bounds are looked at after this much was written. */
const PRUNE_BYTES = 1024 * 1024;
/** So many changes that came right before a kill are written down at once, and not when somebody reads: till then they are in memory. */
const LATE_KEPT_MAX = 1000;
/** Lines of one row, of those that are written down late. */
const LATE_LINES_MAX = 256;
/** Rows that the disk refused and that are remembered one by one; of more the last is what counts. */
const REFUSED_MAX = 256;
/** The name of the row that says up to where rows were cut away, or refused by the disk; it comes before all others. */
const CUT = '!';
const LIMIT = 1000;

/** Opens the history of `board` in `table`, which all boards share. */
export function createBoardHistory(
  components: { readonly table: Table; readonly clock: Clock },
  init: { readonly board: string; readonly bounds: HistoryBounds },
): BoardHistory {
  return new TableHistory(components.table, components.clock, init);
}

class TableHistory implements BoardHistory {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #bounds: HistoryBounds;
  #count = 0;
  /** What waits for the disk. */
  #pending: Write[] = [];
  #pendingBytes = 0;
  #gathering: { readonly end: Promise<void>; readonly cancel: () => void } | undefined;
  /** A start may be long after the last one: then what is old goes first. */
  #sinceLook = PRUNE_BYTES;
  /** Bytes of all rows; undefined before the first look. */
  #total: number | undefined;
  #isPruning = false;
  /** Changes whose lines may be missing. */
  #late: readonly LateChange[] = [];
  #recovering: Promise<void> | undefined;
  /** Names of rows that the disk refused, until it has taken a row that says so. */
  #refused = new Set<string>();

  constructor(
    table: Table,
    clock: Clock,
    init: { readonly board: string; readonly bounds: HistoryBounds },
  ) {
    this.#table = table;
    this.#clock = clock;
    this.#prefix = `${init.board}/`;
    this.#bounds = init.bounds;
  }

  async note(changes: readonly BoardChange[], bulk?: Uint8Array): Promise<void> {
    if (this.#bounds.bytes === 0 || changes.length === 0) return;
    const added =
      bulk === undefined
        ? this.#add(changes.flatMap((change) => lineOf(change)))
        : this.#addRow(bulk);
    if (added === undefined) return;
    if (this.#pendingBytes > GATHER_BYTES) return this.flushed();
    this.#gathering ??= this.#gather();
    return this.#gathering.end;
  }

  noteWriting(lines: readonly PastLine[]): (isRefused: boolean) => Promise<void> {
    const added = this.#bounds.bytes === 0 ? undefined : this.#add(lines);
    const ending = this.flushed().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    return async (isRefused) => {
      const failure = await ending;
      if (!isRefused && failure !== undefined) throw failure.error;
      if (!isRefused || added === undefined) return;
      // What the disk refused with its write is not there, and nobody misses it.
      if (failure !== undefined) {
        this.#refused.delete(added.key);
        return;
      }
      await this.#table.delete(added.key);
      if (this.#total !== undefined) this.#total -= added.bytes;
    };
  }

  /** Has lines wait for the disk as one row; undefined where there are none. */
  #add(lines: readonly PastLine[]): { readonly key: string; readonly bytes: number } | undefined {
    return lines.length === 0 ? undefined : this.#addRow(rowOf(lines));
  }

  #addRow(value: Uint8Array): { readonly key: string; readonly bytes: number } {
    this.#count = (this.#count + 1) % COUNT_END;
    const ms = String(this.#clock.now()).padStart(MS_DIGITS, '0');
    const key = `${this.#prefix}${ms}-${String(this.#count).padStart(COUNT_DIGITS, '0')}`;
    this.#pending.push({ key, value });
    this.#pendingBytes += value.length;
    return { key, bytes: value.length };
  }

  async flushed(): Promise<void> {
    this.#gathering?.cancel();
    await this.#write();
  }

  #gather(): { readonly end: Promise<void>; readonly cancel: () => void } {
    let cancel = (): void => undefined;
    const end = new Promise<void>((resolve, reject) => {
      const cancelWait = this.#clock.schedule(GATHER_MS, () => {
        this.#gathering = undefined;
        this.#write().then(resolve, reject);
      });
      cancel = () => {
        cancelWait();
        this.#gathering = undefined;
        // Whoever flushes hears of a failure.
        resolve();
      };
    });
    return { end, cancel };
  }

  async #write(): Promise<void> {
    const writes = this.#pending;
    this.#pending = [];
    const bytes = this.#pendingBytes;
    this.#sinceLook += bytes;
    this.#pendingBytes = 0;
    if (writes.length > 0) await this.#put(writes);
    if (this.#total !== undefined) this.#total += bytes;
    if (this.#sinceLook < PRUNE_BYTES || this.#isPruning) return;
    this.#sinceLook = 0;
    this.#isPruning = true;
    try {
      await this.#prune();
    } finally {
      this.#isPruning = false;
    }
  }

  /** Writes rows, and with them where rows are missing that the disk refused before. */
  async #put(writes: readonly Write[]): Promise<void> {
    const missing = [...this.#refused];
    const last = missing.toSorted().at(-1)?.slice(this.#prefix.length);
    const mark = last === undefined ? [] : [this.#mark(last)];
    try {
      await this.#table.batch([...writes, ...mark]);
    } catch (error) {
      // Before the new names: some of these are taken back with the write that the disk refused as well.
      if (this.#refused.size >= REFUSED_MAX) {
        this.#refused = new Set([...this.#refused].toSorted().slice(-1));
      }
      for (const { key } of writes) this.#refused.add(key);
      throw error;
    }
    for (const key of missing) this.#refused.delete(key);
  }

  /** The row that says that something may be missing up to a position. */
  #mark(position: string): Write {
    return { key: `${this.#prefix}${CUT}`, value: Buffer.from(position) };
  }

  recovered(changes: readonly LateChange[]): void {
    if (this.#bounds.bytes === 0) return;
    this.#late = changes;
    // Where the disk refuses that now, it is tried again as somebody reads.
    if (changes.length > LATE_KEPT_MAX) this.#recover().catch(() => undefined);
  }

  async read(query: HistoryQuery): Promise<HistoryPage> {
    await this.flushed();
    await this.#recover();
    return this.#read(query);
  }

  /** Writes down what came right before the last end of this node and was written down no more. */
  #recover(): Promise<void> {
    this.#recovering ??= this.#writeLate().finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  async #writeLate(): Promise<void> {
    const late = this.#late;
    if (late.length === 0) return;
    const missing = new Set(late.flatMap(({ change }) => lineOf(change).map(nameOf)));
    for await (const [name, value] of this.#table.entries(this.#prefix)) {
      const position = name.slice(this.#prefix.length);
      for (const line of position === CUT ? [] : linesOf(value, position)) {
        missing.delete(nameOf(line));
      }
    }
    const rows: { readonly sentAt: number; readonly lines: PastLine[] }[] = [];
    for (const { sentAt, change } of late) {
      const lines = lineOf(change).filter((line) => missing.delete(nameOf(line)));
      const last = rows.at(-1);
      if (last?.sentAt === sentAt && last.lines.length < LATE_LINES_MAX) last.lines.push(...lines);
      else if (lines.length > 0) rows.push({ sentAt, lines: [...lines] });
    }
    const writes = rows.map(({ sentAt, lines }, at): Write => {
      // After all that had been written down by then.
      const count = String(COUNT_END - rows.length + at).padStart(COUNT_DIGITS, '0');
      const key = `${this.#prefix}${String(sentAt).padStart(MS_DIGITS, '0')}-${count}`;
      return { key, value: rowOf(lines) };
    });
    if (writes.length > 0) await this.#table.batch(writes);
    this.#total = undefined;
    this.#late = [];
  }

  async #read({ from = '', key, prefix = '', limit = LIMIT }: HistoryQuery): Promise<HistoryPage> {
    const lines: HistoryLine[] = [];
    let next = from;
    let cut = '';
    for await (const [name, value] of this.#table.entries(this.#prefix)) {
      const position = name.slice(this.#prefix.length);
      if (position === CUT) cut = Buffer.from(value).toString();
      else if (position > from) {
        if (lines.length >= limit) return { lines, next, isCut: cut > from, more: true };
        next = position;
        for (const line of linesOf(value, position)) {
          const isMeant = key === undefined ? line.key.startsWith(prefix) : line.key === key;
          if (isMeant) lines.push(line);
        }
      }
    }
    return { lines, next, isCut: cut > from, more: false };
  }

  async lastOf(
    key: string,
  ): Promise<{ readonly lines: readonly HistoryLine[]; readonly isCut: boolean }> {
    const { lines, isCut } = await this.read({ key, limit: Number.POSITIVE_INFINITY });
    const cut = isCut ? await this.#cutAt() : '';
    // Of what stands before something that is missing nobody knows whether it was the last but one.
    const known = lines.filter(({ position }) => position > cut);
    return { lines: known.slice(-2).toReversed(), isCut };
  }

  /** Up to where something may be missing. */
  async #cutAt(): Promise<string> {
    const mark = await this.#table.get(`${this.#prefix}${CUT}`);
    return mark === undefined ? '' : Buffer.from(mark).toString();
  }

  /** Looks at the oldest rows alone, once it is known how much there is. */
  async #prune(): Promise<void> {
    this.#total ??= await this.#size();
    const oldest = String(this.#clock.now() - this.#bounds.days * DAY_MS).padStart(MS_DIGITS, '0');
    const writes: Write[] = [];
    let last = '';
    let cutBytes = 0;
    for await (const [name, value] of this.#table.entries(this.#prefix)) {
      const position = name.slice(this.#prefix.length);
      if (position === CUT) continue;
      if (this.#total - cutBytes <= this.#bounds.bytes && position >= oldest) break;
      cutBytes += value.length;
      last = position;
      writes.push({ key: name });
    }
    if (last === '') return;
    const cut = await this.#cutAt();
    await this.#table.batch([...writes, this.#mark(cut > last ? cut : last)]);
    this.#total -= cutBytes;
  }

  /** Bytes of all rows. */
  async #size(): Promise<number> {
    let total = 0;
    for await (const [name, value] of this.#table.entries(this.#prefix)) {
      if (name.slice(this.#prefix.length) !== CUT) total += value.length;
    }
    return total;
  }
}

/** What tells a line from all others of its board. */
function nameOf({ key, by, at }: PastLine): string {
  return `${at} ${by} ${key}`;
}
