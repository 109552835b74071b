/** The guard: the one place that says yes or no. */
export { auditGovernance, auditGrants } from './audit-events.ts';
export { createApprovalAccess } from './approvals/library-access.ts';
export type { ApprovalAccess } from './approvals/library-access.ts';
export { createApprovals } from './approvals/approvals.ts';
export type { ApprovalsComponents, ApprovalsInit } from './approvals/approvals.ts';
export type {
  Answerer,
  Approval,
  ApprovalAnswer,
  ApprovalEvents,
  ApprovalOutcome,
  ApprovalState,
  Approvals,
  Voter,
} from './approvals/types.ts';
export { createGovernance } from './governance.ts';
export type { Governance, GovernanceComponents, GovernanceInit } from './governance.ts';
export { createGuard } from './decision/guard.ts';
export type { GuardComponents, LimitAlert } from './decision/guard.ts';
export { GIVEN_BACK } from './guardian/earlier-answers.ts';
export { createGuardian } from './guardian/guardian.ts';
export type { GuardianComponents } from './guardian/guardian.ts';
export type { Guardian, PermissionAnswer, PermissionRequest, RiskAlert } from './guardian/types.ts';
export { createAllowance } from './allowance.ts';
export type { Allowance } from './allowance.ts';
export type { Score } from './guardian/score.ts';
export type { OfferedTool } from './guardian/permission-scope.ts';
export { createCurrentPolicy } from './policy/current-policy.ts';
export type {
  CurrentPolicy,
  CurrentPolicyComponents,
  CurrentPolicyEvents,
  CurrentPolicyInit,
  PolicyCheck,
} from './policy/current-policy.ts';
export { defaultPolicy, parsePolicy, policyChanges, policyRules } from './policy/policy.ts';
export type { Policy, PolicyChange, PolicyRule } from './policy/policy.ts';
export {
  ATTACHED_SCOPES,
  METRICS_SCOPE,
  FULL_SCOPE,
  attachedClient,
  isScope,
  scopesCover,
} from './decision/client-scopes.ts';
export { chainOf, isLink, readLink } from './caller-chain.ts';
export type { Link } from './caller-chain.ts';
export { createCallerRules } from './policy/caller-rules.ts';
export type { CallerRules, CallerRulesLookup } from './policy/caller-rules.ts';
export type { SourceZones } from './policy/source-zones.ts';
export type {
  ApprovalRequest,
  ClientAccess,
  Decision,
  ExplainedStep,
  ExplainingGuard,
  Explanation,
  Guard,
  GuardWanted,
  OnBehalfOf,
  Principal,
  WantedFacts,
} from './types.ts';
export {
  DASHBOARD,
  OPERATOR,
  WATCHING,
  behalfOf,
  goneOf,
  hasPerson,
  isSameClient,
  keyOf,
  leastTrusted,
  nameOf,
  readTaint,
  seesAll,
  worstTaint,
} from './principal-names.ts';
export type { MeshFacts, Taint, Zone } from './principal-names.ts';
