/** `starling trace` at a double of the node: how the time of a call divides, and whom it believes. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { readSpan, waysOf } from '../../../src/core/words/trace-ways.ts';
import { fakeNode, run } from '../support.ts';
import type { Ran } from '../support.ts';

const PEER = '12D3KooWlaptop';
const PING = {
  peer: 'laptop',
  peerId: PEER,
  rttMs: 1.25,
  route: 'direct',
  address: '/ip4/192.168.77.12/tcp/4040',
};
const FAR = { node: 'anna', server: 'files', sentMs: 1, totalMs: 6 };
const NEAR = {
  node: 'workstation',
  server: 'files',
  peer: PEER,
  peerName: 'laptop',
  sentMs: 2,
  totalMs: 10,
};
const LINK = { route: 'direct', rttMs: 1.25, address: PING.address } as const;

/** Traces a call of which the node tells `spans` before `answer`. */
async function trace(
  spans: readonly JsonObject[],
  answer: JsonObject = { content: [] },
  ...args: readonly string[]
): Promise<Ran> {
  const { stateDir } = await fakeNode({
    answer({ id, method, params }, connection) {
      if (method === 'tools/list') return { tools: [] };
      if (params?.['name'] === 'starling__peer_ping') {
        return { content: [], structuredContent: PING };
      }
      const { progressToken = '' } = (params?.['_meta'] ?? {}) as JsonObject;
      for (const span of spans) {
        const told = { progressToken, progress: -1, _meta: { 'starling/trace': span } };
        connection.send({ jsonrpc: '2.0', method: 'notifications/progress', params: told });
      }
      if (answer['code'] === undefined) return answer;
      return connection.fail(id, answer);
    },
  });
  return run('trace', 'laptop__files__list', ...args, '--state', stateDir);
}

it('shows each part of the way with its time, and how the peer is reached', async () => {
  const { code, stdout, stderr } = await trace([FAR, NEAR]);
  expect([code, stderr]).toEqual([0, '']);
  const lines = stdout.replaceAll(/\d+\.\d ms/g, 'N ms').split('\n');
  expect(lines.map((line) => line.trim())).toEqual([
    'laptop__files__list in N ms',
    'N ms  this terminal → workstation: the socket of this machine',
    'N ms  workstation: checked and sent on',
    'N ms  workstation → laptop: direct, 192.168.77.12:4040, a round trip takes N ms',
    'N ms  laptop: checked and sent on',
    'N ms  laptop → files: the server',
    '',
  ]);
});

it('gives the same as JSON', async () => {
  const { stdout } = await trace([FAR, NEAR], undefined, '--json');
  const { totalMs, ...shown } = JSON.parse(stdout) as { totalMs: number; ways: JsonObject[] };
  expect(totalMs).toBeGreaterThan(0);
  expect(shown.ways.slice(1)).toEqual([
    { part: 'node', at: 'workstation', ms: 2 },
    { part: 'link', at: 'workstation', to: 'laptop', ms: 2, ...LINK },
    { part: 'node', at: 'laptop', ms: 1 },
    { part: 'server', at: 'laptop', to: 'files', ms: 5 },
  ]);
  expect(shown).toMatchObject({ tool: 'laptop__files__list', ok: true });
});

it('shows how far a call came that was refused, and then the refusal', async () => {
  const refused = {
    code: -32_003,
    message: 'not granted',
    data: { code: 'STARLING_CALL_REFUSED', hint: 'ask for it' },
  };
  const { code, stdout, stderr } = await trace([{ node: 'anna', totalMs: 1 }, NEAR], refused);
  expect(code).toBe(1);
  expect(stdout).toMatch(/laptop__files__list failed after .*\n(.*\n)*.*laptop: it ended here\n$/);
  expect(stderr).toContain('[STARLING_CALL_REFUSED]');
});

it('ends with 1 when the tool says that it failed, and says when no node tells', async () => {
  expect(await trace([FAR, NEAR], { content: [], isError: true })).toMatchObject({ code: 1 });
  const silent = await trace([]);
  expect(silent.code).toBe(1);
  expect(silent.stderr).toContain('nobody told what that took');
});

describe('the parts of the way', () => {
  const span = (told: JsonObject) => {
    const read = readSpan(told);
    if (read === undefined) throw new Error('no span');
    return read;
  };

  it('of a server of this node are three', () => {
    const ways = waysOf(
      5,
      [span({ node: 'here', server: 'git', sentMs: 1, totalMs: 4 })],
      undefined,
    );
    expect(ways.map(({ part, ms }) => `${part} ${ms}`)).toEqual(['client 1', 'node 1', 'server 3']);
  });

  it('are not by a server that plays a node: the last two count', () => {
    const played = span({ node: 'nsa', totalMs: 99 });
    const ways = waysOf(11, [played, played, span(FAR), span(NEAR)], LINK);
    expect(ways.map(({ at }) => at)).not.toContain('nsa');
    const own = span({ node: 'here', server: 'git', sentMs: 1, totalMs: 4 });
    expect(waysOf(5, [played, own], undefined)).toHaveLength(3);
  });

  it('say that a peer was silent about its own part', () => {
    expect(waysOf(11, [span(NEAR)], LINK).at(-1)).toMatchObject({ part: 'link', isWhole: true });
  });

  it('are never less than nothing, whatever a peer says', () => {
    const ways = waysOf(11, [span({ ...FAR, totalMs: 1e9 }), span(NEAR)], LINK);
    expect(ways.every(({ ms }) => ms >= 0)).toBe(true);
  });

  it.each([
    {},
    { node: 'x' },
    { node: 'x', totalMs: -1 },
    { node: 'x', totalMs: '1' },
    { node: 'x'.repeat(257), totalMs: 1 },
    { node: 7, totalMs: 1 },
  ])('are not made of %j', (told) => expect(readSpan(told as JsonObject)).toBeUndefined());
});
