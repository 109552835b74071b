/**
 * What stands between a call and its server: the guard's decision for just these arguments, the wait for
 * a person where an approval is needed, and the audit log. The guard is asked once about each call of a
 * session, and once more when a person has approved it, here and nowhere else; about calls of models the
 * clearance of `models` asks, and a few other files look without using anything up. A call that a grant or
 * a scope allows goes on only once the log has it, so that nothing allowed is missing there, however the
 * process ends.
 */
import { hashArguments } from '../../audit/index.ts';
import type { Audit, AuditInit, AuditOutcome } from '../../audit/index.ts';
import type { CallSpending, Spendings } from '../../budget/index.ts';
import { BUILTIN_SERVER, StarlingError, messageOf, rightText } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { DASHBOARD, WATCHING, behalfOf, keyOf } from '../../guard/index.ts';
import type {
  ApprovalOutcome,
  Approvals,
  Decision,
  Guard,
  GuardWanted,
  Principal,
} from '../../guard/index.ts';
import type { RequestFrame } from '../frame-types.ts';
import { argumentsOf, reasoningOf, shownArgumentsOf } from './call-arguments.ts';
import { createLooks } from './repeated-looks.ts';
import type { Looks } from './repeated-looks.ts';
import { refusalOf } from './refusal-errors.ts';

/** One call that somebody wants to make. */
export interface WantedCall {
  readonly principal: Principal;
  readonly request: RequestFrame;
  readonly wanted: GuardWanted;
  /** The request only looks at what the caller may use: nothing is used up, and only a refusal is recorded. */
  readonly isLook?: boolean;
  /** It is asked for again where it or the node was away: the approval stays open meanwhile. */
  readonly isLasting?: boolean;
  /** What it is part of may take so long, ms: a person has as much time where the policy says nothing. */
  readonly lastsMs?: number | undefined;
  /** Why nobody could make the call; thrown to callers that may make it, and to nobody else. */
  readonly obstacle?: (() => StarlingError) | undefined;
  /** The session that asks: it can't approve what it wants itself. */
  readonly session: string;
  /** Gives what is aborted when the caller gives up. A getter made for each call would cost each its own hidden class. */
  signal(): AbortSignal;
  /** The call waits for a person, at most so long; gives what to call when the wait is over. */
  waits(timeoutMs: number): () => void;
}

/** A call that may be made. */
export interface ClearedCall {
  /** The call has ended. */
  over(outcome: Extract<AuditOutcome, 'ok' | 'failed' | 'cancelled'>, reason?: string): void;
}

/** A call under way, as far as it matters whether it may go on. */
export interface CallUnderWay extends Pick<WantedCall, 'principal' | 'request' | 'wanted'> {
  /** Who was asked about it: the guard alone, or a person as well; absent when nobody was. */
  readonly askedOf?: 'guard' | 'person' | undefined;
}

/** Clears calls. */
export interface Clearance {
  /** Whether a list shows the thing: what needs an approval is there to be asked for. */
  sees(principal: Principal, wanted: GuardWanted): boolean;
  /**
   * Lets a call be made, at once where nothing has to be waited for.
   * @throws STARLING_CALL_REFUSED, STARLING_AUDIT_UNAVAILABLE, and the call's obstacle
   */
  clear(call: WantedCall): ClearedCall | Promise<ClearedCall>;
  /** {@link clear} for what is no call of a caller. @throws STARLING_CALL_REFUSED */
  check(principal: Principal, wanted: GuardWanted): void;
  /**
   * Why a call may not go on, now that grants or the policy have changed; undefined when it may. That
   * an approval is needed now ends only a call that nobody was asked about or that the guard alone allowed.
   */
  refusalNow(call: CallUnderWay): StarlingError | undefined;
}

/** What clears calls. */
export interface ClearanceComponents {
  readonly guard: Guard;
  readonly approvals: Pick<Approvals, 'ask' | 'askLasting'>;
  readonly audit: Pick<Audit, 'append' | 'healthy' | 'isOn' | 'note'>;
  /** Holds what calls cost; default: no call costs anything. */
  readonly spendings?: Pick<Spendings, 'begin'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const OWN_TOOLS = `tool:${BUILTIN_SERVER}/`;
const OWN_RESOURCES = `resource:${BUILTIN_SERVER}/`;
/** What tells figures and how things stand, and nothing of contents: whoever keeps looking is on no record by it. */
const FIGURES: ReadonlySet<string> = new Set(
  ['calls_recent', 'node_figures', 'peers', 'status'].map((tool) => OWN_TOOLS + tool),
);

/** A call that was let go on, and is told what it has cost. */
interface RecordedCall extends ClearedCall {
  over(
    outcome: Parameters<ClearedCall['over']>[0],
    reason?: string,
    spent?: AuditInit['spent'],
  ): void;
}

/** A call that nobody keeps a record of. */
const UNRECORDED: RecordedCall = { over: () => undefined };

type Yes = Extract<Decision, { allow: true }>;
type No = Extract<Decision, { allow: false }>;
/** What every entry about a call says. It is made once: nothing may fail when the call is over. */
type About = Pick<AuditInit, 'who' | 'onBehalfOf' | 'what' | 'args'>;
type Caller = Pick<WantedCall, 'principal' | 'wanted' | 'request'>;

/** Makes the clearance of the node called `self`. */
export function createClearance(
  components: ClearanceComponents,
  init: { readonly self: string },
): Clearance {
  return new CallClearance(components, init.self);
}

class CallClearance implements Clearance {
  readonly #components: ClearanceComponents;
  readonly #self: string;
  readonly #looks: Looks;

