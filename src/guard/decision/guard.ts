/**
 * The one yes or no. Knows grants and the policy, and nothing of tools: what it says is the same
 * whether a tool exists or not. A decision is a look-up and a match, no signature check and no I/O.
 * The guard asks for the policy once a decision: a policy that is swapped counts from the next decision on.
 */
import { BUILTIN_SERVER, systemClock, durationMs } from '../../core/index.ts';
import type { Clock, Did, PeerId } from '../../core/index.ts';
import { allows, evaluateCall, targetOf } from '../../grants/index.ts';
import type {
  Capability,
  Counters,
  Grant,
  GrantBook,
  NothingCovers,
  Refusal,
  ResourceTarget,
} from '../../grants/index.ts';
import type { Approval, Approvals } from '../approvals/types.ts';
import type { Policy } from '../policy/policy.ts';
import { notApproved, notByPolicy, notGranted } from './refusal-reasons.ts';
import type { RefusalComponents } from './refusal-reasons.ts';
import { isInScope } from './client-scopes.ts';
import { approvalOf, isInNamespace } from '../policy/caller-rules.ts';
import type { Limit, CallerRules, CallerRulesLookup } from '../policy/caller-rules.ts';
import type {
  ClientAccess,
  Decision,
  ExplainedStep,
  ExplainingGuard,
  GuardWanted,
  Principal,
} from '../types.ts';
import { behalfOf, nameOf } from '../principal-names.ts';

/** What the guard asks. With `issued` and `state` it can say why an old grant no longer helps. */
type GuardGrants = Pick<GrantBook, 'held'> &
  Partial<Pick<GrantBook, 'issued' | 'revocations' | 'state'>>;

/** A limit is nearly, or more than, used up. */
export interface LimitAlert {
  readonly principal: Principal;
  readonly resource: string;
  /** Where in the policy file the limit stands. */
  readonly limit: string;
  /** Used share of the limit; above 1 the call was refused. */
  readonly share: number;
}

/** What the guard works with. */
export interface GuardComponents {
  readonly grants: GuardGrants;
  /** This node, as refusals name it. */
  readonly self: { readonly name: string; readonly did: Did };
  /** What a peer calls this node, where that is known to be another name than its own. */
  readonly calledBy?: (peer: PeerId) => string | undefined;
  /** What grants have used up; without counters, grants with conditions allow nothing. */
  readonly counters?: Counters;
  /** For the hours of grants; default the system's. */
  readonly clock?: Clock;
  /** The policy, and its rules for each caller; without a policy, grants and scopes alone decide. */
  readonly policy?: {
    readonly callerRules: CallerRulesLookup;
    current(): Policy;
  };
  readonly approvals?: Pick<Approvals, 'approvedFor'>;
  /** Whether the founder of a budget lets that one hold rights of it: then it may ask other owners for rights. */
  readonly mayHold?: (budget: string, did: Did) => boolean;
  /** Resources of the built-in server that every proven caller may use. */
  readonly open?: ReadonlySet<string>;
  /** What clients may do with a tool of the built-in server; without it, nothing. */
  readonly clientAccess?: (tool: string) => ClientAccess;
  /** Hears when a used share reaches `alert_threshold`. */
  readonly alert?: (alert: LimitAlert) => void;
}

type Bounded = Exclude<Principal, { kind: 'operator' }>;
type Step = (step: ExplainedStep) => void;

/** What scopes and grants say. */
type Rights =
  | { readonly grant?: Grant; readonly settled?: Promise<void>; readonly ask: boolean }
  | { readonly refused: Decision };

/** How rights are looked at. */
interface RightsInit {
  readonly isCall: boolean;
  readonly approved: string | undefined;
  /** Of a client, to a tool of the built-in server. */
  readonly access: ClientAccess | undefined;
}

/** A request on its way to a decision. */
interface Case {
  readonly principal: Principal;
  readonly wanted: GuardWanted;
  readonly target: ResourceTarget | undefined;
  readonly step: Step | undefined;
}

