/** What commands say whose node stops while they wait, and what `up` says where the node runs. */
import { expect, it } from 'vitest';
import { withRunning } from '../../src/cli/node/running-already.ts';
import { noServers } from '../../src/cli/terminal/lines/node-status.ts';
import { StarlingError } from '../../src/core/index.ts';
import { serving } from './fake-node.ts';
import type { Answer } from './fake-node.ts';
import { fakeNode, run } from './support.ts';

const PENDING = { granted: false, pending: 'r1', reason: 'a person is asked' };

it('starling request fails and says so when its node stops while a person is asked', async () => {
  const answer: Answer = (message, { socket, send }) => {
    if (message.method !== 'tools/call') return undefined;
    send({ jsonrpc: '2.0', id: message['id'], result: { structuredContent: PENDING } });
    setImmediate(() => socket.destroy());
    return undefined;
  };
  const node = await fakeNode({ answer });
  const words = ['request', 'workstation/files/*', '--because', 'x'];
  const ran = await run(...words, '--state', node.stateDir);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain('the node stopped while the request waits at workstation');
  expect(ran.stderr).toContain('start it (starling up) and ask again to hear the answer');
});

it.each([
  [
    'workstation/files/*',
    'workstation is this node, which asks itself for nothing [STARLING_USAGE]',
    'its operator may use all that it has: starling tools',
  ],
  [
    'files/read',
    "no peer is called 'files' [STARLING_PEER_UNKNOWN]",
    "name the peer first: starling request '<peer>/files/read' --because '<why>'; who is there: starling peers",
  ],
  [
    'wrkstation2/files/read',
    "no peer is called 'wrkstation2' [STARLING_PEER_UNKNOWN]",
    "did you mean workstation2? name the peer first: starling request 'workstation2/files/read' --because '<why>'",
  ],
])('starling request of %s says what is wrong with the name', async (resource, says, advice) => {
  const status = serving({
    status: { name: 'workstation' },
    peers: { peers: [{ alias: 'workstation2' }] },
  });
  const answer: Answer = (message, connection) => {
    if (!String(message.params?.['name']).includes('request_permission'))
      return status(message, connection);
    const data = { code: 'STARLING_TOOL_UNKNOWN' };
    return connection.fail(message['id'], { code: -32602, message: 'no tool', data });
  };
  const node = await fakeNode({ answer });
  const ran = await run('request', resource, '--because', 'x', '--state', node.stateDir);
  expect(ran.stderr).toContain(says);
  expect(ran.stderr).toContain(advice);
});

it.each([
  ['call', ['call', 'files__read', '--args', '{}']],
  ['board watch', ['board', 'watch', 'plan']],
  ['audit tail', ['audit', 'tail']],
])('starling %s fails and says so when its node stops', async (_, words) => {
  const results = serving({
    audit_tail: { cursor: 1, entries: [], names: {} },
    audit_query: { entries: [], names: {} },
  });
  let asked = 0;
  const answer: Answer = (message, connection) => {
    if (message.method === 'tools/call') asked += 1;
    // `audit tail` asks twice for what is past; the third question waits.
    if (words[1] === 'tail' && asked < 3) return results(message, connection);
    connection.socket.destroy();
    return undefined;
  };
  const node = await fakeNode({ answer });
  const ran = await run(...words, '--state', node.stateDir);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain('[STARLING_NODE_UNREACHABLE]');
});

it('a node that runs already is named, and how to join with it', async () => {
  const locked = new StarlingError('STARLING_STATE_LOCKED', 'another node uses it');
  const node = await fakeNode({ answer: serving({ status: { name: 'gpu-box', pid: 4711 } }) });
  expect(await withRunning(locked, node.stateDir, true)).toMatchObject({
    code: 'STARLING_STATE_LOCKED',
    message: 'this node runs already (gpu-box, pid 4711)',
    hint:
      'to join, stop it there (Ctrl-C), then give this command again; ' +
      'for a second node on this machine: starling up --state <folder> --listen /ip4/127.0.0.1/tcp/0 --http-port 0',
  });
  expect(await withRunning(locked, node.stateDir, false)).toMatchObject({
    hint: expect.stringMatching(/^see it with: starling status; for a second/) as string,
  });
  await node.stop();
  expect(await withRunning(locked, node.stateDir, true)).toBe(locked);
});

it('a node without servers says which config file it read last time', () => {
  const said = noServers({ file: "/home/ann/it's/starling.json", words: ' --state /l2' });
  expect(said).toContain(
    String.raw`starling up --state /l2 --config '/home/ann/it'\''s/starling.json'`,
  );
  expect(noServers({ file: '/a.json', words: '' })).toContain(
    'last time this node read /a.json: starling up --config /a.json',
  );
});
