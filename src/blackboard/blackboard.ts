/**
 * All boards of the node. Own writes go to disk, then to everyone by gossip; what gossip lost is
 * found by the digests in heartbeats and repaired by a sync. Every member has a copy of every open
 * board that anybody has written to; of the others see `closed-boards.ts` and `direct-road.ts`.
 */
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Health, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import { didFromPeerId, peerIdFromDid } from '../identity/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { Network, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { createAntiEntropy } from './sync/anti-entropy.ts';
import type { AntiEntropy } from './sync/anti-entropy.ts';
import { creationOf, createBoardHandle, exists } from './board/board-handle.ts';
import { BoardOverflow } from './board-overflow.ts';
import { BoardWatchers } from './board/board-watchers.ts';
import { boardIdOf, creatorIn, isBoardId, isClosed, nameIn } from './board-id.ts';
import { resolveBoard, shownBoardName } from './board-names.ts';
import type { NamedBoard } from './board-names.ts';
import { createOpenBoard, digestOf } from './board/board.ts';
import type { OpenBoard } from './board/board.ts';
import { ClosedBoards } from './closed-boards.ts';
import { ClosedTraffic } from './closed-traffic.ts';
import { decodeGossip, digestsOf, encodeGossip } from './sync/codec.ts';
import type { Digests } from './sync/codec.ts';
import { HIDDEN } from './document/document.ts';
import type { ApplyResult } from './document/document-types.ts';
import { createBoardHistory } from './disk/history.ts';
import type { BoardHistory } from './disk/history.ts';
import { LIMITS, PEER_SLACK, checkName, invalid } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import type { StrongBoards } from './quorum/strong-boards.ts';
import { changeReplicas, openStrongBoards } from './open-strong.ts';
import { createGreetings } from './greetings.ts';
import { readBoards } from './disk/persistence.ts';
import type { BoardRow } from './disk/persistence.ts';
import { BOARD_PROTOCOL, createBoardSync } from './sync/sync.ts';
import type { BoardSync } from './sync/sync.ts';
import type { Blackboard, Board, BoardChange, HistoryBounds } from './types.ts';
import { UPDATE_ALLOWANCE, createUpdateGossip } from './sync/update-gossip.ts';
import type { UpdateGossip } from './sync/update-gossip.ts';

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
  /** The peer with this key; default: as the did says. */
  readonly peerOf?: (did: Did) => PeerId;
  /** Where the history of all boards is kept; without it none is. */
  readonly history?: Table;
  /** What this node has promised and accepted as a replica of strong boards; without it it is none. */
  readonly strong?: Table;
  /** Signs what says whose a board is, and who may do what there; without it all boards are open. */
  readonly signer?: FrequentSigner;
  readonly successions?: SuccessionView;
  /** Whether a board that is made without a word about that is everybody's; default: yes. */
  readonly isOpenMesh?: () => boolean;
  /** What the peer with this did is called here. */
  readonly nameOf?: (did: Did) => string | undefined;
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
/** Boards of one creator that is not this node. */
const BOARDS_OF_ONE_MAX = 16;
/** What a sync may carry besides a board of the largest size. */
const SYNC_BYTES_EXTRA = 1024 * 1024;
/** Syncs after which we no longer wait for what an update refers to. */
const WAITING_SYNCS_MAX = 3;

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
  /** Of boards that are not open. */
  readonly direct: UpdateGossip;
  readonly strong: StrongBoards | undefined;
}

class AllBoards implements Blackboard {
  readonly #components: BlackboardComponents;
  readonly #limits: BoardLimits;
  readonly #topic: Topic;
  readonly #bounds: HistoryBounds;
  readonly #histories = new Map<string, BoardHistory>();
  readonly #boards = new Map<string, OpenBoard>();
  readonly #watchers: BoardWatchers;
  readonly #overflow: BoardOverflow;
  /** Syncs since which a board waits for what an update refers to. */
  readonly #waitingSyncs = new Map<string, number>();
  #running: Running | undefined;
  readonly #closed: ClosedBoards;
  readonly #traffic: ClosedTraffic;

