/** Bars of a mesh of many nodes: which there are for what was measured, and what fails where nothing could be. */
import { describe, expect, it } from 'vitest';
import { judgeScale } from '../../../sim/bench/scale/scale.ts';
import type { CutRow } from '../../../sim/bench/scale/cuts.ts';
import type { OneProcessRow } from '../../../sim/bench/scale/one-process.ts';

const oneProcess = (nodes: number, init: Partial<OneProcessRow> = {}): OneProcessRow => ({
  nodes,
  knownMs: 100,
  joinCpuMs: 100,
  idleInJoinMs: 10,
  pairs: 3,
  streamsPerPair: 5,
  connectionsPerPair: 1,
  kilobytesPerNode: 1,
  storeWritesPerNode: 1,
  publishedPerNode: 1,
  copiesPerNode: 1,
  idleCpu: 0.005,
  idleKilobytesPerSecond: 1,
  receptions: 2,
  copiesPerSecond: 1,
  protocols: [],
  ...init,
});
const cut = (title: string, init: Partial<CutRow> = {}): CutRow => ({
  title,
  nodes: 10,
  loss: 0.05,
  killMissedMs: 1000,
  killDeadMs: 3000,
  cutMissedMs: 9000,
  cutDeadMs: 11_000,
  falseDeaths: 0,
  busyMs: 60_000,
  ...init,
});
const failed = (figures: Partial<Parameters<typeof judgeScale>[0]>): readonly string[] =>
  judgeScale({ oneProcess: [], joins: [], floors: [], processes: [], cuts: [], ...figures })
    .filter(({ pass }) => !pass)
    .map(({ title }) => title);

describe('a mesh in one process', () => {
  it('has to stay as cheap when it grows, to join and to idle', () => {
    const small = oneProcess(10);
    const meshes = (big: OneProcessRow): readonly string[] =>
      failed({ oneProcess: [small, big], joins: [small, big] });
    expect(meshes(oneProcess(50))).toEqual([]);
    expect(meshes(oneProcess(50, { joinCpuMs: 150, idleCpu: 0.007 }))).toEqual([
      'idle CPU, most nodes × least',
      'CPU to join, most nodes × 10',
    ]);
  });

  it('joins for a fifth of a second of CPU over memory that vouches, whatever its handshakes would cost', () => {
    const [join, dear] = [oneProcess(25), oneProcess(25, { joinCpuMs: 211 })];
    expect(failed({ oneProcess: [dear], joins: [join] })).toEqual([]);
    expect(failed({ oneProcess: [join], joins: [dear] })).toEqual([
      '25 in one process: CPU to join, s a node',
    ]);
    // What its nodes used while others still came is idle CPU, which has a bar.
    const long = oneProcess(25, { joinCpuMs: 260, idleInJoinMs: 61 });
    expect(failed({ joins: [long] })).toEqual([]);
  });

  it('has no more links than neighbours may be, once all are too many for that', () => {
    expect(
      failed({ oneProcess: [oneProcess(9, { pairs: 36 }), oneProcess(25, { pairs: 200 })] }),
    ).toEqual([]);
    expect(failed({ oneProcess: [oneProcess(25, { pairs: 300 })] })).toEqual([
      '25 in one process: links a node',
    ]);
  });

  it('is not asked to idle where that was not measured', () => {
    const idle = { idleCpu: NaN, idleKilobytesPerSecond: NaN, receptions: 0 };
    expect(failed({ oneProcess: [oneProcess(10), oneProcess(200, idle)] })).toEqual([]);
  });
});

describe('a mesh of which one is cut off', () => {
  it('notices within the bars, and no later than Serf in the same run', () => {
    expect(failed({ cuts: [cut('starling'), cut('serf 1')] })).toEqual([]);
    expect(failed({ cuts: [cut('starling'), cut('serf 1', { cutMissedMs: 8000 })] })).toEqual([
      '10 hosts, 5 % loss: silent cut known, s',
    ]);
    expect(failed({ cuts: [cut('starling', { falseDeaths: 1 })] })).toEqual([
      '10 hosts, 5 % loss: living had dead, 60 s of busy loops',
    ]);
  });

  it('fails all of them where it could not be measured', () => {
    const never = { killMissedMs: NaN, killDeadMs: NaN, cutMissedMs: NaN, falseDeaths: NaN };
    expect(failed({ cuts: [cut('starling', never)] })).toHaveLength(4);
  });
});
