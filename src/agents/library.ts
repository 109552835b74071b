/** Agents of the program that holds the node: a name, and a function for each type of message. */
import { AgentClient } from './client.ts';
import type { AgentCall, AgentInit } from './client.ts';
import type { MessageHandler } from './inbox/inbox-reader.ts';
import type { AgentAnnounceResult, MessageType } from './types.ts';

/** An agent in the node's own process. */
export interface NodeAgentInit extends AgentInit {
  readonly name: string;
  /** Messages that are handled at the same time; default 1. */
  readonly concurrency?: number;
}

/** An agent in the node's own process. */
export interface NodeAgent {
  /** Rejects where the name is somebody else's. */
  readonly announced: Promise<AgentAnnounceResult>;
  /** For messages of its own. */
  readonly client: AgentClient;
  /** Has `handler` deal with messages of `type`; what it gives for a query is the answer. */
  onMessage(
    type: MessageType,
    handler: MessageHandler,
    /** See {@link AgentClient.registerMessageHandler}. */
    how?: { readonly timeoutMs?: number },
  ): NodeAgent;
  /** Reads no more messages. */
  close(): Promise<void>;
}

/** Makes an agent over `call`; `onError` hears what handlers throw. */
export function createNodeAgent(
  call: AgentCall,
  { concurrency, ...init }: NodeAgentInit,
  onError: (error: unknown) => void,
): NodeAgent {
  const client = new AgentClient({ call, onError });
  const many = concurrency === undefined ? {} : { maxConcurrentTasks: concurrency };
  const announced = client.announceAgent({ ...many, ...init });
  announced.catch(onError);
  const agent: NodeAgent = {
    announced,
    client,
    onMessage(type, handler, how) {
      client.registerMessageHandler(type, handler, how);
      return agent;
    },
    close: () => client.close(),
  };
  return agent;
}
