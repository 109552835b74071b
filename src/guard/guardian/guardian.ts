/**
 * The guardian: answers `request_permission`. It weighs a request by the formula of
 * `guardian-score.ts`, and then grants, refuses, or asks a person. By itself it grants only what the
 * policy lists under the resource type; what a person approves is just what that person was shown.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { StarlingError, printable } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { Capability, Grant, GrantBook } from '../../grants/index.ts';
import { createAllowance } from '../allowance.ts';
import type { Approval, Approvals } from '../approvals/types.ts';
import { scoreOf, verdictOf } from './score.ts';
import type { Score, Verdict } from './score.ts';
import { outside, parseScope } from './permission-scope.ts';
import type { OfferedTool, PermissionScope } from './permission-scope.ts';
import { meets, planOf, restrictionsOf, riskOf } from './permission-plan.ts';
import type { PermissionPlan } from './permission-plan.ts';
import { durationMs } from '../policy/duration.ts';
import type { ResourceType } from '../policy/schema.ts';
import type { Policy } from '../policy/policy.ts';
import type { CallerRules, CallerRulesLookup } from '../policy/caller-rules.ts';
import type { Principal } from '../types.ts';
import { keyOf, nameOf, namesOf } from '../principal-names.ts';

/** What an agent asks for. */
export interface PermissionRequest {
  /** Who asks: the caller itself, or a name of an agent that speaks through it. */
  readonly agentId: string;
  readonly resourceType: string;
  readonly justification: string;
  /** Patterns like `files/read_*`; empty, `*` or `all`: everything of the type. */
  readonly scope: string;
}

/** What it gets. */
export interface PermissionAnswer {
  readonly granted: boolean;
  /** The grant: a compact JWS. Whoever it was given to need not present it here. */
  readonly grantToken?: string;
  /** ms since the epoch */
  readonly expiresAt?: number;
  /** What is restricted, as caveats of the grant. */
  readonly restrictions: readonly string[];
  readonly reason: string;
  /** Id of the approval that a person is asked for. Ask again with the same words to hear of it. */
  readonly pending?: string;
  readonly score?: Score;
}

/** How a request was weighed. */
export interface WeighedRequest {
  readonly principal: Principal;
  readonly request: PermissionRequest;
  /** What was asked for, as resource patterns. */
  readonly patterns: readonly string[];
  readonly verdict: Verdict;
  /** The grant that came of it at once. */
  readonly grant?: string;
}

/** Events of the guardian. */
export interface GuardianEvents {
  /** A request was weighed: not one that was answered before. */
  weighed: [weighed: WeighedRequest];
}

/** Answers requests for permission. */
export interface Guardian {
  readonly events: EventEmitter<GuardianEvents>;
  /** @throws STARLING_USAGE, STARLING_RATE_LIMITED, STARLING_LIMIT_EXCEEDED */
  request(principal: Principal, request: PermissionRequest): Promise<PermissionAnswer>;
}

/** A request that is at least as risky as the policy's `alert_threshold`. */
export interface RiskAlert {
  readonly principal: Principal;
  readonly resourceType: string;
  readonly risk: number;
}

/** What the guardian works with. */
export interface GuardianComponents {
  readonly policy: { current(): Policy };
  readonly callerRules: CallerRulesLookup;
  readonly grants: Pick<GrantBook, 'issue' | 'issued' | 'revocations' | 'state' | 'successions'>;
  readonly approvals: Approvals;
  /** Tools of this node as they are pinned now. */
  tools(): readonly OfferedTool[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alert?: (alert: RiskAlert) => void;
}

/** A request on its way. */
interface Case {
  readonly principal: Extract<Principal, { readonly did: Did }>;
  readonly request: PermissionRequest;
  readonly policy: Policy;
  readonly rules: CallerRules;
  readonly type: ResourceType;
  readonly scope: PermissionScope;
  /** The same for the same words of the same caller. */
  readonly subject: string;
}

const AGENT_ID_MAX = 200;
const JUSTIFICATION_MAX = 2000;
const SCOPE_MAX = 4096;
/** How long a person's no answers the same request again. */
const NO_HOLDS_MS = 3_600_000;
/** For how long what was revoked is not granted again without a person. */
const REVOKED_HOLDS_MS = 86_400_000;
/** Grants that are remembered by their request. */
const GIVEN_MAX = 1024;

/** Begins the reason of a revocation that the holder itself asked for. */
export const GIVEN_BACK = 'given back by its holder';

/** Makes the guardian of a node. It answers what `approvals` asks when a permission is approved. */
export function createGuardian(components: GuardianComponents): Guardian {
  return new Weigher(components);
}

class Weigher implements Guardian {
  readonly events = new EventEmitter<GuardianEvents>();
  readonly #components: GuardianComponents;
  readonly #allowance: ReturnType<typeof createAllowance>;
  /** Grants by the subject of their request. */
  readonly #given = new Map<string, Grant>();

