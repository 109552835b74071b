/**
 * What an agent of this node answers to the methods of A2A: a message is a query of `agent_message`, by the road and
 * with the rights of all calls. Tasks and what belongs to them are not there yet; push notifications are not served.
 */
import { randomUUID } from 'node:crypto';
import type { Message, SendMessageRequest, StreamResponse, Task } from '@a2a-js/sdk';
import {
  A2AError,
  ExtendedAgentCardNotConfiguredError,
  PushNotificationNotSupportedError,
  RequestMalformedError,
  TaskNotFoundError,
  UnsupportedOperationError,
} from '@a2a-js/sdk/errors';
import type { A2ARequestHandler } from '@a2a-js/sdk/server';
import type { Json, JsonObject } from '../../../core/index.ts';
import { objectOf } from '../../wire/era.ts';
import { answerOf, receivedOf } from './a2a-messages.ts';

/** How long an agent has for its answer: as long as any query may wait. */
const ANSWER_MS = 300_000;

/** Calls `agent_message` as the caller, and gives its result or its error as in JSON-RPC. */
export type CallAgentMessage = (
  args: JsonObject,
) => Promise<{ readonly result: JsonObject } | { readonly error: JsonObject }>;

/** Makes the answers of the agent called `name` to one caller. */
export function createA2aRequests(name: string, call: CallAgentMessage): A2ARequestHandler {
  return new AgentRequests(name, call);
}

class AgentRequests implements A2ARequestHandler {
  readonly #name: string;
  readonly #call: CallAgentMessage;

  constructor(name: string, call: CallAgentMessage) {
    this.#name = name;
    this.#call = call;
  }

  async sendMessage(request: SendMessageRequest): Promise<Message> {
    const { message, contextId, metadata } = receivedOf(request, randomUUID);
    const answer = await this.#call({
      agentId: this.#name,
      type: 'query',
      message,
      metadata,
      timeoutMs: ANSWER_MS,
    });
    if ('error' in answer) throw errorIn(answer.error);
    const { response = null } = objectOf(answer.result['structuredContent']);
    return answerOf(response, { contextId, messageId: randomUUID() });
  }

  async *sendMessageStream(request: SendMessageRequest): AsyncGenerator<StreamResponse, void> {
    yield { payload: { $case: 'message', value: await this.sendMessage(request) } };
  }

  async getAgentCard(): Promise<never> {
    throw new UnsupportedOperationError();
  }

  async getAuthenticatedExtendedAgentCard(): Promise<never> {
    throw new ExtendedAgentCardNotConfiguredError();
  }

  async getTask(): Promise<Task> {
    throw noTask();
  }

  async cancelTask(): Promise<Task> {
    throw noTask();
  }

  async listTasks(): Promise<{
    tasks: Task[];
    nextPageToken: string;
    pageSize: number;
    totalSize: number;
  }> {
    return { tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0 };
  }

  // eslint-disable-next-line require-yield
  async *resubscribe(): AsyncGenerator<StreamResponse, void> {
    throw noTask();
  }

  async createTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async getTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async listTaskPushNotificationConfigs(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }

  async deleteTaskPushNotificationConfig(): Promise<never> {
    throw new PushNotificationNotSupportedError();
  }
}

function noTask(): TaskNotFoundError {
  return new TaskNotFoundError({ message: 'there is no such task' });
}

/** An error of ours as A2A has them: its stable code stands in the metadata. */
function errorIn(error: JsonObject): A2AError {
  const { code } = objectOf(error['data']);
  const message = textOf(error['message']) ?? 'the agent could not be asked';
  const metadata = typeof code === 'string' ? { metadata: { code } } : {};
  const isMalformed = code === 'STARLING_USAGE' || code === 'STARLING_LIMIT_EXCEEDED';
  return isMalformed
    ? new RequestMalformedError({ message, ...metadata })
    : new A2AError({ message, ...metadata });
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
