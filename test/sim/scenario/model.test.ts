/** The model: the same seed gives the same bytes, and what it counts is what there is. */
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fit, leastSquares } from '../../../sim/scenario/model/check.ts';
import { createGossipMesh, createOverlay } from '../../../sim/scenario/model/overlay.ts';
import {
  COSTS,
  PROTOCOL,
  heartbeatEveryMs,
  linksOf,
  suspicionMs,
} from '../../../sim/scenario/model/parameters.ts';
import { createRouting } from '../../../sim/scenario/model/routing.ts';
import { simulate } from '../../../sim/scenario/model/simulate.ts';
import { Wheel } from '../../../sim/scenario/model/wheel.ts';
import { createChance } from '../../../sim/scenario/random.ts';
import { runScenario } from '../../../sim/scenario/run.ts';
import { createWorkProgress } from '../../../src/cli/terminal/progress.ts';

const QUIET = {
  durationMs: 30_000,
  costs: COSTS,
  link: { delay: 10 },
  lookups: [],
  followed: 4,
  seed: 1,
};

async function bytesOf(seed: string): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), 'starling-model-'));
  try {
    const quiet = { print: () => undefined, progress: createWorkProgress(), json: false };
    const { exitCode } = await runScenario({ given: 'scale-model', seed, out, ...quiet });
    expect(exitCode).toBe(0);
    return await readFile(join(out, 'report.json'), 'utf8');
  } finally {
    await rm(out, { recursive: true, force: true, maxRetries: 5 });
  }
}

describe('the engine model', () => {
  it('writes the same bytes for the same seed, and others for another', async () => {
    const [one, again, other] = [await bytesOf('5'), await bytesOf('5'), await bytesOf('6')];
    expect(again).toBe(one);
    expect(other).not.toBe(
      one.replaceAll('"seed": 5', '"seed": 6').replaceAll('--seed 5', '--seed 6'),
    );
  });

  it('brings a heartbeat to everybody, with one copy a link less the one that it came by', () => {
    const { floodReach, copies, floodAllMs } = simulate({
      ...QUIET,
      nodes: 2000,
      protocol: PROTOCOL,
      deaths: [],
    });
    expect(floodReach).toBe(1);
    expect(copies).toBeGreaterThan(PROTOCOL.gossipDegree - 1.15);
    expect(copies).toBeLessThan(PROTOCOL.gossipDegree - 0.85);
    expect(floodAllMs).toBeLessThan(500);
  });

  it('knows who is killed when enough neighbours have said so for long enough, and who is cut off after the silence as well', () => {
    const { announceMs, phiIntervals, tickMs, lookMs, probeTimeoutMs, probes } = PROTOCOL;
    const deaths = [
      { atMs: 1000, node: 3, isSilent: false },
      { atMs: 1000, node: 25, isSilent: true },
    ];
    const result = simulate({ ...QUIET, nodes: 30, protocol: PROTOCOL, deaths });
    const sureMs = announceMs + suspicionMs(30, PROTOCOL);
    expect(sureMs).toBeLessThan(probes * probeTimeoutMs);
    expect(result.killedDeadAllMs).toBeGreaterThanOrEqual(sureMs);
    expect(result.killedDeadAllMs).toBeLessThan(sureMs + lookMs + 300);
    expect(result.cutDeadAllMs).toBeGreaterThan((phiIntervals - 1) * tickMs + sureMs);
    expect(result.cutDeadAllMs).toBeLessThan(phiIntervals * tickMs + 2 * lookMs + sureMs + 300);
    expect(result.deadKnownShare).toBe(1);
  });

  it('goes by the probes of the neighbours where too few have missed who died', () => {
    const { probes, probeTimeoutMs, probePauseMs } = PROTOCOL;
    const { killedDeadAllMs } = simulate({
      ...QUIET,
      nodes: 2,
      protocol: PROTOCOL,
      deaths: [{ atMs: 1000, node: 0, isSilent: false }],
    });
    const probedMs = probes * probeTimeoutMs + (probes - 1) * probePauseMs;
    expect(killedDeadAllMs).toBeGreaterThanOrEqual(probedMs);
    expect(killedDeadAllMs).toBeLessThan(probedMs + 100);
  });

  it('tells all of a death by one flood, however many there are', () => {
    const deaths = [{ atMs: 1000, node: 3, isSilent: true }];
    const { deadKnownShare, deadAllMs } = simulate({
      ...QUIET,
      nodes: 3000,
      protocol: PROTOCOL,
      deaths,
    });
    expect(deadKnownShare).toBe(1);
    expect(deadAllMs).toBeLessThan(4000 + suspicionMs(3000, PROTOCOL));
  });
});

