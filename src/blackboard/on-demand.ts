/**
 * Boards that are held on demand: a node that may have such a board knows who made it and who has which right there, and holds
 * its entries only while somebody there uses them. They are fetched from a node that holds them, kept while they are read,
 * watched or written, and let go of some time after, when enough others have all of them and say that they stay.
 *
 * That the last copy is never let go of hangs on what a node says when it is asked: whoever says that it keeps a board begins to count
 * its own time of idleness anew, and a node that asks others itself says no meanwhile. Of two that ask each other both stay.
 */
import { StarlingError, messageOf, settledWithin } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId, Random } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { nameIn } from './board-id.ts';
import type { OpenBoard } from './board/board.ts';
import type { Place } from './lanes/lane-format.ts';
import type { BoardHeld } from './types.ts';

/** What boards that are held on demand work with. */
export interface OnDemandComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: Pick<Network, 'connected' | 'isConnected'>;
  find(id: string): OpenBoard | undefined;
  /** All boards, by id. */
  readonly boards: ReadonlyMap<string, OpenBoard>;
  didOf(peer: PeerId): Did;
  peerOf(did: Did): PeerId;
  /** Whether a peer has said that it holds a board; undefined where it has said nothing. */
  saidToHold(peer: PeerId, id: string): boolean | undefined;
  /** Whether somebody watches the board here. */
  isWatched(id: string): boolean;
  /** Whether much of the board comes in now. */
  isComing(id: string): boolean;
  /** Makes the board equal here and at a peer. Rejects when the stream fails. */
  sync(peer: PeerId, id: string): Promise<void>;
  /** Asks a peer whether it has all that is here, and stays. Rejects when the stream fails. */
  askToKeep(peer: PeerId, id: string): Promise<boolean>;
  /** Takes the entries of a board off this node's disk. @throws what the disk says: then all is as before */
  letGo(id: string): Promise<void>;
}

/**
 * For how long nobody must have used a board. Higher: what is used now and then is fetched less often; lower: less is held for
 * nobody.
 */
export const IDLE_MS = 15 * 60_000;
/** How many others must have all of a board that is let go of; one of them may write it. Higher: safer, and more is held. */
export const COPIES_MIN = 2;
/** How long who reads waits for a board that comes: then what is here is read, or it is said that nobody was reached. */
const FETCH_WAIT_MS = 10_000;
/** Nodes that are asked for a board which are not connected. */
const AFAR_MAX = 8;

/** The boards of this node that are held on demand. */
export class OnDemand {
  readonly #components: OnDemandComponents;
  readonly #usedAt = new Map<string, number>();
  readonly #fetches = new Map<string, Promise<void>>();
  /** Boards of which others are asked whether they keep them. */
  readonly #leaving = new Set<string>();
  /** Boards that are being taken off the disk. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(components: OnDemandComponents) {
    this.#components = components;
  }

  isOnDemand(id: string): boolean {
    return this.#components.find(id)?.access?.isOnDemand === true;
  }

  /** Whether entries of a board belong here now: it is held by all who may, or is used here. */
  isHeld(id: string): boolean {
    if (!this.isOnDemand(id)) return true;
    return !this.#ending.has(id) && (this.#fetches.has(id) || this.#isHere(id));
  }

