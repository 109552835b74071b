/**
 * Proposes changes of strong keys to their replicas, one of a key at a time: rounds of CASPaxos (`round.ts`) with
 * timeouts and tries, until a majority has the change on disk or the patience is over. Whoever proposed last
 * needs one round, as its next ballot was promised with the last one.
 */
import { StarlingError, backoffMs, sleep } from '../../core/index.ts';
import type { Did, Json, Random, Scope } from '../../core/index.ts';
import type { Accepted, Ballot, QuorumAnswer, QuorumQuestion, StrongState } from './acceptor.ts';
import type { Cell } from './format.ts';
import { takePoll } from './poll.ts';
import type { SilentReplicas, Trouble } from './poll.ts';
import { fewBeside, groupsOf, voterName, votersOf } from './replica-set.ts';
import type { ReplicaSet } from './replica-set.ts';
import type { Voter } from '../lanes/voters.ts';
import { beginRound } from './round.ts';
import type { Round, RoundEnd, StrongChange } from './round.ts';

/** What a proposer works with. */
export interface ProposerComponents {
  readonly self: Did;
  /** Who is not asked first for now. */
  readonly silent: SilentReplicas;
  readonly random: Random;
  /** When it closes nothing is tried any more, and nobody is waited for. */
  readonly scope: Scope;
  /** The number of this start of the node. */
  boot(): Promise<number>;
  /** The replicas of a board as this node knows them now. */
  setOf(board: string): Promise<ReplicaSet>;
  /** This node among the replicas of a set, if it is one. */
  ownVoter(set: ReplicaSet): Promise<Voter | undefined>;
  /** Whether there is a connection to a replica. */
  isThere(voter: Voter): boolean;
  /** Asks one replica; undefined when it gave no answer in time. Never rejects. */
  readonly ask: (
    voter: Voter,
    set: ReplicaSet,
    asked: { readonly cell: Cell; readonly question: QuorumQuestion },
  ) => Promise<QuorumAnswer | Trouble | undefined>;
  /** Hears what a majority has on disk by now and bystanders have not heard of. */
  readonly missed: (cell: Cell, missed: MissedChange) => void;
}

/** A change that a majority of a set has on disk, and the others have not heard of. */
export interface MissedChange {
  readonly set: ReplicaSet;
  readonly question: Extract<QuorumQuestion, { t: 'accept' }>;
  readonly bystanders: readonly Voter[];
}

/** One request. */
export interface Proposal {
  readonly cell: Cell;
  /** What the request is called, to be tried again. */
  readonly request: string;
  /** By what it is remembered. */
  readonly op: string;
  readonly change: StrongChange;
  /** Of a request that was tried before, see {@link RoundInit.since}. */
  readonly since?: number | undefined;
  readonly isFresh?: boolean | undefined;
  readonly patienceMs: number;
  /** Whether all replicas are asked, not just as many as are needed. */
  readonly toAll?: boolean | undefined;
}

/** The proposer of this node. */
export interface Proposer {
  /**
   * Resolves once a majority has the change on disk.
   * @throws STARLING_NO_QUORUM when nothing was proposed, STARLING_OUTCOME_UNKNOWN when something was
   */
  propose(proposal: Proposal): Promise<{ readonly result: Json; readonly state: StrongState }>;
  /** The key was erased: what was promised ahead of it counts no more. */
  forget(cell: Cell): void;
}

const RETRY = { baseMs: 5, capMs: 640 } as const;
/** Keys whose next ballot is promised to this node. */
const KNOWN_MAX = 4096;
/** Requests of one key that wait for their turn here. */
const WAITING_MAX = 1024;
/** How far one refusal moves the counter on at the most: who names a huge ballot can't bring all turns to an end. */
const JUMP_MAX = 2 ** 32;

/** Nothing is asked before the first request, and no number of a start is taken. */
export function createProposer(components: ProposerComponents): Proposer {
  return new RoundProposer(components);
}

interface Turn {
  last: Promise<unknown>;
  waiting: number;
}

/** What the replicas of a set have promised ahead. */
interface Known {
  readonly set: number;
  readonly ballot: Ballot;
  /** What they had accepted then. */
  readonly accepted: Accepted;
}

class RoundProposer implements Proposer {
  readonly #components: ProposerComponents;
  readonly #turns = new Map<string, Turn>();
  readonly #known = new Map<string, Known>();
  #counter = 0;

  constructor(components: ProposerComponents) {
    this.#components = components;
  }

