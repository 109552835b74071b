/**
 * The boards whose keys are changed one change after the other, for all to see alike. A board's creator names its
 * replicas in the signed record, once and for all. One replica does most changes of a key, which is a hint only; other
 * nodes ask that one, and another where it does not answer, under the same request id: so a change is done once.
 * What a majority has on disk is written to the replica's lane as well, for whoever reads the board as others are read.
 */
import { createHash, randomUUID } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, Json, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import type { Table } from '../../store/index.ts';
import { LIMITS, checkedValue } from '../limits.ts';
import type { StrongOutcome, StrongRequest } from '../types.ts';
import type { StrongState } from './acceptor.ts';
import type { AskMessage, Cell, Reply } from './format.ts';
import { createLateShowing } from './late-showing.ts';
import type { LateShowing } from './late-showing.ts';
import { createQuorumLinks } from './links.ts';
import type { QuorumLinks } from './links.ts';
import { createProposer, noQuorum, unknownOutcome } from './proposer.ts';
import type { Proposer } from './proposer.ts';
import { createReplica } from './replica.ts';
import type { Replica } from './replica.ts';
import { changeOf, heldIn, isRead, shownState } from './request.ts';

/** What one strong board is, for whoever changes its keys. */
export interface StrongBoard {
  /** Dids of the replicas, as the record of the board names them. */
  readonly replicas: readonly Did[];
  mayRead(did: Did): boolean;
  mayWrite(did: Did, key: string): boolean;
}

/** What is to be shown to whoever reads the board as others are read. */
export interface Chosen {
  readonly key: string;
  /** Undefined: deleted. */
  readonly value?: Json | undefined;
  readonly by: Did;
  readonly at: number;
}

/** What strong boards work with. */
export interface StrongBoardsComponents {
  readonly network: Pick<Network, 'handle' | 'isConnected' | 'open' | 'report'>;
  readonly table: Table;
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  didOf(peer: PeerId): Did;
  /** The peer that has a replica's key, or the key that took its place. */
  peerOf(replica: Did): PeerId;
  /** Whether `did` is a replica's, or has taken its place. */
  isSame(did: Did, replica: Did): boolean;
  /** A strong board that is here. */
  find(board: string): StrongBoard | undefined;
  /** Hears what a majority has on disk. Never throws. */
  chosen(board: string, chosen: Chosen): void;
  /** Whether what was accepted of a key is shown already, or something later. */
  isShown(board: string, chosen: Chosen): boolean;
}

/** A request, and under which id it is known. */
export interface StrongInit {
  readonly request: StrongRequest;
  /** Of an earlier try, as its error says, or whatever the caller calls this request. */
  readonly id?: string | undefined;
}

/** Strong boards of this node. */
export interface StrongBoards {
  /**
   * Does what is asked, here or at another replica.
   * @throws STARLING_NO_QUORUM: nothing has changed; STARLING_OUTCOME_UNKNOWN: nobody knows;
   * STARLING_BOARD_INVALID, STARLING_BOARD_REFUSED, STARLING_LIMIT_EXCEEDED
   */
  request(cell: Cell, init: StrongInit): Promise<StrongOutcome>;
}

/** How long a request is tried in all. */
const PATIENCE_MS = 5000;
/** How long one replica is asked to do a request before another is. */
const HAND_MS = 2000;
/** How long a replica may take for one question. Higher: slow disks and links count; lower: a dead one holds up less. */
const ANSWER_MS = 1000;
/** Keys whose last number is remembered for requests that are lost on the way. */
const NUMBERS_MAX = 4096;
const ID_AT = /^(.{1,64})@(\d{1,15})$/;
const ID = /^[A-Za-z0-9._:-]{1,48}$/;

/** Makes them; they end when the scope closes. */
export function createStrongBoards(components: StrongBoardsComponents, scope: Scope): StrongBoards {
  return new QuorumBoards(components, scope);
}

interface Asked {
  readonly board: StrongBoard;
  readonly cell: Cell;
  readonly by: Did;
  readonly request: StrongRequest;
  readonly id: string;
  readonly since: number | undefined;
  readonly patienceMs: number;
}

class QuorumBoards implements StrongBoards {
  readonly #components: StrongBoardsComponents;
  readonly #replica: Replica;
  readonly #links: QuorumLinks;
  readonly #proposer: Proposer;
  readonly #toShow: LateShowing;
  readonly #numbers = new Map<string, number>();

