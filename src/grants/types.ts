/** The grant format: an Ed25519-signed, attenuable delegation as a compact JWS (RFC 7515, RFC 8037). */
import type { EventEmitter } from 'node:events';
import type { Did, Json, Startable } from '../core/index.ts';

/** `typ` of a grant's header. */
export const GRANT_TYPE = 'starling-grant+jwt';
/** `typ` of a revocation's header. */
export const REVOCATION_TYPE = 'starling-revocation+jwt';

/** What one grant allows: `ability` on everything that `resource` matches. */
export interface Capability {
  /** `tool:files/*`, `mesh:<id>`, … with `*` within a segment and `**` for the rest. */
  readonly resource: string;
  /** `tool/call`, `mesh/join`, `mesh/invite`; `*` only where `iss` is `sub`. */
  readonly ability: string;
  /**
   * Further conditions: `args`, `hours`, `rate`, `uses`, `approval`. One that this version does not
   * know, or that is malformed, makes the capability void.
   */
  readonly caveats?: Readonly<Record<string, Json>>;
}

/** The claims of a grant. Times are seconds since the epoch. */
export interface GrantClaims {
  readonly iss: Did;
  readonly aud: Did;
  /** The owner of the thing: the root of the chain. */
  readonly sub: Did;
  readonly cap: readonly Capability[];
  readonly iat: number;
  readonly nbf?: number;
  readonly exp: number;
  /** 128 random bits, base64url. */
  readonly jti: string;
  /** base64url sha-256 of the compact JWS of each parent grant; absent when `iss` is `sub`. */
  readonly prf?: readonly string[];
  /** How many further delegations may hang below. */
  readonly max_depth: number;
}

/** A grant that parsed and whose own signature holds. Its chain may still be invalid. */
export interface Grant {
  readonly jws: string;
  /** base64url sha-256 of `jws`: what `prf` of its children names. */
  readonly hash: string;
  readonly claims: GrantClaims;
}

/** The payload of its JWS. */
export interface RevocationClaims {
  /** Issuer of the revoked grant, or of an ancestor of it. */
  readonly iss: Did;
  /** The revoked grant's `jti`. */
  readonly jti: string;
  readonly iat: number;
  /** The revoked grant's `exp`: after it the revocation may be forgotten. */
  readonly exp: number;
  readonly reason?: string;
}

/** A revocation that parsed and whose signature holds. */
export interface Revocation {
  readonly jws: string;
  readonly claims: RevocationClaims;
}

/** The payload of its JWS, which the old key signs. */
export interface SuccessionClaims {
  /** The key that retires. */
  readonly iss: Did;
  /** The key that takes its place. */
  readonly sub: Did;
  /** The mesh in which this counts. */
  readonly mesh: Did;
  /** Seconds since the epoch. */
  readonly iat: number;
  /** 128 random bits, base64url. */
  readonly jti: string;
  /** Beginnings of the hashes of what `iss` has issued on others' things and that still counts. */
  readonly keep: readonly string[];
  /** base64url Ed25519 signature by `sub`, over all the other claims. */
  readonly proof: string;
}

/** A succession that parsed and that both keys have signed. */
export interface Succession {
  readonly jws: string;
  readonly claims: SuccessionClaims;
  /** True when the old key had issued `grant` by then. */
  keeps(grant: Pick<Grant, 'hash'>): boolean;
}

/** A text whose format is right, and of which no signature was looked at yet. */
export interface Unverified<Text extends { readonly claims: object }> {
  /** What the text says; nobody may have signed that. */
  readonly claims: Text['claims'];
  /** Checks the signatures. @throws STARLING_GRANT_INVALID */
  verify(): Text;
}

/** What is known of successions, as decisions need it. Look-ups only. */
export interface SuccessionView {
  /** By which `did` was retired; undefined while it is in use. */
  of(did: Did): Succession | undefined;
  /** The key in use now of whoever once had `did`. */
  current(did: Did): Did;
  /** The first key of whoever has `did` now. */
  origin(did: Did): Did;
  /** `did` and the keys that it followed, newest first. */
  lineage(did: Did): readonly Did[];
  /** `did` and the keys that followed it, oldest first. */
  heirs(did: Did): readonly Did[];
  /** True when `did` is `before`, or has taken its place. */
  follows(did: Did, before: Did): boolean;
}

/** What somebody wants to do. */
export interface Wanted {
  readonly resource: string;
  readonly ability: string;
}

/** Why a chain or a request is refused, as a tree that a person can read. */
export interface Refusal {
  /** Stable word for the rule that failed: `expired`, `signature`, `revoked`, `widened`, … */
  readonly rule: string;
  readonly text: string;
  readonly causes?: readonly Refusal[];
}

/** A grant that its issuer's node renews, and how long each renewal lasts. */
export interface Renewable {
  readonly grant: Grant;
  readonly lifetimeMs: number;
}

/** What a delegation of a grant that we received says. Whatever is left out stays as it is there. */
export interface GrantDelegateInit {
  /** The received grant: its `jti`, or at least 4 characters of it. */
  readonly parent: string;
  readonly aud: Did;
  /** Resource patterns, each covered by the received grant; default: all of its own. */
  readonly resources?: readonly string[];
  /** Caveats that are added, or that take the place of wider ones. */
  readonly caveats?: Readonly<Record<string, Json>>;
  /** ms since the epoch; default, and at the most, the end of the received grant. */
  readonly expiresAtMs?: number;
  /** Further delegations that may hang below; default 0. */
  readonly maxDepth?: number;
  /** Renewed each time for this long, as the received grant is; default: never. */
  readonly renewForMs?: number;
}

