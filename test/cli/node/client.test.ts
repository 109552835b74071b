/** The client on the node's socket: what it does when the node answers well, ill, or not at all. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/cli/node/client.ts';
import type { FormAnswerer } from '../../../src/cli/node/client.ts';
import { fakeNode, temporaryFolder } from '../support.ts';

describe('a client of the node', () => {
  it('says who it is before it asks anything', async () => {
    const node = await fakeNode({ answer: () => ({ tools: [] }) });
    const client = await attach(node.stateDir);
    await client.tools();
    client.close();
    expect(node.heard.map(({ method }) => method)).toEqual([
      'initialize',
      'notifications/initialized',
      'tools/list',
    ]);
    expect(node.heard[0]?.params?.['clientInfo']).toMatchObject({ name: 'starling-cli' });
  });

  it('reads every page of a list of tools', async () => {
    const node = await fakeNode({
      answer: ({ method, params }) => {
        if (method !== 'tools/list') return undefined;
        return params?.['cursor'] === 'two'
          ? { tools: [{ name: 'b' }] }
          : { tools: [{ name: 'a' }], nextCursor: 'two' };
      },
    });
    const client = await attach(node.stateDir);
    expect((await client.tools()).map(({ name }) => name)).toEqual(['a', 'b']);
    client.close();
  });

  it('gives up on a list of tools that has no end', async () => {
    const node = await fakeNode({ answer: () => ({ tools: [], nextCursor: 'more' }) });
    const client = await attach(node.stateDir);
    await expect(client.tools()).rejects.toMatchObject({ code: 'STARLING_PROTOCOL_VIOLATION' });
    client.close();
  });

  it('gives answers to who asked, whatever their order', async () => {
    const ids: unknown[] = [];
    const node = await fakeNode({
      answer: ({ method, id }, { send }) => {
        if (method !== 'tools/call') return;
        ids.push(id);
        if (ids.length < 3) return;
        for (const one of ids.toReversed())
          send({ jsonrpc: '2.0', id: one as number, result: { for: one as number } });
      },
    });
    const client = await attach(node.stateDir);
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => client.call(name, {})));
    expect(answers.map((answer) => answer['for'])).toEqual(ids);
    client.close();
  });

  it('hears progress, and answers pings', async () => {
    const node = await fakeNode({
      answer: ({ method, params, id }, { send }) => {
        if (method !== 'tools/call') return;
        const meta = params?.['_meta'] as { progressToken: number };
        send({
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: meta.progressToken, progress: 3 },
        });
        send({ jsonrpc: '2.0', id: 'are you there', method: 'ping' });
        send({ jsonrpc: '2.0', id, result: {} });
      },
    });
    const client = await attach(node.stateDir);
    const seen: unknown[] = [];
    await client.call('x', {}, { progress: ({ progress }) => seen.push(progress) });
    expect(seen).toEqual([3]);
    await expect.poll(() => node.heard.some(({ id }) => id === 'are you there')).toBe(true);
    client.close();
  });

  it('serves nothing that it has not declared, and takes no request for an answer', async () => {
    const node = await fakeNode({
      answer: ({ method, id }, { send }) => {
        if (method !== 'tools/call') return;
        // The node counts its requests by itself: its ids may be those of ours.
        send({ jsonrpc: '2.0', id, method: 'elicitation/create', params: {} });
        send({ jsonrpc: '2.0', id, result: { done: true } });
      },
    });
    const client = await attach(node.stateDir);
    expect(await client.call('x', {})).toEqual({ done: true });
    await expect
      .poll(() => node.heard.find(({ error }) => error !== undefined))
      .toMatchObject({ error: { code: -32601 } });
    client.close();
  });

  it('answers the forms of its calls, one after the other, where it is made so', async () => {
    const node = await fakeNode({
      answer: ({ method, id, result }, { send }) => {
        if (method === 'tools/call') {
          for (const one of ['q1', 'q2'])
            send({ jsonrpc: '2.0', id: one, method: 'elicitation/create', params: { one } });
        } else if (result !== undefined && id === 'q2') send({ jsonrpc: '2.0', id: 2, result: {} });
      },
    });
    const under: string[] = [];
    const answer: FormAnswerer = async ({ one }) => {
      under.push(`${String(one)} asked`);
      await Promise.resolve();
      under.push(`${String(one)} answered`);
      return { action: 'accept' };
    };
    const client = await attach(node.stateDir, { answer });
    await client.call('x', {});
    expect(under).toEqual(['q1 asked', 'q1 answered', 'q2 asked', 'q2 answered']);
    expect(node.heard[0]).toMatchObject({
      params: { capabilities: { elicitation: { form: {} } } },
    });
    client.close();
  });

  it('tells the node of a call that is cancelled', async () => {
    const node = await fakeNode();
    const client = await attach(node.stateDir);
    const abort = new AbortController();
    const call = client.call('slow', {}, { signal: abort.signal });
    const refused = expect(call).rejects.toThrow('cancelled');
    const asked = await node.received('tools/call');
    abort.abort();
    await refused;
    expect((await node.received('notifications/cancelled')).params?.['requestId']).toBe(
      asked['id'],
    );
    client.close();
  });

  it('asks nothing when it was cancelled before', async () => {
    const node = await fakeNode();
    const client = await attach(node.stateDir);
    await expect(client.call('x', {}, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect(node.heard.some(({ method }) => method === 'tools/call')).toBe(false);
    client.close();
  });

  it('waits no longer than it was told to, and cancels', async () => {
    const node = await fakeNode();
    const client = await attach(node.stateDir);
    await expect(client.call('slow', {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'STARLING_TIMEOUT',
      message: 'no answer of slow within 0.02 s',
    });
    await node.received('notifications/cancelled');
    client.close();
  });

  it('waits for a timeout that is longer than timers can be', async () => {
    const node = await fakeNode({ answer: () => ({ done: true }) });
    const client = await attach(node.stateDir);
    expect(await client.call('x', {}, { timeoutMs: 1e12 })).toEqual({ done: true });
    client.close();
  });
});

describe('what goes wrong', () => {
  it('no node: says how to start one', async () => {
    await expect(attach(await temporaryFolder())).rejects.toMatchObject({
      code: 'STARLING_NODE_UNREACHABLE',
      hint: expect.stringContaining('starling up') as string,
    });
  });

  it('a file where the socket should be is no node', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'node.sock'), '');
    await expect(attach(folder)).rejects.toMatchObject({ code: 'STARLING_NODE_UNREACHABLE' });
  });

  it('a node that ends during a call is noticed at once, though the socket is half open', async () => {
    const node = await fakeNode({
      answer: ({ method }, { socket }) => {
        if (method === 'tools/call') socket.end();
      },
    });
    const client = await attach(node.stateDir);
    await expect(client.call('x', {})).rejects.toMatchObject({ code: 'STARLING_NODE_UNREACHABLE' });
    await expect(client.call('x', {})).rejects.toMatchObject({ code: 'STARLING_NODE_UNREACHABLE' });
  });

  it.each(['not json\n', '[1]\n', 'null\n', '\u0000\u0001\n'])(
    'a node that answers %j breaks the protocol, and nothing crashes',
    async (garbage) => {
      const node = await fakeNode({
        answer: ({ method }, { socket }) => {
          if (method === 'tools/call') socket.write(garbage);
        },
      });
      const client = await attach(node.stateDir);
      await expect(client.call('x', {})).rejects.toMatchObject({
        code: 'STARLING_PROTOCOL_VIOLATION',
      });
    },
  );

  it('a node that takes no more sessions says so itself', async () => {
    const node = await fakeNode({
      initialize: (_, { fail }) =>
        fail(null, {
          code: -32003,
          message: 'too many',
          data: { code: 'STARLING_LIMIT_EXCEEDED', reason: '1000 sessions are open', hint: 'wait' },
        }),
    });
    await expect(attach(node.stateDir)).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: '1000 sessions are open',
      hint: 'wait',
    });
  });

  it('a tool of the node that answers without structure breaks the protocol', async () => {
    const node = await fakeNode({ answer: () => ({ content: [] }) });
    const client = await attach(node.stateDir);
    await expect(client.builtin('status')).rejects.toMatchObject({
      code: 'STARLING_PROTOCOL_VIOLATION',
    });
    client.close();
  });

  it.each([
    [{ code: -32602, message: 'bad arguments' }, 'STARLING_USAGE', 'bad arguments'],
    [{ code: -32603, message: 'it broke' }, 'STARLING_UPSTREAM_UNAVAILABLE', 'it broke'],
    [
      { code: -32003, message: 'm', data: { code: 'STARLING_CALL_REFUSED', reason: 'no grant' } },
      'STARLING_CALL_REFUSED',
      'no grant',
    ],
    [
      { code: -32003, message: 'm', data: { code: 'toString' } },
      'STARLING_UPSTREAM_UNAVAILABLE',
      'm',
    ],
    [{ code: 1, message: 7, data: [] }, 'STARLING_UPSTREAM_UNAVAILABLE', 'the call failed'],
  ])('the error %j is told as %s', async (error, code, message) => {
    const node = await fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/call') fail(id, error);
      },
    });
    const client = await attach(node.stateDir);
    await expect(client.call('x', {})).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    client.close();
  });
});
