/** The built-in server: a catalog that stays the same object, and tools that end with the node. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLogger } from '../../../src/core/index.ts';
import { createBuiltinServer } from '../../../src/gateway/builtin/server.ts';
import { defineTool } from '../../../src/gateway/builtin/tool.ts';

describe('the built-in server', () => {
  it('has one catalog, the same object however often it is asked', () => {
    const tool = defineTool({
      name: 'status',
      title: 'Status',
      description: 'Says how it is.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: () => ({}),
    });
    const server = createBuiltinServer({
      tools: [tool],
      resources: [],
      templates: [],
      logger: silentLogger,
    });
    expect(server.catalog()).toBe(server.catalog());
    expect(server.catalog().tools.map(({ name }) => name)).toEqual(['status']);
  });

  it('ends what its tools keep between calls', () => {
    const stopped: string[] = [];
    const tools = ['one', 'two'].map((name) =>
      defineTool({
        name,
        title: name,
        description: name,
        input: z.object({}),
        hints: {},
        clients: 'no',
        run: () => ({}),
        stop: () => void stopped.push(name),
      }),
    );
    createBuiltinServer({ tools, resources: [], templates: [], logger: silentLogger }).stop();
    expect(stopped).toEqual(['one', 'two']);
  });
});
