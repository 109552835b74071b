/** What a peer lists to all stands beside what it has granted, and never in its place. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createDirectory } from '../../src/directory/index.ts';
import { catalogOf } from './arrange.ts';

const ALICE = 'alice' as PeerId;
const tool = (name: string, description = '') => ({
  name,
  description,
  inputSchema: { type: 'object' },
});

it('is what was granted first, then what is listed, which says that it is not granted', () => {
  const directory = createDirectory({ logger: silentLogger }, { tools: 100, bytes: 100_000 });
  let changes = 0;
  directory.events.on('change', () => (changes += 1));
  const tools = (): unknown =>
    directory
      .servers(ALICE)
      .map(({ server, tools: all }) => [
        server,
        all.map(({ name, description, _meta }) => [name, description, _meta]),
      ]);
  const listed = { 'starling/granted': false };
  directory.setListed(ALICE, [catalogOf('files', { tools: [tool('read'), tool('write')] })]);
  expect(tools()).toEqual([
    [
      'files',
      [
        ['read', '', listed],
        ['write', '', listed],
      ],
    ],
  ]);
  directory.set(ALICE, [
    catalogOf('git', { tools: [tool('log')] }),
    catalogOf('files', { tools: [tool('write', 'granted'), tool('secret')] }),
  ]);
  expect(tools()).toEqual([
    ['git', [['log', '', undefined]]],
    [
      'files',
      [
        ['write', 'granted', undefined],
        ['secret', '', undefined],
        ['read', '', listed],
      ],
    ],
  ]);
  directory.setListed(ALICE, []);
  expect(directory.servers(ALICE).flatMap(({ tools: all }) => all.map(({ name }) => name))).toEqual(
    ['log', 'write', 'secret'],
  );
  directory.setListed(ALICE, [catalogOf('files', { tools: [tool('read')] })]);
  directory.clear(ALICE);
  expect(tools()).toEqual([['files', [['read', '', listed]]]]);
  directory.clear(ALICE);
  directory.setListed(ALICE, []);
  directory.setListed(ALICE, []);
  expect([directory.servers(ALICE), directory.peers()]).toEqual([[], []]);
  expect(changes).toBe(6);
});

it('takes no room from what was granted, and nothing that is odd comes through', () => {
  const directory = createDirectory({ logger: silentLogger }, { tools: 2, bytes: 100_000 });
  directory.setListed(ALICE, [
    catalogOf('files', { tools: [7, null, tool('a'), tool('b')] as never }),
  ]);
  const names = (): readonly string[] =>
    directory.servers(ALICE).flatMap(({ tools }) => tools.map(({ name }) => name));
  expect(names()).toEqual(['a', 'b']);
  directory.set(ALICE, [catalogOf('files', { tools: [tool('c'), tool('d')] })]);
  expect(names()).toEqual(['c', 'd']);
});
