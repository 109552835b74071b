/**
 * All boards of the node. Own writes go to disk, then by the road to everyone who is connected and by gossip to the rest;
 * what was lost is found by digests and repaired by a sync. Every member has a copy of every open
 * board that anybody has written to; of the others see `closed-boards.ts` and `closed-news.ts`.
 */
import { StarlingError } from '../core/index.ts';
import type { Clock, Did, Health, Logger, PeerId, Random } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import { didFromPeerId, peerIdFromDid } from '../identity/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { Network, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { Adopting } from './adopting.ts';
import { createBoardHandle } from './board/board-handle.ts';
import { BoardWatchers } from './board/board-watchers.ts';
import { createBoardHome } from './board-home.ts';
import { creatorIn, isBoardId, isClosed, nameIn } from './board-id.ts';
import { BoardIntake } from './board-intake.ts';
import { BoardOverflow } from './board-overflow.ts';
import { BoardPasts } from './board-pasts.ts';
import { runBoards } from './board-running.ts';
import type { Running } from './board-running.ts';
import { BoardShelf } from './board-shelf.ts';
import { ClosedBoards } from './closed-boards.ts';
import { ClosedTraffic } from './closed-traffic.ts';
import { readBoards } from './disk/persistence.ts';
import { HIDDEN } from './document/document.ts';
import type { LanePart } from './lanes/update.ts';
import { LIMITS, checkName } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { OnDemand } from './on-demand.ts';
import { OpenTraffic } from './open-traffic.ts';
import { PeersAround } from './peers-around.ts';
import type { MemberAround } from './peers-around.ts';
import type { StrongBoards } from './quorum/strong-boards.ts';
import type { AntiEntropy } from './sync/anti-entropy.ts';
import { digestsOf } from './sync/codec.ts';
import { ComingBoards } from './sync/coming-boards.ts';
import { UPDATE_ALLOWANCE } from './sync/update-gossip.ts';
import type { Blackboard, Board, BoardChange, BoardComing, HistoryBounds } from './types.ts';

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
  /** Puts it on record that this node has adopted the lanes of a writer who is away. */
  readonly adopted?: (board: string, owner: Did) => void;
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