const ALLOW: Decision = { allow: true };
const BEHALF_STEP: ExplainedStep = {
  rule: 'on-behalf-of',
  outcome: 'note',
  text: "for whom it calls is its node's word: it has the rights of the node, and no more",
};
const NOT_FOR_CLIENTS: Refusal = {
  rule: 'clients',
  text: "it is for this node's operator, and for no client of it",
};
/** Where a tool of the built-in server says itself that a person must agree to each call by a client. */
const ASK_RULE: Limit<unknown> = { where: 'clients', value: true };
const IN_SCOPE: Rights = { ask: false };
/** How long an approval waits where no policy says it. */
const TIMEOUT_DEFAULT_MS = 600_000;
/** Things of one holder that are remembered; all are forgotten when there are more. */
const COVERING_MAX = 256;
/** Begins the name of a client that is an agent which this node runs. */
const RUN_PREFIX = 'agent:';
const ANSWERING = ['approval_list', 'approval_answer'].map((tool) => `tool:starling/${tool}`);
/** What changes nothing. */
const READING: readonly string[] = [
  'resource/read',
  'resource/subscribe',
  'prompt/get',
  'board/read',
];

/** Makes the guard of this node. */
export function createGuard(components: GuardComponents): ExplainingGuard {
  const evaluation = new Evaluation(components);
  return {
    decide: (principal, wanted) => evaluation.decide(principal, wanted, undefined),
    explain(principal, wanted) {
      const steps: ExplainedStep[] = [];
      const decision = evaluation.decide(principal, wanted, (step) => {
        steps.push(step);
      });
      return { decision, who: nameOf(principal), steps };
    },
  };
}

class Evaluation {
  readonly #components: GuardComponents;
  readonly #words: RefusalComponents;
  /** Covering grants by the array of a holder's grants, resource and ability: another array when the grants change. */
  readonly #known = new WeakMap<readonly Grant[], Map<string, Map<string, readonly Grant[]>>>();

  constructor(components: GuardComponents) {
    this.#components = components;
    const { grants, self, open, calledBy } = components;
    this.#words = { grants, self, canRequest: open !== undefined, calledBy };
  }

  decide(principal: Principal, wanted: GuardWanted, step: Step | undefined): Decision {
    const { policy, open } = this.#components;
    const rules = policy?.callerRules.of(principal);
    if (rules !== undefined && step !== undefined) step(zoneStep(rules));
    if (step !== undefined && behalfOf(principal) !== undefined) step(BEHALF_STEP);
    if (principal.kind !== 'operator' && open?.has(wanted.resource) === true) {
      step?.({ rule: 'open', outcome: 'allow', text: 'whoever has proven who it is may use it' });
      return ALLOW;
    }
    const one: Case = { principal, wanted, target: targetOf(wanted.resource), step };
    if (principal.kind === 'operator') return this.#forOperator(one, rules);
    const own = this.#forBounded(principal, one, rules);
    return own.allow ? (this.#againstWhomItWorksFor(one) ?? own) : own;
  }

  /** An agent is no way to what those may not do who sent it. */
  #againstWhomItWorksFor({ principal, wanted, target, step }: Case): Decision | undefined {
    const worksFor = 'worksFor' in principal ? (principal.worksFor ?? []) : [];
    const isElsewhere = target?.segments[0]?.startsWith('@') === true;
    for (const sender of worksFor) {
      // The owner asks for the rights of peers, which are of its own giving, and is told for whom it is.
      if (isElsewhere && sender.kind === 'peer') continue;
      // Nobody needs a right to be written to.
      if (isItself(sender, target)) continue;
      const theirs = this.decide(sender, wantedBy(sender, wanted), undefined);
      if (theirs.allow) continue;
      const text = `${nameOf(sender)}, for whom it works, has no such right`;
      step?.({ rule: 'on-behalf-of', outcome: 'deny', text });
      return { allow: false, refusal: { rule: 'on-behalf-of', text }, hint: theirs.hint };
    }
    return undefined;
  }

  #forOperator(one: Case, rules: CallerRules | undefined): Decision {
    one.step?.({ rule: 'operator', outcome: 'allow', text: 'the operator is root of this node' });
    if (rules === undefined || one.target === undefined) return ALLOW;
    const rule = approvalFor(one, rules, one.target);
    if (rule === undefined || this.#approvedFor(one) !== undefined) return ALLOW;
    return this.#ask(one, rules, rule.where, undefined);
  }

