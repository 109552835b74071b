/**
 * Makes a board equal at two peers over a stream of `/starling/board/2`. Whoever opens it asks:
 *
 *   digests(ours)                        -> digests(theirs)            which boards differ?
 *   state(board, vector, digest)         -> done(digest)               equal already
 *   state(board, vector, digest)         -> update*, state             what we lack, what they have
 *   access(records), state               -> access(records), update*…  of a board that is not open
 *     update*                            -> done(digest)               what they lack; the end
 *   leave(board, vector)                 -> kept(yes or no)            of a board that is held on demand
 *
 * Updates come in pieces, and what has come can be read. All is applied and on disk before `done` is said. The stream ends with the sync: an idle stream
 * for each peer and board would cost more than opening one when digests differ.
 */
import { StarlingError, createBuckets, messageOf, pause } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId } from '../../core/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import type { BoardAccess } from '../access/board-access.ts';
import { creatorIn } from '../board-id.ts';
import { digestOf } from '../board/board.ts';
import type { OpenBoard } from '../board/board.ts';
import type { AccessMessage, Digests, StateMessage, UpdateMessage } from './codec.ts';
import type { ApplyResult } from '../document/document-types.ts';
import type { ComingBoards } from './coming-boards.ts';
import { createSlices } from '../disk/slices.ts';
import { createSyncConversation } from './sync-conversation.ts';
import type { SyncConversation } from './sync-conversation.ts';
import { encodeVector } from '../lanes/update.ts';

/** The protocol of one board's sync. */
export const BOARD_PROTOCOL = '/starling/board/2';

/** Our boards, as a sync sees them. */
export interface SyncedBoards {
  digests(): Digests;
  /** A board that is here already. */
  find(name: string): OpenBoard | undefined;
  /** Writes and applies an update of `peer`, to a board that may be new here. Never rejects. */
  take(name: string, update: Uint8Array, peer: PeerId): Promise<ApplyResult>;
  /** By what the board is judged here; undefined of an open one. */
  access(name: string): BoardAccess | undefined;
  /** Keeps what of `records` counts. Rejects when the disk refuses that. */
  learn(name: string, records: readonly string[], peer: PeerId): Promise<void>;
  /** Whether `peer` may have the board. */
  mayHave(name: string, peer: PeerId): boolean;
  /** The records that tell `peer` that it lost its right, if it had one. */
  goodbye(name: string, peer: PeerId): readonly string[];
  /** Whether this node answers for what others wrote: who may only read does not. */
  answersForOthers(name: string): boolean;
  /** Whether entries of a board belong here now: of one that is held on demand while it is used. */
  isHeld(name: string): boolean;
  /** A peer that asks for entries of a board that is held on demand holds it from now on. */
  isHolder(name: string, peer: PeerId): void;
  /** Whether all that a peer has of a board that is held on demand is here, and stays. */
  keeps(name: string, vector: Uint8Array): Promise<boolean>;
}

/** What a sync works with. */
export interface BoardSyncComponents {
  readonly network: Pick<Network, 'open' | 'report'>;
  readonly boards: SyncedBoards;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Is told how far boards are that come in. */
  readonly coming: ComingBoards;
  /** Hears that a sync that a peer asked for begins; what is returned is called at its end. */
  serving(peer: PeerId, board: string): () => void;
  /** Hears that a sync that a peer asked for went well. */
  served(peer: PeerId, board: string): void;
}

/** Syncs boards with peers, asked for by us or by them. */
export interface BoardSync {
  /** The digests of `peer`'s boards. Rejects when the peer can't be asked. */
  askDigests(peer: PeerId): Promise<Digests>;
  /**
   * Syncs one board; false when neither side got any further and they still differ, as when one
   * is full. Rejects when the stream fails.
   */
  sync(peer: PeerId, board: string): Promise<boolean>;
  /**
   * Whether a peer has all that is here of a board that is held on demand, and stays. Rejects when the peer
   * can't be asked.
   */
  askToKeep(peer: PeerId, board: string): Promise<boolean>;
  /** Serves a sync that a peer asked for. */
  serve(stream: PeerStream): void;
  /** Ends every sync. */
  stop(): void;
}

