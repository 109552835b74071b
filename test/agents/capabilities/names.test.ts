/** Versions of capabilities, and ranges of them; the table is by the words of semver.org and npm. */
import { expect, it } from 'vitest';
import { isInRange, offers } from '../../../src/agents/capabilities/names.ts';

const TABLE: readonly (readonly [
  range: string,
  inside: readonly string[],
  outside: readonly string[],
])[] = [
  ['1.2.3', ['1.2.3', 'v1.2.3', '1.2.3+build'], ['1.2.4', '1.2.2', '1.2.3-rc.1']],
  ['1.2', ['1.2.0', '1.2.9'], ['1.3.0', '1.1.9', '1.3.0-alpha']],
  ['1.x', ['1.0.0', '1.9.9'], ['2.0.0', '0.9.9', '2.0.0-rc']],
  ['*', ['0.0.1', '99.0.0'], ['1.0.0-rc']],
  ['^1.2.3', ['1.2.3', '1.9.0'], ['1.2.2', '2.0.0', '2.0.0-rc.1', '1.3.0-rc.1']],
  ['^0.2.3', ['0.2.3', '0.2.9'], ['0.3.0', '0.2.2']],
  ['^0.0.3', ['0.0.3'], ['0.0.4']],
  ['^1', ['1.0.0', '1.5.0'], ['2.0.0']],
  ['~1.2.3', ['1.2.3', '1.2.9'], ['1.3.0', '1.2.2']],
  ['~1', ['1.0.0', '1.9.0'], ['2.0.0']],
  ['>=1.0 <2', ['1.0.0', '1.9.9'], ['2.0.0', '0.9.9', '2.0.0-rc.1']],
  ['>1.2', ['1.3.0'], ['1.2.9']],
  ['<=1.2', ['1.2.9', '1.0.0'], ['1.3.0']],
  ['1.2.3-rc.2', ['1.2.3-rc.2'], ['1.2.3-rc.1', '1.2.3']],
  ['>=1.2.3-rc.2', ['1.2.3-rc.2', '1.2.3-rc.10', '1.2.3', '2.0.0'], ['1.2.3-rc.1', '1.2.4-rc.3']],
  ['^1.0 || ^3.0', ['1.4.0', '3.1.0'], ['2.0.0']],
  ['nonsense', [], ['1.0.0', 'nonsense']],
  ['', [], ['1.0.0']],
];

it.each(TABLE)('the range %s has what it should', (range, inside, outside) => {
  for (const version of inside) expect(isInRange(version, range), version).toBe(true);
  for (const version of outside) expect(isInRange(version, range), version).toBe(false);
});

it('a capability is asked for by name, as a whole, or by a range of versions', () => {
  const offered = ['summarise@1.2.0', 'translate', 'odd@latest'];
  const can = (wanted: string): boolean => offers(offered, wanted);
  expect(
    ['summarise', 'summarise@1.2.0', 'summarise@^1.0', 'translate', 'odd', 'odd@latest'].map(can),
  ).toEqual(Array.from({ length: 6 }, () => true));
  expect(['summarise@2', 'translate@1', 'summar', 'odd@1', '@', 'summarise@'].map(can)).toEqual(
    Array.from({ length: 6 }, () => false),
  );
});
