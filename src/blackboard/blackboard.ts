/**
 * All boards of the node. Own writes go to disk, then to everyone by gossip; what gossip lost is
 * found by the digests in heartbeats and repaired by a sync. Every member has a copy of every
 * board that anybody has written to.
 */
import { StarlingError, backoffMs, createBuckets, createScope, messageOf } from '../core/index.ts';
import type { Buckets, Clock, Did, Health, Logger, PeerId, Random, Scope } from '../core/index.ts';
import { didFromPeerId } from '../identity/index.ts';
import type { Network, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { createAntiEntropy } from './anti-entropy.ts';
import type { AntiEntropy } from './anti-entropy.ts';
import { createBoardHandle, exists } from './board-handle.ts';
import { createOpenBoard } from './board.ts';
import type { OpenBoard } from './board.ts';
import { decodeGossip, decodeMessage, digestsOf, encodeMessage } from './codec.ts';
import type { Digests } from './codec.ts';
import { HIDDEN } from './document.ts';
import type { ApplyResult } from './document-types.ts';
import { createBoardHistory } from './history.ts';
import type { BoardHistory } from './history.ts';
import { LIMITS, PEER_SLACK, checkName, invalid, isBoardName } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { readBoards } from './persistence.ts';
import type { BoardRow } from './persistence.ts';
import { BOARD_PROTOCOL, createBoardSync } from './sync.ts';
import type { BoardSync } from './sync.ts';
import type { Blackboard, Board, BoardChange, HistoryBounds } from './types.ts';
import { UPDATE_ALLOWANCE, createUpdateGossip } from './update-gossip.ts';
import type { UpdateGossip } from './update-gossip.ts';

/** What the blackboard works with. */
export interface BlackboardComponents {
  readonly network: Network;
  readonly table: Table;
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Hears of boards that are full; without it a full board is only logged. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** The did of a peer's key; default: as its PeerId says. */
  readonly didOf?: (peer: PeerId) => Did;
  /** Where the history of all boards is kept; without it none is. */
  readonly history?: Table;
}

/** Settings of the blackboard. */
export interface BlackboardInit {
  /** Bounds other than this version's own. All nodes of a mesh should have the same. */
  readonly limits?: Partial<BoardLimits>;
  /** How long the history of a board is kept, and how large. */
  readonly history?: HistoryBounds;
}

/** How long the history of a board is kept. More: undo and replay reach further back, and more of the disk is used. */
const HISTORY: HistoryBounds = { days: 30, bytes: 8 * 1024 * 1024 };
const TOPIC = 'board2';
/** What a sync may carry besides a board of the largest size. */
const SYNC_BYTES_EXTRA = 1024 * 1024;
/** Changes that a watcher hears at once, at most. */
const CHANGES_MAX = 1000;
/** Syncs after which we no longer wait for what an update refers to. */
const WAITING_SYNCS_MAX = 3;
const MEET_ATTEMPTS = 4;
/** Of the frame in which each end of a new link says the digests of its boards. */
const KIND = 'boards';
/** More digests are asked for over a stream. */
const GREETING_BYTES_MAX = 32 * 1024;
/** How often a peer may say so: once a link. */
const GREETINGS = { burst: 8, everyMs: 2000 } as const;
const MEET_RETRY = { baseMs: 1000, capMs: 8000 } as const;

type Watcher = (changes: readonly BoardChange[]) => void;

/** Makes the blackboard; `start` opens every board that is on disk. */
export function createBlackboard(
  components: BlackboardComponents,
  init: BlackboardInit = {},
): Blackboard {
  return new AllBoards(components, { ...LIMITS, ...init.limits }, init.history ?? HISTORY);
}

/** What exists between start and stop. */
interface Running {
  readonly scope: Scope;
  readonly sync: BoardSync;
  readonly repair: AntiEntropy;
  readonly gossip: UpdateGossip;
}

class AllBoards implements Blackboard {
  readonly #components: BlackboardComponents;
  readonly #limits: BoardLimits;
  readonly #topic: Topic;
  readonly #bounds: HistoryBounds;
  readonly #histories = new Map<string, BoardHistory>();
  readonly #boards = new Map<string, OpenBoard>();
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Boards whose overflow was told of, and whose updates were dropped; `''` stands for the number of boards. */
  readonly #overflowing = new Map<string, Set<PeerId>>();
  /** Syncs since which a board waits for what an update refers to. */
  readonly #waitingSyncs = new Map<string, number>();
  #running: Running | undefined;
  readonly #greetings: Buckets;

  constructor(components: BlackboardComponents, limits: BoardLimits, bounds: HistoryBounds) {
    this.#bounds = bounds;
    this.#components = components;
    this.#limits = limits;
    this.#topic = components.network.topic(TOPIC, UPDATE_ALLOWANCE);
    this.#greetings = createBuckets(components.clock, GREETINGS);
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network, clock, random, logger, table } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'blackboard task failed'),
    );
    const sync = createBoardSync(
      {
        network,
        clock,
        logger,
        boards: {
          digests: () => this.#digests(),
          find: (name) => this.#boards.get(name),
          take: (name, update, peer) => this.#take(name, update, { peer }),
        },
        served: (peer, name) => repair.served(peer, name),
      },
      { updateBytesMax: this.#limits.boardBytes * PEER_SLACK * 3 + SYNC_BYTES_EXTRA },
    );
    const repair: AntiEntropy = createAntiEntropy({
      digests: () => this.#digests(),
      hasRoomFor: (name) => this.#hasRoomFor(name),
      sync: (peer, name) => this.#syncOnce(sync, peer, name),
      clock,
      random,
      logger,
    });
    const gossip = createUpdateGossip(
      { topic: this.#topic, self: this.#components.self, scope, clock, logger },
      (name) => {
        for (const peer of network.connected()) repair.syncNow(peer, name);
      },
    );
    const running: Running = { scope, sync, repair, gossip };
    this.#running = running;
    try {
      const boards = await readBoards(table);
      // Stopped meanwhile.
      if (this.#running !== running) return;
      for (const [name, rows] of boards) if (isBoardName(name)) this.#open(name, rows);
    } catch (error) {
      if (this.#running === running) this.#running = undefined;
      this.#closeBoards();
      throw error;
    }
    this.#listen(running);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.scope.close();
    running.repair.stop();
    running.sync.stop();
    // A failed write was told of when it failed; stopping goes on.
    await Promise.allSettled([...this.#boards.values()].map((board) => board.flushed()));
    this.#closeBoards();
  }

  async board(name: string): Promise<Board> {
    checkName(name);
    this.#checkRunning();
    const { clock, self } = this.#components;
    return createBoardHandle(
      {
        clock,
        self,
        checkRunning: () => this.#checkRunning(),
        find: () => this.#boards.get(name),
        write: (work) => this.#write(name, work),
        watch: (listener) => this.#watch(name, listener),
        history: () => this.#historyOf(name),
      },
      name,
    );
  }

  names(): readonly string[] {
    const found = [...this.#boards].filter(([, board]) => exists(board));
    return found.map(([name]) => name).toSorted();
  }

  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#digests()].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void {
    const theirs = digestsOf(digests);
    if (theirs === undefined || this.#running === undefined) return;
    // To know of somebody is no reason to dial: boards come round by those who are connected.
    if (!this.#components.network.isConnected(peer)) return;
    this.#running.repair.hear(peer, theirs);
    if (this.#overflowing.size === 0) return;
    const ours = this.#digests();
    this.#noLongerOver(peer, (name) =>
      name === ''
        ? [...theirs.keys()].every((one) => this.#boards.has(one))
        : theirs.get(name) === ours.get(name),
    );
  }

  async #write<T>(name: string, work: (board: OpenBoard) => Promise<T>): Promise<T> {
    const board = this.#openToWrite(name);
    try {
      return await work(board);
    } finally {
      this.#forgetBlank(board);
    }
  }

  #historyOf(name: string): BoardHistory {
    const known = this.#histories.get(name);
    if (known !== undefined) return known;
    const { table, clock, history: kept } = this.#components;
    const bounds = kept === undefined ? { days: 0, bytes: 0 } : this.#bounds;
    const history = createBoardHistory({ table: kept ?? table, clock }, { board: name, bounds });
    this.#histories.set(name, history);
    return history;
  }

  #listen({ scope, sync, repair }: Running): void {
    const { network } = this.#components;
    scope.add(network.onFrame(KIND, (bytes, from) => this.#greeted(bytes, from)));
    scope.add(network.handle(BOARD_PROTOCOL, (stream) => sync.serve(stream)));
    scope.add(this.#topic.subscribe((data, from) => this.#heard(data, from)));
    const connected = (peer: PeerId): void => void this.#greet(peer);
    const disconnected = (peer: PeerId): void => {
      repair.forget(peer);
      this.#noLongerOver(peer, () => true);
    };
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => {
      network.events.off('peer:connect', connected);
      network.events.off('peer:disconnect', disconnected);
    });
    for (const peer of network.connected()) void this.#greet(peer);
  }

  /** Says which boards this node has, and what of them: mostly the same as the peer, which costs no stream. */
  async #greet(peer: PeerId): Promise<void> {
    const { network } = this.#components;
    const digests = encodeMessage({ t: 'digests', digests: this.#digests() });
    const isTold =
      digests.length <= GREETING_BYTES_MAX && (await network.sendFrame(peer, KIND, digests));
    if (!isTold) this.#meet(peer, 0);
  }

  #greeted(bytes: Uint8Array, peer: PeerId): void {
    const { network } = this.#components;
    if (!this.#greetings.take(peer)) {
      network.report(peer, 'boards');
      return;
    }
    const message = decodeMessage(bytes);
    if (message?.t !== 'digests') network.report(peer, 'malformed');
    // Of two that meet, one asks.
    else if (network.self < peer) this.#syncDiffering(peer, message.digests);
  }

  #syncDiffering(peer: PeerId, theirs: Digests): void {
    const ours = this.#digests();
    for (const name of new Set([...theirs.keys(), ...ours.keys()])) {
      if (ours.get(name) !== theirs.get(name)) this.#running?.repair.syncNow(peer, name);
    }
  }

  /** Asks for what did not fit into a frame, or what a peer without control stream does not say. */
  #meet(peer: PeerId, attempt: number): void {
    const { network, random, logger } = this.#components;
    const running = this.#running;
    if (running === undefined || network.self > peer) return;
    running.sync
      .askDigests(peer)
      .then((theirs) => {
        this.#syncDiffering(peer, theirs);
        return undefined;
      })
      .catch((error: unknown) => {
        logger.debug({ peer, attempt, error: messageOf(error) }, 'boards not compared');
        if (attempt + 1 >= MEET_ATTEMPTS || !network.isConnected(peer)) return;
        const delayMs = backoffMs(attempt, MEET_RETRY, random);
        running.scope.after(delayMs, () => this.#meet(peer, attempt + 1));
      });
  }

  async #syncOnce(sync: BoardSync, peer: PeerId, name: string): Promise<boolean> {
    const isFruitful = await sync.sync(peer, name);
    const document = this.#boards.get(name)?.document;
    if (document?.isWaiting !== true) {
      this.#waitingSyncs.delete(name);
      return isFruitful;
    }
    const syncs = (this.#waitingSyncs.get(name) ?? 0) + 1;
    if (syncs < WAITING_SYNCS_MAX) this.#waitingSyncs.set(name, syncs);
    else {
      document.dropWaiting();
      this.#waitingSyncs.delete(name);
      this.#components.logger.debug({ peer, board: name }, 'updates without their past dropped');
    }
    return isFruitful;
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const { logger } = this.#components;
    const message = decodeGossip(data);
    if (message === undefined) {
      logger.debug({ peer: from }, 'gossip that is no update of a board dropped');
      this.#components.network.report(from, 'malformed');
      return;
    }
    const { board, update } = message;
    const didOf = this.#components.didOf ?? didFromPeerId;
    const result = this.#take(board, update, { peer: from, author: didOf(from) });
    if (result === 'early') {
      logger.debug({ peer: from, board }, 'update from the future left out for now');
      this.#components.network.report(from, 'malformed');
      return;
    }
    if (result === 'malformed') {
      logger.debug({ peer: from, board }, 'malformed update of a board dropped');
      this.#components.network.report(from, 'malformed');
      return;
    }
    // A board that is still not here: the first update that we hear refers to what we have not seen.
    const isMissing = (): boolean => this.#boards.get(board)?.document.isWaiting ?? true;
    const holder = isMissing() ? this.#holderNear(from) : undefined;
    if (holder !== undefined) this.#running?.repair.missing(holder, board, isMissing);
  }

  /** Who is asked for what came before an update of `author`: that one when there is a link, else a neighbour. */
  #holderNear(author: PeerId): PeerId | undefined {
    const { network, random } = this.#components;
    if (network.isConnected(author)) return author;
    // It has passed on what it heard, so that a neighbour has it, or misses it as well and asks another.
    const connected = network.connected();
    return connected[Math.floor(random() * connected.length)];
  }

  /** Applies a peer's update, to a board that may be new here. */
  #take(
    name: string,
    update: Uint8Array,
    { peer, author }: { readonly peer: PeerId; readonly author?: Did },
  ): ApplyResult {
    if (this.#running === undefined || !this.#hasRoomFor(name)) {
      this.#overflowed('', peer);
      return 'full';
    }
    const board = this.#boards.get(name) ?? this.#open(name, []);
    const result = board.take(update, author);
    if (result === 'full') this.#overflowed(name, peer);
    this.#forgetBlank(board);
    return result;
  }

  #overflowed(name: string, peer: PeerId): void {
    if (this.#running === undefined) return;
    const known = this.#overflowing.get(name)?.add(peer);
    if (known !== undefined) return;
    this.#overflowing.set(name, new Set([peer]));
    const what = name === '' ? 'the number of boards' : `board '${name}'`;
    this.#components.logger.warn({ peer, board: name }, 'updates of a full board are dropped');
    this.#components.health?.raise({
      code: `board-full:${name}`,
      text: `${what} has reached its bound: updates of peers are dropped, so copies may differ`,
      hint: 'delete entries, or go on with a board of another name',
    });
  }

  #watch(name: string, listener: Watcher): () => void {
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers);
    // A listener of its own for each call: the same function may watch twice.
    const own: Watcher = (changes) => listener(changes);
    watchers.add(own);
    return () => {
      watchers.delete(own);
      if (watchers.size === 0 && this.#watchers.get(name) === watchers) this.#watchers.delete(name);
    };
  }

  #changed(name: string, all: readonly BoardChange[]): void {
    const changes = all.filter(({ key }) => !key.startsWith(HIDDEN));
    if (changes.length === 0) return;
    if (this.#components.history !== undefined) {
      this.#historyOf(name)
        .note(changes)
        .catch((error: unknown) =>
          this.#components.logger.warn(
            { board: name, error: messageOf(error) },
            'history not kept',
          ),
        );
    }
    const watchers = this.#watchers.get(name);
    if (watchers === undefined) return;
    for (let start = 0; start < changes.length; start += CHANGES_MAX) {
      const some = changes.slice(start, start + CHANGES_MAX);
      for (const watcher of Array.from(watchers)) {
        try {
          watcher(some);
        } catch (error) {
          this.#components.logger.error(
            { board: name, error: messageOf(error) },
            'a watcher of a board threw',
          );
        }
      }
    }
  }

  /** Nothing of `peer` is missing any more of the boards of which `isSame` says so. */
  #noLongerOver(peer: PeerId, isSame: (name: string) => boolean): void {
    for (const [name, peers] of this.#overflowing) {
      if (!peers.has(peer) || !isSame(name)) continue;
      peers.delete(peer);
      if (peers.size > 0) continue;
      this.#overflowing.delete(name);
      this.#components.health?.clear(`board-full:${name}`);
    }
  }

  /** A board to write to. @throws STARLING_STOPPED, STARLING_BOARD_INVALID */
  #openToWrite(name: string): OpenBoard {
    this.#checkRunning();
    const known = this.#boards.get(name);
    if (known !== undefined) return known;
    if (this.#hasRoomFor(name)) return this.#open(name, []);
    throw invalid(
      `this mesh has ${this.#limits.boards} boards, which is the limit`,
      'use one that there is: starling board list',
    );
  }

  #hasRoomFor(name: string): boolean {
    if (!isBoardName(name)) return false;
    return this.#boards.has(name) || this.#boards.size < this.#limits.boards;
  }

  #open(name: string, rows: readonly BoardRow[]): OpenBoard {
    const { table, self, clock, logger } = this.#components;
    const board = createOpenBoard(
      {
        table,
        self,
        clock,
        logger,
        publish: (part) => this.#running?.gossip.send(name, part),
        changed: (changes) => this.#changed(name, changes),
      },
      { name, rows, limits: this.#limits },
    );
    this.#boards.set(name, board);
    return board;
  }

  /** Lets go of a board that nothing could be written to. */
  #forgetBlank(board: OpenBoard): void {
    if (!board.document.isBlank || !board.isIdle || this.#boards.get(board.name) !== board) return;
    board.close();
    this.#boards.delete(board.name);
  }

  #closeBoards(): void {
    for (const board of this.#boards.values()) board.close();
    this.#boards.clear();
    for (const name of this.#overflowing.keys())
      this.#components.health?.clear(`board-full:${name}`);
    this.#overflowing.clear();
    this.#waitingSyncs.clear();
  }

  #checkRunning(): void {
    if (this.#running !== undefined) return;
    throw new StarlingError('STARLING_STOPPED', 'the blackboard is not running', {
      hint: 'start the node: starling up',
    });
  }

  /** Digests of the boards that somebody has written to. */
  #digests(): Digests {
    const digests = new Map<string, string>();
    for (const [name, { document }] of this.#boards) {
      if (!document.isBlank) digests.set(name, document.digest());
    }
    return digests;
  }
}
