/**
 * What stands between a call and its server: the guard's decision for just these arguments, the wait for
 * a person where an approval is needed, and the audit log. A call that a grant or a scope allows goes on
 * only once the log has it, so that nothing allowed is missing there, however the process ends.
 */
import { hashArguments } from '../../audit/index.ts';
import type { Audit, AuditInit, AuditOutcome } from '../../audit/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { behalfOf, keyOf } from '../../guard/index.ts';
import type {
  ApprovalOutcome,
  Approvals,
  Decision,
  Guard,
  GuardWanted,
  Principal,
} from '../../guard/index.ts';
import { refusalOf } from './refusals.ts';

/** One call that somebody wants to make. */
export interface WantedCall {
  readonly principal: Principal;
  readonly wanted: GuardWanted;
  readonly args: JsonObject;
  /** Why, in the caller's words. */
  readonly reasoning?: string | undefined;
  /** The session that asks: it can't approve what it wants itself. */
  readonly session: string;
  /** Gives what is aborted when the caller gives up. A getter made for each call would cost each its own hidden class. */
  signal(): AbortSignal;
  /** It waits for a person, at most so long; gives what to call when it no longer does. */
  waits(timeoutMs: number): () => void;
}

/** A call that may be made. */
export interface ClearedCall {
  /** It is over. */
  over(outcome: Extract<AuditOutcome, 'ok' | 'failed' | 'cancelled'>, reason?: string): void;
}

/** Clears calls. */
export interface Clearance {
  /** At once where nothing has to be waited for. @throws STARLING_CALL_REFUSED, STARLING_AUDIT_UNAVAILABLE, … */
  clear(call: WantedCall): ClearedCall | Promise<ClearedCall>;
  /** Records what was refused before there was a call: there no arguments could have helped. */
  refused(call: Pick<WantedCall, 'principal' | 'wanted' | 'reasoning'>, reason: string): void;
}

/** What clears calls. */
export interface ClearanceComponents {
  readonly guard: Guard;
  readonly approvals: Pick<Approvals, 'ask'>;
  readonly audit: Pick<Audit, 'append' | 'healthy' | 'isOn' | 'note'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A call that nobody keeps a record of. */
const UNRECORDED: ClearedCall = { over: () => undefined };

/** What tells the operator that the log can't be written, and why, must not need it to be written. */
const TELLS_TROUBLE: readonly string[] = ['tool:starling/status', 'tool:starling/peers'];

type Yes = Extract<Decision, { allow: true }>;
/** What every entry about a call says. It is made once: nothing may fail when the call is over. */
type About = Pick<AuditInit, 'who' | 'onBehalfOf' | 'what' | 'args'>;

/** Makes the clearance of a node. */
export function createClearance(
  components: ClearanceComponents,
  init: { readonly self: string },
): Clearance {
  const { guard, approvals, audit, clock, logger } = components;

  const aboutOf = (call: WantedCall): About => {
    const parties = partiesOf(call);
    try {
      return { ...parties, args: hashArguments(call.args) };
    } catch (error) {
      noteRefusal(call, parties, messageOf(error));
      throw error;
    }
  };
  const noteRefusal = (call: Pick<WantedCall, 'reasoning'>, about: About, reason: string): void =>
    audit.note({ kind: 'decision', ...about, outcome: 'denied', reason, ...saidIn(call) });
  const clearedBy = (about: About, seq: number): ClearedCall => {
    const begunAt = clock.now();
    return {
      over(outcome, reason) {
        audit.note({
          kind: 'call',
          ...about,
          outcome,
          ...(reason === undefined ? {} : { reason }),
          of: seq,
          durationMs: clock.now() - begunAt,
        });
      },
    };
  };
  /** Written once that is possible again. */
  const noted = (entry: AuditInit): ClearedCall => {
    audit.note(entry);
    return UNRECORDED;
  };
  const allowed = (
    { grant, settled }: Yes,
    call: WantedCall,
    about: About,
  ): Promise<ClearedCall> => {
    const id = grant === undefined ? {} : { grant: grant.claims.jti };
    const said = saidIn(call);
    const entry: AuditInit = { kind: 'decision', ...about, ...id, outcome: 'allowed', ...said };
    const { principal, wanted } = call;
    if (principal.kind === 'operator' && TELLS_TROUBLE.includes(wanted.resource)) {
      if (!audit.healthy()) return Promise.resolve(noted(entry));
    }
    return Promise.all([audit.append(entry), settled]).then(([seq]) => clearedBy(about, seq));
  };
  const asked = async (
    call: WantedCall,
    request: NonNullable<Decision['ask']>,
  ): Promise<ApprovalOutcome> => {
    const stop = call.waits(request.timeoutMs);
    try {
      const justification = call.reasoning === undefined ? {} : { justification: call.reasoning };
      const wish = { ...request, ...justification, session: call.session };
      return await approvals.ask(wish, call.signal());
    } finally {
      stop();
    }
  };
  const approved = async (
    call: WantedCall,
    about: About,
    request: NonNullable<Decision['ask']>,
  ): Promise<ClearedCall> => {
    const said = saidIn(call);
    audit.note({ kind: 'decision', ...about, outcome: 'asked', reason: request.rule, ...said });
    const { state, approval } = await asked(call, request).catch((error: unknown) => {
      noteRefusal(call, about, messageOf(error));
      throw error;
    });
    if (state !== 'approved') {
      noteRefusal(call, about, `the approval is ${state}`);
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `${call.wanted.resource} needs an approval, which is ${state}${approval.reason === undefined ? '' : `: ${approval.reason}`}`,
        { hint: `ask the operator of ${init.self}`, data: { approval: approval.id, state } },
      );
    }
    const wanted = { ...call.wanted, approval: approval.id };
    const decision = guard.decide(call.principal, { ...wanted, args: call.args });
    if (decision.allow) return allowed(decision, call, about);
    noteRefusal(call, about, decision.refusal.text);
    throw refusalOf(decision, call.principal, init.self);
  };
  return {
    refused: (call, reason) => noteRefusal(call, partiesOf(call), reason),
    clear(call) {
      const { principal, wanted, args } = call;
      const decision = guard.decide(principal, { ...wanted, args });
      const { allow } = decision;
      if (allow && !audit.isOn && decision.settled === undefined) return UNRECORDED;
      const about = aboutOf(call);
      if (allow) return allowed(decision, call, about);
      if (decision.ask !== undefined) return approved(call, about, decision.ask);
      noteRefusal(call, about, decision.refusal.text);
      logger.debug({ reason: messageOf(decision.refusal.text) }, 'call refused');
      throw refusalOf(decision, principal, init.self);
    },
  };
}

function partiesOf({ principal, wanted }: Pick<WantedCall, 'principal' | 'wanted'>): About {
  const behalf = behalfOf(principal);
  return {
    who: keyOf(principal),
    ...(behalf === undefined ? {} : { onBehalfOf: behalf }),
    what: { ability: wanted.ability, resource: wanted.resource },
  };
}

/** The words that came with a call; they are told once, with the decision. */
function saidIn({ reasoning }: Pick<WantedCall, 'reasoning'>): Pick<AuditInit, 'reasoning'> {
  return reasoning === undefined ? {} : { reasoning };
}
