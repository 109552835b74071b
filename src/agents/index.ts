/** Agents: programs that have a name, and send one another messages, wherever in the mesh they are. */
export { createAgents } from './agents.ts';
export type { Agents, AgentsComponents, InboxInit, ListInit } from './agents.ts';
export { AgentClient } from './client.ts';
export type {
  AgentCall,
  AgentClientInit,
  AgentInit,
  MessageHandler,
  RequestOptions,
  SendOptions,
} from './client.ts';
export { createNodeAgent } from './library.ts';
export type { NodeAgent, NodeAgentInit } from './library.ts';
export type { MessageInit } from './messages.ts';
export { OPEN_AGENT_TOOLS, agentTools } from './tools.ts';
export type { AgentToolComponents } from './tools.ts';
export type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessage,
  AgentMessageResult,
  AgentMetrics,
  AgentStatus,
  AgentView,
  Announcement,
  CapabilityListResult,
  CapabilityResult,
  MessageType,
  Priority,
} from './types.ts';
