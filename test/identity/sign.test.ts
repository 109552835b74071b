import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Did } from '../../src/core/index.ts';
import { didFromPublicKey } from '../../src/identity/did.ts';
import {
  createIdentity,
  randomSeed,
  signerFromSeed,
  verifySignature,
} from '../../src/identity/index.ts';
import { real, signAsBuilt } from '../fixtures/quick-nacl.ts';
import { upTo } from '../long/extent.ts';

signAsBuilt();

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** RFC 8032 §7.1: TEST 1, 2, 3 and SHA(abc). */
const VECTORS = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
      '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac' +
      '18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    publicKey: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    message:
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    signature:
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589' +
      '09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  },
];

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const PRIME = 2n ** 255n - 19n;

/** Encodings of the eight points of small order (Chalkias et al. 2020, table 1), then the non-canonical ones. */
const SMALL_ORDER = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '0000000000000000000000000000000000000000000000000000000000000000',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(hex);

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
}

function littleEndian(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(64, '0')).reverse();
}

function sha512(...parts: Uint8Array[]): Buffer {
  return createHash('sha512').update(Buffer.concat(parts)).digest();
}

/** A signature with R the neutral element: it satisfies the equation, and only the key's owner can make it. */
function signWithNeutralR(
  seed: Uint8Array,
  publicKey: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const half = sha512(seed).subarray(0, 32);
  const scalar = (fromLittleEndian(half) & (2n ** 254n - 8n)) | (2n ** 254n);
  const neutral = littleEndian(1n);
  const challenge = fromLittleEndian(sha512(neutral, publicKey, message)) % ORDER;
  return Uint8Array.of(...neutral, ...littleEndian((challenge * scalar) % ORDER));
}

const nodePrivate = (seed: Uint8Array): ReturnType<typeof createPrivateKey> =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  });

const nodePublic = (publicKey: Uint8Array): ReturnType<typeof createPublicKey> =>
  createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]),
    format: 'der',
    type: 'spki',
  });

describe('signing', () => {
  it.each(VECTORS)('gives the signatures of RFC 8032 (message $message)', (vector) => {
    const identity = createIdentity(hex(vector.seed));
    expect(toHex(identity.publicKey)).toBe(vector.publicKey);
    expect(toHex(identity.sign(hex(vector.message)))).toBe(vector.signature);
    expect(verifySignature(identity.did, hex(vector.message), hex(vector.signature))).toBe(true);
  });

  it('agrees with node:crypto and tweetnacl, in both directions', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 500 }),
        (seed, message) => {
          const signer = signerFromSeed(seed);
          const signature = signer.sign(message);
          expect(toHex(signature)).toBe(toHex(sign(null, message, nodePrivate(seed))));
          const { publicKey } = real.sign.keyPair.fromSeed(seed);
          expect(toHex(createIdentity(seed).publicKey)).toBe(toHex(publicKey));
          expect(real.sign.detached.verify(message, signature, publicKey)).toBe(true);
          expect(verifySignature(signer.did, message, signature)).toBe(true);
        },
      ),
      { seed: 3, numRuns: 20 },
    );
  });

  it('names itself by the PeerId that libp2p gives the same key', async () => {
    for (const { seed } of VECTORS) {
      const key = await generateKeyPairFromSeed('Ed25519', hex(seed));
      expect(createIdentity(hex(seed)).peerId).toBe(peerIdFromPrivateKey(key).toString());
    }
  });

  it('makes a fresh key without a seed, and the same key from the same seed', () => {
    const first = createIdentity();
    expect(createIdentity().did).not.toBe(first.did);
    expect(createIdentity(first.seed).did).toBe(first.did);
    expect(randomSeed()).toHaveLength(32);
  });

  it('keeps its own copy of the seed', () => {
    const seed = Buffer.from(randomSeed());
    const identity = createIdentity(seed);
    const before = toHex(identity.seed);
    seed.fill(0);
    expect(toHex(identity.seed)).toBe(before);
  });

  it('shows no seed when it is printed', () => {
    const identity = createIdentity(hex(VECTORS[0]?.seed ?? ''));
    const shown = [
      JSON.stringify(identity),
      JSON.stringify({ ...identity }),
      inspect({ identity }, { depth: 9 }),
    ].join(' ');
    expect(shown).toContain(identity.did);
    expect(shown).not.toMatch(/seed|9d61|157, 97/);
  });
});

