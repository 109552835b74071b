/** What a document is, and what is none: its text, the agents that are read of it, and which goes where there is no room for all. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import {
  DOCUMENT_BYTES_MAX,
  hashOf,
  openDocument,
  sealDocument,
} from '../../../src/directory/documents/document.ts';
import { createDocumentShelf } from '../../../src/directory/documents/document-shelf.ts';
import { readAgents } from '../../../src/directory/read-agents.ts';
import { agentOf, createDocumentWorld, serverOf } from './arrange.ts';

it('is read of agents only as far as they have the shape of one', () => {
  const good = agentOf('one');
  const odd = [
    7,
    null,
    [],
    { ...good, did: 'did:key:zNobody' },
    { ...good, name: 7 },
    { ...good, name: 'x'.repeat(257) },
    { ...good, kind: undefined },
    good,
    { ...good, id: 'again' },
    {
      ...good,
      name: 'two',
      capabilities: ['a', 7, 'x'.repeat(257)],
      maxConcurrentTasks: -1,
      zone: 7,
      more: 1,
    },
  ] as never;
  expect(readAgents(odd)).toEqual([
    good,
    { ...good, name: 'two', capabilities: ['a'], maxConcurrentTasks: 0, zone: '' },
  ]);
  expect(readAgents('x')).toEqual([]);
  const many = Array.from({ length: 1000 }, (_, at) => agentOf(`a${at}`));
  expect(readAgents(many as never).length).toBe(256);
});

it('is no document unless each of its parts is what it has to be', () => {
  const world = createDocumentWorld();
  const [alice, mallory] = [world.node(2), world.node(3)];
  const body = Buffer.from(JSON.stringify({ servers: [serverOf('files')] }));
  const { bytes, hash } = sealDocument(alice.identity, { owner: alice.peerId, version: 7, body });
  const name = { owner: alice.peerId, version: 7, hash };
  expect(openDocument(bytes, name)?.servers.map(({ server }) => server)).toEqual(['files']);
  const wrong = (changed: Uint8Array, more: Partial<typeof name> = {}): void =>
    expect(openDocument(changed, { ...name, hash: hashOf(changed), ...more })).toBeUndefined();
  wrong(bytes, { version: 6 });
  wrong(bytes, { version: 8 });
  wrong(bytes, { owner: mallory.peerId });
  wrong(bytes, { hash: 'ab'.repeat(16) });
  wrong(Buffer.concat([bytes, Buffer.alloc(1)]));
  wrong(sealDocument(mallory.identity, { owner: alice.peerId, version: 7, body }).bytes);
  const flipped = Buffer.from(bytes);
  flipped[40] = (flipped[40] ?? 0) ^ 1;
  wrong(flipped);
  const sealed = (text: string): Uint8Array =>
    sealDocument(alice.identity, { owner: alice.peerId, version: 7, body: Buffer.from(text) })
      .bytes;
  wrong(sealed('{"servers":'));
  wrong(sealed('7'));
  wrong(sealed(`${'['.repeat(5000)}${']'.repeat(5000)}`));
  wrong(
    sealed(`{"servers":[{"server":"a","capabilities":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}]}`),
  );
  wrong(sealed(`{"servers":"${'x'.repeat(DOCUMENT_BYTES_MAX)}"}`));
  const odd = sealed('{"servers":[7,null,{"server":"../x"},{"server":"ok","tools":7}]}');
  expect(openDocument(odd, { ...name, hash: hashOf(odd) })?.servers).toMatchObject([
    { server: 'ok', tools: [] },
  ]);
  // The hash is one of the text that everybody has, and of nothing else.
  expect(hash).toBe(createHash('sha256').update(bytes).digest('hex').slice(0, 32));
});

it('goes first, where there is no room for all, when it is the longest', () => {
  const shelf = createDocumentShelf({ documents: 3, bytes: 1000 });
  const put = (owner: string, sizeBytes: number): readonly string[] =>
    shelf.put({
      owner: owner as never,
      version: 1,
      hash: owner,
      bytes: new Uint8Array(sizeBytes),
    });
  expect([put('a', 100), put('b', 800), put('c', 90)]).toEqual([[], [], []]);
  expect(put('d', 120)).toEqual(['b']);
  expect(put('e', 950)).toEqual(['e']);
  expect(put('a', 10)).toEqual([]);
  expect(shelf.sizeBytes).toBe(10 + 90 + 120);
  shelf.delete('d' as never);
  expect(shelf.sizeBytes).toBe(100);
});
