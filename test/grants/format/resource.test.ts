/** Resources as text: how names and URIs are written, and what is refused. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import {
  matchResource,
  parseResource,
  parseTarget,
  promptResource,
  toolResource,
  uriResource,
} from '../../../src/grants/index.ts';
import { isAbilityOf, tryParseTarget } from '../../../src/grants/format/resource.ts';

describe('the resource', () => {
  it('of a tool and of a prompt has the server and each part of the name', () => {
    expect(toolResource('files', 'read_file')).toBe('tool:files/read_file');
    expect(promptResource('files', 'sum up/short')).toBe('prompt:files/sum%20up/short');
    expect(promptResource('my server', "it's*")).toBe('prompt:my%20server/it%27s%2A');
  });

  it.each([
    ['file:///srv/docs/a', 'resource:files/file:/srv/docs/a'],
    ['file:///srv/docs/', 'resource:files/file:/srv/docs'],
    ['demo://host/a', 'resource:files/demo:host/a'],
    ['demo://host', 'resource:files/demo:host'],
    ['demo://host/', 'resource:files/demo:host'],
    ['note:today', 'resource:files/note:|today'],
    ['note:today/first', 'resource:files/note:|today/first'],
    ['plain/name', 'resource:files/plain/name'],
    ['plain', 'resource:files/plain'],
  ])('of the URI %s is %s', (uri, expected) => {
    expect(uriResource('files', uri)).toBe(expected);
    expect(matchResource('resource:files/**', expected)).toBe(true);
  });

  it('of a URI with an encoded dot is no resource: nobody can have it', () => {
    expect(tryParseTarget(uriResource('files', 'file:///srv/%2e%2e/a'))).toBeUndefined();
  });

  it('of a tool names a server and a tool', () => {
    for (const text of ['tool:files', 'tool:*']) {
      expect(() => parseResource(text)).toThrow('a tool is named <server>/<tool>');
    }
    for (const text of ['tool:files/a', 'tool:files/**', 'tool:**', 'tool:a/b/c']) {
      expect(() => parseResource(text)).not.toThrow();
    }
  });

  it('has at most 512 characters', () => {
    expect(() => parseTarget(`board:${'x'.repeat(506)}`)).not.toThrow();
    expect(() => parseTarget(`board:${'x'.repeat(507)}`)).toThrow('longer than 512');
  });

  it.each(['', 'files/a', 'ftp:a', 'toString:a', 'constructor:a', 'tool:', 'board:'])(
    'is none: %j',
    (text) => {
      expect(tryParseTarget(text)).toBeUndefined();
      expect(() => parseTarget(text)).toThrow(StarlingError);
    },
  );

  it('is read decoded and in normal form, an empty piece beside a star too', () => {
    expect(parseTarget('board:caf%C3%A9').segments).toEqual(['caf\u00e9']);
    expect(parseTarget('board:cafe\u0301').segments).toEqual(['caf\u00e9']);
    expect(parseResource('board:*a*').segments).toEqual([['', 'a', '']]);
  });
});

describe('an ability', () => {
  it('is of the closed set of its scheme, or all of them', () => {
    expect(isAbilityOf('tool', 'tool/call')).toBe(true);
    expect(isAbilityOf('tool', '*')).toBe(true);
    expect(isAbilityOf('tool', 'board/read')).toBe(false);
    expect(isAbilityOf('toString', 'tool/call')).toBe(false);
    expect(isAbilityOf('ftp', 'ftp/get')).toBe(false);
  });
});
