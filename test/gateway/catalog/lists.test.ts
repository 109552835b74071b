/** Lists as callers get them: what things are called, on which pages, and where they lead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject, PeerId } from '../../../src/core/index.ts';
import type { ServerItems } from '../../../src/directory/index.ts';
import { createLists, paginate } from '../../../src/gateway/catalog/lists.ts';
import type { ListKind, Lists, ListsInit } from '../../../src/gateway/catalog/lists.ts';
import { factsOf, jointFacts } from '../../../src/gateway/catalog/server-facts.ts';
import { quarantineKey } from '../../../src/gateway/catalog/sources.ts';
import type { QuarantinedItem, Source } from '../../../src/gateway/catalog/sources.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import { catalogOf } from '../../directory/arrange.ts';
import { upTo } from '../../long/extent.ts';

const PREFIXED: ListsInit = { naming: 'prefixed' };

function source(server: string, items: Partial<ServerItems>, alias?: string): Source {
  const peer = {
    peerId: `id of ${alias}` as PeerId,
    did: `did:key:${alias}`,
    alias,
    state: 'alive',
    lastHeartbeatAt: 0,
  } as PeerView;
  return { catalog: catalogOf(server, items), ...(alias === undefined ? {} : { peer }) };
}

const resource = (uri: string, more: JsonObject = {}): ServerItems['resources'][number] => ({
  uri,
  name: uri,
  ...more,
});
const template = (uriTemplate: string): ServerItems['templates'][number] => ({
  uriTemplate,
  name: uriTemplate,
});
const tool = (name: string): ServerItems['tools'][number] => ({
  name,
  inputSchema: { type: 'object' },
});

/** Server and own name of what is called `name`. */
function leads(lists: Lists, kind: ListKind, name: string): string | undefined {
  const found = lists.locate(kind, name);
  return found === undefined ? undefined : `${found.source.catalog.server} ${found.name}`;
}

describe('a schema', () => {
  it('is made when somebody lists its tool, and neither to find one nor to tell what there is', () => {
    const made: string[] = [];
    const late = (name: string): ServerItems['tools'][number] => ({
      name,
      get inputSchema() {
        made.push(name);
        return { type: 'object' };
      },
    });
    const tools = ['read', 'write'].map(late);
    for (const naming of ['plain', 'prefixed'] as const) {
      const lists = createLists([source('files', { tools })], { naming });
      const [first = ''] = lists.names('tools');
      expect(leads(lists, 'tools', first)).toBe('files read');
      expect(made).toEqual([]);
      expect(String(lists.page('tools', 0))).toContain('"inputSchema":{"type":"object"}');
      expect(new Set(made.splice(0))).toEqual(new Set(['read', 'write']));
    }
    const lists = createLists([source('files', { tools })], PREFIXED);
    expect(lists.item('tools', 'files__read')).toMatchObject({ name: 'files__read' });
    expect(lists.item('tools', 'files__none')).toBeUndefined();
    expect(made).toEqual(['read']);
  });
});

