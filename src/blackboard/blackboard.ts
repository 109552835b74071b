/**
 * All boards of the node. Own writes go to disk, then by the road to everyone who is connected and by gossip to the rest;
 * what was lost is found by digests and repaired by a sync. Every member has a copy of every open
 * board that anybody has written to; of the others see `closed-boards.ts` and `closed-news.ts`.
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
import { createBoardHandle } from './board/board-handle.ts';
import { BoardIntake } from './board-intake.ts';
import { BoardOverflow } from './board-overflow.ts';
import { BoardPasts } from './board-pasts.ts';
import { BoardShelf } from './board-shelf.ts';
import { BoardWatchers } from './board/board-watchers.ts';
import { boardIdOf, creatorIn, isBoardId, isClosed, nameIn } from './board-id.ts';
import { ClosedBoards } from './closed-boards.ts';
import { ClosedTraffic } from './closed-traffic.ts';
import { digestsOf, encodeGossip } from './sync/codec.ts';
import type { GossipUpdate } from './sync/codec.ts';
import { HIDDEN } from './document/document.ts';
import { LIMITS, PEER_SLACK, checkName } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import type { StrongBoards } from './quorum/strong-boards.ts';
import { changeReplicas, openStrongBoards } from './open-strong.ts';
import { createGreetings } from './greetings.ts';
import { OpenTraffic } from './open-traffic.ts';
import { PeersAround } from './peers-around.ts';
import type { MemberAround } from './peers-around.ts';
import { readBoards } from './disk/persistence.ts';
import { BOARD_PROTOCOL, createBoardSync } from './sync/sync.ts';
import type { BoardSync } from './sync/sync.ts';
import { digestOf } from './board/board.ts';
import type { OpenBoard } from './board/board.ts';
import type { LanePart } from './lanes/update.ts';
import type { Blackboard, Board, BoardChange, HistoryBounds } from './types.ts';
import { UPDATE_ALLOWANCE, createUpdateGossip } from './sync/update-gossip.ts';
import type { UpdateGossip } from './sync/update-gossip.ts';
import { createOwnNews } from './sync/own-news.ts';
import type { OwnNews } from './sync/own-news.ts';
import { createUpdateRoad } from './sync/update-road.ts';
import type { UpdateRoad } from './sync/update-road.ts';

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
  /** Members that are alive, and how far their clocks are from this node's; without it all are taken for connected. */
  readonly members?: () => readonly MemberAround[];
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
/** What a sync may carry besides a board of the largest size. */
const SYNC_BYTES_EXTRA = 1024 * 1024;

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
  readonly road: UpdateRoad;
  readonly news: OwnNews;
  readonly strong: StrongBoards | undefined;
}

class AllBoards implements Blackboard {
  readonly #components: BlackboardComponents;
  readonly #limits: BoardLimits;
  readonly #topic: Topic;
  readonly #shelf: BoardShelf;
  readonly #pasts: BoardPasts;
  readonly #intake: BoardIntake;
  readonly #watchers: BoardWatchers;
  readonly #overflow: BoardOverflow;
  readonly #closed: ClosedBoards;
  readonly #traffic: ClosedTraffic;
  readonly #openTraffic: OpenTraffic;
  readonly #around: PeersAround;
  #running: Running | undefined;

