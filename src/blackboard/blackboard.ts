/**
 * All boards of the node. Own writes go to disk, then to everyone by gossip; what gossip lost is
 * found by the digests in heartbeats and repaired by a sync. Every member holds every board.
 */
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { Network, Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { createBoard } from './board.ts';
import type { HeldBoard } from './board.ts';
import { decodeGossip, encodeGossip } from './codec.ts';
import { createDocument } from './document.ts';
import { LIMITS, checkName, invalid, isBoardName } from './limits.ts';
import { keptBoards, openBoardLog } from './log.ts';
import { BOARD_PROTOCOL, serveSync, syncBoard } from './sync.ts';
import type { BoardSyncComponents } from './sync.ts';
import type { Blackboard, Board } from './types.ts';

const TOPIC = 'board';
/** An update over this goes by sync only: a gossip message holds 64 KiB. */
const GOSSIP_BYTES_MAX = 60 * 1024;
/** How long a differing digest may be mere gossip under way. */
const SETTLE_MS = 700;
const SETTLE_JITTER_MS = 600;

/** What the blackboard works with. */
export interface BlackboardComponents {
  readonly network: Network;
  readonly table: Table;
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Makes the blackboard; `start` opens every board that is on disk. */
export function createBlackboard(components: BlackboardComponents): Blackboard {
  return new AllBoards(components);
}

class AllBoards implements Blackboard {
  readonly #components: BlackboardComponents;
  readonly #topic: Topic;
  readonly #boards = new Map<string, HeldBoard>();
  readonly #opening = new Map<string, Promise<HeldBoard>>();
  readonly #busy = new Set<string>();
  readonly #theirs = new Map<PeerId, Readonly<Record<string, string>>>();
  #scope: Scope | undefined;

  constructor(components: BlackboardComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC);
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { network, clock, table, logger } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'blackboard task failed'),
    );
    this.#scope = scope;
    for (const name of await keptBoards(table)) if (isBoardName(name)) await this.#open(name);
    scope.add(
      network.handle(BOARD_PROTOCOL, (stream) => serveSync(this.#syncComponents(), stream)),
    );
    scope.add(this.#topic.subscribe((data) => this.#heard(data)));
    const connected = (peer: PeerId): void => this.#meet(peer);
    network.events.on('peer:connect', connected);
    scope.add(() => network.events.off('peer:connect', connected));
  }

  async stop(): Promise<void> {
    if (this.#scope === undefined) return;
    this.#scope.close();
    this.#scope = undefined;
    await Promise.all([...this.#boards.values()].map((board) => board.flushed()));
    for (const board of this.#boards.values()) board.close();
    this.#boards.clear();
    this.#opening.clear();
  }

  async board(name: string): Promise<Board> {
    checkName(name);
    return this.#open(name);
  }

  names(): readonly string[] {
    return [...this.#boards.keys()].toSorted();
  }

  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#boards].map(([name, board]) => [name, board.digest()]));
  }

  compare(peer: PeerId, digests: Readonly<Record<string, string>>): void {
    this.#theirs.set(peer, digests);
    for (const [name, digest] of Object.entries(digests)) {
      if (this.#boards.get(name)?.digest() !== digest) this.#repairSoon(peer, name);
    }
    for (const name of this.#boards.keys()) {
      if (digests[name] === undefined) this.#repairSoon(peer, name);
    }
  }

  /** Of two that meet, one asks; equal boards cost one small message. */
  #meet(peer: PeerId): void {
    if (this.#components.network.self > peer) return;
    for (const name of this.#boards.keys()) this.#sync(peer, name);
  }

  /** Waits for gossip to settle before it believes that something was lost. */
  #repairSoon(peer: PeerId, name: string): void {
    const key = `${peer} ${name}`;
    if (!isBoardName(name) || this.#busy.has(key) || this.#scope === undefined) return;
    this.#busy.add(key);
    const before = this.#boards.get(name)?.digest();
    this.#scope.after(SETTLE_MS + this.#components.random() * SETTLE_JITTER_MS, () => {
      this.#busy.delete(key);
      const ours = this.#boards.get(name)?.digest();
      if (ours !== before && ours === this.#theirs.get(peer)?.[name]) return;
      this.#sync(peer, name);
    });
  }

  #sync(peer: PeerId, name: string): void {
    const key = `${peer} ${name}`;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    this.#open(name)
      .then((board) => syncBoard(this.#syncComponents(), peer, board))
      .catch((error: unknown) =>
        // Not lost: the next heartbeat shows that the boards differ.
        this.#components.logger.debug(
          { peer, board: name, error: messageOf(error) },
          'board not synced',
        ),
      )
      .finally(() => this.#busy.delete(key));
  }

  #open(name: string): Promise<HeldBoard> {
    const known = this.#boards.get(name);
    if (known !== undefined) return Promise.resolve(known);
    const opening = this.#opening.get(name);
    if (opening !== undefined) return opening;
    if (this.#scope === undefined) {
      return Promise.reject(new StarlingError('STARLING_STOPPED', 'the blackboard is not started'));
    }
    if (this.#boards.size + this.#opening.size >= LIMITS.boards) {
      return Promise.reject(
        invalid(
          `this mesh has ${LIMITS.boards} boards, which is the limit`,
          'use one that there is: starling board list',
        ),
      );
    }
    const opened = this.#read(name).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opened);
    return opened;
  }

  async #read(name: string): Promise<HeldBoard> {
    const { table, self, clock, logger } = this.#components;
    const log = await openBoardLog(table, name);
    const board = createBoard(name, {
      document: createDocument(log.kept),
      log,
      self,
      clock,
      logger,
      publish: (update) => this.#publish(name, update),
    });
    this.#boards.set(name, board);
    return board;
  }

  #publish(board: string, update: Uint8Array): void {
    const message = encodeGossip({ board, update });
    if (message.length > GOSSIP_BYTES_MAX || this.#scope === undefined) return;
    this.#topic.publish(message).catch((error: unknown) =>
      // Not lost: the heartbeat's digest repairs it.
      this.#components.logger.debug({ board, error: messageOf(error) }, 'update not gossiped'),
    );
  }

  #heard(data: Uint8Array): void {
    const message = decodeGossip(data);
    if (message === undefined || !isBoardName(message.board)) return;
    this.#open(message.board)
      .then((board) => {
        if (!board.take(message.update)) {
          this.#components.logger.warn({ board: message.board }, 'malformed update dropped');
        }
        return undefined;
      })
      .catch((error: unknown) =>
        this.#components.logger.warn(
          { board: message.board, error: messageOf(error) },
          'update dropped',
        ),
      );
  }

  #syncComponents(): BoardSyncComponents {
    const { network, clock, logger } = this.#components;
    return {
      network,
      clock,
      logger,
      open: (name) => (isBoardName(name) ? this.#open(name) : Promise.resolve(undefined)),
    };
  }
}