  /** Rights are looked at in full before the policy is, and taken only when both say yes. */
  #forBounded(principal: Bounded, one: Case, rules: CallerRules | undefined): Decision {
    const { target, step, wanted } = one;
    const isKnown = rules !== undefined && target !== undefined;
    const cause = isKnown ? this.#againstPolicy(rules, one, target) : undefined;
    const access = this.#accessOf(one, rules);
    const rule = (isKnown ? approvalFor(one, rules, target) : undefined) ?? askRule(access);
    const approved = this.#approvedFor(one);
    const mustAsk = rule !== undefined && approved === undefined;
    const isCall = wanted.look !== true && cause === undefined && !mustAsk;
    const rights = this.#rightsOf(principal, one, { isCall, approved: approved?.grant, access });
    if ('refused' in rights) return rights.refused;
    if (cause !== undefined) {
      step?.({ rule: cause.rule, outcome: 'deny', text: cause.text });
      return notByPolicy(this.#words, principal, wanted, cause);
    }
    const { grant, settled } = rights;
    if (mustAsk || rights.ask) {
      return this.#ask(one, rules, rule?.where ?? 'grant', grant);
    }
    if (grant === undefined) return ALLOW;
    return { allow: true, grant, ...(settled === undefined ? {} : { settled }) };
  }

  /** Scopes of a client, grants of everybody else. */
  #rightsOf(principal: Bounded, one: Case, { isCall, approved, access }: RightsInit): Rights {
    const { wanted, target, step } = one;
    const refused = (cause?: Refusal | NothingCovers): Rights => {
      const decision = notGranted(this.#words, principal, wanted, target, cause);
      if (step !== undefined) {
        for (const { rule, text } of decision.refusal.causes ?? []) {
          step({ rule, outcome: 'deny', text });
        }
      }
      return { refused: decision };
    };
    if (target === undefined) return refused();
    if (principal.kind === 'client') {
      if (!isInScope(principal.scopes, target)) {
        const edge = this.#edgeFor(one, isCall);
        return edge === undefined ? refused() : { grant: edge, ask: false };
      }
      if (access === 'no') return refused(NOT_FOR_CLIENTS);
      step?.({ rule: 'scope', outcome: 'allow', text: 'a scope of its own covers it' });
      return IN_SCOPE;
    }
    const [budget = ''] = wanted.ability === 'budget/transfer' ? target.segments : [];
    if (budget !== '' && this.#components.mayHold?.(budget, principal.did) === true) {
      step?.({ rule: 'budget', outcome: 'allow', text: 'its founder lets it hold rights of it' });
      return IN_SCOPE;
    }
    const { counters, clock = systemClock } = this.#components;
    const evaluation = evaluateCall(
      this.#covering(principal.did, wanted, target),
      approved === undefined ? wanted : { ...wanted, approved },
      isCall ? counters : undefined,
      clock.now(),
    );
    if ('refusal' in evaluation) return refused(evaluation.refusal);
    step?.({ rule: 'grant', outcome: 'allow', text: grantText(evaluation.grant) });
    if ('ask' in evaluation) return { grant: evaluation.grant, ask: true };
    const { grant, settled } = evaluation;
    return { grant, ask: false, ...(settled === undefined ? {} : { settled }) };
  }

