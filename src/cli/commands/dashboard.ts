/** `starling dashboard` */
import type { DashboardCloseResult, DashboardLinkResult } from '../../dashboard/index.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { asSentence, duration, print, printData, safeLine, tell } from '../terminal/output.ts';

interface DashboardOptions extends CommonOptions {
  readonly close?: boolean;
}

/**
 * Prints a link to the page, alone on standard output, or ends all pages. No browser is started: the link would stand
 * among the arguments of a process, which every user of the machine can read.
 */
export async function run(options: DashboardOptions): Promise<void> {
  const isJson = options.json === true;
  if (options.close === true) {
    const result = await withNode(options, (node) =>
      node.builtin<DashboardCloseResult>('dashboard_close'),
    );
    printData(result, isJson, () => asSentence(closedText(result.closed)));
    return;
  }
  const link = await withNode(options, (node) =>
    node.builtin<DashboardLinkResult>('dashboard_open'),
  );
  if (isJson) {
    printData(link, true, () => '');
    return;
  }
  print(safeLine(link.url));
  const time = duration(link.expiresAt - Date.now());
  tell(`open it in your browser within ${time}: it works once, in one browser`);
}

function closedText(closed: number): string {
  if (closed === 0) return 'no dashboard was open; links that were not opened lead nowhere now';
  return closed === 1 ? 'the dashboard is closed' : `${closed} dashboards are closed`;
}
