/** Views and merging: which tools a client is shown, and which are offered once for several peers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ListedTool } from '../../../src/directory/index.ts';
import { compileSelection, mergeTools } from '../../../src/gateway/catalog/tool-selection.ts';
import type { Offered, SelectionRule } from '../../../src/gateway/catalog/tool-selection.ts';

const tool = (name: string, extra: object = {}): ListedTool => ({
  name,
  inputSchema: { type: 'object' },
  ...extra,
});

describe('a view', () => {
  const shown = (rule: SelectionRule, path: string, peer?: string): boolean => {
    const [server = '', ...name] = path.split('/');
    return compileSelection(rule)(peer, server, name.join('/'));
  };

  it.each([
    [{}, 'files/read', undefined, true],
    [{ allow: [] }, 'files/read', undefined, false],
    [{ allow: ['files/*'] }, 'files/read', undefined, true],
    [{ allow: ['files/*'] }, 'files/read', 'alice', false],
    [{ allow: ['alice/files/*'] }, 'files/read', 'alice', true],
    [{ allow: ['alice/**'] }, 'files/read', 'alice', true],
    [{ allow: ['alice/**'] }, 'files/read', 'bob', false],
    [{ allow: ['*/files/read_*'] }, 'files/read_file', 'bob', true],
    [{ allow: ['files/*'] }, 'files/a/b', undefined, false],
    [{ allow: ['files/**'] }, 'files/a/b', undefined, true],
    [{ allow: ['*'] }, 'starling/status', undefined, true],
    [{ allow: ['**'] }, 'files/read', 'alice', true],
    [{ deny: ['*/delete_*'] }, 'files/delete_all', undefined, false],
    [{ deny: ['*/delete_*'] }, 'files/read', undefined, true],
    [{ allow: ['files/*'], deny: ['files/read'] }, 'files/read', undefined, false],
    [{ deny: ['starling/*'] }, 'starling/status', undefined, false],
    [{ deny: ['*/*'] }, 'starling/status', undefined, false],
  ])('%j, asked for %s of %s, says %s', (rule, path, peer, is) => {
    expect(shown(rule, path, peer)).toBe(is);
  });

  it('of a pattern that cannot be read says what one looks like', () => {
    expect(() => compileSelection({ allow: ['a/**/b'] })).toThrow(/no pattern of tools/);
    expect(() => compileSelection({ deny: ['a/%zz'] })).toThrow(/no pattern of tools/);
  });

  it('never shows what is denied, nor what is not allowed, whatever the names', () => {
    const part = fc.string({ minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.option(part, { nil: undefined }), part, part, (peer, server, name) => {
        const say = (rule: SelectionRule): boolean => compileSelection(rule)(peer, server, name);
        expect(say({ deny: ['**'] })).toBe(false);
        expect(say({ allow: ['**'], deny: ['**'] })).toBe(false);
        expect(say({ allow: ['*'] })).toBe(true);
        expect(say({ allow: ['no-such-server/x'] })).toBe(false);
      }),
      { seed: 8 },
    );
  });
});

describe('merging', () => {
  const safe = { annotations: { readOnlyHint: true } };
  const of = (peer: string | undefined, server: string, one: ListedTool): Offered<string> => ({
    ...(peer === undefined ? {} : { peer }),
    server,
    tool: one,
    target: `${peer ?? 'own'}/${server}/${one.name}`,
  });
  const show = (offered: Offered<string>[], rule: boolean | string[]): Record<string, string[]> =>
    Object.fromEntries(
      mergeTools(offered, rule).map(({ peer, server, tool: { name }, targets }) => [
        [...(peer === undefined ? [] : [peer]), server, name].join('/'),
        [...targets],
      ]),
    );

  const alike = [of('alice', 'gpu', tool('run', safe)), of('bob', 'gpu', tool('run', safe))];

  it('offers once what several peers have alike', () => {
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