  constructor(components: BlackboardComponents, limits: BoardLimits, bounds: HistoryBounds) {
    this.#bounds = bounds;
    this.#components = components;
    this.#limits = limits;
    this.#topic = components.network.topic(TOPIC, UPDATE_ALLOWANCE);
    this.#watchers = new BoardWatchers(components.logger);
    this.#overflow = new BoardOverflow(components);
    const { table, self, signer, successions, clock, logger, network } = components;
    this.#closed = new ClosedBoards({
      table,
      self,
      signer,
      successions,
      clock,
      logger,
      network,
      didOf: (peer) => this.#didOf(peer),
      find: (id) => this.#boards.get(id),
      open: (id) => void this.#open(id, []),
      hasRoomFor: (id) => this.#hasRoomFor(id),
      rightsChanged: (id, records) => this.#traffic.rightsChanged(id, records),
    });
    this.#traffic = new ClosedTraffic({
      closed: this.#closed,
      network,
      clock,
      logger,
      didOf: (peer) => this.#didOf(peer),
      boards: this.#boards,
      repair: () => this.#running?.repair,
      take: (id, update, from) => this.#take(id, update, from),
    });
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network, clock, random, logger, table } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'blackboard task failed'),
    );
    const sync = this.#makeSync((peer, name) => repair.served(peer, name));
    const repair: AntiEntropy = createAntiEntropy({
      digests: (peer) => new Map([...this.#digests(), ...this.#traffic.digests(peer)]),
      mayAsk: (peer, name) => this.#hasRoomFor(name) && this.#closed.mayAsk(name, peer),
      sync: (peer, name) => this.#syncOnce(sync, peer, name),
      clock,
      random,
      logger,
    });
    const tooLong = (name: string): void => {
      for (const peer of network.connected()) {
        if (this.#closed.mayHave(name, peer)) repair.syncNow(peer, name);
      }
    };
    const paced = { self: this.#components.self, scope, clock, logger };
    const gossip = createUpdateGossip(
      {
        ...paced,
        encode: (board, update) => encodeGossip({ board, update }),
        publish: (_board, message) => this.#topic.publish(message),
      },
      tooLong,
    );
    const road = this.#traffic.start(scope);
    const direct = createUpdateGossip(
      {
        ...paced,
        encode: (board, update) => {
          const access = this.#closed.accessOf(board)?.digest ?? '';
          return encodeGossip({ board, update, access });
        },
        publish: (board, message) => road.publish(board, message),
      },
      tooLong,
    );
    const strong = this.#openStrong(scope);
    const running: Running = { scope, sync, repair, gossip, direct, strong };
    this.#running = running;
    try {
      await this.#closed.load();
      const boards = await readBoards(table);
      // Stopped meanwhile.
      if (this.#running !== running) return;
      for (const [name, rows] of boards) if (isBoardId(name)) this.#open(name, rows);
      for (const id of this.#closed.ids) if (!this.#boards.has(id)) this.#open(id, []);
    } catch (error) {
      if (this.#running === running) this.#running = undefined;
      this.#closeBoards();
      throw error;
    }
    this.#listen(running);
  }

  /** Undefined where this node has no table for what a replica keeps. */
  #openStrong(scope: Scope): StrongBoards | undefined {
    const { strong: table, successions } = this.#components;
    if (table === undefined) return undefined;
    return openStrongBoards(
      {
        ...this.#components,
        table,
        didOf: (peer) => this.#didOf(peer),
        peerOf: (did) =>
          (this.#components.peerOf ?? peerIdFromDid)(successions?.current(did) ?? did),
        publish: (id, record) => this.#closed.learn(id, [record]),
      },
      this.#boards,
      scope,
    );
  }

  /** @throws STARLING_STOPPED */
  #strong(): StrongBoards {
    this.#checkRunning();
    const strong = this.#running?.strong;
    if (strong !== undefined) return strong;
    throw new StarlingError('STARLING_BOARD_REFUSED', 'this node keeps no strong boards');
  }

  #makeSync(served: (peer: PeerId, name: string) => void): BoardSync {
    const { network, clock, logger } = this.#components;
    return createBoardSync(
      {
        network,
        clock,
        logger,
        boards: {
          digests: () => this.#digests(),
          find: (name) => this.#boards.get(name),
          take: (name, update, peer) => this.#take(name, update, { peer }),
          access: (name) => this.#closed.accessOf(name),
          learn: (name, records, peer) => this.#closed.learn(name, records, peer),
          mayHave: (name, peer) => this.#closed.mayHave(name, peer),
          goodbye: (name, peer) => this.#closed.goodbye(name, peer),
          answersForOthers: (name) => this.#closed.answersForOthers(name),
        },
        served,
      },
      { updateBytesMax: this.#limits.boardBytes * PEER_SLACK * 3 + SYNC_BYTES_EXTRA },
    );
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
    checkName(nameIn(name));
    this.#checkRunning();
    const { clock, self } = this.#components;
    return createBoardHandle(
      {
        clock,
        self,
        checkRunning: () => this.#checkRunning(),
        find: () => this.#boards.get(this.#idOf(name)),
        id: () => this.#idOf(name),
        write: (work) => this.#write(this.#idOf(name), work),
        watch: (listener) => this.#watchers.watch(name, listener),
        history: () => this.#historyOf(this.#idOf(name)),
        create: async ({ open, signed = false, strong }) => {
          const { signer, isOpenMesh = () => true } = this.#components;
          const isKind = signed || strong !== undefined;
          if (open ?? (!isKind && (signer === undefined || isOpenMesh()))) return name;
          this.#checkRoom(name);
          if (strong === undefined) return this.#closed.create(name, { isSigned: signed });
          const id = boardIdOf(name, this.#components.self);
          const disks = await this.#strong().disks(id, strong);
          return this.#closed.create(name, { strong, disks });
        },
        replicas: async (id) => (await this.#strong().replicas(id)).voters.map(({ did }) => did),
        changeReplicas: (id, change) =>
          changeReplicas(this.#strong(), id, {
            ...change,
            sign: (set) => this.#closed.signReplicas(id, set),
          }),
        writeTo: (id, work) => this.#write(id, work),
        grant: (init) => this.#closed.grant(this.#idOf(name), init),
        revoke: (whom) => this.#closed.revoke(this.#idOf(name), whom),
        strong: (id, key, { request, id: called }) =>
          this.#strong().request({ board: id, key }, { request, id: called }),
      },
      name,
    );
  }

  names(): readonly string[] {
    const named = this.#named();
    const calls = (did: Did): string | undefined => this.#components.nameOf?.(did);
    return named.map(({ id }) => shownBoardName(id, named, calls)).toSorted();
  }

  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#digests()].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void {
    const theirs = digestsOf(digests);
    if (theirs === undefined || this.#running === undefined) return;
    // To know of somebody is no reason to dial: boards come round by those who are connected.
    if (!this.#components.network.isConnected(peer)) return;
    this.#running.repair.hear(peer, theirs, (id) => creatorIn(id) === undefined);
    if (this.#overflow.isEmpty) return;
    const ours = this.#digests();
    this.#overflow.settled(peer, (name) =>
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
    const { network, clock, random, logger } = this.#components;
    const greetings = createGreetings({
      network,
      clock,
      random,
      logger,
      scope,
      digests: () => this.#digests(),
      askDigests: (peer) => sync.askDigests(peer),
      syncNow: (peer, name) => repair.syncNow(peer, name),
    });
    scope.add(network.handle(BOARD_PROTOCOL, (stream) => sync.serve(stream)));
    scope.add(this.#topic.subscribe((data, from) => this.#heard(data, from)));
    const connected = (peer: PeerId): void => {
      void greetings.greet(peer);
      this.#traffic.greet(peer);
    };
    const disconnected = (peer: PeerId): void => {
      repair.forget(peer);
      this.#traffic.forget(peer);
      this.#overflow.settled(peer, () => true);
    };
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => {
      network.events.off('peer:connect', connected);
      network.events.off('peer:disconnect', disconnected);
    });
    for (const peer of network.connected()) connected(peer);
  }

  #didOf(peer: PeerId): Did {
    return (this.#components.didOf ?? didFromPeerId)(peer);
  }

  /** The boards that exist. */
  #named(): readonly NamedBoard[] {
    return [...this.#boards]
      .filter(([, board]) => exists(board))
      .map(([id, board]) => ({ id, createdAt: creationOf(board)?.at }));
  }

  /** The id of the board that a name means; of a name that nobody has, that of an open board. */
  #idOf(name: string): string {
    return resolveBoard(name, this.#named(), (did) => this.#components.nameOf?.(did)) ?? name;
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
    if (isClosed(board)) {
      this.#components.network.report(from, 'malformed');
      return;
    }
    const result = this.#take(board, update, { peer: from, author: this.#didOf(from) });
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
    if (this.#running === undefined) return 'full';
    if (!this.#hasRoomFor(name)) {
      this.#overflow.add('', peer);
      return 'full';
    }
    const board = this.#boards.get(name) ?? this.#open(name, []);
    const did = this.#didOf(peer);
    const answers = board.access?.isSigned === true || board.access?.mayWriteSome(did) !== false;
    const read = board.take(update, answers ? author : did);
    // Whoever may only read has no word on what others wrote.
    const result = !answers && read === 'malformed' ? 'unpermitted' : read;
    if (result === 'full') this.#overflow.add(name, peer);
    this.#forgetBlank(board);
    return result;
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
    this.#watchers.tell(changes, (named) => named === name || this.#idOf(named) === name);
  }

  /** A board to write to. @throws STARLING_STOPPED, STARLING_BOARD_INVALID */
  #openToWrite(name: string): OpenBoard {
    this.#checkRunning();
    const known = this.#boards.get(name);
    if (known !== undefined) return known;
    if (name !== nameIn(name)) {
      throw new StarlingError('STARLING_BOARD_UNKNOWN', `there is no board '${name}'`, {
        hint: 'see which there are: starling board list',
      });
    }
    this.#checkRoom(name);
    return this.#open(name, []);
  }

  /** @throws STARLING_BOARD_INVALID */
  #checkRoom(name: string): void {
    if (this.#hasRoomFor(name)) return;
    throw invalid(
      `this mesh has ${this.#limits.boards} boards, which is the limit`,
      'use one that there is: starling board list',
    );
  }

  #hasRoomFor(name: string): boolean {
    if (!isBoardId(name)) return false;
    if (this.#boards.has(name)) return true;
    if (this.#boards.size >= this.#limits.boards) return false;
    const creator = creatorIn(name);
    if (creator === undefined || creator === this.#components.self) return true;
    const others = [...this.#boards.keys()].filter((id) => creatorIn(id) === creator);
    return others.length < BOARDS_OF_ONE_MAX;
  }

  #open(name: string, rows: readonly BoardRow[]): OpenBoard {
    const { table, self, clock, logger, signer } = this.#components;
    const board = createOpenBoard(
      {
        table,
        self,
        clock,
        logger,
        ...(signer === undefined ? {} : { sign: (message) => signer.signOften(message) }),
        publish: (part) => {
          const running = this.#running;
          if (isClosed(name)) running?.direct.send(name, part);
          else running?.gossip.send(name, part);
        },
        changed: (changes) => {
          if (isClosed(name)) this.#traffic.changed();
          this.#changed(name, changes);
        },
      },
      { name, rows, limits: this.#limits, access: this.#closed.accessFor(name) },
    );
    this.#boards.set(name, board);
    // What was taken back while this node was away counts no more.
    board.document.reviewRights();
    return board;
  }

  /** Lets go of a board that nothing could be written to. */
  #forgetBlank(board: OpenBoard): void {
    if (!board.document.isBlank || !board.isIdle || this.#boards.get(board.name) !== board) return;
    if (board.access !== undefined && board.access.digest !== '') return;
    board.close();
    this.#boards.delete(board.name);
  }

  #closeBoards(): void {
    for (const board of this.#boards.values()) board.close();
    this.#boards.clear();
    this.#closed.clear();
    this.#traffic.stop();
    this.#overflow.clear();
    this.#waitingSyncs.clear();
  }

  #checkRunning(): void {
    if (this.#running !== undefined) return;
    throw new StarlingError('STARLING_STOPPED', 'the blackboard is not running', {
      hint: 'start the node: starling up',
    });
  }

  /** Digests of the open boards that somebody has written to. */
  #digests(): Digests {
    const digests = new Map<string, string>();
    for (const [name, board] of this.#boards) {
      const digest = isClosed(name) ? '' : digestOf(board);
      if (digest !== '') digests.set(name, digest);
    }
    return digests;
  }
}
