/** Calls of this node, and those that it hands on, to tools of a peer's built-in server. */
import { expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { RelayedCall, ServerChannel } from '../../../src/gateway/channel-types.ts';
import type { ResponseFrame } from '../../../src/gateway/frame-types.ts';
import { createPeerTools } from '../../../src/gateway/upstreams/peer-tools.ts';
import { parseFrame, requestBytes } from '../../../src/gateway/wire/frame.ts';
import { ownResultFrame } from '../../../src/gateway/wire/own-frame.ts';
import { OPERATOR, attachedClient } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const BOB = { alias: 'bob', peerId: 'peer-bob' } as unknown as PeerView;
const RESULT = {
  content: [{ type: 'text', text: '{"response":"hi"}' }],
  structuredContent: { response: 'hi' },
};

/** Turns in which what is on its way arrives. */
const turns = async (): Promise<void> => {
  for (let at = 0; at < 10; at += 1) await Promise.resolve();
};

/** A peer that is reached when the test says so, and whose answers the test gives. */
function peer() {
  const clock = createTestClock();
  const relayed: RelayedCall[] = [];
  const cancelled: (string | undefined)[] = [];
  const opened: JsonObject[] = [];
  let closed = 0;
  let reach: () => void = () => undefined;
  let lose: (error: Error) => void = () => undefined;
  const channel = {
    relay(call: RelayedCall) {
      relayed.push(call);
      return { cancel: (reason?: string) => void cancelled.push(reason) };
    },
    request: async () => ownResultFrame(1, RESULT),
    ended: new Promise(() => undefined),
    close: () => {
      closed += 1;
    },
  } as unknown as ServerChannel;
  const tools = createPeerTools({
    clock,
    channels: {
      open: (_, { client }) => {
        opened.push(client.capabilities);
        return new Promise<ServerChannel>((resolve, reject) => {
          reach = () => resolve(channel);
          lose = reject;
        });
      },
    },
  });
  const answers: ResponseFrame[] = [];
  const failures: StarlingError[] = [];
  const codes: string[] = [];
  const relay = (principal: Principal = OPERATOR) => {
    const params = { name: 'starling__agent_message', arguments: { agentId: 'coder@bob' } };
    const call = {
      request: parseFrame(requestBytes(7, 'tools/call', params)),
      principal: OPERATOR,
      edits: { traceparent: 'trace' },
      response: (frame: ResponseFrame) => void answers.push(frame),
      failed: (error: StarlingError) => void failures.push(error),
    } as unknown as RelayedCall;
    return tools.relay(BOB, {
      tool: 'agent_message',
      args: { agentId: 'coder' },
      principal,
      timeoutMs: 35_000,
      call,
      refused: (code) => void codes.push(code),
    });
  };
  const facts = { clock, tools, relay, relayed, cancelled, opened, answers, failures, codes };
  return {
    ...facts,
    closed: () => closed,
    reach: () => reach(),
    lose: (error: Error) => lose(error),
  };
}

it('a call that is handed on has the name and arguments of the tool there, and its answer as it comes', async () => {
  const { reach, relay, relayed, answers, opened } = peer();
  relay();
  expect(relayed).toEqual([]);
  reach();
  await turns();
  expect(relayed[0]).toMatchObject({
    edits: { name: 'agent_message', arguments: '{"agentId":"coder"}', traceparent: 'trace' },
    timeoutMs: 35_000,
  });
  const answer = ownResultFrame(1, RESULT);
  relayed[0]?.response(answer);
  expect(answers).toEqual([answer]);
  // The session is open: the next call goes out before anything else happens.
  relay();
  expect(relayed).toHaveLength(2);
  expect(opened).toEqual([{ experimental: { 'starling/structured': { above: 0 } } }]);
});

it('an answer that came as structured content alone is the caller’s with its text', async () => {
  const { reach, relay, relayed, answers } = peer();
  relay();
  reach();
  await turns();
  const { structuredContent } = RESULT;
  relayed[0]?.response(ownResultFrame(1, { content: [], structuredContent }));
  expect(answers).toMatchObject([{ id: 1, result: { ...RESULT, response: 'hi' } }]);
  expect(parseFrame(answers[0]?.bytes ?? Buffer.from(''))).toMatchObject({
    id: 1,
    result: { ...RESULT, response: 'hi' },
  });
});

it.each<readonly [string, JsonObject]>([
  ['no structured content', { content: [] }],
  ['a question', { ...RESULT, resultType: 'input_required', inputRequests: {} }],
  ['a task', { ...RESULT, task: { taskId: 'x' } }],
  ['a task of the newer kind', { ...RESULT, resultType: 'task', taskId: 'x' }],
])('a peer that answers with %s has broken the protocol', async (_, result) => {
  const { reach, relay, relayed, answers, failures } = peer();
  relay();
  reach();
  await turns();
  relayed[0]?.response(ownResultFrame(1, result));
  relayed[0]?.response(ownResultFrame(1, RESULT));
  expect(answers).toEqual([]);
  expect(failures).toMatchObject([{ code: 'STARLING_PROTOCOL_VIOLATION' }]);
});

it('an error of the peer is told by its code first, and is the answer', async () => {
  const { reach, relay, relayed, answers, codes } = peer();
  relay();
  reach();
  await turns();
  const data = { code: 'STARLING_AGENT_UNKNOWN' };
  const answer = { ...ownResultFrame(1, {}), error: { code: -32_001, message: 'no', data } };
  relayed[0]?.response(answer);
  expect(codes).toEqual(['STARLING_AGENT_UNKNOWN']);
  expect(answers).toEqual([answer]);
});

it('a call that is given up before its session is there is never sent, and one that was sent is cancelled there', async () => {
  const { reach, relay, relayed, cancelled, answers } = peer();
  relay().cancel('enough');
  reach();
  await turns();
  expect(relayed).toEqual([]);
  const second = relay();
  second.cancel('enough');
  second.cancel('again');
  expect(cancelled).toEqual(['enough']);
  relayed[0]?.response(ownResultFrame(1, RESULT));
  expect(answers).toEqual([]);
});

it('a peer that is not reached fails the call, once', async () => {
  const { lose, relay, failures } = peer();
  relay();
  lose(new StarlingError('STARLING_PEER_UNREACHABLE', 'bob is away'));
  await turns();
  expect(failures).toMatchObject([{ code: 'STARLING_PEER_UNREACHABLE' }]);
});

it('a session is closed a minute after the last of its calls, however that ended', async () => {
  const { clock, closed, reach, relay, relayed } = peer();
  relay();
  reach();
  await turns();
  const second = relay();
  relayed[0]?.response(ownResultFrame(1, RESULT));
  clock.advance(60_000);
  await turns();
  expect(closed()).toBe(0);
  second.cancel('enough');
  clock.advance(59_999);
  await turns();
  expect(closed()).toBe(0);
  clock.advance(1);
  await turns();
  expect(closed()).toBe(1);
});

it('a session that was used meanwhile is closed a minute after that', async () => {
  const { clock, closed, reach, relay, relayed } = peer();
  relay();
  reach();
  await turns();
  relayed[0]?.response(ownResultFrame(1, RESULT));
  clock.advance(30_000);
  relay();
  relayed[1]?.response(ownResultFrame(1, RESULT));
  clock.advance(59_999);
  await turns();
  expect(closed()).toBe(0);
  clock.advance(1);
  await turns();
  expect(closed()).toBe(1);
});

it('where too many are open, the one that was used longest ago makes room, and none that is in use', async () => {
  const { closed, failures, opened, reach, relay, relayed } = peer();
  const use = async (name: string): Promise<void> => {
    relay(attachedClient(name));
    reach();
    await turns();
  };
  const answer = (): void => relayed.at(-1)?.response(ownResultFrame(1, RESULT));
  await use('busy');
  for (let at = 1; at < 128; at += 1) {
    await use(`client-${at}`);
    answer();
  }
  // The oldest of those that rest is another one now.
  await use('client-1');
  answer();
  expect(opened).toHaveLength(128);
  await use('one-more');
  answer();
  await turns();
  expect([opened.length, closed(), failures.length]).toEqual([129, 1, 0]);
  await use('client-1');
  answer();
  expect(opened).toHaveLength(129);
  await use('client-2');
  expect(opened).toHaveLength(130);
});
