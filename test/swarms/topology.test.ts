/** What each topology lets through, and nothing else. */
import { expect, it } from 'vitest';
import { FAN, SWARM_AGENTS_MAX } from '../../src/swarms/limits.ts';
import { edgesAround, edgesOf } from '../../src/swarms/topology.ts';
import type { Topology } from '../../src/swarms/types.ts';

const written = (topology: Topology, count: number): string[] =>
  edgesOf(topology, count).map(({ from, to, task }) => `${from}${task ? '=>' : '->'}${to}`);

it('a mesh is each to each, with tasks', () => {
  expect(written('mesh', 3)).toEqual(['0=>1', '0=>2', '1=>0', '1=>2', '2=>0', '2=>1']);
});

it('a star is the hub to each and each to the hub; leaves give no tasks and do not meet', () => {
  expect(written('star', 3)).toEqual(['0=>1', '1->0', '0=>2', '2->0']);
});

it('a ring is each to the next one', () => {
  expect(written('ring', 3)).toEqual(['0=>1', '1=>2', '2=>0']);
  expect(written('ring', 2)).toEqual(['0=>1', '1=>0']);
});

it('a tree leads downwards, answers upwards, and is four deep at the most', () => {
  expect(written('hierarchical', FAN + 2)).toContain(`1=>${FAN + 1}`);
  expect(written('hierarchical', FAN + 2)).not.toContain(`0=>${FAN + 1}`);
  const edges = edgesOf('hierarchical', SWARM_AGENTS_MAX);
  const depthOf = (place: number): number => {
    const up = edges.find(({ from, task }) => from === place && !task);
    return up === undefined ? 1 : 1 + depthOf(up.to);
  };
  expect(depthOf(SWARM_AGENTS_MAX - 1)).toBe(4);
  expect(edges).toHaveLength(2 * (SWARM_AGENTS_MAX - 1));
});

it.each(['mesh', 'star', 'ring', 'hierarchical'] as const)(
  'a %s of one, or of none, has no edges',
  (topology) => {
    expect([edgesOf(topology, 0), edgesOf(topology, 1)]).toEqual([[], []]);
  },
);

const around = (topology: Topology, count: number, ...gone: readonly number[]): string[] =>
  edgesAround(topology, count, (place) => gone.includes(place))
    .slice(edgesOf(topology, count).length)
    .map(({ from, to, task }) => `${from}${task ? '=>' : '->'}${to}`);

it('goes on around members that are gone, keeps what there was, and adds no more than that', () => {
  expect(around('ring', 4, 1)).toEqual(['0=>2']);
  expect(around('ring', 4, 1, 2)).toEqual(['0=>3']);
  expect(around('ring', 4)).toEqual([]);
  expect(around('ring', 3, 0, 1)).toEqual([]);
  expect(around('star', 4, 0)).toEqual(['1=>2', '2->1', '1=>3', '3->1']);
  expect(around('star', 4, 2)).toEqual([]);
  expect(around('mesh', 4, 2)).toEqual([]);
  // 1 leads 5 and 6; 0 leads 1.
  expect(around('hierarchical', 7, 1)).toEqual(['0=>5', '5->0', '0=>6', '6->0']);
  expect(around('hierarchical', 3, 0)).toEqual(['1=>2', '2->1']);
  expect(around('hierarchical', 3, 0, 1, 2)).toEqual([]);
});
