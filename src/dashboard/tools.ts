/** The tools by which the operator opens the dashboard and ends all pages of it. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { Dashboard, DashboardLinkResult } from './dashboard.ts';

/** Result of `dashboard_close`. */
export interface DashboardCloseResult {
  /** Pages that were open. */
  readonly closed: number;
}

/** `dashboard_open` and `dashboard_close`: for the operator, and not for the page itself. */
export function dashboardTools({
  dashboard,
}: {
  readonly dashboard: Pick<Dashboard, 'close' | 'link'>;
}): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'dashboard_open',
      title: 'Open the dashboard',
      description:
        'Makes a link to the dashboard of this node, which one browser can open once within a minute. It shows what the operator sees; keys, secrets, rights and policy are changed only in the terminal.',
      input: z.object({}),
      hints: { destructiveHint: false },
      clients: 'no',
      run: (): DashboardLinkResult => dashboard.link(),
    }),
    defineTool({
      name: 'dashboard_close',
      title: 'Close the dashboard',
      description: 'Ends all pages of the dashboard that are open, and takes back links to it.',
      input: z.object({}),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      run: (): DashboardCloseResult => ({ closed: dashboard.close() }),
    }),
  ];
}
