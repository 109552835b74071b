/** Grants: who may do what, provable offline. */
export { allows } from './capability.ts';
export { parseGrant, parseRevocation } from './grant.ts';
export { issueGrant, issueRevocation } from './issue.ts';
export type { GrantInit } from './issue.ts';
export {
  encodeSegment,
  matchResource,
  matchesTarget,
  parseResource,
  parseTarget,
  patternCovers,
  printable,
  toolResource,
  tryParseTarget,
} from './match.ts';
export type { ResourcePattern, ResourceTarget } from './match.ts';
export { decodeJws, encodeJws } from './jws.ts';
export { createRevocationSet } from './revocation.ts';
export type { RevocationSet, RevocationSetInit } from './revocation.ts';
export { createGrantBook } from './store.ts';
export type { GrantBookComponents, GrantBookInit } from './store.ts';
export { GRANT_TYPE, REVOCATION_TYPE } from './types.ts';
export type {
  Capability,
  Grant,
  GrantBook,
  GrantBookEvents,
  GrantClaims,
  GrantIssueInit,
  Refusal,
  Revocation,
  RevocationClaims,
  Wanted,
} from './types.ts';
export { MEMBERSHIP_LINKS_MAX, describeRefusal, ruleOf, verifyChain } from './verify.ts';
export type { ChainContext, ChainVerdict } from './verify.ts';
