/**
 * Agents of real nodes: requests through two peers beside calls of a tool and NATS, starts beside the bare program,
 * what idle ones cost, whether bounds hold, what waits for one that is away, and who chooses best among several.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { percentile } from '../../report.ts';
import { atLeast, atMost, besideFloor, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { Sample } from '../job.ts';
import type { AgentsSize } from '../size.ts';
import {
  CHOOSERS,
  WAYS,
  measureChoosing,
  measureHogs,
  measureIdle,
  measureQueue,
  measureRequests,
  measureStarts,
} from './parts.ts';
import type {
  ChoosingRow,
  HogFigures,
  IdleFigures,
  QueueFigures,
  RequestRow,
  StartFigures,
} from './parts.ts';
import { KIND, call, grant, startMachine } from './world.ts';
import type { Machine } from './world.ts';

const upstream = fileURLToPath(new URL('./bench-upstream.js', import.meta.url));

/**
 * How long a request of one caller may take beside the same bytes over bare libp2p with a program behind. That row measures six
 * hand-overs between four processes, the scheduler's wake-ups above all, and nothing else. Ours has the same six and waits
 * besides for two entries of audit logs, one at each node, which are on the disk before anything goes on: on the machine of
 * the recorded figures a call of a tool, which does just that, takes 1.45 times the floor. The issue gives a request 1.3 times
 * a tool, so that 1.3 × 1.45 is what both bars together allow.
 */
const FLOOR_P50_MAX = 1.9;
/**
 * How many requests are done beside that row with 64 callers. There the floor moves what all callers say in one write: 9 µs of
 * CPU for both processes, 22 with its callers and its program on two cores. What ours does for each request by itself no
 * batch makes less, at each of two nodes: two frames are read and written as JSON (25 µs), the guard decides about the tool and
 * the agent (8), an entry is hashed and joined to a write (12), the message is made, kept for the history and answered (30 at
 * the one). That is 22 + 2 × 45 + 30, or 142 µs, and 0.15 of the floor's rate; a third is left to what was not counted.
 */
const FLOOR_RATE_MIN = 0.1;

/** What was measured; parts that were left out are absent. */
export interface AgentsFigures {
  readonly requests?: readonly RequestRow[];
  readonly starts?: StartFigures;
  readonly idle?: IdleFigures;
  readonly hogs?: HogFigures;
  readonly queue?: QueueFigures;
  readonly choosing?: readonly ChoosingRow[];
  readonly bars: readonly Bar[];
}

type Measured = Omit<AgentsFigures, 'bars'>;

/** Runs all parts, or those that `only` names; `print` hears each table when it is there. */
export async function benchAgents(
  size: AgentsSize,
  only: readonly string[],
  print: (text: string) => void,
): Promise<AgentsFigures> {
  const isWanted = (part: keyof Measured): boolean => only.length === 0 || only.includes(part);
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-agents-'));
  const cleanups: (() => unknown)[] = [() => rm(root, { recursive: true, force: true })];
  try {
    const owner = await startMachine(root, 'owner', cleanups);
    const ticket = owner.node.up.ticket;
    const entry = await startMachine(root, 'entry', cleanups, { ticket });
    await grant(owner, entry);
    const two = { owner, entry };
    const measured: Measured = {
      ...(isWanted('requests')
        ? { requests: await measureRequests(two, { root, upstream }, size) }
        : {}),
      ...(isWanted('starts') ? { starts: await measureStarts(owner, size) } : {}),
      ...(isWanted('idle') ? { idle: await measureIdle(owner, size) } : {}),
      ...(isWanted('hogs') ? { hogs: await measureHogs(owner, size) } : {}),
      ...(isWanted('choosing') ? { choosing: await choose(root, two, size) } : {}),
      ...(isWanted('queue') ? { queue: await queue(root, cleanups, two, size) } : {}),
    };
    const bars = judge(measured);
    print(render(measured) + renderBars(bars));
    return { ...measured, bars };
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
  }
}

type Cleanups = (() => unknown)[];

async function queue(
  root: string,
  cleanups: Cleanups,
  { owner, entry }: { readonly owner: Machine; readonly entry: Machine },
  size: AgentsSize,
): Promise<QueueFigures> {
  await call(owner, 'agent_spawn', { agentType: KIND, name: 'counter', wait_s: 60 });
  const leave = async (): Promise<void> => {
    await owner.client.close();
    await owner.node.stop();
  };
  const comesBack = (): Promise<Machine> => startMachine(root, 'owner', cleanups);
  return measureQueue(entry, { leave, comesBack }, size);
}

async function choose(
  root: string,
  { owner, entry }: { readonly owner: Machine; readonly entry: Machine },
  size: AgentsSize,
): Promise<readonly ChoosingRow[]> {
  const several: Cleanups = [];
  try {
    for (let at = 0; at < size.choosingNodes; at += 1) {
      const { ticket } = await call<{ ticket: string }>(owner, 'invite_create');
      const init = { ticket, concurrency: 1 };
      const machine = await startMachine(root, `worker-${at}`, several, init);
      await grant(machine, entry);
      await call(machine, 'agent_spawn', { agentType: KIND, name: `one-${at}`, wait_s: 60 });
    }
    return await measureChoosing(entry, size.choosingNodes, size);
  } finally {
    for (const cleanup of several.toReversed()) await cleanup();
  }
}