describe('URIs of several servers', () => {
  it('stay as they are while they differ', () => {
    const lists = createLists(
      [
        source('files', { resources: [resource('file:///a b')] }),
        source('git', { resources: [resource('git://log')] }, 'alice'),
      ],
      PREFIXED,
    );
    expect(lists.names('resources')).toEqual(['file:///a b', 'git://log']);
    expect(leads(lists, 'resources', 'git://log')).toBe('git git://log');
  });

  it('that are the same stay with the first, and the later one gets an alias', () => {
    const uri = 'memo://today?x=1&y={z}';
    const lists = createLists(
      [
        source('one', { resources: [resource(uri)] }),
        source('two', { resources: [resource(uri)] }),
        source('two', { resources: [resource(uri)] }, 'alice'),
      ],
      PREFIXED,
    );
    const [first, second = '', third = ''] = lists.names('resources');
    expect(first).toBe(uri);
    expect(second).toMatch(/^starling:\/\/two\/memo%3A%2F%2Ftoday/);
    expect(third).toMatch(/^starling:\/\/alice__two\//);
    expect(leads(lists, 'resources', uri)).toBe(`one ${uri}`);
    expect(leads(lists, 'resources', second)).toBe(`two ${uri}`);
    expect(lists.locate('resources', third)?.source.peer?.alias).toBe('alice');
  });

  it('of a peer never take the place of one that is listed already, alias or not', () => {
    const uri = 'x:y';
    const lists = createLists(
      [
        source('a', { resources: [resource(uri)] }),
        source('alice__b', { resources: [resource(uri)] }),
        source('b', { resources: [resource(uri), resource('starling://a/x%3Ay')] }, 'alice'),
      ],
      PREFIXED,
    );
    const own = lists.locate('resources', 'starling://alice__b/x%3Ay');
    expect(own?.source.peer).toBeUndefined();
    expect(own?.source.catalog.server).toBe('alice__b');
  });

  it('of templates stay templates when they get an alias', () => {
    const same = template('memo://{day}/{+path}');
    const lists = createLists(
      [source('one', { templates: [same] }), source('two', { templates: [same] })],
      PREFIXED,
    );
    const alias = lists.names('templates')[1] ?? '';
    expect(alias).toBe('starling://two/memo%3A%2F%2F{day}%2F{+path}');
    expect(leads(lists, 'templates', alias)).toBe('two memo://{day}/{+path}');
  });

  it('of one server alone are untouched', () => {
    const one = source('one', { resources: [resource('x:y')], tools: [tool('a.b')] }, 'alice');
    const lists = createLists([one], { naming: 'plain' });
    expect(lists.items('resources')).toEqual([resource('x:y')]);
    expect(lists.items('tools')).toEqual([tool('a.b')]);
  });
});

describe('labels of what a peer lists', () => {
  it('say whose it is and keep what the item says itself', () => {
    const item = resource('x:y', { _meta: { own: 1, 'starling/peer': 'a lie' } });
    const lists = createLists([source('s', { resources: [item] }, 'alice')], PREFIXED);
    expect(lists.items('resources')).toEqual([
      {
        ...item,
        _meta: { own: 1, 'starling/peer': 'id of alice', 'starling/server': 's' },
      },
    ]);
  });
});

describe('what is quarantined', () => {
  const quarantined = (name: string): [string, QuarantinedItem] => [
    quarantineKey('tool', name),
    { quarantined: { kind: 'tool', name, reason: 'new', flags: [] }, item: tool(name) },
  ];

  it('is not listed, and is found all the same, so that a call can be told why', () => {
    const files = {
      ...source('files', { tools: [tool('read')] }),
      quarantined: new Map([quarantined('late')]),
    };
    const lists = createLists([files], PREFIXED);
    expect(lists.names('tools')).toEqual(['files__read']);
    expect(lists.locate('tools', 'files__late')?.quarantined).toMatchObject({ reason: 'new' });
  });

  it('keeps its name: nothing else is called so meanwhile', () => {
    const style = { prefix: 'never' } as const;
    const one = { ...source('one', {}), quarantined: new Map([quarantined('read')]) };
    const two = source('two', { tools: [tool('read')] }, 'alice');
    const lists = createLists([one, two], { naming: 'prefixed', style });
    expect(lists.locate('tools', 'read')?.source.catalog.server).toBe('one');
    expect(lists.names('tools')).toHaveLength(1);
    expect(lists.names('tools')[0]).not.toBe('read');
  });

  it('does not count in the digest until it is let through', () => {
    const plain = createLists([source('files', { tools: [tool('read')] })], PREFIXED);
    const files = {
      ...source('files', { tools: [tool('read')] }),
      quarantined: new Map([quarantined('late')]),
    };
    expect(createLists([files], PREFIXED).digest('tools')).toBe(plain.digest('tools'));
  });
});

describe('tools of the same name as those that search has', () => {
  it('get another', () => {
    const style = { prefix: 'never' } as const;
    const lists = createLists([source('x', { tools: [tool('call_tool')] })], {
      naming: 'prefixed',
      style,
    });
    expect(lists.names('tools')[0]).toMatch(/^call_tool_[0-9a-f]{6}$/);
  });
});

describe('pages', () => {
  it('hold everything once, in order, whatever the items are', () => {
    const item = fc.record({ name: fc.string(), text: fc.string({ maxLength: 50 }) });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 2500, size: 'max' }), (items) => {
        const { pages } = paginate('prompts', items);
        const read = pages.map(
          (page) =>
            JSON.parse(`{${page.toString()}}`) as { prompts: JsonObject[]; nextCursor?: string },
        );
        expect(read.flatMap(({ prompts }) => prompts)).toEqual(items);
        read.forEach(({ prompts, nextCursor }, index) => {
          expect(prompts.length).toBeLessThanOrEqual(1000);
          expect(nextCursor).toBe(index + 1 < read.length ? String(index + 1) : undefined);
        });
      }),
      { seed: 4, numRuns: upTo(10, 100) },
    );
  });

  it('stay small, save for one item that is large itself', () => {
    const text = 'x'.repeat(1_500_000);
    const items = Array.from({ length: 5 }, () => ({ name: 'a', text }));
    const huge = { name: 'b', text: 'x'.repeat(9_000_000) };
    const { pages } = paginate('prompts', [...items, huge, ...items]);
    const sizes = pages.map((page) => page.length);
    expect(sizes.filter((size) => size > 4.1 * 1024 * 1024)).toHaveLength(1);
    expect(pages).toHaveLength(7);
  });

  it('are one, and empty, where there is nothing', () => {
    const lists = createLists([], PREFIXED);
    expect(lists.page('templates', 0)?.toString()).toBe('"resourceTemplates":[]');
    expect(lists.page('templates', 1)).toBeUndefined();
  });

  it('have a digest that differs when any item does', () => {
    const digestOf = (name: string): string =>
      createLists([source('s', { prompts: [{ name, x: 1 }] })], PREFIXED).digest('prompts');
    expect(digestOf('a')).toBe(digestOf('a'));
    expect(digestOf('a')).not.toBe(digestOf('b'));
  });
});

describe('what a node says of itself', () => {
  it('covers all its servers: tasks and extensions of any', () => {
    const sources: Source[] = [
      { catalog: catalogOf('a', {}, { tasks: { list: {} }, extensions: { 'x/y': { a: 1 } } }) },
      { catalog: catalogOf('b', {}, { extensions: { 'z/z': {} } }) },
    ];
    expect(jointFacts(sources, { serverInfo: { name: 'n' } }).capabilities).toMatchObject({
      tools: { listChanged: true },
      logging: {},
      completions: {},
      tasks: { list: {} },
      extensions: { 'x/y': { a: 1 }, 'z/z': {} },
    });
  });

  it('of one server is what that says, and that we tell of changes', () => {
    const catalog = {
      ...catalogOf('a', {}, { prompts: { own: 1 }, logging: {} }),
      instructions: 'be kind',
    };
    expect(factsOf({ catalog })).toEqual({
      serverInfo: { name: 'the a', version: '1' },
      instructions: 'be kind',
      capabilities: { prompts: { own: 1, listChanged: true }, logging: {} },
    });
  });
});
