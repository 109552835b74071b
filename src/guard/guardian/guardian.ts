/**
 * The guardian: answers `request_permission`. It weighs a request by the formula of
 * `score.ts`, and then grants, refuses, or asks a person. By itself it grants only what the
 * policy lists under the resource type; what a person approves is just what that person was shown.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { StarlingError, printable, durationMs } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { Capability, Grant, GrantBook } from '../../grants/index.ts';
import { createAllowance } from '../allowance.ts';
import type { Approval, Approvals } from '../approvals/types.ts';
import { answer, createEarlierAnswers, granted, waiting } from './earlier-answers.ts';
import type { EarlierAnswers } from './earlier-answers.ts';
import { scoreOf, verdictOf } from './score.ts';
import type { Verdict } from './score.ts';
import { outside, parseScope } from './permission-scope.ts';
import type { OfferedTool, PermissionScope } from './permission-scope.ts';
import { planOf, riskOf } from './permission-plan.ts';
import type { PermissionPlan } from './permission-plan.ts';
import type { ResourceType } from '../policy/schema.ts';
import type { Policy } from '../policy/policy.ts';
import type { CallerRules, CallerRulesLookup } from '../policy/caller-rules.ts';
import type { Principal } from '../types.ts';
import type {
  Guardian,
  GuardianEvents,
  PermissionAnswer,
  PermissionRequest,
  RiskAlert,
} from './types.ts';
import { keyOf, nameOf, namesOf } from '../principal-names.ts';

/** What the guardian works with. */
export interface GuardianComponents {
  readonly policy: { current(): Policy };
  readonly callerRules: CallerRulesLookup;
  readonly grants: Pick<
    GrantBook,
    'findRevocation' | 'issue' | 'issued' | 'revocations' | 'state' | 'successions'
  >;
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
/** Makes the guardian of a node. It answers what `approvals` asks when a permission is approved. */
export function createGuardian(components: GuardianComponents): Guardian {
  return new Weigher(components);
}

class Weigher implements Guardian {
  readonly events = new EventEmitter<GuardianEvents>();
  readonly #components: GuardianComponents;
  readonly #allowance: ReturnType<typeof createAllowance>;
  readonly #earlier: EarlierAnswers;

  constructor(components: GuardianComponents) {
    this.#components = components;
    this.#allowance = createAllowance(components.clock, 'requests for permission');
    this.#earlier = createEarlierAnswers(components);
    components.approvals.onApprove((approval) => this.#approved(approval));
  }

  async request(principal: Principal, request: PermissionRequest): Promise<PermissionAnswer> {
    const policy = this.#components.policy.current();
    this.#allowance.take(keyOf(principal), policy.file.guardian.requests_per_minute);
    if (principal.kind === 'operator') {
      return answer(true, 'the operator of a node may do everything on it');
    }
    if (principal.kind === 'client') {
      const reason = `${nameOf(principal)} has what its key and the policy say, and no key of its own`;
      return answer(false, `${reason}: a person changes that, not the guardian`);
    }
    const one = this.#read(principal, request, policy);
    const untilMs = this.#components.clock.now() + lifetimeOf(one);
    return (
      this.#earlier.covering(principal.did, one.scope.patterns, untilMs) ??
      this.#earlier.to(one.subject, request.justification) ??
      this.#weigh(one)
    );
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
    const weighed = verdictWith(one, plan, verdictOf(score, policy.file.guardian));
    const verdict =
      weighed.outcome === 'grant' && this.#earlier.wasRevoked(principal.did, plan.capabilities)
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
    this.#earlier.remember(one.subject, grant);
    this.events.emit('weighed', { ...weighing, grant: grant.claims.jti });
    return { ...granted(grant, verdict.reason), score };
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
    return waiting(approval, reason);
  }

  /** A person has said yes. The grant is issued before the yes counts: no yes is without its grant. */
  async #approved({ permission, principal }: Approval): Promise<string> {
    if (permission === undefined || !('did' in principal)) {
      throw new StarlingError('STARLING_APPROVAL_UNKNOWN', 'this approval is for no grant');
    }
    const { capabilities, lifetimeMs, subject } = permission;
    const grant = await this.#issue(principal.did, capabilities, lifetimeMs);
    this.#earlier.remember(subject, grant);
    return grant.claims.jti;
  }

  #issue(aud: Did, capabilities: readonly Capability[], lifetimeMs: number): Promise<Grant> {
    const expiresAtMs = this.#components.clock.now() + lifetimeMs;
    return this.#components.grants.issue({ aud, capabilities, expiresAtMs });
  }
}

/** The score's verdict, and what the policy says besides. */
function verdictWith(one: Case, plan: PermissionPlan, verdict: Verdict): Verdict {
  const { type, scope, request } = one;
  if (verdict.outcome === 'refuse') return verdict;
  if (plan.problem !== undefined) return { outcome: 'refuse', reason: plan.problem };
  if (type.resources.length === 0) {
    const reason = `${plan.absent === undefined ? '' : `nothing here is called ${plan.absent} now, and `}the policy has no rule for it (it lists no resources of ${request.resourceType})`;
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
