/**
 * What runs between a start of the blackboard and its stop: syncs and their repair, the roads of updates, what nodes
 * tell each other of boards, strong boards.
 */
import { createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import { peerIdFromDid } from '../identity/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { Network, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { isClosed } from './board-id.ts';
import type { BoardIntake } from './board-intake.ts';
import type { BoardOverflow } from './board-overflow.ts';
import type { BoardShelf } from './board-shelf.ts';
import { digestOf } from './board/board.ts';
import type { ClosedBoards } from './closed-boards.ts';
import type { ClosedTraffic } from './closed-traffic.ts';
import { createGreetings } from './greetings.ts';
import { PEER_SLACK } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import { openStrongBoards } from './open-strong.ts';
import { decodeVector } from './lanes/update.ts';
import type { OnDemand } from './on-demand.ts';
import type { OpenTraffic } from './open-traffic.ts';
import type { StrongBoards } from './quorum/strong-boards.ts';
import { createAntiEntropy } from './sync/anti-entropy.ts';
import type { AntiEntropy } from './sync/anti-entropy.ts';
import { encodeGossip } from './sync/codec.ts';
import type { GossipUpdate } from './sync/codec.ts';
import type { ComingBoards } from './sync/coming-boards.ts';
import { createOwnNews } from './sync/own-news.ts';
import type { OwnNews } from './sync/own-news.ts';
import { BOARD_PROTOCOL, createBoardSync } from './sync/sync.ts';
import type { BoardSync } from './sync/sync.ts';
import { createUpdateGossip } from './sync/update-gossip.ts';
import type { UpdateGossip } from './sync/update-gossip.ts';
import { createUpdateRoad } from './sync/update-road.ts';
import type { UpdateRoad } from './sync/update-road.ts';

/** What exists between start and stop. */
export interface Running {
  readonly scope: Scope;
  readonly sync: BoardSync;
  readonly repair: AntiEntropy;
  readonly gossip: UpdateGossip;
  readonly road: UpdateRoad;
  readonly news: OwnNews;
  /** Undefined where this node has no table for what a replica keeps. */
  readonly strong: StrongBoards | undefined;
  /** Serves peers, and meets those that are there and that come. */
  listen(): void;
}

/** The parts of the room that it joins. */
export interface RunningParts {
  readonly network: Network;
  readonly topic: Topic;
  readonly self: Did;
  readonly clock: Clock;
  /** Time as most members have it, where this node's clock is far off. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: BoardLimits;
  readonly strong?: Table;
  readonly signer?: FrequentSigner;
  readonly successions?: SuccessionView;
  readonly peerOf?: (did: Did) => PeerId;
  readonly shelf: BoardShelf;
  readonly closed: ClosedBoards;
  readonly traffic: ClosedTraffic;
  readonly openTraffic: OpenTraffic;
  readonly intake: BoardIntake;
  readonly overflow: BoardOverflow;
  readonly coming: ComingBoards;
  readonly onDemand: OnDemand;
  readonly didOf: (peer: PeerId) => Did;
}

/** What a sync may carry besides a board of the largest size. */
const SYNC_BYTES_EXTRA = 1024 * 1024;

/** Makes what runs; it ends when its scope closes. */
export function runBoards(parts: RunningParts): Running {
  const { clock, random, logger, shelf, closed, traffic, intake } = parts;
  const scope = createScope(clock, (error) =>
    logger.error({ error: messageOf(error) }, 'blackboard task failed'),
  );
  const sync = makeSync(parts, {
    serving: (peer, name) => repair.serving(peer, name),
    served: (peer, name) => repair.served(peer, name),
  });
  const repair: AntiEntropy = createAntiEntropy({
    digests: (peer) => new Map([...shelf.digests(), ...traffic.digests(peer)]),
    mayAsk: (peer, name) => shelf.hasRoomFor(name) && closed.mayAsk(name, peer),
    sync: (peer, name) => intake.syncOnce(sync, peer, name),
    clock,
    random,
    logger,
  });
  const ways = makeWays(parts, scope, repair);
  traffic.start(scope);
  const strong = openStrong(parts, scope);
  return {
    scope,
    sync,
    repair,
    ...ways,
    strong,
    listen: () => listen(parts, { scope, sync, repair, news: ways.news }),
  };
}

/** How own updates go, and how those of peers come. */
function makeWays(
  { network, clock, logger, self, topic, shelf, closed, traffic, openTraffic }: RunningParts,
  scope: Scope,
  repair: AntiEntropy,
): Pick<Running, 'gossip' | 'road' | 'news'> {
  const gossip = createUpdateGossip(
    {
      self,
      scope,
      clock,
      logger,
      encode: (board, update) => encodeGossip({ board, update }),
      publish: (_board, message) => topic.publish(message),
    },
    (name) => {
      for (const peer of network.connected()) repair.syncNow(peer, name);
    },
  );
  const heard = (peer: PeerId, sent: GossipUpdate): void => {
    const { access } = sent;
    if (access === undefined) openTraffic.took(peer, sent);
    else traffic.heardUpdate(peer, { ...sent, access });
  };
  const road = createUpdateRoad({
    network,
    scope,
    clock,
    logger,
    self,
    encode(board, update) {
      if (!isClosed(board)) return encodeGossip({ board, update });
      // With what a board that is not open is judged by.
      return encodeGossip({ board, update, access: closed.accessOf(board)?.digest ?? '' });
    },
    heard,
    mayLack: (peer, board) => {
      if (closed.mayHave(board, peer)) repair.syncNow(peer, board);
    },
  });
  const news = createOwnNews({
    network,
    clock,
    scope,
    digestOf: (name) => digestOf(shelf.find(name)),
    heard: (peer, digests) => openTraffic.heardNews(peer, digests),
  });
  return { gossip, road, news };
}

function openStrong(parts: RunningParts, scope: Scope): StrongBoards | undefined {
  const { strong: table, successions, closed, shelf } = parts;
  if (table === undefined) return undefined;
  return openStrongBoards(
    {
      ...parts,
      table,
      peerOf: (did) => (parts.peerOf ?? peerIdFromDid)(successions?.current(did) ?? did),
      publish: (id, record) => closed.learn(id, [record]),
    },
    shelf.boards,
    scope,
  );
}

function makeSync(
  {
    network,
    clock,
    logger,
    limits,
    shelf,
    intake,
    closed,
    coming,
    onDemand,
    traffic,
  }: RunningParts,
  hears: Pick<AntiEntropy, 'served' | 'serving'>,
): BoardSync {
  return createBoardSync(
    {
      network,
      clock,
      logger,
      boards: {
        digests: () => shelf.digests(),
        find: (name) => shelf.find(name),
        take: (name, update, peer) => intake.take(name, update, { peer }),
        access: (name) => closed.accessOf(name),
        learn: (name, records, peer) => closed.learn(name, records, peer),
        mayHave: (name, peer) => closed.mayHave(name, peer),
        goodbye: (name, peer) => closed.goodbye(name, peer),
        answersForOthers: (name) => closed.answersForOthers(name),
        isHeld: (name) => onDemand.isHeld(name),
        isHolder: (name, peer) => traffic.isHolder(peer, name),
        keeps: async (name, vector) => {
          const places = decodeVector(vector);
          return places !== undefined && onDemand.keeps(name, places);
        },
      },
      coming,
      ...hears,
    },
    { updateBytesMax: limits.boardBytes * PEER_SLACK * 3 + SYNC_BYTES_EXTRA },
  );
}

function listen(
  { network, topic, clock, random, logger, shelf, traffic, openTraffic, overflow }: RunningParts,
  { scope, sync, repair, news }: Pick<Running, 'scope' | 'sync' | 'repair' | 'news'>,
): void {
  const greetings = createGreetings({
    network,
    clock,
    random,
    logger,
    scope,
    digests: () => shelf.digests(),
    askDigests: (peer) => sync.askDigests(peer),
    syncNow: (peer, name) => repair.syncNow(peer, name),
  });
  scope.add(network.handle(BOARD_PROTOCOL, (stream) => sync.serve(stream)));
  scope.add(topic.subscribe((data, from) => openTraffic.heard(data, from)));
  news.hear();
  traffic.hear();
  const connected = (peer: PeerId): void => {
    greetings
      .greet(peer)
      // Not lost: heartbeats show that boards differ.
      .catch((error: unknown) => logger.debug({ peer, error: messageOf(error) }, 'not greeted'));
    traffic.greet(peer);
  };
  const disconnected = (peer: PeerId): void => {
    repair.forget(peer);
    traffic.forget(peer);
    overflow.settled(peer, () => true);
  };
  network.events.on('peer:connect', connected);
  network.events.on('peer:disconnect', disconnected);
  scope.add(() => {
    network.events.off('peer:connect', connected);
    network.events.off('peer:disconnect', disconnected);
  });
  for (const peer of network.connected()) connected(peer);
}
