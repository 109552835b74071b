import { describe, expect, it } from 'vitest';
import {
  isFailed,
  judge,
  medianOfRuns,
  renderBars,
  renderMixed,
  renderRows,
} from '../../../sim/bench/bars.ts';
import type { Bar, GatewayFigures, Row } from '../../../sim/bench/bars.ts';

function row(title: string, perSecond: number, p50Us: number, cpuUsPerCall?: number): Row {
  const sample = { perSecond, p50Us, p99Us: p50Us * 2, cpuUsPerCall };
  return { title, ...sample, rounds: [sample] };
}

const FIGURES: GatewayFigures = {
  rivals: ['mcp-proxy 6', 'supergateway 4'],
  http: [
    {
      callers: 1,
      rows: [
        row('starling', 5000, 60, 99),
        row('two peers, by socket, audited', 2000, 250, 300),
        row('NATS request', 5000, 100, 20),
        row('mcp-proxy 6', 2000, 100, 400),
      ],
    },
    {
      callers: 64,
      rows: [
        row('starling', 6000, 100, 80),
        row('starling, two peers', 3000, 100, 110),
        row('starling, two peers, audited', 2250, 100, 137.5),
        row('two peers, by socket', 3000, 100, 110),
        row('two peers, by socket, audited', 2250, 100, 137.5),
        row('bare relay', 9000, 100, 50),
        row('bare relay, two peers', 9000, 100, 50),
        row('NATS request', 3750, 100, 20),
        row('mcp-proxy 6', 1000, 100, 300),
        row('supergateway 4', 9000, 100, 300),
      ],
    },
  ],
  stdio: [
    row("the node's socket", 9000, 100, 1),
    row('starling mcp', 9000, 100, 15),
    row('bare relay, stdio', 9000, 100, 7.5),
  ],
  mixed: [{ title: 'starling', quietP50Us: 100, busyP50Us: 300, mibPerSecond: 200 }],
};

const NAME = 'CPU, stdio, × bare relay, stdio';

const verdicts = (figures: GatewayFigures): (string | boolean)[][] =>
  judge(figures).map((bar) => [bar.title, bar.pass]);

describe('the bars of the benchmark', () => {
  it('are cleared by figures that just reach them', () => {
    expect(judge(FIGURES).map((bar) => bar.measured)).toEqual([
      6,
      0.6,
      3,
      1.6,
      2.2,
      2,
      expect.closeTo(0.2),
      0.8,
      0.6,
      2.5,
      3,
    ]);
    expect(verdicts(FIGURES).every(([, pass]) => pass)).toBe(true);
  });

  it('are missed one by one by figures that are a little worse', () => {
    const cpuOf = ({ title, cpuUsPerCall = 0 }: Row): number =>
      title.endsWith('audited') ? cpuUsPerCall * 1.02 : cpuUsPerCall;
    const slow = (figures: GatewayFigures['http'], share: number): GatewayFigures['http'] =>
      figures.map(({ callers, rows }) => ({
        callers,
        rows: rows.map((one) =>
          /^(?:starling|two peers)/.test(one.title)
            ? row(one.title, one.perSecond * share, one.p50Us / share, cpuOf(one) * 1.01)
            : one,
        ),
      }));
    const worse: GatewayFigures = {
      ...FIGURES,
      http: slow(FIGURES.http, 0.99),
      stdio: [row('starling mcp', 9000, 100, 15.1), row('bare relay, stdio', 9000, 100, 7.5)],
      mixed: [{ title: 'starling', quietP50Us: 100, busyP50Us: 301, mibPerSecond: 200 }],
    };
    expect(verdicts(worse).filter(([, pass]) => pass)).toEqual([]);
  });

  it('are missed where nothing was measured', () => {
    const blind: GatewayFigures = { ...FIGURES, stdio: [row('starling mcp', 9000, 100)] };
    expect(verdicts(blind).filter(([, pass]) => !pass)).toEqual([[NAME, false]]);
    expect(renderBars(judge(blind))).toMatch(/stdio, × bare relay, stdio +– +at most 2 +FAIL/);
  });

  it('compare rounds with rounds, so that a machine that gets busier changes nothing', () => {
    const busier = (title: string, perSecond: readonly number[]): Row => ({
      ...row(title, 1, 1, 1),
      rounds: perSecond.map((rate) => ({ ...row(title, rate, 1, 1) })),
    });
    const rows = [
      busier('starling', [6000, 3000, 600]),
      busier('mcp-proxy 6', [1000, 500, 100]),
      busier('starling, two peers', [10, 20]),
    ];
    const [rate, , twoPeers] = judge({ ...FIGURES, http: [{ callers: 64, rows }] });
    expect([rate?.measured, twoPeers?.measured]).toEqual([6, 0.01]);
  });

  it('are those of the run in the middle', () => {
    const runOf = (perSecond: number): ReturnType<typeof judge> =>
      judge({
        ...FIGURES,
        http: [{ callers: 64, rows: [row('starling', perSecond, 1), row('mcp-proxy 6', 1000, 1)] }],
      });
    const [rate] = medianOfRuns([runOf(9000), runOf(5000), runOf(6000)]);
    expect([rate?.measured, rate?.pass]).toEqual([6, true]);
  });

  it('on NATS stand beside what bare libp2p makes of the same hops, and fail nobody where that misses them, too', () => {
    const runOf = (floor: number): ReturnType<typeof judge> => {
      const rows = [
        row('two peers, by socket', 5000, 1),
        row('floor: bare libp2p, a program behind', floor, 1),
        row('NATS request', 10_000, 1),
      ];
      return judge({ ...FIGURES, http: [{ callers: 64, rows }] });
    };
    const barOf = (...floors: readonly number[]): Bar | undefined =>
      medianOfRuns(floors.map(runOf)).find(({ title }) =>
        title.startsWith('two peers, by socket: calls'),
      );
    expect(barOf(20_000, 9000, 1000)).toMatchObject({ measured: 0.5, pass: false, floor: 0.9 });
    expect([barOf(9000), barOf(7000)].map((bar) => bar && isFailed(bar))).toEqual([true, false]);
  });

  it('are printed with the figures, aligned', () => {
    const rows = [row('starling', 5123.4, 61.4, 99.04), row('mcp-proxy 6', 2000, 100)];
    expect(renderRows('HTTP, 1 caller', rows).split('\n')).toEqual([
      'HTTP, 1 caller  calls/s  p50 µs  p99 µs  CPU µs/call  least',
      'starling           5123      61     123         99.0   99.0',
      'mcp-proxy 6        2000     100     200            –      –',
      '',
      '',
    ]);
    expect(renderMixed(FIGURES.mixed)).toMatch(/starling +100 +300 +3\.00 +200/);
  });
});
