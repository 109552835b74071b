/** The guard: the one place that says yes or no. */
export { auditGovernance, auditGrants } from './audited.ts';
export { createApprovals } from './approvals.ts';
export type { ApprovalsComponents, ApprovalsInit } from './approvals.ts';
export type {
  Answerer,
  Approval,
  ApprovalAnswer,
  ApprovalEvents,
  ApprovalOutcome,
  ApprovalState,
  Approvals,
  Voter,
} from './approval-types.ts';
export { createGovernance } from './governance.ts';
export type { Governance, GovernanceComponents, GovernanceInit } from './governance.ts';
export { createGuard } from './guard.ts';
export type { GuardComponents, LimitAlert } from './guard.ts';
export { GIVEN_BACK, createGuardian } from './guardian.ts';
export type {
  Guardian,
  GuardianComponents,
  PermissionAnswer,
  PermissionRequest,
  RiskAlert,
} from './guardian.ts';
export { createAllowance } from './allowance.ts';
export type { Allowance } from './allowance.ts';
export type { Score } from './guardian-score.ts';
export type { OfferedTool } from './permission-scope.ts';
export { createPolicyBook } from './policy-book.ts';
export type {
  PolicyBook,
  PolicyBookComponents,
  PolicyBookEvents,
  PolicyBookInit,
  PolicyCheck,
} from './policy-book.ts';
export { defaultPolicy, parsePolicy, policyChanges } from './policy.ts';
export type { Policy, PolicyChange } from './policy.ts';
export { FULL_SCOPE, isScope } from './scopes.ts';
export { createStandings } from './standing.ts';
export type { Standing, Standings } from './standing.ts';
export type {
  ApprovalRequest,
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
export { behalfOf, keyOf, nameOf } from './who.ts';
export type { MeshFacts, Zone } from './who.ts';
