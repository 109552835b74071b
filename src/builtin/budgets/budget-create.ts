/** The tool that makes a budget. */
import { z } from 'zod';
import { OWNERS_MAX, parseAmount } from '../../budget/index.ts';
import type { BudgetView, Budgets } from '../../budget/index.ts';
import { AMOUNT_MAX, StarlingError, durationMs, printable, readLimit } from '../../core/index.ts';
import type { AmountLimit } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { amount, amountOf, didOf, peer, taskId, text } from './budget-input.ts';
import type { BudgetToolComponents } from './budget-input.ts';

const CREATE = z.object({
  name: text.optional().describe('What it is called; default the task_id.'),
  limit: amount
    .optional()
    .describe("All that may be spent of it; with '/hour', '/day' each hour or day."),
  unit: z.enum(['tokens', 'calls', 'usd']).optional().describe('Of numbers; usd in micro-dollars.'),
  shares: z
    .record(text, amount)
    .refine((it) => Object.keys(it).length < OWNERS_MAX, `at most ${OWNERS_MAX - 1} nodes`)
    .optional()
    .describe('Rights that peers begin with; this node has the rest.'),
  for: text
    .optional()
    .describe(
      'What counts against it here: client:<name>, agent:<name>, peer:<alias>, tool:<server>/<tool>, task:<id>, swarm:<id>, model:<name>.',
    ),
  every: text.optional().describe('The limit is for each such time: 1h, 1d.'),
  parent: text.optional().describe('The budget from which its spending is taken as well.'),
  successor: peer.optional().describe('Who acts for this node once it is put out of the mesh.'),
  task_id: taskId,
  global_budget: z.number().int().min(0).optional().describe('The same as limit, in tokens.'),
  machine_allocations: z
    .record(text, z.number().int().min(0))
    .optional()
    .describe('The same as shares.'),
});

/** `budget_create`. */
export function createTool(components: BudgetToolComponents): BuiltinTool {
  return defineTool({
    name: 'budget_create',
    title: 'Make a budget',
    description:
      'Makes a budget that can not be overspent, whoever is cut off: each node spends rights that it has, and no others.',
    input: CREATE,
    hints: { destructiveHint: false },
    clients: 'no',
    onTop: true,
    run: (input): Promise<BudgetView> => components.budgets.create(initOf(components, input)),
  });
}

function initOf(
  components: BudgetToolComponents,
  input: z.infer<typeof CREATE>,
): Parameters<Budgets['create']>[0] {
  const { task_id: task, every, parent, successor } = input;
  const name = input.name ?? task;
  const given = input.limit ?? input.global_budget;
  if (name === undefined || given === undefined) {
    throw new StarlingError('STARLING_USAGE', 'a budget has a name and a limit', {
      hint: "like { name: 'research', limit: '20usd' }",
    });
  }
  const unit = input.unit ?? (typeof given === 'number' ? 'tokens' : undefined);
  const limit: AmountLimit = readLimit(String(given), unit) ?? parseAmount(String(given), unit);
  const shares = input.shares ?? input.machine_allocations ?? {};
  const everyMs = every === undefined ? limit.everyMs : everyOf(every);
  const whom = input.for ?? (task === undefined ? undefined : `task:${task}`);
  return {
    name,
    unit: limit.unit,
    limit: limit.amount,
    shares: Object.fromEntries(
      Object.entries(shares).map(([who, share]) => [
        didOf(components, who),
        amountOf(share, limit.unit),
      ]),
    ),
    for: whom,
    everyMs,
    parent,
    successor: successor === undefined ? undefined : didOf(components, successor),
  };
}

function everyOf(every: string): number {
  const ms = durationMs(every);
  // No node reads a row of a budget whose time is longer.
  if (ms >= 1000 && ms <= AMOUNT_MAX) return ms;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${printable(every, 40)}' is no time that a limit is for`,
    {
      hint: "write it like '20usd/hour', or with every: 1h",
    },
  );
}
