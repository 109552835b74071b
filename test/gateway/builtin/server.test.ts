/** The built-in server: a catalog that stays the same object, and tools that end with the node. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { ErrorCode, JsonObject } from '../../../src/core/index.ts';
import { createBuiltinServer } from '../../../src/gateway/builtin/server.ts';
import { defineTool } from '../../../src/gateway/builtin/tool.ts';
import { META } from '../../../src/gateway/wire/era.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { BuiltinTool } from '../../../src/gateway/types.ts';
import { createTestClock } from '../../core/test-clock.ts';

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

describe('an answer', () => {
  const tool = defineTool({
    name: 'look',
    title: 'Look',
    description: 'Looks.',
    input: z.object({}),
    hints: {},
    clients: 'yes',
    onTop: true,
    run: () => ({ seen: 'all' }),
  });

  const answered = (capabilities: JsonObject): Promise<JsonObject> => {
    const logger = silentLogger;
    const server = createBuiltinServer({ tools: [tool], resources: [], templates: [], logger });
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'look' } };
    const client = { capabilities, clientInfo: {} };
    const principal = { kind: 'operator' };
    return new Promise((resolve, reject) => {
      const channel = server.open({ principal, client } as never);
      channel.relay({
        request: parseFrame(Buffer.from(JSON.stringify(call))),
        principal,
        // As it goes over the wire.
        response: ({ bytes }: { readonly bytes: Buffer }) =>
          resolve((JSON.parse(bytes.toString()) as { result: JsonObject }).result),
        failed: reject,
      } as never);
    });
  };

  it('stands at the top, as text and as structured content, for programs that read one of these', async () => {
    expect(await answered({})).toEqual({
      seen: 'all',
      content: [{ type: 'text', text: '{"seen":"all"}' }],
      structuredContent: { seen: 'all' },
    });
  });

  it('stands there once for a node that says that it reads structured content', async () => {
    const capabilities = { experimental: { 'starling/structured': {} } };
    expect(await answered(capabilities)).toEqual({
      content: [],
      structuredContent: { seen: 'all' },
    });
    // What is no object says nothing.
    expect(await answered({ experimental: 'starling/structured' })).toHaveProperty('seen');
  });
});

describe('a tool that asks in the turn in which it is called', () => {
  it('ends the call of the stateless era by what is asked', async () => {
    const tool = defineTool({
      name: 'ask',
      title: 'Ask',
      description: 'Asks.',
      input: z.object({}),
      hints: {},
      clients: 'yes',
      run: (_, context) => context.elicit?.('sure', { message: 'Sure?' }, context.signal) as never,
    });
    const logger = silentLogger;
    const server = createBuiltinServer({ tools: [tool], resources: [], templates: [], logger });
    const _meta = {
      [META.protocolVersion]: '2026-07-28',
      [META.clientCapabilities]: { elicitation: { form: {} } },
    };
    const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ask', _meta } };
    const principal = { kind: 'operator' };
    const client = { capabilities: {}, clientInfo: {} };
    const answer = await new Promise<JsonObject>((resolve, reject) => {
      server.open({ principal, client } as never).relay({
        request: parseFrame(Buffer.from(JSON.stringify(call))),
        principal,
        response: ({ bytes }: { readonly bytes: Buffer }) =>
          resolve(JSON.parse(bytes.toString()) as JsonObject),
        failed: reject,
      } as never);
    });
    expect(answer['result']).toMatchObject({
      resultType: 'input_required',
      inputRequests: { sure: { params: { message: 'Sure?' } } },
    });
  });
});

describe('calls that wait', () => {
  const toolOf = (name: string, more: object): ReturnType<typeof defineTool> =>
    defineTool({
      name,
      title: name,
      description: name,
      input: z.object({}),
      hints: {},
      clients: 'yes',
      run: () => new Promise(() => undefined),
      ...more,
    });

  it('take no place of the others, and have a bound of their own', async () => {
    const tools = [toolOf('inbox', { waits: true }), toolOf('busy', {})];
    tools.push(toolOf('status', { run: () => ({}) }));
    const logger = silentLogger;
    const server = createBuiltinServer({ tools, resources: [], templates: [], logger });
    const principal = { kind: 'operator' };
    const client = { capabilities: {}, clientInfo: {} };
    const channel = server.open({ principal, client } as never);
    const refused: StarlingError[] = [];
    const call = (name: string): Promise<void> =>
      new Promise((resolve) => {
        const text = JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name },
        });
        channel.relay({
          request: parseFrame(Buffer.from(text)),
          principal,
          response: () => resolve(),
          failed: (error: StarlingError) => (refused.push(error), resolve()),
        } as never);
      });
    for (let count = 0; count < 4000; count += 1) void call('inbox');
    await call('status');
    expect(refused).toEqual([]);
    await call('inbox');
    expect(refused.map(({ code }) => code)).toEqual(['STARLING_LIMIT_EXCEEDED']);
    for (let count = 0; count < 1000; count += 1) void call('busy');
    await call('status');
    expect(refused.map(({ code }) => code)).toEqual([
      'STARLING_LIMIT_EXCEEDED',
      'STARLING_LIMIT_EXCEEDED',
    ]);
    server.stop();
  });
});

describe('arguments that a tool can not use', () => {
  const tool = defineTool({
    name: 'wait',
    title: 'Wait',
    description: 'Waits.',
    input: z.object({
      timeoutMs: z.number().max(86_400_000).optional(),
      timeout_s: z.number().max(600).optional(),
      count: z.number().max(86_400_000).optional(),
    }),
    hints: {},
    clients: 'yes',
    run: () => ({}),
  });

  it.each([
    [{ timeoutMs: 9e9 }, 'timeoutMs: a time of 24h at the most'],
    [{ timeout_s: 9e9 }, 'timeout_s: a time of 10m at the most'],
    [{ count: 9e9 }, 'count: must be at most 86400000'],
  ])('are told as people write times: %j', async (args, says) => {
    await expect(tool.call(args, {} as never)).rejects.toThrow(says);
  });
});

describe('an error of a tool about agents, swarms or resources', () => {
  const failing = (code: ErrorCode, data: JsonObject, args: JsonObject): Promise<unknown> => {
    const clock = createTestClock();
    const tool = defineTool({
      name: 'fail',
      title: 'Fail',
      description: 'Fails.',
      input: z.object({ agentId: z.string() }),
      hints: {},
      clients: 'yes',
      run: () => {
        clock.advance(305);
        throw new StarlingError(code, 'it failed', { data });
      },
    });
    const logger = silentLogger;
    const server = createBuiltinServer({
      tools: [tool],
      resources: [],
      templates: [],
      logger,
      clock,
    });
    const frame = parseFrame(
      Buffer.from(
        JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'fail', arguments: args },
        }),
      ),
    );
    return new Promise((resolve, reject) => {
      const channel = server.open({
        principal: { kind: 'operator' },
        client: { capabilities: {}, clientInfo: {} },
      } as never);
      channel.relay({
        request: frame,
        principal: { kind: 'operator' },
        response: (answer: { error?: { code: number; data: JsonObject } }) => resolve(answer.error),
        failed: reject,
      } as never);
    });
  };

  it.each<[ErrorCode, number]>([
    ['STARLING_AGENT_FAILED', -32_001],
    ['STARLING_SWARM_REFUSED', -32_002],
    ['STARLING_TIMEOUT', -32_003],
  ])('%s is %i with { agentId, reason, duration }', async (code, rpc) => {
    expect(await failing(code, { reason: 'timeout' }, { agentId: 'agent_123' })).toMatchObject({
      code: rpc,
      data: { agentId: 'agent_123', reason: 'timeout', duration: 305 },
    });
    // What the error itself says counts.
    const own = { reason: 'rate_limit', agentId: 'coder', duration: 1000 };
    expect(await failing(code, own, { agentId: 'x' })).toMatchObject({ code: rpc, data: own });
  });

  it('others are as they were', async () => {
    const data = (await failing('STARLING_USAGE', {}, { agentId: 'x' })) as { data: JsonObject };
    expect(Object.keys(data.data)).not.toContain('duration');
  });
});

describe('a call that its tool begins by itself', () => {
  type Settled = Parameters<NonNullable<BuiltinTool['begin']>>[2];

  /** A server whose tool begins what says so, and a call of it. */
  const begun = (args: JsonObject, peers: 'granted' | 'no' = 'granted') => {
    const settles: Settled[] = [];
    const givenUp: number[] = [];
    const tool = defineTool({
      name: 'ask',
      title: 'Ask',
      description: 'Asks.',
      input: z.object({ agentId: z.string(), soon: z.boolean().optional() }),
      hints: {},
      clients: 'yes',
      peers,
      onTop: true,
      waits: true,
      begin({ soon }, _, settled) {
        if (soon !== true) return undefined;
        settles.push(settled);
        return () => void givenUp.push(settles.length);
      },
      run: ({ agentId }) => ({ answer: agentId }),
    });
    const logger = silentLogger;
    const server = createBuiltinServer({ tools: [tool], resources: [], templates: [], logger });
    const params = { name: 'ask', arguments: { agentId: 'coder', ...args } };
    const request = parseFrame(
      Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params })),
    );
    const principal = { kind: 'peer', alias: 'bob' };
    const answers: JsonObject[] = [];
    const open = (capabilities: JsonObject) =>
      server.open({ principal, client: { capabilities, clientInfo: {} } } as never).relay({
        request,
        principal,
        response: ({ bytes }: { readonly bytes: Buffer }) =>
          answers.push(JSON.parse(bytes.toString()) as JsonObject),
        failed: (error: StarlingError) => answers.push({ failed: error.message }),
      } as never);
    return { server, settles, givenUp, answers, open };
  };
  const once = (above: number): JsonObject => ({
    experimental: { 'starling/structured': { above } },
  });

  it('is answered as any other, and once', async () => {
    const slow = begun({});
    slow.open({});
    await new Promise((next) => setImmediate(next));
    const quick = begun({ soon: true });
    quick.open({});
    quick.settles[0]?.({ answer: 'coder' });
    quick.settles[0]?.({ answer: 'again' });
    expect(quick.answers).toHaveLength(1);
    expect(quick.answers).toEqual(slow.answers);
  });

  it('crosses once where the other end is a node', () => {
    const { open, settles, answers } = begun({ soon: true });
    open(once(0));
    settles[0]?.({ answer: 'coder' });
    expect(answers[0]).toEqual({
      jsonrpc: '2.0',
      id: 7,
      result: { content: [], structuredContent: { answer: 'coder' } },
    });
  });

  it('fails with whom it was about', () => {
    const { open, settles, answers } = begun({ soon: true });
    open({});
    settles[0]?.(new StarlingError('STARLING_AGENT_FAILED', 'no', { data: { reason: 'ended' } }));
    expect(answers[0]).toMatchObject({
      error: { code: -32_001, data: { agentId: 'coder', reason: 'ended' } },
    });
  });

  it('is given up when its caller goes, or the node stops, and then answers nothing', () => {
    const { server, open, settles, givenUp, answers } = begun({ soon: true });
    open({}).cancel();
    open({});
    server.stop();
    expect(givenUp).toHaveLength(2);
    for (const settled of settles) settled({ answer: 'late' });
    expect(answers).toEqual([]);
  });

  it('is not begun for whom the tool is not', async () => {
    const { open, settles, answers } = begun({ soon: true }, 'no');
    open({});
    await new Promise((next) => setImmediate(next));
    expect(settles).toEqual([]);
    expect(answers).toMatchObject([{ error: { data: { code: 'STARLING_CALL_REFUSED' } } }]);
  });

  it('is one of the calls that wait, of which there are so many', () => {
    const { open, settles, answers } = begun({ soon: true });
    for (let at = 0; at < 4001; at += 1) open({});
    expect(settles).toHaveLength(4000);
    expect(answers).toHaveLength(1);
  });
});