  /**
   * The grant of this node to itself by which the agent `from` of a client may write to another one: an edge of a swarm.
   * Whether that agent is the client's own, the room of agents knows.
   */
  #edgeFor({ wanted, target, step }: Case, isCall: boolean): Grant | undefined {
    if (target?.scheme !== 'agent' || typeof wanted.args?.['from'] !== 'string') return undefined;
    const { counters, clock = systemClock, self } = this.#components;
    const evaluation = evaluateCall(
      this.#covering(self.did, wanted, target),
      wanted,
      isCall ? counters : undefined,
      clock.now(),
    );
    if (!('grant' in evaluation) || 'ask' in evaluation) return undefined;
    step?.({ rule: 'grant', outcome: 'allow', text: grantText(evaluation.grant) });
    return evaluation.grant;
  }

  /** What a client may do with a tool of our built-in server; undefined for anybody and anything else. */
  #accessOf(
    { principal, wanted, target }: Case,
    rules: CallerRules | undefined,
  ): ClientAccess | undefined {
    if (principal.kind !== 'client' || target?.scheme !== 'tool') return undefined;
    // The policy may let a client answer approvals, which no client does otherwise.
    if (rules?.mayApprove === true && ANSWERING.includes(wanted.resource)) return 'yes';
    const [server, ...tool] = target.segments;
    if (server !== BUILTIN_SERVER) return undefined;
    return this.#components.clientAccess?.(tool.join('/')) ?? 'no';
  }

  /** The holder's grants that are about what is wanted, remembered until the holder's grants change. */
  #covering(holder: Did, wanted: GuardWanted, target: ResourceTarget): readonly Grant[] {
    const { grants, counters } = this.#components;
    const held = grants.held(holder);
    let known = this.#known.get(held);
    if (known === undefined || known.size >= COVERING_MAX) {
      known = new Map();
      this.#known.set(held, known);
    }
    // By two names, of which there are few abilities: one of both would be put together anew for each call.
    let byAbility = known.get(wanted.resource);
    if (byAbility === undefined) {
      byAbility = new Map();
      known.set(wanted.resource, byAbility);
    }
    let covering = byAbility.get(wanted.ability);
    if (covering === undefined) {
      const able = counters === undefined ? held.filter(isBare) : held;
      covering = able.filter(({ claims }) =>
        claims.cap.some((capability) => {
          if (!namesPeer(capability, target)) return false;
          const verdict = allows(capability, wanted.ability, target);
          return verdict.allow || verdict.refusal !== undefined;
        }),
      );
      byAbility.set(wanted.ability, covering);
    }
    return covering;
  }

  /** The first rule of the policy that is against the call. */
  #againstPolicy(
    rules: CallerRules,
    { principal, wanted }: Case,
    target: ResourceTarget,
  ): Refusal | undefined {
    const outside = rules.namespaces.find(({ value }) => !isInNamespace(value, target));
    if (outside !== undefined) {
      return { rule: outside.where, text: 'it is outside the namespaces that the policy allows' };
    }
    const { readOnly } = rules;
    if (readOnly !== undefined && !isReading(wanted)) {
      return { rule: readOnly.where, text: readOnlyText(rules, wanted) };
    }
    if (wanted.ability === 'agent/spawn') {
      const { replicas } = wanted.facts ?? {};
      const after = replicas === undefined ? undefined : replicas + 1;
      return this.#overLimit(rules, rules.maxReplicas, after, { principal, wanted });
    }
    if (wanted.ability !== 'budget/spend') return undefined;
    const { spent, amount } = wanted.facts ?? {};
    const after = spent === undefined || amount === undefined ? undefined : spent + amount;
    return this.#overLimit(rules, rules.budgetLimit, after, { principal, wanted });
  }

  /** `after` is what will be used; unknown counts as too much. */
  #overLimit(
    rules: CallerRules,
    limit: Limit<number> | undefined,
    after: number | undefined,
    { principal, wanted }: Pick<Case, 'principal' | 'wanted'>,
  ): Refusal | undefined {
    if (limit === undefined) return undefined;
    if (after === undefined) {
      return { rule: limit.where, text: 'nobody can say how much is used already' };
    }
    const share = limit.value === 0 ? (after > 0 ? Infinity : 0) : after / limit.value;
    const threshold = rules.alertThreshold?.value;
    if (threshold !== undefined && share >= threshold && wanted.look !== true) {
      const { resource } = wanted;
      this.#components.alert?.({ principal, resource, limit: limit.where, share });
    }
    if (share <= 1) return undefined;
    return { rule: limit.where, text: `it would be ${after}, and the limit is ${limit.value}` };
  }

  #approvedFor({ principal, wanted }: Case): Approval | undefined {
    if (wanted.approval === undefined) return undefined;
    return this.#components.approvals?.approvedFor(wanted.approval, principal, wanted);
  }

  #ask(
    { principal, wanted, step }: Case,
    rules: CallerRules | undefined,
    rule: string,
    grant: Grant | undefined,
  ): Decision {
    step?.({ rule, outcome: 'ask', text: 'a person must approve it, each time' });
    const { resource, ability, args } = wanted;
    const { approvals } = this.#components.policy?.current().file ?? { approvals: undefined };
    const delayMs = rules?.escalationDelayMs;
    return notApproved(this.#words, wanted, {
      kind: 'call',
      principal,
      resource,
      ability,
      ...(args === undefined ? {} : { args }),
      rule,
      ...(grant === undefined ? {} : { grant: grant.claims.jti }),
      ...(approvals === undefined
        ? { timeoutMs: TIMEOUT_DEFAULT_MS, isUnsaid: true }
        : { timeoutMs: durationMs(approvals.timeout) }),
      ...(delayMs === undefined ? {} : { escalationDelayMs: delayMs }),
    });
  }
}

