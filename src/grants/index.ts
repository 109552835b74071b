/** Grants: who may do what, provable offline. */
export { CAPABILITIES_MAX } from './format/claims.ts';
export {
  parseArgumentRules,
  problemOf,
  readCallArguments,
  readParsedArguments,
} from './chain/argument-caveat.ts';
export type { ArgumentRules } from './chain/argument-caveat.ts';
export { allows, allowsAlways, budgetOf, namesBudget } from './chain/capability.ts';
export type { Asked, Needs, Verdict } from './chain/capability.ts';
export { createCounters } from './use/counters.ts';
export type { CounterComponents, CounterInit, Counters, Taken } from './use/counters.ts';
export { explainChain, inspectGrants } from './chain/explain.ts';
export type { Inspection, InspectionContext, ShownChain, ShownLink } from './chain/explain.ts';
export { hashJws, parseGrant, parseRevocation, readGrant, readRevocation } from './format/grant.ts';
export { issueGrant, issueRevocation } from './format/issue.ts';
export type { GrantInit } from './format/issue.ts';
export { evaluateCall, targetOf } from './use/evaluate-call.ts';
export type { CallEvaluation, NothingCovers, WantedCall } from './use/evaluate-call.ts';
export { withoutLimitOf } from './chain/unlimited-rights.ts';
export type { Right } from './chain/unlimited-rights.ts';
export { covers, matchResource, matchesTarget, patternCovers } from './chain/resource-match.ts';
export {
  encodeSegment,
  parseResource,
  parseTarget,
  promptResource,
  toolResource,
  uriResource,
} from './format/resource.ts';
export type { ResourcePattern, ResourceTarget } from './format/resource.ts';
export { RENEWED_LIFETIME_MS, createRenewalTimer } from './book/renewal-timer.ts';
export type { RenewalTimer, RenewalTimerComponents } from './book/renewal-timer.ts';
export { retiredBy } from './book/reissue.ts';
export { KEEP_OVER_MS, createRevocationSet } from './book/revocation-set.ts';
export type { RevocationSet, RevocationSetInit } from './book/revocation-set.ts';
export { createGrantBook } from './book/book.ts';
export {
  KEEP_MAX,
  SUCCESSION_TYPE,
  issueSuccession,
  parseSuccession,
  readSuccession,
} from './format/succession.ts';
export { createSuccessions } from './book/successions.ts';
export type { SuccessionEvents, Successions } from './book/successions.ts';
export type { GrantBookComponents, GrantBookInit } from './book/book.ts';
export { GRANT_TYPE, REVOCATION_TYPE } from './types.ts';
export type {
  Capability,
  Grant,
  GrantBook,
  GrantBookEvents,
  GrantClaims,
  GrantDelegateInit,
  GrantIssueInit,
  GrantOrigin,
  Refusal,
  Renewable,
  Revocation,
  RevocationClaims,
  Succession,
  SuccessionClaims,
  SuccessionView,
  Unverified,
  Wanted,
} from './types.ts';
export {
  CLOCK_SKEW_MS,
  MEMBERSHIP_LINKS_MAX,
  describeRefusal,
  isOverAt,
  ruleOf,
  verifyChain,
} from './chain/verify.ts';
export type { ChainContext, ChainVerdict } from './chain/verify.ts';
