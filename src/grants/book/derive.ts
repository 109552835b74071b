/**
 * Grants of ours that come from other grants: delegations of what we received, renewals before an end,
 * and those that a change of keys makes us issue anew. What they say is decided by the pure functions of
 * `derived-claims.ts` and `reissue.ts`; when a renewal is due, by `renewal-timer.ts`.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { shortId } from '../../identity/index.ts';
import { describeRefusal, ruleOf } from '../chain/verify.ts';
import type { Grant, GrantDelegateInit, SuccessionView } from '../types.ts';
import type { ChainChecks } from './chain-checks.ts';
import { delegationOf, renewalOf } from './derived-claims.ts';
import type { Issued } from './issued.ts';
import type { Received } from './received.ts';
import { isOutdated, reissueOf } from './reissue.ts';
import type { Signing } from './signing.ts';

/** What grants are made from grants with. */
export interface DerivationComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly successions: SuccessionView;
  readonly checks: ChainChecks;
  readonly issued: Issued;
  readonly received: Received;
  readonly signing: Signing;
}

/** Makes grants from grants. Nothing is kept here. */
export interface Derivation {
  /**
   * A delegation of `parent`, signed and verified.
   * @throws STARLING_GRANT_INVALID when `parent` is not for this node, or would be widened
   */
  delegate(parent: Grant, init: GrantDelegateInit): Grant;
  /**
   * `grant` with a later end, on the newest of what it stands on. Undefined when it is not renewed, is
   * revoked, has lost a parent, or could not end later than it does.
   */
  renewed(grant: Grant): Grant | undefined;
  /**
   * `grant` by and for the keys in use now. Undefined when it names no retired key, is not ours to issue,
   * or has ended or been revoked.
   */
  reissued(grant: Grant): Grant | undefined;
}

/** Makes grants of `self` from others. */
export function createDerivation(components: DerivationComponents): Derivation {
  const { self, clock, successions, checks, issued, received, signing } = components;

  /** The grant with this hash, or what it was renewed to. */
  const newest = (hash: string): Grant | undefined => {
    const old = issued.get(hash) ?? received.get(hash);
    return old === undefined ? undefined : (received.newest(old) ?? old);
  };
  const parentsOf = ({ claims }: Grant): readonly Grant[] =>
    (claims.prf ?? []).flatMap((hash) => newest(hash) ?? []);

  return {
    delegate(parent, init) {
      const id = parent.claims.jti.slice(0, 8);
      if (!checks.isOwn(parent.claims.aud)) {
        throw new StarlingError('STARLING_GRANT_INVALID', `grant ${id} is not for this node`, {
          hint: 'grant what is our own with: starling grant create <peer> --tool <server>/<tool>',
          data: { rule: 'issuer' },
        });
      }
      const { iss, max_depth: hands } = parent.claims;
      if (hands === 0) {
        throw new StarlingError('STARLING_GRANT_INVALID', `grant ${id} may not be handed on`, {
          hint: `ask ${shortId(iss)}, which gave it, for one that may: starling grant create <peer> --tool <server>/<tool> --max-depth 1`,
          data: { rule: 'depth' },
        });
      }
      const grant = signing.sign(delegationOf(parent, init));
      const verdict = checks.verify(grant);
      if (verdict.ok) return grant;
      throw new StarlingError(
        'STARLING_GRANT_INVALID',
        `grant ${id} can't be handed on like this: ${describeRefusal(verdict.refusal).replaceAll(`grant ${grant.claims.jti.slice(0, 8)}`, 'the new grant')}`,
        { hint: `starling grant show ${id}`, data: { rule: ruleOf(verdict.refusal) } },
      );
    },
    renewed(grant) {
      const { iss, jti, prf = [] } = grant.claims;
      const lifetimeMs = issued.lifetimeOf(jti);
      if (lifetimeMs === undefined || iss !== self || checks.isRevoked(grant, [self])) {
        return undefined;
      }
      const parents = parentsOf(grant);
      if (parents.length !== prf.length) return undefined;
      const init = renewalOf(grant, parents, lifetimeMs, clock.now());
      if (init === undefined) return undefined;
      const renewed = signing.sign(init);
      return checks.verify(renewed).ok ? renewed : undefined;
    },
    reissued(grant) {
      const { iss, prf } = grant.claims;
      const isOurs = prf === undefined || issued.isDelegation(grant);
      if (!isOurs || !isOutdated(grant, self, successions)) return undefined;
      if (checks.isRevoked(grant, [iss])) return undefined;
      const init = reissueOf(grant, self, parentsOf(grant), successions);
      if (init.expiresAt * 1000 <= clock.now()) return undefined;
      const reissued = signing.sign(init);
      return checks.verify(reissued).ok ? reissued : undefined;
    },
  };
}
