/**
 * The classes of cases by which Ed25519 verifiers are known to fail (as Project Wycheproof sorts them),
 * each derived here by arithmetic from keys of our own: no vector is copied.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Did } from '../../src/core/index.ts';
import { didFromPublicKey } from '../../src/identity/did.ts';
import { createIdentity, verifySignature } from '../../src/identity/index.ts';
import { signAsBuilt } from '../fixtures/quick-nacl.ts';

signAsBuilt();

/** RFC 8032 §5.1: the field, the order of the base point, and d of the curve -x² + y² = 1 + d·x²·y². */
const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (value: bigint, by = P): bigint => ((value % by) + by) % by;

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, mod(base)];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

const inverse = (value: bigint): bigint => power(value, P - 2n);
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);

type Point = readonly [x: bigint, y: bigint];
const NEUTRAL: Point = [0n, 1n];

function plus([x1, y1]: Point, [x2, y2]: Point): Point {
  const cross = mod(D * x1 * x2 * y1 * y2);
  return [
    mod((x1 * y2 + y1 * x2) * inverse(1n + cross)),
    mod((y1 * y2 + x1 * x2) * inverse(1n - cross)),
  ];
}

/** A point as [X : Y : Z : T], x = X/Z, y = Y/Z, x·y = T/Z (RFC 8032 §5.1.4): sums need no inverse. */
type Extended = readonly [x: bigint, y: bigint, z: bigint, t: bigint];

function sum([x1, y1, z1, t1]: Extended, [x2, y2, z2, t2]: Extended): Extended {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(mod(t1 * t2) * 2n * D);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(scalar: bigint, [x0, y0]: Point): Point {
  let [result, doubled]: [Extended, Extended] = [
    [0n, 1n, 1n, 0n],
    [x0, y0, 1n, mod(x0 * y0)],
  ];
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = sum(result, doubled);
    doubled = sum(doubled, doubled);
  }
  const [x, y, z] = result;
  const scale = inverse(z);
  return [mod(x * scale), mod(y * scale)];
}

/** The point of `y` whose x is even or odd; undefined when there is none (RFC 8032 §5.1.3). */
function pointOf(y: bigint, isOdd: boolean): Point | undefined {
  const squared = mod((y * y - 1n) * inverse(D * y * y + 1n));
  let x = power(squared, (P + 3n) / 8n);
  if (mod(x * x) !== squared) x = mod(x * ROOT_OF_MINUS_ONE);
  if (mod(x * x) !== squared) return undefined;
  return (x & 1n) === (isOdd ? 1n : 0n) ? [x, y] : [mod(-x), y];
}

