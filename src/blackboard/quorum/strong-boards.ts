/**
 * The boards whose keys are changed one change after the other, for all to see alike. A board's creator names its
 * replicas in the signed record; they change by signed records, too (`set-change.ts`). One replica does most changes of
 * a key, which is a hint only; other nodes ask that one, and another where it does not answer, under the same request
 * id: so a change is done once. What a majority has on disk is written to the replica's lane as well, for whoever
 * reads the board as others are read.
 */
import { randomUUID } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, Json, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import type { Table } from '../../store/index.ts';
import type { StrongOutcome, StrongRequest } from '../types.ts';
import type { Shown, StrongState } from './acceptor.ts';
import { StrongAnswers } from './answers.ts';
import type { Asked } from './answers.ts';
import { createBystanders } from './bystanders.ts';
import type { Bystanders } from './bystanders.ts';
import { ANSWER_MS, Electorate } from './electorate.ts';
import type { StrongBoard } from './electorate.ts';
import { createErasing } from './erasing.ts';
import type { Erasing } from './erasing.ts';
import type { Cell, Reply } from './format.ts';
import { rankedFor } from './groups.ts';
import { createQuorumLinks } from './links.ts';
import type { QuorumLinks } from './links.ts';
import { SilentReplicas } from './poll.ts';
import { createProposer, noQuorum, unknownOutcome } from './proposer.ts';
import type { Proposer, ProposerComponents } from './proposer.ts';
import { SameQuestions, createReader } from './reader.ts';
import type { Reader } from './reader.ts';
import { createReplica } from './replica.ts';
import type { Replica } from './replica.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';
import { changeOf, isRead, shownState } from './request.ts';
import { checkRequest, isTriedOn, isUndone, opOf, readId } from './request-forms.ts';
import { SeenKeys } from './seen-keys.ts';
import { SET_KEY, createSetChanges } from './set-change.ts';
import type { SetChanges } from './set-change.ts';
import { createShowing } from './showing.ts';
import type { Chosen, Showing } from './showing.ts';

/** What strong boards work with. */
export interface StrongBoardsComponents {
  readonly network: Pick<Network, 'handle' | 'isConnected' | 'open' | 'report'>;
  readonly table: Table;
  readonly self: Did;
  readonly clock: Clock;
  /** By which leases end and changes are dated, ms since the epoch. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly logger: Logger;
  didOf(peer: PeerId): Did;
  /** The peer that has a replica's key, or the key that took its place. */
  peerOf(replica: Did): PeerId;
  /** Whether `did` is a replica's, or has taken its place. */
  readonly isSameNode: (did: Did, replica: Did) => boolean;
  /** A strong board that is here. */
  find(board: string): StrongBoard | undefined;
  /** Hears what a majority has on disk. Never throws. */
  chosen(board: string, chosen: Chosen): void;
  /** Whether what was accepted of a key is shown already, or something later. */
  isShown(board: string, chosen: Chosen): boolean;
  /** Strong boards that are here. */
  readonly boards: () => readonly string[];
  /** Tells all who have a board how its replicas change. @throws what the disk says */
  readonly publish: (board: string, record: string) => Promise<void>;
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
  /** The replicas of a board as this node, or a replica that it asks, knows them. @throws STARLING_BOARD_INVALID */
  replicas(board: string): Promise<ReplicaSet>;
  /** What the disks of nodes are called that are to keep a board. @throws STARLING_PEER_UNREACHABLE */
  disks(board: string, of: readonly Did[]): Promise<readonly string[]>;
  /**
   * Has the replicas of a board change as a signed record says, here or at a replica.
   * @throws STARLING_BOARD_REFUSED, STARLING_BOARD_CONFLICT, STARLING_NO_QUORUM
   */
  change(board: string, record: string): Promise<void>;
}

/** How long a request is tried in all. */
const PATIENCE_MS = 5000;
/** How long one replica is asked to do a request before another is. */
const HAND_MS = 2000;
/** How long somebody who asks for a change of replicas waits: every key is written anew meanwhile. */
const CHANGE_MS = 120_000;
/** How long after a start, and how often, a change of replicas is looked for that nobody ended. */
const FINISH_MS = 60_000;
const DISK_MS = 5000;
/** Keys that begin with this are the board's own. */
const HIDDEN = '\u0000';

