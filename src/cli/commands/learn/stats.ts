/** `starling learn stats` */
import { durationText } from '../../../core/time/duration.ts';
import { amountText } from '../../../core/words/amount-text.ts';
import type {
  LearnStatsResult,
  LearnedAgent,
  LearnedExperience,
  LearnedWay,
} from '../../../learning/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { printData, safeLine, table } from '../../terminal/output.ts';

const NONE_YET =
  'no agent has learned anything yet: its kind says that it does, with "learning" in agents.kinds.<kind>';

/** Prints what agents have learned; of one agent, what it remembers, too. @throws STARLING_AGENT_UNKNOWN */
export async function run(agent: string | undefined, options: CommonOptions): Promise<void> {
  const args = agent === undefined ? {} : { agent };
  const result = await withNode(options, (node) =>
    node.builtin<LearnStatsResult>('learn_stats', args),
  );
  printData(result, options.json === true, () => {
    const works = worksText(result.agents);
    if (agent === undefined) return works;
    const recent = result.agents.flatMap(({ experiences }) => experiences.recent);
    return recent.length === 0 ? works : `${works}\n\n${experiencesText(recent)}`;
  });
}

function worksText(agents: readonly LearnedAgent[]): string {
  const rows = agents.flatMap((one) =>
    one.works.flatMap(({ from, ways, work }) =>
      ways.map((way) => [one.agent, work, from, ...wayCells(way)]),
    ),
  );
  const counts = agents.map(
    ({ agent, experiences: { count, measured } }) =>
      `${safeLine(agent)} remembers ${count} ${count === 1 ? 'experience' : 'experiences'}, ${measured} of them measured`,
  );
  if (rows.length === 0) return counts.length === 0 ? NONE_YET : counts.join('\n');
  const head = ['AGENT', 'WORK', 'FROM', 'WAY', 'TAKEN', 'SUCCESS', 'COST', 'TIME'];
  return `${table(head, rows, { flexible: 2 })}\n${counts.join('\n')}`;
}

function wayCells({ believed, costMicroUsd, ms, tried, way }: LearnedWay): readonly string[] {
  return [
    way,
    String(tried),
    `${Math.round(believed * 100)} %`,
    costMicroUsd === undefined ? '–' : amountText(costMicroUsd, 'usd'),
    ms === undefined ? '–' : durationText(ms),
  ];
}

function experiencesText(experiences: readonly LearnedExperience[]): string {
  const rows = experiences.map(({ by, id, outcome = '–', reference, situation, work }) => [
    reference ?? id,
    work,
    outcome,
    by.join(', '),
    situation,
  ]);
  return table(['ID', 'WORK', 'OUTCOME', 'MEASURED BY', 'ASKED'], rows, { flexible: 4 });
}
