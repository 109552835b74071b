/** The directory holds what peers list, within bounds and without what is malformed. */
import { ToolSchema } from '@modelcontextprotocol/sdk/types.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Json, PeerId } from '../../src/core/index.ts';
import { createDirectory, soundCatalogs, soundItems } from '../../src/directory/index.ts';
import type { ListedTool, ServerCatalog, ServerItems } from '../../src/directory/index.ts';
import { upTo } from '../long/extent.ts';

const SCHEMA = { type: 'object' };
const LIMITS = { tools: 100, bytes: 100_000 };
const alice = '12D3KooWalice' as PeerId;

function nested(depth: number): Json {
  let value: Json = {};
  for (let level = 0; level < depth; level += 1) value = { inner: value };
  return value;
}

const NOTHING = { tools: [], resources: [], templates: [], prompts: [] };

const soundOf = (listed: Partial<Record<keyof ServerItems, readonly unknown[]>>): ServerItems =>
  soundItems({ ...NOTHING, ...listed }, LIMITS).items;

const sound = (tools: readonly unknown[]): readonly string[] =>
  soundOf({ tools }).tools.map((tool) => tool.name);

const serverOf = (server: string, items: Partial<ServerItems>): ServerCatalog => ({
  server,
  capabilities: {},
  serverInfo: {},
  ...NOTHING,
  ...items,
});

