/** What the tools of budgets are told, and what is meant by that. */
import { z } from 'zod';
import { parseAmount } from '../../budget/index.ts';
import type { Budgets, Unit } from '../../budget/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import type { Membership } from '../../membership/index.ts';

/** What these tools need. */
export interface BudgetToolComponents {
  readonly budgets: Budgets;
  readonly membership: Pick<Membership, 'resolve'>;
  readonly successions: Pick<SuccessionView, 'origin'>;
}

/** A name, an id, a reference. */
export const text = z.string().min(1).max(200);
const budget = text.optional().describe('Name or id of the budget.');
/** A task in place of a budget's name. */
export const taskId = text.optional().describe('In place of the name: the budget of that task.');
/** An amount as people or programs write it. */
export const amount = z
  .union([z.string().min(1).max(40), z.number().int().min(0)])
  .describe(
    "Like '20usd', '$0.50', '50000 tokens', '100 calls'; a number is in the budget's unit.",
  );
/** A node of the mesh. */
export const peer = text.describe('Alias, PeerId or did:key.');
/** An amount by the word of Network-AI. */
export const tokens = z.number().int().min(0).optional().describe('The same as amount.');
/** Which budget is meant. */
export const NAMED = z.object({ name: budget, task_id: taskId });

/** The name of the budget that is meant. @throws STARLING_USAGE */
export function named(budgets: Budgets, { name, task_id: task }: z.infer<typeof NAMED>): string {
  if (name !== undefined) return name;
  const [first] = task === undefined ? [] : budgets.forWhom(`task:${task}`);
  return first ?? required(task);
}

/** @throws STARLING_USAGE where it is missing */
export function required<Value>(value: Value | undefined): Value {
  if (value !== undefined) return value;
  throw new StarlingError('STARLING_USAGE', 'an argument is missing: name, amount or peer');
}

/** Reads an amount of that unit. @throws STARLING_USAGE */
export function amountOf(value: string | number, unit: Unit): number {
  return parseAmount(String(value), unit).amount;
}

/** The first key of a node. @throws STARLING_PEER_UNKNOWN, … */
export function didOf({ membership, successions }: BudgetToolComponents, reference: string): Did {
  return successions.origin(membership.resolve(reference).did);
}
