/**
 * `AgentClient` over the doors of a node: HTTP, WebSocket and TCP by a key, and stdio by the official client of MCP; the
 * guide's snippets, what happens when the wire is cut, and calls of functions that tell how far they are and are cancelled.
 */
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import { AgentClient, callOver, connectAgent, connectDoor } from '../../../src/index.ts';
import type { Json, StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../../sim/limits.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { startMachine } from '../../fixtures/whole-nodes.ts';
import type { Cleanups } from '../../fixtures/whole-nodes.ts';
import { CLI } from '../support.ts';
import { someOf } from '../../long/extent.ts';

const cleanups: Cleanups = [];
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

let node: StarlingNode;
let operator: NodeClient;
let stateDir = '';
const doors = { http: '', ws: '', tcp: '' };

beforeAll(async () => {
  ({ node, operator } = await startMachine(
    cleanups,
    { name: 'alice', tcp: { enabled: true, port: 0 }, limits: { ...UNLIMITED } },
    { host: { memory: new MemoryNetwork(), ip: '10.9.0.1' } },
  ));
  ({ stateDir } = node.status());
  const { tcp = '', url = '' } = node.status().endpoints;
  doors.http = new URL(url).origin;
  doors.ws = doors.http.replace('http', 'ws');
  doors.tcp = `tcp://${tcp}`;
}, 60_000);

let keys = 0;
async function keyFor(...scopes: readonly string[]): Promise<string> {
  keys += 1;
  const name = `program-${keys}`;
  const { key } = await operator.builtin<{ key: string }>('key_create', { name, scopes });
  return key;
}
const AGENT = ['agent:*', 'tool:starling/agent_*', 'tool:starling/capability_*'];

/** An agent by one of the doors. */
async function agentBy(door: 'http' | 'ws' | 'tcp' | 'stdio'): Promise<AgentClient> {
  if (door === 'stdio') return overStdio();
  const client = connectAgent(doors[door], { key: await keyFor(...AGENT) });
  closing.push(() => client.close());
  return client;
}

async function overStdio(): Promise<AgentClient> {
  keys += 1;
  const mcp = new Client({ name: 'guide', version: '1.0.0' });
  const args = [CLI, 'mcp', '--state', stateDir, '--as', `attached-${keys}`];
  await mcp.connect(
    new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }),
  );
  const call = callOver((name, given, { signal, timeoutMs }) =>
    mcp.callTool({ name, arguments: given }, undefined, { signal, timeout: timeoutMs }),
  );
  const client = new AgentClient({ call, closes: () => mcp.close() });
  closing.push(() => client.close());
  return client;
}

describe.each(
  someOf(['http', 'ws', 'tcp', 'stdio'] as const, (door) => door === 'ws' || door === 'stdio'),
)("the guide's client over %s", (door) => {
  it('runs its snippets: announce, list, info, message, handlers, capability', async () => {
    const server = await agentBy(door);
    const name = `agent-${door}`;
    const capability = `text-analysis-${door}`;
    const heard: Json[] = [];
    server.registerMessageHandler('command', async (message) => {
      heard.push(`Received command from ${message.from}: ${String(message.message)}`);
    });
    server.registerMessageHandler('query', async (message) => {
      const response = { you: message.message, said: message.metadata['capability'] ?? 'nothing' };
      await server.sendResponse(message.from, response, message.metadata);
    });
    await server.announceAgent({
      id: name,
      name,
      capabilities: ['claude-ai', capability],
      maxConcurrentTasks: 5,
      timestamp: '2026-01-22T10:00:00.000Z',
    });
    const caller = await agentBy('tcp');
    const agents = await caller.listAgents('online');
    expect(agents.map(({ id }) => id)).toContain(name);
    expect(await caller.getAgentInfo(name)).toMatchObject({ maxConcurrentTasks: 5 });
    await caller.sendMessage(name, 'Process this data', 'command', { priority: 'high' });
    const { response } = await caller.sendMessage(name, 'What is your status?', 'query');
    expect(response).toEqual({ you: 'What is your status?', said: 'nothing' });
    expect(heard).toEqual([expect.stringMatching(/^Received command from .*: Process this data$/)]);
    const result = await caller.requestCapability(capability, { text: 'good' }, 30_000);
    expect(result).toEqual({ you: { text: 'good' }, said: capability });
    await expect(caller.getAgentInfo('nobody')).rejects.toMatchObject({
      code: 'STARLING_AGENT_UNKNOWN',
      data: { reason: 'unknown' },
    });
  });
});

