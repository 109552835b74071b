/**
 * Everything crosses two peers: clients of both eras at the guest, servers of both eras at the owner,
 * and so both bridges. Each row is one feature of MCP, tried in all four combinations.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPrograms } from '../../conformance/bundle.ts';
import { fixtureCommand, startFixture } from '../../conformance/mesh.ts';
import { attach } from '../callers.ts';
import type { Caller, Era, Way } from '../callers.ts';
import { LOG_LEVEL, changes, features, heard, oddities } from './features.ts';
import type { Crossing, Feature } from './features.ts';
import { CLI, SERVERS, startPair, useWorld } from '../support.ts';
import type { Pair } from '../support.ts';
import { someOf } from '../../long/extent.ts';

const world = useWorld('file');
const PREFIX = 'io.modelcontextprotocol/';

let pair: Pair;
const callers = new Map<string, Caller>();

const logOf = async (era: Era): Promise<string> => join(await world.root(), `plain-${era}.log`);
/** What a plain server has heard so far, one message a line. */
const heardBy = async (era: Era): Promise<string> => readFile(await logOf(era), 'utf8');

beforeAll(async () => {
  const plain = async (era: Era): Promise<object> =>
    SERVERS.fixture('plain.mjs', '--era', era, '--log', await logOf(era));
  const peerRoots = true;
  const { fixture } = await buildPrograms(join(await world.root(), 'programs'));
  pair = await startPair(
    world,
    {
      // Fixtures change their lists: that is what is tested here, not who approves it.
      pins: 'off',
      mcpServers: {
        'legacy-stdio': { ...fixtureCommand(fixture, 'legacy'), peerRoots },
        'modern-stdio': { ...fixtureCommand(fixture, 'modern'), peerRoots },
        'legacy-http': { url: await startFixture(fixture, 'legacy', world), peerRoots },
        'modern-http': { url: await startFixture(fixture, 'modern', world), peerRoots },
        'legacy-plain': await plain('legacy'),
        'modern-plain': await plain('modern'),
      },
    },
    { pins: 'off', list: { nameMax: 128 } },
  );
  for (const era of ['legacy', 'modern'] as const) {
    for (const way of WAYS) {
      callers.set(`${era} ${way}`, await attach(pair.guest, { era, way }));
    }
  }
});

afterAll(async () => {
  for (const caller of callers.values()) await caller.close();
});

function crossing(client: Era, way: Way, era: Era, kind: string): Crossing {
  const caller = callers.get(`${client} ${way}`);
  if (caller === undefined) throw new Error(`no ${client} client over ${way}`);
  const server = `${era}-${kind}`;
  return {
    caller,
    server,
    log: () => heardBy(era),
    call: (tool, args = {}, more = {}, options = {}) =>
      caller.ask(
        'tools/call',
        { name: `owner__${server}__${tool}`, arguments: args, ...more },
        options,
      ),
  };
}

type RawClient = (line: string) => Promise<string>;
const rawClients = new Map<Era, Promise<RawClient>>();

/** The one client of an era without any library. */
function rawClient(era: Era): Promise<RawClient> {
  const client = rawClients.get(era) ?? startRawClient(era);
  rawClients.set(era, client);
  return client;
}

