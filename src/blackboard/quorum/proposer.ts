/**
 * Proposes changes of strong keys to their replicas, one of a key at a time: rounds of CASPaxos (`round.ts`) with
 * timeouts and tries, until a majority has the change on disk or the patience is over. Whoever proposed last
 * needs one round, as its next ballot was promised with the last one.
 */
import { StarlingError, backoffMs, pause } from '../../core/index.ts';
import type { Clock, Did, Json, Random } from '../../core/index.ts';
import type { AcceptorRow, Ballot, QuorumAnswer, QuorumQuestion, StrongState } from './acceptor.ts';
import type { Cell } from './format.ts';
import { beginLook } from './look.ts';
import { beginRound } from './round.ts';
import type { Round, RoundEnd, StrongChange } from './round.ts';

/** What a proposer works with. */
export interface ProposerComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  /** The node stops: nothing is tried any more. */
  isStopped(): boolean;
  /** The number of this start of the node. */
  boot(): Promise<number>;
  /** Asks one replica; undefined when it gave no answer in time. Never rejects. */
  ask(replica: Did, cell: Cell, question: QuorumQuestion): Promise<QuorumAnswer | undefined>;
  /** What one replica has accepted; undefined when it gave no answer in time. Never rejects. */
  look(
    replica: Did,
    cell: Cell,
  ): Promise<{ readonly accepted?: AcceptorRow['accepted'] } | undefined>;
}

/** One request. */
export interface Proposal {
  readonly cell: Cell;
  readonly replicas: readonly Did[];
  readonly request: string;
  readonly change: StrongChange;
  /** Of a request that was tried before, see {@link RoundInit.since}. */
  readonly since?: number | undefined;
  readonly patienceMs: number;
}

/** The proposer of this node. */
export interface Proposer {
  /**
   * Resolves once a majority has the change on disk.
   * @throws STARLING_NO_QUORUM when nothing was proposed, STARLING_OUTCOME_UNKNOWN when something was
   */
  propose(proposal: Proposal): Promise<{ readonly result: Json; readonly state: StrongState }>;
  /** The state of a key in one round; undefined when the replicas do not agree on one, or do not answer. */
  look(cell: Cell, replicas: readonly Did[]): Promise<StrongState | undefined>;
}

const RETRY = { baseMs: 5, capMs: 640 } as const;
/** Keys whose next ballot is promised to this node. */
const KNOWN_MAX = 4096;
/** Requests of one key that wait for their turn here. */
const WAITING_MAX = 1024;

/** Nothing is asked before the first request, and no number of a start is taken. */
export function createProposer(components: ProposerComponents): Proposer {
  return new RoundProposer(components);
}

interface Turn {
  last: Promise<unknown>;
  waiting: number;
}

class RoundProposer implements Proposer {
  readonly #components: ProposerComponents;
  readonly #turns = new Map<string, Turn>();
  readonly #known = new Map<string, { readonly ballot: Ballot; readonly state: StrongState }>();
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
    const cancel = this.#components.clock.schedule(proposal.patienceMs, () => {
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

  async look(cell: Cell, replicas: readonly Did[]): Promise<StrongState | undefined> {
    const looking = beginLook(replicas);
    let left = replicas.length;
    return new Promise((resolve) => {
      for (const replica of replicas) {
        void this.#components.look(replica, cell).then((shown) => {
          const found = shown && looking.hear(replica, shown.accepted);
          left -= 1;
          if (found !== undefined && found !== 'differ') resolve(found);
          else if (found === 'differ' || left === 0) resolve(undefined);
          return undefined;
        });
      }
    });
  }

  async #try(
    name: string,
    proposal: Proposal,
    patience: { readonly isOver: boolean },
  ): Promise<{ readonly result: Json; readonly state: StrongState }> {
    const { clock, random } = this.#components;
    const { request, change, replicas } = proposal;
    let { since } = proposal;
    // What was tried elsewhere may be proposed already.
    let isOut = since !== undefined;
    for (let tries = 0; !patience.isOver && !this.#components.isStopped(); tries += 1) {
      const known = since === undefined ? this.#known.get(name) : undefined;
      this.#known.delete(name);
      const ballot = known?.ballot ?? (await this.#ballot());
      const next = await this.#ballot();
      const state = known === undefined ? {} : { known: known.state };
      const round = beginRound({ request, change, ballot, next, replicas, since, ...state });
      const over = await this.#run(proposal, round);
      isOut ||= round.isOut;
      since ??= round.isOut ? round.basedOn : undefined;
      if (over?.t === 'done') {
        this.#keep(name, { ballot: next, state: over.state });
        return { result: over.result, state: over.state };
      }
      if (over?.t === 'forgotten') break;
      if (over?.t === 'refused') this.#counter = Math.max(this.#counter, over.higher[0]);
      await pause(clock, 1 + backoffMs(tries, RETRY, random));
    }
    throw isOut ? unknownOutcome(proposal, since ?? 0) : noQuorum(proposal);
  }

  /** Runs a round; undefined when too few replicas answered. */
  #run({ cell, replicas }: Proposal, round: Round): Promise<RoundEnd | undefined> {
    return new Promise((resolve) => {
      const askAll = (): void => {
        const { question } = round;
        let left = replicas.length;
        for (const replica of replicas) {
          void this.#components.ask(replica, cell, question).then((answer) => {
            const over = answer && round.hear(replica, answer);
            left -= 1;
            if (over === 'ask') askAll();
            else if (over !== undefined) resolve(over);
            // What was asked anew has its own end.
            else if (left === 0 && round.question === question) resolve(undefined);
            return undefined;
          });
        }
      };
      askAll();
    });
  }

  async #ballot(): Promise<Ballot> {
    const boot = await this.#components.boot();
    this.#counter += 1;
    return [this.#counter, boot, this.#components.self];
  }

  #keep(name: string, known: { readonly ballot: Ballot; readonly state: StrongState }): void {
    const [oldest] = this.#known.size < KNOWN_MAX ? [] : this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, known);
  }
}

/** Too few replicas answer, and nothing was proposed to any. */
export function noQuorum({ cell, replicas }: Pick<Proposal, 'cell' | 'replicas'>): StarlingError {
  return new StarlingError(
    'STARLING_NO_QUORUM',
    `too few of the ${replicas.length} replicas of the board answer for '${cell.key}'; nothing has changed`,
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
