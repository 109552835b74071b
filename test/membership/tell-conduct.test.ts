/** What the operator is told of peers that do too much, and of strangers that keep knocking. */
import { EventEmitter } from 'node:events';
import { beforeEach, expect, it } from 'vitest';
import type { AuditInit } from '../../src/audit/index.ts';
import { createHealth } from '../../src/core/index.ts';
import type { Health, PeerId } from '../../src/core/index.ts';
import { createConductTeller } from '../../src/membership/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import type { ConductReport, KnockingAddress, NetworkEvents } from '../../src/network/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { makeIdentity } from '../network/support.ts';

let clock: TestClock;
let health: Health;
let noted: AuditInit[];
let knocking: KnockingAddress[];
let mallory: PeerId;
const events = new EventEmitter<NetworkEvents>();

beforeEach(async () => {
  events.removeAllListeners();
  clock = createTestClock(Date.UTC(2026, 10, 28, 10, 0, 0));
  health = createHealth();
  noted = [];
  knocking = [];
  mallory = (await makeIdentity('mallory')).peerId;
  const teller = createConductTeller({
    network: { events, strangers: () => knocking },
    membership: {
      peer: (peer) => (peer === mallory ? ({ alias: 'mallory' } as PeerView) : undefined),
    },
    audit: { note: (entry) => void noted.push(entry) },
    health,
    clock,
  });
  await teller.start();
});

/** Time for one look, and for the next to be planned. */
async function look(): Promise<void> {
  clock.advance(2000);
  await new Promise((resolve) => setImmediate(resolve));
}

function behaves(report: Omit<ConductReport, 'peer'> | undefined): void {
  events.emit(
    'peer:conduct',
    mallory,
    report === undefined ? undefined : { ...report, peer: mallory },
  );
}

it('names the peer and what it does, while it does that', () => {
  behaves({ state: 'watched', counts: { gossip: 200, streams: 1 } });
  expect(health.warnings().map(({ text }) => text)).toEqual([
    'peer mallory floods gossip (200 times), opens streams without end (once); what is over its allowance is not heeded',
  ]);
  behaves(undefined);
  expect(health.warnings()).toEqual([]);
  expect(noted.map(({ outcome }) => outcome)).toEqual(['denied']);
});

it('says of one that signs many records that these are taken later, and does not threaten it', () => {
  behaves({ state: 'watched', counts: { signs: 400 } });
  const [warning] = health.warnings();
  expect(warning?.text).toBe(
    'peer mallory signs records without end (400 times); what is over its allowance is taken later',
  );
  expect(warning?.hint).toContain('it is not kept out for that');
});

it('says until when a peer is kept out, and how it is let in before', () => {
  behaves({ state: 'watched', counts: { forgeries: 20 } });
  behaves({ state: 'blocked', counts: { forgeries: 200 }, until: clock.now() + 60_000 });
  const [warning] = health.warnings();
  expect(warning?.text).toBe(
    'peer mallory forges gossip (200 times); it is kept out until 2026-11-28T10:01:00Z',
  );
  expect(warning?.hint).toBe(
    'let it in before: starling peers forgive mallory; put it out for good: starling peers remove mallory',
  );
  behaves({ state: 'watched', counts: {} });
  expect(health.warnings()).toEqual([]);
  behaves(undefined);
  expect(noted.map(({ reason }) => reason)).toEqual([
    'held back: it forges gossip (20 times)',
    'kept out: it forges gossip (200 times)',
  ]);
});

it('tells of addresses from which strangers keep knocking, until they are calm', async () => {
  knocking = [{ address: '192.0.2.7', failures: 2, turnedAway: 0 }];
  await look();
  expect(health.warnings()).toEqual([]);
  knocking = [
    { address: '192.0.2.7', failures: 12, turnedAway: 4000 },
    { address: '2001:db8:0:1::/64', failures: 6, turnedAway: 0 },
  ];
  await look();
  expect(health.warnings()[0]?.text).toContain(
    '192.0.2.7 (12 in vain, 4000 turned away), 2001:db8:0:1::/64 (6 in vain)',
  );
  knocking = [];
  await look();
  expect(health.warnings()).toEqual([]);
});

it('tells of no strangers behind a relay, and says of this machine that it may be a node of its own', async () => {
  const counts = { failures: 12, turnedAway: 4000 };
  knocking = [{ address: `relay ${mallory}`, ...counts }];
  await look();
  expect(health.warnings()).toEqual([]);
  knocking = ['127.0.0.1', '::1'].map((address) => ({ address, ...counts }));
  await look();
  expect(health.warnings()[0]?.text).toBe(
    'somebody who is no member connects again and again, from 127.0.0.1 (12 in vain, 4000 turned away), ::1 (12 in vain, 4000 turned away); such an address has to wait ever longer',
  );
  expect(health.warnings()[0]?.hint).toMatch(/^another node of this machine does so/);
  knocking = [...knocking, { address: '192.0.2.7', ...counts }];
  await look();
  expect(health.warnings()[0]?.hint).toContain('a firewall can shut the address out');
});
