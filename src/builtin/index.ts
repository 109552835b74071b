/** The tools of the built-in MCP server `starling`: what the shell can do, an agent can do. */
export { auditResource, auditTools } from './audit.ts';
export type { AuditToolComponents } from './audit.ts';
export { boardsComingOf } from './boards/board-views.ts';
export { boardCareTools } from './boards/board-care.ts';
export { boardResources } from './boards/board-resources.ts';
export type { BoardResourceComponents } from './boards/board-resources.ts';
export { boardRoomTools } from './boards/board-room-tools.ts';
export type { BoardRoomComponents } from './boards/board-room-tools.ts';
export { boardRightTools } from './boards/board-rights.ts';
export type { BoardRightComponents } from './boards/board-rights.ts';
export { strongBoardTools } from './boards/board-strong.ts';
export type { StrongBoardComponents } from './boards/board-strong.ts';
export { boardTools } from './boards/boards.ts';
export type { BoardComponents } from './boards/boards.ts';
export { createClientBoards } from './boards/client-boards.ts';
export type { ClientBoards, ClientRight } from './boards/client-boards.ts';
export { audienceOf } from './grants/grant-input.ts';
export { bugreportTool } from './bugreport.ts';
export type { BugreportComponents } from './bugreport.ts';
export { budgetResources } from './budgets/budget-resources.ts';
export { budgetTools } from './budgets/budgets.ts';
export { clientTools } from './clients.ts';
export type { ClientComponents } from './clients.ts';
export { governanceTools, offeredTools } from './governance.ts';
export type { GovernanceToolComponents } from './governance.ts';
export { findingTools } from './proposals/findings.ts';
export type { FindingComponents } from './proposals/findings.ts';
export { grantProposeTool } from './proposals/grant-propose.ts';
export type { GrantProposeComponents } from './proposals/grant-propose.ts';
export { grantTools } from './grants/grants.ts';
export type { GrantComponents } from './grants/grants.ts';
export { keyTools } from './keys.ts';
export type { KeyComponents } from './keys.ts';
export { knockTools } from './knocks.ts';
export type { KnockToolComponents } from './knocks.ts';
export { loginTools } from './logins.ts';
export type { LoginComponents } from './logins.ts';
export { memberTools } from './members.ts';
export type { MemberToolComponents } from './members.ts';
export { OPEN_RESOURCES } from './permissions.ts';
export { grantResources } from './resources.ts';
export type { ResourceComponents } from './resources.ts';
export { pinTools } from './pins.ts';
export type { PinComponents } from './pins.ts';
export { secretTools } from './secrets.ts';
export type { SecretComponents } from './secrets.ts';
export { serverTools } from './servers.ts';
export { outsideOf, peerSummary, statusTools } from './status.ts';
export { pingTool } from './ping.ts';
export type { StatusComponents } from './status.ts';
export type {
  AuditQueryResult,
  AuditTailResult,
  AuditVerifyResult,
  ActiveGrantsResult,
  ApprovalAnswerResult,
  ApprovalAskResult,
  ApprovalListResult,
  ApprovalSummary,
  BoardDeleteResult,
  BoardGetResult,
  BoardListResult,
  BoardSetResult,
  BoardWatchResult,
  BugreportResult,
  ClientConnectResult,
  ClientDisconnectResult,
  FindingsResult,
  GrantCreateResult,
  GrantProposeResult,
  GrantExportResult,
  GrantImportResult,
  GrantListResult,
  GrantRevokeResult,
  GrantShowResult,
  GrantSummary,
  GrantVerifyResult,
  InviteResult,
  KeyCreateResult,
  KnockAnswerResult,
  KnockListResult,
  KnockSummary,
  KeyListResult,
  KeyRevokeResult,
  KeySummary,
  LeaveResult,
  McpLoginResult,
  McpLogoutResult,
  MemberSummary,
  MembersResult,
  PeerRemoveResult,
  PeerRenameResult,
  PeerShowResult,
  PeersResult,
  PinApproveResult,
  PinListResult,
  PinSummary,
  PolicyCheckResult,
  PolicyExplainResult,
  PolicyShowResult,
  RevokeTokenResult,
  SecretListResult,
  SecretRemoveResult,
  SecretSetResult,
  SecretSummary,
  ShortStatus,
  StatusResult,
  TicketSummary,
  TokenRotateResult,
  TokenView,
  ValidateTokenResult,
} from './results.ts';