/**
 * The limit by which a person must agree. What answers approvals waits for none, or nobody could answer;
 * nor do the operator's own commands, where no pattern names them.
 */
function approvalFor(
  { principal, wanted }: Case,
  rules: CallerRules,
  target: ResourceTarget,
): Limit<unknown> | undefined {
  if (ANSWERING.includes(wanted.resource)) return undefined;
  const rule = approvalOf(rules, target);
  const isOwn = principal.kind === 'operator' && target.segments[0] === BUILTIN_SERVER;
  return isOwn && rule?.value === true ? undefined : rule;
}

/** Whether `sender` is the agent of this node that is meant. */
function isItself(sender: Principal, target: ResourceTarget | undefined): boolean {
  if (sender.kind !== 'client' || target?.scheme !== 'agent') return false;
  return target.segments.length === 1 && sender.name === `${RUN_PREFIX}${target.segments[0] ?? ''}`;
}

/** What somebody for whom an agent works would want: an edge of a swarm is of the agent that has it, and of no other. */
function wantedBy(sender: Principal, wanted: GuardWanted): GuardWanted {
  if (sender.kind !== 'client' || wanted.args?.['from'] === undefined) {
    return Object.assign({}, wanted, { look: true });
  }
  const { from: _, ...args } = wanted.args;
  const name = sender.name.startsWith(RUN_PREFIX) ? sender.name.slice(RUN_PREFIX.length) : '';
  const own = name === '' ? args : Object.assign(args, { from: name });
  return Object.assign({}, wanted, { args: own, look: true });
}

function askRule(access: ClientAccess | undefined): Limit<unknown> | undefined {
  return access === 'ask' ? ASK_RULE : undefined;
}

function isBare({ claims }: Grant): boolean {
  return claims.cap.every(({ caveats }) => Object.keys(caveats ?? {}).length === 0);
}

/**
 * An agent gets what peers have granted to this node only by a grant that names peers; and the built-in
 * server of a peer only by a grant that names that server literally, as with our own.
 */
function namesPeer({ resource }: Capability, { segments }: ResourceTarget): boolean {
  if (segments[0]?.startsWith('@') !== true) return true;
  const [first = '', server] = resource.split('/');
  return (
    /^[a-z]+:(@|%40)/.test(first) && (segments[1] !== BUILTIN_SERVER || server === BUILTIN_SERVER)
  );
}

function isReading({ ability, facts }: GuardWanted): boolean {
  if (ability === 'tool/call') return facts?.readOnly === true;
  return READING.includes(ability);
}

function readOnlyText({ zone }: CallerRules, { ability }: GuardWanted): string {
  const what = ability === 'tool/call' ? 'a tool that is not marked read-only' : ability;
  return `${what} is not for those who may only read (zone ${zone})`;
}

function zoneStep({ zone, trust, roles }: CallerRules): ExplainedStep {
  const names = roles.length === 0 ? 'no role' : `roles ${roles.join(', ')}`;
  return { rule: 'zone', outcome: 'note', text: `zone ${zone}, trust ${trust}, ${names}` };
}

function grantText({ claims }: Grant): string {
  return `grant ${claims.jti} covers it until ${new Date(claims.exp * 1000).toISOString()}`;
}
