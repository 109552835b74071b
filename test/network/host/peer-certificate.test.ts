/** Whose key a certificate proves: the same as `@libp2p/tls` says, of good ones and of those of a liar. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { generateCertificate, verifyPeerCertificate as verifyOfLibp2p } from '@libp2p/tls/utils';
import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { verifyPeerCertificate } from '../../../src/network/host/peer-certificate.ts';
import { isOutOfTime } from '../../../src/network/host/encryption.ts';
import { createSeededScheduler } from '../../../sim/seeded-scheduler.ts';

afterEach(() => void vi.useRealTimers());

async function certificateOf(key: PrivateKey): Promise<Buffer> {
  return new X509Certificate((await generateCertificate(key)).cert).raw;
}

describe('the certificate of a peer', () => {
  it('proves its key, of each kind that libp2p has', async () => {
    for (const kind of ['Ed25519', 'secp256k1'] as const) {
      const key = await generateKeyPair(kind);
      const raw = await certificateOf(key);
      const peer = await verifyPeerCertificate(raw, peerIdFromPrivateKey(key));
      expect(String(peer)).toBe(String(await verifyOfLibp2p(raw)));
    }
  });

  it('is refused when somebody else was dialled', async () => {
    const raw = await certificateOf(await generateKeyPair('Ed25519'));
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
    await expect(verifyPeerCertificate(raw, other)).rejects.toThrow(/peer/i);
  });

  it('is refused when it names a key that has not signed it', async () => {
    const [victim, liar] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')];
    const posing = Object.assign(Object.create(victim) as typeof victim, {
      sign: (data: Uint8Array) => liar.sign(data),
    });
    const raw = await certificateOf(posing);
    await expect(verifyOfLibp2p(raw)).rejects.toThrow();
    await expect(verifyPeerCertificate(raw)).rejects.toThrow(/not signed by the key that it names/);
  });

  it('is refused when another certificate was signed: the signature is of this certificate’s key', async () => {
    const key = await generateKeyPair('Ed25519');
    const signatures: Uint8Array[] = [];
    const keeping = Object.assign(Object.create(key) as typeof key, {
      sign: (data: Uint8Array) => {
        const signature = key.sign(data) as Uint8Array;
        signatures.push(signature);
        return signature;
      },
    });
    await certificateOf(keeping);
    const replaying = Object.assign(Object.create(key) as typeof key, {
      sign: () => signatures[0],
    });
    const raw = await certificateOf(replaying);
    await expect(verifyPeerCertificate(raw)).rejects.toThrow(/not signed by the key that it names/);
  });

  it('is refused before and after its time, in the words by which Noise is tried', async () => {
    const raw = await certificateOf(await generateKeyPair('Ed25519'));
    for (const atMs of [Date.now() - 2 * 3_600_000, Date.now() + 101 * 366 * 86_400_000]) {
      vi.useFakeTimers({ now: atMs, toFake: ['Date'] });
      const refused = await verifyPeerCertificate(raw).catch((error: unknown) => error);
      expect(isOutOfTime(refused)).toBe(true);
    }
  });

  it('is refused, and never read beyond its end, with any byte changed or cut off', async () => {
    const key = await generateKeyPair('Ed25519');
    const raw = await certificateOf(key);
    const { chance } = createSeededScheduler(7);
    for (let round = 0; round < 400; round += 1) {
      const bytes = Buffer.from(raw);
      const at = chance.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 + chance.below(255));
      await expect(verifyPeerCertificate(bytes)).rejects.toThrow();
    }
    for (let length = 0; length < raw.length; length += 7) {
      await expect(verifyPeerCertificate(raw.subarray(0, length))).rejects.toThrow();
    }
  });
});
