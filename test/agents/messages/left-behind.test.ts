/** What messages leave behind in the memory of their node once they are over: nothing that waits for a collection of all. */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { LocalAgent } from '../../../src/agents/directory/local-agents.ts';
import { MessagesUnderWay } from '../../../src/agents/inbox/messages-under-way.ts';
import { createQueries } from '../../../src/agents/messages/queries.ts';
import type { AgentMessage } from '../../../src/agents/types.ts';
import { systemClock } from '../../../src/core/index.ts';

const MESSAGES = 20_000;
const AT_A_TIME = 64;
const BYTES_EACH = 150;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (how?: { type: 'minor' }) => void;

function messageOf(number: number): AgentMessage {
  const id = `msg-${number}`;
  const metadata = { correlationId: id, messageId: id };
  const said = { message: `hello ${number}`, priority: 'normal', correlationId: id } as const;
  const ends = { from: 'operator@bob', to: 'coder', timestamp: '2026-11-30T00:00:00.000Z' };
  return { id, type: 'query', ...ends, ...said, metadata, timeoutMs: 30_000 };
}

/** Bytes of what a collection of the young does not reach. */
function oldBytes(): number {
  const spaces = getHeapSpaceStatistics();
  return spaces.find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? Number.NaN;
}

/** Bytes that stay of each message; `begin` gives what ends it. */
function leftOfEach(begin: (message: AgentMessage) => () => void): number {
  const ends = Array.from({ length: AT_A_TIME }, (_, number) => begin(messageOf(number)));
  // What holds them is old from here on.
  collect();
  collect();
  const before = oldBytes();
  for (let number = AT_A_TIME; number < MESSAGES; number += 1) {
    ends[number % AT_A_TIME]?.();
    ends[number % AT_A_TIME] = begin(messageOf(number));
    if (number % 1000 === 0) collect({ type: 'minor' });
  }
  for (const end of ends) end();
  return (oldBytes() - before) / MESSAGES;
}

it('a message that was in hand goes with the young', () => {
  const hand = new MessagesUnderWay();
  const left = leftOfEach((message) => {
    const number = hand.add(message, 'bob');
    return () => hand.delete(number);
  });
  expect(hand.size).toBe(0);
  expect(left).toBeLessThan(BYTES_EACH);
});

it('a query that was answered goes with the young', () => {
  const queries = createQueries(systemClock);
  const agent = {
    asked: 0,
    inbox: { isQuiet: true, passed: () => undefined, withdraw: () => undefined },
    metrics: { answered: () => undefined },
    taker: { take: () => true },
  } as unknown as LocalAgent;
  let settled = 0;
  const left = leftOfEach((message) => {
    const query = { agent, message, bytes: 200, sender: 'bob', timeoutMs: 60_000 };
    queries.begin(query, () => (settled += 1));
    return () => queries.answered(agent, message, { response: null });
  });
  expect(settled).toBe(MESSAGES);
  expect(left).toBeLessThan(BYTES_EACH);
});
