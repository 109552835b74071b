/** The MCP gateway: sessions of all callers, channels to all servers, and what leads where. */
export { createCertifier, readOnBehalfOf } from './clearance/on-behalf-of.ts';
export type { Certifier } from './clearance/on-behalf-of.ts';
export { answerOf, formOf } from './clearance/approval-form.ts';
export type { FormAnswer } from './clearance/approval-form.ts';
export { answeredError } from './client/answered-error.ts';
export { connectDoor } from './client/door-client.ts';
export type { DoorCallOptions } from './client/caller.ts';
export type { DoorClient, DoorInit } from './client/door-client.ts';
export { createApiKeys } from './door/api-keys.ts';
export type { ApiKey, ApiKeyInit, ApiKeys, ApiKeysComponents } from './door/api-keys.ts';
export { auditKeys } from './door/key-audit.ts';
export { createTokenClients } from './door/token-clients.ts';
export type { TokenClients } from './door/token-clients.ts';
export { createAttachedClients } from './door/attached-clients.ts';
export type { AttachedClients, AttachedClientsComponents } from './door/attached-clients.ts';
export { createNodeToken } from './door/token-file.ts';
export type { NodeToken } from './door/token-file.ts';
export { createGateway } from './gateway.ts';
export type { GatewayComponents, GatewayInit } from './gateway-components.ts';
export { revealInvisible } from './pins/invisible-characters.ts';
export type { InvisibleFlag } from './pins/invisible-characters.ts';
export { auditPins } from './pins/pin-audit.ts';
export { createPins } from './pins/pins.ts';
export type { Pins, PinsComponents, PinsInit, QuarantineEntry } from './pins/pins.ts';
export { pinReference } from './pins/quarantine.ts';
export type { Quarantined } from './pins/quarantine.ts';
export type {
  AgentProcess,
  AgentStart,
  BuiltinContext,
  ClientSampling,
  BuiltinResource,
  BuiltinTasks,
  BuiltinTemplate,
  BuiltinTool,
  CallProgress,
  CardAgent,
  ClearedAction,
  FunctionContext,
  FunctionTool,
  OnwardCall,
  OwnAction,
  OwnCallOptions,
  PeerToolCall,
  ServerTrial,
  ShownAgents,
  ToolSubject,
  Gateway,
  GatewayEndpoints,
  Upstream,
  UpstreamStatus,
  Upstreams,
} from './types.ts';
export { createLogins } from './upstreams/oauth/logins.ts';
export type { Logins } from './upstreams/oauth/logins.ts';
export {
  createExchanger,
  isEventStream,
  mediaTypeOf,
  readBody,
} from './upstreams/url/http-exchange.ts';
export type { Exchange, Exchanger, Reply } from './upstreams/url/http-exchange.ts';
export { createClientIdentity } from './upstreams/url/client-identity.ts';
export type { ClientIdentity } from './upstreams/url/client-identity.ts';
export { createEventStreamDecoder } from './upstreams/url/event-stream.ts';
export type { StreamEvent } from './upstreams/url/event-stream.ts';
export { refuseWith, sendJson } from './door/auth-endpoints.ts';
export { readRequestBody } from './door/request-body.ts';
export type {
  Credential,
  DashboardFace,
  DashboardFaceEvents,
  DoorRefusal,
  MetricsFace,
  MetricsText,
  ModelsFace,
} from './door/types.ts';
export type { CallMeter, CallOutcome } from './session/call/call-meter.ts';
export type { BeginningCall, CallSpan, CallSpanEnd, CallTracer } from './session/call/call-span.ts';
export { traceParentText } from './wire/trace-parent.ts';
export type { TraceParent } from './wire/trace-parent.ts';
export { METHODS } from './wire/envelope.ts';
export { refusalOf } from './clearance/refusal-errors.ts';
export { bindSecrets, secretUses } from './upstreams/server-secrets.ts';
export { cameToNobody } from './upstreams/process/stdio.ts';
export { createChildren } from './upstreams/process/process-record.ts';
export type { Children } from './upstreams/process/process-record.ts';
export { findMeans } from './upstreams/sandbox/sandbox-means.ts';
export type { Means } from './upstreams/sandbox/sandbox-means.ts';
export { createSandbox } from './upstreams/sandbox/sandbox.ts';
export type { Sandbox } from './upstreams/sandbox/sandbox.ts';
export { sandboxWarnings } from './upstreams/sandbox/sandbox-health.ts';
export { runBriefly } from './upstreams/process/start-process.ts';
export { readJsonSchema } from './builtin/json-schema.ts';
export { anyJson, isJson } from './builtin/any-json.ts';
export { defineTool } from './builtin/tool.ts';
export { createUpstreams } from './upstreams/upstreams.ts';
export type { UpstreamsComponents, UpstreamsInit } from './upstreams/upstreams.ts';
export type { ChannelCall, RelayedCall, ServerTarget } from './channel-types.ts';
export type { InnerCaller, SampleRequest, SamplingFace, ToolOrigin } from './inner-types.ts';
export type { ServerChanges, ServerCondition, ServerLogLine } from './server-condition.ts';