  constructor(components: ClearanceComponents, self: string) {
    this.#components = components;
    this.#self = self;
    this.#looks = createLooks(components);
  }

  sees(principal: Principal, wanted: GuardWanted): boolean {
    return this.#refusedLook(principal, wanted) === undefined;
  }

  check(principal: Principal, wanted: GuardWanted): void {
    const refused = this.#refusedLook(principal, wanted);
    if (refused !== undefined) throw refusalOf(refused, principal, this.#self);
  }

  refusalNow({ principal, request, wanted, askedOf }: CallUnderWay): StarlingError | undefined {
    const args =
      askedOf === undefined ? {} : { args: argumentsOf(principal, request, this.#record()) };
    const decision = this.#components.guard.decide(principal, { ...wanted, ...args, look: true });
    if (decision.allow) return undefined;
    const mayWait = decision.ask !== undefined && askedOf !== 'guard';
    return mayWait ? undefined : refusalOf(decision, principal, this.#self);
  }

  clear(call: WantedCall): ClearedCall | Promise<ClearedCall> {
    const { principal, wanted, isLook, obstacle } = call;
    if (isLook === true || wanted.look === true || obstacle !== undefined) return this.#look(call);
    const { guard, audit } = this.#components;
    const args = this.#argumentsOf(call);
    const decision = guard.decide(principal, withArguments(wanted, args));
    const isFree = decision.allow && !audit.isOn && decision.settled === undefined;
    if (isFree && this.#components.spendings === undefined) return UNRECORDED;
    const paying = decision.allow ? this.#paying(decision, call, args) : undefined;
    if (isFree && paying === undefined) return UNRECORDED;
    const about = this.#aboutPaid(call, args, paying);
    if (decision.allow) return this.#afterPaying(paying, decision, call, about);
    if (decision.ask === undefined) throw this.#refused(decision, call, about);
    return this.#approved(call, about, decision.ask);
  }

  /** Nothing is called: the guard is asked without arguments, as none of them could help. */
  #look(call: WantedCall): ClearedCall {
    const refused = this.#refusedLook(call.principal, call.wanted);
    if (refused !== undefined) throw this.#refused(refused, call, partiesOf(call));
    if (call.obstacle !== undefined) throw call.obstacle();
    return UNRECORDED;
  }

  #refusedLook(principal: Principal, wanted: GuardWanted): No | undefined {
    const decision = this.#components.guard.decide(principal, { ...wanted, look: true });
    return decision.allow || decision.ask !== undefined ? undefined : decision;
  }

  /** @throws STARLING_CALL_REFUSED for arguments that can be read in more than one way */
  #argumentsOf(call: Caller): JsonObject {
    try {
      return argumentsOf(call.principal, call.request, this.#record());
    } catch (error) {
      this.#noteRefusal(call, partiesOf(call), messageOf(error));
      throw error;
    }
  }

  #record(): { readonly isRecorded: boolean } {
    return { isRecorded: this.#components.audit.isOn };
  }

  #aboutOf(call: Caller, args: JsonObject): About {
    try {
      return partiesOf(call, hashArguments(args));
    } catch (error) {
      this.#noteRefusal(call, partiesOf(call), messageOf(error));
      throw error;
    }
  }

  #allowed({ grant, settled }: Yes, call: WantedCall, about: About): Promise<RecordedCall> {
    const entry = entryOf('decision', about, 'allowed');
    if (grant !== undefined) entry.grant = grant.claims.jti;
    const reasoning = reasoningOf(call.request);
    if (reasoning !== undefined) entry.reasoning = reasoning;
    if (looksForTrouble(call)) return this.#lookAllowed(settled, call, about, entry);
    return this.#begun(settled, about, entry);
  }

  /** Goes on once the log has it, and what the decision was by is settled. One promise: each call waits for this. */
  #begun(settled: Yes['settled'], about: About, entry: AuditInit): Promise<RecordedCall> {
    const { audit } = this.#components;
    const appended = audit.append(entry);
    if (settled === undefined) return appended.then((seq) => this.#recorded(about, seq));
    return Promise.all([appended, settled]).then(([seq]) => this.#recorded(about, seq));
  }

  /** Goes on even while the log can't be written. */
  #lookAllowed(
    settled: Yes['settled'],
    call: WantedCall,
    about: About,
    entry: AuditInit,
  ): Promise<RecordedCall> {
    const { audit } = this.#components;
    const look = keepsLooking(call.principal) ? this.#lookOf(call) : undefined;
    if (look === 'unrecorded') return Promise.resolve(UNRECORDED);
    // Written once the log can be written again.
    const unrecorded = (): RecordedCall => {
      audit.note(entry);
      if (look !== undefined) this.#looks.add(look.key);
      return UNRECORDED;
    };
    if (!audit.healthy()) return Promise.resolve(unrecorded());
    return this.#begun(settled, about, entry).then(
      (recorded) => {
        if (look !== undefined) this.#looks.add(look.key);
        return recorded;
      },
      (error: unknown) => {
        if (error instanceof StarlingError && error.code === 'STARLING_AUDIT_UNAVAILABLE') {
          return unrecorded();
        }
        throw error;
      },
    );
  }

