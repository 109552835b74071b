/**
 * The strong boards that hold durable tasks: one of this node, which it makes and has replicated by itself, and those of
 * other nodes, as far as this node may read them. A task is one register.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did, Json, Logger } from '../../core/index.ts';
import type { Blackboard, Board } from '../../blackboard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { COPIES, GROW_MS } from '../limits.ts';

/** What the board of durable tasks of each node is called. */
export const DURABLE_BOARD = 'durable-tasks';

/** What these boards stand on. */
export interface DurableBoardsComponents {
  readonly blackboard: Pick<Blackboard, 'board'>;
  readonly membership: Pick<Membership, 'events' | 'peers'>;
  readonly self: { readonly did: Did };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what a register holds as far as this node knows; undefined: it was deleted. */
  readonly heard: (creator: Did, id: string, value: Json | undefined) => void;
}

/** What a register holds now, for all to see alike. */
export interface RegisterState {
  /** 0: nothing. */
  readonly version: number;
  readonly value?: Json | undefined;
}

/** The boards; each belongs to the node that has made it. */
export interface DurableBoards {
  start(): Promise<void>;
  stop(): void;
  /** Makes the board of this node, or has more keep it where more are there now. @throws STARLING_BOARD_INVALID, … */
  open(): Promise<void>;
  /** Who keeps the board, as far as is known here. */
  replicas(creator: Did): readonly Did[];
  /** As far as this node knows. */
  known(creator: Did, id: string): Json | undefined;
  /** @throws STARLING_NO_QUORUM, … as `Board.strong` says; so do the others */
  read(creator: Did, id: string): Promise<RegisterState>;
  /** Writes if the register has this version still; undefined where it has not, else the new one. */
  write(creator: Did, id: string, next: Required<RegisterState>): Promise<number | undefined>;
  remove(creator: Did, id: string): Promise<void>;
}

/** Makes the boards of one node. */
export function createDurableBoards(components: DurableBoardsComponents): DurableBoards {
  return new NodeDurableBoards(components);
}

/** How long who keeps a board is taken for known. */
const REPLICAS_MS = 1000;

class NodeDurableBoards implements DurableBoards {
  readonly #components: DurableBoardsComponents;
  readonly #boards = new Map<Did, Board>();
  /** All that is known of a board is more than is asked of it each time. */
  readonly #replicas = new Map<Did, { readonly dids: readonly Did[]; readonly at: number }>();
  readonly #unwatch: (() => void)[] = [];
  #isStarted = false;
  #opening: Promise<void> | undefined;
  #grownAt = Number.NEGATIVE_INFINITY;
  readonly #peerChanged = ({ did }: PeerView): void => {
    this.#watch(did).catch((error: unknown) => {
      // It is watched at the next change of the peer.
      const { logger } = this.#components;
      logger.debug({ peer: did, error: messageOf(error) }, 'durable tasks are not watched');
    });
  };

  constructor(components: DurableBoardsComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    const { membership, self } = this.#components;
    this.#isStarted = true;
    await this.#watch(self.did);
    for (const { did } of membership.peers()) await this.#watch(did);
    membership.events.on('change', this.#peerChanged);
  }

  stop(): void {
    this.#isStarted = false;
    this.#components.membership.events.off('change', this.#peerChanged);
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
    this.#boards.clear();
    this.#replicas.clear();
  }

  open(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  replicas(creator: Did): readonly Did[] {
    const now = this.#components.clock.now();
    const known = this.#replicas.get(creator);
    if (known !== undefined && Math.abs(now - known.at) < REPLICAS_MS) return known.dids;
    const dids = this.#boards.get(creator)?.info().replicas ?? [];
    if (dids.length > 0) this.#replicas.set(creator, { dids, at: now });
    return dids;
  }

  known(creator: Did, id: string): Json | undefined {
    return this.#boards.get(creator)?.get(id)?.value;
  }

  async read(creator: Did, id: string): Promise<RegisterState> {
    const { version, value } = await this.#of(creator).strong(id, { request: { t: 'get' } });
    return { version, value };
  }

  async write(
    creator: Did,
    id: string,
    { version, value }: Required<RegisterState>,
  ): Promise<number | undefined> {
    const request = { t: 'cas', value: value ?? null, version } as const;
    const outcome = await this.#of(creator).strong(id, { request });
    return outcome.ok ? outcome.version : undefined;
  }

  async remove(creator: Did, id: string): Promise<void> {
    await this.#of(creator).strong(id, { request: { t: 'delete' } });
  }

  #of(creator: Did): Board {
    const board = this.#boards.get(creator);
    if (board !== undefined) return board;
    throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  /** What is on the board, and what comes to be on it. */
  async #watch(creator: Did): Promise<void> {
    if (!this.#isStarted || this.#boards.has(creator)) return;
    const { blackboard, heard } = this.#components;
    const board = await blackboard.board(`${DURABLE_BOARD}@${creator.slice('did:key:'.length)}`);
    if (!this.#isStarted || this.#boards.has(creator)) return;
    this.#boards.set(creator, board);
    const stop = board.watch((changes) => {
      for (const { key, entry } of changes) heard(creator, key, entry?.value);
    });
    this.#unwatch.push(stop);
    for (const { key, value } of board.entries()) heard(creator, key, value);
  }

  async #open(): Promise<void> {
    const { clock, logger, self } = this.#components;
    const board = this.#of(self.did);
    if (!board.info().exists) {
      await board.create({ strong: [self.did, ...this.#others([self.did])] });
      return;
    }
    if (!board.isStrong) throw notStrong();
    const { replicas = [] } = board.info();
    if (replicas.length >= COPIES || Math.abs(clock.now() - this.#grownAt) < GROW_MS) return;
    const add = this.#others(replicas);
    if (add.length === 0) return;
    this.#grownAt = clock.now();
    this.#replicas.delete(self.did);
    await board.changeReplicas({ add }).catch((error: unknown) => {
      // It goes on with those that there are.
      logger.warn({ error: messageOf(error) }, 'durable tasks are kept by no more nodes');
    });
  }

  /** Who is to keep the board besides: as many as make it three, or none, as two keep nothing better than one. */
  #others(replicas: readonly Did[]): readonly Did[] {
    const wanted = COPIES - replicas.length;
    const here = this.#components.membership
      .peers()
      .filter(({ state, did }) => state === 'alive' && !replicas.includes(did));
    return here.length < wanted ? [] : here.slice(0, wanted).map(({ did }) => did);
  }
}

function notStrong(): StarlingError {
  return new StarlingError(
    'STARLING_BOARD_INVALID',
    `the board '${DURABLE_BOARD}' is not strong, and durable tasks need it`,
    { hint: `drop it, and submit again: starling board drop ${DURABLE_BOARD}` },
  );
}

/** Too few replicas answer now, or have the board yet. */
export function isForNow(error: unknown): boolean {
  return (
    error instanceof StarlingError &&
    (error.code === 'STARLING_NO_QUORUM' || error.code === 'STARLING_OUTCOME_UNKNOWN')
  );
}
