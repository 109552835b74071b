/** The word by which peers know that a catalog is another: what all members may know of it. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  NOTHING_OFFERED,
  createCatalogDigest,
} from '../../../src/gateway/catalog/catalog-digest.ts';
import type { Upstreams } from '../../../src/gateway/types.ts';

/** Servers whose lists a test changes. */
function serversOf(names: readonly string[]) {
  const tools = new Map(names.map((name) => [name, [{ name: 'read' }]]));
  const events = new EventEmitter();
  const catalogs = new Map<string, unknown>();
  const set = (server: string, list: readonly { readonly name: string }[]): void => {
    const empty = { resources: [], templates: [], prompts: [] };
    catalogs.set(server, { server, capabilities: {}, serverInfo: {}, tools: list, ...empty });
    events.emit('change');
  };
  for (const [server, list] of tools) set(server, list);
  const all = () => [...catalogs].map(([server, catalog]) => ({ server, catalog: () => catalog }));
  return { set, upstreams: { all, events } as unknown as Pick<Upstreams, 'all' | 'events'> };
}

describe('the digest of a catalog', () => {
  it('stays while the catalog does, and is another with each change, told once', () => {
    const { set, upstreams } = serversOf(['files']);
    const digest = createCatalogDigest(upstreams);
    const first = digest.current();
    let changes = 0;
    digest.onChange(() => (changes += 1));
    expect(digest.current()).toBe(first);
    set('files', [{ name: 'read' }, { name: 'write' }]);
    expect(digest.current()).not.toBe(first);
    expect([digest.current(), changes]).toEqual([digest.current(), 1]);
    digest.stop();
  });

  it('says that nothing is offered, and of anything else nothing that could be guessed', () => {
    expect(createCatalogDigest(serversOf([]).upstreams).current()).toBe(NOTHING_OFFERED);
    // Whoever guesses the whole catalog reckons with a secret of its own.
    const guesses = [1, 2, 3].map(() =>
      createCatalogDigest(serversOf(['files']).upstreams).current(),
    );
    expect(new Set([...guesses, NOTHING_OFFERED]).size).toBe(4);
  });
});
