/** Whose turn it is to come in, and that nobody takes another's. */
import { multiaddr } from '@multiformats/multiaddr';
import { beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS_TURNS } from '../../../src/network/constants.ts';
import { addressKey, ipKey } from '../../../src/network/limits/address-key.ts';
import { createAddressTurns } from '../../../src/network/limits/address-turns.ts';
import type { AddressTurns, Visit } from '../../../src/network/limits/address-turns.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const HOME = '192.0.2.7';
const ELSEWHERE = '198.51.100.1';

let clock: TestClock;
let turns: AddressTurns;

/** Somebody who asks for a turn, and what came of it. */
interface Guest {
  readonly visit: Visit;
  answer: 'waits' | 'in' | 'turned away';
}

function knock(address: string): Guest {
  let answer: Guest['answer'] = 'waits';
  const visit = turns.ask(address, (mayCome) => {
    answer = mayCome ? 'in' : 'turned away';
  });
  return {
    visit,
    get answer() {
      return answer;
    },
  };
}

/** As many as may come at once. */
function crowd(address: string): readonly Guest[] {
  return Array.from({ length: ADDRESS_TURNS.atOnce }, () => knock(address));
}

/** Milliseconds until a guest who knocks now is let in. */
function waitOf(address: string): number {
  const from = clock.now();
  const guest = knock(address);
  while (guest.answer === 'waits') clock.advance(10);
  expect(guest.answer).toBe('in');
  guest.visit.ended();
  return clock.now() - from;
}

beforeEach(() => {
  clock = createTestClock();
  turns = createAddressTurns(clock, { ...ADDRESS_TURNS, patienceMs: 120_000 });
});

describe('a connection that did what a stranger may do', () => {
  it('is not held against its address, nor does it clear what is', () => {
    for (let count = 0; count < 50; count += 1) {
      const guest = knock(HOME);
      expect(guest.answer).toBe('in');
      guest.visit.excused();
      guest.visit.ended();
    }
    expect(turns.knocking()).toEqual([]);
    // One came to nothing: whoever is excused afterwards waits for its turn as before.
    knock(HOME).visit.ended();
    const waiting = knock(HOME);
    expect(waiting.answer).toBe('waits');
    while (waiting.answer === 'waits') clock.advance(10);
    waiting.visit.excused();
    expect(turns.knocking()).toMatchObject([{ failures: 1 }]);
  });

  it('makes room for the next at once', () => {
    const guests = crowd(HOME);
    const next = knock(HOME);
    expect(next.answer).toBe('waits');
    guests[0]?.visit.excused();
    expect(next.answer).toBe('in');
  });
});

