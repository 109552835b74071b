/**
 * What is judged is what is sent: with a right to one tool, no spelling of a message makes a server run another
 * one, by whichever door the message comes and however leniently the server reads.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uriResource } from '../../src/grants/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { openLines, openPeer, openSse, openWebSocket } from './hostile/connections.ts';
import type { Connection } from './hostile/connections.ts';
import { createWire, http, runCleanup, startNode, until } from './support/gateways.ts';
import type { TestNode, Wire } from './support/gateways.ts';
import { lenientServers } from './support/lenient-servers.ts';
import { misspelt } from './support/misspelt.ts';

const { servers, missing, remove } = await lenientServers();
for (const why of missing) process.stderr.write(`skipped: ${why}\n`);

/** Messages of one door, for each server. */
const FUZZED = 30;
const ALLOWED = [{ ran: 'echo' }, { ran: 'test://open' }];

let wire: Wire;
let alice: TestNode;
let bob: TestNode;
let key: string;
let url: string;

beforeAll(async () => {
  wire = createWire();
  const byName = Object.fromEntries(servers.map(({ name, server }) => [name, server]));
  alice = await startNode('alice', { wire, seed: 2, servers: byName, tcp: { enabled: true } });
  bob = await startNode('bob', { wire, seed: 3 });
  for (const { name } of servers) await allow(bob, name);
  alice.membership.set('bob', bob.peerId);
  bob.membership.set('alice', alice.peerId);
  const scopes = servers.flatMap(({ name }) => [
    `tool:${name}/echo`,
    uriResource(name, 'test://open'),
  ]);
  key = (await alice.keys.create({ name: 'narrow', scopes })).key.reveal();
  url = alice.gateway.endpoints().url ?? '';
  await until(() => bob.directory.servers(alice.peerId).length === servers.length);
});

afterAll(async () => {
  await runCleanup();
  await remove();
});

async function allow(peer: { readonly peerId: TestNode['peerId'] }, name: string): Promise<void> {
  await alice.grant(peer as TestNode, `${name}/echo`);
  const open = uriResource(name, 'test://open');
  await alice.grantOf(peer as TestNode, open, 'resource/read');
}

function initialize(meta: object = {}): string {
  const clientInfo = { name: 'm', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo, _meta: meta };
  return JSON.stringify({ jsonrpc: '2.0', id: 'open', method: 'initialize', params });
}

/** Sends all messages, and waits until each has its one answer. */
async function talk(
  connection: Connection,
  opening: string,
  messages: readonly string[],
): Promise<void> {
  const answers = async (count: number): Promise<void> => {
    let heard = 0;
    while (heard < count) {
      await connection.heard();
      if (connection.isClosed) throw new Error('the connection was closed');
      const frames = connection.take().map((text) => JSON.parse(text) as { method?: string });
      heard += frames.filter(({ method }) => method === undefined).length;
    }
  };
  connection.send([Buffer.from(opening)]);
  await answers(1);
  connection.send(messages.map((text) => Buffer.from(text)));
  await answers(messages.length);
  connection.close();
}

async function talkOverHttp(messages: readonly string[]): Promise<void> {
  const authorization = `Bearer ${key}`;
  const opened = await http(alice, { headers: { authorization }, body: initialize() });
  const session = String(opened.headers['mcp-session-id']);
  for (const body of messages) {
    const headers = { authorization, 'mcp-session-id': session };
    await http(alice, { headers, body });
  }
}

/** What a hostile caller sends: the allowed call, and beside its keys others that could be read as them. */
function hostile(seed: number, tool: string, uri: string): readonly string[] {
  const wanted = {
    tool,
    uri,
    evilTool: tool.replace('echo', 'drop_table'),
    evilUri: 'test://secret',
  };
  return fc.sample(misspelt(wanted), { seed, numRuns: FUZZED });
}

describe.skipIf(servers.length === 0)('a right to one tool, whatever the server reads', () => {
  const opened = (): readonly string[] => servers.map(({ name }) => name);

  async function holds(
    seed: number,
    door: (name: string, messages: readonly string[]) => Promise<void>,
    prefix: (name: string) => string,
  ): Promise<void> {
    for (const [index, name] of opened().entries()) {
      const uri = 'test://open';
      await door(name, hostile(seed + index, `${prefix(name)}echo`, uri));
    }
    for (const { ran } of servers) {
      const seen = (await ran()).map(({ ran: what }) => ({ ran: what }));
      expect(seen.filter(({ ran: what }) => !ALLOWED.some((one) => one.ran === what))).toEqual([]);
    }
  }

  it('is a right to no other one by a peer’s client', async () => {
    const { socket } = bob.gateway.endpoints();
    await holds(
      100,
      async (_, messages) => talk(await openLines(socket), initialize(), messages),
      (name) => `alice__${name}__`,
    );
  });

  it('is a right to no other one on a peer’s stream', async () => {
    const mallory = createIdentity(Buffer.alloc(32, 9));
    for (const name of opened()) await allow(mallory, name);
    await holds(
      200,
      async (name, messages) => {
        const stream = await openPeer(wire, alice.peerId, mallory.peerId);
        await talk(stream, initialize({ 'starling/server': name }), messages);
      },
      () => '',
    );
  });

  it('is a right to no other one with a key over TCP, WebSocket, HTTP and HTTP with events', async () => {
    const tcp = alice.gateway.endpoints().tcp ?? '';
    const prefix = (name: string): string => `${name}__`;
    const doors: ((messages: readonly string[]) => Promise<void>)[] = [
      async (messages) =>
        talk(await openLines(tcp), initialize({ 'starling/token': key }), messages),
      async (messages) => talk(await openWebSocket(url, key), initialize(), messages),
      async (messages) => talk(await openSse(url, key), initialize(), messages),
      talkOverHttp,
    ];
    for (const [index, door] of doors.entries()) {
      await holds(300 + index * 10, async (_, messages) => door(messages), prefix);
    }
  });

  it('lets the call itself through, with keys beside that mean nothing', async () => {
    for (const { name, ran } of servers) {
      const before = (await ran()).length;
      const params = {
        name: `alice__${name}__echo`,
        arguments: { Name: 'x' },
        names: 1,
        x_name: 2,
      };
      const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params, note: 1 });
      await talk(await openLines(bob.gateway.endpoints().socket), initialize(), [text]);
      expect((await ran()).slice(before)).toMatchObject([{ ran: 'echo' }]);
    }
  });
});
