/** The parts of membership that only compute. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MeshId, PeerId } from '../../src/core/index.ts';
import { chooseAlias } from '../../src/membership/aliases.ts';
import { createDetector } from '../../src/membership/detector.ts';
import { fingerprintOf } from '../../src/mesh/fingerprint.ts';
import { decodeHeartbeat, encodeHeartbeat } from '../../src/membership/heartbeat.ts';
import type { Heartbeat } from '../../src/membership/heartbeat.ts';

const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId;

describe('the failure detector', () => {
  it('stays calm while heartbeats come, and grows sure when they stop', () => {
    const detector = createDetector({ intervalMs: 5000 }, 0);
    for (let at = 5000; at <= 100_000; at += 5000) detector.heard(at);
    expect(detector.phi(105_000)).toBeLessThan(1);
    expect(detector.phi(110_000)).toBeLessThan(8);
    expect(detector.phi(114_000)).toBeGreaterThan(8);
    const later = [0, 5000, 10_000, 20_000, 60_000].map((ms) => detector.phi(100_000 + ms));
    expect(later.every((phi, index) => index === 0 || phi >= (later[index - 1] ?? 0))).toBe(true);
  });

  it('gives an irregular peer more time than a regular one', () => {
    const regular = createDetector({ intervalMs: 1000 }, 0);
    const irregular = createDetector({ intervalMs: 1000 }, 0);
    for (let beat = 1; beat <= 50; beat += 1) {
      regular.heard(beat * 2000);
      irregular.heard(beat * 2000 + (beat % 2) * 1000);
    }
    expect(irregular.phi(104_000)).toBeLessThan(regular.phi(104_000));
  });

  it('forgives a silence that was our own', () => {
    const detector = createDetector({ intervalMs: 1000 }, 0);
    detector.heard(1000);
    detector.forgive(60_000);
    expect(detector.phi(60_500)).toBeLessThan(1);
  });

  it('is not made hasty by heartbeats that are sent on change', () => {
    const detector = createDetector({ intervalMs: 5000 }, 0);
    for (let at = 10; at <= 1000; at += 10) detector.heard(at);
    expect(detector.phi(7000)).toBeLessThan(8);
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
