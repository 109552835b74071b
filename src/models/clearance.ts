/**
 * What stands between a caller and a model: the guard's one decision, and the audit log, which has the decision before
 * anything is sent, and never a prompt or an answer.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { Audit, AuditInit, AuditOutcome } from '../audit/index.ts';
import type { CallSpending, Cost, HeldAmount, PaidCall, Spendings } from '../budget/index.ts';
import { refusalOf } from '../gateway/index.ts';
import { behalfOf, keyOf } from '../guard/index.ts';
import type { Guard, Principal } from '../guard/index.ts';
import { USE } from './names.ts';

/** What the clearance works with. */
export interface ClearanceComponents {
  readonly guard: () => Guard;
  readonly audit: Pick<Audit, 'append' | 'isOn' | 'note'>;
  /** Holds what calls may cost; default: no call costs anything. */
  readonly spendings?: Pick<Spendings, 'begin' | 'room' | 'takeUp'>;
  readonly clock: Clock;
  /** This node's name, in refusals. */
  readonly self: string;
}

/** What is written down of a cleared call that may outlive this run of the node. */
export interface KeptClearance {
  readonly about: Pick<AuditInit, 'who' | 'onBehalfOf' | 'what'>;
  /** The number of the decision in the audit log; absent where none is kept. */
  readonly of?: number;
  /** Ms since the epoch. */
  readonly begunAt: number;
  readonly held: readonly HeldAmount[];
}

/** A call that may go on. */
export interface Cleared {
  /** For a later run of the node to go on with: see {@link takeUpCall}. */
  readonly kept: KeptClearance;
  /**
   * To be called once, when the call is over, with what it did cost; where that is not known, all that was held is spent.
   */
  over(outcome: AuditOutcome, reason?: string, cost?: Cost): void;
}

/** Whether `principal` would be let use the model; nothing is used up or recorded. */
export function mayUse(
  { guard }: Pick<ClearanceComponents, 'guard'>,
  principal: Principal,
  resource: string,
): boolean {
  return guard().decide(principal, { resource, ability: USE, look: true }).allow;
}

/** Whose call it is. */
export interface Caller {
  readonly principal: Principal;
  /** A server that asks during a call of `principal`, by `server:<name>`: the audit log has it as who acted, for `principal`. */
  readonly asker?: string | undefined;
}

/** What a call may cost at the most, where there is so much room. */
type CostIn = (room: Cost) => Cost | undefined | Promise<Cost | undefined>;

/**
 * Clears one call. `costIn` is told what it may cost without anybody being asked for rights, of each unit in which that is
 * bounded, and says what it may cost at the most: so much is held of the budgets that it counts against. Undefined: nobody pays. `budgets`
 * are further ones that it counts against.
 * @throws STARLING_CALL_REFUSED, STARLING_AUDIT_UNAVAILABLE, STARLING_BUDGET_EXHAUSTED, …
 */
export async function clearCall(
  { guard, audit, clock, self, spendings }: ClearanceComponents,
  { principal, asker }: Caller,
  resource: string,
  costIn: CostIn = () => undefined,
  budgets: readonly string[] = [],
): Promise<Cleared> {
  const decision = guard().decide(principal, { resource, ability: USE });
  const whom = [asker === undefined ? undefined : keyOf(principal), behalfOf(principal)];
  const behalf = whom.filter((one) => one !== undefined).join(', ');
  const about = {
    who: asker ?? keyOf(principal),
    ...(behalf === '' ? {} : { onBehalfOf: behalf }),
    what: { ability: USE, resource },
  };
  if (!decision.allow) {
    const error =
      decision.ask === undefined ? refusalOf(decision, principal, self) : needsPerson(self);
    audit.note({ kind: 'decision', ...about, outcome: 'denied', reason: error.message });
    throw error;
  }
  const wanted = { resource, ability: USE };
  const paid = { principal, wanted, grant: decision.grant, args: {}, budgets };
  const spending = await holding(spendings, paid, costIn).catch((error: unknown) => {
    audit.note({ kind: 'decision', ...about, outcome: 'denied', reason: messageOf(error) });
    throw error;
  });
  const grant = decision.grant === undefined ? {} : { grant: decision.grant.claims.jti };
  const entry: AuditInit = { kind: 'decision', ...about, ...grant, outcome: 'allowed' };
  const recorded = Promise.all([audit.isOn ? audit.append(entry) : undefined, decision.settled]);
  const [seq] = await recorded.catch((error: unknown) => {
    spending?.over(false);
    throw error;
  });
  const kept: KeptClearance = {
    about,
    ...(seq === undefined ? {} : { of: seq }),
    begunAt: clock.now(),
    held: spending?.held ?? [],
  };
  return clearedBy({ audit, clock }, kept, spending);
}

/** Goes on with a call that an earlier run of the node has cleared: its decision stands, and what was held for it. */
export async function takeUpCall(
  { audit, clock, spendings }: Pick<ClearanceComponents, 'audit' | 'clock' | 'spendings'>,
  principal: Principal,
  kept: KeptClearance,
): Promise<Cleared> {
  const isHeld = kept.held.length > 0;
  const spending = isHeld ? await spendings?.takeUp(kept.held, principal) : undefined;
  return clearedBy({ audit, clock }, kept, spending);
}

function clearedBy(
  { audit, clock }: Pick<ClearanceComponents, 'audit' | 'clock'>,
  kept: KeptClearance,
  spending: CallSpending | undefined,
): Cleared {
  const { about, begunAt, of } = kept;
  return {
    kept,
    over(outcome, reason, cost) {
      const spent = spending?.over(true, cost) ?? {};
      audit.note({
        kind: 'call',
        ...about,
        outcome,
        ...(reason === undefined ? {} : { reason }),
        ...(of === undefined ? {} : { of }),
        durationMs: Math.max(0, clock.now() - begunAt),
        ...(Object.keys(spent).length === 0 ? {} : { spent }),
      });
    },
  };
}

async function holding(
  spendings: ClearanceComponents['spendings'],
  call: PaidCall,
  costIn: CostIn,
): Promise<CallSpending | undefined> {
  const worst = await costIn((await spendings?.room(call)) ?? {});
  return worst === undefined ? undefined : spendings?.begin({ ...call, worst });
}

/** Nobody can be asked while a program waits for a model. */
function needsPerson(self: string): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    'a person must agree to each use of this model, and nobody can be asked at this door',
    { hint: `ask the operator of ${self} for a grant or a key without that condition` },
  );
}