  /** The look of somebody who keeps looking: nobody records what tells figures alone, nor what is on record already. */
  #lookOf(call: WantedCall): { readonly key: string } | 'unrecorded' {
    const { principal, request, session } = call;
    const { resource } = call.wanted;
    if (FIGURES.has(resource)) return 'unrecorded';
    const args = argumentsOf(principal, request, this.#record());
    const key = this.#looks.keyOf({ session, resource, args });
    return this.#looks.has(key) ? 'unrecorded' : { key };
  }

  #recorded(about: About, seq: number): RecordedCall {
    return new CallOnRecord(this.#components, about, seq);
  }

  /** Waits for a person, then asks the guard again: what was granted may have ended meanwhile. */
  async #approved(
    call: WantedCall,
    about: About,
    request: NonNullable<Decision['ask']>,
  ): Promise<ClearedCall> {
    const { audit, guard } = this.#components;
    const said = saidIn(call);
    audit.note({ kind: 'decision', ...about, outcome: 'asked', reason: request.rule, ...said });
    const { state, approval } = await this.#ask(call, request).catch((error: unknown) => {
      this.#noteRefusal(call, about, messageOf(error));
      throw error;
    });
    if (state !== 'approved') {
      this.#noteRefusal(call, about, `the approval is ${state}`);
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `an approval is needed to ${rightText(call.wanted.ability, call.wanted.resource)}, and it is ${state}${approval.reason === undefined ? '' : `: ${approval.reason}`}`,
        { hint: `ask the operator of ${this.#self}`, data: { approval: approval.id, state } },
      );
    }
    const args = shownArgumentsOf(call.request);
    const wanted = { ...call.wanted, approval: approval.id, args };
    const decision = guard.decide(call.principal, wanted);
    if (decision.allow) {
      return this.#afterPaying(this.#paying(decision, call, args), decision, call, about);
    }
    throw this.#refused(decision, call, about);
  }

  #paying(
    { grant }: Yes,
    { principal, wanted }: WantedCall,
    args: JsonObject,
  ): Promise<CallSpending> | undefined {
    return this.#components.spendings?.begin({ principal, wanted, grant, args });
  }

  /** Nothing stays held for a call whose arguments can't be recorded. @throws as `#aboutOf` */
  #aboutPaid(call: Caller, args: JsonObject, paying: Promise<CallSpending> | undefined): About {
    try {
      return this.#aboutOf(call, args);
    } catch (error) {
      paying?.then(
        (spending) => {
          spending.over(false);
        },
        () => undefined,
      );
      throw error;
    }
  }

  #afterPaying(
    paying: Promise<CallSpending> | undefined,
    decision: Yes,
    call: WantedCall,
    about: About,
  ): Promise<ClearedCall> {
    if (paying === undefined) return this.#allowed(decision, call, about);
    return this.#paid(paying, decision, call, about);
  }

  /** What a call may cost is held before the call is recorded as allowed; one that can't pay is refused, and recorded so. */
  async #paid(
    paying: Promise<CallSpending>,
    decision: Yes,
    call: WantedCall,
    about: About,
  ): Promise<ClearedCall> {
    const spending = await paying.catch((error: unknown) => {
      this.#noteRefusal(call, about, messageOf(error));
      throw error;
    });
    try {
      const cleared = await this.#allowed(decision, call, about);
      return {
        over(outcome, reason) {
          cleared.over(outcome, reason, spending.over(true));
        },
      };
    } catch (error) {
      spending.over(false);
      throw error;
    }
  }

  async #ask(call: WantedCall, request: NonNullable<Decision['ask']>): Promise<ApprovalOutcome> {
    // The server may not read other arguments than the person is shown, whoever calls.
    const args = shownArgumentsOf(call.request);
    const { isUnsaid, ...said } = request;
    const timeoutMs = isUnsaid === true ? (call.lastsMs ?? said.timeoutMs) : said.timeoutMs;
    const stop = call.waits(timeoutMs);
    try {
      const justification = reasoningOf(call.request);
      const asked = {
        ...said,
        timeoutMs,
        args,
        ...(justification === undefined ? {} : { justification }),
        session: call.session,
      };
      const { approvals } = this.#components;
      return await (call.isLasting === true
        ? approvals.askLasting(asked, call.signal())
        : approvals.ask(asked, call.signal()));
    } finally {
      stop();
    }
  }

  /** The refusal for the caller, once it is recorded. */
  #refused(decision: No, call: Caller, about: About): StarlingError {
    const error = refusalOf(decision, call.principal, this.#self);
    this.#noteRefusal(call, about, error.message);
    this.#components.logger.debug({ reason: error.message }, 'call refused');
    return error;
  }

  #noteRefusal(call: Caller, about: About, reason: string): void {
    this.#components.audit.note({
      kind: 'decision',
      ...about,
      outcome: 'denied',
      reason,
      ...saidIn(call),
    });
  }
}

