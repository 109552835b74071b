/**
 * The checkpoints that this node has seen, of others and of itself, with the proof where one has signed
 * two histories. Kept of each are the newest, and older ones at growing distances by our own clock, so
 * that nobody gets rid of what was seen of it by signing a lot.
 */
import { StarlingError, systemClock } from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { isSealed } from './checkpoint.ts';
import { isCheckpoint } from './format.ts';
import type { Checkpoint } from './types.ts';

/** Checkpoints kept of one node for being the newest. */
const NEWEST_MAX = 4;
/** Ages in minutes, each twice the one before, up to 91 days; the first one seen of each age is kept. */
const AGES = 17;
const MINUTE_MS = 60_000;
/** Nodes of which any are kept; beyond it, new ones are refused. */
const NODES_MAX = 4096;
/** How long it is remembered that a node has rewritten its log. */
const REWRITE_KEPT_MS = 30 * 86_400_000;

/** What is known of a log that is not what its node has signed. */
export interface Rewrite {
  readonly did: Did;
  /** What it had signed before. */
  readonly before: Checkpoint;
  /** What it has signed since: together the two prove it. Absent where the node says so itself. */
  readonly after?: Checkpoint;
  /** When it was found, ms since the epoch by our clock. */
  readonly foundAt: number;
}

/** What came of a checkpoint. */
export type CheckpointVerdict =
  | { readonly state: 'new' | 'known' }
  /** The node has signed two histories, which nobody knew here yet. */
  | { readonly state: 'conflict'; readonly before: Checkpoint; readonly rewrite: Rewrite };

/** Keeps what nodes have signed. */
export interface CheckpointStore {
  /** Reads what was kept. */
  load(): Promise<void>;
  /**
   * Takes a checkpoint as it came from a peer. Whether its did is a member's is for the caller to
   * know. @throws STARLING_PROTOCOL_VIOLATION when it is none, or its signature does not hold;
   * STARLING_LIMIT_EXCEEDED when there are too many nodes
   */
  add(value: unknown): Promise<CheckpointVerdict>;
  /** What was seen of a node, latest first: for {@link Audit.compareWith} over there. */
  of(did: Did): readonly Checkpoint[];
  /** Nodes of which something was seen. */
  nodes(): readonly Did[];
  /** Keeps that a node itself says that its log is not as `before`; undefined when that is known. */
  confess(before: Checkpoint): Promise<Rewrite | undefined>;
  /** Nodes whose log is not what they signed, as far as it was found in the last 30 days. */
  rewrites(): readonly Rewrite[];
}

interface Seen {
  readonly checkpoint: Checkpoint;
  /** ms since the epoch, by our clock. */
  readonly seenAt: number;
}

interface Page {
  readonly seen: readonly Seen[];
  readonly rewrite?: Rewrite;
}

/** Makes the store of checkpoints over a table of the database. */
export function createCheckpointStore(components: {
  readonly table: Table;
  readonly clock?: Clock;
}): CheckpointStore {
  return new SeenCheckpoints(components.table, components.clock ?? systemClock);
}

