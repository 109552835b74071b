/** `starling ping` and `starling peers --watch` at a double of the node. */
import { expect, it, onTestFinished, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { fakeNode, run, start } from '../support.ts';
import type { Ran } from '../support.ts';

const DIRECT = {
  peer: 'laptop',
  peerId: '12D3KooWlaptop',
  rttMs: 1.234,
  route: 'direct',
  address: '/ip4/192.168.77.11/tcp/4040/p2p/12D3KooWlaptop',
};
const RELAYED = {
  ...DIRECT,
  rttMs: 40,
  route: 'relayed',
  relay: 'workstation',
  why: 'its addresses do not answer',
};
const SILENT = { code: -32_000, message: 'no answer in time', data: { code: 'STARLING_TIMEOUT' } };

/** Turns of the event loop after which a second is over: answers of the double take a handful. */
const TURNS_A_SECOND = 30;
/** Between two turns others have the processor, or a thread that reads a file would not come before a timeout. */
const TURN_MS = 1;
const later = setTimeout;

/** Runs the command with a quick clock, at a node that gives `answers` one after the other, the last again and again. */
async function ping(answers: readonly JsonObject[], ...args: readonly string[]): Promise<Ran> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let asked = 0;
  const { stateDir } = await fakeNode({
    answer: ({ method, id }, connection) => {
      if (method !== 'tools/call') return undefined;
      const answer = answers[Math.min(asked, answers.length - 1)] ?? {};
      asked += 1;
      if (answer['code'] === undefined) return { content: [], structuredContent: answer };
      return connection.fail(id, answer);
    },
  });
  const running = run('ping', 'laptop', ...args, '--state', stateDir);
  const state = { isDone: false };
  void running.finally(() => {
    state.isDone = true;
  });
  for (let turn = 1; !state.isDone; turn += 1) {
    await new Promise((resolve) => later(resolve, TURN_MS));
    if (turn % TURNS_A_SECOND === 0) vi.advanceTimersByTime(1000);
  }
  return running;
}

it('ends with the first direct answer', async () => {
  expect(await ping([RELAYED, RELAYED, DIRECT])).toEqual({
    code: 0,
    stdout:
      'pong from laptop in 40.0 ms, through workstation\n'.repeat(2) +
      'pong from laptop in 1.2 ms, direct, 192.168.77.11:4040\n',
    stderr: '',
  });
});

it('says after ten that there is no direct way, and through whom it went', async () => {
  const { code, stdout } = await ping([RELAYED]);
  expect([code, stdout.match(/pong/g)?.length]).toEqual([0, 10]);
  expect(stdout).toMatch(
    /\nno direct way in 10 pings: what is sent to laptop goes through workstation\nwhy: its addresses do not answer\n$/,
  );
});

it('counts as it is told, goes on over what is lost, and prints a JSON value a line', async () => {
  const { code, stdout } = await ping([DIRECT, SILENT, DIRECT], '--count', '3', '--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  expect([code, lines]).toEqual([
    0,
    [DIRECT, { peer: 'laptop', error: 'STARLING_TIMEOUT', message: 'no answer in time' }, DIRECT],
  ]);
});

it('fails where nothing was answered, and at once where the name is nobody’s', async () => {
  const silent = await ping([SILENT], '--count', '2');
  expect([silent.code, silent.stdout]).toEqual([
    1,
    'no answer of laptop: no answer in time\n'.repeat(2),
  ]);
  const nobody = { code: -32_000, message: 'nobody', data: { code: 'STARLING_PEER_UNKNOWN' } };
  const unknown = await ping([nobody]);
  expect([unknown.code === 0, unknown.stdout]).toEqual([false, '']);
});

it('`peers --watch` prints what is news of the peers until Ctrl-C, and not what only grows older', async () => {
  const peer = (more: JsonObject): JsonObject => ({
    alias: 'laptop',
    peerId: '12D3KooWlaptop',
    state: 'alive',
    lastHeartbeatAt: 1,
    ...more,
  });
  const seen = [peer({}), peer({ lastHeartbeatAt: 2, rttMs: 3 }), peer({ state: 'dead' })];
  let asked = 0;
  const { stateDir } = await fakeNode({
    answer: ({ method }) => {
      if (method !== 'tools/call') return undefined;
      const peers = [seen[Math.min(asked, 2)] ?? {}];
      asked += 1;
      return { content: [], structuredContent: { peers } };
    },
  });
  const watching = start(['peers', '--watch', '--json', '--state', stateDir]);
  await watching.says('dead');
  watching.child.kill('SIGINT');
  const { code, stdout } = await watching.ended();
  expect(code).toBe(130);
  expect(stdout.trim().split('\n')).toEqual([
    JSON.stringify({ peers: [seen[0]] }),
    JSON.stringify({ peers: [seen[2]] }),
  ]);
});