describe('a client at a door', () => {
  it('may do what its key names, and says what the node says where it may not', async () => {
    for (const door of ['http', 'ws', 'tcp'] as const) {
      const wrong = connectAgent(doors[door], { key: 'starling_key_of_nobody' });
      closing.push(() => wrong.close());
      await expect(wrong.listAgents(), door).rejects.toThrow(/token|key|bearer/i);
      const narrow = connectAgent(doors[door], { key: await keyFor('tool:starling/agent_list') });
      closing.push(() => narrow.close());
      expect(await narrow.listAgents(), door).toEqual([]);
      await expect(narrow.sendMessage('agent-http', 'hello'), door).rejects.toMatchObject({
        code: 'STARLING_CALL_REFUSED',
      });
    }
    expect(() => connectAgent('ftp://127.0.0.1', { key: 'k' })).toThrow(/no door/);
  });

  it('hears of progress by WebSocket and TCP, and is cancelled by all, at the function', async () => {
    let begun: () => void = () => undefined;
    let ended: () => void = () => undefined;
    const remove = await node.tool({ name: 'count' }, async ({ wait }, { progress, signal }) => {
      progress(1, 2, 'half way');
      if (wait !== true) return { counted: 2 };
      begun();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      ended();
      return null;
    });
    const key = await keyFor('tool:functions/*');
    for (const door of ['http', 'ws', 'tcp'] as const) {
      const client = connectDoor(doors[door], { key });
      closing.push(() => client.close());
      const told: unknown[] = [];
      const onProgress = (one: unknown): void => void told.push(one);
      expect(await client.call('functions__count', {}, { onProgress }), door).toMatchObject({
        structuredContent: { counted: 2 },
      });
      const heard = door === 'http' ? [] : [{ progress: 1, total: 2, message: 'half way' }];
      expect(told, door).toEqual(heard);
      const isBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const isEnded = new Promise<void>((resolve) => {
        ended = resolve;
      });
      const abort = new AbortController();
      const call = client.call('functions__count', { wait: true }, { signal: abort.signal });
      const refused = expect(call, door).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
      await isBegun;
      abort.abort();
      await refused;
      await isEnded;
      const late = client.call('functions__count', { wait: true }, { timeoutMs: 50 });
      await expect(late, door).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    }
    remove();
  });
});

/** A wire to the node that a test cuts. */
class Wire {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** So many connections are refused from now on. */
  refuses = 0;
  /** All that ever came. */
  came = 0;

  constructor(port: number) {
    this.#server = createServer((near) => {
      this.came += 1;
      if (this.refuses > 0) {
        this.refuses -= 1;
        near.destroy();
        return;
      }
      const far = connectTcp({ host: '127.0.0.1', port });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('close', () => {
            this.#sockets.delete(socket);
            other.destroy();
          });
      }
      near.pipe(far).pipe(near);
    });
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe.each(someOf(['http', 'ws', 'tcp'] as const, (door) => door !== 'tcp'))(
  'a wire of %s that breaks',
  (door) => {
    async function wired(): Promise<{ wire: Wire; address: string }> {
      const target = new URL(doors[door].replace('tcp:', 'http:'));
      const wire = new Wire(Number(target.port));
      const port = await wire.open();
      closing.push(() => wire.close());
      return { wire, address: `${door}://127.0.0.1:${port}` };
    }

    it('costs an agent no message, and none comes twice: it goes on where it was', async () => {
      const { wire, address } = await wired();
      const name = `lasting-${door}`;
      const agent = connectAgent(address, { key: await keyFor(...AGENT) });
      closing.push(() => agent.close());
      const heard: Json[] = [];
      let next: () => void = () => undefined;
      agent.registerMessageHandler('command', ({ message }) => {
        heard.push(message);
        next();
      });
      await agent.announceAgent({ name });
      const caller = await agentBy('tcp');
      for (let at = 0; at < 6; at += 1) {
        const came = new Promise<void>((resolve) => {
          next = resolve;
        });
        if (at % 2 === 1) wire.cut();
        await caller.sendMessage(name, at);
        await came;
      }
      expect(heard).toEqual([0, 1, 2, 3, 4, 5]);
    });

    it('fails a call that is under way, and is tried again where the caller says that it may be', async () => {
      const { wire, address } = await wired();
      let calls = 0;
      let begun: () => void = () => undefined;
      const remove = await node.tool({ name: `lost-${door}` }, async ({ wait }, { signal }) => {
        calls += 1;
        begun();
        if (wait === true && calls === 1) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        }
        return { calls };
      });
      const client = connectDoor(address, { key: await keyFor('tool:functions/*') });
      closing.push(() => client.close());
      const isBegun = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const lost = client.call(`functions__lost-${door}`, { wait: true });
      const refused = expect(lost).rejects.toMatchObject({ code: 'STARLING_NODE_UNREACHABLE' });
      await isBegun;
      wire.cut();
      await refused;
      // Nothing was tried again by itself: the work may have been done.
      expect(calls).toBe(1);
      wire.cut();
      wire.refuses = 2;
      const again = await client.call(`functions__lost-${door}`, {}, { retries: 3 });
      expect(again).toMatchObject({ structuredContent: { calls: 2 } });
      expect(wire.refuses).toBe(0);
      wire.cut();
      wire.refuses = 2;
      const given = client.call(`functions__lost-${door}`, {}, { retries: 1 });
      await expect(given).rejects.toMatchObject({ code: 'STARLING_NODE_UNREACHABLE' });
      remove();
    });
  },
);
