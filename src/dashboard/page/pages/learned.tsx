/** What agents have learned: how well each way does for each work, by whose work, and how much was measured. */
import type { LearnStatsResult, LearnedWay } from '../../../learning/types.ts';
import { useLive } from '../live.ts';
import { Card, Command, Table } from '../parts.tsx';
import { amount, counted, latency } from '../words.ts';

const LOOK_MS = 10_000;

interface Row extends LearnedWay {
  readonly agent: string;
  readonly work: string;
  readonly from: string;
}

/** A card where agents learn; nothing where none does. */
export function Learned() {
  const { data } = useLive<LearnStatsResult>('learn_stats', {}, LOOK_MS);
  const agents = data?.agents ?? [];
  if (agents.length === 0) return undefined;
  const rows = agents.flatMap(({ agent, works }) =>
    works.flatMap(({ from, ways, work }) => ways.map((way) => ({ ...way, agent, work, from }))),
  );
  return (
    <Card title="What they have learned" aside={<Command line="starling learn stats" />}>
      {rows.length === 0 ? undefined : (
        <Table<Row>
          label="Ways to do a work"
          rows={rows}
          keyOf={({ agent, from, way, work }) => JSON.stringify([agent, work, from, way])}
          columns={[
            { name: 'agent', cell: ({ agent }) => <b>{agent}</b> },
            { name: 'work', cell: ({ work }) => work },
            { name: 'from', cell: ({ from }) => from },
            { name: 'way', cell: ({ way }) => way },
            { name: 'taken', isNumber: true, cell: ({ tried }) => tried },
            {
              name: 'success',
              isNumber: true,
              cell: ({ believed }) => `${Math.round(believed * 100)} %`,
            },
            {
              name: 'cost',
              isNumber: true,
              cell: ({ costMicroUsd }) =>
                costMicroUsd === undefined ? '–' : amount(costMicroUsd, 'usd'),
            },
            { name: 'time', isNumber: true, cell: ({ ms }) => latency(ms) },
          ]}
        />
      )}
      {agents.map(({ agent, experiences: { count, measured } }) => (
        <p class="hint" key={agent}>
          {agent} remembers {counted(count, 'experience')}, {measured} of them measured.
        </p>
      ))}
    </Card>
  );
}
