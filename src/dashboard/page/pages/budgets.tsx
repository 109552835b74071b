/** Budgets: what may be spent, what is spent and held, and the rights of each node. */
import type { BudgetListResult } from '../../../builtin/results.ts';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Meter, Nothing, Table } from '../parts.tsx';
import type { Tone } from '../parts.tsx';
import { amount, duration, shellWord } from '../words.ts';

const TONES: Readonly<Record<string, Tone>> = {
  here: 'good',
  reachable: 'good',
  unreachable: 'warn',
  'put-out': 'quiet',
  frozen: 'bad',
};

/** A card for each budget, with a bar and the rights of its nodes. */
export function BudgetsPage() {
  const live = useLive<BudgetListResult>('budget_list', {}, 3000);
  return (
    <Answer live={live}>
      {({ budgets, total }) =>
        budgets.length === 0 ? (
          <Card>
            <Nothing command="starling budget create <name> --limit 20usd">
              Nothing limits yet what may be spent.
            </Nothing>
          </Card>
        ) : (
          <>
            {budgets.map((budget) => (
              <Budget budget={budget} key={budget.id} />
            ))}
            {total > budgets.length && (
              <Nothing command="starling budget list">
                {`${total - budgets.length} more are not shown here.`}
              </Nothing>
            )}
          </>
        )
      }
    </Answer>
  );
}

function Budget({ budget }: { budget: BudgetListResult['budgets'][number] }) {
  const { name, unit, limit, spent, held, free, nodes, everyMs, for: whom, closed } = budget;
  const said = (value: number): string => amount(value, unit);
  const whole = Math.max(1, limit);
  return (
    <Card
      title={name}
      aside={
        closed === true ? (
          <Badge tone="quiet">closed</Badge>
        ) : (
          <Command line={`starling budget show ${shellWord(name)}`} />
        )
      }
    >
      <p class="amounts">
        <b>{said(spent)}</b> spent of {said(limit)}
        {everyMs === undefined ? '' : ` each ${duration(everyMs)}`}, {said(held)} held, {said(free)}{' '}
        free here
        {whom === undefined ? '' : `, for ${whom}`}
      </p>
      <Meter
        label={`${said(spent)} spent and ${said(held)} held of ${said(limit)}`}
        parts={[
          { share: spent / whole, tone: spent > whole * 0.9 ? 'bad' : 'info' },
          { share: held / whole, tone: 'warn' },
        ]}
      />
      <Table
        label={`Rights of nodes in ${name}`}
        rows={nodes}
        keyOf={({ did }) => did}
        columns={[
          { name: 'node', cell: ({ node }) => <b>{node}</b> },
          {
            name: 'state',
            cell: ({ state, note }) => (
              <>
                <Badge tone={TONES[state] ?? 'quiet'}>{state}</Badge> {note}
              </>
            ),
          },
          { name: 'may spend', isNumber: true, cell: ({ rights }) => said(rights) },
          { name: 'spent', isNumber: true, cell: (row) => said(row.spent) },
          { name: 'held', isNumber: true, cell: (row) => said(row.held) },
        ]}
      />
    </Card>
  );
}
