/** URIs that several servers use: their aliases, and the way back. */
import { describe, expect, it } from 'vitest';
import { aliasOf, fitsTemplate, translate } from '../../../src/gateway/catalog/resource-uris.ts';

describe('a URI template', () => {
  it.each([
    ['test://{id}/data', 'test://7/data', true],
    ['test://{id}/data', 'test://7/other', false],
    ['test://{id}/data', 'test:///data', true],
    ['test://fixed', 'test://fixed', true],
    ['test://fixed', 'test://fixed/', false],
    ['a{x}b{y}c', 'a1b2c', true],
    ['a{x}b{y}c', 'a1c', false],
    ['aa{x}aa', 'aaa', false],
    ['a{x}b{y}c', 'abc', true],
    ['a{x}b{y}bc', 'abc', false],
    ['{x}ab{y}ab', 'abab', true],
    ['{x}ab{y}ab', 'ab', false],
    ['a{x}b{y}b{z}c', 'abbc', true],
    ['a{x}b{y}b{z}c', 'abc', false],
  ])('%s may give %s: %s', (template, uri, fits) => {
    expect(fitsTemplate(template, uri)).toBe(fits);
  });

  it('is matched without going back, which would take for ever', () => {
    const template = `${'a{x}'.repeat(20_000)}b`;
    expect(fitsTemplate(template, 'a'.repeat(100_000))).toBe(false);
  });
});

describe('the alias of a URI', () => {
  it('is a URI, and names its server', () => {
    expect(aliasOf('alice__files', 'test://a b/ü')).toBe(
      'starling://alice__files/test%3A%2F%2Fa%20b%2F%C3%BC',
    );
  });

  it.each(['test://{id}/x', 'test://{+path}', 'test://x{?q,r}', 'test://{a}{/b*}', 'test://{#f}'])(
    'of the template %s has the same expressions',
    (template) => {
      const expressions = /\{[^}]*\}/g;
      expect(aliasOf('s', template).match(expressions)).toEqual(template.match(expressions));
    },
  );

  it.each([
    ['test://{id}/data', '42', 'test://42/data'],
    ['test://{id}/data', 'a%20b', 'test://a%20b/data'],
    ['test://{+path}', 'a/b', 'test://a/b'],
    ['test://x{?q}', '?q=1', 'test://x?q=1'],
    ['x:{id}', '{id}', 'x:{id}'],
  ])('of the template %s, filled with %s, leads back to %s', (template, value, uri) => {
    const alias = aliasOf('s', template);
    expect(translate(alias.replace(/\{[^}]*\}/, value), alias, template)).toBe(uri);
  });

  it('of a template with several expressions leads back to all of them', () => {
    const template = 'test://{a}/x/{b}/y{c}';
    const alias = aliasOf('s', template);
    const filled = alias.replace('{a}', '1').replace('{b}', '22').replace('{c}', '333');
    expect(translate(filled, alias, template)).toBe('test://1/x/22/y333');
  });

  it('that does not come from the template stays as it is', () => {
    expect(translate('starling://other/1', aliasOf('s', 'test://{a}/x'), 'test://{a}/x')).toBe(
      'starling://other/1',
    );
  });

  it('that is none stays as it is', () => {
    expect(translate('test://1/data', 'test://{id}/data', 'test://{id}/data')).toBe(
      'test://1/data',
    );
  });
});
