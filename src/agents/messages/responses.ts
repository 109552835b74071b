/** Answers of agents to the queries that they were given: each goes to whoever still waits for it. */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Random } from '../../core/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Allowance, Principal } from '../../guard/index.ts';
import type { LocalAgent, LocalAgents } from '../directory/local-agents.ts';
import { MESSAGES_PER_MINUTE } from '../limits.ts';
import { labelOf } from '../names.ts';
import type {
  AgentMessage,
  AgentMessageResult,
  AgentResponsesResult,
  MessageInit,
  ResponseInit,
} from '../types.ts';
import { senderOf } from './message-sender.ts';
import type { Sender } from './message-sender.ts';
import type { Answer, Queries } from './queries.ts';

/** What answers go by. */
export interface ResponsesComponents {
  readonly self: { readonly name: string };
  readonly local: LocalAgents;
  readonly clock: Clock;
  readonly random: Random;
}

/** The answers that agents of this node give. */
export class Responses {
  readonly #components: ResponsesComponents;
  readonly #queries: Queries;
  readonly #allowance: Allowance;

  /** `allowance` is that of all messages: several answers at once count as so many. */
  constructor(components: ResponsesComponents, queries: Queries, allowance: Allowance) {
    this.#components = components;
    this.#queries = queries;
    this.#allowance = allowance;
  }

  /** See `Messages.answered`. @throws STARLING_AGENT_FAILED */
  answered(agent: LocalAgent, query: AgentMessage, answer: Answer): void {
    agent.seenAt = this.#components.clock.now();
    agent.hasLeft = false;
    if (!this.#queries.answered(agent, query, answer)) throw late();
    agent.metrics.sent += 1;
  }

  /** See `Messages.respondAll`. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN; STARLING_RATE_LIMITED */
  respondAll(
    principal: Principal,
    from: string | undefined,
    responses: readonly ResponseInit[],
  ): AgentResponsesResult {
    const unheard: string[] = [];
    for (const { error, inReplyTo, message = null } of responses) {
      this.#allowance.take(keyOf(principal), MESSAGES_PER_MINUTE);
      const init = { type: 'response', from, inReplyTo, message, error } as const;
      const sender = senderOf(this.#components, principal, init);
      try {
        this.respond(principal, init, sender);
        if (sender.agent !== undefined) sender.agent.metrics.sent += 1;
      } catch (trouble) {
        if (!isLate(trouble)) throw trouble;
        unheard.push(inReplyTo);
      }
    }
    return { status: 'delivered', answered: responses.length - unheard.length, late: unheard };
  }

  /** One answer, to the query that it names. @throws STARLING_AGENT_FAILED where nobody waits for it */
  respond(principal: Principal, init: MessageInit, sender: Sender): AgentMessageResult {
    const { local, clock, random } = this.#components;
    const { inReplyTo, correlationId, metadata = {} } = init;
    const ids = [inReplyTo, correlationId, metadata['messageId'], metadata['correlationId']].filter(
      (id) => typeof id === 'string',
    );
    const owner = keyOf(principal);
    const own = sender.agent === undefined ? local.all() : [sender.agent];
    const taint = principal.kind === 'client' ? principal.taint : undefined;
    const answer = { response: init.message, error: init.error, taint };
    const agent = own.find((one) => one.owner === owner && this.#queries.answer(one, ids, answer));
    if (agent !== undefined) {
      agent.seenAt = clock.now();
      agent.hasLeft = false;
      const { id: agentId } = agent.announcement;
      const messageId = labelOf('msg', clock.now(), random);
      return { messageId, agentId, status: 'delivered', correlationId: ids[0] ?? messageId };
    }
    throw late();
  }
}

function late(): StarlingError {
  return new StarlingError('STARLING_AGENT_FAILED', 'nobody waits for this answer any more', {
    hint: 'a query names the message that its answer replies to: metadata.messageId; its sender may have given up',
    data: { reason: 'late' },
  });
}

/** Nobody waits for that answer. */
function isLate(error: unknown): boolean {
  return error instanceof StarlingError && error.data['reason'] === 'late';
}
