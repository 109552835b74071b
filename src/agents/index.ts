/** Agents: programs that have a name, and send one another messages, wherever in the mesh they are. */
export { agentResources } from './tools/resources.ts';
export { createRemoteAgents } from './a2a/remote-agents.ts';
export type { RemoteAgents } from './a2a/remote-agents.ts';
export { remoteAgentTools } from './a2a/tools.ts';
export { createAgents } from './node-agents.ts';
export type { Agents, AgentsComponents, InboxInit } from './agents.ts';
export type { ListInit } from './directory/directory.ts';
export { callOver, connectAgent } from './connect.ts';
export type { ConnectInit, ToolCall } from './connect.ts';
export { AgentClient } from './client.ts';
export type {
  AgentCall,
  AgentClientInit,
  AgentInit,
  NamedCapability,
  RequestOptions,
  SendOptions,
} from './client.ts';
export type { MessageHandler } from './inbox/inbox-reader.ts';
export { EVENTS_ALLOWANCE } from './events/events.ts';
export { eventTools } from './tools/event-tools.ts';
export { createNodeAgent } from './library.ts';
export type { NodeAgent, NodeAgentInit } from './library.ts';
export { agentResource, labelOf, parseAddress } from './names.ts';
export { splitCapability } from './capabilities/names.ts';
export { misfits } from './capabilities/schemas.ts';
export { findLimitMeans } from './run/limit-means.ts';
export { planLimits } from './run/process-limits.ts';
export type { LimitMeans } from './run/process-limits.ts';
export { SHIPPED_KINDS } from './run/shipped-kinds.ts';
export { createAgentMemory } from './run/agent-memory.ts';
export type { AgentMemory } from './run/agent-memory.ts';
export { runPrincipal } from './run/orders.ts';
export { createRuns } from './run/runs.ts';
export type { Learner, LogsInit, Runs, RunsComponents, SpawnInit } from './run/types.ts';
export type { MindStart } from './run/run-agent.ts';
export { runTools } from './run/tools.ts';
export { createSpreads } from './spread/spreads.ts';
export type { Spreads, SpreadsComponents } from './spread/spreads.ts';
export { spreadTools } from './spread/tools.ts';
export { senderKey, sendersIn } from './inbox/sender.ts';
export { OPEN_AGENT_TOOLS, agentTools } from './tools/tools.ts';
export type { AgentToolComponents } from './tools/agent-tools.ts';
export { waitForAny, waitForNews, waitUntil } from './inbox/wait-for-news.ts';
export type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentLogLine,
  AgentLogsResult,
  AgentMessage,
  AgentMessageResult,
  AgentMetrics,
  AgentSpawnResult,
  AgentSpreadResult,
  AgentStatus,
  AgentStanding,
  AgentView,
  Announcement,
  BroadcastResult,
  CapabilityListResult,
  CapabilityResult,
  EventsResult,
  MeshEvent,
  MessageInit,
  MessageType,
  Priority,
  RunState,
  RunView,
  SpreadView,
} from './types.ts';
