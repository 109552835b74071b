/**
 * Revocations, and the chains that they end. Our own count once they are on disk: the operator was told of
 * a failure else, and of a grant that is revoked until the next start. Those of others count at once, and
 * are known to be here (so that nobody sends them again) once they are on disk.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Table } from '../../store/types.ts';
import { ruleOf } from '../chain/verify.ts';
import { parseRevocation } from '../format/grant.ts';
import { issueRevocation } from '../format/issue.ts';
import type { Grant, Revocation } from '../types.ts';
import type { ChainChecks } from './chain-checks.ts';
import type { HeldChain, HolderIndex } from './holders.ts';
import type { RevocationSet } from './revocation-set.ts';
import { readRows, revocationKey } from './rows.ts';

/** What revocations work with. */
export interface RevokingComponents {
  readonly identity: Signer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly table: Table;
  readonly revoked: RevocationSet;
  readonly checks: ChainChecks;
  readonly holders: Pick<HolderIndex, 'dropWhere'>;
  /** What these holders may use here has changed. */
  changed(holders: readonly Did[]): void;
  /** A revocation is on the disk, and new here: to be passed on. */
  written(revocation: Revocation): void;
}

/** Revocations. */
export interface Revoking {
  load(): Promise<void>;
  /**
   * The revocation of `grant` by us: that which is known, or a new one, which counts only when it is added.
   * @throws STARLING_GRANT_INVALID when another key issued the grant
   */
  revocationOf(grant: Grant, reason?: string): Revocation;
  /**
   * Adds `revocation`; true when it is new, or was not on the disk yet. Durable and passed on when the
   * promise resolves. @throws STARLING_STATE_UNUSABLE: then one of ours does not count
   */
  add(revocation: Revocation): Promise<boolean>;
  /** Whether this text is known and on the disk: there is no need to look at the text again. */
  isKept(jws: string): boolean;
  /** Forgets revocations of grants that ended long before `nowMs`. */
  prune(nowMs: number): Promise<void>;
}

/** Makes the revocations of a node over `revoked`. */
export function createRevoking(components: RevokingComponents): Revoking {
  const { identity, clock, logger, table, revoked, checks, holders } = components;
  /** Texts of revocations that count and are not on the disk yet: whoever brings one again has it written. */
  const unwritten = new Set<string>();

  /** True when `revocation` ends `chain`: verified again, since only the chain says who may revoke. */
  const isHit = (chain: HeldChain, { claims }: Revocation): boolean => {
    if (!chain.links.some((link) => link.claims.jti === claims.jti)) return false;
    const verdict = checks.verify(chain.leaf, new Map(chain.links.map((it) => [it.hash, it])));
    return !verdict.ok && ruleOf(verdict.refusal) === 'revoked';
  };

  /** From now on the revocation counts; false when one like it does already. */
  const count = (revocation: Revocation): boolean => {
    if (!revoked.add(revocation, clock.now())) return false;
    components.changed(holders.dropWhere((chain) => isHit(chain, revocation)));
    return true;
  };

  return {
    async load() {
      for (const revocation of await readRows(table, '', parseRevocation, logger)) {
        // What is over goes with the next pruning, and its row with it.
        revoked.add(revocation, Math.min(clock.now(), revocation.claims.exp * 1000));
      }
    },
    revocationOf(grant, reason) {
      const { iss, jti } = grant.claims;
      if (!checks.isOwn(iss)) {
        throw new StarlingError(
          'STARLING_GRANT_INVALID',
          `grant ${jti} was issued by ${iss}, so it is not ours to revoke`,
          { hint: 'revoke it on the node that issued it', data: { id: jti } },
        );
      }
      const known = revoked.find(jti, [identity.did]);
      return known ?? issueRevocation(identity, grant, clock.now(), reason);
    },
    async add(revocation) {
      const { claims, jws } = revocation;
      const isKnown = revoked.holds(jws);
      if (isKnown ? !unwritten.has(jws) : !revoked.admits(revocation, clock.now())) return false;
      const isOwn = claims.iss === identity.did;
      if (!isKnown && !isOwn) {
        unwritten.add(jws);
        count(revocation);
      }
      await table.put(revocationKey(revocation), Buffer.from(jws));
      const isNews = isOwn ? count(revocation) : unwritten.delete(jws);
      if (isNews) components.written(revocation);
      return isNews;
    },
    isKept: (jws) => revoked.holds(jws) && !unwritten.has(jws),
    async prune(nowMs) {
      const over = revoked.prune(nowMs);
      for (const { jws } of over) unwritten.delete(jws);
      if (over.length > 0) await table.batch(over.map((it) => ({ key: revocationKey(it) })));
    },
  };
}
