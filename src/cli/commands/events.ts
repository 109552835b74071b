/** `starling events` */
import type { EventsResult, MeshEvent } from '../../agents/types.ts';
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import type { NodeClient } from '../node/client.ts';
import { watchNode, withNode } from '../node/locate-node.ts';
import { showValue } from '../options/board-value.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { argumentRules } from '../options/grant-conditions.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { printData, safeLine } from '../terminal/output.ts';

/** How long one call waits for events. */
const WAIT_S = 60;
const WAY_MS = 10_000;

/** Options of the command. */
interface EventsOptions extends CommonOptions {
  readonly topic?: string;
  readonly arg?: readonly string[];
  readonly follow?: boolean;
  readonly lines: number;
  /** ms since the epoch. */
  readonly since?: number;
}

/** Prints the last events, and with `--follow` those that come. */
export function run(options: EventsOptions): Promise<ExitCode> {
  const args = argumentRules(options.arg ?? []);
  const wanted = {
    ...(options.topic === undefined ? {} : { topic: options.topic }),
    ...(args === undefined ? {} : { args }),
  };
  const tail = async (node: NodeClient): Promise<ExitCode> => {
    const since = options.since === undefined ? {} : { since: options.since };
    const first = { ...wanted, ...since, limit: options.lines };
    let page = await node.builtin<EventsResult>('events', first);
    if (page.events.length > 0 || options.follow !== true) print(page, options);
    while (options.follow === true) {
      const next = { ...wanted, cursor: page.cursor, timeout_s: WAIT_S };
      page = await node.builtin<EventsResult>('events', next, {
        timeoutMs: WAIT_S * 1000 + WAY_MS,
      });
      if (page.events.length > 0) print(page, options);
    }
    return EXIT.done;
  };
  const attached = options.follow === true ? watchNode : withNode;
  return untilInterrupted((signal) => attached(options, tail, signal));
}

function print(page: EventsResult, { json, since }: EventsOptions): void {
  printData(page, json === true, () =>
    page.events.length === 0
      ? since === undefined
        ? 'nothing was told lately'
        : 'nothing was told since then'
      : page.events.map(line).join('\n'),
  );
}

function line({ at, from, message, subject }: MeshEvent): string {
  return safeLine(`${at}  ${subject} from ${from}: ${showValue(message)}`);
}
