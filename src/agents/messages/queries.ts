/** Queries that wait for the answers of agents of this node. */
import { StarlingError, createChurnMap, messageOf } from '../../core/index.ts';
import type { Clock, Json } from '../../core/index.ts';
import type { Taint } from '../../guard/index.ts';
import { QUERIES_MAX } from '../limits.ts';
import type { LocalAgent } from '../directory/local-agents.ts';
import { originOf } from '../inbox/sender.ts';
import type { AgentMessage } from '../types.ts';

/** A query to an agent of this node. */
export interface Query {
  readonly agent: LocalAgent;
  readonly message: AgentMessage;
  /** Of the message as JSON. */
  readonly bytes: number;
  /** Tells senders apart. */
  readonly sender: string;
  /** Absent where whoever asks ends it by the signal. */
  readonly timeoutMs?: number;
  /** Absent where whoever asks has {@link Queries.begin} say how the wait is ended. */
  readonly signal?: AbortSignal;
}

/** What an agent answers. */
export interface Answer {
  readonly response: Json;
  /** Why it could not do what was asked. */
  readonly error?: string | undefined;
  /** The least trusted zone that the agent had read from, where it is one that this node runs. */
  readonly taint?: Taint | undefined;
}

/** The queries of one node. */
export interface Queries {
  /**
   * Puts the query into the agent's inbox, and waits for the answer; rejects with STARLING_LIMIT_EXCEEDED and others.
   * @throws STARLING_AGENT_FAILED at once where too many wait already
   */
  ask(query: Query): Promise<Answer>;
  /**
   * Has the query dealt with at once, past the inbox, and gives what ends the wait for the answer; undefined where it has to
   * wait for its turn, or too many wait. `settled` is called once. The query must be one that was never sent before.
   */
  begin(query: Query, settled: (answer: Answer | StarlingError) => void): (() => void) | undefined;
  /** True where somebody waits for the answer to this very query, which `agent` was given. */
  answered(agent: LocalAgent, query: AgentMessage, answer: Answer): boolean;
  /** True where `agent` was asked what one of `ids` names, and somebody waits for the answer. */
  answer(agent: LocalAgent, ids: readonly string[], answer: Answer): boolean;
  /** Ends all of one agent. */
  end(agent: LocalAgent, why: string): void;
  stop(): void;
}

interface Waiting {
  /** Another for each. */
  readonly number: number;
  readonly query: Query;
  /** Absent where a function hears it. */
  answer?: Promise<Answer>;
  settle(answer: Answer | StarlingError): void;
  /** Nobody waits any longer. */
  late(): void;
  /** As if nobody had asked; false where it is over. */
  forget(): boolean;
}

/** Makes the queries of a node. */
export function createQueries(clock: Clock): Queries {
  return new NodeQueries(clock);
}

