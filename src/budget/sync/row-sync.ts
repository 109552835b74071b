/**
 * Carries rows of budgets between members: on a new link each says the digest of all, and who differs exchanges, budget
 * by budget, what the other lacks. A node's own rows go to the other owners at once, many changes in one frame. Nothing
 * of this node's leaves before it has heard what the other has: a later row of its own may be among that.
 */
import { createHash } from 'node:crypto';
import {
  StarlingError,
  createBuckets,
  createScope,
  messageOf,
  unawaited,
  withDeadline,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import type { Books } from '../books/book-types.ts';
import { Exchange, hashOf, namesOf } from './row-exchange.ts';
import { decodeBudgetMessage, encodeBudgetMessage } from './row-messages.ts';

const PROTOCOL = '/starling/budgets/1';
/** Frames: the digest of all rows, and rows that are new. */
const DIGEST = 'budget-digest';
const ROWS = 'budget-rows';
const DIGEST_LENGTH = 22;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const FRAME_BYTES = 56 * 1024;
const SYNC_TIMEOUT_MS = 60_000;
/** Changes within this time go out together. More = an exhausted node hears later of what it was given. */
const TELL_PAUSE_MS = 50;
/** After changes members that are no owners, and those that missed a frame, find out by the digest. */
const DIGEST_PAUSE_MS = 15_000;
/** What one peer may have us do: syncs, and frames of rows. */
const SERVED = { burst: 30, everyMs: 1000 } as const;
const FRAMES = { burst: 200, everyMs: 20 } as const;
/** Between two syncs with one peer that digests ask for. */
const SYNC_PAUSE_MS = 2000;
/** Where there are budgets, all peers are told the digest so often: one that was lost, or came too early, is made up for. */
const DIGEST_EVERY_MS = 60_000;
/** What a sync did not bring is asked for again after this, twice as long each time. */
const AGAIN_MS = 500;
/** Rows signed in one go for others; more wait for the next. */
const TOLD_MAX = 100;
/** Rows of a frame that count as one frame. */
const ROWS_A_FRAME = 128;

/** What the sync works with. */
export interface RowSyncComponents {
  readonly network: Network;
  readonly books: Books;
  /** Whom rows of a budget are told at once. */
  readonly ownersOf: (rowId: string) => readonly PeerId[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The sync between start and stop. */
export interface RowSync {
  start(): void;
  stop(): void;
  /** Exchanges rows with a peer now. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  sync(peer: PeerId): Promise<void>;
  /** Hash over all rows that this node has. */
  digest(): string;
}

/** Neither protocol nor frames are heard before `start`. */
export function createRowSync(components: RowSyncComponents): RowSync {
  return new RowCarrier(components);
}

class RowCarrier implements RowSync {
  readonly #components: RowSyncComponents;
  readonly #served: Buckets;
  readonly #frames: Buckets;
  readonly #digests = new Map<string, string>();
  #digest: string | undefined;
  /** Peers with which this node has exchanged rows since they were connected. */
  readonly #met = new Set<PeerId>();
  readonly #syncing = new Map<PeerId, Promise<void>>();
  readonly #syncedAt = new Map<PeerId, number>();
  /** Peers that are asked again, and after what time. */
  readonly #again = new Map<PeerId, { afterMs: number; isDue: boolean }>();
  #untold = new Set<string>();
  #isTelling = false;
  #isDigestDue = false;
  #scope: Scope | undefined;

  constructor(components: RowSyncComponents) {
    this.#components = components;
    this.#served = createBuckets(components.clock, SERVED);
    this.#frames = createBuckets(components.clock, FRAMES);
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const { books, network, clock } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    const linked = (peer: PeerId): void => this.#tellDigest(peer);
    const lost = (peer: PeerId): void => {
      this.#again.delete(peer);
      this.#met.delete(peer);
      this.#syncedAt.delete(peer);
    };
    const own = (rowIds: readonly string[]): void => this.#changed(rowIds, true);
    const others = (rowIds: readonly string[]): void => this.#changed(rowIds, false);
    const forgotten = (rowIds: readonly string[]): void => this.#forgot(rowIds);
    network.events.on('peer:connect', linked);
    network.events.on('peer:disconnect', lost);
    books.events.on('own', own);
    books.events.on('others', others);
    books.events.on('forgotten', forgotten);
    scope.add(() => {
      network.events.off('peer:connect', linked);
      network.events.off('peer:disconnect', lost);
      books.events.off('own', own);
      books.events.off('others', others);
      books.events.off('forgotten', forgotten);
    });
    scope.add(network.onFrame(DIGEST, (bytes, from) => this.#heardDigest(bytes, from)));
    scope.add(network.onFrame(ROWS, (bytes, from) => this.#heardRows(bytes, from)));
    scope.add(network.handle(PROTOCOL, (stream) => this.#serve(stream)));
    for (const peer of network.connected()) linked(peer);
    this.#tellAgain();
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#met.clear();
    this.#untold.clear();
    this.#isTelling = false;
    this.#isDigestDue = false;
    this.#again.clear();
  }

  sync(peer: PeerId): Promise<void> {
    const under = this.#syncing.get(peer);
    if (under !== undefined) return under;
    const { clock, network } = this.#components;
    this.#syncedAt.set(peer, clock.now());
    const done = withDeadline(clock, SYNC_TIMEOUT_MS, (signal) =>
      network.open(peer, PROTOCOL, { signal }),
    )
      .then((stream) => this.#exchange(stream))
      .finally(() => this.#syncing.delete(peer));
    this.#syncing.set(peer, done);
    return done;
  }

  digest(): string {
    if (this.#digest === undefined) {
      const hash = createHash('sha256');
      for (const rowId of this.#rowIds()) hash.update(`${rowId} ${this.#digestOf(rowId)}\n`);
      this.#digest = hash.digest('base64url').slice(0, DIGEST_LENGTH);
    }
    return this.#digest;
  }

  #rowIds(): readonly string[] {
    return [...this.#components.books.rowIds()].toSorted();
  }

  #digestOf(rowId: string): string {
    const known = this.#digests.get(rowId);
    if (known !== undefined) return known;
    const names = namesOf(this.#components.books.names(rowId)).map((name) => name.join(' '));
    const fresh = hashOf(names.toSorted().join('\n'));
    this.#digests.set(rowId, fresh);
    return fresh;
  }

  #forgot(rowIds: readonly string[]): void {
    this.#digest = undefined;
    for (const rowId of rowIds) {
      this.#digests.delete(rowId);
      this.#untold.delete(rowId);
    }
  }

  #changed(rowIds: readonly string[], isOwn: boolean): void {
    this.#digest = undefined;
    for (const rowId of rowIds) {
      this.#digests.delete(rowId);
      if (isOwn) this.#untold.add(rowId);
    }
    const scope = this.#scope;
    if (scope === undefined) return;
    if (isOwn) this.#tellSoon();
    if (this.#isDigestDue) return;
    this.#isDigestDue = true;
    scope.after(DIGEST_PAUSE_MS, () => {
      this.#isDigestDue = false;
      for (const peer of this.#components.network.connected()) this.#tellDigest(peer);
    });
  }

  /** Also where nothing has changed. */
  #tellAgain(): void {
    this.#scope?.after(DIGEST_EVERY_MS, () => {
      const { books, network } = this.#components;
      if (books.count() > 0) for (const peer of network.connected()) this.#tellDigest(peer);
      this.#tellAgain();
    });
  }

  /** Who joins hears of budgets before it knows all members; whose budgets were left out then are asked for again. */
  #askAgain(peer: PeerId): void {
    const known = this.#again.get(peer) ?? { afterMs: AGAIN_MS, isDue: false };
    if (known.isDue) return;
    this.#again.set(peer, { afterMs: Math.min(DIGEST_EVERY_MS, known.afterMs * 2), isDue: true });
    this.#scope?.after(known.afterMs, () => {
      const due = this.#again.get(peer);
      if (due === undefined) return;
      due.isDue = false;
      if (this.#components.network.isConnected(peer)) this.#syncQuietly(peer);
    });
  }

  #syncQuietly(peer: PeerId): void {
    this.sync(peer).catch((error: unknown) => {
      this.#components.logger.debug({ peer, error: messageOf(error) }, 'budgets not synced');
      this.#askAgain(peer);
    });
  }

  #tellSoon(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#scope?.after(TELL_PAUSE_MS, () => this.#tell());
  }

  /** New rows of this node, to those owners who have said what they have. */
  #tell(): void {
    const { books, network, ownersOf, logger } = this.#components;
    this.#isTelling = false;
    const rowIds = [...this.#untold].slice(0, TOLD_MAX);
    for (const rowId of rowIds) this.#untold.delete(rowId);
    if (this.#untold.size > 0) this.#tellSoon();
    const isThere = (peer: PeerId): boolean => this.#met.has(peer) && network.isConnected(peer);
    // What nobody can be told now is not signed for nothing.
    const told = rowIds
      .map((rowId) => ({ rowId, peers: ownersOf(rowId).filter(isThere) }))
      .filter(({ peers }) => peers.length > 0);
    signTogether(
      books,
      told.map(({ rowId }) => rowId),
      logger,
    );
    const forPeer = new Map<PeerId, string[]>();
    for (const { rowId, peers } of told) {
      const jws = ownTextOf(books, rowId, logger);
      if (jws === undefined) continue;
      for (const peer of peers) {
        const texts = forPeer.get(peer);
        if (texts === undefined) forPeer.set(peer, [jws]);
        else texts.push(jws);
      }
    }
    for (const [peer, texts] of forPeer) {
      for (const jws of batchesOf(texts, FRAME_BYTES)) {
        network
          .sendFrame(peer, ROWS, encodeBudgetMessage({ t: 'rows', jws }))
          // The digest tells that peer that it lacks them.
          .catch((error: unknown) =>
            logger.debug({ peer, error: messageOf(error) }, 'a peer was not told new rows'),
          );
      }
    }
  }

  #tellDigest(peer: PeerId): void {
    const { logger, network } = this.#components;
    const told = network.sendFrame(peer, DIGEST, Buffer.from(this.digest(), 'latin1'));
    unawaited(told, logger, 'a peer was not told which budgets are here', { peer });
  }

  #heardDigest(bytes: Uint8Array, peer: PeerId): void {
    const { clock, network } = this.#components;
    if (!this.#frames.take(peer)) return network.report(peer, 'records');
    const theirs = Buffer.from(bytes).toString('latin1').slice(0, DIGEST_LENGTH);
    if (theirs === this.digest()) {
      this.#met.add(peer);
      return;
    }
    const since = clock.now() - (this.#syncedAt.get(peer) ?? -Infinity);
    const isBeforeLong = since >= 0 && since < SYNC_PAUSE_MS;
    // Of two that differ one asks at once; the other only where nothing has come of that.
    const waitMs = network.self < peer ? 0 : SYNC_PAUSE_MS;
    if (isBeforeLong) return undefined;
    this.#scope?.after(waitMs, () => {
      const ago = clock.now() - (this.#syncedAt.get(peer) ?? -Infinity);
      if (ago >= 0 && ago < waitMs) return;
      this.#syncQuietly(peer);
    });
    return undefined;
  }

  #heardRows(bytes: Uint8Array, peer: PeerId): void {
    const { books, logger, network } = this.#components;
    const message = decodeBudgetMessage(bytes);
    if (message?.t !== 'rows' || !this.#frames.take(peer)) {
      return network.report(peer, message?.t === 'rows' ? 'records' : 'malformed');
    }
    this.#frames.charge(peer, message.jws.length / ROWS_A_FRAME);
    books
      .take(message.jws)
      .catch((error: unknown) => logger.warn({ error: messageOf(error) }, 'rows not written'));
    return undefined;
  }

  #serve(stream: PeerStream): void {
    const { logger, network } = this.#components;
    const { peer } = stream;
    if (!this.#served.take(peer)) {
      network.report(peer, 'records');
      stream.abort(new StarlingError('STARLING_RATE_LIMITED', 'too many syncs of budgets'));
      return;
    }
    this.#syncedAt.set(peer, this.#components.clock.now());
    this.#exchange(stream).catch((error: unknown) =>
      logger.debug({ peer, error: messageOf(error) }, 'budgets not synced'),
    );
  }

  /** Both sides do the same: what they have, lists of what differs, the rows that the other lacks, and the end. */
  #exchange(stream: PeerStream): Promise<void> {
    const { clock } = this.#components;
    return new Promise((resolve, reject) => {
      const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
      const exchange = new Exchange(channel, stream, this.#components, (rowId) =>
        this.#digestOf(rowId),
      );
      const cancel = clock.schedule(SYNC_TIMEOUT_MS, () =>
        channel.abort(new StarlingError('STARLING_TIMEOUT', 'the sync of budgets took too long')),
      );
      channel.onEnd((error) => {
        cancel();
        if (error !== undefined) return reject(error);
        exchange.taken.then(() => {
          this.#met.add(stream.peer);
          if (exchange.hadStrangers) this.#askAgain(stream.peer);
          else this.#again.delete(stream.peer);
          resolve();
        }, reject);
        return undefined;
      });
      channel.onMessage((bytes) => exchange.hear(bytes));
      exchange.begin(this.#rowIds());
    });
  }
}

/** One that can not be signed is told of when it is asked for alone. */
function signTogether(books: Books, rowIds: readonly string[], logger: Logger): void {
  try {
    books.sign(rowIds);
  } catch (error) {
    logger.warn({ error: messageOf(error) }, 'rows of budgets were not signed together');
  }
}

function ownTextOf(books: Books, rowId: string, logger: Logger): string | undefined {
  try {
    return books.texts(rowId).find(({ owner }) => owner === books.self)?.jws;
  } catch (error) {
    logger.warn({ rowId, error: messageOf(error) }, 'a row of a budget can not be signed');
    return undefined;
  }
}

function batchesOf(texts: readonly string[], bytesMax: number): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let bytes = Infinity;
  for (const text of texts) {
    if (bytes + text.length > bytesMax) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(text);
    bytes += text.length + 8;
  }
  return batches;
}