  constructor(components: GuardianComponents) {
    this.#components = components;
    this.#allowance = createAllowance(components.clock, 'requests for permission');
    components.approvals.onApprove((approval) => this.#approved(approval));
  }

  async request(principal: Principal, request: PermissionRequest): Promise<PermissionAnswer> {
    const policy = this.#components.policy.current();
    this.#allowance.take(keyOf(principal), policy.file.guardian.requests_per_minute);
    if (principal.kind === 'operator') {
      return answer(true, 'the operator of a node may do everything on it');
    }
    if (principal.kind === 'client') {
      const reason = `${nameOf(principal)} has the scopes of its key, and no key of its own`;
      return answer(false, `${reason}: ask the operator for a key with other scopes`);
    }
    const one = this.#read(principal, request, policy);
    const known = this.#knownAnswer(one);
    if (known !== undefined) return known;
    return this.#weigh(one);
  }

  #read(principal: Case['principal'], request: PermissionRequest, policy: Policy): Case {
    checkLength('agent_id', request.agentId, AGENT_ID_MAX);
    checkLength('justification', request.justification, JUSTIFICATION_MAX);
    checkLength('scope', request.scope, SCOPE_MAX);
    checkAgent(principal, request.agentId);
    const { types } = policy;
    const type = Object.hasOwn(types, request.resourceType)
      ? types[request.resourceType]
      : undefined;
    if (type === undefined) {
      throw new StarlingError(
        'STARLING_USAGE',
        `no resource type is called '${printable(request.resourceType)}' here`,
        { hint: `known are ${Object.keys(types).join(', ')}` },
      );
    }
    const scope = parseScope(request.scope, type.resources);
    return {
      principal,
      request,
      policy,
      rules: this.#components.callerRules.of(principal),
      type,
      scope,
      subject: subjectOf(principal, request.resourceType, scope.patterns),
    };
  }

  /** What was answered to the same words before, while it holds. */
  #knownAnswer(one: Case): PermissionAnswer | undefined {
    const { clock, grants, approvals } = this.#components;
    const asked = approvals.list().find(({ permission }) => permission?.subject === one.subject);
    // What a person agreed to is found after a restart, too.
    const given =
      this.#given.get(one.subject) ??
      grants.issued().find(({ claims: { jti } }) => jti === asked?.made);
    if (given !== undefined && grants.state(given) === 'valid') {
      return granted(given, 'it was granted already');
    }
    if (asked?.state === 'pending') {
      return { ...answer(false, 'a person has been asked'), pending: asked.id };
    }
    if (asked?.state !== 'denied' || (asked.answeredAt ?? 0) + NO_HOLDS_MS < clock.now()) {
      return undefined;
    }
    const why = asked.reason === undefined ? '' : `: ${asked.reason}`;
    return answer(false, `${asked.answeredBy ?? 'a person'} said no${why}`);
  }

