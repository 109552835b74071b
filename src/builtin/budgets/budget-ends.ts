/** The tools by which people say what became of a budget: spent elsewhere, closed, stranded, or said in two ways. */
import { z } from 'zod';
import type { BudgetView } from '../../budget/index.ts';
import type { Did } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { BudgetReclaimResult } from '../results.ts';
import { NAMED, amount, amountOf, didOf, named, peer, required, tokens } from './budget-input.ts';
import type { BudgetToolComponents } from './budget-input.ts';

/** `budget_report`, `budget_close`, `budget_reclaim`. */
export function endTools(components: BudgetToolComponents): readonly BuiltinTool[] {
  return [reportTool(components), closeTool(components), reclaimTool(components)];
}

function reportTool({ budgets }: BudgetToolComponents): BuiltinTool {
  return defineTool({
    name: 'budget_report',
    title: 'Report what was spent',
    description:
      'Books what was spent elsewhere, for instance with a vendor, on this node; refused beyond what it has.',
    input: NAMED.extend({ amount: amount.optional(), tokens }),
    hints: { destructiveHint: false },
    clients: 'ask',
    onTop: true,
    waits: true,
    run(input, { principal }): Promise<BudgetView> {
      const name = named(budgets, input);
      const { unit } = budgets.show(name);
      return budgets.report(
        name,
        amountOf(required(input.amount ?? input.tokens), unit),
        keyOf(principal),
      );
    },
  });
}

function closeTool({ budgets }: BudgetToolComponents): BuiltinTool {
  return defineTool({
    name: 'budget_close',
    title: 'Close a budget',
    description:
      'Nothing is spent of it any more, at any node that hears of it. With `forget` all nodes forget it, too, also what one that is away has not told yet.',
    input: NAMED.extend({ forget: z.boolean().optional() }),
    hints: { destructiveHint: true, idempotentHint: true },
    clients: 'no',
    onTop: true,
    run(input): Promise<BudgetView> {
      const name = named(budgets, input);
      return input.forget === true ? budgets.forget(name) : budgets.close(name);
    },
  });
}

function reclaimTool(components: BudgetToolComponents): BuiltinTool {
  const { budgets } = components;
  return defineTool({
    name: 'budget_reclaim',
    title: 'Take back stranded rights',
    description:
      'With `peer`: takes back the rights of a node that was put out; without `confirm` it only says how much may thereby be spent twice. With `spent`: says what became of what this node had held when it was cut off. With `settle`: settles that `peer` has said two things.',
    input: NAMED.extend({
      peer: peer.optional(),
      confirm: z.boolean().optional(),
      spent: amount.optional(),
      settle: z.boolean().optional(),
    }),
    hints: { destructiveHint: true },
    clients: 'no',
    onTop: true,
    async run(input): Promise<BudgetReclaimResult> {
      const name = named(budgets, input);
      const view = budgets.show(name);
      if (input.spent !== undefined) {
        return {
          budget: await budgets.reconcile(name, amountOf(input.spent, view.unit)),
          twice: 0,
        };
      }
      const owner = ownerOf(components, view, required(input.peer));
      if (input.settle === true) return { budget: await budgets.settle(name, owner), twice: 0 };
      const twice = budgets.stranded(name, owner);
      if (input.confirm !== true) return { budget: view, twice, confirm: true };
      return { budget: await budgets.reclaim(name, owner), twice };
    },
  });
}

/** Somebody who was put out is known to nobody but the budget. */
function ownerOf(components: BudgetToolComponents, view: BudgetView, reference: string): Did {
  const found = view.nodes.find(({ node, did }) => node === reference || did === reference);
  return found?.did ?? didOf(components, reference);
}