function littleEndian(value: bigint, length = 32): Uint8Array {
  const bytes = Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
  return Uint8Array.from(bytes.reverse());
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(Uint8Array.from(bytes).reverse()).toString('hex')}`);
}

const encode = ([x, y]: Point): Uint8Array => littleEndian(y | ((x & 1n) << 255n));
const join = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

function hashOf(...parts: readonly Uint8Array[]): bigint {
  const digest = createHash('sha512');
  for (const part of parts) digest.update(part);
  return mod(fromLittleEndian(digest.digest()), L);
}

const BASE = pointOf(mod(4n * inverse(5n)), false) as Point;
/** A point of order 8, and all that it generates. */
const EIGHTH = eighth();
const SMALL: readonly Point[] = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((it) => times(it, EIGHTH));

function eighth(): Point {
  for (let y = 2n; ; y += 1n) {
    const point = pointOf(y, false);
    const small = point === undefined ? NEUTRAL : times(L, point);
    if (encode(times(4n, small)).join() !== encode(NEUTRAL).join()) return small;
  }
}

const seed = Buffer.alloc(32, 7);
const secret = scalarOf(seed);
const key = createIdentity(seed);
const message = Buffer.from('the message');
const signature = key.sign(message);
const [R, S] = [signature.subarray(0, 32), signature.subarray(32)];

function scalarOf(bytes: Uint8Array): bigint {
  const half = createHash('sha512').update(bytes).digest().subarray(0, 32);
  return (fromLittleEndian(half) & (2n ** 254n - 8n)) | (2n ** 254n);
}

/** A signature by the equation, for any key, R and scalar that solve it. */
function solved(scalar: bigint, publicKey: Uint8Array, nonce: bigint, r: Uint8Array): Uint8Array {
  const challenge = hashOf(r, publicKey, message);
  return join(r, littleEndian(mod(nonce + challenge * scalar, L)));
}

const holds = (bytes: Uint8Array, did: Did = key.did, text: Uint8Array = message): boolean =>
  verifySignature(did, text, bytes);

describe('the arithmetic of these tests', () => {
  it('is that of the curve: it makes keys and signatures that hold', () => {
    expect(encode(times(secret, BASE))).toEqual(Uint8Array.from(key.publicKey));
    expect(encode(times(L, BASE))).toEqual(encode(NEUTRAL));
    expect(new Set(SMALL.map((point) => encode(point).join())).size).toBe(8);
    const ours = solved(secret, key.publicKey, 5n, encode(times(5n, BASE)));
    expect(holds(ours)).toBe(true);
    expect(holds(signature)).toBe(true);
  });
});

describe('a signature', () => {
  it.each([1n, 2n, 7n, 14n])('with S raised by %s times the order is refused', (count) => {
    expect(holds(join(R, littleEndian(fromLittleEndian(S) + count * L)))).toBe(false);
  });

  it.each([
    ['0', 0n],
    ['1', 1n],
    ['L - 1', L - 1n],
    ['L', L],
    ['L + 1', L + 1n],
    ['p', P],
    ['2^252', 2n ** 252n],
    ['2^255', 2n ** 255n],
    ['2^256 - 1', 2n ** 256n - 1n],
  ])('with S = %s is refused', (_name, value) => {
    expect(holds(join(R, littleEndian(value)))).toBe(false);
  });

  it.each([
    ['0', 0n],
    ['1', 1n],
    ['p - 1', P - 1n],
    ['p', P],
    ['p + 1', P + 1n],
    ['2^255 - 1', 2n ** 255n - 1n],
    ['2^256 - 1', 2n ** 256n - 1n],
  ])('with R = %s is refused', (_name, value) => {
    expect(holds(join(littleEndian(value), S))).toBe(false);
    expect(holds(join(littleEndian(value), littleEndian(0n)))).toBe(false);
  });

  it('that is all zeros or all ones is refused', () => {
    for (const byte of [0x00, 0xff]) expect(holds(new Uint8Array(64).fill(byte))).toBe(false);
  });

  it('with R and S swapped, doubled or left out is refused', () => {
    for (const bytes of [join(S, R), join(R, R), join(S, S), R, S])
      expect(holds(bytes)).toBe(false);
  });

  it('that is cut short or goes on is refused, at any length', () => {
    for (let length = 0; length < 64; length += 1) {
      expect(holds(signature.subarray(0, length))).toBe(false);
      expect(holds(signature.subarray(64 - length))).toBe(false);
    }
    for (const extra of [[0], [1], [0, 0, 0, 0], [...signature]]) {
      expect(holds(join(signature, Uint8Array.from(extra)))).toBe(false);
      expect(holds(join(Uint8Array.from(extra), signature))).toBe(false);
    }
  });

  it('with the sign of R, or its x, turned is refused', () => {
    const turned = Uint8Array.from(signature);
    turned[31] = (turned[31] ?? 0) ^ 0x80;
    expect(holds(turned)).toBe(false);
  });

  it('in another order of bytes, or as text, is refused', () => {
    expect(holds(join(R.toReversed(), S))).toBe(false);
    expect(holds(join(R, S.toReversed()))).toBe(false);
    expect(holds(Buffer.from(Buffer.from(signature).toString('hex')))).toBe(false);
    expect(holds(Buffer.from(Buffer.from(signature).toString('base64')))).toBe(false);
  });

  it('of another message, or with a piece of the message in it, is refused', () => {
    for (const text of ['', 'the messag', 'the message ', 'The message', 'egassem eht']) {
      expect(holds(signature, key.did, Buffer.from(text))).toBe(false);
    }
    expect(holds(join(signature, message), key.did, Buffer.alloc(0))).toBe(false);
  });

  it('of a point of small order added to R is refused, though eight times the equation holds', () => {
    for (const small of SMALL.slice(1)) {
      const mixed = encode(plus(times(5n, BASE), small));
      const bytes = solved(secret, key.publicKey, 5n, mixed);
      expect(holds(bytes)).toBe(false);
    }
  });

  it('with R of small order is refused for every such point, though the equation may hold', () => {
    for (const small of SMALL) {
      expect(holds(solved(secret, key.publicKey, 0n, encode(small)))).toBe(false);
    }
  });
});

describe('a key', () => {
  it('of small order is refused, with whatever signature solves the equation', () => {
    for (const small of SMALL) {
      const did = didFromPublicKey(encode(small));
      for (const r of SMALL)
        expect(holds(solved(0n, encode(small), 0n, encode(r)), did)).toBe(false);
      const honest = solved(0n, encode(small), 5n, encode(times(5n, BASE)));
      expect(holds(honest, did)).toBe(false);
    }
  });

  it('with a small part in it signs nothing that holds for the key without', () => {
    for (const small of SMALL.slice(1)) {
      const mixed = encode(plus(times(secret, BASE), small));
      const bytes = solved(secret, mixed, 5n, encode(times(5n, BASE)));
      expect(holds(bytes)).toBe(false);
      expect(holds(signature, didFromPublicKey(mixed))).toBe(false);
    }
  });

  it('that is no point of the curve, or no canonical one, is refused', () => {
    let found = 0;
    for (let y = 2n; found < 20; y += 1n) {
      if (pointOf(y, false) !== undefined) continue;
      found += 1;
      expect(holds(signature, didFromPublicKey(littleEndian(y)))).toBe(false);
    }
    for (let low = 0n; low < 19n; low += 1n) {
      for (const sign of [0n, 1n]) {
        const encoded = littleEndian((P + low) | (sign << 255n));
        expect(holds(signature, didFromPublicKey(encoded))).toBe(false);
      }
    }
    // x is 0, and its sign is set.
    for (const y of [1n, P - 1n]) {
      expect(holds(signature, didFromPublicKey(littleEndian(y | (1n << 255n))))).toBe(false);
    }
  });

  it('with its sign turned is another key', () => {
    const turned = Uint8Array.from(key.publicKey);
    turned[31] = (turned[31] ?? 0) ^ 0x80;
    expect(holds(signature, didFromPublicKey(turned))).toBe(false);
  });

  it.each([0, 1, 31, 33, 64])('of %i bytes is none', (length) => {
    expect(() => didFromPublicKey(new Uint8Array(length))).toThrow(/32/);
    const multicodec = Buffer.concat([Buffer.from([0xed, 0x01]), Buffer.alloc(length, 5)]);
    const did = `did:key:${multibaseOf(multicodec)}` as Did;
    expect(holds(signature, did)).toBe(false);
  });

  it('of another curve is none, though it is as long', () => {
    // X25519 is 0xec, secp256k1 0xe7 (multicodec table).
    for (const code of [0xec, 0xe7]) {
      const did = `did:key:${multibaseOf(Buffer.concat([Buffer.from([code, 0x01]), key.publicKey]))}`;
      expect(holds(signature, did as Did)).toBe(false);
    }
  });
});

/** base58btc (multibase `z`). */
function multibaseOf(bytes: Uint8Array): string {
  const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  for (; value > 0n; value /= 58n) text = `${ALPHABET[Number(value % 58n)]}${text}`;
  return `z${text}`;
}
