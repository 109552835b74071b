/**
 * The inbox of one agent: messages in the order in which they came, each once, read by a cursor. What must
 * outlast the node is on disk before its sender is told so; a query is not, because its sender waits for the
 * answer and hears of a node that ends.
 */
import { StarlingError, printable } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import {
  HISTORY_BYTES_MAX,
  HISTORY_MAX,
  HISTORY_MS,
  PAGE_BYTES_MAX,
  WAITING_MAX,
} from '../limits.ts';
import { DONE, MAIL, READ, leftOf, readUpTo, rowIn, rowKey, seqIn } from './inbox-rows.ts';
import { PassedQueries } from './passed-queries.ts';
import { originOf } from './sender.ts';
import type { AgentMessage } from '../types.ts';
import { waitForNews } from './wait-for-news.ts';

/** Bytes of what waits in all inboxes of a node. */
export interface Budget {
  used: number;
  readonly max: number;
}

/** Where an inbox is kept. */
export interface InboxComponents {
  readonly table: Table;
  readonly clock: Clock;
  readonly budget: Budget;
}

/** A message on its way into an inbox. */
export interface Incoming {
  readonly message: AgentMessage;
  /** See `senderKey`: an id counts once for the node that it came from. */
  readonly sender: string;
  /** Whether it must be on disk first. */
  readonly durable: boolean;
  /** Bytes of the message as JSON, where they are known: what does not go to the disk is not written for them. */
  readonly bytes?: number | undefined;
}

/** A look into an inbox. */
export interface InboxRead {
  /** The cursor of the answer before: all up to there has been dealt with. */
  readonly cursor?: string | undefined;
  /** All up to there is being dealt with, and is not given again. */
  readonly seen?: string | undefined;
  /** Cursors of messages behind `cursor` that have been dealt with, too: what stands before them takes longer. */
  readonly done?: readonly string[] | undefined;
  readonly limit: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What a look finds. */
export interface InboxPage {
  readonly messages: readonly AgentMessage[];
  /** Who sent each: see `senderKey`. */
  readonly senders: readonly string[];
  /** The cursor behind each. */
  readonly cursors: readonly string[];
  readonly cursor: string;
  readonly waiting: number;
}

/** Who hears of messages. */
export interface InboxWatch {
  /** Whoever watches also reads, so that the agent counts as online; default true. */
  readonly isReader?: boolean;
}

/** Messages for one agent, in order. */
export interface Inbox {
  /** Messages that nobody has dealt with. */
  readonly waiting: number;
  /** Nothing waits in it, and nothing is on its way into it: whatever comes now is the next. */
  readonly isQuiet: boolean;
  /** Whether somebody waits for messages now, or is told of each. */
  readonly isRead: boolean;
  /** Messages that were dealt with since the node started, past the inbox or by it. */
  readonly processed: number;
  /** A query was dealt with past the inbox: it counts, and the history tells of it. `bytes` are those of it as JSON. */
  passed(query: AgentMessage, bytes: number): void;
  /** Takes a message; false for one that it has already. @throws STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE */
  add(incoming: Incoming): Promise<boolean>;
  /** Messages behind the cursor, waiting for one. @throws STARLING_USAGE for what is no cursor */
  read(read: InboxRead): Promise<InboxPage>;
  /** What was dealt with lately, the oldest first. */
  history(): readonly AgentMessage[];
  /** Takes back a message that nobody waits for any more, unless it was read. */
  withdraw(sender: string, id: string): void;
  /** Calls `changed` for each message that comes, until what it gives is called. */
  watch(changed: () => void, how?: InboxWatch): () => void;
  /**
   * Forgets everything, on disk too and at once with `more`; gives how many messages nobody has read. What comes from
   * then on is refused. A disk that refuses leaves all as it was.
   */
  drop(more?: readonly Write[]): Promise<number>;
  /** Ends all waits. */
  close(): void;
}

interface Entry {
  readonly seq: number;
  readonly key: string;
  readonly sender: string;
  readonly message: AgentMessage;
  readonly bytes: number;
  readonly durable: boolean;
  /** Nobody has dealt with it: its bytes are of those that the inboxes of a node may hold. */
  isOpen: boolean;
}

/** What stands around a message and its sender in a row. */
const ROW_BYTES = 25;
/** Messages that the history may have over its bound: they go together. */
const TRIMMED_AT_ONCE = 50;
/** Numbers of one run begin here times the clock, so that none of an earlier run comes again. */
const SEQS_A_MILLISECOND = 1000;
const BASE = 36;

/** Reads the inbox of `name` from its table, or makes an empty one. */
export async function openInbox(components: InboxComponents, name: string): Promise<Inbox> {
  const { table, clock } = components;
  const inbox = new AgentInbox(components, name, await readUpTo(table, name));
  for await (const [key, bytes] of table.entries(`${MAIL}${name}/`)) inbox.restore(key, bytes);
  for await (const [key] of table.entries(`${DONE}${name}/`)) inbox.restoreDone(key);
  inbox.begin(clock.now());
  return inbox;
}

class AgentInbox implements Inbox {
  readonly #components: InboxComponents;
  readonly #name: string;
  /** In the order of their numbers. */
  #entries: Entry[] = [];
  /** Of these, the first so many were dealt with. */
  #readCount = 0;
  /** Numbers of those behind the first so many that were dealt with, too. */
  readonly #ahead = new Set<number>();
  readonly #passed = new PassedQueries();
  /** Messages that are here or on their way to the disk, by sender and id. */
  readonly #known = new Map<string, Promise<void>>();
  readonly #wakers = new Set<() => void>();
  readonly #watchers = new Set<() => void>();
  /** As watchers, without being readers. */
  readonly #listeners = new Set<() => void>();
  /** The last message that has its place. */
  #turn: Promise<void> = Promise.resolve();
  #next = 1;
  /** All up to here has been dealt with. */
  #acked: number;
  #coming = 0;
  #isClosed = false;
  #isDropped = false;
  processed = 0;

