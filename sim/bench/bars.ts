/**
 * The bars that the gateway must clear, and the benchmark's tables. Bars are multiples of something that ran in the
 * same minutes on the same machine: a figure in µs says more of the machine than of us.
 */
import { percentile } from '../report.ts';
import type { Sample } from './job.ts';

/** One way to the same upstream, measured: medians, and the rounds that they are of. */
export interface Row extends Sample {
  readonly title: string;
  readonly rounds: readonly Sample[];
}

/** Small calls while 8 MiB results stream through another session. */
export interface MixedRow {
  readonly title: string;
  readonly quietP50Us: number;
  readonly busyP50Us: number;
  /** What the other session got meanwhile. */
  readonly mibPerSecond: number;
}

/** What the gateway's benchmark measured. */
export interface GatewayFigures {
  readonly rivals: readonly string[];
  /** Rows of HTTP by number of callers. */
  readonly http: readonly { readonly callers: number; readonly rows: readonly Row[] }[];
  /** With 64 calls in flight. */
  readonly stdio: readonly Row[];
  readonly mixed: readonly MixedRow[];
}

/** One bar, and how we stand. */
export interface Bar {
  readonly title: string;
  readonly limit: number;
  readonly kind: 'at least' | 'at most';
  /** NaN where it could not be measured: then the bar is not cleared. */
  readonly measured: number;
  readonly pass: boolean;
  /**
   * What the least that could count as the work measured in the same run: the bare libraries without anything of ours. A bar
   * that even this misses can't be met by what is built on them; it is shown as missed, and another one counts in its place.
   */
  readonly floor?: number;
}

/** Titles of rows that bars look for. */
export const TITLES = {
  oneNode: 'starling',
  twoPeers: 'starling, two peers',
  audited: 'starling, two peers, audited',
  socket: 'two peers, by socket',
  auditedSocket: 'two peers, by socket, audited',
  pipe: 'starling mcp',
  relay: 'bare relay',
  relays: 'bare relay, two peers',
  relayedPipe: 'bare relay, stdio',
  nats: 'NATS request',
  libp2p: 'libp2p, one stream',
  libp2pEcho: 'floor: bare libp2p',
  libp2pProgram: 'floor: bare libp2p, a program behind',
  libp2pAlone: 'floor: the same, one message a call',
} as const;

/**
 * How the figures stand against the bars. The first rival is the one that bars are set against, round
 * by round: what else the machine does changes from one round to the next, and less within one. CPU is
 * judged with 64 calls in flight, over HTTP as over stdio: with one at a time, over half of it is the
 * kernel's, which puts the relay to sleep and wakes its neighbours twice for each call. NATS has no HTTP door: beside
 * it a client asks through the node's socket, one connection for all callers as its own client has one.
 */
export function judge(figures: GatewayFigures): readonly Bar[] {
  const [rival = ''] = figures.rivals;
  const at = (callers: number, title: string): Row | undefined =>
    figures.http
      .find((group) => group.callers === callers)
      ?.rows.find((row) => row.title === title);
  const cpu = (sample: Sample): number => sample.cpuUsPerCall ?? Number.NaN;
  const rate = (sample: Sample): number => sample.perSecond;
  const p50 = (sample: Sample): number => sample.p50Us;
  const { oneNode, twoPeers, audited, pipe, relay, relays, relayedPipe, nats } = TITLES;
  const { socket, auditedSocket, libp2pProgram: floor } = TITLES;
  const many = at(64, rival);
  const stdio = (title: string): Row | undefined =>
    figures.stdio.find((row) => row.title === title);
  return [
    atLeast(`calls/s, 64 callers, × ${rival}`, 6, ratio(at(64, oneNode), many, rate)),
    atMost(`p50, 1 caller, × ${rival}`, 0.6, ratio(at(1, oneNode), at(1, rival), p50)),
    atLeast(`two peers: calls/s, 64, × ${rival}`, 3, ratio(at(64, twoPeers), many, rate)),
    atMost(`CPU, HTTP, 64 callers, × ${relay}`, 1.6, ratio(at(64, oneNode), at(64, relay), cpu)),
    atMost(`CPU, two peers, 64, × ${relays}`, 2.2, ratio(at(64, twoPeers), at(64, relays), cpu)),
    atMost(`CPU, stdio, × ${relayedPipe}`, 2, ratio(stdio(pipe), stdio(relayedPipe), cpu)),
    atMost(
      'share of the audit log in a call, two peers, 64',
      0.2,
      1 - ratio(at(64, twoPeers), at(64, audited), cpu),
    ),
    besideFloor(
      atLeast(`${socket}: calls/s, 64, × ${nats}`, 0.8, ratio(at(64, socket), at(64, nats), rate)),
      ratio(at(64, floor), at(64, nats), rate),
    ),
    besideFloor(
      atLeast(
        `${auditedSocket}: calls/s, 64, × ${nats}`,
        0.6,
        ratio(at(64, auditedSocket), at(64, nats), rate),
      ),
      ratio(at(64, floor), at(64, nats), rate),
    ),
    besideFloor(
      atMost(
        `${auditedSocket}: p50, 1 caller, × ${nats}`,
        2.5,
        ratio(at(1, auditedSocket), at(1, nats), p50),
      ),
      ratio(at(1, floor), at(1, nats), p50),
    ),
    ...figures.mixed.map((row) =>
      atMost(`small calls beside 8 MiB, × quiet: ${row.title}`, 3, row.busyP50Us / row.quietP50Us),
    ),
  ];
}

