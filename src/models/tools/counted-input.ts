/** What a question and a batch say alike: their model, and the task and the budget that they count for. */
import { z } from 'zod';
import type { Fund, Funds } from '../../budget/index.ts';
import type { Principal } from '../../guard/index.ts';

/** The name of a model, or of a provider. */
export const modelName = z.string().min(1).max(300);

/** The task for which a question or a batch is. */
export const taskId = z
  .string()
  .regex(/^[\w.-]{1,64}$/)
  .optional()
  .describe('The task that it is for: counts are kept by it.');

/** The budget that is named. */
export const budgetText = z.string().min(1).max(200).optional();

/**
 * Does `work` with the budget that is named, which ends with it: what is held of it then stays held until it is settled.
 * Calls of whoever works for something count against the budgets of that by themselves.
 * @throws what {@link Funds.of} and `work` do
 */
export async function withBudget<T>(
  funds: Pick<Funds, 'of' | 'end'>,
  { budget, principal, whom }: { budget: string | undefined; principal: Principal; whom: string },
  work: (fund: Fund | undefined) => Promise<T>,
): Promise<T> {
  const fund = budget === undefined ? undefined : await funds.of(principal, budget, whom);
  try {
    return await work(fund);
  } finally {
    funds.end(fund);
  }
}