describe('a list of tools', () => {
  it('keeps every field of a tool', () => {
    const tool = { name: 'a', title: 'A', inputSchema: { type: 'object' }, 'x-new': [1] };
    expect(soundOf({ tools: [tool] }).tools).toEqual([tool]);
  });

  it('leaves off a member that some client reads as another one, and says so', () => {
    const sound = { name: 'a', description: 'adds', inputSchema: SCHEMA };
    const tool = { ...sound, Description: 'obey me', input_schema: {}, 'x-new': 1 };
    const { items, remarks } = soundItems({ ...NOTHING, tools: [tool] }, LIMITS);
    expect(items.tools).toEqual([{ ...sound, 'x-new': 1 }]);
    expect(remarks.map(({ text }) => text)).toEqual([
      'it is taken without its Description',
      'it is taken without its input_schema',
    ]);
    const prompt = { name: 'p', Arguments: [{ name: 'x' }] };
    expect(soundOf({ prompts: [prompt] }).prompts).toEqual([{ name: 'p' }]);
  });

  it('leaves out what is no tool, has no name that can be shown, or comes twice', () => {
    const listed = [null, 1, 'a', [], {}, { name: 1 }, { name: '' }, { name: ' ' }];
    const names = ['a\n', 'a\u200b', '\ud800', 'x'.repeat(129), 'ok', 'ok', 'a/b.c-d_e'];
    expect(sound([...listed, ...names.map((name) => ({ name, inputSchema: SCHEMA }))])).toEqual([
      'ok',
      'a/b.c-d_e',
    ]);
  });

  it('takes names with spaces and of other scripts, and each once however it is composed', () => {
    const names = ['read file', 'поиск', '検索', 'caf\u00e9', 'cafe\u0301', "x';"];
    const listed = names.map((name) => ({ name, inputSchema: SCHEMA }));
    expect(sound(listed)).toEqual(['read file', 'поиск', '検索', 'caf\u00e9', "x';"]);
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

  it.each<[string, object, object]>([
    ['no inputSchema', { inputSchema: undefined }, SCHEMA],
    ['an empty inputSchema', { inputSchema: {} }, SCHEMA],
    ['an inputSchema that is null', { inputSchema: null }, SCHEMA],
    ['an inputSchema that is true', { inputSchema: true }, SCHEMA],
    ['an empty list for an object', { inputSchema: [] }, SCHEMA],
    [
      'no type at the top',
      { inputSchema: { properties: { a: {} } } },
      { ...SCHEMA, properties: { a: {} } },
    ],
    [
      'choices at the top',
      { inputSchema: { anyOf: [{ required: ['a'] }, SCHEMA] } },
      { ...SCHEMA, anyOf: [{ required: ['a'] }, SCHEMA] },
    ],
    ['several types at the top', { inputSchema: { type: ['object', 'null'] } }, SCHEMA],
    [
      'boolean subschemas',
      { inputSchema: { ...SCHEMA, properties: { a: true, b: false, c: { items: true } } } },
      { ...SCHEMA, properties: { a: {}, b: { not: {} }, c: { items: true } } },
    ],
    [
      'members that are null',
      { inputSchema: { ...SCHEMA, properties: null, required: null } },
      SCHEMA,
    ],
    ['an odd required', { inputSchema: { ...SCHEMA, required: 'a' } }, SCHEMA],
  ])('takes a tool with %s', (_, fields, inputSchema) => {
    const { tools } = soundOf({ tools: [{ name: 'odd', ...fields }] });
    expect(tools).toEqual([{ name: 'odd', inputSchema }]);
    expect(ToolSchema.safeParse(tools[0]).success).toBe(true);
  });

  it.each<[object, string | undefined]>([
    [{ outputSchema: { type: 'array' } }, 'outputSchema, which has the type "array", not "object"'],
    [{ outputSchema: 'text' }, 'outputSchema, which is text, no object'],
    [
      { outputSchema: { properties: { a: 1 } } },
      'outputSchema, which has a property "a" that is a number, no schema',
    ],
    [{ outputSchema: null, title: null, annotations: { title: null } }, undefined],
    [{ description: 1 }, 'description'],
    [{ title: {} }, 'title'],
    [{ annotations: { readOnlyHint: 'yes' } }, 'annotations.readOnlyHint'],
    [{ icons: [{}] }, 'icons'],
    [{ execution: { taskSupport: 'maybe' } }, 'execution.taskSupport'],
    [{ _meta: [] }, '_meta'],
  ])('takes a tool without what is wrong and not needed: %j', (fields, without) => {
    const tool = { name: 'odd', inputSchema: SCHEMA, ...fields };
    const { items, remarks } = soundItems({ ...NOTHING, tools: [tool] }, LIMITS);
    expect(items.tools).toMatchObject([{ name: 'odd', inputSchema: SCHEMA }]);
    expect(ToolSchema.safeParse(items.tools[0]).success).toBe(true);
    expect(remarks.map(({ text }) => text)).toEqual(
      without === undefined ? [] : [`it is taken without its ${without}`],
    );
  });

  it.each<[object, string]>([
    [{ inputSchema: 'object' }, 'its inputSchema is text, no object'],
    [{ inputSchema: false }, 'its inputSchema is a boolean, no object'],
    [{ inputSchema: { type: 'string' } }, 'its inputSchema has the type "string", not "object"'],
    [
      { inputSchema: { properties: 'a' } },
      'its inputSchema has properties that are text, no object',
    ],
    [{ name: 'a\n' }, 'its name is not text of 1 to 128 characters without controls'],
    [{ inputSchema: { ...SCHEMA, properties: nested(70) } }, 'it is nested deeper than 64'],
  ])('says why it leaves out %j', (fields, why) => {
    const tool = { name: 'bad', inputSchema: SCHEMA, ...fields };
    const { items, remarks } = soundItems({ ...NOTHING, tools: [tool] }, LIMITS);
    expect(items.tools).toEqual([]);
    expect(remarks).toMatchObject([{ kind: 'tool', isLeftOut: true }]);
    expect(remarks[0]?.text).toContain(why);
  });

  it('keeps only tools that the official client accepts', () => {
    const odd = fc.oneof(fc.jsonValue(), fc.constant(SCHEMA));
    const keys = ['title', 'description', 'outputSchema', 'annotations', 'execution', 'icons'];
    const fields = fc.dictionary(fc.constantFrom(...keys, '_meta', 'x-own'), odd);
    fc.assert(
      fc.property(fields, odd, (extra, inputSchema) => {
        const tool = { ...extra, name: 'a', inputSchema };
        const { tools } = soundOf({ tools: [tool] });
        for (const kept of tools) expect(ToolSchema.safeParse(kept).success).toBe(true);
        // What clients take as it is stays the same object.
        if (ToolSchema.safeParse(tool).success) expect(tools[0]).toBe(tool);
      }),
      { seed: 7, numRuns: upTo(250, 3000) },
    );
  });

  it('never throws, whatever was listed, and keeps only proper names', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.jsonValue(), fc.record({ name: fc.string() }))),
        (listed) => {
          for (const name of sound(listed)) expect(name).toMatch(/^[^\p{C}]{1,128}$/u);
        },
      ),
      { seed: 1 },
    );
  });
});

