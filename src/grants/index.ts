/** Grants: who may do what, provable offline. */
export { readCallArguments } from './arguments.ts';
export { allows, allowsAlways } from './capability.ts';
export type { Asked, Needs, Verdict } from './capability.ts';
export { createCounters } from './counters.ts';
export type { CounterComponents, CounterInit, Counters, Taken } from './counters.ts';
export { explainChain, inspectGrants } from './explain.ts';
export type { Inspection, InspectionContext, ShownChain, ShownLink } from './explain.ts';
export { parseGrant, parseRevocation } from './grant.ts';
export { issueGrant, issueRevocation } from './issue.ts';
export type { GrantInit } from './issue.ts';
export { judge, targetOf } from './judge.ts';
export type { Judgement, WantedCall } from './judge.ts';
export {
  encodeSegment,
  matchResource,
  matchesTarget,
  parseResource,
  parseTarget,
  patternCovers,
  printable,
  promptResource,
  toolResource,
  uriResource,
} from './match.ts';
export type { ResourcePattern, ResourceTarget } from './match.ts';
export { decodeJws, encodeJws } from './jws.ts';
export { RENEWED_LIFETIME_MS, createRenewer } from './renewal.ts';
export type { Renewer, RenewerComponents } from './renewal.ts';
export { retiredBy } from './reissue.ts';
export { KEEP_OVER_MS, createRevocationSet } from './revocation.ts';
export type { RevocationSet, RevocationSetInit } from './revocation.ts';
export { createGrantBook } from './store.ts';
export { KEEP_MAX, SUCCESSION_TYPE, issueSuccession, parseSuccession } from './succession.ts';
export type { Succession, SuccessionClaims } from './succession.ts';
export { createSuccessions } from './successions.ts';
export type { SuccessionEvents, SuccessionView, Successions } from './successions.ts';
export type { GrantBookComponents, GrantBookInit } from './store.ts';
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
  Wanted,
} from './types.ts';
export {
  CLOCK_SKEW_MS,
  MEMBERSHIP_LINKS_MAX,
  describeRefusal,
  isOverAt,
  ruleOf,
  verifyChain,
} from './verify.ts';
export type { ChainContext, ChainVerdict } from './verify.ts';