  constructor(components: InboxComponents, name: string, acked: number) {
    this.#components = components;
    this.#name = name;
    this.#acked = acked;
  }

  get waiting(): number {
    return this.#entries.length - this.#readCount - this.#ahead.size;
  }

  passed(query: AgentMessage, bytes: number): void {
    this.processed += 1;
    if (this.#isDropped) return;
    this.#passed.add({ seq: this.#next, message: query }, bytes);
    this.#next += 1;
  }

  get isQuiet(): boolean {
    return this.waiting === 0 && this.#coming === 0 && !this.#isDropped;
  }

  get isRead(): boolean {
    return this.#wakers.size > 0 || this.#watchers.size > 0;
  }

  restore(key: string, bytes: Uint8Array): void {
    const { sender, message } = rowIn(bytes);
    const seq = seqIn(key);
    const known = keyIn(sender, message.id);
    const { length } = bytes;
    this.#push({ seq, key: known, sender, message, bytes: length, durable: true, isOpen: true });
    this.#known.set(known, Promise.resolve());
  }

  restoreDone(key: string): void {
    const seq = seqIn(key);
    const entry = this.#entries.find((one) => one.seq === seq);
    if (seq > this.#acked && entry !== undefined) this.#dealtWithAhead(entry);
  }

  begin(nowMs: number): void {
    this.#next = Math.max(
      nowMs * SEQS_A_MILLISECOND,
      this.#acked + 1,
      (this.#entries.at(-1)?.seq ?? 0) + 1,
    );
  }

  async add(incoming: Incoming): Promise<boolean> {
    if (this.#isDropped) throw retired(this.#name);
    const key = keyIn(incoming.sender, incoming.message.id);
    const known = this.#known.get(key);
    if (known !== undefined) {
      await known;
      return false;
    }
    const { message, sender } = incoming;
    const isKnown = !incoming.durable && incoming.bytes !== undefined;
    const row = isKnown ? undefined : Buffer.from(JSON.stringify({ sender, message }));
    const bytes = row?.length ?? ROW_BYTES + sender.length + (incoming.bytes ?? 0);
    this.#checkRoom(bytes);
    const done = this.#place({ message, sender, durable: incoming.durable, key, row, bytes });
    this.#known.set(key, done);
    try {
      await done;
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
    return true;
  }

  async read({ cursor, seen, done = [], limit, waitMs, signal }: InboxRead): Promise<InboxPage> {
    const dealtWith = cursor === undefined ? this.#acked : this.#seqOf(cursor);
    const ahead = done.map((one) => this.#seqOf(one));
    await this.#acknowledge(dealtWith);
    if (ahead.length > 0) await this.#acknowledgeAhead(new Set(ahead));
    const from = seen === undefined ? dealtWith : Math.max(dealtWith, this.#seqOf(seen));
    const { clock } = this.#components;
    const deadline = clock.now() + waitMs;
    for (;;) {
      const found = this.#after(from, limit);
      const leftMs = deadline - clock.now();
      if (found.length > 0 || leftMs <= 0 || signal.aborted || this.#isClosed) {
        const last = found.at(-1)?.seq ?? from;
        const behind = this.#entries.filter(
          ({ seq }) => seq > last && !this.#ahead.has(seq),
        ).length;
        return {
          messages: found.map(({ message }) => message),
          cursors: found.map(({ seq }) => seq.toString(BASE)),
          senders: found.map(({ sender }) => sender),
          cursor: last.toString(BASE),
          waiting: behind,
        };
      }
      await this.#nextMessage(leftMs, signal);
    }
  }

  history(): readonly AgentMessage[] {
    const oldest = this.#components.clock.now() - HISTORY_MS;
    const read = this.#entries.filter(
      ({ seq }, at) => at < this.#readCount || this.#ahead.has(seq),
    );
    return [...read, ...this.#passed.all]
      .toSorted((one, other) => one.seq - other.seq)
      .map(({ message }) => message)
      .filter(({ timestamp }) => Date.parse(timestamp) >= oldest)
      .slice(-HISTORY_MAX);
  }

  withdraw(sender: string, id: string): void {
    if (this.#readCount === this.#entries.length) return;
    const key = keyIn(sender, id);
    // What was dealt with stays.
    for (let at = this.#readCount; at < this.#entries.length; at += 1) {
      const entry = this.#entries[at];
      if (entry?.key !== key) continue;
      if (!entry.durable) this.#remove(at, 1);
      return;
    }
  }

  watch(changed: () => void, { isReader = true }: InboxWatch = {}): () => void {
    const watcher = (): void => changed();
    const among = isReader ? this.#watchers : this.#listeners;
    among.add(watcher);
    return () => {
      among.delete(watcher);
    };
  }

  async drop(more: readonly Write[] = []): Promise<number> {
    const { table } = this.#components;
    this.#isDropped = true;
    try {
      // What is on its way to the disk goes as well: whoever takes the name later must not read it.
      await this.#turn;
      await table.batch([...(await leftOf(table, this.#name)), ...more]);
    } catch (error) {
      this.#isDropped = false;
      throw error;
    }
    const unread = this.waiting;
    this.close();
    this.#remove(0, this.#entries.length);
    this.#passed.forget();
    return unread;
  }

  close(): void {
    this.#isClosed = true;
    for (const wake of this.#wakers) wake();
  }

  /** The place of a message is that of its call, however long the disk takes with those before. */
  #place({ durable: isDurable, key, message, row, bytes, sender }: Placed): Promise<void> {
    const durable = row !== undefined && isDurable;
    const seq = this.#next;
    this.#next += 1;
    this.#coming += 1;
    // What is on its way to the disk takes its room now.
    this.#components.budget.used += bytes;
    const stored = durable
      ? this.#components.table.put(rowKey(this.#name, seq), row)
      : Promise.resolve();
    const done = Promise.all([stored, this.#turn])
      .finally(() => {
        this.#coming -= 1;
        this.#components.budget.used -= bytes;
      })
      .then(() => this.#push({ seq, key, sender, message, bytes, durable, isOpen: true }));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#components.budget.used += entry.bytes;
    this.#countRead();
    for (const wake of [...this.#wakers, ...this.#watchers, ...this.#listeners]) wake();
  }

  #remove(at: number, count: number): readonly Entry[] {
    const gone = this.#entries.splice(at, count);
    this.#readCount -= Math.max(0, Math.min(this.#readCount, at + count) - at);
    for (const entry of gone) {
      this.#known.delete(entry.key);
      this.#ahead.delete(entry.seq);
      this.#closed(entry);
    }
    return gone;
  }

  /** It waits for nobody: what is kept of it is history, which has bounds of its own. */
  #closed(entry: Entry | undefined): void {
    if (entry?.isOpen !== true) return;
    entry.isOpen = false;
    this.#components.budget.used -= entry.bytes;
  }

  #dealtWithAhead(entry: Entry): void {
    this.#ahead.add(entry.seq);
    this.#closed(entry);
  }

  #checkRoom(bytes: number): void {
    const { budget } = this.#components;
    if (this.waiting + this.#coming >= WAITING_MAX) {
      throw full(this.#name, `${WAITING_MAX} messages wait in its inbox`);
    }
    if (budget.used + bytes > budget.max) {
      throw full(this.#name, `the inboxes of its node hold ${budget.max} bytes`);
    }
  }

  #after(from: number, limit: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    // Whoever reads again from before what was dealt with gets that once more.
    const isLater = (this.#entries[this.#readCount - 1]?.seq ?? 0) <= from;
    for (const entry of isLater ? this.#entries.slice(this.#readCount) : this.#entries) {
      if (entry.seq <= from || this.#ahead.has(entry.seq)) continue;
      bytes += entry.bytes;
      if (found.length === limit || (found.length > 0 && bytes > PAGE_BYTES_MAX)) break;
      found.push(entry);
    }
    return found;
  }

  #seqOf(cursor: string): number {
    const seq = /^[0-9a-z]{1,12}$/.test(cursor) ? Number.parseInt(cursor, BASE) : NaN;
    if (seq < this.#next) return seq;
    throw new StarlingError('STARLING_USAGE', `'${printable(cursor)}' is no cursor of this inbox`, {
      hint: 'leave the cursor out to go on where the last one was',
    });
  }

  /** All up to `seq` has been dealt with: on disk before anybody is told so. */
  async #acknowledge(seq: number): Promise<void> {
    const { table } = this.#components;
    const dealtWith: Entry[] = [];
    for (const entry of this.#entries.slice(this.#readCount)) {
      if (entry.seq > seq) break;
      dealtWith.push(entry);
    }
    const kept = dealtWith.filter(({ durable }) => durable);
    if (kept.length > 0) {
      const ahead = kept.filter((entry) => this.#ahead.has(entry.seq));
      const read = { key: READ + this.#name, value: Buffer.from(String(seq)) };
      await table.batch([
        read,
        ...ahead.map((entry) => ({ key: rowKey(this.#name, entry.seq, DONE) })),
      ]);
    }
    if (seq <= this.#acked) return;
    this.#acked = seq;
    this.processed += dealtWith.filter((entry) => !this.#ahead.delete(entry.seq)).length;
    this.#countRead();
    const gone = this.#trim().filter(({ durable }) => durable);
    if (gone.length > 0)
      await table.batch(gone.map((entry) => ({ key: rowKey(this.#name, entry.seq) })));
  }

  /** These were dealt with while what stands before them was not: they are given to nobody again, after a restart neither. */
  async #acknowledgeAhead(seqs: ReadonlySet<number>): Promise<void> {
    const { table } = this.#components;
    const isNew = ({ seq }: Entry): boolean =>
      seqs.has(seq) && seq > this.#acked && !this.#ahead.has(seq);
    const kept = this.#entries.filter((entry) => isNew(entry) && entry.durable);
    const value = Buffer.from('');
    const rows = kept.map(({ seq }) => ({ key: rowKey(this.#name, seq, DONE), value }));
    if (rows.length > 0) await table.batch(rows);
    // Meanwhile somebody else may have said the same.
    for (const entry of this.#entries.filter(isNew)) {
      this.#dealtWithAhead(entry);
      this.processed += 1;
    }
    const gone = this.#trimAhead().filter(({ durable }) => durable);
    const past = kept.filter(({ seq }) => seq <= this.#acked);
    const keys = [
      ...gone.map(({ seq }) => rowKey(this.#name, seq)),
      ...[...gone, ...past].map(({ seq }) => rowKey(this.#name, seq, DONE)),
    ];
    if (keys.length > 0) await table.batch(keys.map((key) => ({ key })));
  }

  /** Forgets the oldest of what was dealt with, some at a time. */
  #trim(): readonly Entry[] {
    const read = this.#readCount;
    const oldest = this.#components.clock.now() - HISTORY_MS;
    let count = read < HISTORY_MAX + TRIMMED_AT_ONCE ? 0 : read - HISTORY_MAX;
    while (count < read && Date.parse(this.#entries[count]?.message.timestamp ?? '') < oldest) {
      count += 1;
    }
    return this.#remove(0, count + tooLong(this.#entries.slice(count, read)));
  }

  /** The same of what was dealt with before what stands in front of it: that may take for ever. */
  #trimAhead(): readonly Entry[] {
    if (this.#ahead.size === 0) return [];
    const ahead = this.#entries.filter(({ seq }) => this.#ahead.has(seq));
    const over = ahead.length < HISTORY_MAX + TRIMMED_AT_ONCE ? 0 : ahead.length - HISTORY_MAX;
    const oldest = ahead.slice(0, over + tooLong(ahead.slice(over)));
    return oldest.flatMap((entry) => this.#remove(this.#entries.indexOf(entry), 1));
  }

  /** Counts on, up to what has been dealt with. */
  #countRead(): void {
    const seqAt = (at: number): number => this.#entries[at]?.seq ?? Number.POSITIVE_INFINITY;
    while (seqAt(this.#readCount) <= this.#acked) {
      this.#closed(this.#entries[this.#readCount]);
      this.#readCount += 1;
    }
  }

  #nextMessage(waitMs: number, signal: AbortSignal): Promise<void> {
    return waitForNews(this.#wakers, this.#components.clock, { waitMs, signal });
  }
}

/** How many of the oldest go because of their length: all over the bound once there is twice as much. */
function tooLong(history: readonly Entry[]): number {
  let bytes = history.reduce((sum, entry) => sum + entry.bytes, 0);
  if (bytes <= 2 * HISTORY_BYTES_MAX) return 0;
  let count = 0;
  for (; bytes > HISTORY_BYTES_MAX; count += 1) bytes -= history[count]?.bytes ?? bytes;
  return count;
}

/** A message with its room. */
interface Placed extends Incoming {
  readonly key: string;
  /** As it lies on the disk; absent for one that is not written. */
  readonly row: Buffer | undefined;
  readonly bytes: number;
}

function keyIn(sender: string, id: string): string {
  return `${originOf(sender)} ${id}`;
}

function retired(name: string): StarlingError {
  return new StarlingError('STARLING_AGENT_UNKNOWN', `agent ${name} is being retired`, {
    hint: 'see which there are: starling agent list',
    data: { agentId: name, reason: 'unknown' },
  });
}

function full(name: string, why: string): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `no message to agent ${name}: ${why}`, {
    hint: 'send again when it has read some',
    data: { agentId: name, reason: 'full' },
  });
}