class NodeQueries implements Queries {
  readonly #clock: Clock;
  /** By their numbers, the oldest first. */
  readonly #waiting = createChurnMap<number, Waiting>();
  readonly #byMessage = new WeakMap<AgentMessage, Waiting>();
  #begun = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ask(query: Query): Promise<Answer> {
    const { agent, bytes, message, sender } = query;
    if (agent.asked >= QUERIES_MAX) {
      throw failed(agent, 'full', `${QUERIES_MAX} queries wait for its answers`);
    }
    const { inbox, taker } = agent;
    const twin = this.#twinOf(query)?.answer;
    if (twin !== undefined) return twin;
    const answer = this.#answerTo(query);
    // It is on no disk either way: whoever asked hears of a node that ends.
    const done = (): void => inbox.passed(message, bytes);
    if (taker !== undefined && inbox.isQuiet && taker.take(message, sender, done)) return answer;
    inbox.add({ message, sender, durable: false, bytes }).catch((error: unknown) => {
      const why =
        error instanceof StarlingError ? error : failed(agent, 'failed', messageOf(error));
      this.#settle(message, why);
    });
    return answer;
  }

  begin(query: Query, settled: (answer: Answer | StarlingError) => void): (() => void) | undefined {
    const { agent, bytes, message, sender } = query;
    const { inbox, taker } = agent;
    if (taker === undefined || !inbox.isQuiet || agent.asked >= QUERIES_MAX) return undefined;
    const one = this.#wait(query, settled);
    if (taker.take(message, sender, () => inbox.passed(message, bytes))) return () => one.late();
    one.forget();
    return undefined;
  }

  answered(agent: LocalAgent, query: AgentMessage, answer: Answer): boolean {
    const one = this.#byMessage.get(query);
    if (one?.query.agent !== agent) return false;
    one.settle(answer);
    return true;
  }

  answer(agent: LocalAgent, ids: readonly string[], answer: Answer): boolean {
    for (const one of this.#waiting.values()) {
      const { message, agent: asked } = one.query;
      if (asked !== agent) continue;
      if (!ids.includes(message.id) && !ids.includes(message.correlationId)) continue;
      one.settle(answer);
      return true;
    }
    return false;
  }

  end(agent: LocalAgent, why: string): void {
    for (const one of this.#waiting.values()) {
      if (one.query.agent === agent) one.settle(failed(agent, 'ended', why));
    }
  }

  stop(): void {
    const error = new StarlingError('STARLING_STOPPED', 'the node of the agent is stopping');
    for (const one of this.#waiting.values()) one.settle(error);
  }

  /** The same query, which its node has sent before because it was not sure. */
  #twinOf({ agent, message, sender }: Query): Waiting | undefined {
    for (const one of this.#waiting.values()) {
      const { query } = one;
      if (query.message.id !== message.id || query.agent !== agent) continue;
      if (originOf(query.sender) === originOf(sender)) return one;
    }
    return undefined;
  }

  #answerTo(query: Query): Promise<Answer> {
    let settled = (_came: Answer | StarlingError): void => undefined;
    const answer = new Promise<Answer>((resolve, reject) => {
      settled = (came) => (came instanceof StarlingError ? reject(came) : resolve(came));
    });
    this.#wait(query, settled).answer = answer;
    return answer;
  }

  /** Until `settled` was called, once. */
  #wait(query: Query, settled: (answer: Answer | StarlingError) => void): Waiting {
    const { agent, message, sender, timeoutMs, signal } = query;
    const startedAt = this.#clock.now();
    this.#begun += 1;
    const number = this.#begun;
    const forget = (): boolean => {
      if (!this.#waiting.delete(number)) return false;
      this.#byMessage.delete(message);
      cancel?.();
      signal?.removeEventListener('abort', late);
      agent.asked -= 1;
      return true;
    };
    const settle = (came: Answer | StarlingError): void => {
      if (!forget()) return;
      agent.inbox.withdraw(sender, message.id);
      const error = errorIn(agent, came);
      if (error === undefined) agent.metrics.answered(this.#clock.now() - startedAt);
      else agent.metrics.failed();
      settled(error ?? came);
    };
    const time = timeoutMs === undefined ? '' : ` within ${timeoutMs} ms`;
    const late = (): void => settle(failed(agent, 'timeout', `it gave no answer${time}`));
    const cancel = timeoutMs === undefined ? undefined : this.#clock.schedule(timeoutMs, late);
    signal?.addEventListener('abort', late, { once: true });
    agent.asked += 1;
    const one: Waiting = { number, query, settle, late, forget };
    this.#waiting.set(number, one);
    this.#byMessage.set(message, one);
    return one;
  }

  #settle(message: AgentMessage, error: StarlingError): void {
    this.#byMessage.get(message)?.settle(error);
  }
}

function errorIn(agent: LocalAgent, answer: Answer | StarlingError): StarlingError | undefined {
  if (answer instanceof StarlingError) return answer;
  const { error, taint } = answer;
  return error === undefined ? undefined : failed(agent, 'failed', error, taint);
}

/** The agent is there and did not do what was asked; `taint` is what its words of that may be made of. */
export function failed(
  agent: LocalAgent,
  reason: string,
  why: string,
  taint?: Taint,
): StarlingError {
  const { name } = agent.announcement;
  return new StarlingError('STARLING_AGENT_FAILED', `agent ${name}: ${why}`, {
    hint: `see how it is: starling agent info ${name}`,
    data: { agentId: name, reason, ...(taint === undefined ? {} : { taint }) },
  });
}

/** What was asked, or what came of it, is not as the capability says; `reason` is `input` or `output`. */
export function misfit(
  name: string,
  what: 'parameters' | 'result',
  problems: readonly string[],
): StarlingError {
  const reason = what === 'parameters' ? 'input' : 'output';
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `agent ${name}: the ${what} do${what === 'result' ? 'es' : ''} not fit its schema: ${problems.join('; ')}`,
    {
      hint: `see what it takes and gives: starling agent info ${name}`,
      data: { agentId: name, reason, problems: [...problems] },
    },
  );
}