  constructor(components: BlackboardComponents, limits: BoardLimits, bounds: HistoryBounds) {
    this.#components = components;
    this.#limits = limits;
    this.#topic = components.network.topic(TOPIC, UPDATE_ALLOWANCE);
    this.#watchers = new BoardWatchers(components.logger);
    this.#overflow = new BoardOverflow(components);
    this.#around = new PeersAround({
      ...components,
      isConnected: (peer) => components.network.isConnected(peer),
    });
    this.#pasts = new BoardPasts(components, bounds);
    const { self, signer, successions } = components;
    const didOf = (peer: PeerId): Did => this.#didOf(peer);
    const repair = (): AntiEntropy | undefined => this.#running?.repair;
    this.#shelf = new BoardShelf({
      ...components,
      limits,
      nowMs: () => components.clock.now() + this.#around.clockOffsetMs,
      accessFor: (id) => this.#closed.accessFor(id),
      publish: (id, part) => this.#publish(id, part),
      changed: (id, changes) => this.#changed(id, changes),
    });
    const shelf = this.#shelf;
    this.#closed = new ClosedBoards({
      ...components,
      self,
      signer,
      successions,
      didOf,
      find: (id) => shelf.find(id),
      open: (id) => void shelf.open(id, []),
      hasRoomFor: (id) => shelf.hasRoomFor(id),
      rightsChanged: (id, records) => this.#traffic.rightsChanged(id, records),
    });
    this.#intake = new BoardIntake({
      ...components,
      shelf,
      overflow: this.#overflow,
      isRunning: () => this.#running !== undefined,
      didOf,
    });
    this.#traffic = new ClosedTraffic({
      ...components,
      closed: this.#closed,
      didOf,
      boards: shelf.boards,
      repair,
      take: (id, update, from) => this.#intake.take(id, update, from),
    });
    this.#openTraffic = new OpenTraffic({
      ...components,
      around: this.#around,
      shelf,
      intake: this.#intake,
      didOf,
      repair,
    });
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { table } = this.#components;
    const running = this.#run();
    this.#running = running;
    try {
      await this.#closed.load();
      const boards = await readBoards(table);
      // Stopped meanwhile.
      if (this.#running !== running) return;
      for (const [name, rows] of boards) if (isBoardId(name)) this.#shelf.open(name, rows);
      for (const id of this.#closed.ids) {
        if (this.#shelf.find(id) === undefined) this.#shelf.open(id, []);
      }
    } catch (error) {
      if (this.#running === running) this.#running = undefined;
      this.#closeBoards();
      throw error;
    }
    this.#listen(running);
  }

  #run(): Running {
    const { network, clock, random, logger } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'blackboard task failed'),
    );
    const sync = this.#makeSync((peer, name) => repair.served(peer, name));
    const repair: AntiEntropy = createAntiEntropy({
      digests: (peer) => new Map([...this.#shelf.digests(), ...this.#traffic.digests(peer)]),
      mayAsk: (peer, name) => this.#shelf.hasRoomFor(name) && this.#closed.mayAsk(name, peer),
      sync: (peer, name) => this.#intake.syncOnce(sync, peer, name),
      clock,
      random,
      logger,
    });
    const { self } = this.#components;
    const gossip = createUpdateGossip(
      {
        self,
        scope,
        clock,
        logger,
        encode: (board, update) => encodeGossip({ board, update }),
        publish: (_board, message) => this.#topic.publish(message),
      },
      (name) => {
        for (const peer of network.connected()) repair.syncNow(peer, name);
      },
    );
    const road = createUpdateRoad({
      network,
      scope,
      clock,
      logger,
      self,
      encode: (board, update) => this.#encode(board, update),
      heard: (peer, sent) => this.#heard(peer, sent),
      mayLack: (peer, board) => {
        if (this.#closed.mayHave(board, peer)) repair.syncNow(peer, board);
      },
    });
    const news = createOwnNews({
      network,
      clock,
      scope,
      digestOf: (name) => digestOf(this.#shelf.find(name)),
      heard: (peer, digests) => this.#openTraffic.heardNews(peer, digests),
    });
    this.#traffic.start(scope);
    return { scope, sync, repair, gossip, road, news, strong: this.#openStrong(scope) };
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
      this.#shelf.boards,
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
          digests: () => this.#shelf.digests(),
          find: (name) => this.#shelf.find(name),
          take: (name, update, peer) => this.#intake.take(name, update, { peer }),
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
    await this.#shelf.flushed();
    await this.#pasts.flushed();
    this.#closeBoards();
  }

  async board(name: string): Promise<Board> {
    checkName(nameIn(name));
    this.#checkRunning();
    const { clock, self } = this.#components;
    const shelf = this.#shelf;
    return createBoardHandle(
      {
        clock,
        self,
        checkRunning: () => this.#checkRunning(),
        find: () => shelf.find(shelf.idOf(name)),
        id: () => shelf.idOf(name),
        write: (work) => this.#write(shelf.idOf(name), work),
        watch: (listener) => this.#watchers.watch(name, listener),
        history: () => this.#pasts.of(shelf.idOf(name)),
        create: async ({ open, signed = false, strong }) => {
          const { signer, isOpenMesh = () => true } = this.#components;
          const isKind = signed || strong !== undefined;
          // The id of a board that this node is to make names it where others have made one of that name.
          const called = creatorIn(name) === self ? nameIn(name) : name;
          if (open ?? (!isKind && (signer === undefined || isOpenMesh()))) return called;
          shelf.checkRoom(called);
          if (strong === undefined) return this.#closed.create(called, { isSigned: signed });
          const id = boardIdOf(called, self);
          const disks = await this.#strong().disks(id, strong);
          return this.#closed.create(called, { strong, disks });
        },
        replicas: async (id) => (await this.#strong().replicas(id)).voters.map(({ did }) => did),
        changeReplicas: (id, change) =>
          changeReplicas(this.#strong(), id, {
            ...change,
            sign: (set) => this.#closed.signReplicas(id, set),
          }),
        writeTo: (id, work) => this.#write(id, work),
        grant: (init) => this.#closed.grant(shelf.idOf(name), init),
        revoke: (whom) => this.#closed.revoke(shelf.idOf(name), whom),
        strong: (id, key, { request, id: called }) =>
          this.#strong().request({ board: id, key }, { request, id: called }),
      },
      name,
    );
  }

  names(): readonly string[] {
    return this.#shelf.names();
  }

  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#shelf.digests()].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void {
    const theirs = digestsOf(digests);
    if (theirs === undefined || this.#running === undefined) return;
    // To know of somebody is no reason to dial: boards come round by those who are connected.
    if (!this.#components.network.isConnected(peer)) return;
    this.#running.repair.hear(peer, theirs, (id) => creatorIn(id) === undefined);
    if (this.#overflow.isEmpty) return;
    const ours = this.#shelf.digests();
    this.#overflow.settled(peer, (name) =>
      name === ''
        ? [...theirs.keys()].every((one) => this.#shelf.find(one) !== undefined)
        : theirs.get(name) === ours.get(name),
    );
  }

  async #write<T>(id: string, work: (board: OpenBoard) => Promise<T>): Promise<T> {
    this.#checkRunning();
    return this.#shelf.write(id, work);
  }

  #listen({ scope, sync, repair }: Running): void {
    const { network, clock, random, logger } = this.#components;
    const greetings = createGreetings({
      network,
      clock,
      random,
      logger,
      scope,
      digests: () => this.#shelf.digests(),
      askDigests: (peer) => sync.askDigests(peer),
      syncNow: (peer, name) => repair.syncNow(peer, name),
    });
    scope.add(network.handle(BOARD_PROTOCOL, (stream) => sync.serve(stream)));
    scope.add(this.#topic.subscribe((data, from) => this.#openTraffic.heard(data, from)));
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

  /** An own update is durable: the others are to be told. */
  #publish(id: string, part: LanePart): void {
    const running = this.#running;
    if (running === undefined) return;
    if (isClosed(id)) {
      const peers = this.#components.network.connected();
      const readers = peers.filter((peer) => this.#closed.mayHave(id, peer));
      running.road.send(readers, id, part);
    } else this.#openTraffic.send(running, id, part);
  }

  /** With what a board that is not open is judged by. */
  #encode(board: string, update: Uint8Array): Uint8Array {
    if (!isClosed(board)) return encodeGossip({ board, update });
    const access = this.#closed.accessOf(board)?.digest ?? '';
    return encodeGossip({ board, update, access });
  }

  /** A connected peer sends what it wrote. */
  #heard(peer: PeerId, sent: GossipUpdate): void {
    const { access } = sent;
    if (access === undefined) this.#openTraffic.took(peer, sent);
    else this.#traffic.heardUpdate(peer, { ...sent, access });
  }

  #changed(id: string, all: readonly BoardChange[]): void {
    if (isClosed(id)) this.#traffic.changed();
    const changes = all.filter(({ key }) => !key.startsWith(HIDDEN));
    if (changes.length === 0) return;
    this.#pasts.note(id, changes);
    this.#watchers.tell(changes, (named) => named === id || this.#shelf.idOf(named) === id);
  }

  #closeBoards(): void {
    this.#shelf.closeAll();
    this.#closed.clear();
    this.#traffic.stop();
    this.#overflow.clear();
    this.#intake.clear();
    this.#around.clear();
  }

  #checkRunning(): void {
    if (this.#running !== undefined) return;
    throw new StarlingError('STARLING_STOPPED', 'the blackboard is not running', {
      hint: 'start the node: starling up',
    });
  }
}
