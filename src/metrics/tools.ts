/** The tool that tells what went through the node in the last hour. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { RecentCalls } from './call-history.ts';

/** `calls_recent`: for the operator. */
export function metricsTools({
  recent,
}: {
  readonly recent: () => RecentCalls;
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
  ];
}
