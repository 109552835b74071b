/**
 * What goes between nodes about open boards, besides syncs: updates, by the road to those who are connected, and by
 * gossip where somebody is not.
 */
import { unawaited } from '../core/index.ts';
import type { Did, Logger, PeerId, Random } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { isClosed } from './board-id.ts';
import type { BoardIntake } from './board-intake.ts';
import type { BoardShelf } from './board-shelf.ts';
import type { PeersAround } from './peers-around.ts';
import type { AntiEntropy } from './sync/anti-entropy.ts';
import { decodeGossip } from './sync/codec.ts';
import type { Digests, GossipUpdate } from './sync/codec.ts';
import type { LanePart } from './lanes/update.ts';
import type { OwnNews } from './sync/own-news.ts';
import type { UpdateGossip } from './sync/update-gossip.ts';
import type { UpdateRoad } from './sync/update-road.ts';

/** What the traffic works with. */
export interface OpenTrafficComponents {
  readonly shelf: BoardShelf;
  readonly intake: BoardIntake;
  readonly network: Network;
  readonly around: Pick<PeersAround, 'hasAfar'>;
  readonly random: Random;
  readonly logger: Logger;
  didOf(peer: PeerId): Did;
  /** Undefined when the node stops. */
  repair(): AntiEntropy | undefined;
}

/** What this node and others tell each other of open boards. */
export class OpenTraffic {
  readonly #components: OpenTrafficComponents;

  constructor(components: OpenTrafficComponents) {
    this.#components = components;
  }

  /** Sends what this node wrote to a board. */
  send(
    {
      road,
      gossip,
      news,
    }: { readonly road: UpdateRoad; readonly gossip: UpdateGossip; readonly news: OwnNews },
    board: string,
    part: LanePart,
  ): void {
    news.wrote(board);
    road.send(this.#components.network.connected(), board, part);
    if (this.#components.around.hasAfar) gossip.send(board, part);
  }

  /** What `from` has now of boards that it wrote to. */
  heardNews(from: PeerId, digests: Digests): void {
    const open = new Map([...digests].filter(([board]) => !isClosed(board)));
    this.#components.repair()?.hear(from, open, (board) => open.has(board));
  }

  /** A message of gossip, written by `from`. */
  heard(data: Uint8Array, from: PeerId): void {
    const { logger, network } = this.#components;
    const message = decodeGossip(data);
    if (message !== undefined) {
      this.took(from, message);
      return;
    }
    logger.debug({ peer: from }, 'gossip that is no update of a board dropped');
    network.report(from, 'malformed');
  }

  /** An update that `from` wrote. */
  took(from: PeerId, sent: GossipUpdate): void {
    const fields = { peer: from, board: sent.board };
    unawaited(this.#take(from, sent), this.#components.logger, 'update not taken', fields);
  }

  async #take(from: PeerId, { board, update }: GossipUpdate): Promise<void> {
    const { logger, network } = this.#components;
    const components = this.#components;
    if (components.repair() === undefined) return;
    if (isClosed(board)) {
      network.report(from, 'malformed');
      return;
    }
    const author = components.didOf(from);
    const result = await components.intake.take(board, update, { peer: from, author });
    if (result === 'crowded' || result === 'malformed') {
      logger.debug({ peer: from, board, result }, 'update of a board dropped');
      network.report(from, result === 'crowded' ? 'boards' : 'malformed');
      return;
    }
    // What waits for its time is neither missing nor wrong: whose clock is off is not known. What the disk does not take
    // digests show to be missing.
    if (result === 'early' || result === 'unwritten') return;
    // A board that is still not here: the first update that we hear refers to what we have not seen.
    const isMissing = (): boolean => this.#components.shelf.find(board)?.document.isWaiting ?? true;
    const holder = isMissing() ? this.#holderNear(from) : undefined;
    if (holder !== undefined) components.repair()?.missing(holder, board, isMissing);
  }

  /** Who is asked for what came before an update of `author`: that one when there is a link, else a neighbour. */
  #holderNear(author: PeerId): PeerId | undefined {
    const { network, random } = this.#components;
    if (network.isConnected(author)) return author;
    // It has passed on what it heard, so that a neighbour has it, or misses it as well and asks another.
    const connected = network.connected();
    return connected[Math.floor(random() * connected.length)];
  }
}
