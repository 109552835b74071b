/**
 * Starling as a library: a node of a peer-to-peer mesh for AI agents and their tools.
 *
 * @packageDocumentation
 */
import './core/system/node20.ts';

export { AgentClient, callOver, connectAgent } from './agents/index.ts';
export type {
  AgentAnnounceResult,
  AgentCall,
  AgentClientInit,
  AgentInfoResult,
  AgentInit,
  AgentMessage,
  AgentMessageResult,
  AgentView,
  ConnectInit,
  MessageHandler,
  MessageType,
  NamedCapability,
  NodeAgent,
  NodeAgentInit,
  RequestOptions,
  SendOptions,
  ToolCall,
} from './agents/index.ts';
export type { Board, BoardChange, BoardEntry } from './blackboard/index.ts';
export type {
  BoardGetResult,
  BoardListResult,
  BoardWatchResult,
  GrantCreateResult,
  GrantListResult,
  GrantSummary,
  InviteResult,
  PeersResult,
  StatusResult,
} from './builtin/index.ts';
export { loadConfig } from './config/index.ts';
export type { Config, ConfigSources } from './config/index.ts';
export { ERRORS, StarlingError, VERSION, silentLogger } from './core/index.ts';
export type { Clock, Did, ErrorCode, Json, JsonObject, MeshId, PeerId } from './core/index.ts';
export type {
  Approval,
  ApprovalAccess,
  ApprovalAnswer,
  ApprovalEvents,
  ApprovalOutcome,
  ApprovalState,
  Approvals,
  Principal,
} from './guard/index.ts';
export type { PeerState, PeerView } from './membership/index.ts';
export type { Mesh } from './mesh/index.ts';
export type { Transport, TransportListener } from './network/index.ts';
export type {
  CallProgress,
  DoorCallOptions,
  DoorClient,
  DoorInit,
  FunctionContext,
  FunctionTool,
  OwnCallOptions,
} from './gateway/index.ts';
export { connectDoor } from './gateway/index.ts';
export { createNode } from './node.ts';
export type { NodeComponents } from './open-state.ts';
export type { CapabilityOptions, GrantInit, StarlingNode } from './node-types.ts';
export type { NodeEvents } from './node-wiring.ts';
export type {
  TaskAgent,
  TaskContext,
  TaskHandler,
  TaskOptions,
  TaskResult,
  TaskView,
} from './tasks/index.ts';
