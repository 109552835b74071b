/** The parts of membership that only compute. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MeshId, PeerId } from '../../src/core/index.ts';
import { chooseAlias } from '../../src/membership/aliases.ts';
import { createDetector } from '../../src/membership/detection/phi-accrual.ts';
import { fingerprintOf } from '../../src/mesh/fingerprint.ts';
import {
  decodeHeartbeat,
  encodeHeartbeat,
} from '../../src/membership/heartbeats/heartbeat-format.ts';
import type { Heartbeat } from '../../src/membership/heartbeats/heartbeat-format.ts';

const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId;

/** A detector of a peer that is silent after `heartbeats`, and how long it takes until it is suspect. */
function suspectAfterMs(intervalMs: number, heartbeats: readonly number[]): number {
  const detector = createDetector({ intervalMs, phiSuspect: 8 }, 0);
  for (const at of heartbeats) detector.heard(at);
  const last = heartbeats.at(-1) ?? 0;
  let silenceMs = 0;
  while (detector.phi(last + silenceMs) <= 8) silenceMs += 100;
  return silenceMs;
}

/** Times of `count` heartbeats, `intervalMs` apart, after `from`. */
const rhythm = (count: number, intervalMs: number, from = 0): number[] =>
  Array.from({ length: count }, (_, index) => from + (index + 1) * intervalMs);

describe('the failure detector', () => {
  it('stays calm while heartbeats come, and grows sure when they stop', () => {
    const detector = createDetector({ intervalMs: 5000, phiSuspect: 8 }, 0);
    for (const at of rhythm(20, 5000)) detector.heard(at);
    expect(detector.phi(105_000)).toBeLessThan(1);
    expect(detector.phi(110_000)).toBeLessThan(8);
    expect(detector.phi(114_000)).toBeGreaterThan(8);
    const later = [0, 5000, 10_000, 20_000, 60_000].map((ms) => detector.phi(100_000 + ms));
    expect(later.every((phi, index) => index === 0 || phi >= (later[index - 1] ?? 0))).toBe(true);
  });

  it('gives an irregular peer more time than a regular one', () => {
    const irregular = rhythm(50, 2000).map((at, index) => at + (index % 2) * 900);
    expect(suspectAfterMs(1000, irregular)).toBeGreaterThan(
      suspectAfterMs(1000, rhythm(50, 2000)) + 1000,
    );
  });

  it('forgives a silence that was our own', () => {
    const detector = createDetector({ intervalMs: 1000, phiSuspect: 8 }, 0);
    detector.heard(1000);
    detector.forgive(60_000);
    expect(detector.phi(60_500)).toBeLessThan(1);
  });

  it('is not made hasty by heartbeats that are sent on change', () => {
    const steady = rhythm(20, 8000);
    const changes = rhythm(100, 10, steady.at(-1));
    expect(suspectAfterMs(5000, [...steady, ...changes])).toBe(suspectAfterMs(5000, steady));
    expect(suspectAfterMs(5000, steady)).toBeGreaterThan(suspectAfterMs(5000, rhythm(20, 5000)));
  });

  it.each([
    [60, 'a minute'],
    [600, 'ten minutes'],
    [3600, 'an hour'],
  ])('is taught no patience by an outage of %i s (%s)', (gapS) => {
    const before = rhythm(20, 5000);
    const back = (before.at(-1) ?? 0) + gapS * 1000;
    for (const more of [0, 1, 50]) {
      const silentMs = suspectAfterMs(5000, [...before, back, ...rhythm(more, 5000, back)]);
      expect(silentMs).toBeGreaterThan(12_500);
      expect(silentMs).toBeLessThan(13_500);
    }
  });
});

describe('heartbeats', () => {
  const heartbeat: Heartbeat = {
    incarnation: 1,
    sequence: 2,
    status: 'up',
    records: 'abc',
    presence: {
      name: 'alice',
      version: '0.1.0',
      addresses: ['/ip4/127.0.0.1/tcp/1'],
      load: 3,
      catalog: 'def',
      boards: { plan: '123' },
    },
  };

  it('come out as they went in', () => {
    expect(decodeHeartbeat(encodeHeartbeat(heartbeat))).toEqual(heartbeat);
  });

  it('say where the audit log stands, and leave it out when that is nothing', () => {
    const audit = { seq: 7, hash: 'a'.repeat(64), at: 1, sig: 'b'.repeat(86) };
    const said = (value: unknown): Heartbeat =>
      ({ ...heartbeat, presence: { ...heartbeat.presence, audit: value } }) as Heartbeat;
    expect(decodeHeartbeat(encodeHeartbeat(said(audit)))).toEqual(said(audit));
    for (const odd of [
      null,
      1,
      [],
      {},
      { ...audit, seq: -1 },
      { ...audit, sig: 'x'.repeat(257) },
    ]) {
      expect(decodeHeartbeat(encodeHeartbeat(said(odd)))).toEqual(heartbeat);
    }
  });

  it('are small', () => {
    expect(encodeHeartbeat(heartbeat).length).toBeLessThan(256);
  });

  it('are nothing when they are anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(decodeHeartbeat(bytes)).toBeUndefined();
      }),
    );
    const good = encodeHeartbeat(heartbeat);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const changed = good.slice();
        changed[at] = byte;
        const decoded = decodeHeartbeat(changed);
        if (decoded !== undefined) expect(decoded.presence.addresses.length).toBeLessThanOrEqual(6);
      }),
    );
  });
});

describe('aliases', () => {
  const nobody = (): boolean => false;

  it.each([
    ['workstation', 'workstation'],
    ['My Laptop!', 'my-laptop'],
    ['starling', 'peer'],
    ['', 'peer'],
    ['--x--', 'x'],
    ['漢字', 'peer'],
  ])('%j is called %s', (name, alias) => {
    expect(chooseAlias(name, PEER, nobody)).toBe(alias);
  });

  it('never gives one peer the name of another', () => {
    const taken = new Set(['alice']);
    expect(chooseAlias('alice', PEER, (alias) => taken.has(alias))).toBe('alice-idep');
    taken.add('alice-idep');
    expect(chooseAlias('alice', PEER, (alias) => taken.has(alias))).toBe('alice-6idep');
  });

  it('is fit for a command and for a tool name, whatever the peer calls itself', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), fc.boolean(), (name, isTaken) => {
        let asked = 0;
        const alias = chooseAlias(name, PEER, () => isTaken && (asked += 1) === 1);
        expect(alias).toMatch(/^[a-z0-9][a-z0-9-]{0,31}$/);
      }),
    );
  });
});

it('a fingerprint is four words, the same for one mesh and another for the next', () => {
  const one = fingerprintOf('did:key:z6MkOne' as MeshId);
  expect(one).toMatch(/^([b-z][aeiu][b-z][ao] ){3}[b-z][aeiu][b-z][ao]$/);
  expect(fingerprintOf('did:key:z6MkOne' as MeshId)).toBe(one);
  expect(fingerprintOf('did:key:z6MkTwo' as MeshId)).not.toBe(one);
});
