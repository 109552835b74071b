/**
 * What the guardian answered before: the same words of the same caller get the same answer while it
 * holds, and what was taken away is not granted again by itself.
 */
import { printable } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { patternCovers } from '../../grants/index.ts';
import type { Capability, Grant, GrantBook } from '../../grants/index.ts';
import type { Approval, Approvals } from '../approvals/types.ts';
import { meets, restrictionsOf } from './permission-plan.ts';
import type { PermissionAnswer } from './types.ts';

/** Where earlier answers are found. */
export interface EarlierAnswersComponents {
  readonly grants: Pick<
    GrantBook,
    'findRevocation' | 'issued' | 'revocations' | 'state' | 'successions'
  >;
  readonly approvals: Pick<Approvals, 'list'>;
  readonly clock: Clock;
}

/** Earlier answers. A `subject` is the same for the same words of the same caller. */
export interface EarlierAnswers {
  /**
   * The answer that was given before, while it holds: a grant, a wait, or the no of the last hour; of the last five
   * minutes where the reason was another than `justification`.
   */
  to(subject: string, justification: string): PermissionAnswer | undefined;
  /** A grant by which `holder` may use all of `patterns` already, without a condition, and at least until `untilMs`. */
  covering(holder: Did, patterns: readonly string[], untilMs: number): PermissionAnswer | undefined;
  /** From now on `grant` answers `subject`, as long as the grant is valid. */
  remember(subject: string, grant: Grant): void;
  /**
   * True when within a day somebody took away from `holder` something of `capabilities`. What the
   * holder gave back itself does not count.
   */
  wasRevoked(holder: Did, capabilities: readonly Capability[]): boolean;
}

/** How long a person's no answers the same request again. */
const NO_HOLDS_MS = 3_600_000;
/** The same where the caller gives another reason. Less = an answer that is heard sooner, and a person who is nagged. */
const NO_TO_OTHER_REASONS_MS = 300_000;
/** Longest reason that is compared: no longer one is taken. */
const JUSTIFICATION_MAX = 2000;
/**
 * For how long a grant that a person gave and took away is told as taken away: whoever waits for the answer asks
 * on by itself meanwhile, and must not ask the person again by that.
 */
const TAKEN_BACK_HOLDS_MS = 60_000;
/** For how long what was revoked is not granted again without a person. */
const REVOKED_HOLDS_MS = 86_400_000;
/** Grants that are remembered by their request. */
const GIVEN_MAX = 1024;

/** Begins the reason of a revocation that the holder itself asked for. */
export const GIVEN_BACK = 'given back by its holder';

/** Makes a memory of answers; over a restart, grants and approvals remember for it. */
export function createEarlierAnswers(components: EarlierAnswersComponents): EarlierAnswers {
  const { grants, approvals, clock } = components;
  /** Grants by the subject of their request. */
  const given = new Map<string, Grant>();
  return {
    to(subject, justification) {
      const asked = approvals.list().find(({ permission }) => permission?.subject === subject);
      // What a person agreed to is found after a restart, too.
      const grant =
        given.get(subject) ?? grants.issued().find(({ claims: { jti } }) => jti === asked?.made);
      if (grant !== undefined && grants.state(grant) === 'valid') {
        return granted(grant, 'it was granted already');
      }
      if (grant !== undefined && asked?.made === grant.claims.jti) {
        const issuers = grants.successions.lineage(grant.claims.iss);
        const taken = grants.findRevocation(grant.claims.jti, issuers);
        const untilMs = (taken?.claims.iat ?? 0) * 1000 + TAKEN_BACK_HOLDS_MS;
        if (untilMs >= clock.now()) {
          const who = asked.answeredBy ?? 'a person';
          const later = 'if you still need it, ask again in a minute';
          return answer(false, `${who} said yes, and it was taken back since; ${later}`);
        }
      }
      if (asked?.state === 'pending') {
        return waiting(asked, 'a person has been asked');
      }
      return asked?.state === 'denied' ? refused(asked, justification, clock.now()) : undefined;
    },
    covering(holder, patterns, untilMs) {
      const dids = grants.successions.lineage(holder);
      const isFree = ({ caveats }: Capability): boolean => Object.keys(caveats ?? {}).length === 0;
      const found = grants
        .issued()
        .find(
          (grant) =>
            dids.includes(grant.claims.aud) &&
            grant.claims.exp * 1000 >= untilMs &&
            grants.state(grant) === 'valid' &&
            patterns.every((pattern) =>
              grant.claims.cap.some((one) => isFree(one) && patternCovers(one.resource, pattern)),
            ),
        );
      return found === undefined ? undefined : granted(found, 'it was granted already');
    },
    remember(subject, grant) {
      given.delete(subject);
      given.set(subject, grant);
      const [oldest] = given.keys();
      if (given.size > GIVEN_MAX && oldest !== undefined) given.delete(oldest);
    },
    wasRevoked(holder, capabilities) {
      const since = (clock.now() - REVOKED_HOLDS_MS) / 1000;
      const taken = new Set(
        grants.revocations().flatMap(({ claims: { jti, iat, reason } }) => {
          return iat < since || reason?.startsWith(GIVEN_BACK) === true ? [] : [jti];
        }),
      );
      const dids = grants.successions.lineage(holder);
      return grants
        .issued()
        .filter(({ claims: { aud, jti } }) => dids.includes(aud) && taken.has(jti))
        .flatMap(({ claims }) => claims.cap)
        .some((old) => capabilities.some(({ resource }) => meets(old.resource, resource)));
    },
  };
}

/** The no of a person, while it holds: since when, and for how long nobody is asked anew. */
function refused(
  { justification: before, answeredAt = 0, answeredBy = 'a person', reason }: Approval,
  justification: string,
  nowMs: number,
): PermissionAnswer | undefined {
  const isSame = before === printable(justification, JUSTIFICATION_MAX);
  if (answeredAt + (isSame ? NO_HOLDS_MS : NO_TO_OTHER_REASONS_MS) < nowMs) return undefined;
  const why = reason === undefined ? '' : `: ${reason}`;
  const at = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
  const otherwise =
    answeredAt + NO_TO_OTHER_REASONS_MS < nowMs
      ? 'with another reason at once'
      : `with another reason from ${at(answeredAt + NO_TO_OTHER_REASONS_MS)} on`;
  return answer(
    false,
    `${answeredBy} said no at ${at(answeredAt)}${why} (the same is asked again from ${at(answeredAt + NO_HOLDS_MS)} on, ${otherwise})`,
  );
}

/** An answer without a grant. */
export function answer(isGranted: boolean, reason: string): PermissionAnswer {
  return { granted: isGranted, restrictions: [], reason };
}

/** The answer while a person is asked by `approval`, with what a yes would give. */
export function waiting({ id, permission }: Approval, reason: string): PermissionAnswer {
  return {
    ...answer(false, reason),
    pending: id,
    restrictions: restrictionsOf(permission?.capabilities ?? []),
    ...(permission === undefined ? {} : { lifetimeMs: permission.lifetimeMs }),
  };
}

/** The answer that is `grant`. */
export function granted({ jws, claims }: Grant, reason: string): PermissionAnswer {
  return {
    granted: true,
    grantToken: jws,
    expiresAt: claims.exp * 1000,
    restrictions: restrictionsOf(claims.cap),
    reason,
  };
}