/** The bars of several runs as those of one: of each its median. The processes of each run are new ones. */
export function medianOfRuns(runs: readonly (readonly Bar[])[]): readonly Bar[] {
  const [first = []] = runs;
  return first.map(({ title, kind, limit, floor }, at) => {
    const medianOf = (pick: (bar: Bar) => number | undefined): number =>
      percentile(
        runs.map((bars) => {
          const bar = bars[at];
          return (bar === undefined ? undefined : pick(bar)) ?? Number.NaN;
        }),
        0.5,
      );
    const measured = medianOf((bar) => bar.measured);
    const bar =
      kind === 'at least' ? atLeast(title, limit, measured) : atMost(title, limit, measured);
    return floor === undefined
      ? bar
      : besideFloor(
          bar,
          medianOf((one) => one.floor),
        );
  });
}

/** Median over rounds of how `ours` stands to `theirs`; NaN where one is missing. */
function ratio(
  ours: Row | undefined,
  theirs: Row | undefined,
  pick: (sample: Sample) => number,
): number {
  const ratios = (ours?.rounds ?? []).flatMap((sample, round) => {
    const other = theirs?.rounds[round];
    return other === undefined ? [] : [pick(sample) / pick(other)];
  });
  return ratios.length === 0 ? Number.NaN : percentile(ratios, 0.5);
}

/** A bar from below. */
export function atLeast(title: string, limit: number, measured: number): Bar {
  return { title, limit, kind: 'at least', measured, pass: measured >= limit };
}

/** A bar from above. */
export function atMost(title: string, limit: number, measured: number): Bar {
  return { title, limit, kind: 'at most', measured, pass: measured <= limit };
}

/** The same bar, with what its floor measured in the same run. */
export function besideFloor(bar: Bar, floor: number): Bar {
  return { ...bar, floor };
}

/** Whether a bar fails the benchmark: it is missed, and not also by its floor. */
export function isFailed(bar: Bar): boolean {
  return !bar.pass && !isBelowReach(bar);
}

/** True where a floor was measured and misses the bar, too. */
function isBelowReach({ floor = Number.NaN, kind, limit }: Bar): boolean {
  return kind === 'at least' ? floor < limit : floor > limit;
}

/** Rows as a table. */
export function renderRows(head: string, rows: readonly Row[]): string {
  return table(
    [head, 'calls/s', 'p50 µs', 'p99 µs', 'CPU µs/call', 'least'],
    rows.map((row) => [
      row.title,
      row.perSecond.toFixed(0),
      row.p50Us.toFixed(0),
      row.p99Us.toFixed(0),
      row.cpuUsPerCall?.toFixed(1) ?? '–',
      leastCpu(row)?.toFixed(1) ?? '–',
    ]),
  );
}

/** CPU of the round that the rest of the machine disturbed least: a busy one only ever adds. */
function leastCpu(row: Row): number | undefined {
  const all = row.rounds.flatMap(({ cpuUsPerCall }) => cpuUsPerCall ?? []);
  return all.length === 0 ? undefined : Math.min(...all);
}

/** The mixed load as a table. */
export function renderMixed(rows: readonly MixedRow[]): string {
  return table(
    ['8 MiB results beside small calls', 'quiet p50 µs', 'busy p50 µs', 'ratio', 'MiB/s'],
    rows.map((row) => [
      row.title,
      row.quietP50Us.toFixed(0),
      row.busyP50Us.toFixed(0),
      (row.busyP50Us / row.quietP50Us).toFixed(2),
      row.mibPerSecond.toFixed(0),
    ]),
  );
}

/** The bars as a table. */
export function renderBars(bars: readonly Bar[]): string {
  return table(
    ['bar', 'measured', 'wanted', ''],
    bars.map((bar) => [
      bar.title,
      Number.isNaN(bar.measured) ? '–' : bar.measured.toFixed(2),
      `${bar.kind} ${bar.limit}`,
      verdictOf(bar),
    ]),
  );
}

function verdictOf(bar: Bar): string {
  if (bar.pass) return 'PASS';
  const { floor = Number.NaN } = bar;
  const verdict = isFailed(bar) ? 'FAIL' : 'MISSED';
  return Number.isNaN(floor) ? verdict : `${verdict} (the floor: ${floor.toFixed(2)})`;
}

/** Cells in columns, the first one to the left. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart((widths[column] ?? 0) + 2),
      )
      .join('')
      .trimEnd();
  return `${[line(head), ...rows.map(line)].join('\n')}\n\n`;
}
