/** Replicas that a change did not need are told of it later: when its key rests, or about once a second. */
import { describe, expect, it } from 'vitest';
import type { Ballot } from '../../../src/blackboard/quorum/acceptor.ts';
import { createBystanders } from '../../../src/blackboard/quorum/bystanders.ts';
import type { BystandersComponents } from '../../../src/blackboard/quorum/bystanders.ts';
import type { MissedChange } from '../../../src/blackboard/quorum/proposer.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const ANN = 'did:key:z6MkAnn' as Did;
const BOB = 'did:key:z6MkBob' as Did;
const BYSTANDERS = [
  { did: ANN, disk: 'd4', since: 0 },
  { did: BOB, disk: 'd5', since: 0 },
];
const SET: ReplicaSet = { number: 2, voters: BYSTANDERS, count: 0 };

function missedChange(count: number): MissedChange {
  const ballot: Ballot = [count, 1, ANN];
  const next: Ballot = [count + 1, 1, ANN];
  const state = { value: count, count, ops: [] };
  const question = { t: 'accept', ballot, next, state, made: { from: ballot } } as const;
  return { set: SET, question, bystanders: BYSTANDERS };
}

/** `told` has a row for each question: key, disk, and the number of the change. */
function makeBystanders(over: Partial<BystandersComponents> = {}) {
  const clock = createTestClock();
  const scope = createScope(clock);
  const told: string[] = [];
  const asks: unknown[] = [];
  const bystanders = createBystanders({
    scope,
    logger: silentLogger,
    isThere: () => true,
    electorate: {
      setOf: async () => SET,
      ask: async ({ disk }, _set, { cell, ask }) => {
        asks.push(ask);
        told.push(`${cell.key} ${disk} ${ask.t === 'accept' ? ask.state.count : ask.t}`);
        return undefined;
      },
    },
    ...over,
  });
  const change = (count: number, key = 'k'): void =>
    bystanders.tell({ board: 'jobs@z6MkAnn', key }, missedChange(count));
  const wait = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await calm(10);
  };
  return { asks, change, clock, scope, told, wait };
}

describe('bystanders', () => {
  it('are told once a key has rested for a tenth of a second, of its last change alone', async () => {
    const { change, clock, told, wait } = makeBystanders();
    change(1);
    await wait(90);
    change(2);
    await wait(100);
    expect(told).toEqual([]);
    await wait(100);
    expect(told).toEqual(['k d4 2', 'k d5 2']);
    expect(clock.waiting()).toBe(0);
  });

  it('are told once a second of a key that goes on changing', async () => {
    const { change, told, wait } = makeBystanders();
    for (let count = 0; count < 70; count += 1) {
      change(count);
      await wait(50);
    }
    // Twenty changes a second, of which the last one counts.
    expect(told.filter((one) => one.startsWith('k d4'))).toEqual(['k d4 19', 'k d4 39', 'k d4 59']);
  });

  it('get the whole state, as they have not taken the step before', async () => {
    const { asks, change, wait } = makeBystanders();
    change(3);
    await wait(100);
    await wait(100);
    const { t, ballot, state, next } = missedChange(3).question;
    expect(asks).toEqual([
      { t, ballot, state, next },
      { t, ballot, state, next },
    ]);
  });

  it('are not asked where they are away, nor by a set that is over', async () => {
    const away = makeBystanders({ isThere: ({ did }) => did === BOB });
    away.change(1);
    await away.wait(100);
    await away.wait(100);
    expect(away.told).toEqual(['k d5 1']);
    const told: unknown[] = [];
    const over = makeBystanders({
      electorate: {
        setOf: async () => ({ ...SET, number: 4 }),
        ask: async (voter) => void told.push(voter),
      },
    });
    over.change(1);
    await over.wait(100);
    await over.wait(100);
    expect(told).toEqual([]);
  });

  it('are told at once of a key for which there is no room to wait', async () => {
    const { change, told, wait } = makeBystanders();
    for (let at = 0; at < 4096; at += 1) change(1, `k${at}`);
    await wait(0);
    expect(told).toEqual([]);
    change(7, 'last');
    await wait(0);
    expect(told).toEqual(['last d4 7', 'last d5 7']);
  });

  it('are told nothing once the node stops', async () => {
    const { change, clock, scope, told, wait } = makeBystanders();
    change(1);
    await wait(100);
    scope.close();
    await wait(1000);
    expect(told).toEqual([]);
    expect(clock.waiting()).toBe(0);
  });
});