  /** How this node holds a board; undefined of one that is not held on demand. */
  heldOf(id: string): BoardHeld | undefined {
    if (!this.isOnDemand(id)) return undefined;
    const others = this.#saidToHold(id).length;
    if (!this.#isHere(id)) return { isHere: false, others };
    return { isHere: true, others, until: this.#lastUse(id) + IDLE_MS };
  }

  /** Somebody uses what is here. @throws STARLING_BOARD_BEHIND when nothing is */
  use(id: string): void {
    if (!this.isOnDemand(id)) return;
    this.#usedAt.set(id, this.#components.clock.now());
    if (this.#isHere(id) && !this.#ending.has(id)) return;
    throw new StarlingError(
      'STARLING_BOARD_BEHIND',
      `board '${nameIn(id)}' is held on demand, and is not here yet`,
      { hint: 'have it fetched first: board.hold()' },
    );
  }

  /** Fetches a board that is not here. @throws STARLING_PEER_UNREACHABLE */
  async hold(id: string): Promise<void> {
    if (!this.isOnDemand(id)) return;
    const { clock } = this.#components;
    this.#usedAt.set(id, clock.now());
    // Whether the disk took that or not: what counts is what is here then.
    await this.#ending.get(id)?.catch(() => undefined);
    const fetching = this.#fetches.get(id);
    if (fetching === undefined && this.#isHere(id)) return;
    const fetch = fetching ?? this.#begin(id);
    await settledWithin(FETCH_WAIT_MS, fetch, clock);
    this.#usedAt.set(id, clock.now());
    if (!this.#isHere(id)) throw unreachable(id);
  }

  /** A peer wants to let go of a board of which it holds `places`: whether all that is here, and stays. */
  async keeps(id: string, places: readonly Place[]): Promise<boolean> {
    const board = this.#components.find(id);
    if (board === undefined || !this.isOnDemand(id) || this.#leaving.has(id)) return false;
    // What is told to be here must be there after a crash.
    await board.flushed();
    if (this.#leaving.has(id) || !this.#isHere(id) || !board.document.covers(places)) return false;
    this.#usedAt.set(id, this.#components.clock.now());
    return true;
  }

  /** Lets go of what nobody has used for long; called as often as one likes. */
  look(): void {
    const { clock, boards, logger } = this.#components;
    const now = clock.now();
    for (const id of boards.keys()) {
      if (!this.isOnDemand(id) || !this.#isHere(id) || this.#leaving.has(id)) continue;
      if (this.#isUsed(id)) this.#usedAt.set(id, now);
      // A clock that was set back counts from now on.
      const idleMs = now - this.#lastUse(id);
      if (idleMs < 0) this.#usedAt.set(id, now);
      if (idleMs < IDLE_MS) continue;
      this.#leave(id).catch((error: unknown) =>
        // Not lost: it stays, and is looked at again.
        logger.warn({ board: id, error: messageOf(error) }, 'a board is not let go of'),
      );
    }
  }

  clear(): void {
    this.#usedAt.clear();
    this.#fetches.clear();
    this.#leaving.clear();
    this.#ending.clear();
  }

  #isHere(id: string): boolean {
    return this.#components.find(id)?.document.isBlank === false;
  }

  /** What a node has at its start counts as used then. */
  #lastUse(id: string): number {
    const known = this.#usedAt.get(id);
    if (known !== undefined) return known;
    const now = this.#components.clock.now();
    this.#usedAt.set(id, now);
    return now;
  }

  /** Whether a board can't be let go of now, whoever has used it when. */
  #isUsed(id: string): boolean {
    const components = this.#components;
    const board = components.find(id);
    if (board === undefined || this.#fetches.has(id)) return true;
    if (components.isWatched(id) || components.isComing(id)) return true;
    const { isWaiting, early } = board.document;
    return isWaiting || early !== undefined || !board.isIdle;
  }

  #begin(id: string): Promise<void> {
    const fetch = this.#fetch(id).finally(() => this.#fetches.delete(id));
    this.#fetches.set(id, fetch);
    // Whoever waits sees whether it is here; the log says why it is not.
    fetch.catch(() => undefined);
    return fetch;
  }

  async #fetch(id: string): Promise<void> {
    const { logger } = this.#components;
    for (const peer of this.#holders(id)) {
      try {
        await this.#components.sync(peer, id);
        if (this.#isHere(id)) return;
      } catch (error) {
        logger.debug({ peer, board: id, error: messageOf(error) }, 'a board was not fetched');
      }
    }
  }

  /** Whom to ask for a board: who said that it holds it, who is connected and said nothing, and some that are not connected. */
  #holders(id: string): readonly PeerId[] {
    const components = this.#components;
    const { self, network } = components;
    const access = components.find(id)?.access;
    if (access === undefined) return [];
    const near = network.connected().filter((peer) => access.mayRead(components.didOf(peer)));
    const afar = [access.creator, ...access.rights().map(({ to }) => to)]
      .filter((did) => did !== self && access.mayRead(did))
      .map((did) => components.peerOf(did))
      .filter((peer) => !network.isConnected(peer));
    return [
      ...near.filter((peer) => components.saidToHold(peer, id) === true),
      ...near.filter((peer) => components.saidToHold(peer, id) === undefined),
      ...[...new Set(afar)].slice(0, AFAR_MAX),
    ];
  }

  async #leave(id: string): Promise<void> {
    const { clock, random, logger } = this.#components;
    const askedAt = clock.now();
    this.#leaving.add(id);
    try {
      const before = this.#components.find(id)?.document.digest();
      if (!(await this.#isKeptByOthers(id))) {
        // Whoever has it may come; and of those that ask each other at one moment one is to be the first next time.
        this.#usedAt.set(id, clock.now() - (random() * IDLE_MS) / 2);
        return;
      }
      const document = this.#components.find(id)?.document;
      if (this.#lastUse(id) >= askedAt || this.#isUsed(id) || document?.digest() !== before) return;
      const ending = this.#components.letGo(id).finally(() => this.#ending.delete(id));
      this.#ending.set(id, ending);
      await ending;
      logger.info({ board: id }, 'a board that nobody has used is let go of: others hold it');
    } finally {
      this.#leaving.delete(id);
    }
  }

  /** Whether enough others have all of a board and stay, of whom one may write it: who may only read is not taken at its word alone. */
  async #isKeptByOthers(id: string): Promise<boolean> {
    const components = this.#components;
    const access = components.find(id)?.access;
    if (access === undefined) return false;
    let copies = 0;
    let isWriterIn = false;
    for (const peer of this.#saidToHold(id)) {
      const did = components.didOf(peer);
      if (!access.mayRead(did) || !(await this.#isKeptBy(peer, id))) continue;
      copies += 1;
      isWriterIn ||= access.mayWriteSome(did);
      if (copies >= COPIES_MIN && isWriterIn) return true;
    }
    return false;
  }

  async #isKeptBy(peer: PeerId, id: string): Promise<boolean> {
    try {
      return await this.#components.askToKeep(peer, id);
    } catch (error) {
      const fields = { peer, board: id, error: messageOf(error) };
      this.#components.logger.debug(fields, 'a holder has not answered');
      return false;
    }
  }

  /** Who of those that are connected has said that it holds a board. */
  #saidToHold(id: string): readonly PeerId[] {
    const components = this.#components;
    return components.network
      .connected()
      .filter((peer) => components.saidToHold(peer, id) === true);
  }
}

function unreachable(id: string): StarlingError {
  const name = nameIn(id);
  return new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `board '${name}' is held on demand, and no node that holds it can be reached`,
    { hint: `see who has rights on it, and whether they are there: starling board info ${name}` },
  );
}