/** A client without any library, on stdio: sends lines and gives those that come back. */
async function startRawClient(era: Era): Promise<RawClient> {
  const child = spawn(process.execPath, [CLI, 'mcp', '--state', pair.guest.stateDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  world.defer(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  const heard: string[] = [];
  // That lists have changed is told whenever it is so, and is no answer.
  lines.on('line', (line) => {
    if (!line.includes('"method":')) heard.push(line);
  });
  const say = async (line: string): Promise<string> => {
    const before = heard.length;
    child.stdin.write(`${line}\n`);
    await expect.poll(() => heard.length, { timeout: 60_000 }).toBeGreaterThan(before);
    return heard[before] ?? '';
  };
  if (era === 'legacy') {
    const clientInfo = { name: 'raw', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    await say(JSON.stringify({ jsonrpc: '2.0', id: 'i', method: 'initialize', params }));
    child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  }
  return say;
}

/** What a library would have lost: members that none knows, numbers beyond those of JavaScript. */
const KEPT = [
  '"arguments":{"n":1.0,"big":123456789012345678901,"text":"é\\u00e9"}',
  '"vendorParam":{"kept":[1.0,null]}',
  '"traceparent":"00-11111111111111111111111111111111-1111111111111111-01"',
  '"tracestate":"vendor=1"',
  '"vendor/meta":{"n":2.0}',
];

const ANSWERED =
  '"content":[{"type":"hologram","data":{"depth":1.0},"vendor":12345678901234567890},' +
  '{"type":"text","text":"é\\u00e9 \\ud83d\\ude00","annotations":{"mood":"odd"}}],' +
  '"structuredContent":[1.0,{"big":12345678901234567890123}],"vendorField":{"kept":true,"n":1e2},' +
  '"_meta":{"vendor/mark":"m-1","traceparent":"00-22222222222222222222222222222222-2222222222222222-01"}';

const WAYS = ['stdio', 'http'] as const;

const combinations: readonly (readonly [client: Era, server: Era])[] = [
  ['legacy', 'legacy'],
  ['legacy', 'modern'],
  ['modern', 'legacy'],
  ['modern', 'modern'],
];

// In `npm test` those between eras, which cross a bridge.
describe.each(someOf(combinations, ([client, server]) => client !== server))(
  'from a %s client to a %s server two peers away cross',
  (client, era) => {
    const other: Readonly<Record<Way, Way>> = { stdio: 'http', http: 'stdio' };
    const run = async (feature: Feature, way: Way, kind: string): Promise<void> => {
      const at = crossing(client, way, era, kind);
      at.caller.asked.length = 0;
      at.caller.heard.length = 0;
      await feature(at);
    };

    // Each bridge, and none, by one of the two ways at least.
    const short: Way = client === 'legacy' ? 'stdio' : 'http';
    describe.each(someOf(WAYS, (way) => way === short))('by %s', (way) => {
      // So that each bridge is crossed from and to both.
      const kind = client === era ? way : other[way];
      it.each(Object.entries(features))('%s', (_, feature) => run(feature, way, kind));
      it.each(Object.entries(changes))('%s', (_, feature) => run(feature, way, 'http'));
      it.each(Object.entries(oddities))('%s', (_, feature) => run(feature, way, 'plain'));
    });
  },
);

describe('byte for byte', () => {
  it.each(combinations)(
    'cross request and result of a %s client and a %s server',
    async (client, era) => {
      const say = await rawClient(client);
      const era2026 =
        client === 'modern'
          ? `,"${PREFIX}protocolVersion":"2026-07-28","${PREFIX}clientCapabilities":{}`
          : '';
      const [args, param, ...meta] = KEPT;
      const line =
        `{"jsonrpc":"2.0","id":"a b","method":"tools/call","params":{"name":"owner__${era}-plain__odd",` +
        `${args},${param},"_meta":{${meta.join(',')}${era2026}}},"vendorTop":1.0}`;
      const before = (await heardBy(era)).length;
      const answer = await say(line);
      expect(answer).toContain(ANSWERED);
      expect(JSON.parse(answer)).toMatchObject({ jsonrpc: '2.0', id: 'a b' });
      const heardLine = (await heardBy(era))
        .slice(before)
        .split('\n')
        .find((one) => one.includes('"tools/call"'));
      for (const part of [...KEPT, '"vendorTop":1.0']) expect(heardLine).toContain(part);
    },
  );

  it.each(combinations)('crosses an error to a %s client from a %s server', async (client, era) => {
    const say = await rawClient(client);
    const _meta = {
      [`${PREFIX}protocolVersion`]: '2026-07-28',
      [`${PREFIX}clientCapabilities`]: {},
    };
    const name = `owner__${era}-plain__fail`;
    const params = client === 'modern' ? { name, _meta } : { name };
    const answer = await say(
      JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params }),
    );
    expect(answer).toContain(
      '"error":{"code":-32099,"message":"out of paper","data":{"tray":2.0,"list":[null]}}',
    );
    expect(JSON.parse(answer)).toMatchObject({ id: 7 });
  });
});

describe('two calls of one client at the same time', () => {
  it.each(combinations)(
    'a %s client and a %s server: each gets its own progress, and the one that asked gets the log',
    async (client, era) => {
      const at = crossing(client, 'http', era, 'http');
      at.caller.heard.length = 0;
      if (client === 'legacy') await at.caller.ask('logging/setLevel', { level: 'info' });
      const more = client === 'legacy' ? {} : { _meta: { [LOG_LEVEL]: 'info' } };
      const steps: [number[], number[]] = [[], []];
      await Promise.all([
        at.call('test_tool_with_logging', {}, more),
        at.call(
          'test_tool_with_progress',
          {},
          {},
          { onprogress: (one) => steps[0].push(one.progress) },
        ),
        at.call(
          'test_tool_with_progress',
          {},
          {},
          { onprogress: (one) => steps[1].push(one.progress) },
        ),
      ]);
      for (const own of steps) expect(own.slice(0, 2)).toEqual([0, 50]);
      expect(await heard(at.caller, 'notifications/message', 3)).toHaveLength(3);
    },
  );
});