/** What a new grant on our own things says. */
export interface GrantIssueInit {
  readonly aud: Did;
  readonly capabilities: readonly Capability[];
  /** ms since the epoch; rounded down to a second. */
  readonly expiresAtMs: number;
  /** Further delegations that may hang below; default 0. */
  readonly maxDepth?: number;
  /** Renewed each time for this long; default: never. */
  readonly renewForMs?: number;
}

/** The node's grants: issued, received, presented by callers, revoked. */
export interface GrantBook extends Startable {
  readonly events: EventEmitter<GrantBookEvents>;
  /** Who took whose place. A key that is retired holds nothing here. */
  readonly successions: SuccessionView;
  /** Signs a grant on our own things and keeps it. @throws STARLING_GRANT_MALFORMED */
  issue(init: GrantIssueInit): Promise<Grant>;
  /**
   * Hands on a grant that we received, or a part of it, and keeps the new one.
   * @throws STARLING_GRANT_UNKNOWN; STARLING_GRANT_INVALID when it would allow more than its parent
   */
  delegate(init: GrantDelegateInit): Promise<Grant>;
  /** What is to be renewed as long as it is not revoked, ended ones of the last 30 days included. */
  renewable(): readonly Renewable[];
  /**
   * Issues a grant of ours anew, with the same id and content and a later end; tells of the change.
   * Undefined when it is revoked, not renewable, or could not end later than it does.
   */
  renew(id: string): Promise<Grant | undefined>;
  /** `grant` and all that it stands on, as far as we have it; `grant` first. */
  chainOf(grant: Grant): readonly Grant[];
  /**
   * Keeps a grant that we signed on somebody else's things (a mesh membership), so that it can be
   * listed and revoked like the others. It gives nobody a right here. `instead`: it takes the place of
   * that one.
   */
  keepIssued(grant: Grant, instead?: Grant): Promise<void>;
  /** Forgets grants of {@link keepIssued} that are of no use any more; they are not revoked by that. */
  forgetIssued(grants: readonly Grant[]): Promise<void>;
  /** What we issued, expired ones of the last 30 days included. */
  issued(): readonly Grant[];
  /** What others issued to us. */
  received(): readonly Grant[];
  /**
   * A grant by its `jti` or a unique prefix of at least 4 characters; own ones come first.
   * @throws STARLING_GRANT_UNKNOWN
   */
  find(id: string): Grant;
  /**
   * Revokes a grant that we issued; a second time gives the same revocation, and passes it on again.
   * @throws STARLING_GRANT_UNKNOWN; STARLING_GRANT_INVALID when it is not ours to revoke; what
   * {@link passOn} rejects with: the grant is revoked here all the same
   */
  revoke(id: string, reason?: string): Promise<Revocation>;
  /** Who hands our own revocations to the others. */
  passOn(carry: (jws: string) => Promise<void>): void;
  /**
   * Grants of `holder` on things that we own, valid now: issued by us, or presented and verified.
   * The same array until something changes.
   */
  held(holder: Did): readonly Grant[];
  /**
   * Verifies what a caller presents (chains in any order) and keeps the good ones in memory, 256
   * per holder. Returns why the rest is refused.
   */
  present(holder: Did, jws: readonly string[]): readonly Refusal[];
  /**
   * How many texts {@link present} and {@link receive} have verified so far; what they remember is not verified
   * again. Both count before they return, so that what one cost can be charged to whom it was for.
   */
  readonly verified: number;
  /** Forgets what `holder` presented. */
  forget(holder: Did): void;
  /** Keeps grants that are addressed to us, with their parents. Returns why the rest is refused. */
  receive(jws: readonly string[]): Promise<readonly Refusal[]>;
  /** Our grants on things of `owner` that are valid now, parents included: to present there. */
  toPresent(owner: Did): readonly string[];
  /**
   * What we issued to `holder` and is valid now, but not what is in `told`, to which it is added; for
   * delegations with all that they stand on.
   */
  issuedTo(holder: Did, told?: WeakSet<Grant>): readonly string[];
  revocations(): readonly Revocation[];
  /** The revocation of the grant `jti` by one of `issuers`, whether it counts or not; in constant time. */
  findRevocation(jti: string, issuers: readonly Did[]): Revocation | undefined;
  /**
   * Adds a revocation that came from elsewhere; true when it is new. One by a stranger changes
   * nothing: it counts only where the chain says that its issuer may revoke. A text is verified first.
   * @throws STARLING_GRANT_MALFORMED, STARLING_GRANT_INVALID
   */
  addRevocation(revocation: string | Revocation): Promise<boolean>;
  /** True when one of `mayRevoke` has revoked `grant`. */
  isRevoked(grant: Grant, mayRevoke: readonly Did[]): boolean;
  state(grant: Grant): 'valid' | 'expired' | 'revoked';
}

/** How a grant came into the book; `delegated` and `renewed` are ours as well. */
export type GrantOrigin = 'issued' | 'delegated' | 'renewed' | 'received';

/** Heard by the gateway, the mesh's records and the audit log. */
export interface GrantBookEvents {
  /** What `holder` may use here has changed; our own did: what we received has. */
  change: [holder: Did];
  /** A revocation is new here: pass it on. */
  revocation: [jws: string];
  /** A grant is kept that was not there before, or not with this end. */
  kept: [grant: Grant, how: GrantOrigin];
}