function judge({ requests, starts, idle, hogs, queue: kept, choosing }: Measured): readonly Bar[] {
  const bars: Bar[] = [];
  if (requests !== undefined) bars.push(...judgeRequests(requests));
  if (choosing !== undefined) {
    const p99 = (title: string): number =>
      choosing.find((row) => row.title === title)?.p99Ms ?? Number.NaN;
    const ratio = p99(CHOOSERS.two) / p99(CHOOSERS.heartbeat);
    bars.push(atMost(`${CHOOSERS.two}: p99, × ${CHOOSERS.heartbeat}`, 0.3, ratio));
  }
  if (starts !== undefined) {
    bars.push(atMost('spawn to ready, × bare program', 1.5, starts.agentMs / starts.bareMs));
  }
  if (idle !== undefined) {
    bars.push(atMost(`${idle.agents} idle agents, share of a core`, 0.02, idle.core));
    bars.push(atMost('MiB of an idle agent over a bare process', 45, idle.mibEach));
  }
  if (hogs !== undefined) {
    bars.push(atMost('memory hog, × its limit', 1.1, hogs.memory));
    bars.push(atMost('CPU hog, × its limit', 1.1, hogs.cpu));
  }
  if (kept !== undefined) {
    const { arrived, isInOrder, sent } = kept;
    const once = isInOrder && arrived === sent ? arrived : 0;
    bars.push(atLeast(`of ${sent} messages, in order and once`, sent, once));
  }
  return bars;
}

/**
 * NATS has no rights, no record, and one hop less; its bars are held against the bare libraries, too, which say in the same
 * run how much of the distance is theirs. Where these miss a bar, how many times as long as theirs ours takes counts instead.
 */
function judgeRequests(rows: readonly RequestRow[]): readonly Bar[] {
  const ratio = (
    callers: number,
    [ours, theirs]: readonly [string, string],
    pick: (sample: Sample) => number,
  ): number => {
    const roundsOf = (title: string): readonly Sample[] =>
      rows.find((row) => row.callers === callers && row.title === title)?.rounds ?? [];
    const others = roundsOf(theirs);
    const all = roundsOf(ours).flatMap((sample, round) => {
      const other = others[round];
      return other === undefined ? [] : [pick(sample) / pick(other)];
    });
    return all.length === 0 ? Number.NaN : percentile(all, 0.5);
  };
  const p50 = (sample: Sample): number => sample.p50Us;
  const rate = (sample: Sample): number => sample.perSecond;
  const { agent, floor, nats, program, tool } = WAYS;
  return [
    atMost(`${agent}: p50, 1 caller, × ${tool}`, 1.3, ratio(1, [agent, tool], p50)),
    besideFloor(
      atMost(`${agent}: p50, 1 caller, × ${nats}`, 2.5, ratio(1, [agent, nats], p50)),
      ratio(1, [floor, nats], p50),
    ),
    besideFloor(
      atLeast(`${agent}: requests/s, 64, × ${nats}`, 0.6, ratio(64, [agent, nats], rate)),
      ratio(64, [floor, nats], rate),
    ),
    atMost(`${agent}: p50, 1 caller, × ${program}`, FLOOR_P50_MAX, ratio(1, [agent, program], p50)),
    atLeast(
      `${agent}: requests/s, 64, × ${program}`,
      FLOOR_RATE_MIN,
      ratio(64, [agent, program], rate),
    ),
  ];
}

function render({
  requests = [],
  starts,
  idle,
  hogs,
  queue: kept,
  choosing = [],
}: Measured): string {
  const texts: string[] = [];
  if (requests.length > 0) {
    texts.push(
      table(
        [
          'requests of 11 bytes, by socket',
          'callers',
          'a second',
          'p50 µs',
          'p99 µs',
          'CPU µs of those between',
        ],
        requests.map((row) => [
          row.title,
          String(row.callers),
          row.perSecond.toFixed(0),
          row.p50Us.toFixed(0),
          row.p99Us.toFixed(0),
          row.cpuUsPerCall?.toFixed(0) ?? '–',
        ]),
      ),
    );
  }
  if (choosing.length > 0) {
    texts.push(
      table(
        ['who chooses, at 70 % load', 'p50 ms', 'p99 ms'],
        choosing.map(({ title, p50Ms, p99Ms }) => [title, p50Ms.toFixed(0), p99Ms.toFixed(0)]),
      ),
    );
  }
  const others: string[][] = [];
  if (starts !== undefined) {
    others.push(['spawn to ready, ms', starts.agentMs.toFixed(0)]);
    others.push(['bare program to initialised, ms', starts.bareMs.toFixed(0)]);
  }
  if (idle !== undefined) {
    others.push([`${idle.agents} idle agents, % of a core`, (idle.core * 100).toFixed(2)]);
    others.push(['MiB each over a bare process', idle.mibEach.toFixed(1)]);
  }
  if (hogs !== undefined) {
    others.push(['memory hog, % of its limit', (hogs.memory * 100).toFixed(0)]);
    others.push(['CPU hog, % of its limit', (hogs.cpu * 100).toFixed(0)]);
  }
  if (kept !== undefined) {
    others.push(['messages for one that was away', String(kept.sent)]);
    others.push(['  arrived in order, once', kept.isInOrder ? String(kept.arrived) : 'no']);
    others.push(['  until all had arrived, ms', kept.tookMs.toFixed(0)]);
  }
  if (others.length > 0) texts.push(table(['agents', ''], others));
  return texts.join('');
}
