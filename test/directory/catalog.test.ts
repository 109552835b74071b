/** The directory holds what peers list, within bounds and without what is malformed. */
import { ToolSchema } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { Json, PeerId } from '../../src/core/index.ts';
import { createDirectory, soundTools } from '../../src/directory/index.ts';
import type { ListedTool } from '../../src/directory/index.ts';

const SCHEMA = { type: 'object' };
const LIMITS = { tools: 100, bytes: 100_000 };
const alice = '12D3KooWalice' as PeerId;

function nested(depth: number): Json {
  let value: Json = {};
  for (let level = 0; level < depth; level += 1) value = { inner: value };
  return value;
}

const sound = (listed: readonly unknown[], limits = LIMITS): readonly string[] =>
  soundTools(listed, limits, silentLogger).map((tool) => tool.name);

describe('a list of tools', () => {
  it('keeps every field of a tool', () => {
    const tool = { name: 'a', title: 'A', inputSchema: { type: 'object' }, 'x-new': [1] };
    expect(soundTools([tool], LIMITS, silentLogger)).toEqual([tool]);
  });

  it('drops what is no tool, has a bad name, or comes twice', () => {
    const listed = [null, 1, 'a', [], {}, { name: 1 }, { name: '' }, { name: 'a b' }];
    const names = ['a\n', '…', 'x'.repeat(129), "x';", 'ok', 'ok', 'a/b.c-d_e'];
    expect(sound([...listed, ...names.map((name) => ({ name, inputSchema: SCHEMA }))])).toEqual([
      'ok',
      'a/b.c-d_e',
    ]);
  });

  it('drops a tool whose schema is nested too deeply', () => {
    const deep = { name: 'deep', inputSchema: { ...SCHEMA, properties: nested(5000) } };
    expect(
      sound([deep, { name: 'fine', inputSchema: { ...SCHEMA, properties: nested(20) } }]),
    ).toEqual(['fine']);
  });

  it('is cut at its number of tools and at its bytes', () => {
    const many = Array.from({ length: 200 }, (_, index) => ({
      name: `t${index}`,
      inputSchema: SCHEMA,
    }));
    expect(sound(many)).toHaveLength(100);
    const wide = many.map((tool) => ({ ...tool, description: 'ä'.repeat(1000) }));
    expect(sound(wide)).toHaveLength(48);
  });

  it.each([
    { inputSchema: undefined },
    { inputSchema: 'object' },
    { inputSchema: { type: 'string' } },
    { inputSchema: { ...SCHEMA, properties: { a: true } } },
    { inputSchema: { ...SCHEMA, required: 'a' } },
    { outputSchema: {} },
    { description: 1 },
    { title: {} },
    { annotations: { readOnlyHint: 'yes' } },
    { icons: [{}] },
    { execution: { taskSupport: 'maybe' } },
    { _meta: [] },
  ])('drops a tool for which clients would refuse the whole list: %j', (fields) => {
    expect(sound([{ name: 'bad', inputSchema: SCHEMA, ...fields }])).toEqual([]);
  });

  it('keeps only tools that the official client accepts', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constant(SCHEMA));
    const keys = ['title', 'description', 'outputSchema', 'annotations', 'execution', 'icons'];
    const fields = fc.dictionary(fc.constantFrom(...keys, '_meta', 'x-own'), odd);
    fc.assert(
      fc.property(fields, odd, (extra, inputSchema) => {
        const tool = { ...extra, name: 'a', inputSchema };
        const accepted = ToolSchema.safeParse(tool).success;
        expect(sound([tool])).toEqual(accepted ? ['a'] : []);
      }),
      { seed: 7, numRuns: 1000 },
    );
  });

  it('never throws, whatever was listed, and keeps only proper names', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.jsonValue(), fc.record({ name: fc.string() }))),
        (listed) => {
          for (const name of sound(listed)) expect(name).toMatch(/^[A-Za-z0-9_./-]{1,128}$/);
        },
      ),
      { seed: 1 },
    );
  });
});

describe('the directory', () => {
  const tool = (name: string): ListedTool => ({ name, inputSchema: SCHEMA });

  it('tells of a change once, and not when the list is the same', () => {
    const directory = createDirectory({ logger: silentLogger }, LIMITS);
    const changes: PeerId[] = [];
    directory.events.on('change', (peer) => changes.push(peer));
    directory.set(alice, [tool('a')]);
    directory.set(alice, [tool('a')]);
    directory.set(alice, [tool('a'), tool('b')]);
    expect(changes).toEqual([alice, alice]);
    expect(directory.tools(alice).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('forgets a peer that is cleared', () => {
    const directory = createDirectory({ logger: silentLogger }, LIMITS);
    directory.clear(alice);
    directory.set(alice, [tool('a')]);
    expect(directory.peers()).toEqual([alice]);
    directory.clear(alice);
    expect(directory.peers()).toEqual([]);
    expect(directory.tools(alice)).toEqual([]);
  });
});
