import { describe, expect, it } from 'vitest';
import { createPackets, readPacket } from '../../../src/gateway/wire/packet.ts';
import { errorBytes, notificationBytes, resultBytes } from '../../../src/gateway/wire/frame.ts';
import type { Reply } from '../../../src/gateway/wire/reply.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';

interface Asked {
  readonly request: RequestFrame;
  readonly reply: Reply;
}

/** A connection whose requests are answered when the test says so. */
function connection(): {
  send: (packet: object | string) => void;
  readonly asked: Asked[];
  readonly answers: unknown[];
} {
  const packets = createPackets();
  const asked: Asked[] = [];
  const answers: unknown[] = [];
  const hear = (message: Buffer): void => void answers.push(JSON.parse(message.toString()));
  return {
    asked,
    answers,
    send(packet) {
      const text = typeof packet === 'string' ? packet : JSON.stringify(packet);
      const read = readPacket(Buffer.from(text));
      if (read === undefined) throw new Error(`no packet: ${text}`);
      packets.receive(
        {
          receive(frame, reply) {
            if (frame.kind === 'request') asked.push({ request: frame, reply });
          },
        },
        read,
        { interim: hear, urgent: hear, final: hear, dropped: () => answers.push('dropped') },
      );
    },
  };
}

const toolCall = (d: object, more: object = {}): object => ({
  g: 'ai',
  e: 'tool_call',
  d,
  ...more,
});
const ok = (reply: Reply, result: object): void => reply.final(resultBytes(0, { ...result }));