/** Makes them; they end when the scope closes. */
export function createStrongBoards(components: StrongBoardsComponents, scope: Scope): StrongBoards {
  return new QuorumBoards(components, scope);
}

class QuorumBoards implements StrongBoards {
  readonly #components: StrongBoardsComponents;
  readonly #replica: Replica;
  readonly #links: QuorumLinks;
  readonly #electorate: Electorate;
  readonly #proposer: Proposer;
  readonly #reader: Reader;
  readonly #changes: SetChanges;
  readonly #answers: StrongAnswers;
  readonly #showing: Showing;
  readonly #toErase: Erasing;
  readonly #seen = new SeenKeys();
  readonly #silent: SilentReplicas;

  constructor(components: StrongBoardsComponents, scope: Scope) {
    const { network, clock, logger, table } = components;
    this.#components = components;
    this.#silent = new SilentReplicas(clock);
    this.#replica = createReplica(table);
    this.#links = createQuorumLinks({
      network,
      clock,
      logger,
      scope,
      isReplica: (peer, id) =>
        isReplicaIn(components.find(id), (one) =>
          components.isSameNode(components.didOf(peer), one),
        ),
      answer: (peer, message, spend) => this.#answers.answer(peer, message, spend),
    });
    this.#electorate = new Electorate({
      ...components,
      replica: this.#replica,
      links: this.#links,
      peerOf: (did) => this.#peerOf(did),
      kept: (cell, isAccepted) => {
        if (cell.key === SET_KEY) return;
        if (isAccepted) this.#showing.look(cell);
        this.#toErase.add(cell, isAccepted);
      },
      erased: (cell) => this.#proposer.forget(cell),
    });
    const electorate = this.#electorate;
    this.#showing = createShowing({
      scope,
      logger,
      chosen: (board, chosen) => components.chosen(board, chosen),
      isShown: (board, chosen) => components.isShown(board, chosen),
      accepted: async (cell) =>
        (await this.#kept(cell, await electorate.setOf(cell.board)))?.accepted?.state,
      read: (cell) => this.#readToShow(cell),
    });
    const bystanders = createBystanders({
      electorate,
      scope,
      logger,
      isThere: ({ did }) => this.#isThere(did),
    });
    this.#proposer = this.#makeProposer(scope, bystanders);
    this.#reader = this.#makeReader();
    this.#changes = createSetChanges({
      clock,
      electorate,
      proposer: this.#proposer,
      reader: this.#reader,
      isStopped: () => scope.closed,
      publish: components.publish,
    });
    this.#answers = new StrongAnswers({
      ...components,
      electorate,
      changes: this.#changes,
      patienceMs: PATIENCE_MS,
      disk: () => this.#replica.disk(),
      isReplica: (board) => this.#isReplica(board),
      do: (asked) => this.#do(asked),
    });
    this.#toErase = this.#makeErasing(scope);
    scope.every(FINISH_MS, () => this.#finishChanges());
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
    wanted: Omit<Asked, 'isFresh' | 'patienceMs'>,
    patience: { readonly isOver: boolean },
  ): Promise<StrongOutcome> {
    const { cell, request, id } = wanted;
    let { since } = wanted;
    const isFresh = since === undefined;
    const known = this.#seen.countOf(cell);
    const isActive = await this.#isReplica(cell.board);
    const here = { isFresh, patienceMs: PATIENCE_MS, ...wanted };
    const isHere = isActive && (isRead(request) || this.#seen.isOwn(cell));
    if (isHere && !isRead(request)) return this.#do({ ...here, since });
    const read = isHere ? await this.#read(cell) : undefined;
    if (read !== undefined) return read;
    const { voters } = await this.#electorate.heardOf(cell.board);
    const replicas = voters.map(({ did }) => did);
    for (const replica of this.#ranked(replicas, cell)) {
      if (patience.isOver) break;
      if (this.#isSelf(replica)) {
        if (!isActive) continue;
        return this.#do({ ...here, since });
      }
      const fresh = isFresh ? { isFresh } : {};
      const told = since === undefined ? {} : { since, ...fresh };
      const ask = { t: 'do', id, request, patienceMs: HAND_MS, ...told } as const;
      const peer = this.#peerOf(replica);
      if (peer === undefined) continue;
      const { reply, sent } = await this.#links.ask(peer, cell, ask, HAND_MS + ANSWER_MS);
      if (reply?.t === 'done') {
        const { ok, version } = reply.outcome;
        this.#seen.note(cell, version, ok && !isRead(request));
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
    throw noQuorum({ cell }, await this.#electorate.setOf(cell.board));
  }

  /** Reads a key here, as a replica, in rounds that change nothing; undefined where those do not tell. */
  async #read(cell: Cell): Promise<StrongOutcome | undefined> {
    const state = await this.#reader.look(cell);
    return state && this.#told(cell, state, { outcome: { ...shownState(state) }, isOwn: false });
  }

  /** Does a request here, as a replica. */
  async #do(asked: Asked): Promise<StrongOutcome> {
    const { cell, by, request, id, since, isFresh, patienceMs } = asked;
    const read = isRead(request) ? await this.#read(cell) : undefined;
    if (read !== undefined) return read;
    const change = changeOf(request, by, this.#components.nowMs());
    const op = opOf(id, request);
    const proposal = { cell, request: id, op, change, since, isFresh, patienceMs };
    const { result, state } = await this.#proposer.propose(proposal);
    const outcome = result as unknown as StrongOutcome;
    const isOwn = outcome.ok && !isRead(request) && by === this.#components.self;
    return this.#told(cell, state, { outcome, isOwn });
  }

  #told(
    cell: Cell,
    state: StrongState,
    { outcome, isOwn }: { readonly outcome: StrongOutcome; readonly isOwn: boolean },
  ): StrongOutcome {
    this.#seen.note(cell, state.count, isOwn);
    this.#showing.show(cell, state);
    return outcome;
  }

  async replicas(board: string): Promise<ReplicaSet> {
    this.#boardOf({ board });
    return this.#electorate.heardOf(board);
  }

  async disks(board: string, of: readonly Did[]): Promise<readonly string[]> {
    const cell = { board, key: SET_KEY };
    return Promise.all(
      of.map(async (did) => {
        if (this.#isSelf(did)) return this.#replica.disk();
        const peer = this.#peerOf(did);
        const { reply } =
          peer === undefined
            ? { reply: undefined }
            : await this.#links.ask(peer, cell, { t: 'disk' }, DISK_MS);
        if (reply?.t === 'disk') return reply.disk;
        throw new StarlingError(
          'STARLING_PEER_UNREACHABLE',
          `${did} does not answer, and whoever is to keep a strong board must be there when that is said`,
          { hint: 'see who is there: starling peers' },
        );
      }),
    );
  }

  async change(id: string, record: string): Promise<void> {
    const board = this.#boardOf({ board: id });
    if (await this.#isReplica(id)) return this.#changes.change(id, board, record);
    const cell = { board: id, key: SET_KEY };
    const { voters } = await this.#electorate.heardOf(id);
    const replicas = voters.map(({ did }) => did);
    for (const replica of this.#ranked(replicas, cell)) {
      const peer = this.#peerOf(replica);
      if (peer === undefined || this.#isSelf(replica)) continue;
      const ask = { t: 'change', record } as const;
      const { reply } = await this.#links.ask(peer, cell, ask, CHANGE_MS);
      if (reply?.t === 'done') return this.#components.publish(id, record);
      if (reply?.t === 'failed' && !isTriedOn(reply.code)) {
        throw new StarlingError(reply.code, reply.text, {
          hint: 'see: starling board replicas <board>',
        });
      }
    }
    throw noQuorum({ cell }, await this.#electorate.setOf(id));
  }

  #makeProposer(scope: Scope, bystanders: Bystanders): Proposer {
    const electorate = this.#electorate;
    const { self, random } = this.#components;
    return createProposer({
      self,
      random,
      scope,
      silent: this.#silent,
      boot: () => this.#replica.boot(),
      setOf: (board) => electorate.setOf(board),
      ask: async (voter, set, { cell, question }) =>
        answerIn(await electorate.ask(voter, set, { cell, ask: question })),
      ownVoter: (set) => electorate.ownVoter(set),
      isThere: ({ did }) => this.#isThere(did),
      missed: (cell, missed) => bystanders.tell(cell, missed),
    });
  }

  #makeReader(): Reader {
    const electorate = this.#electorate;
    const { clock } = this.#components;
    const same = new SameQuestions((voter, set, { board, of }) => {
      const [first] = of;
      const key = first?.[0] ?? '';
      return electorate.ask(voter, set, { cell: { board, key }, ask: { t: 'same', of } });
    });
    return createReader({
      clock,
      setOf: (board) => electorate.setOf(board),
      ownVoter: (set) => electorate.ownVoter(set),
      isThere: (voter) => this.#isThere(voter.did) && !this.#silent.isPassedOver(voter),
      look: async (voter, set, { cell, known }) => {
        const reply = await electorate.ask(voter, set, { cell, ask: { t: 'look', known } });
        return reply?.t === 'shown' || reply?.t === 'moved' ? reply : undefined;
      },
      isSame: (voter, set, asked) => same.isSame(voter, set, asked),
    });
  }

  #makeErasing(scope: Scope): Erasing {
    const { boards } = this.#components;
    return createErasing(
      {
        electorate: this.#electorate,
        look: (cell, set) => this.#kept(cell, set),
        rewrite: async (cell) => {
          const id = randomUUID();
          const change = (value: Json | undefined) => ({ value, result: null });
          await this.#proposer.propose({
            cell,
            request: id,
            op: id,
            change,
            patienceMs: HAND_MS,
            toAll: true,
          });
        },
        keys: async (board) => {
          const { keys } = await this.#replica.keys(board);
          return keys.filter((key) => !key.startsWith(HIDDEN));
        },
        rankOf: (cell, { voters }) => {
          const dids = voters.map(({ did }: Voter) => did);
          return rankedFor(cell, dids, () => true).findIndex((did) => this.#isSelf(did));
        },
        boards,
      },
      scope,
    );
  }

  /** Ends changes of replicas that somebody began and did not end. */
  async #finishChanges(): Promise<void> {
    for (const id of this.#components.boards()) {
      const board = this.#components.find(id);
      const set = await this.#electorate.setOf(id);
      if (board === undefined || set.before === undefined) continue;
      if ((await this.#electorate.ownVoter(set)) === undefined) continue;
      // Too few are there, or the disk fails: the next time, maybe.
      await this.#changes.finish(id, board).catch(() => undefined);
    }
  }

  /** Whether this node is a replica of a board, with the disk that it has. */
  async #isReplica(board: string): Promise<boolean> {
    return (await this.#electorate.ownVoter(await this.#electorate.setOf(board))) !== undefined;
  }

  /** What this node keeps of a key as a replica of a set. */
  async #kept(cell: Cell, set: ReplicaSet): Promise<Shown | undefined> {
    const shown = await this.#replica.look(cell, set.number);
    return shown.t === 'shown' ? shown : undefined;
  }

  /** Reads a key so that what was chosen of it is shown. */
  async #readToShow(cell: Cell): Promise<void> {
    const board = this.#components.find(cell.board);
    if (board === undefined) return;
    const by = this.#components.self;
    const request = { t: 'get' } as const;
    const asked = { board, cell, by, request, id: randomUUID(), since: undefined, isFresh: true };
    await this.#do({ patienceMs: HAND_MS, ...asked });
  }

  #ranked(replicas: readonly Did[], cell: Cell): readonly Did[] {
    return rankedFor(cell, replicas, (replica) => this.#isThere(replica));
  }

  /** Whether a replica is this node, or connected to it. */
  #isThere(replica: Did): boolean {
    if (this.#isSelf(replica)) return true;
    const peer = this.#peerOf(replica);
    return peer !== undefined && this.#components.network.isConnected(peer);
  }

  #boardOf({ board }: Pick<Cell, 'board'>): StrongBoard {
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
    return this.#components.isSameNode(this.#components.self, replica);
  }
}

/** Whether records name somebody as a replica of the board. */
function isReplicaIn(board: StrongBoard | undefined, isMeant: (did: Did) => boolean): boolean {
  if (board === undefined) return false;
  const voters = board.lastChange?.voters.map(({ did }) => did) ?? board.first;
  return voters.some(isMeant);
}

/** What a proposer hears of a reply. */
function answerIn(reply: Reply | undefined): Awaited<ReturnType<ProposerComponents['ask']>> {
  if (reply?.t === 'failed' || reply?.t === 'moved') return reply;
  if (reply?.t === 'promised' || reply?.t === 'accepted' || reply?.t === 'refused') return reply;
  return undefined;
}
