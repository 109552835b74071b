/** The tools of budgets: make, show, share, move, close, take back; and what owners ask of each other. */
import { z } from 'zod';
import { OWNERS_MAX, parseAmount, splitRowId } from '../../budget/index.ts';
import type { BudgetView, Budgets, HistoryEntry, Unit } from '../../budget/index.ts';
import { StarlingError, durationMs, printable, readLimit } from '../../core/index.ts';
import type { AmountLimit, Did, JsonObject } from '../../core/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Membership } from '../../membership/index.ts';
import type {
  BudgetHistoryResult,
  BudgetListResult,
  BudgetReclaimResult,
  BudgetRequestResult,
} from '../results.ts';

/** What these tools need. */
export interface BudgetToolComponents {
  readonly budgets: Budgets;
  readonly membership: Pick<Membership, 'resolve'>;
  readonly successions: Pick<SuccessionView, 'origin'>;
}

const HISTORY_MAX = 1000;
const LIST_MAX = 10_000;
const text = z.string().min(1).max(200);
const budget = text.optional().describe('Name or id of the budget.');
const taskId = text.optional().describe('In place of the name: the budget of that task.');
const amount = z
  .union([z.string().min(1).max(40), z.number().int().min(0)])
  .describe(
    "Like '20usd', '$0.50', '50000 tokens', '100 calls'; a number is in the budget's unit.",
  );
const peer = text.describe('Alias, PeerId or did:key.');
const tokens = z.number().int().min(0).optional().describe('The same as amount.');
const NAMED = z.object({ name: budget, task_id: taskId });

/** `budget_create` … `budget_transfer`. */
export function budgetTools(components: BudgetToolComponents): readonly BuiltinTool[] {
  return [
    createTool(components),
    ...lookTools(components),
    ...shareTools(components),
    requestTool(components),
    reportTool(components),
    reclaimTool(components),
    transferTool(components),
  ];
}

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

function createTool(components: BudgetToolComponents): BuiltinTool {
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
  if (ms >= 1000) return ms;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${printable(every, 40)}' is no time that a limit is for`,
    {
      hint: "write it like '20usd/hour', or with every: 1h",
    },
  );
}

function lookTools({ budgets }: BudgetToolComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'budget_show',
      title: 'Show a budget',
      description:
        'Limit, spent, held, what is free here, and the rights of each node, with those that are out of reach. Amounts of usd are in micro-dollars.',
      input: NAMED,
      hints: { readOnlyHint: true },
      clients: 'yes',
      onTop: true,
      run: async (input): Promise<BudgetView> => budgets.show(named(budgets, input)),
    }),
    defineTool({
      name: 'budget_list',
      title: 'List budgets',
      description: 'All budgets that this node knows of, the closed ones only when asked for.',
      input: z.object({
        closed: z.boolean().optional(),
        limit: z.number().int().min(1).max(LIST_MAX).optional(),
      }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input): Promise<BudgetListResult> {
        const shown = budgets
          .list()
          .filter(({ closed }) => input.closed === true || closed !== true);
        return { budgets: shown.slice(0, input.limit ?? LIST_MAX), total: shown.length };
      },
    }),
    defineTool({
      name: 'budget_history',
      title: 'What happened to a budget',
      description:
        'What was decided on it at this node, and what was spent here by whom, hour by hour; the newest first.',
      input: NAMED.extend({ limit: z.number().int().min(1).max(HISTORY_MAX).optional() }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run(input): Promise<BudgetHistoryResult> {
        const name = named(budgets, input);
        const entries: readonly HistoryEntry[] = await budgets.history(name, input.limit ?? 100);
        return { entries, unit: budgets.show(name).unit };
      },
    }),
  ];
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
    defineTool({
      name: 'budget_close',
      title: 'Close a budget',
      description: 'Nothing is spent of it any more, at any node that hears of it.',
      input: NAMED,
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      onTop: true,
      run: async (input): Promise<BudgetView> => budgets.close(named(budgets, input)),
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

function named(budgets: Budgets, { name, task_id: task }: z.infer<typeof NAMED>): string {
  if (name !== undefined) return name;
  const [first] = task === undefined ? [] : budgets.forWhom(`task:${task}`);
  return first ?? required(task);
}

function required<Value>(value: Value | undefined): Value {
  if (value !== undefined) return value;
  throw new StarlingError('STARLING_USAGE', 'an argument is missing: name, amount or peer');
}

function amountOf(value: string | number, unit: Unit): number {
  return parseAmount(String(value), unit).amount;
}

function didOf({ membership, successions }: BudgetToolComponents, reference: string): Did {
  return successions.origin(membership.resolve(reference).did);
}

/** Somebody who was put out is known to nobody but the budget. */
function ownerOf(components: BudgetToolComponents, view: BudgetView, reference: string): Did {
  const found = view.nodes.find(({ node, did }) => node === reference || did === reference);
  return found?.did ?? didOf(components, reference);
}

function membershipName(membership: Pick<Membership, 'resolve'>, did: string): string {
  try {
    return membership.resolve(did).alias;
  } catch (error) {
    if (error instanceof StarlingError) return did;
    throw error;
  }
}