describe('a packet', () => {
  it('calls a tool, says who asks and why, and carries its context whole', () => {
    const { send, asked, answers } = connection();
    const context = {
      conversation_id: 'c1',
      agent_memory: { a: 1 },
      tool_history: [],
      reasoning_chain: ['one'],
      confidence_scores: { x: 0.5 },
    };
    send(
      toolCall(
        {
          tool_name: 'lab__ops__deploy_service',
          arguments: { service_name: 'web', replicas: 3 },
          agent_id: 'agent_1',
          reasoning: 'traffic grew',
        },
        { ai_context: context },
      ),
    );
    expect(asked[0]?.request).toMatchObject({
      method: 'tools/call',
      params: {
        name: 'lab__ops__deploy_service',
        arguments: { service_name: 'web', replicas: 3 },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'starling/reasoning': 'traffic grew',
          agent_id: 'agent_1',
          ai_context: context,
        },
      },
    });
    ok(asked[0]?.reply as Reply, { content: [{ type: 'text', text: 'done' }] });
    expect(answers).toEqual([
      { success: true, data: { content: [{ type: 'text', text: 'done' }] } },
    ]);
  });

  it('sends numbers that JSON can write and JavaScript can not as they were written', () => {
    const { send, asked } = connection();
    send(
      '{"g":"ai","e":"tool_call","d":{"tool_name":"t","arguments":{"n":12345678901234567890.10}},"ai_context":{"m":1e400}}',
    );
    const text = asked[0]?.request.bytes.toString();
    expect(text).toContain('"arguments":{"n":12345678901234567890.10}');
    expect(text).toContain('"ai_context":{"m":1e400}');
  });

  it('tells of a tool that failed, and of a request that was refused', () => {
    const { send, asked, answers } = connection();
    send(toolCall({ tool_name: 'a' }));
    send(toolCall({ tool_name: 'b' }));
    const content = [{ type: 'text', text: 'no such service' }];
    ok(asked[0]?.reply as Reply, { content, isError: true });
    asked[1]?.reply.final(
      errorBytes(0, { code: -32_001, message: 'refused', data: { code: 'X' } }),
    );
    expect(answers).toEqual([
      {
        success: false,
        error: { code: -32_603, message: 'no such service' },
        data: { content, isError: true },
      },
      { success: false, error: { code: -32_001, message: 'refused', data: { code: 'X' } } },
    ]);
  });

  it('is answered in its turn, and at once with its id where it has one', () => {
    const { send, asked, answers } = connection();
    send(toolCall({ tool_name: 'first' }));
    send(toolCall({ tool_name: 'second' }));
    send(toolCall({ tool_name: 'third' }, { id: 'x' }));
    const reply = (at: number): Reply => (asked[at] as Asked).reply;
    ok(reply(2), { at: 3 });
    ok(reply(1), { at: 2 });
    expect(answers).toEqual([{ id: 'x', success: true, data: { at: 3 } }]);
    reply(0).dropped();
    expect(answers.slice(1)).toMatchObject([
      { success: false, error: { data: { code: 'STARLING_STOPPED' } } },
      { success: true, data: { at: 2 } },
    ]);
  });

  it('reads a resource, and writes an entry of a board', () => {
    const { send, asked } = connection();
    const access = (d: object): void => send({ g: 'ai', e: 'resource_access', d });
    access({ resource_uri: 'file:///etc/nginx/nginx.conf', operation: 'read', agent_id: 'a' });
    access({ resource_uri: 'board://plan/to%20do/one', operation: 'write', data: { done: false } });
    expect(asked.map(({ request: { method, params } }) => ({ method, params }))).toMatchObject([
      { method: 'resources/read', params: { uri: 'file:///etc/nginx/nginx.conf' } },
      {
        method: 'tools/call',
        params: {
          name: 'starling__board_set',
          arguments: { board: 'plan', key: 'to do/one', value: { done: false } },
        },
      },
    ]);
  });

  it('subscribes: an answer first, then a packet for each change, and one at the end', () => {
    const { send, asked, answers } = connection();
    const uri = 'board://plan/todo';
    send({ g: 'ai', e: 'resource_access', d: { resource_uri: uri, operation: 'subscribe' } });
    const { request, reply } = asked[0] as Asked;
    expect(request).toMatchObject({
      method: 'subscriptions/listen',
      params: { notifications: { resourceSubscriptions: [uri] } },
    });
    reply.interim(notificationBytes('notifications/subscriptions/acknowledged', {}));
    reply.interim(notificationBytes('notifications/resources/updated', { uri }));
    ok(reply, { resultType: 'complete' });
    expect(answers).toEqual([
      { success: true, data: { subscribed: true, resource_uri: uri } },
      { g: 'ai', e: 'resource_updated', d: { resource_uri: uri } },
      { g: 'ai', e: 'subscription_ended', d: { resource_uri: uri } },
    ]);
  });

  it.each([
    ['query', 'ai_query', { query: 'why?', max_tokens: 10 }],
    ['collaborate', 'ai_collaborate', { participants: ['a', 'b'], task: 't' }],
    ['learn', 'ai_learn', { experience: {}, outcome: 'success' }],
  ])('ai:%s is a call of the built-in tool %s with the fields of the packet', (e, tool, d) => {
    const { send, asked } = connection();
    send({ g: 'ai', e, d });
    expect(asked[0]?.request.params).toMatchObject({ name: `starling__${tool}`, arguments: d });
  });

  it('spawns an agent of a kind, which is told the rest as its config', () => {
    const { send, asked } = connection();
    const d = {
      agent_type: 'coder',
      model_config: { model: 'm' },
      system_prompt: 'be brief',
      tools: ['tool:files/*'],
      resources: ['board://plan'],
    };
    send({ g: 'ai', e: 'agent_spawn', d });
    const { agent_type: agentType, tools, ...config } = d;
    expect(asked[0]?.request.params).toMatchObject({
      name: 'starling__agent_spawn',
      arguments: { agentType, tools, config, model: 'm' },
    });
    for (const model_config of [{}, { model: 7 }, 'm', null, { model: '' }]) {
      send({ g: 'ai', e: 'agent_spawn', d: { agent_type: 'coder', model_config } });
      expect(asked.at(-1)?.request.params).not.toHaveProperty('arguments.model');
    }
  });

  it.each([
    [
      'of another group',
      { g: 'cf', e: 'ping' },
      'packets are ai:query, ai:tool_call, ai:resource_access, ai:agent_spawn, ai:collaborate, ai:learn',
    ],
    ['of no kind', { g: 'ai', e: 'toString' }, 'no packet is called ai:toString'],
    ['without a tool', toolCall({}), '"d.tool_name"'],
    ['whose d is a list', { g: 'ai', e: 'query', d: [] }, '"d" of a packet must be an object'],
    [
      'that does what there is not',
      { g: 'ai', e: 'resource_access', d: { resource_uri: 'a:b', operation: 'erase' } },
      'read, write or subscribe',
    ],
    [
      'that writes what can not be written',
      {
        g: 'ai',
        e: 'resource_access',
        d: { resource_uri: 'file:///a', operation: 'write', data: 1 },
      },
      "can't be written",
    ],
    [
      'that writes nothing',
      { g: 'ai', e: 'resource_access', d: { resource_uri: 'board://a/b', operation: 'write' } },
      'needs "data"',
    ],
    [
      'with a URI that is none',
      {
        g: 'ai',
        e: 'resource_access',
        d: { resource_uri: 'board://a/%zz', operation: 'write', data: 1 },
      },
      'no part of a URI',
    ],
    [
      'that repeats a key',
      '{"g":"ai","e":"tool_call","d":{"tool_name":"a","tool_name":"b"}}',
      'repeats the key',
    ],
    ['whose id is an object', { g: 'ai', e: 'query', d: {}, id: {} }, '"id" of a packet'],
  ])('%s is refused, and nothing is asked', (_, packet, why) => {
    const { send, asked, answers } = connection();
    send(packet);
    expect(asked).toEqual([]);
    expect(answers).toEqual([
      { success: false, error: expect.objectContaining({ message: expect.stringContaining(why) }) },
    ]);
  });

  it('is no message of JSON-RPC, and none of those is a packet', () => {
    for (const text of [
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"g":"ai","e":"query"}}',
      '{"g":"ai","e":"query","method":"x"}',
      '{"g":1,"e":"query"}',
      '["g"]',
      '{"g":"ai","e":"query"',
    ]) {
      expect(readPacket(Buffer.from(text)), text).toBeUndefined();
    }
  });

  it('waits with no more than 256 others for an earlier answer', () => {
    const { send, asked, answers } = connection();
    for (let at = 0; at < 300; at += 1) send(toolCall({ tool_name: 't' }));
    expect(asked).toHaveLength(256);
    // Whoever gives no ids takes the first answer for that of the first packet.
    expect(answers).toEqual([]);
    send(toolCall({ tool_name: 't' }, { id: 1 }));
    ok(asked[256]?.reply as Reply, { at: 'id' });
    expect(answers).toEqual([{ id: 1, success: true, data: { at: 'id' } }]);
    for (const { reply } of asked.slice(0, 256)) ok(reply, {});
    expect(answers.slice(1, 257)).toEqual(
      Array.from({ length: 256 }, () => ({ success: true, data: {} })),
    );
    expect(answers.slice(257)).toMatchObject(
      Array.from({ length: 44 }, () => ({ error: { data: { code: 'STARLING_LIMIT_EXCEEDED' } } })),
    );
    send(toolCall({ tool_name: 't' }));
    expect(asked).toHaveLength(258);
  });

  it('that names its context twice, or hides a key of its fields in an escape, is refused', () => {
    const { send, asked, answers } = connection();
    send('{"g":"ai","e":"tool_call","d":{"tool_name":"a","tool_\\u006eame":"b"},"id":1}');
    send('{"g":"ai","e":"tool_call","d":{"tool_name":"a"},"d":{"tool_name":"b"},"id":2}');
    send('{"g":"ai","e":"tool_call","d":{"tool_name":"a"},"\\u0064":{"tool_name":"b"},"id":3}');
    send(
      '{"g":"ai","e":"tool_call","d":{"tool_name":"a"},"_meta":{"ai_context":1},"ai_context":2,"id":4}',
    );
    expect(asked.map(({ request }) => request.bytes.toString())).toEqual([]);
    expect(answers).toHaveLength(4);
  });

  it('that is nested as deep as the message allows ends in an answer', () => {
    const { send, asked, answers } = connection();
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    send(`{"g":"ai","e":"tool_call","id":1,"d":{"tool_name":"a","arguments":{"a":${deep}}}}`);
    send(`{"g":"ai","e":"query","id":2,"d":{"a":${deep}}}`);
    send(`{"g":"ai","e":"tool_call","id":3,"_meta":{"a":${deep}},"d":{"tool_name":"a"}}`);
    expect(asked.length + answers.length).toBe(3);
  });
});
