/** How often one peer may connect, whatever its address. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { ADDRESS_TURNS, CONDUCT, CONNECTIONS_PER_PEER } from '../../../src/network/constants.ts';
import { createAddressTurns } from '../../../src/network/limits/address-turns.ts';
import { createConduct } from '../../../src/network/limits/conduct.ts';
import type { Conduct } from '../../../src/network/limits/conduct.ts';
import { createDoorkeeper } from '../../../src/network/limits/doorkeeper.ts';
import type { Doorkeeper } from '../../../src/network/limits/doorkeeper.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [BOB, MALLORY] = ['12D3KooWbob', '12D3KooWmallory'] as unknown as [PeerId, PeerId];
const { burst, everyMs } = CONNECTIONS_PER_PEER;

let clock: TestClock;
let conduct: Conduct;
let doorkeeper: Doorkeeper;

beforeEach(() => {
  clock = createTestClock();
  conduct = createConduct(clock, CONDUCT);
  const turns = createAddressTurns(clock, ADDRESS_TURNS);
  doorkeeper = createDoorkeeper({ clock, turns, conduct }, { connections: CONNECTIONS_PER_PEER });
});

/** How many of `count` connections of a peer get further than the proof of its key. */
function letIn(peer: PeerId, count: number): number {
  return Array.from({ length: count }, () => doorkeeper.deniesPeer(peer)).filter((no) => !no)
    .length;
}

describe('the connections of a peer', () => {
  it('are a handful at once and one every two seconds, and never those of others', () => {
    expect(letIn(MALLORY, 100)).toBe(burst);
    expect(letIn(BOB, 1)).toBe(1);
    clock.advance(3 * everyMs);
    expect(letIn(MALLORY, 100)).toBe(3);
  });

  it('beyond that are told of, and at last keep the peer out, until it is forgiven', () => {
    letIn(MALLORY, burst + CONDUCT.watchedAt / 5);
    expect(conduct.of(MALLORY)).toMatchObject({ state: 'watched' });
    letIn(MALLORY, CONDUCT.blockedAt / 5);
    expect(conduct.isBlocked(MALLORY)).toBe(true);
    clock.advance(everyMs);
    expect(letIn(MALLORY, 1)).toBe(0);
    conduct.forgive(MALLORY);
    expect(letIn(MALLORY, 1)).toBe(1);
  });

  it('of one that restarts, and of a slow one that connects anew each minute, are nothing to tell', () => {
    for (let minute = 0; minute < 60; minute += 1) {
      expect(letIn(BOB, 5)).toBe(5);
      clock.advance(60_000);
    }
    expect(conduct.of(BOB)).toBeUndefined();
  });
});