describe('verifying', () => {
  const message = hex('af82');
  const seed = hex(VECTORS[2]?.seed ?? '');
  const identity = createIdentity(seed);
  const signature = identity.sign(message);

  it('refuses a signature, message or key with any bit changed', () => {
    const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
      const copy = Uint8Array.from(bytes);
      const at = (bit >> 3) % copy.length;
      copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
      return copy;
    };
    for (let bit = 0; bit < 512; bit += 1) {
      expect(verifySignature(identity.did, message, flip(signature, bit))).toBe(false);
      expect(verifySignature(identity.did, flip(message, bit), signature)).toBe(false);
    }
    for (let bit = 0; bit < 256; bit += 1) {
      const other = didFromPublicKey(flip(identity.publicKey, bit));
      expect(verifySignature(other, message, signature)).toBe(false);
    }
  });

  it('refuses the second form of a signature, S + L, which tweetnacl accepts', () => {
    const s = fromLittleEndian(signature.subarray(32));
    const second = Uint8Array.of(...signature.subarray(0, 32), ...littleEndian(s + ORDER));
    expect(real.sign.detached.verify(message, second, identity.publicKey)).toBe(true);
    expect(verifySignature(identity.did, message, second)).toBe(false);
  });

  it('refuses an R of small order, which node:crypto accepts', () => {
    const weak = signWithNeutralR(seed, identity.publicKey, message);
    expect(verify(null, message, nodePublic(identity.publicKey), weak)).toBe(true);
    expect(verifySignature(identity.did, message, weak)).toBe(false);
  });

  it('refuses keys of small order, for which anybody can sign anything', () => {
    const forged = Uint8Array.of(...littleEndian(1n), ...littleEndian(0n));
    const neutral = SMALL_ORDER[0] ?? new Uint8Array();
    expect(verify(null, message, nodePublic(neutral), forged)).toBe(true);
    for (const key of SMALL_ORDER) {
      for (const r of SMALL_ORDER) {
        const weak = Uint8Array.of(...r, ...littleEndian(0n));
        expect(verifySignature(didFromPublicKey(key), message, weak)).toBe(false);
        expect(verifySignature(identity.did, message, weak)).toBe(false);
      }
    }
  });

  it('refuses keys and R that are written in another form than the canonical one', () => {
    for (let low = 0n; low < 19n; low += 1n) {
      const key = littleEndian(PRIME + low);
      expect(verifySignature(didFromPublicKey(key), message, signature)).toBe(false);
      const odd = Uint8Array.of(...key, ...signature.subarray(32));
      expect(verifySignature(identity.did, message, odd)).toBe(false);
    }
  });

  it('answers false, and never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => didFromPublicKey(key)),
        ),
        fc.uint8Array({ maxLength: 40 }),
        fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 64, maxLength: 64 })),
        (did, text, bytes) => {
          expect(verifySignature(did as Did, text, bytes)).toBe(false);
        },
      ),
      { seed: 5, numRuns: upTo(150, 500) },
    );
  });

  it('goes on knowing keys after more of them than it keeps', () => {
    const others = Array.from({ length: 5000 }, (_, index) =>
      didFromPublicKey(createHash('sha256').update(`${index}`).digest()),
    );
    for (const did of others) verifySignature(did, message, signature);
    expect(verifySignature(identity.did, message, signature)).toBe(true);
  });
});

it('what is signed often is the same as what tweetnacl signs, byte by byte', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array(),
      (seed, message) => {
        const identity = createIdentity(seed);
        const { secretKey } = real.sign.keyPair.fromSeed(seed);
        const often = identity.signOften(message);
        expect(often).toEqual(real.sign.detached(message, secretKey));
        expect(often).toEqual(identity.sign(message));
        expect(verifySignature(identity.did, message, often)).toBe(true);
      },
    ),
    { seed: 8, numRuns: 20 },
  );
});