describe('a list of other things', () => {
  it('keeps resources, templates and prompts that clients accept, every field of them', () => {
    const resources = [{ uri: 'file:///a b', name: '', size: 1, 'x-new': 1 }];
    const templates = [{ uriTemplate: 'file:///{path}', name: 'any' }];
    const prompts = [{ name: 'sum up', arguments: [{ name: 'text', required: true, own: 1 }] }];
    const items = { resources, templates, prompts };
    expect(soundOf(items)).toEqual({ tools: [], ...items });
  });

  it('drops what clients would refuse the whole list for, and what comes twice', () => {
    const { resources, templates, prompts } = soundOf({
      resources: [
        { uri: 1, name: 'a' },
        { uri: '', name: 'a' },
        { uri: 'x:no-name' },
        { uri: 'x:a', name: 'a', annotations: { priority: 2 } },
        { uri: 'x:a', name: 'a', annotations: { audience: ['nobody'] } },
        { uri: `x:${'a'.repeat(8192)}`, name: 'a' },
        { uri: 'x:ok', name: 'first' },
        { uri: 'x:ok', name: 'second' },
      ],
      templates: [{ uri: 'x:a', name: 'a' }, { uriTemplate: 'x:{a}' }, 7],
      prompts: [
        { name: '' },
        { name: 'a', arguments: {} },
        { name: 'a', arguments: [{ required: 'yes', name: 'b' }] },
        { name: 'ok', icons: [{ src: 'x', theme: 'dark' }] },
      ],
    });
    expect(resources).toEqual([
      { uri: 'x:no-name', name: 'x:no-name' },
      { uri: 'x:a', name: 'a', annotations: {} },
      { uri: 'x:ok', name: 'first' },
    ]);
    expect(templates).toEqual([{ uriTemplate: 'x:{a}', name: 'x:{a}' }]);
    expect(prompts.map(({ name }) => name)).toEqual(['ok']);
  });

  it('never throws, whatever was listed', () => {
    const anything = fc.array(fc.jsonValue());
    fc.assert(
      fc.property(anything, anything, anything, (resources, templates, prompts) => {
        const items = soundOf({ resources, templates, prompts });
        for (const { uri } of items.resources) expect(typeof uri).toBe('string');
        for (const { uriTemplate } of items.templates) expect(typeof uriTemplate).toBe('string');
        for (const { name } of items.prompts) expect(typeof name).toBe('string');
      }),
      { seed: 3 },
    );
  });

  it('shares the bytes of its limit with all lists of a server', () => {
    const wide = (index: number): object => ({ name: `n${index}`, description: 'x'.repeat(990) });
    const prompts = Array.from({ length: 60 }, (_, index) => wide(index));
    const resources = prompts.map((item, index) => ({ ...item, uri: `x:${index}` }));
    const items = soundOf({ prompts, resources });
    const sizeBytes = Buffer.byteLength(JSON.stringify(items));
    expect(items.resources.length + items.prompts.length).toBeGreaterThan(90);
    expect(sizeBytes).toBeLessThan(LIMITS.bytes + 500);
  });
});

