import fc from 'fast-check';
import { base58btc } from 'multiformats/bases/base58';
import { describe, expect, it } from 'vitest';
import type { Did, PeerId } from '../../src/core/index.ts';
import {
  didFromPeerId,
  didFromPublicKey,
  parseDid,
  parsePeerId,
  peerIdFromDid,
  peerIdFromPublicKey,
  publicKeyFromDid,
  publicKeyFromPeerId,
} from '../../src/identity/did.ts';
import { signAsBuilt } from '../fixtures/quick-nacl.ts';

signAsBuilt();

const malformed = expect.objectContaining({ code: 'STARLING_ID_MALFORMED' });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** RFC 8032 TEST 1 in both ways of writing. */
const KEY = Uint8Array.from(
  Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'),
);
const DID = 'did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw';
const PEER_ID: string = peerIdFromPublicKey(KEY);

describe('the names of a key', () => {
  it('are what the specifications say', () => {
    expect(didFromPublicKey(KEY)).toBe(DID);
    expect(PEER_ID).toMatch(/^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/);
  });

  it('hold the whole key, so that each converts to the other and back', () => {
    fc.assert(
      fc.property(key, (bytes) => {
        const did = didFromPublicKey(bytes);
        const peerId = peerIdFromPublicKey(bytes);
        expect(did).toMatch(/^did:key:z6Mk/);
        expect(peerIdFromDid(did)).toBe(peerId);
        expect(didFromPeerId(peerId)).toBe(did);
        expect([...publicKeyFromDid(did)]).toEqual([...bytes]);
        expect([...publicKeyFromPeerId(peerId)]).toEqual([...bytes]);
        expect(parseDid(did)).toBe(did);
        expect(parsePeerId(peerId)).toBe(peerId);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('are made of 32 bytes only', () => {
    for (const length of [0, 31, 33, 64]) {
      expect(() => didFromPublicKey(new Uint8Array(length))).toThrow(malformed);
      expect(() => peerIdFromPublicKey(new Uint8Array(length))).toThrow(malformed);
    }
  });
});

describe('reading a name', () => {
  const did = DID.slice('did:key:'.length);
  const wrongPrefix = base58btc.encode(Uint8Array.of(0xec, 0x01, ...KEY));
  const tooLong = base58btc.encode(Uint8Array.of(0xed, 0x01, ...KEY, 0));
  const tooShort = base58btc.encode(Uint8Array.of(0xed, 0x01, ...KEY.subarray(1)));

  it.each([
    '',
    'did:key:',
    'did:key:z',
    did,
    `DID:KEY:${did}`,
    ` ${DID}`,
    `${DID} `,
    `${DID}\n`,
    `${DID}#${did}`,
    `did:key:z1${did.slice(1)}`,
    `did:key:${did.toLowerCase()}`,
    `did:key:${wrongPrefix}`,
    `did:key:${tooLong}`,
    `did:key:${tooShort}`,
    `did:key:z${'6'.repeat(100_000)}`,
    'did:web:example.org',
    PEER_ID,
  ])('refuses %j as a did:key', (text) => {
    expect(() => parseDid(text)).toThrow(malformed);
    expect(() => peerIdFromDid(text as Did)).toThrow(malformed);
  });

  it.each([
    '',
    '12D3KooW',
    `z${PEER_ID}`,
    `1${PEER_ID}`,
    PEER_ID.slice(0, -1),
    `${PEER_ID}1`,
    `/p2p/${PEER_ID}`,
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    'bafzaajaiaejcb23qicayfmikq7kuk7pozfsa4oq44xz5vjrdewxqegti64dvai22',
    `12D3KooW${'0'.repeat(44)}`,
    DID,
  ])('refuses %j as a PeerId', (text) => {
    expect(() => parsePeerId(text)).toThrow(malformed);
    expect(() => didFromPeerId(text as PeerId)).toThrow(malformed);
  });

  it('takes a text only when it is written exactly as we would', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => `did:key:z6Mk${tail}`),
        ),
        (text) => {
          expect(() => parseDid(text)).toThrow(malformed);
          expect(() => parsePeerId(text)).toThrow(malformed);
        },
      ),
      { seed: 2, numRuns: 500 },
    );
  });

  it('says what is wrong without repeating control characters or endless text', () => {
    const evil = `did:key:\u001B[2J\n${'x'.repeat(10_000)}`;
    expect(() => parseDid(evil)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^'did:key:\?\[2J\?x+…' is not/) }),
    );
  });
});