describe('links of many nodes', () => {
  it('are as many as the formula says, and stand in pairs', () => {
    expect([5, 9, 10, 50, 1000, 1_000_000].map((nodes) => linksOf(nodes, PROTOCOL))).toEqual([
      4, 8, 6, 8, 12, 16,
    ]);
    expect(linksOf(9, PROTOCOL)).toBe(8);
    const overlay = createOverlay(200, PROTOCOL, createChance(1));
    for (let node = 0; node < 200; node += 1) {
      for (let way = 0; way < overlay.links; way += 1) {
        expect(overlay.neighbour(overlay.neighbour(node, way), way ^ 1)).toBe(node);
      }
    }
    expect(createGossipMesh(100, 4, createChance(1)).links).toBe(4);
  });

  it('have heartbeats that grow seldom, so that the mesh sends no more of them', () => {
    expect(heartbeatEveryMs(10, PROTOCOL)).toBe(5000);
    expect(heartbeatEveryMs(1000, PROTOCOL)).toBe(200_000);
  });
});

describe('look-ups', () => {
  it('find the nearest node that lives, in about log N rounds', () => {
    const chance = createChance(2);
    const routing = createRouting(5000, 20, 3, chance);
    const down = new Set(Array.from({ length: 500 }, () => chance.below(5000)));
    const all = Array.from({ length: 100 }, (_, at) =>
      routing.lookup(at, (node) => !down.has(node), chance),
    );
    expect(all.filter(({ isFound }) => isFound).length).toBeGreaterThan(95);
    expect(Math.max(...all.map(({ rounds }) => rounds))).toBeLessThan(30);
  });
});

describe('the queue of events', () => {
  it('gives them by time, those of one millisecond as they were added, also such that are added meanwhile', () => {
    const wheel = new Wheel(100, 2);
    const seen: string[] = [];
    wheel.add(50, 1, 0, 0);
    wheel.add(10, 2, 0, 0);
    wheel.add(10, 3, 0, 0);
    wheel.add(101, 4, 0, 0);
    wheel.run((kind) => {
      seen.push(`${wheel.nowMs} ${kind}`);
      if (kind === 2) wheel.add(0, 5, 0, 0);
      if (kind === 3) wheel.add(5, 6, 0, 0);
    });
    expect(seen).toEqual(['10 2', '10 3', '10 5', '15 6', '50 1']);
    expect([wheel.done, wheel.waiting]).toEqual([5, 0]);
  });
});

describe('costs', () => {
  it('are found again in what was made of them', () => {
    expect(
      leastSquares(
        [
          [1, 1],
          [1, 2],
          [1, 3],
        ],
        [3, 5, 7],
      ).map((value) => Math.round(value * 1e6) / 1e6),
    ).toEqual([1, 2]);
    const rows = [1, 4, 8, 14].map((nodes) => {
      const receptions = nodes < 2 ? 0 : 2 + nodes / 20;
      const ticks = linksOf(nodes, PROTOCOL) / 2;
      const copies = nodes < 2 ? 0 : (nodes / 5) * receptions;
      return {
        nodes,
        copiesPerSecond: copies,
        idleCpu: (2 + 0.5 * ticks + 0.8 * copies) / 1000,
        idleKilobytesPerSecond: (10 + 100 * ticks + 700 * copies) / 1000,
      };
    });
    const costs = fit(rows);
    expect(costs.tickBytes).toBeCloseTo(100, 3);
    expect(costs.copyBytes).toBeCloseTo(700, 3);
    expect(costs.tickCpuMs).toBeCloseTo(0.5, 5);
    expect(costs.aloneCpuMs).toBeCloseTo(2, 5);
  });
});
