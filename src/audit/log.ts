/**
 * The audit log: takes entries off the call path, has them written in groups, signs checkpoints, begins new
 * segments and removes old ones. When the disk fails it says so at once, and goes on by itself later.
 */
import { EventEmitter } from 'node:events';
import {
  StarlingError,
  createScope,
  ensurePrivateFolder,
  messageOf,
  settledWithin,
  unawaited,
} from '../core/index.ts';
import type { Clock, Did, Health, Logger, Scope } from '../core/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { Batch, BatchInit, Item } from './segments/entry-batch.ts';
import { EntryWrites } from './segments/entry-writes.ts';
import { compareSeen } from './compare-checkpoints.ts';
import { createFeed } from './feed.ts';
import type { Feed } from './feed.ts';
import { bounded } from './format.ts';
import type { Content } from './format.ts';
import { createHeadKeeper } from './segments/head-keeper.ts';
import type { HeadKeeper } from './segments/head-keeper.ts';
import { createLogHealth } from './log-health.ts';
import type { LogHealth } from './log-health.ts';
import { queryLog } from './query.ts';
import { recover } from './segments/recover.ts';
import type { RecoveryNote } from './segments/recover.ts';
import { removeOld } from './segments/retention.ts';
import { openSegment } from './segments/segment-file.ts';
import type { OpenSegment } from './segments/segment-file.ts';
import { createSegmentWriter } from './segments/segment-writer.ts';
import type { SegmentWriter } from './segments/segment-writer.ts';
import type {
  Audit,
  AuditEvents,
  AuditFinding,
  AuditInit,
  AuditPage,
  AuditQuery,
  AuditTail,
  AuditTailRequest,
  AuditVerdict,
  Checkpoint,
} from './types.ts';
import { CHECKPOINT_ENTRIES, verifyLog } from './verify.ts';

const DAY_MS = 86_400_000;
const RETENTION_MS = 90 * DAY_MS;
const SEGMENT_BYTES = 16 * 1024 * 1024;
const CHECKPOINT_MS = 60_000;
/** With `sync: batch`, what the end of the machine may cost. */
const SYNC_MS = 1000;
const RETRY_MS = 1000;
const RETENTION_CHECK_MS = 3_600_000;
/** Entries that may wait for the disk. */
const QUEUE_MAX = 16_384;
const BATCH_BYTES = 256 * 1024;
const STOP_TIMEOUT_MS = 10_000;

/** What the log works with. */
export interface AuditComponents {
  /** Signs checkpoints, of which a busy log has many. */
  readonly identity: FrequentSigner;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
  /** Default: the disk. */
  readonly openSegment?: OpenSegment;
}

/** How the log is kept. */
export interface AuditLogInit {
  /** Made when it is not there; nobody else may write in it. */
  readonly folder: string;
  /** Keys that the node had before, newest first. */
  readonly formerly?: readonly Did[];
  /** Segments whose last entry is older are removed; default 90 days. */
  readonly retentionMs?: number;
  /** A segment that reaches this is ended; default 16 MiB. */
  readonly segmentBytes?: number;
  /**
   * When `append` resolves. `batch` (default): once the entry is the kernel's, which the end of the
   * process can't undo; the end of the machine can undo the last second. `always`: once it is on disk.
   */
  readonly sync?: 'always' | 'batch';
  /** Entries between two checkpoints, at most; default 10000. */
  readonly checkpointEntries?: number;
  /** Time between an entry and the next checkpoint, at most; default 60000. */
  readonly checkpointMs?: number;
}

/** Makes the log of `folder`; nothing is opened before `start`. */
export function createAudit(components: AuditComponents, init: AuditLogInit): Audit {
  return new AuditLog(components, init);
}

class AuditLog implements Audit {
  readonly isOn = true;
  readonly events = new EventEmitter<AuditEvents>();
  readonly #components: AuditComponents;
  readonly #init: AuditLogInit;
  readonly #batches: BatchInit;
  readonly #feed: Feed;
  readonly #health: LogHealth;
  #scope: Scope | undefined;
  #writer: SegmentWriter | undefined;
  #head: HeadKeeper | undefined;
  #checkpoint: Checkpoint | undefined;
  readonly #writes: EntryWrites;
  /** Ends when the checkpoints so far are on disk and told; never rejects. */
  #publishing: Promise<void> = Promise.resolve();
  /** Ends when old segments are removed; never rejects. */
  #removing: Promise<void> = Promise.resolve();
  #isOpen = false;
  #isEnding = false;

