/**
 * What this node answers when it is asked about strong boards: as a replica by other replicas, and by any member that wants
 * something done. Each question is judged by who asks.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import type { StrongOutcome, StrongRequest } from '../types.ts';
import { failure } from './electorate.ts';
import type { Electorate, StrongBoard } from './electorate.ts';
import type { AskMessage, Cell, NodeAsk, Reply } from './format.ts';
import type { Spend } from './question-costs.ts';
import { votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import { isRead } from './request.ts';
import { checkRequest, noReplica } from './request-forms.ts';
import type { SetChanges } from './set-change.ts';

/** A request on its way to a majority. */
export interface Asked {
  readonly board: StrongBoard;
  readonly cell: Cell;
  readonly by: Did;
  readonly request: StrongRequest;
  readonly id: string;
  readonly since: number | undefined;
  /** That was in this very request, at another replica. */
  readonly isFresh: boolean;
  readonly patienceMs: number;
}

/** Which parts of the room a question is about, and who asks. */
export interface StrongAnswersComponents {
  readonly network: Pick<Network, 'report'>;
  readonly electorate: Electorate;
  readonly changes: SetChanges;
  /** How long a request is tried in all, ms. */
  readonly patienceMs: number;
  didOf(peer: PeerId): Did;
  readonly isSameNode: (did: Did, replica: Did) => boolean;
  find(board: string): StrongBoard | undefined;
  /** What this node's disk is called. */
  disk(): Promise<string>;
  isReplica(board: string): Promise<boolean>;
  /** Does a request here, as a replica. */
  do(asked: Asked): Promise<StrongOutcome>;
}

/** Keys that begin with this are the board's own. */
const HIDDEN = '\u0000';

/** Answers questions of peers. */
export class StrongAnswers {
  readonly #components: StrongAnswersComponents;

  constructor(components: StrongAnswersComponents) {
    this.#components = components;
  }

  /** Undefined: no answer. Rejects when there can be none. The peer pays for what it costs by `spend`. */
  async answer(
    peer: PeerId,
    { board, key, ask }: AskMessage,
    spend: Spend,
  ): Promise<Reply | undefined> {
    const cell = { board, key };
    if (ask.t === 'disk') return { t: 'disk', disk: await this.#components.disk() };
    const found = this.#components.find(board);
    const by = this.#components.didOf(peer);
    if (found === undefined) return undefined;
    try {
      if ('to' in ask)
        return await this.#components.electorate.answer({ peer, did: by, spend }, cell, ask);
      return await this.#answerNode(found, cell, { by, peer, ...ask });
    } catch (error) {
      const failed = failure(error);
      if (failed !== undefined) return failed;
      throw error;
    }
  }

  async #answerNode(
    board: StrongBoard,
    cell: Cell,
    asked: Exclude<NodeAsk, { t: 'disk' }> & { readonly by: Did; readonly peer: PeerId },
  ): Promise<Reply | undefined> {
    const { by, peer } = asked;
    switch (asked.t) {
      case 'do':
        return this.#doFor(board, cell, asked);
      case 'adopt': {
        const isKnown = await this.#mayTell(by, cell.board, board, asked.state);
        if (isKnown && (await this.#components.electorate.adopt(cell.board, asked.state))) {
          return { t: 'adopted' };
        }
        if (!isKnown) this.#components.network.report(peer, 'unpermitted');
        return undefined;
      }
      case 'change':
        if (!(await this.#components.isReplica(cell.board))) throw noReplica();
        await this.#components.changes.change(cell.board, board, asked.record);
        return { t: 'done', outcome: { ok: true, version: 0 } };
    }
  }

  /**
   * Whether somebody may say what the replicas are: those that this node knows, and whoever comes in, where records
   * say so. Of whoever comes in a replica believes only that a change has begun, and that only when the others have
   * agreed on it: whoever signed it may have lost the right to. That a change is over, with every key written
   * anew, it believes those alone whom it knows; they tell it when it asks them.
   */
  async #mayTell(by: Did, id: string, board: StrongBoard, set: ReplicaSet): Promise<boolean> {
    const known = await this.#components.electorate.setOf(id);
    const isAmong = (of: ReplicaSet): boolean =>
      votersOf(of).some(({ did }) => this.#components.isSameNode(by, did));
    if (isAmong(known)) return true;
    if (!isAmong(set) || set.record === undefined) return false;
    if ((await this.#components.electorate.ownVoter(known)) === undefined)
      return board.isCounted(set.record);
    const isAgreed = await this.#components.changes.isAgreed(id, set.record);
    if ((await this.#components.electorate.setOf(id)).number >= set.number) return true;
    return isAgreed && set.before !== undefined;
  }

  /** Does a request of another node. @throws STARLING_BOARD_REFUSED, as `request` does */
  async #doFor(
    board: StrongBoard,
    cell: Cell,
    asked: Pick<Asked, 'by' | 'id' | 'request' | 'patienceMs'> & {
      readonly since?: number;
      readonly isFresh?: boolean;
    },
  ): Promise<Reply> {
    const { by, request, since, id, isFresh = false } = asked;
    checkRequest(request);
    // What a change says that was not done is what is there.
    const may = board.mayRead(by) && (isRead(request) || board.mayWrite(by, cell.key));
    if (!may || cell.key.startsWith(HIDDEN)) {
      throw new StarlingError('STARLING_BOARD_REFUSED', `no right for '${cell.key}'`);
    }
    if (!(await this.#components.isReplica(cell.board))) throw noReplica();
    const patienceMs = Math.min(asked.patienceMs, this.#components.patienceMs);
    return {
      t: 'done',
      outcome: await this.#components.do({
        board,
        cell,
        by,
        request,
        id,
        since,
        isFresh,
        patienceMs,
      }),
    };
  }
}