  constructor(components: StrongBoardsComponents, scope: Scope) {
    const { network, clock, logger, table, self, random } = components;
    this.#components = components;
    this.#toShow = createLateShowing(scope, (cell) => this.#show(cell));
    this.#replica = createReplica(table);
    this.#links = createQuorumLinks({
      network,
      clock,
      logger,
      scope,
      answer: (peer, message) => this.#answer(peer, message),
    });
    this.#proposer = createProposer({
      self,
      clock,
      random,
      isStopped: () => scope.closed,
      boot: () => this.#replica.boot(),
      ask: async (replica, cell, question) => {
        if (this.#isSelf(replica)) return this.#accept(cell, question).catch(() => undefined);
        const reply = await this.#askReplica(replica, cell, question);
        return reply !== undefined && 'ballot' in reply ? reply : undefined;
      },
      look: async (replica, cell) => {
        if (this.#isSelf(replica)) return this.#shown(cell).catch(() => undefined);
        const reply = await this.#askReplica(replica, cell, { t: 'look' });
        return reply?.t === 'shown' ? reply : undefined;
      },
    });
  }

  async request(cell: Cell, { request, id: given }: StrongInit): Promise<StrongOutcome> {
    const board = this.#boardOf(cell);
    checkRequest(request);
    const { id, since } = readId(given);
    const { self } = this.#components;
    const patience = { isOver: false };
    const cancel = this.#components.clock.schedule(PATIENCE_MS, () => {
      patience.isOver = true;
    });
    try {
      return await this.#inOrder({ board, cell, by: self, request, id, since }, patience);
    } finally {
      cancel();
    }
  }

  /** Asks one replica after the other, the one that does most of the key first. */
  async #inOrder(
    wanted: Omit<Asked, 'patienceMs'>,
    patience: { readonly isOver: boolean },
  ): Promise<StrongOutcome> {
    const { board, cell, request, id } = wanted;
    let { since } = wanted;
    const known = this.#numbers.get(nameOf(cell)) ?? 0;
    for (const replica of this.#ranked(board.replicas, cell)) {
      if (patience.isOver) break;
      if (this.#isSelf(replica)) return this.#do({ ...wanted, since, patienceMs: PATIENCE_MS });
      const told = since === undefined ? {} : { since };
      const ask = { t: 'do', id, request, patienceMs: HAND_MS, ...told } as const;
      const peer = this.#peerOf(replica);
      if (peer === undefined) continue;
      const { reply, sent } = await this.#links.ask(peer, cell, ask, HAND_MS + ANSWER_MS);
      if (reply?.t === 'done') {
        this.#note(cell, reply.outcome.version);
        return reply.outcome;
      }
      const code = reply?.t === 'failed' ? reply.code : undefined;
      if (reply?.t === 'failed' && !isTriedOn(code)) {
        throw new StarlingError(reply.code, reply.text, {
          hint: 'see: starling board info <board>',
        });
      }
      const mayBeDone = code === undefined ? sent : !isUndone(code);
      if (mayBeDone && !isRead(request)) since ??= known;
    }
    if (since !== undefined) throw unknownOutcome({ cell, request: id }, since);
    throw noQuorum({ cell, replicas: board.replicas });
  }

  /** Does a request here, as a replica. */
  async #do(asked: Asked): Promise<StrongOutcome> {
    const { board, cell, by, request, id, since, patienceMs } = asked;
    const { replicas } = board;
    if (isRead(request)) {
      const state = await this.#proposer.look(cell, replicas);
      if (state !== undefined) return this.#told(cell, state, { ...shownState(state) });
    }
    const change = changeOf(request, by, this.#components.clock.now());
    const proposal = { cell, replicas, request: id, change, since, patienceMs };
    const { result, state } = await this.#proposer.propose(proposal);
    return this.#told(cell, state, result as unknown as StrongOutcome);
  }

  #told(cell: Cell, state: StrongState, outcome: StrongOutcome): StrongOutcome {
    this.#note(cell, state.count);
    const chosen = chosenOf(cell, state);
    if (chosen !== undefined && !this.#components.isShown(cell.board, chosen)) {
      this.#components.chosen(cell.board, chosen);
    }
    return outcome;
  }

  async #answer(peer: PeerId, { board, key, ask }: AskMessage): Promise<Reply | undefined> {
    const cell = { board, key };
    const found = this.#components.find(board);
    const by = this.#components.didOf(peer);
    if (found === undefined || !found.replicas.some((one) => this.#isSelf(one))) return undefined;
    if (ask.t === 'do') return this.#doFor(found, cell, { by, ...ask });
    if (!found.replicas.some((one) => this.#components.isSame(by, one))) {
      this.#components.network.report(peer, 'unpermitted');
      return undefined;
    }
    return ask.t === 'look' ? this.#shown(cell) : this.#accept(cell, ask);
  }

  /** Does a request of another node. */
  async #doFor(
    board: StrongBoard,
    cell: Cell,
    asked: Pick<Asked, 'by' | 'id' | 'request' | 'patienceMs'> & { readonly since?: number },
  ): Promise<Reply> {
    const { by, request } = asked;
    try {
      checkRequest(request);
      const may = isRead(request) ? board.mayRead(by) : board.mayWrite(by, cell.key);
      if (!may) throw new StarlingError('STARLING_BOARD_REFUSED', `no right for '${cell.key}'`);
      const patienceMs = Math.min(asked.patienceMs, PATIENCE_MS);
      const since = asked.since;
      return { t: 'done', outcome: await this.#do({ board, cell, ...asked, since, patienceMs }) };
    } catch (error) {
      if (error instanceof StarlingError) {
        return { t: 'failed', code: error.code, text: error.message };
      }
      throw error;
    }
  }

  async #accept(
    cell: Cell,
    question: Parameters<Replica['answer']>[1],
  ): ReturnType<Replica['answer']> {
    const answer = await this.#replica.answer(cell, question);
    if (answer.t === 'accepted') this.#toShow.add(cell);
    return answer;
  }

  async #shown(cell: Cell): Promise<Extract<Reply, { t: 'shown' }>> {
    const accepted = await this.#replica.look(cell);
    return { t: 'shown', ...(accepted === undefined ? {} : { accepted }) };
  }

  async #askReplica(
    replica: Did,
    cell: Cell,
    ask: Parameters<QuorumLinks['ask']>[2],
  ): Promise<Reply | undefined> {
    const peer = this.#peerOf(replica);
    if (peer === undefined) return undefined;
    return (await this.#links.ask(peer, cell, ask, ANSWER_MS)).reply;
  }

  /** Shows what was chosen of a key, if that is not shown. */
  async #show(cell: Cell): Promise<void> {
    const board = this.#components.find(cell.board);
    const accepted = await this.#replica.look(cell);
    const chosen = accepted && chosenOf(cell, accepted.state);
    if (board === undefined || chosen === undefined) return;
    if (this.#components.isShown(cell.board, chosen)) return;
    const by = this.#components.self;
    const request = { t: 'get' } as const;
    const asked = { board, cell, by, request, id: randomUUID(), since: undefined };
    await this.#do({ ...asked, patienceMs: HAND_MS });
  }

  /** Replicas in the order in which they are asked: who is there first, of these by a hash, the same at all nodes. */
  #ranked(replicas: readonly Did[], cell: Cell): readonly Did[] {
    const weight = (replica: Did): string =>
      createHash('sha256')
        .update(`${nameOf(cell)} ${replica}`)
        .digest('hex');
    const isThere = (replica: Did): boolean => {
      if (this.#isSelf(replica)) return true;
      const peer = this.#peerOf(replica);
      return peer !== undefined && this.#components.network.isConnected(peer);
    };
    return replicas
      .map((replica) => ({ replica, rank: `${isThere(replica) ? 0 : 1}${weight(replica)}` }))
      .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
      .map(({ replica }) => replica);
  }

  #boardOf({ board }: Cell): StrongBoard {
    const found = this.#components.find(board);
    if (found !== undefined) return found;
    throw new StarlingError('STARLING_BOARD_INVALID', 'this board is not strong', {
      hint: 'make one that is: starling board create <board> --strong',
    });
  }

  /** Undefined of a did that is no key, which nobody can have: a creator may have written anything. */
  #peerOf(replica: Did): PeerId | undefined {
    try {
      return this.#components.peerOf(replica);
    } catch {
      return undefined;
    }
  }

  #isSelf(replica: Did): boolean {
    return this.#components.isSame(this.#components.self, replica);
  }

  #note(cell: Cell, count: number): void {
    const name = nameOf(cell);
    const [oldest] = this.#numbers.size < NUMBERS_MAX ? [] : this.#numbers.keys();
    if (oldest !== undefined) this.#numbers.delete(oldest);
    this.#numbers.set(name, Math.max(count, this.#numbers.get(name) ?? 0));
  }
}