  constructor(components: AuditComponents, init: AuditLogInit) {
    this.#components = components;
    this.#init = init;
    const segmentBytes = init.segmentBytes ?? SEGMENT_BYTES;
    const { identity } = components;
    this.#batches = {
      signer: { did: identity.did, sign: (message) => identity.signOften(message) },
      now: () => components.clock.now(),
      checkpointEntries: init.checkpointEntries ?? CHECKPOINT_ENTRIES,
      batchBytes: Math.min(BATCH_BYTES, segmentBytes),
      segmentBytes,
      isFollowed: () => this.#feed.isFollowed(),
    };
    this.#health = createLogHealth({ ...components, folder: init.folder });
    this.#feed = createFeed({
      folder: init.folder,
      clock: components.clock,
      last: () => this.#writes.lastSeq,
    });
    this.#writes = new EntryWrites({
      batches: this.#batches,
      health: this.#health,
      logger: components.logger,
      isOpen: () => this.#isOpen,
      written: (batch) => this.#written(batch),
    });
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger } = this.#components;
    const { folder, checkpointMs = CHECKPOINT_MS } = this.#init;
    await ensurePrivateFolder(folder);
    const { chain, end, head, notes } = await recover(folder);
    this.#head = createHeadKeeper(folder, head);
    const isOurs = head.checkpoint?.did === this.#components.identity.did;
    this.#checkpoint = isOurs ? head.checkpoint : undefined;
    this.#writer = createSegmentWriter({
      folder,
      end,
      openSegment: this.#components.openSegment ?? openSegment,
      clock,
    });
    this.#writes.goOn(this.#writer, chain);
    this.#scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'audit log: a task failed'),
    );
    this.#isOpen = true;
    this.#isEnding = false;
    for (const note of notes) this.#tellFound(note);
    this.#scope.every(checkpointMs, () => this.#mark({ seals: true }));
    this.#scope.every(SYNC_MS, async () => {
      await this.#sync();
    });
    this.#scope.every(RETENTION_CHECK_MS, () => this.#removeOld());
    this.#scope.every(RETRY_MS, () => this.#retry());
    await this.#removeOld();
  }

  async stop(): Promise<void> {
    if (this.#scope === undefined) return;
    const { clock, logger } = this.#components;
    await settledWithin(STOP_TIMEOUT_MS, this.#finish(), clock);
    if (this.#writes.waiting > 0) {
      logger.error({ entries: this.#writes.waiting }, 'audit log: entries could not be written');
    }
    this.#isOpen = false;
    this.#health.reset();
    this.#scope.close();
    this.#scope = undefined;
    this.#feed.stop();
    this.#writes.giveUp(() => this.#refusal());
  }

  healthy(): boolean {
    return this.#isOpen && this.#health.failure === undefined && this.#writes.waiting < QUEUE_MAX;
  }

  append(entry: AuditInit): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.healthy()) return reject(this.#refusal());
      const at = this.#components.clock.now();
      const syncs = this.#init.sync === 'always';
      this.#writes.append({ content: bounded(entry), at, waiter: { resolve, reject }, syncs });
    });
  }

  note(entry: AuditInit): void {
    if (this.#isOpen && this.#writes.waiting < QUEUE_MAX) {
      this.#writes.push({ content: bounded(entry), at: this.#components.clock.now() });
    } else this.#health.lost();
  }

  async flush(): Promise<void> {
    await new Promise<number>((resolve, reject) => {
      if (!this.#isOpen || this.#health.failure !== undefined) return reject(this.#refusal());
      this.#mark({ syncs: true, waiter: { resolve, reject } });
    });
    await this.#publishing;
  }

  query(query: AuditQuery): Promise<AuditPage> {
    return queryLog(this.#init.folder, query);
  }

  tail(request: AuditTailRequest): Promise<AuditTail> {
    return this.#feed.after(request);
  }

  async verify(checkpointsSeen: readonly Checkpoint[] = []): Promise<AuditVerdict> {
    await this.#flushIfPossible();
    return verifyLog(this.#init.folder, {
      did: this.#dids(),
      checkpointsSeen,
      checkpointEntries: this.#batches.checkpointEntries,
    });
  }

  checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  async compareWith(peerCheckpoints: readonly Checkpoint[]): Promise<readonly AuditFinding[]> {
    await this.#flushIfPossible();
    return compareSeen(this.#init.folder, this.#dids(), peerCheckpoints);
  }

  /** What is on the disk can be looked at even while nothing can be added. */
  async #flushIfPossible(): Promise<void> {
    if (!this.healthy()) return;
    try {
      await this.flush();
    } catch (error) {
      this.#components.logger.debug({ error: messageOf(error) }, 'audit log: not flushed');
    }
  }

  #dids(): readonly Did[] {
    return [this.#components.identity.did, ...(this.#init.formerly ?? [])];
  }

  #mark(mark: Pick<Item, 'seals' | 'syncs' | 'waiter'>): void {
    this.#writes.mark({ ...mark, at: this.#components.clock.now() });
  }

  #written(batch: Batch): void {
    if (batch.lines > 0) {
      this.#feed.add(batch.entries, batch.lines);
      this.events.emit('entries', batch.lines);
    }
    const { checkpoint } = batch;
    if (checkpoint !== undefined) {
      this.#publishing = this.#publishing.then(() => this.#publish(checkpoint));
    }
    if (batch.fills) {
      unawaited(this.#removeOld(), this.#components.logger, 'audit log: old segments not removed');
    }
    this.#tellLost();
  }

  /** Nothing is told to peers before it is on disk: else the end of the machine would prove us wrong. */
  async #publish(checkpoint: Checkpoint): Promise<void> {
    if (!(await this.#sync())) return;
    try {
      await this.#head?.save({ checkpoint });
      this.#health.checkpointSaved();
      this.#checkpoint = checkpoint;
      this.events.emit('checkpoint', checkpoint);
    } catch (error) {
      // The entries are safe; the next checkpoint covers these, too.
      this.#health.checkpointUnsaved(error);
    }
  }

  /** Gives whether all that was written is on disk. */
  async #sync(): Promise<boolean> {
    if (this.#health.failure !== undefined) return false;
    try {
      await this.#writer?.sync();
      return true;
    } catch (error) {
      this.#writes.failed(error);
      return false;
    }
  }

  /** Tries the disk again, with an entry that tells of it. */
  #retry(): void {
    if (this.#health.failure === undefined || this.#writes.isUnderWay) return;
    const what = { ability: 'audit/resumed', resource: 'audit:log' };
    const reason = `the log could not be written for ${this.#health.failingForS()} s`;
    this.#writes.tryAgain({ ...this.#ownItem({ what, reason }), probes: true, syncs: true });
  }

  #tellLost(): void {
    const lost = this.#health.takeUntold();
    if (lost === 0) return;
    this.#ownNote({
      what: { ability: 'audit/lost', resource: 'audit:log' },
      reason: `${lost} entries found no room, because they could not be written in time, and are lost`,
    });
  }

  #tellFound(note: RecoveryNote): void {
    this.#health.found(note);
    this.#ownNote({
      what: { ability: note.ability, resource: `audit:${note.file}` },
      reason: note.reason,
    });
  }

  #ownNote(content: Pick<Content, 'what' | 'reason'>): void {
    this.#writes.push(this.#ownItem(content));
  }

  /** An entry by which the log tells of itself. */
  #ownItem(content: Pick<Content, 'what' | 'reason'>): Item {
    const { clock, identity } = this.#components;
    const own: Content = { kind: 'log', who: identity.did, outcome: 'noted', ...content };
    return { content: own, at: clock.now() };
  }

  #removeOld(): Promise<void> {
    this.#removing = this.#removing.then(() => this.#removeOldNow());
    return this.#removing;
  }

  async #removeOldNow(): Promise<void> {
    const head = this.#head;
    if (head === undefined || this.#isEnding || this.#health.failure !== undefined) return;
    const { clock, logger } = this.#components;
    try {
      const removed = await removeOld({
        folder: this.#init.folder,
        signer: this.#batches.signer,
        head,
        now: clock.now(),
        retentionMs: this.#init.retentionMs ?? RETENTION_MS,
      });
      if (removed === undefined) return;
      this.#ownNote({
        what: { ability: 'audit/removed', resource: 'audit:log' },
        reason: `${removed.segments} segments, up to entry ${removed.through}, were removed when their time was over`,
      });
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'audit log: old segments not removed');
    }
  }

  async #finish(): Promise<void> {
    const { logger } = this.#components;
    try {
      // First the removal of old segments, which may still have an entry to write.
      this.#isEnding = true;
      await this.#removing;
      if (this.#health.failure !== undefined) this.#retry();
      else this.#mark({ seals: true, syncs: true });
      await this.#writes.idle();
      this.#isOpen = false;
      await this.#publishing;
      await this.#writer?.close();
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'audit log not closed');
    }
  }

  #refusal(): StarlingError {
    const { failure } = this.#health;
    if (failure !== undefined) return failure;
    return this.#isOpen
      ? new StarlingError(
          'STARLING_AUDIT_UNAVAILABLE',
          `the disk of the audit log can't keep up: ${this.#writes.waiting} entries wait`,
          { hint: 'try again; if it lasts, look at the disk of the state folder' },
        )
      : new StarlingError('STARLING_AUDIT_UNAVAILABLE', 'the audit log is not open', {
          hint: 'start the node, or wait until it has started',
        });
  }
}
