/** Finding tools by words, and the three tools that stand for a whole list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../../src/core/index.ts';
import { soundItems } from '../../../../src/directory/index.ts';
import type { ListedTool } from '../../../../src/directory/index.ts';
import { META_TOOLS } from '../../../../src/gateway/catalog/search/meta-tool-definitions.ts';
import {
  answerMetaTool,
  isMetaTool,
  metaToolError,
  readToolCall,
} from '../../../../src/gateway/catalog/search/meta-tools.ts';
import {
  createToolSearch,
  createToolSearches,
} from '../../../../src/gateway/catalog/search/word-index.ts';

const tool = (name: string, description = '', args: string[] = []): ListedTool => ({
  name,
  description,
  inputSchema: { type: 'object', properties: Object.fromEntries(args.map((arg) => [arg, {}])) },
});

const TOOLS = [
  tool('files__read_text_file', 'Reads a file as text. Fails for folders.', ['path', 'head']),
  tool('files__writeFile', 'Creates or overwrites a document.', ['path', 'content']),
  tool('git__log', 'Shows the history of a repository.', ['repo']),
  tool('calendar__createEvent', 'Puts an appointment into the calendar.', ['attendees']),
  tool('mail__send', 'Mails somebody.', ['recipient', 'body']),
];

const search = createToolSearch(TOOLS);
const found = async (query: string, limit = 10): Promise<string[]> =>
  (await search(query, limit)).map((hit) => hit.tool.name);

describe('search', () => {
  it.each([
    ['read file', 'files__read_text_file'],
    ['write file', 'files__writeFile'],
    ['appointment', 'calendar__createEvent'],
    ['create event', 'calendar__createEvent'],
    ['CALENDAR', 'calendar__createEvent'],
    ['attendees', 'calendar__createEvent'],
    ['recipient of a mail', 'mail__send'],
    ['repositry history', 'git__log'],
    ['hist', 'git__log'],
    ['files__read_text_file', 'files__read_text_file'],
  ])('for %j finds %s first', async (query, name) => {
    expect((await found(query))[0]).toBe(name);
  });

  it('finds nothing where nothing fits, and the first ones for no words', async () => {
    expect(await found('quantum chromodynamics')).toEqual([]);
    expect(await found(' … ', 2)).toEqual(['files__read_text_file', 'files__writeFile']);
  });

  it('gives no more than the limit, best first', async () => {
    const hits = await search('file path repository calendar mail', 3);
    expect(hits).toHaveLength(3);
    expect(hits.map(({ score }) => score)).toEqual(
      hits.map(({ score }) => score).toSorted((a, b) => b - a),
    );
  });

  it('finds each tool by its own name, whatever else there is and whatever is asked', async () => {
    const word = fc.constantFrom('read', 'write', 'file', 'issue', 'été', '表', 'x1');
    const names = fc.uniqueArray(fc.array(word, { minLength: 1, maxLength: 4 }), {
      selector: (words) => words.toSorted().join(' '),
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(names, fc.string(), async (all, noise) => {
        const tools = all.map((words) => tool(words.join('_')));
        const find = createToolSearch(tools);
        for (const { name } of tools) {
          const hits = await find(name, tools.length);
          expect(hits.map((hit) => hit.tool.name)).toContain(name);
        }
        expect((await find(noise, 3)).length).toBeLessThanOrEqual(3);
      }),
      { seed: 7, numRuns: 60 },
    );
  });

  it('over ten thousand tools leaves others their turn', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) =>
      tool(
        `server${index % 100}__do_thing_${index}`,
        `Does thing ${index} to the other thing. `.repeat(4),
      ),
    );
    const find = createToolSearch(many);
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    count();
    await find('thing 77', 5);
    isOver = true;
    expect(turns).toBeGreaterThan(10);
    const [hit] = await find('do thing 4242', 5);
    expect(hit?.tool.name).toBe('server42__do_thing_4242');
  });
});

it('the first search lets others go on, however many tools there are', async () => {
  const many = Array.from({ length: 2000 }, (_, index) => ({
    name: `tool_${index}`,
    description: 'reads files and sends mails',
    inputSchema: { type: 'object' },
  }));
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  expect(await createToolSearch(many)('read files', 3)).toHaveLength(3);
  isOver = true;
  expect(turns).toBeGreaterThan(2000 / 50);
});

describe('searches by view', () => {
  it('are built once for a digest, and no more are kept than are used', () => {
    const searches = createToolSearches();
    let asked = 0;
    const get = (digest: string): unknown =>
      searches.get(digest, () => {
        asked += 1;
        return TOOLS;
      });
    expect(get('a')).toBe(get('a'));
    expect(asked).toBe(1);
    for (let index = 0; index < 8; index += 1) get(`other-${index}`);
    get('a');
    expect(asked).toBe(10);
  });
});

describe('the meta tools', () => {
  const components = { tools: TOOLS, search };
  const errorOf = async (work: () => unknown): Promise<StarlingError> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof StarlingError) return error;
      throw error;
    }
    throw new Error('it did not fail');
  };

  it('are tools that every client accepts', () => {
    const limits = { tools: 10, bytes: 100_000 };
    const none = { resources: [], templates: [], prompts: [] };
    const {
      items: { tools },
    } = soundItems({ tools: META_TOOLS, ...none }, limits);
    expect(tools).toEqual(META_TOOLS);
    expect(META_TOOLS.map(({ name }) => name).every(isMetaTool)).toBe(true);
    expect(isMetaTool('toString')).toBe(false);
    expect(JSON.stringify(META_TOOLS).length).toBeLessThan(4000);
  });

  it('find tools, with a line about each', async () => {
    const result = await answerMetaTool(
      'search_tools',
      { query: 'read file', limit: 1 },
      components,
    );
    expect(result['structuredContent']).toEqual({
      tools: [
        {
          name: 'files__read_text_file',
          description: 'Reads a file as text.',
          score: expect.any(Number) as number,
        },
      ],
      total: 5,
    });
    expect(result['content']).toEqual([
      { type: 'text', text: JSON.stringify(result['structuredContent']) },
    ]);
  });

  it('describe tools whole, and say what is near a name that is none', async () => {
    const names = ['git__log', 'files__read_file', 'zzz'];
    const result = await answerMetaTool('describe_tools', { names }, components);
    expect(result['structuredContent']).toEqual({
      tools: [TOOLS[2]],
      unknown: [
        {
          name: 'files__read_file',
          didYouMean: expect.arrayContaining(['files__read_text_file']) as string[],
        },
        { name: 'zzz', didYouMean: [] },
      ],
    });
  });

  it('read which tool is to be called', () => {
    expect(readToolCall({ name: 'git__log', arguments: { repo: '.' } })).toEqual({
      name: 'git__log',
      arguments: { repo: '.' },
    });
    expect(readToolCall({ name: 'git__log' }).arguments).toEqual({});
  });

  it.each([
    ['search_tools', {}, 'query'],
    ['search_tools', { query: 'x', limit: 0 }, 'limit'],
    ['search_tools', { query: 'x', limit: 1000 }, 'limit'],
    ['describe_tools', { names: [] }, 'names'],
    ['describe_tools', { names: Array.from({ length: 21 }, () => 'x') }, 'names'],
    ['describe_tools', { names: 'x' }, 'names'],
    ['describe_tools', { tools: ['x'] }, 'tools'],
  ] as const)('refuse wrong arguments, and name them: %s %j', async (name, args, wrong) => {
    const error = await errorOf(() => answerMetaTool(name, args, components));
    expect(error.code).toBe('STARLING_USAGE');
    expect(error.message).toContain(wrong);
    expect(metaToolError(error)).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('STARLING_USAGE') as string }],
    });
  });

  it('refuse calls that are none', async () => {
    for (const args of [
      undefined,
      {},
      { name: 7 },
      { name: 'x', arguments: '{}' },
      { name: 'x', a: 1 },
    ]) {
      expect((await errorOf(() => readToolCall(args))).code).toBe('STARLING_USAGE');
    }
    const error = await errorOf(() => readToolCall({ name: 'search_tools' }));
    expect(error.hint).toBe('call search_tools itself');
  });
});
