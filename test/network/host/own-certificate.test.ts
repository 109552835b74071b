/** The certificate that a host writes for itself: what libp2p's own TLS and Node's X.509 read in it. */
import '../../../src/core/system/node20.ts';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { verifyPeerCertificate as verifyOfLibp2p } from '@libp2p/tls/utils';
import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { makeCertificate } from '../../../src/network/host/own-certificate.ts';
import { verifyPeerCertificate } from '../../../src/network/host/peer-certificate.ts';

afterEach(() => void vi.useRealTimers());

const HOUR_MS = 3_600_000;

describe('the certificate of a host', () => {
  it('proves its key to libp2p’s own TLS and to ours, of each kind of key', async () => {
    for (const kind of ['Ed25519', 'secp256k1'] as const) {
      const key = await generateKeyPair(kind);
      const { raw } = new X509Certificate((await makeCertificate(key)).cert);
      const own = String(peerIdFromPrivateKey(key));
      expect(String(await verifyOfLibp2p(raw))).toBe(own);
      expect(String(await verifyPeerCertificate(raw))).toBe(own);
    }
  });

  it('is of the key that comes with it, another each time, and Node makes TLS of both', async () => {
    const host = await generateKeyPair('Ed25519');
    const serials = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      const { cert, key } = await makeCertificate(host);
      const certificate = new X509Certificate(cert);
      const publicKey = createPublicKey(createPrivateKey(key));
      expect(certificate.publicKey.equals(publicKey)).toBe(true);
      expect(certificate.verify(publicKey)).toBe(true);
      expect(() => createSecureContext({ ca: [], cert, key })).not.toThrow();
      serials.add(certificate.serialNumber);
    }
    expect(serials.size).toBe(50);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{15}$/);
  });

  it('holds from an hour before on for a hundred years, whatever the year', async () => {
    const host = await generateKeyPair('Ed25519');
    const years = ['2026-11-30', '2049-12-31', '2050-01-01', '1985-03-01', '9950-06-15'];
    for (const day of years) {
      const now = new Date(`${day}T12:34:56.789Z`).getTime();
      vi.useFakeTimers({ now, toFake: ['Date'] });
      const { raw, validFrom, validTo } = new X509Certificate((await makeCertificate(host)).cert);
      const from = Math.floor((now - HOUR_MS) / 1000) * 1000;
      expect(Date.parse(validFrom)).toBe(from);
      const to = Math.min(Date.parse('9999-12-31T23:59:59Z'), from + 100 * 365 * 24 * HOUR_MS);
      expect(Math.abs(Date.parse(validTo) - to)).toBeLessThanOrEqual(HOUR_MS);
      await verifyPeerCertificate(raw);
    }
  });

  it('proves nothing for who signs with another key, and nothing once a byte of it is another', async () => {
    const [victim, liar] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')];
    const posing = Object.assign(Object.create(victim) as typeof victim, {
      sign: (data: Uint8Array) => liar.sign(data),
    });
    const { raw } = new X509Certificate((await makeCertificate(posing)).cert);
    await expect(verifyPeerCertificate(raw)).rejects.toThrow(/not signed by the key that it names/);
    const good = new X509Certificate((await makeCertificate(victim)).cert).raw;
    for (let at = 0; at < good.length; at += 3) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await expect(verifyPeerCertificate(bytes)).rejects.toThrow();
    }
  });
});