/** Makes the blackboard; `start` opens every board that is on disk. */
export function createBlackboard(
  components: BlackboardComponents,
  init: BlackboardInit = {},
): Blackboard {
  return new AllBoards(components, { ...LIMITS, ...init.limits }, init.history ?? HISTORY);
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
  readonly #coming = new ComingBoards();
  readonly #adopting: Adopting;
  readonly #onDemand: OnDemand;
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
    this.#shelf = this.#makeShelf();
    const shelf = this.#shelf;
    this.#closed = new ClosedBoards({
      ...components,
      self,
      signer,
      successions,
      didOf,
      find: (id) => shelf.find(id),
      open: (id) => {
        shelf.open(id, []);
      },
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
      isHeld: (id) => this.#onDemand.isHeld(id),
      take: (id, update, from) => this.#intake.take(id, update, from),
    });
    this.#onDemand = this.#makeOnDemand();
    this.#adopting = new Adopting({
      ...components,
      boards: shelf.boards,
      dead: limits.dead,
      didOf,
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

  #makeShelf(): BoardShelf {
    return new BoardShelf({
      ...this.#components,
      limits: this.#limits,
      nowMs: () => this.#nowMs(),
      accessFor: (id) => this.#closed.accessFor(id),
      publish: (id, part) => this.#publish(id, part),
      changed: (id, changes, unnoted, bulk) => this.#changed(id, changes, unnoted, bulk),
      recovered: (id, changes) =>
        this.#pasts.recovered(
          id,
          changes.filter(({ change }) => isShown(change)),
        ),
      noting: (id, lines) => this.#pasts.noteWriting(id, lines.filter(isShown)),
    });
  }

  #makeOnDemand(): OnDemand {
    const components = this.#components;
    return new OnDemand({
      ...components,
      boards: this.#shelf.boards,
      find: (id) => this.#shelf.find(id),
      didOf: (peer) => this.#didOf(peer),
      peerOf: components.peerOf ?? peerIdFromDid,
      saidToHold: (peer, id) => this.#traffic.saidToHold(peer, id),
      isWatched: (id) => this.#watchers.isWatching((name) => this.#isNameOf(name, id)),
      isComing: (id) => this.#coming.of(id).length > 0,
      sync: async (peer, id) => {
        await this.#intake.syncOnce(this.#checkRunning().sync, peer, id);
      },
      askToKeep: (peer, id) => this.#checkRunning().sync.askToKeep(peer, id),
      letGo: (id) => this.#letGo(id),
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
    running.listen();
  }

  #run(): Running {
    return runBoards({
      ...this.#components,
      onDemand: this.#onDemand,
      nowMs: () => this.#nowMs(),
      limits: this.#limits,
      topic: this.#topic,
      shelf: this.#shelf,
      closed: this.#closed,
      traffic: this.#traffic,
      openTraffic: this.#openTraffic,
      intake: this.#intake,
      overflow: this.#overflow,
      coming: this.#coming,
      didOf: (peer) => this.#didOf(peer),
    });
  }

  /** Time as most members have it, where this node's clock is far off. */
  #nowMs(): number {
    return this.#components.clock.now() + this.#around.clockOffsetMs;
  }

  /** @throws STARLING_STOPPED */
  #strong(): StrongBoards {
    this.#checkRunning();
    const strong = this.#running?.strong;
    if (strong !== undefined) return strong;
    throw new StarlingError('STARLING_BOARD_REFUSED', 'this node keeps no strong boards');
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
    await this.#closed.flushed();
    this.#closeBoards();
  }

  async board(name: string): Promise<Board> {
    checkName(nameIn(name));
    this.#checkRunning();
    const { clock, self, signer, isOpenMesh = () => true } = this.#components;
    const home = createBoardHome(
      {
        clock,
        self,
        isOpenByDefault: () => signer === undefined || isOpenMesh(),
        shelf: this.#shelf,
        closed: this.#closed,
        pasts: this.#pasts,
        watchers: this.#watchers,
        coming: this.#coming,
        onDemand: this.#onDemand,
        checkRunning: () => this.#checkRunning(),
        strong: () => this.#strong(),
      },
      name,
    );
    return createBoardHandle(home, name);
  }

  coming(): readonly (BoardComing & { readonly board: string })[] {
    return this.#coming.all.map(({ board, view }) => ({
      ...view,
      board: this.#shelf.shownName(board),
    }));
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
    this.#adopting.look();
    this.#onDemand.look();
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

  #didOf(peer: PeerId): Did {
    return (this.#components.didOf ?? didFromPeerId)(peer);
  }

  /** An own update is durable: the others are to be told. */
  #publish(id: string, part: LanePart): void {
    const running = this.#running;
    if (running === undefined) return;
    if (isClosed(id)) {
      const peers = this.#components.network.connected();
      const isMeant = (peer: PeerId): boolean =>
        // Where it is not known whether a peer holds the board, that one does not take it amiss.
        !this.#onDemand.isOnDemand(id) || this.#traffic.saidToHold(peer, id) !== false;
      const readers = peers.filter((peer) => this.#closed.mayHave(id, peer) && isMeant(peer));
      running.road.send(readers, id, part);
    } else this.#openTraffic.send(running, id, part);
  }

  #changed(
    id: string,
    all: readonly BoardChange[],
    unnoted: readonly BoardChange[],
    bulk: Uint8Array | undefined,
  ): void {
    if (isClosed(id)) this.#traffic.changed();
    const changes = all.filter(isShown);
    if (changes.length === 0) return;
    this.#pasts.note(id, unnoted === all ? changes : unnoted.filter(isShown), bulk);
    this.#watchers.tell(changes, (named) => this.#isNameOf(named, id));
  }

  #isNameOf(name: string, id: string): boolean {
    if (name === id) return true;
    return nameIn(name) === nameIn(id) && this.#shelf.idOf(name) === id;
  }

  /** Takes the entries of a board that is held on demand, and what is known of its past, off the disk, and says so. */
  async #letGo(id: string): Promise<void> {
    await this.#shelf.empty(id);
    this.#traffic.changed();
    await this.#pasts.forget(id);
  }

  #closeBoards(): void {
    this.#shelf.closeAll();
    this.#closed.clear();
    this.#traffic.stop();
    this.#overflow.clear();
    this.#intake.clear();
    this.#around.clear();
    this.#coming.clear();
    this.#onDemand.clear();
  }

  #checkRunning(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new StarlingError('STARLING_STOPPED', 'the blackboard is not running', {
      hint: 'start the node: starling up',
    });
  }
}

/** Whether a key is an entry's, and not the board's own. */
function isShown({ key }: { readonly key: string }): boolean {
  return !key.startsWith(HIDDEN);
}