/** A call whose decision is the entry `seq`. */
class CallOnRecord implements RecordedCall {
  readonly #components: Pick<ClearanceComponents, 'audit' | 'clock'>;
  readonly #about: About;
  readonly #seq: number;
  readonly #begunAt: number;

  constructor(components: Pick<ClearanceComponents, 'audit' | 'clock'>, about: About, seq: number) {
    this.#components = components;
    this.#about = about;
    this.#seq = seq;
    this.#begunAt = components.clock.now();
  }

  over(
    outcome: Parameters<RecordedCall['over']>[0],
    reason?: string,
    spent?: AuditInit['spent'],
  ): void {
    const { audit, clock } = this.#components;
    const entry = entryOf('call', this.#about, outcome);
    if (reason !== undefined) entry.reason = reason;
    entry.of = this.#seq;
    entry.durationMs = clock.now() - this.#begunAt;
    if (spent !== undefined && Object.keys(spent).length > 0) entry.spent = spent;
    audit.note(entry);
  }
}

/** All members of {@link GuardWanted}, each of which may be undefined. */
type WholeWanted = { readonly [Key in keyof Required<GuardWanted>]: GuardWanted[Key] | undefined };

/**
 * What is wanted with the arguments of its call. Written out, so that all are of one class for V8: as of Node 20 a key that is
 * added to what was spread makes a class of its own each time, and what the guard looks up is searched for anew.
 */
function withArguments(
  { ability, resource, facts, look, approval }: GuardWanted,
  args: JsonObject,
): GuardWanted {
  const whole: WholeWanted = { ability, resource, args, facts, look, approval };
  return whole as GuardWanted;
}

/**
 * Whether the operator only looks at what this node knows. What tells why the log can't be written, and
 * what was allowed before, must not need the log.
 */
function looksForTrouble({ principal, wanted }: Caller): boolean {
  if (principal.kind !== 'operator') return false;
  const { ability, facts, resource } = wanted;
  if (ability === 'resource/read') return resource.startsWith(OWN_RESOURCES);
  return resource.startsWith(OWN_TOOLS) && facts?.readOnly === true;
}

/** The page, and commands that show how something goes on. Any program of the operator's account can say that it is one. */
function keepsLooking(principal: Principal): boolean {
  return principal === DASHBOARD || principal === WATCHING;
}

/** An entry about a call, to be completed: spreading what it is made of costs as much as its hash. */
function entryOf(
  kind: AuditInit['kind'],
  { who, onBehalfOf, what, args }: About,
  outcome: AuditOutcome,
): { -readonly [Key in keyof AuditInit]: AuditInit[Key] } {
  const entry: ReturnType<typeof entryOf> = { kind, who, what, outcome };
  if (onBehalfOf !== undefined) entry.onBehalfOf = onBehalfOf;
  if (args !== undefined) entry.args = args;
  return entry;
}

function partiesOf({ principal, wanted }: Caller, args?: string): About {
  const { ability, resource } = wanted;
  const about: { -readonly [Key in keyof About]: About[Key] } = {
    who: keyOf(principal),
    what: { ability, resource },
  };
  const behalf = behalfOf(principal);
  if (behalf !== undefined) about.onBehalfOf = behalf;
  if (args !== undefined) about.args = args;
  return about;
}

/** The words that came with a call; they are told once, with the decision. */
function saidIn({ request }: Pick<WantedCall, 'request'>): Pick<AuditInit, 'reasoning'> {
  const reasoning = reasoningOf(request);
  return reasoning === undefined ? {} : { reasoning };
}
