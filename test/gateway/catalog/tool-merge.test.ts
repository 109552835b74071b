/** Which tools are listed once for several peers that have them alike. */
import { describe, expect, it } from 'vitest';
import type { ListedTool } from '../../../src/directory/index.ts';
import { mergeTools } from '../../../src/gateway/catalog/tool-merge.ts';
import type { MergeCandidate } from '../../../src/gateway/catalog/tool-merge.ts';

const tool = (name: string, extra: object = {}): ListedTool => ({
  name,
  inputSchema: { type: 'object' },
  ...extra,
});

describe('merging', () => {
  const safe = { annotations: { readOnlyHint: true } };
  const of = (
    peer: string | undefined,
    server: string,
    one: ListedTool,
  ): MergeCandidate<string> => ({
    ...(peer === undefined ? {} : { peer }),
    server,
    tool: one,
    target: `${peer ?? 'own'}/${server}/${one.name}`,
  });
  const show = (
    candidates: MergeCandidate<string>[],
    rule: boolean | string[],
  ): Record<string, string[]> =>
    Object.fromEntries(
      mergeTools(candidates, rule).map(({ peer, server, tool: { name }, targets }) => [
        [...(peer === undefined ? [] : [peer]), server, name].join('/'),
        [...targets],
      ]),
    );

  const alike = [of('alice', 'gpu', tool('run', safe)), of('bob', 'gpu', tool('run', safe))];

  it('lists once what several peers have alike', () => {
    expect(show(alike, true)).toEqual({ 'gpu/run': ['alice/gpu/run', 'bob/gpu/run'] });
  });

  it('names such a tool the same while only one peer has it', () => {
    expect(show(alike.slice(0, 1), true)).toEqual({ 'gpu/run': ['alice/gpu/run'] });
  });

  it('does not happen unless it is asked for', () => {
    expect(Object.keys(show(alike, false))).toEqual(['alice/gpu/run', 'bob/gpu/run']);
  });

  it('leaves alone what may not run twice, unless it was chosen', () => {
    const risky = [of('alice', 'gpu', tool('run')), of('bob', 'gpu', tool('run'))];
    expect(Object.keys(show(risky, true))).toEqual(['alice/gpu/run', 'bob/gpu/run']);
    expect(Object.keys(show(risky, ['gpu/*']))).toEqual(['gpu/run']);
  });

  it('leaves alone tools that only share their name', () => {
    const other = of('bob', 'gpu', tool('run', { ...safe, description: 'other' }));
    expect(Object.keys(show([of('alice', 'gpu', tool('run', safe)), other], true))).toEqual([
      'alice/gpu/run',
      'bob/gpu/run',
    ]);
  });

  it('never takes a call of our own tool elsewhere', () => {
    expect(show([...alike, of(undefined, 'gpu', tool('run', safe))], true)).toEqual({
      'alice/gpu/run': ['alice/gpu/run'],
      'bob/gpu/run': ['bob/gpu/run'],
      'gpu/run': ['own/gpu/run'],
    });
  });
});