describe('an address that nobody is known from', () => {
  it('is turned away before it stands in the queue when it comes too often, in vain', () => {
    const comes = (times: number): number =>
      Array.from({ length: times }, () => turns.turnsAway(HOME)).filter((isAway) => !isAway).length;
    // Nobody knows the address, or anything against it.
    expect(comes(1000)).toBe(1000);
    waitOf(HOME);
    const { burst, everyMs } = ADDRESS_TURNS.arrivals;
    expect(comes(1000)).toBe(burst);
    clock.advance(10 * everyMs);
    expect(comes(1000)).toBe(10);
    expect(turns.turnsAway(ELSEWHERE)).toBe(false);
    expect(turns.knocking()[0]?.turnedAway).toBe(2000 - burst - 10);
    const guest = knock(HOME);
    while (guest.answer === 'waits') clock.advance(10);
    guest.visit.admitted();
    expect(comes(1000)).toBe(1000);
  });

  it('has a few new connections at once, and the next when one of them is admitted', () => {
    const first = crowd(HOME);
    const next = knock(HOME);
    expect([...first.map(({ answer }) => answer), next.answer]).toEqual([
      ...Array.from({ length: ADDRESS_TURNS.atOnce }, () => 'in'),
      'waits',
    ]);
    expect(knock(ELSEWHERE).answer).toBe('in');
    first[0]?.visit.admitted();
    expect(next.answer).toBe('in');
  });

  it('has one at a time once nothing came of a connection, until one is admitted', () => {
    waitOf(HOME);
    clock.advance(250);
    const first = knock(HOME);
    const second = knock(HOME);
    expect([first.answer, second.answer]).toEqual(['in', 'waits']);
    first.visit.admitted();
    const others = crowd(HOME);
    expect([second, ...others.slice(0, -1)].map(({ answer }) => answer)).toEqual(
      Array.from({ length: ADDRESS_TURNS.atOnce }, () => 'in'),
    );
  });

  it('lets no more in when one of a crowd came to nothing, until all of the crowd are gone', () => {
    const [bad, ...others] = crowd(HOME);
    const next = knock(HOME);
    bad?.visit.ended();
    clock.advance(60_000);
    expect(next.answer).toBe('waits');
    for (const { visit } of others) visit.ended();
    clock.advance(60_000);
    expect(next.answer).toBe('in');
  });

  it('waits longer each time that nothing came of it, a minute at most', () => {
    const waits = Array.from({ length: 12 }, () => waitOf(HOME));
    expect(waits.slice(0, 5)).toEqual([0, 250, 500, 1000, 2000]);
    expect(waits.at(-1)).toBe(60_000);
  });

  it('begins anew once somebody was admitted from there', () => {
    for (let count = 0; count < 5; count += 1) waitOf(HOME);
    const member = knock(HOME);
    clock.advance(60_000);
    member.visit.admitted();
    expect(waitOf(HOME)).toBe(0);
  });

  it('is forgotten when it has been calm for longer than its longest wait', () => {
    for (let count = 0; count < 5; count += 1) waitOf(HOME);
    expect(turns.knocking()).toEqual([{ address: HOME, failures: 5, turnedAway: 0 }]);
    clock.advance(200_000);
    expect(turns.knocking()).toEqual([]);
    expect(waitOf(HOME)).toBe(0);
  });

  it('turns away who comes when the queue is full, and who has waited too long', () => {
    turns = createAddressTurns(clock, ADDRESS_TURNS);
    const [first] = crowd(HOME);
    const queued = Array.from({ length: ADDRESS_TURNS.queuePerAddress }, () => knock(HOME));
    expect(turns.turnsAway(HOME)).toBe(true);
    expect(knock(HOME).answer).toBe('turned away');
    expect(turns.turnsAway(ELSEWHERE)).toBe(false);
    clock.advance(ADDRESS_TURNS.patienceMs);
    expect(first?.answer).toBe('in');
    expect(queued.map(({ answer }) => answer)).toEqual(queued.map(() => 'turned away'));
    expect(clock.waiting()).toBe(0);
  });

  it('loses its place when it goes while it waits', () => {
    const [first] = crowd(HOME);
    const second = knock(HOME);
    const third = knock(HOME);
    second.visit.ended();
    first?.visit.admitted();
    expect([second.answer, third.answer]).toEqual(['waits', 'in']);
  });
});

describe('an address from which a member is connected', () => {
  it('waits a second at most, whoever else knocks there', () => {
    for (let count = 0; count < 10; count += 1) waitOf(HOME);
    const distrust = turns.trust(HOME);
    expect(waitOf(HOME)).toBeLessThanOrEqual(1000);
    const silent = knock(HOME);
    clock.advance(1000);
    const member = knock(HOME);
    clock.advance(1000);
    // The stranger has said nothing yet, and holds up nobody.
    expect([silent.answer, member.answer]).toEqual(['in', 'in']);
    distrust();
    member.visit.ended();
    expect(waitOf(ELSEWHERE)).toBe(0);
  });

  it('is the same for what comes through a relay', () => {
    const relay = addressKey(
      multiaddr(
        '/ip4/192.0.2.7/tcp/1/p2p/12D3KooWHyS1NrF4fwkkuPbf81RBJgYWHYcE21vTV6U2vjYzbuQt/p2p-circuit',
      ),
    );
    for (let count = 0; count < 10; count += 1) expect(waitOf(relay)).toBeLessThanOrEqual(1000);
  });
});

it('counts an IPv4 address as one, and a /64 of IPv6 as one', () => {
  expect(addressKey(multiaddr('/ip4/192.0.2.7/tcp/4040'))).toBe('192.0.2.7');
  expect(ipKey('2001:db8:0:1:2:3:4:5')).toBe('2001:db8:0:1::/64');
  expect(addressKey(multiaddr('/ip6/2001:db8:0:1::9/tcp/1'))).toBe('2001:db8:0:1::/64');
  expect(ipKey('2001:db8::9')).toBe(ipKey('2001:db8:0:0:ffff::1'));
  expect(ipKey('::1')).toBe('::1');
  expect(ipKey('::2')).toBe('::/64');
  expect(ipKey('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(addressKey(multiaddr('/memory/a'))).toBe('/memory/a');
});

it('lets everybody go who waits when the node stops', () => {
  crowd(HOME);
  const waiting = knock(HOME);
  turns.close();
  expect(waiting.answer).toBe('turned away');
});
