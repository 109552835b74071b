/** Packets of PacketFlow at the TCP and WebSocket doors of a node: tools, resources and boards, as the document writes them. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { attach } from '../../../src/cli/node/client.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../../sim/limits.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { startNode as startWholeNode } from '../../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../../fixtures/whole-nodes.ts';
import { startScriptedVendor } from '../../thinking/scripted-vendor.ts';

const SERVER = resolve(import.meta.dirname, '../../gateway/support/session-server.mjs');
const TIMEOUT_MS = 60_000;

const cleanups: Cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const startNode = (more: Omit<NodeFlags, 'name'> = {}): Promise<StarlingNode> =>
  startWholeNode(
    cleanups,
    {
      name: 'lab',
      tcp: { enabled: true, port: 0, requireToken: false },
      limits: { ...UNLIMITED },
      mcpServers: { ops: { command: process.execPath, args: [SERVER], sandbox: false } },
      ...more,
    },
    { host: { memory: new MemoryNetwork(), ip: '10.81.0.1' } },
  );

interface Door {
  send(packet: object): void;
  next(): Promise<Record<string, unknown>>;
}

/** What comes, one after the other. */
function queue(): { add: (text: string) => void; next: Door['next'] } {
  const came: string[] = [];
  let wake = (): void => undefined;
  return {
    add(text) {
      came.push(text);
      wake();
    },
    async next() {
      while (came.length === 0) {
        await new Promise<void>((heard, failed) => {
          wake = heard;
          AbortSignal.timeout(TIMEOUT_MS).addEventListener('abort', () =>
            failed(new Error('no answer')),
          );
        });
      }
      return JSON.parse(came.shift() ?? '') as Record<string, unknown>;
    },
  };
}

async function overTcp(node: StarlingNode): Promise<Door> {
  const [, port] = (node.status().endpoints.tcp ?? '').split(':');
  const socket = connect({ host: '127.0.0.1', port: Number(port) });
  await once(socket, 'connect');
  cleanups.push(() => socket.destroy());
  const { add, next } = queue();
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) add(line);
  });
  return { next, send: (packet) => void socket.write(`${JSON.stringify(packet)}\n`) };
}

async function overWebSocket(node: StarlingNode, key?: string): Promise<Door> {
  const { url = '' } = node.status().endpoints;
  const token = key ?? (await readFile(join(node.status().stateDir, 'token'), 'utf8'));
  const client = new WebSocket(url.replace('http:', 'ws:'), 'mcp', {
    headers: { authorization: `Bearer ${token.trim()}` },
  });
  await once(client, 'open');
  cleanups.push(() => client.terminate());
  const { add, next } = queue();
  client.on('message', (data: Buffer) => add(data.toString()));
  return { next, send: (packet) => client.send(JSON.stringify(packet)) };
}

it('are answered over TCP and WebSocket, and changes of a resource come as packets', async () => {
  const node = await startNode();
  const operator = await attach(node.status().stateDir);
  cleanups.push(() => operator.close());
  await operator.builtin('board_create', { board: 'plan', open: true });
  for (const door of [await overTcp(node), await overWebSocket(node)]) {
    const ai = (e: string, d: object, more: object = {}): void =>
      door.send({ g: 'ai', e, d, ...more });
    /** The next packet that tells of no change. */
    const answer = async (): Promise<Record<string, unknown>> => {
      let packet = await door.next();
      while (packet['e'] === 'resource_updated') packet = await door.next();
      return packet;
    };
    const context = { ai_context: { conversation_id: 'c' } };
    const uri = 'note://one';
    ai('tool_call', { tool_name: 'ops__whoami', agent_id: 'a', reasoning: 'r' }, context);
    expect(await door.next()).toMatchObject({ success: true, data: { content: [{}] } });
    ai('resource_access', { resource_uri: uri, operation: 'read' });
    expect(await door.next()).toMatchObject({ success: true, data: { contents: [{ uri }] } });
    ai('resource_access', { resource_uri: uri, operation: 'subscribe', agent_id: 'a' });
    expect(await door.next()).toMatchObject({ success: true, data: { subscribed: true } });
    // The server takes the subscription a moment after the answer: what changes then is heard.
    let isHeard = false;
    for (let id = 1; !isHeard; id += 1) {
      ai('tool_call', { tool_name: 'ops__touch', arguments: { uri } }, { id });
      let packet = await door.next();
      while (packet['id'] !== id) {
        expect(packet).toEqual({ g: 'ai', e: 'resource_updated', d: { resource_uri: uri } });
        isHeard = true;
        packet = await door.next();
      }
      expect(packet).toMatchObject({ success: true });
    }
    const entry = 'board://plan/replicas';
    ai('resource_access', { resource_uri: entry, operation: 'write', data: { count: 3 } });
    expect(await answer()).toMatchObject({
      success: true,
      data: { structuredContent: { entry: { key: 'replicas', value: { count: 3 } } } },
    });
    ai('resource_access', { resource_uri: entry, operation: 'read' });
    const { data } = (await answer()) as { data: { contents: { uri: string; text: string }[] } };
    expect(data.contents).toMatchObject([{ uri: entry }]);
    expect(JSON.parse(data.contents[0]?.text ?? '')).toMatchObject({ value: { count: 3 } });
    ai('tool_call', { tool_name: 'ops__nothing' });
    expect(await answer()).toMatchObject({
      success: false,
      error: { data: { code: 'STARLING_TOOL_UNKNOWN' } },
    });
    ai('dance', {});
    expect(await answer()).toMatchObject({
      error: { message: expect.stringContaining('packets are ai:query, ai:tool_call') as string },
    });
  }
});

