/** The tools that move rights between the nodes of a budget: by hand, and what owners ask of each other. */
import { z } from 'zod';
import { splitRowId } from '../../budget/index.ts';
import type { BudgetView } from '../../budget/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { BudgetRequestResult } from '../results.ts';
import { NAMED, amount, amountOf, didOf, named, peer, required, tokens } from './budget-input.ts';
import type { BudgetToolComponents } from './budget-input.ts';

/** `budget_grant`, `budget_give`, `budget_rebalance`, `budget_request`, and `budget_transfer` for peers. */
export function moveTools(components: BudgetToolComponents): readonly BuiltinTool[] {
  return [...shareTools(components), requestTool(components), transferTool(components)];
}

function shareTools(components: BudgetToolComponents): readonly BuiltinTool[] {
  const { budgets } = components;
  return [
    defineTool({
      name: 'budget_grant',
      title: 'Let a node hold rights',
      description:
        'From then on the node may ask the other owners for rights; with an amount it gets so many at once.',
      input: NAMED.extend({ peer, amount: amount.optional() }),
      hints: { destructiveHint: false, idempotentHint: true },
      clients: 'no',
      onTop: true,
      async run(input): Promise<BudgetView> {
        const name = named(budgets, input);
        const to = didOf(components, input.peer);
        const view = await budgets.grant(name, to);
        if (input.amount === undefined) return view;
        return budgets.give(name, to, amountOf(input.amount, view.unit));
      },
    }),
    defineTool({
      name: 'budget_give',
      title: 'Give rights to a node',
      description:
        'Gives rights that this node has to another owner; only that one can give them back.',
      input: NAMED.extend({ peer, amount }),
      hints: { destructiveHint: false },
      clients: 'no',
      onTop: true,
      run(input): Promise<BudgetView> {
        const name = named(budgets, input);
        const { unit } = budgets.show(name);
        return budgets.give(name, didOf(components, input.peer), amountOf(input.amount, unit));
      },
    }),
    defineTool({
      name: 'budget_rebalance',
      title: 'Share a budget out evenly',
      description: 'Gives to each owner that can be reached what it lacks of an equal part.',
      input: NAMED,
      hints: { destructiveHint: false, idempotentHint: true },
      clients: 'no',
      onTop: true,
      run: async (input): Promise<BudgetView> => budgets.rebalance(named(budgets, input)),
    }),
  ];
}

function requestTool({ budgets, membership, successions }: BudgetToolComponents): BuiltinTool {
  return defineTool({
    name: 'budget_request',
    title: 'Ask the other owners for rights',
    description:
      'Each gives at the most half of what it has. `granted` says whether this node has now what was asked for.',
    input: NAMED.extend({ amount: amount.optional(), tokens }),
    hints: { destructiveHint: false },
    clients: 'ask',
    onTop: true,
    waits: true,
    async run(input): Promise<BudgetRequestResult> {
      const name = named(budgets, input);
      const { unit } = budgets.show(name);
      const wanted = amountOf(required(input.amount ?? input.tokens), unit);
      const { given, by, silent, view } = await budgets.request(name, wanted);
      const nameOf = (did: string): string =>
        view.nodes.find((node) => node.did === did)?.node ?? membershipName(membership, did);
      return {
        given,
        granted: given >= wanted,
        by: Object.fromEntries(Object.entries(by).map(([did, got]) => [nameOf(did), got])),
        silent: silent.map((did) => nameOf(successions.origin(did))),
        budget: view,
      };
    },
  });
}

function transferTool({ budgets, successions }: BudgetToolComponents): BuiltinTool {
  return defineTool({
    name: 'budget_transfer',
    title: 'Give rights to an owner that asks',
    description:
      'What an owner of a budget asks of another: rights, at the most half of what that one has.',
    input: z.object({ row: z.string().max(40), amount: z.number().int().min(0) }),
    hints: { destructiveHint: false },
    clients: 'no',
    peers: 'granted',
    subject: ({ row }) => {
      const id = typeof row === 'string' ? splitRowId(row)?.id : undefined;
      return id === undefined
        ? undefined
        : { ability: 'budget/transfer', resource: `budget:${id}` };
    },
    run(input, { principal }): Promise<JsonObject> {
      if (principal.kind !== 'peer') {
        throw new StarlingError('STARLING_USAGE', 'owners of budgets are nodes', {
          hint: 'to give rights to a peer: starling budget give <name> <peer> <amount>',
        });
      }
      return budgets.transfer(input.row, successions.origin(principal.did), input.amount);
    },
  });
}

function membershipName(membership: Pick<Membership, 'resolve'>, did: string): string {
  try {
    return membership.resolve(did).alias;
  } catch (error) {
    if (error instanceof StarlingError) return did;
    throw error;
  }
}
