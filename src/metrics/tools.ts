/** The tools that tell in numbers what goes on at the node. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { RecentCalls } from './call-history.ts';
import type { NodeFigures } from './types.ts';

/** `calls_recent` and `node_figures`: for the operator. */
export function metricsTools({
  recent,
  glance,
}: {
  readonly recent: () => RecentCalls;
  readonly glance: () => NodeFigures;
}): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'calls_recent',
      title: 'Calls of the last hour',
      description:
        'How many calls this node had in the last hour, minute by minute and now, how many failed or were refused, and how long half and 99 of 100 took at the most. What the dashboard itself asks is not counted.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'no',
      run: () => recent(),
    }),
    defineTool({
      name: 'node_figures',
      title: 'The node at one glance',
      description:
        'Counts of this node in one small answer: calls a second and how long they took, peers, sessions, servers, agents and tasks by their states, what budgets allow and have spent, what models cost in the last hour, and the processor time and memory of the node.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'no',
      run: () => glance(),
    }),
  ];
}
