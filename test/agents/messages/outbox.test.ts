/** What waits for agents of a node that was away: each agent's messages in order, and none behind those of another. */
import { expect, it } from 'vitest';
import { createOutbox } from '../../../src/agents/messages/outbox.ts';
import type { Outbox, Parcel } from '../../../src/agents/messages/outbox.ts';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const BOB = 'did:key:bob' as Did;
const FAR = 1e15;

const parcel = (agentId: string, message: number): Parcel => ({
  to: BOB,
  args: { agentId, message },
  expiresAt: FAR,
});
/** Lets what is on its way arrive. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((next) => setImmediate(next));
};

interface Stage {
  readonly outbox: Outbox;
  readonly clock: TestClock;
  readonly rows: Map<string, Uint8Array>;
  /** `<agent> <message>` of all that was handed over. */
  readonly sent: string[];
  readonly givenUp: string[];
  isHere: boolean;
}

/** An outbox; `refuse` says why the node of bob does not take a parcel now. */
function stage(
  refuse: (agent: string) => StarlingError | Promise<never> | undefined = () => undefined,
): Stage {
  const table = memoryTable();
  const clock = createTestClock();
  const textOf = ({ args }: Parcel): string =>
    `${String(args['agentId'])} ${String(args['message'])}`;
  const made: Omit<Stage, 'outbox'> = {
    clock,
    rows: table.rows,
    sent: [],
    givenUp: [],
    isHere: false,
  };
  const outbox = createOutbox({
    table,
    clock,
    random: () => 0,
    logger: silentLogger,
    isHere: () => whole.isHere,
    async send(one) {
      const refusal = refuse(String(one.args['agentId']));
      if (refusal instanceof StarlingError) throw refusal;
      await refusal;
      whole.sent.push(textOf(one));
    },
    givenUp: (one) => void whole.givenUp.push(textOf(one)),
  });
  const whole: Stage = { ...made, outbox };
  return whole;
}

it('an agent that takes nothing now holds back no message for another agent of its node', async () => {
  const reasons: Readonly<Record<string, StarlingError | Promise<never> | undefined>> = {
    full: new StarlingError('STARLING_LIMIT_EXCEEDED', 'full', { data: { reason: 'full' } }),
    slow: new StarlingError('STARLING_RATE_LIMITED', 'slow'),
    // A person there is asked first.
    asked: new Promise<never>(() => undefined),
  };
  let isOver = false;
  const world = stage((agent) => (isOver ? undefined : reasons[agent]));
  const { outbox } = world;
  for (const agent of ['full', 'slow', 'asked', 'open']) {
    for (const message of [1, 2]) await outbox.add(parcel(agent, message));
  }
  world.isHere = true;
  outbox.look(BOB);
  await settle();
  expect(world.sent).toEqual(['open 1', 'open 2']);
  expect(world.givenUp).toEqual([]);
  expect(outbox.waiting(BOB, 'full')).toBe(2);
  isOver = true;
  world.clock.advance(60_000);
  await settle();
  expect(world.sent.slice(2).toSorted()).toEqual(['full 1', 'full 2', 'slow 1', 'slow 2']);
  expect(world.rows.size).toBe(2);
  outbox.stop();
});

it('a message that comes while others of its agent wait for the next attempt waits behind them', async () => {
  let isFull = true;
  const full = new StarlingError('STARLING_LIMIT_EXCEEDED', '', { data: { reason: 'full' } });
  const world = stage(() => (isFull ? full : undefined));
  world.isHere = true;
  await world.outbox.add(parcel('coder', 1));
  await settle();
  isFull = false;
  await world.outbox.add(parcel('coder', 2));
  await settle();
  expect(world.sent).toEqual([]);
  world.clock.advance(2000);
  await settle();
  expect(world.sent).toEqual(['coder 1', 'coder 2']);
  expect(world.rows.size).toBe(0);
  world.outbox.stop();
});

it('a node that was away is sent to eight agents at a time, and no more', async () => {
  let isOpen = false;
  let going = 0;
  let most = 0;
  const opened: (() => void)[] = [];
  const world = stage(() => {
    going += 1;
    most = Math.max(most, going);
    const done = isOpen ? Promise.resolve() : new Promise<void>((open) => opened.push(open));
    return done.then(() => void (going -= 1)) as Promise<never>;
  });
  for (let at = 0; at < 20; at += 1) await world.outbox.add(parcel(`agent-${at}`, at));
  world.isHere = true;
  world.outbox.look(BOB);
  await settle();
  expect(most).toBe(8);
  isOpen = true;
  for (const open of opened) open();
  await settle();
  expect(world.sent).toHaveLength(20);
  expect(most).toBe(8);
  world.outbox.stop();
});

it('what a disk refuses takes no room, and is sent to nobody', async () => {
  const world = stage();
  const { outbox, rows } = world;
  const set = rows.set.bind(rows);
  rows.set = () => {
    throw new StarlingError('STARLING_STATE_UNUSABLE', 'no disk');
  };
  await expect(outbox.add(parcel('coder', 1))).rejects.toThrow(/no disk/);
  expect(outbox.waiting(BOB, 'coder')).toBe(0);
  rows.set = set;
  await outbox.add(parcel('coder', 2));
  world.isHere = true;
  outbox.look(BOB);
  await settle();
  expect(world.sent).toEqual(['coder 2']);
  outbox.stop();
});
