/** Heartbeats that are told to one peer after another: one signature for all, as long as nothing changes. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import {
  decodeGossip,
  decodeHeartbeat,
} from '../../../src/membership/heartbeats/heartbeat-format.ts';
import { signedHeartbeat } from '../../../src/membership/heartbeats/heartbeat-signature.ts';
import { createHeartbeats } from '../../../src/membership/heartbeats/heartbeats.ts';
import { createHub } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';

function rig(intervalMs = 5000) {
  const alice = createIdentity(Buffer.alloc(32, 2));
  const clock = createTestClock();
  const made = { signatures: 0, load: 0 };
  const beats = createHeartbeats(
    {
      network: createHub().network(alice.peerId),
      identity: { sign: (part) => ((made.signatures += 1), alice.sign(part)) },
      presence: () => ({
        name: 'alice',
        version: '1',
        addresses: [],
        load: made.load,
        catalog: '',
        boards: {},
      }),
      suspects: () => [],
      records: () => 'r',
      clock,
      logger: silentLogger,
    },
    { intervalMs },
  );
  beats.begin(7);
  const tell = (called: string): string => {
    const bytes = beats.next('up', { called });
    const signed = signedHeartbeat(bytes, alice.peerId);
    const said = decodeHeartbeat(bytes);
    return `${said?.called} ${said?.sequence} ${signed === undefined ? 'unsigned' : 'signed'}`;
  };
  return { alice, beats, clock, made, tell };
}

it('is the same heartbeat for all who connect at once, with what each is called', () => {
  const { made, tell } = rig();
  expect(['bob', 'carol', 'dave'].map(tell)).toEqual([
    'bob 1 signed',
    'carol 1 signed',
    'dave 1 signed',
  ]);
  expect(made.signatures).toBe(1);
});

it('is a new one when something has changed or time has passed, and for all who hear it by gossip', () => {
  const { beats, clock, made, tell } = rig();
  expect(tell('bob')).toBe('bob 1 signed');
  made.load = 1;
  expect(tell('bob')).toBe('bob 2 signed');
  clock.advance(501);
  expect(tell('bob')).toBe('bob 3 signed');
  beats.next('up');
  expect(tell('bob')).toBe('bob 4 signed');
  beats.next('leaving');
  expect(tell('bob')).toBe('bob 6 signed');
  expect(made.signatures).toBe(6);
});

it('of the rhythm is whole when it says something new, once more and once a minute, and else a pulse', () => {
  const { beats, clock, made } = rig();
  const beat = (): string => {
    const bytes = beats.beat('up');
    beats.publish(bytes);
    const said = decodeGossip(bytes);
    clock.advance(5000);
    if (said === undefined) return 'nothing';
    if ('pulse' in said) return `pulse ${said.pulse.sequence} of ${said.pulse.incarnation}`;
    const { isSigned, presence, sequence } = said.heartbeat;
    return `${isSigned === true ? 'signed' : 'whole'} ${sequence}, load ${presence.load}`;
  };
  expect([beat(), beat(), beat(), beat()]).toEqual([
    'signed 1, load 0',
    'whole 2, load 0',
    'pulse 3 of 7',
    'pulse 4 of 7',
  ]);
  made.load = 1;
  expect([beat(), beat(), beat(), beat()]).toEqual([
    'signed 5, load 1',
    'whole 6, load 1',
    'pulse 7 of 7',
    'pulse 8 of 7',
  ]);
  for (let more = 0; more < 9; more += 1) expect(beat()).toMatch(/^pulse/);
  expect(beat()).toBe('signed 18, load 1');
  // Nobody has missed anything by missing that one.
  expect(beat()).toBe('pulse 19 of 7');
  expect(made.signatures).toBe(3);
});

it('of a slow rhythm is signed again after as many pulses, and at once when the clock was set back', () => {
  const { beats, clock } = rig(40_000);
  const isPulse = (): boolean => {
    const bytes = beats.beat('up');
    beats.publish(bytes);
    const said = decodeGossip(bytes);
    clock.advance(40_000);
    return said !== undefined && 'pulse' in said;
  };
  const said = Array.from({ length: 14 }, isPulse);
  expect(said.map((one) => (one ? 'p' : 'W')).join('')).toBe('WWppppppppppWp');
  clock.advance(-3_600_000);
  expect([isPulse(), isPulse()]).toEqual([false, true]);
});