  async #weigh(one: Case): Promise<PermissionAnswer> {
    const { type, scope, rules, policy, principal, request } = one;
    const plan = planOf({ type, scope, rules, tools: this.#components.tools() });
    const score = scoreOf(
      {
        justification: request.justification,
        names: scope.names,
        trust: rules.trust,
        risk: riskOf(type, scope.patterns, policy.types),
        isBroad: scope.isBroad,
        isWrite: plan.isWrite,
      },
      policy.file.guardian,
    );
    const threshold = rules.alertThreshold?.value;
    if (threshold !== undefined && score.risk >= threshold) {
      const { resourceType } = request;
      this.#components.alert?.({ principal, resourceType, risk: score.risk });
    }
    const weighed = judged(one, plan, verdictOf(score, policy.file.guardian));
    const verdict =
      weighed.outcome === 'grant' && this.#wasRevoked(one, plan)
        ? { outcome: 'ask' as const, reason: 'a grant of it was revoked within a day' }
        : weighed;
    this.#components.logger.info(
      {
        who: keyOf(principal),
        type: request.resourceType,
        outcome: verdict.outcome,
        score: score.total,
      },
      'permission weighed',
    );
    const weighing = { principal, request, patterns: scope.patterns, verdict };
    if (verdict.outcome !== 'grant') this.events.emit('weighed', weighing);
    if (verdict.outcome === 'refuse') return { ...answer(false, verdict.reason), score };
    if (verdict.outcome === 'ask') return { ...(await this.#ask(one, plan, verdict)), score };
    const grant = await this.#issue(principal.did, plan.capabilities, lifetimeOf(one));
    this.#remember(one.subject, grant);
    this.events.emit('weighed', { ...weighing, grant: grant.claims.jti });
    return { ...granted(grant, verdict.reason), score };
  }

  /** What somebody took away is not to be had again by asking once more. */
  #wasRevoked({ principal }: Case, { capabilities }: PermissionPlan): boolean {
    const { grants, clock } = this.#components;
    const since = (clock.now() - REVOKED_HOLDS_MS) / 1000;
    const taken = new Set(
      grants.revocations().flatMap(({ claims: { jti, iat, reason } }) => {
        return iat < since || reason?.startsWith(GIVEN_BACK) === true ? [] : [jti];
      }),
    );
    const dids = grants.successions.lineage(principal.did);
    return grants
      .issued()
      .filter(({ claims: { aud, jti } }) => dids.includes(aud) && taken.has(jti))
      .flatMap(({ claims }) => claims.cap)
      .some((old) => capabilities.some(({ resource }) => meets(old.resource, resource)));
  }

  async #ask(one: Case, plan: PermissionPlan, verdict: Verdict): Promise<PermissionAnswer> {
    const { principal, request, policy, rules, scope } = one;
    const delayMs = rules.escalationDelayMs;
    const approval = await this.#components.approvals.open({
      kind: 'permission',
      principal,
      resource: scope.patterns.join(' '),
      ability: printable(request.resourceType),
      permission: {
        subject: one.subject,
        agentId: printable(request.agentId, AGENT_ID_MAX),
        capabilities: plan.capabilities,
        lifetimeMs: lifetimeOf(one),
      },
      rule: `guardian: ${verdict.reason}`,
      justification: request.justification,
      timeoutMs: durationMs(policy.file.approvals.permission_timeout),
      ...(delayMs === undefined ? {} : { escalationDelayMs: delayMs }),
    });
    const reason = `${verdict.reason}, so that a person is asked; ask again to hear the answer`;
    return { ...answer(false, reason), pending: approval.id };
  }

  /** A person has said yes. Issued before that counts, so that a yes is never without its grant. */
  async #approved({ permission, principal }: Approval): Promise<string> {
    if (permission === undefined || !('did' in principal)) {
      throw new StarlingError('STARLING_APPROVAL_UNKNOWN', 'this approval is for no grant');
    }
    const { capabilities, lifetimeMs, subject } = permission;
    const grant = await this.#issue(principal.did, capabilities, lifetimeMs);
    this.#remember(subject, grant);
    return grant.claims.jti;
  }

  #issue(aud: Did, capabilities: readonly Capability[], lifetimeMs: number): Promise<Grant> {
    const expiresAtMs = this.#components.clock.now() + lifetimeMs;
    return this.#components.grants.issue({ aud, capabilities, expiresAtMs });
  }

  #remember(subject: string, grant: Grant): void {
    this.#given.delete(subject);
    this.#given.set(subject, grant);
    const [oldest] = this.#given.keys();
    if (this.#given.size > GIVEN_MAX && oldest !== undefined) this.#given.delete(oldest);
  }
}

/** The score's verdict, and what the policy says besides. */
function judged(one: Case, plan: PermissionPlan, verdict: Verdict): Verdict {
  const { type, scope, request } = one;
  if (verdict.outcome === 'refuse') return verdict;
  if (plan.problem !== undefined) return { outcome: 'refuse', reason: plan.problem };
  if (type.resources.length === 0) {
    const reason = `the policy lists no resources of ${request.resourceType}`;
    return { outcome: 'ask', reason };
  }
  const beyond = outside(scope.patterns, type.resources);
  if (beyond.length === 0) return verdict;
  const reason = `${beyond.join(', ')} is not among the resources of ${request.resourceType}`;
  return { outcome: 'refuse', reason };
}

function lifetimeOf({ type, policy }: Case): number {
  return durationMs(type.lifetime ?? policy.file.guardian.lifetime);
}

/** A did:key must be the caller's own; other words name an agent that speaks through it. */
function checkAgent(principal: Case['principal'], agentId: string): void {
  if (!/^(did:|12D3Koo)/.test(agentId) || namesOf(principal).includes(agentId)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `${nameOf(principal)} can't ask for ${printable(agentId)}`,
    { hint: 'who asks must prove its own key: let it ask over a connection of its own' },
  );
}

function checkLength(what: string, text: string, max: number): void {
  if (text.length <= max) return;
  throw new StarlingError('STARLING_USAGE', `${what} is longer than ${max} characters`);
}

function subjectOf(
  principal: Principal,
  resourceType: string,
  patterns: readonly string[],
): string {
  return createHash('sha256')
    .update(JSON.stringify([keyOf(principal), resourceType, patterns]))
    .digest('base64url');
}

function answer(isGranted: boolean, reason: string): PermissionAnswer {
  return { granted: isGranted, restrictions: [], reason };
}

function granted({ jws, claims }: Grant, reason: string): PermissionAnswer {
  return {
    granted: true,
    grantToken: jws,
    expiresAt: claims.exp * 1000,
    restrictions: restrictionsOf(claims.cap),
    reason,
  };
}