/** What a state shows to whoever reads the board as others are read; undefined where nothing ever was. */
function chosenOf({ key }: Cell, state: StrongState): Chosen | undefined {
  const held = heldIn(state);
  return held === undefined ? undefined : { key, value: held.v, by: held.by, at: held.at };
}

/** Whether another replica is asked after a failure of this kind. */
function isTriedOn(code: string | undefined): boolean {
  return code === 'STARLING_OUTCOME_UNKNOWN' || code === 'STARLING_STOPPED' || isUndone(code);
}

/** Whether a failure of this kind says that nothing was proposed. */
function isUndone(code: string | undefined): boolean {
  return code === 'STARLING_NO_QUORUM' || code === 'STARLING_STATE_UNUSABLE';
}

/** @throws STARLING_BOARD_INVALID */
function checkRequest(request: StrongRequest): void {
  if (request.t === 'set' || request.t === 'cas') checkedValue(request.value, LIMITS);
  if (request.t === 'cas' && request.expect !== undefined) checkedValue(request.expect, LIMITS);
}

/** @throws STARLING_USAGE */
function readId(given: string | undefined): {
  readonly id: string;
  readonly since: number | undefined;
} {
  if (given === undefined) return { id: randomUUID(), since: undefined };
  const parts = ID_AT.exec(given);
  const [, id = given, since] = parts ?? [];
  if (ID.test(id)) return { id, since: since === undefined ? undefined : Number(since) };
  throw new StarlingError('STARLING_USAGE', 'this is no id of a request', {
    hint: 'it is 1 to 48 of A-Z, a-z, 0-9, ., _, : and -, or what an error gave to try again with',
  });
}

function nameOf({ board, key }: Cell): string {
  return `${board}/${key}`;
}