  async propose(
    proposal: Proposal,
  ): Promise<{ readonly result: Json; readonly state: StrongState }> {
    const { board, key } = proposal.cell;
    const name = `${board}/${key}`;
    const turn = this.#turns.get(name) ?? { last: Promise.resolve(), waiting: 0 };
    if (turn.waiting >= WAITING_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', `too many changes of '${key}' wait here`, {
        hint: 'try again when they are done',
      });
    }
    this.#turns.set(name, turn);
    const patience = { isOver: false };
    const cancel = this.#components.scope.after(proposal.patienceMs, () => {
      patience.isOver = true;
    });
    const running = turn.last.then(() => this.#try(name, proposal, patience)).finally(cancel);
    turn.waiting += 1;
    turn.last = running.catch(() => undefined);
    try {
      return await running;
    } finally {
      turn.waiting -= 1;
      if (turn.waiting === 0) this.#turns.delete(name);
    }
  }

  forget({ board, key }: Cell): void {
    this.#known.delete(`${board}/${key}`);
  }

  async #try(
    name: string,
    proposal: Proposal,
    patience: { readonly isOver: boolean },
  ): Promise<{ readonly result: Json; readonly state: StrongState }> {
    const { scope, random } = this.#components;
    const { op, change, cell, isFresh } = proposal;
    let { since } = proposal;
    // What was tried elsewhere may be proposed already.
    let isOut = since !== undefined;
    let set = await this.#components.setOf(cell.board);
    const failures: Failures = { last: undefined };
    for (let tries = 0; !patience.isOver && !scope.closed; tries += 1) {
      const known = this.#takeKnown(name, set, since);
      const ballot = known?.ballot ?? (await this.#ballot());
      const next = await this.#ballot();
      const promised = known === undefined ? {} : { known: known.accepted };
      const groups = groupsOf(set);
      const round = beginRound({
        request: op,
        change,
        ballot,
        next,
        groups,
        since,
        isFresh,
        ...promised,
      });
      const over = await this.#run(proposal, set, { round, failures });
      isOut ||= round.isOut;
      since ??= round.isOut ? round.basedOn : undefined;
      if (over?.t === 'done') {
        const accepted = { ballot, state: over.state };
        this.#keep(name, { set: set.number, ballot: next, accepted });
        return { result: over.result, state: over.state };
      }
      if (over?.t === 'forgotten') break;
      // Also where one has refused, and the others were too few without it.
      this.#moveOn(round.higher[0]);
      await sleep(scope, 1 + backoffMs(tries, RETRY, random));
      set = await this.#components.setOf(cell.board);
    }
    if (isOut) throw unknownOutcome(proposal, since ?? 0);
    throw noQuorum(proposal, set, failures.last);
  }

  /** Runs a round; undefined when too few replicas answered. */
  async #run(
    { cell, toAll = false }: Proposal,
    set: ReplicaSet,
    { round, failures }: { readonly round: Round; readonly failures: Failures },
  ): Promise<RoundEnd | undefined> {
    const voters = votersOf(set);
    // The board was closed meanwhile, as the node stops: nobody is there to end the wait.
    if (voters.length === 0) return undefined;
    const { scope, silent, ask, missed } = this.#components;
    for (;;) {
      const { question } = round;
      const { end, bystanders } = await takePoll<RoundEnd | 'ask'>({
        scope,
        voters,
        first: toAll ? voters : await this.#firstOf(set),
        ask: (voter) => ask(voter, set, { cell, question }),
        hear: (voter, answer) => {
          if (answer !== undefined) silent.forget(voter);
          if (answer?.t === 'failed') failures.last = answer;
          const isAnswer = answer !== undefined && 'ballot' in answer;
          return isAnswer ? round.hear(voterName(voter), answer) : undefined;
        },
        silent: (unheard) => silent.note(unheard),
      });
      if (end === 'ask') continue;
      if (end?.t === 'done' && question.t === 'accept' && bystanders.length > 0) {
        missed(cell, { set, question, bystanders });
      }
      return end;
    }
  }

  /**
   * Who is asked first: this node and as many as make a majority with it; while replicas change, or where this node's own
   * disk hangs, all of them.
   */
  async #firstOf(set: ReplicaSet): Promise<readonly Voter[]> {
    const components = this.#components;
    const { silent } = components;
    const own = set.before === undefined ? await components.ownVoter(set) : undefined;
    if (own === undefined || silent.isPassedOver(own)) return votersOf(set);
    const few = fewBeside(
      own,
      set,
      (voter) => !silent.isPassedOver(voter) && components.isThere(voter),
    );
    if (few === undefined) return votersOf(set);
    const first = [own, ...few];
    silent.try(first);
    return first;
  }

  /** What was promised ahead, by the same set, to a request that was not tried before. */
  #takeKnown(name: string, set: ReplicaSet, since: number | undefined): Known | undefined {
    const known = this.#known.get(name);
    this.#known.delete(name);
    return since === undefined && known?.set === set.number ? known : undefined;
  }

  #moveOn(higher: number): void {
    this.#counter = Math.max(this.#counter, Math.min(higher, this.#counter + JUMP_MAX));
  }

  async #ballot(): Promise<Ballot> {
    const boot = await this.#components.boot();
    this.#counter += 1;
    return [this.#counter, boot, this.#components.self];
  }

  #keep(name: string, known: Known): void {
    const [oldest] = this.#known.size < KNOWN_MAX ? [] : this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, known);
  }
}

/** Why replicas could not do what they were asked. */
interface Failures {
  last: Extract<Trouble, { t: 'failed' }> | undefined;
}

/** Too few replicas answer, and nothing was proposed to any; or they say why not. */
export function noQuorum(
  { cell }: Pick<Proposal, 'cell'>,
  set: Pick<ReplicaSet, 'voters'>,
  failure?: Failures['last'],
): StarlingError {
  if (failure?.code === 'STARLING_LIMIT_EXCEEDED') {
    return new StarlingError(failure.code, failure.text, {
      hint: 'use keys again, or another board: deleted ones count for a while',
    });
  }
  return new StarlingError(
    'STARLING_NO_QUORUM',
    // A board has replicas as long as it is here: see `Electorate.setOf`.
    set.voters.length === 0
      ? `the board of '${cell.key}' is not here any more, as this node stops; nothing has changed`
      : `too few of the ${set.voters.length} replicas of the board answer for '${cell.key}'; nothing has changed`,
    { hint: 'see who is away: starling peers; then try again', data: { key: cell.key } },
  );
}

/** Something was proposed, and nobody knows what became of it. */
export function unknownOutcome(
  { cell, request }: Pick<Proposal, 'cell' | 'request'>,
  since: number,
): StarlingError {
  const id = `${request}@${since}`;
  return new StarlingError(
    'STARLING_OUTCOME_UNKNOWN',
    `'${cell.key}' may have changed or not: too few replicas of the board answered in time`,
    {
      hint: `to learn which, and to have it done once and only once, try the same again with --request ${id} (tools: request)`,
      data: { key: cell.key, request: id },
    },
  );
}
