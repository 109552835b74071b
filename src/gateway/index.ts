/** The MCP gateway: sessions of all callers, links to all servers, and what leads where. */
export { createGateway } from './gateway.ts';
export type { GatewayComponents, GatewayInit } from './gateway.ts';
export type { InvisibleFlag } from './invisible.ts';
export { createPins } from './pins.ts';
export type { Pins, PinsComponents, PinsInit, QuarantineEntry } from './pins.ts';
export { pinReference } from './quarantine.ts';
export type { Quarantined } from './quarantine.ts';
export type {
  BuiltinContext,
  BuiltinTool,
  Gateway,
  GatewayEndpoints,
  Upstream,
  UpstreamStatus,
  Upstreams,
} from './types.ts';
export { createUpstreams } from './upstreams/upstreams.ts';
export type { UpstreamsComponents, UpstreamsInit } from './upstreams/upstreams.ts';