class SeenCheckpoints implements CheckpointStore {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #pages = new Map<Did, Page>();
  /** Ends when what was asked for last is kept, or is not; never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  async load(): Promise<void> {
    for await (const [did, bytes] of this.#table.entries()) {
      const page = readPage(did, bytes);
      if (page !== undefined) this.#pages.set(did as Did, page);
    }
  }

  async add(value: unknown): Promise<CheckpointVerdict> {
    // Before the signature: what comes again and again costs next to nothing.
    if (isCheckpoint(value) && this.#isKnown(value)) return { state: 'known' };
    if (!isSealed(value, 'checkpoint')) {
      throw new StarlingError(
        'STARLING_PROTOCOL_VIOLATION',
        'a peer sent a checkpoint of an audit log that does not hold',
      );
    }
    const { seq, hash, at, did, sig } = value;
    return this.#inTurn(() => this.#add({ seq, hash, at, did, sig }));
  }

  async #add(checkpoint: Checkpoint): Promise<CheckpointVerdict> {
    if (this.#isKnown(checkpoint)) return { state: 'known' };
    const { seq, did } = checkpoint;
    const page = this.#page(did);
    if (page === undefined && this.#pages.size >= NODES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `checkpoints of ${NODES_MAX} nodes are kept already`,
      );
    }
    const now = this.#clock.now();
    const before = page?.seen.find((one) => one.checkpoint.seq === seq)?.checkpoint;
    if (before !== undefined) {
      if (page?.rewrite !== undefined) return { state: 'known' };
      const rewrite: Rewrite = { did, before, after: checkpoint, foundAt: now };
      await this.#keep(did, { seen: page?.seen ?? [], rewrite });
      return { state: 'conflict', before, rewrite };
    }
    const seen = thinned([...(page?.seen ?? []), { checkpoint, seenAt: now }], now);
    await this.#keep(did, { ...page, seen });
    return { state: 'new' };
  }

  of(did: Did): readonly Checkpoint[] {
    return (this.#page(did)?.seen ?? [])
      .map(({ checkpoint }) => checkpoint)
      .sort((a, b) => b.seq - a.seq);
  }

  nodes(): readonly Did[] {
    return [...this.#pages.keys()];
  }

  confess(before: Checkpoint): Promise<Rewrite | undefined> {
    return this.#inTurn(() => this.#confess(before));
  }

  async #confess(before: Checkpoint): Promise<Rewrite | undefined> {
    const page = this.#page(before.did);
    if (page === undefined || page.rewrite !== undefined) return undefined;
    const rewrite: Rewrite = { did: before.did, before, foundAt: this.#clock.now() };
    await this.#keep(before.did, { ...page, rewrite });
    return rewrite;
  }

  rewrites(): readonly Rewrite[] {
    return this.nodes().flatMap((did) => this.#page(did)?.rewrite ?? []);
  }

  #isKnown({ did, seq, hash }: Checkpoint): boolean {
    const page = this.#page(did);
    const { after } = page?.rewrite ?? {};
    if (after?.seq === seq && after.hash === hash) return true;
    return (
      page?.seen.some(({ checkpoint }) => checkpoint.seq === seq && checkpoint.hash === hash) ??
      false
    );
  }

  /** Once a rewrite is forgotten, so is what was seen before it: else it would be found again. */
  #page(did: Did): Page | undefined {
    const page = this.#pages.get(did);
    if (page?.rewrite === undefined) return page;
    const { foundAt } = page.rewrite;
    if (this.#clock.now() < foundAt + REWRITE_KEPT_MS) return page;
    const later = { seen: page.seen.filter(({ seenAt }) => seenAt > foundAt) };
    this.#pages.set(did, later);
    return later;
  }

  async #keep(did: Did, page: Page): Promise<void> {
    await this.#table.put(did, Buffer.from(JSON.stringify(page)));
    this.#pages.set(did, page);
  }

  /** One after the other: each adds to what the one before has kept. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** The newest, and of each age the one that was seen first. */
function thinned(all: readonly Seen[], now: number): readonly Seen[] {
  const newest = all.toSorted((a, b) => b.checkpoint.seq - a.checkpoint.seq).slice(0, NEWEST_MAX);
  const kept = new Set(newest);
  const ages = new Set<number>();
  for (const one of all.toSorted((a, b) => a.seenAt - b.seenAt)) {
    const minutes = Math.max(1, (now - one.seenAt) / MINUTE_MS);
    const age = Math.min(AGES, Math.floor(Math.log2(minutes)));
    if (ages.has(age)) continue;
    ages.add(age);
    kept.add(one);
  }
  // In the order in which they came: of those of one moment the first is kept.
  return all.filter((one) => kept.has(one));
}

/** A row that can't be read counts as none: it is evidence against nobody. */
function readPage(did: string, bytes: Uint8Array): Page | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { seen, rewrite } = (value ?? {}) as Partial<Page>;
  if (!Array.isArray(seen)) return undefined;
  const isOf = (one: unknown): boolean => isCheckpoint(one) && one.did === did;
  const isRewrite = rewrite !== undefined && isOf(rewrite.before) && rewrite.did === did;
  return {
    seen: (seen as readonly Seen[]).filter(
      (one) => isOf(one.checkpoint) && Number.isFinite(one.seenAt),
    ),
    ...(isRewrite ? { rewrite } : {}),
  };
}
