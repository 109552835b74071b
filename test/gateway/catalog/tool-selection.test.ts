/** Which things a named view shows. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelection } from '../../../src/gateway/catalog/tool-selection.ts';
import type { SelectionRule } from '../../../src/gateway/catalog/tool-selection.ts';

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