const IDLE_TIMEOUT_MS = 15_000;
const TOTAL_TIMEOUT_MS = 120_000;
/**
 * Syncs that peers asked for and that run at once; the streams of others wait their turn, unread.
 * Higher repairs a mesh sooner after a partition, lower leaves more of the node to calls.
 */
const SERVED_MAX = 8;
const SERVED_PER_PEER_MAX = 2;
const QUEUED_MAX = 256;
const QUEUED_PER_PEER_MAX = 16;
/** Syncs that one peer may ask for: one for each board when two meet, and repairs. */
const ASKED = { burst: 200, everyMs: 250 } as const;
/** Bytes that one peer is sent at once: as many as a newcomer lacks of many boards. */
const SENT_AT_ONCE_BYTES = 128 * 1024 * 1024;
/**
 * Bytes that it is sent a second then. Higher: newcomers of large meshes have all sooner; lower: who asks for all of a board again and
 * again costs less.
 */
const SENT_A_SECOND_BYTES = 16 * 1024 * 1024;
const SENT = { burst: SENT_AT_ONCE_BYTES, everyMs: 1000 / SENT_A_SECOND_BYTES } as const;
const BLANK_VECTOR = encodeVector([]);
/** From so many changes on the receiver is told how many come. */
const TOLD_MIN = 1000;
/** So much of what came is written while more is read: as much again at the most waits for the disk then. */
const UNWRITTEN_BYTES_MAX = 256 * 1024;
/** A call takes several turns of the event loop, each of which may wait for a slice; and the first piece need not wait for the next ones. */
const SENDING_SLICE_MS = 2;
const NOTHING = new Uint8Array(0);

/** Makes the sync of this node. `updateBytesMax` bounds what one sync may bring. */
export function createBoardSync(
  components: BoardSyncComponents,
  init: { readonly updateBytesMax: number },
): BoardSync {
  return new StreamSync(components, init.updateBytesMax);
}

class StreamSync implements BoardSync {
  readonly #components: BoardSyncComponents;
  readonly #updateBytesMax: number;
  /** Every open stream, with how to end it. */
  readonly #open = new Set<(error: Error) => void>();
  readonly #served = new Map<PeerId, number>();
  readonly #asked: Buckets;
  readonly #sent: Buckets;
  #servedCount = 0;
  #queue: PeerStream[] = [];

  constructor(components: BoardSyncComponents, updateBytesMax: number) {
    this.#components = components;
    this.#updateBytesMax = updateBytesMax;
    this.#asked = createBuckets(components.clock, ASKED);
    this.#sent = createBuckets(components.clock, SENT);
  }

  askDigests(peer: PeerId): Promise<Digests> {
    return this.#ask(peer, async (conversation) => {
      await conversation.send({ t: 'digests', digests: this.#components.boards.digests() });
      return (await conversation.next('digests')).digests;
    });
  }

  sync(peer: PeerId, board: string): Promise<boolean> {
    return this.#ask(peer, async (conversation) => {
      const before = this.#digest(board);
      const isOpen = creatorIn(board) === undefined;
      if (!isOpen) await conversation.send(this.#access(board));
      await conversation.send(this.#state(board));
      if (!isOpen) await this.#learn(conversation, board, await conversation.next('access'));
      const answer = await conversation.next('update', 'done');
      if (answer.t === 'done') return true;
      await this.#takeAll(conversation, board, answer);
      const theirs = await conversation.next('state');
      this.#checkMayHave(conversation.peer, board);
      await this.#sendAll(conversation, theirs);
      await this.#components.boards.find(board)?.flushed();
      const { digest } = await conversation.next('done');
      const after = this.#digest(board);
      return digest === after || after !== before || digest !== theirs.digest;
    });
  }