it("has agents collaborate, as PacketFlow's document writes it", async () => {
  const node = await startNode();
  const said: unknown[] = [];
  for (const name of ['planner', 'writer']) {
    const agent = node.agent({ name, capabilities: [] });
    agent.onMessage('query', ({ message }) => {
      const { ask, shared_context } = message as Record<string, unknown>;
      said.push([name, ask, shared_context]);
      return ask === 'conclude'
        ? { result: 'a plan with a text' }
        : { context: { [name]: 'was here' } };
    });
  }
  const door = await overTcp(node);
  door.send({
    g: 'ai',
    e: 'collaborate',
    d: {
      participants: ['planner', 'writer'],
      task: 'Write the release notes',
      coordination_mode: 'hierarchical',
      shared_context: { version: '0.2.0' },
    },
  });
  expect(await door.next()).toMatchObject({
    success: true,
    data: { status: 'agreed', result: 'a plan with a text', coordination_mode: 'hierarchical' },
  });
  expect(said).toEqual([
    ['planner', 'plan', { version: '0.2.0' }],
    ['writer', 'work', { version: '0.2.0', planner: 'was here' }],
    ['planner', 'conclude', { version: '0.2.0', planner: 'was here', writer: 'was here' }],
  ]);
});

it("asks a model, and spawns an agent that thinks, with the fields of PacketFlow's document", async () => {
  const vendor = await startScriptedVendor();
  cleanups.push(() => vendor.stop());
  const node = await startNode({
    mcpServers: {},
    models: { providers: { gpu: { endpoint: vendor.url } } },
    agents: { kinds: { devops: { model: 'gpu/mind', tools: ['tool:ops/*'] } } },
  });
  const operator = await attach(node.status().stateDir);
  cleanups.push(() => operator.close());
  const { key } = await operator.builtin<{ key: string }>('key_create', {
    name: 'packetflow',
    scopes: ['model:**', 'tool:starling/ai_query', 'tool:starling/agent_spawn', 'agent:devops'],
  });
  const door = await overWebSocket(node, key);
  vendor.script = () => ({ text: 'CPU is at 65 %.' });
  const query = { query: 'How busy is it?', context: { cpu: 65 }, temperature: 0, max_tokens: 64 };
  for (const [d, of] of [
    [query, 'the first model of the node'],
    [{ ...query, temperature: 0.5, model: 'gpu/mind' }, 'the one that is named'],
  ] as const) {
    const ai_context = { conversation_id: 'c', confidence_scores: { cpu: 0.9 } };
    door.send({ g: 'ai', e: 'query', d, ai_context });
    const { data, success } = await door.next();
    expect(success, of).toBe(true);
    expect(data, of).toMatchObject({
      response: 'CPU is at 65 %.',
      tokens_used: 15,
      model: 'gpu/mind',
    });
    // Nobody has told how sure it is, or why.
    expect(data).not.toHaveProperty('confidence');
    expect(data).not.toHaveProperty('reasoning');
  }
  expect(vendor.got).toHaveLength(2);
  expect(vendor.got[0]).toMatchObject({ temperature: 0, max_tokens: 64 });
  expect(JSON.stringify(vendor.got[0]?.messages)).toContain('cpu');
  door.send({
    g: 'ai',
    e: 'agent_spawn',
    d: {
      agent_type: 'devops',
      system_prompt: 'You deploy nothing while the CPU is over 70 %.',
      model_config: { temperature: 0 },
      tools: [],
      resources: [],
    },
  });
  const { approvals } = await vi.waitFor(async () => {
    const waiting = await operator.builtin<{ approvals: { id: string }[] }>('approval_list');
    expect(waiting.approvals).toHaveLength(1);
    return waiting;
  }, TIMEOUT_MS);
  await operator.builtin('approval_answer', { id: approvals[0]?.id ?? '', approve: true });
  expect(await door.next()).toMatchObject({ success: true, data: { kind: 'devops' } });
  await operator.builtin('agent_message', { agentId: 'devops', message: 'deploy', type: 'query' });
  expect(vendor.got.at(-1)?.messages[0]?.content).toContain('while the CPU is over 70 %');
});
