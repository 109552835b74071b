/** The MCP gateway: sessions of all callers, links to all servers, and what leads where. */
export { auditDoor } from './audited.ts';
export { answerOf, formOf } from './approval-form.ts';
export type { FormAnswer } from './approval-form.ts';
export { createApiKeys } from './door/api-keys.ts';
export type { ApiKey, ApiKeyInit, ApiKeys, ApiKeysComponents } from './door/api-keys.ts';
export { createGateway } from './gateway.ts';
export type { GatewayComponents, GatewayInit } from './gateway.ts';
export { revealInvisible } from './invisible.ts';
export type { InvisibleFlag } from './invisible.ts';
export { createPins } from './pins.ts';
export type { Pins, PinsComponents, PinsInit, QuarantineEntry } from './pins.ts';
export { pinReference } from './quarantine.ts';
export type { Quarantined } from './quarantine.ts';
export type {
  BuiltinContext,
  BuiltinResource,
  BuiltinTool,
  Gateway,
  GatewayEndpoints,
  Upstream,
  UpstreamStatus,
  Upstreams,
} from './types.ts';
export { createLogins } from './upstreams/logins.ts';
export type { Logins } from './upstreams/logins.ts';
export { bindSecrets, createSecretStore, secretUses } from './upstreams/secret-store.ts';
export type { SecretInfo, SecretStore } from './upstreams/secret-store.ts';
export { SEALED_TABLES } from './upstreams/sealed-tables.ts';
export { createTokenStore } from './upstreams/token-store.ts';
export { createUpstreams } from './upstreams/upstreams.ts';
export type { UpstreamsComponents, UpstreamsInit } from './upstreams/upstreams.ts';
