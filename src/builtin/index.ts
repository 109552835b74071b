/** The tools of the built-in MCP server `starling`: what the shell can do, an agent can do. */
export { boardTools } from './boards.ts';
export type { BoardComponents } from './boards.ts';
export { activeGrants } from './grant-tokens.ts';
export type { TokenComponents } from './grant-tokens.ts';
export { grantTools } from './grants.ts';
export type { GrantComponents } from './grants.ts';
export { keyTools } from './keys.ts';
export type { KeyComponents } from './keys.ts';
export { loginTools } from './logins.ts';
export type { LoginComponents } from './logins.ts';
export { pinTools } from './pins.ts';
export type { PinComponents } from './pins.ts';
export { statusTools } from './status.ts';
export type { StatusComponents } from './status.ts';
export type {
  BoardDeleteResult,
  BoardGetResult,
  BoardListResult,
  BoardSetResult,
  BoardWatchResult,
  GrantCreateResult,
  GrantExportResult,
  GrantImportResult,
  GrantListResult,
  GrantRevokeResult,
  GrantShowResult,
  GrantSummary,
  GrantVerifyResult,
  InviteResult,
  KeyCreateResult,
  KeyListResult,
  KeyRevokeResult,
  KeySummary,
  McpLoginResult,
  McpLogoutResult,
  PeersResult,
  PinApproveResult,
  PinListResult,
  PinSummary,
  RevokeTokenResult,
  StatusResult,
  ValidateTokenResult,
} from './types.ts';
