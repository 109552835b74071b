/** A message of ours to an A2A agent elsewhere, and what comes of it: a message, or a task that is waited for. */
import { Message, TaskState } from '@a2a-js/sdk';
import type { Part, Task } from '@a2a-js/sdk';
import { ClientFactory, JsonRpcTransportFactory } from '@a2a-js/sdk/client';
import type { Client } from '@a2a-js/sdk/client';
import { AgentCard } from '@a2a-js/sdk';
import { StarlingError, isObject, messageOf, pause } from '../../core/index.ts';
import type { Clock, Json, JsonObject } from '../../core/index.ts';

/** Between looks at a task that is not done. */
const LOOK_MS = 1000;
const REASON_MAX = 500;
/** A task in one of these goes on by itself. */
const GOES_ON: readonly TaskState[] = [
  TaskState.TASK_STATE_SUBMITTED,
  TaskState.TASK_STATE_WORKING,
];

/** Asks the agent at `endpoint`. */
export interface RemoteClient {
  /** @throws STARLING_AGENT_FAILED, STARLING_TIMEOUT, and as the fetch does */
  ask(message: JsonObject, signal: AbortSignal): Promise<Json>;
}

/** Makes the client of one agent, over a fetch that goes nowhere else. */
export function createRemoteClient(
  clock: Clock,
  endpoint: string,
  fetchImpl: typeof fetch,
): RemoteClient {
  let client: Promise<Client> | undefined;
  return {
    async ask(message, signal) {
      client ??= new ClientFactory({
        transports: [new JsonRpcTransportFactory({ fetchImpl })],
      }).createFromAgentCard(cardAt(endpoint));
      try {
        const agent = await client;
        const request = {
          tenant: '',
          message: asA2a(message),
          configuration: undefined,
          metadata: undefined,
        };
        const answer = await agent.sendMessage(request, { signal });
        if ('messageId' in answer) return answerIn(answer.parts);
        return await resultOf(clock, agent, answer, signal);
      } catch (error) {
        if (error instanceof StarlingError) throw error;
        throw failed(messageOf(error));
      }
    },
  };
}

/** The little of a card that a client needs, of what was looked at when the agent was added. */
function cardAt(endpoint: string): AgentCard {
  return AgentCard.fromJSON({
    name: 'agent',
    supportedInterfaces: [{ url: endpoint, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {},
  });
}

function asA2a({ messageId, message = null, data, metadata }: JsonObject): Message {
  const { a2a } = isObject(metadata) ? metadata : {};
  const contextId = isObject(a2a) ? a2a['contextId'] : undefined;
  const parts = [message, ...(data === undefined ? [] : [data])].map((one) =>
    typeof one === 'string' ? { text: one } : { data: one },
  );
  return Message.fromJSON({
    messageId,
    role: 'ROLE_USER',
    parts,
    ...(typeof contextId === 'string' ? { contextId } : {}),
  });
}

async function resultOf(
  clock: Clock,
  agent: Client,
  first: Task,
  signal: AbortSignal,
): Promise<Json> {
  let task = first;
  while (GOES_ON.includes(stateOf(task))) {
    await pause(clock, LOOK_MS);
    if (signal.aborted) throw new StarlingError('STARLING_TIMEOUT', 'its task took too long');
    task = await agent.getTask({ tenant: '', id: task.id, historyLength: 0 }, { signal });
  }
  const said = answerIn(task.status?.message?.parts ?? []);
  if (stateOf(task) === TaskState.TASK_STATE_COMPLETED) {
    const parts = task.artifacts.flatMap((artifact) => artifact.parts);
    return parts.length === 0 ? said : answerIn(parts);
  }
  const why = typeof said === 'string' ? said : JSON.stringify(said);
  throw failed(`its task is ${TaskState[stateOf(task)]}: ${why}`);
}

function stateOf({ status }: Task): TaskState {
  return status?.state ?? TaskState.TASK_STATE_UNSPECIFIED;
}

/** One text or one JSON value stands for itself; several parts are a list. */
function answerIn(parts: readonly Part[]): Json {
  const values = parts.map(({ content, filename, mediaType }): Json => {
    if (content?.$case === 'text') return content.value;
    if (content?.$case === 'data') return (content.value ?? null) as Json;
    if (content?.$case === 'url') return { url: content.value, filename, mediaType };
    const raw = content === undefined ? '' : Buffer.from(content.value).toString('base64');
    return { raw, filename, mediaType };
  });
  return values.length === 1 ? (values[0] ?? null) : values;
}

function failed(why: string): StarlingError {
  return new StarlingError('STARLING_AGENT_FAILED', why.slice(0, REASON_MAX), {
    data: { reason: 'failed' },
  });
}