  askToKeep(peer: PeerId, board: string): Promise<boolean> {
    return this.#ask(peer, async (conversation) => {
      const { vector } = this.#state(board);
      await conversation.send({ t: 'leave', board, vector });
      return (await conversation.next('kept')).isKept;
    });
  }

  serve(stream: PeerStream): void {
    const waiting = this.#queue.filter((queued) => queued.peer === stream.peer).length;
    const isOver = !this.#asked.take(stream.peer);
    if (isOver) this.#components.network.report(stream.peer, 'boards');
    if (isOver || this.#queue.length >= QUEUED_MAX || waiting >= QUEUED_PER_PEER_MAX) {
      stream.abort(
        new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many syncs of boards wait here'),
      );
      return;
    }
    this.#queue.push(stream);
    const abort = (error: Error): void => stream.abort(error);
    this.#open.add(abort);
    stream.onEnd(() => {
      this.#open.delete(abort);
      this.#queue = this.#queue.filter((queued) => queued !== stream);
    });
    this.#serveNext();
  }

  stop(): void {
    this.#queue = [];
    const stopped = new StarlingError('STARLING_STOPPED', 'this node is stopping');
    for (const abort of this.#open) abort(stopped);
    this.#open.clear();
  }

  async #ask<T>(peer: PeerId, work: (conversation: SyncConversation) => Promise<T>): Promise<T> {
    const opening = new AbortController();
    const cancel = this.#components.clock.schedule(IDLE_TIMEOUT_MS, () =>
      opening.abort(new StarlingError('STARLING_TIMEOUT', `${peer} does not open a stream`)),
    );
    const abort = (error: Error): void => opening.abort(error);
    this.#open.add(abort);
    let stream: PeerStream;
    try {
      stream = await this.#components.network.open(peer, BOARD_PROTOCOL, {
        signal: opening.signal,
      });
    } finally {
      cancel();
      this.#open.delete(abort);
    }
    return this.#converse(stream, work);
  }

  /** Runs `work` on a stream and ends the stream, well or badly. */
  async #converse<T>(
    stream: PeerStream,
    work: (conversation: SyncConversation) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#components;
    const conversation = createSyncConversation(stream, clock, {
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      updateBytesMax: this.#updateBytesMax,
    });
    const abort = (error: Error): void => conversation.abort(error);
    const cancel = clock.schedule(TOTAL_TIMEOUT_MS, () =>
      abort(
        new StarlingError('STARLING_TIMEOUT', `a sync with ${conversation.peer} took too long`),
      ),
    );
    this.#open.add(abort);
    try {
      const result = await work(conversation);
      await conversation.close();
      return result;
    } catch (error) {
      abort(error instanceof Error ? error : new Error(messageOf(error)));
      throw error;
    } finally {
      cancel();
      this.#open.delete(abort);
    }
  }

  #serveNext(): void {
    if (this.#servedCount >= SERVED_MAX) return;
    const index = this.#queue.findIndex(
      (queued) => (this.#served.get(queued.peer) ?? 0) < SERVED_PER_PEER_MAX,
    );
    const [stream] = index === -1 ? [] : this.#queue.splice(index, 1);
    if (stream === undefined) return;
    const { peer } = stream;
    this.#servedCount += 1;
    this.#served.set(peer, (this.#served.get(peer) ?? 0) + 1);
    this.#converse(stream, (conversation) => this.#answer(conversation))
      .catch((error: unknown) =>
        // Not lost: the next heartbeat shows that the boards differ.
        this.#components.logger.debug({ peer, error: messageOf(error) }, 'board not synced'),
      )
      .finally(() => {
        this.#servedCount -= 1;
        const left = (this.#served.get(peer) ?? 1) - 1;
        if (left > 0) this.#served.set(peer, left);
        else this.#served.delete(peer);
        this.#serveNext();
      });
    this.#serveNext();
  }

  async #answer(conversation: SyncConversation): Promise<void> {
    const { boards } = this.#components;
    const first = await conversation.next('digests', 'state', 'access', 'leave');
    if (first.t === 'digests') {
      await conversation.send({ t: 'digests', digests: boards.digests() });
      return;
    }
    if (first.t === 'leave') {
      this.#checkMayHave(conversation.peer, first.board);
      const isKept = await boards.keeps(first.board, first.vector);
      await conversation.send({ t: 'kept', isKept });
      return;
    }
    const asked = first.t === 'access' ? await this.#admit(conversation, first) : first;
    const { board } = asked;
    if (board !== first.board || (first.t === 'state') !== (creatorIn(board) === undefined)) {
      throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'this is no question about a board');
    }
    const end = this.#components.serving(conversation.peer, board);
    try {
      await this.#makeEqual(conversation, asked);
      this.#components.served(conversation.peer, board);
    } finally {
      end();
    }
  }

  /** Sends to whoever asks what that one lacks, and takes what it has. */
  async #makeEqual(conversation: SyncConversation, asked: StateMessage): Promise<void> {
    const { board } = asked;
    const digest = this.#digest(board);
    if (asked.digest !== digest && this.#isForBoth(conversation.peer, asked)) {
      await this.#sendAll(conversation, asked);
      await conversation.send(this.#state(board));
      await this.#takeAll(conversation, board, await conversation.next('update'));
      await this.#components.boards.find(board)?.flushed();
    }
    await conversation.send({ t: 'done', digest: this.#digest(board) });
  }

  /** Whether entries of a board belong at both ends; who does not hold one that is held on demand has heard its records. */
  #isForBoth(peer: PeerId, { board, holds }: StateMessage): boolean {
    const { boards } = this.#components;
    if (boards.access(board)?.isOnDemand !== true) return true;
    if (holds !== true || !boards.isHeld(board)) return false;
    boards.isHolder(board, peer);
    return true;
  }

  /** Hears by what a peer judges a board that is not open, and says the same; gives what it has of the board. */
  async #admit(conversation: SyncConversation, theirs: AccessMessage): Promise<StateMessage> {
    const { boards } = this.#components;
    const { peer } = conversation;
    const { board } = theirs;
    await this.#learn(conversation, board, theirs);
    const asked = await conversation.next('state');
    if (boards.mayHave(board, peer)) {
      await conversation.send(this.#access(board, theirs.records));
      return asked;
    }
    // Whoever had a right hears that it is gone.
    await conversation.send({ t: 'access', board, records: boards.goodbye(board, peer) });
    await conversation.close();
    throw refusedTo(peer, board);
  }

  async #learn(
    { peer }: SyncConversation,
    board: string,
    { board: named, records }: AccessMessage,
  ): Promise<void> {
    if (named !== board || creatorIn(board) === undefined) {
      throw new StarlingError('STARLING_PROTOCOL_VIOLATION', `${peer} speaks of another board`);
    }
    await this.#components.boards.learn(board, records, peer);
  }

  #access(board: string, known: readonly string[] = []): AccessMessage {
    const records = this.#components.boards.access(board)?.records ?? [];
    return { t: 'access', board, records: records.filter((one) => !known.includes(one)) };
  }

  /** @throws STARLING_BOARD_REFUSED */
  #checkMayHave(peer: PeerId, board: string): void {
    if (!this.#components.boards.mayHave(board, peer)) throw refusedTo(peer, board);
  }

  /** Applies `first` and what follows it. */
  async #takeAll(
    conversation: SyncConversation,
    board: string,
    first: UpdateMessage,
  ): Promise<void> {
    const { of = 0 } = first;
    const coming = this.#components.coming.begin(board, conversation.peer, of);
    const before = this.#changesOf(board);
    try {
      await this.#takeEach(conversation, board, first, () =>
        coming?.has(this.#changesOf(board) - before),
      );
    } finally {
      coming?.end();
    }
  }

  async #takeEach(
    conversation: SyncConversation,
    board: string,
    first: UpdateMessage,
    taken: () => void,
  ): Promise<void> {
    const judgedBy = this.#components.boards.access(board)?.state;
    const slices = createSlices();
    let before: Promise<unknown> = Promise.resolve();
    let taking: Promise<void>[] = [];
    let bytes = 0;
    for (let message = first; ; message = await conversation.next('update')) {
      const took = this.#take(conversation, board, message.update, judgedBy).then(taken);
      // Whoever reads on hears of a refusal, here or once all has come.
      took.catch(() => undefined);
      taking.push(took);
      bytes += message.update.length;
      if (!message.more) break;
      await slices.next();
      if (bytes < UNWRITTEN_BYTES_MAX) continue;
      await before;
      before = Promise.all(taking);
      before.catch(() => undefined);
      taking = [];
      bytes = 0;
    }
    await Promise.all([before, ...taking]);
  }

  #changesOf(board: string): number {
    return this.#components.boards.find(board)?.document.changes ?? 0;
  }

  async #take(
    { peer }: SyncConversation,
    board: string,
    update: Uint8Array,
    judgedBy: string | undefined,
  ): Promise<void> {
    if (update.length === 0) return;
    const { boards, network, logger } = this.#components;
    const result = await boards.take(board, update, peer);
    if (result === 'unwritten') {
      throw new StarlingError('STARLING_STATE_UNUSABLE', `the disk does not take ${board} now`);
    }
    if (result === 'unpermitted') {
      // Both know the same records: unless these have changed meanwhile, the peer knows that this must not be.
      if (boards.access(board)?.state === judgedBy) {
        network.report(peer, 'unpermitted');
        logger.warn(
          { peer, board },
          'entries of a board by a writer without the right are refused',
        );
      }
      throw new StarlingError('STARLING_BOARD_REFUSED', `${peer} sent what nobody may write there`);
    }
    if (result !== 'malformed') return;
    throw new StarlingError(
      'STARLING_PROTOCOL_VIOLATION',
      `${peer} sent what is no update of a board`,
    );
  }

  /** Sends what they lack, in pieces. */
  async #sendAll(conversation: SyncConversation, theirs: StateMessage): Promise<void> {
    const slices = createSlices(SENDING_SLICE_MS);
    let last: Uint8Array = NOTHING;
    const of = this.#components.boards.find(theirs.board)?.document.missingAt(theirs.vector) ?? 0;
    const told = of < TOLD_MIN ? {} : { of };
    for (const piece of this.#diff(theirs)) {
      if (last.length > 0) {
        await conversation.send({ t: 'update', update: last, more: true, ...told });
      }
      last = piece;
      const waitMs = this.#sent.charge(conversation.peer, piece.length);
      if (waitMs > 0) await pause(this.#components.clock, waitMs);
      await slices.next();
    }
    await conversation.send({ t: 'update', update: last, more: false });
  }

  #diff({ board, vector, digest }: StateMessage): Iterable<Uint8Array> {
    const ours = this.#components.boards.find(board);
    if (ours === undefined || digest === this.#digest(board)) return [];
    const pieces = ours.document.diff(vector, !this.#components.boards.answersForOthers(board));
    if (pieces !== undefined) return pieces;
    throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'this is no state vector');
  }

  #state(board: string): StateMessage {
    const ours = this.#components.boards.find(board);
    const vector = ours?.document.vector() ?? BLANK_VECTOR;
    const isWanted = ours?.access?.isOnDemand === true && this.#components.boards.isHeld(board);
    const holds = isWanted ? { holds: true as const } : {};
    return { t: 'state', board, vector, digest: this.#digest(board), ...holds };
  }

  /** Empty for a board that holds nothing here. */
  #digest(board: string): string {
    return digestOf(this.#components.boards.find(board));
  }
}

function refusedTo(peer: PeerId, board: string): StarlingError {
  return new StarlingError('STARLING_BOARD_REFUSED', `${peer} may not read the board ${board}`);
}