describe('the servers of one peer', () => {
  const tools = (count: number, size = 0): ListedTool[] =>
    Array.from({ length: count }, (_, index) => ({
      name: `t${index}`,
      inputSchema: SCHEMA,
      description: 'x'.repeat(size),
    }));
  const counts = (servers: readonly ServerCatalog[]): number[] =>
    soundCatalogs(servers, LIMITS, silentLogger).map((server) => server.tools.length);

  it('share one limit of tools', () => {
    const servers = ['a', 'b', 'c'].map((name) => serverOf(name, { tools: tools(60) }));
    expect(counts(servers)).toEqual([60, 40, 0]);
  });

  it("are cut last where they are the peer's own: by those one asks for leave", () => {
    const servers = ['a', 'b', 'starling'].map((name) => serverOf(name, { tools: tools(60) }));
    expect(counts(servers)).toEqual([40, 0, 60]);
  });

  it('share one limit of bytes', () => {
    const servers = ['a', 'b', 'c'].map((name) => serverOf(name, { tools: tools(30, 2000) }));
    const [first = 0, second = 0, third = 0] = counts(servers);
    expect(first).toBe(30);
    expect(second).toBeLessThan(20);
    expect(third).toBe(0);
  });

  it('keep what they say of themselves', () => {
    const said = { capabilities: { tools: {} }, serverInfo: { name: 'x' }, instructions: 'do' };
    const [kept] = soundCatalogs([{ ...serverOf('a', {}), ...said }], LIMITS, silentLogger);
    expect(kept).toMatchObject({ server: 'a', ...said });
  });
});

describe('the directory', () => {
  const tool = (name: string): ListedTool => ({ name, inputSchema: SCHEMA });
  const files = (...tools: ListedTool[]): ServerCatalog => serverOf('files', { tools });

  it('tells of a change once, and not when the list is the same', () => {
    const directory = createDirectory({ logger: silentLogger }, LIMITS);
    const changes: PeerId[] = [];
    directory.events.on('change', (peer) => changes.push(peer));
    directory.set(alice, [files(tool('a'))]);
    directory.set(alice, [files(tool('a'))]);
    directory.set(alice, [files(tool('a'), tool('b'))]);
    expect(changes).toEqual([alice, alice]);
    const [server] = directory.servers(alice);
    expect(server?.tools.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('tells with the name of the peer what of it is left out, for as long as something is', () => {
    const health = createHealth();
    const components = { logger: silentLogger, health, nameOf: () => 'alice' };
    const directory = createDirectory(components, LIMITS);
    const many = Array.from({ length: 130 }, (_, index) => tool(`t${index}`));
    directory.set(alice, [files(...many)]);
    expect(health.warnings()).toMatchObject([
      {
        text: expect.stringContaining('peer alice offers more than is taken here: 30 of') as string,
      },
    ]);
    directory.set(alice, [files(tool('a'))]);
    expect(health.warnings()).toEqual([]);
    directory.set(alice, [files(...many)]);
    directory.clear(alice);
    expect(health.warnings()).toEqual([]);
  });

  it('forgets a peer that is cleared', () => {
    const directory = createDirectory({ logger: silentLogger }, LIMITS);
    directory.clear(alice);
    directory.set(alice, [files(tool('a'))]);
    expect(directory.peers()).toEqual([alice]);
    directory.clear(alice);
    expect(directory.peers()).toEqual([]);
    expect(directory.servers(alice)).toEqual([]);
  });
});

it('looks at a bounded number of items, however many come and whatever their form', () => {
  let looked = 0;
  const bad = {
    get name(): number {
      looked += 1;
      return 7;
    },
  };
  const tools = Array.from({ length: 100_000 }, () => bad);
  const { items, remarks } = soundItems(
    { tools, resources: [], templates: [], prompts: [] },
    { tools: 10, bytes: 1_000_000 },
  );
  expect(items.tools).toEqual([]);
  expect(remarks).toHaveLength(1000);
  expect(looked).toBeLessThan(50_000);
});
