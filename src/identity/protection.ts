/**
 * How the secret half of a key is kept in its file: as it is, or sealed under a key that scrypt (RFC
 * 7914) derives from a passphrase. A protection can be used again for another key, as a rotation does.
 */
import { createHash, randomBytes, scrypt } from 'node:crypto';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Secret } from '../core/index.ts';
import { KEY_BYTES } from './did.ts';
import { sealerOf } from './seal.ts';
import type { Identity } from './types.ts';

/** Cost of scrypt: 128·n·r bytes of memory, and time by n·r·p. */
export interface ScryptCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

/** Fields of a key file that hold the seed. */
export type KeyFields = Readonly<Record<string, unknown>>;

/** How the keys of a file are kept. */
export interface KeyProtection {
  readonly isEncrypted: boolean;
  /** The fields that hold the seed of `identity`. */
  fieldsOf(identity: Identity): KeyFields;
}

/** Why sealed fields can't be opened. */
export interface SealFault {
  readonly fault: 'damaged' | 'parameters' | 'passphrase';
  readonly why: string;
}

/** What sealed fields hold, and how they hold it. */
export interface Unsealed {
  readonly seed: Uint8Array;
  readonly protection: KeyProtection;
}

/** Takes about 0.3 s and 128 MiB on a machine of 2025. */
const COST: ScryptCost = { n: 2 ** 17, r: 8, p: 1 };
/** Bounds of what a file may ask of us, before anything is allocated: at most 512 MiB. */
const N_MIN = 2 ** 14;
const N_MAX = 2 ** 20;
const R_MAX = 16;
const P_MAX = 8;
const BLOCKS_MAX = 2 ** 22;
const SALT_BYTES = 32;
const SEALED_BYTES_MAX = 256;
const CHECK_BYTES = 16;
const PASSPHRASE_BYTES_MIN = 8;
const PASSPHRASE_BYTES_MAX = 1024;
const KDF = 'scrypt';
const CIPHER = 'xsalsa20-poly1305';
const LABEL = 'key-file';

/** The seed as it is, for whoever can read the file. */
export const PLAIN: KeyProtection = {
  isEncrypted: false,
  fieldsOf: ({ seed, peerId }) => ({
    version: 1,
    seed: Buffer.from(seed).toString('base64url'),
    peerId,
  }),
};

/**
 * Protects keys with a passphrase, under a fresh salt.
 * @throws STARLING_PASSPHRASE_UNUSABLE when it has less than 8 or more than 1024 bytes
 */
export async function protectBy(
  passphrase: Secret,
  cost: ScryptCost = COST,
): Promise<KeyProtection> {
  const { length } = bytesOf(passphrase);
  if (length < PASSPHRASE_BYTES_MIN || length > PASSPHRASE_BYTES_MAX) {
    throw new StarlingError(
      'STARLING_PASSPHRASE_UNUSABLE',
      `a passphrase has ${PASSPHRASE_BYTES_MIN} to ${PASSPHRASE_BYTES_MAX} bytes, this one ${length}`,
      { hint: 'take several words that nobody guesses' },
    );
  }
  const salt = randomBytes(SALT_BYTES);
  return sealedBy(await derive(passphrase, salt, cost), salt, cost);
}

/** Are these the fields of an encrypted key? */
export function isSealed(fields: KeyFields): boolean {
  return fields['version'] === 2;
}

/** What is wrong with sealed fields as far as anybody can see; undefined when nothing is. */
export function faultOf(fields: KeyFields): SealFault | undefined {
  const found = findFault(fields);
  return 'fault' in found ? found : undefined;
}

/**
 * Opens sealed fields. What they ask for is bounded before any memory is taken.
 * @throws STARLING_KEY_UNUSABLE when this machine lacks the memory
 */
export async function unseal(fields: KeyFields, passphrase: Secret): Promise<Unsealed | SealFault> {
  const found = findFault(fields);
  if ('fault' in found) return found;
  const { cost, salt, sealed, peerId } = found;
  const key = await derive(passphrase, salt, cost);
  try {
    const seed = sealerOf({ seed: key }, LABEL).open(peerId, sealed);
    return { seed: Uint8Array.from(seed), protection: sealedBy(key, salt, cost) };
  } catch (error) {
    // Poly1305 does not say which of the two it was; that the file is whole, its check sum says.
    if (!(error instanceof StarlingError)) throw error;
    return { fault: 'passphrase', why: 'the passphrase is wrong' };
  }
}

interface Sound {
  readonly cost: ScryptCost;
  readonly salt: Uint8Array;
  readonly sealed: Uint8Array;
  readonly peerId: string;
}

function sealedBy(key: Uint8Array, salt: Uint8Array, cost: ScryptCost): KeyProtection {
  const sealer = sealerOf({ seed: key }, LABEL);
  return {
    isEncrypted: true,
    fieldsOf({ seed, peerId }) {
      const fields = {
        version: 2,
        peerId,
        kdf: { name: KDF, ...cost, salt: Buffer.from(salt).toString('base64url') },
        cipher: CIPHER,
        sealed: Buffer.from(sealer.seal(peerId, seed)).toString('base64url'),
      };
      return { ...fields, check: checkOf(fields) };
    },
  };
}

function findFault(fields: KeyFields): Sound | SealFault {
  const { kdf, cipher, peerId, check, type: _, ...rest } = fields;
  const damaged = (why: string): SealFault => ({ fault: 'damaged', why });
  if (check !== checkOf({ version: rest['version'], peerId, kdf, cipher, sealed: rest['sealed'] }))
    return damaged('its check sum does not fit');
  if (typeof kdf !== 'object' || kdf === null) return damaged('it names no key derivation');
  const { name, n, r, p, salt } = kdf as KeyFields;
  if (name !== KDF || cipher !== CIPHER) {
    return { fault: 'parameters', why: 'is encrypted in a way that this version does not know' };
  }
  if (!isCost(n, r, p)) {
    return {
      fault: 'parameters',
      why: `asks scrypt for what this version does not do (n ${Number(n)}, r ${Number(r)}, p ${Number(p)})`,
    };
  }
  const saltBytes = bytesIn(salt, SALT_BYTES);
  const sealed = bytesIn(rest['sealed'], SEALED_BYTES_MAX);
  if (saltBytes?.length !== SALT_BYTES) return damaged('its salt is not 32 bytes in base64url');
  if (sealed === undefined || typeof peerId !== 'string') return damaged('it holds no sealed key');
  return { cost: { n, r, p } as ScryptCost, salt: saltBytes, sealed, peerId };
}

function isCost(n: unknown, r: unknown, p: unknown): boolean {
  const within = (value: unknown, least: number, most: number): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
  if (!within(n, N_MIN, N_MAX) || !within(r, 1, R_MAX) || !within(p, 1, P_MAX)) return false;
  return Number.isInteger(Math.log2(n)) && n * r <= BLOCKS_MAX;
}

/** Of everything but itself and the file's type: finds what broke by accident. */
function checkOf(fields: KeyFields): string {
  const sum = createHash('sha256').update(JSON.stringify(fields)).digest();
  return sum.subarray(0, CHECK_BYTES).toString('base64url');
}

function bytesIn(text: unknown, most: number): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64url');
  const isWhole = bytes.toString('base64url') === text;
  return isWhole && bytes.length > 0 && bytes.length <= most ? bytes : undefined;
}

/** One text has several forms in Unicode, and keyboards differ in which they make. */
function bytesOf(passphrase: Secret): Buffer {
  return Buffer.from(passphrase.reveal().normalize('NFKC'), 'utf8');
}

function derive(passphrase: Secret, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array> {
  const { n, r, p } = cost;
  // 128·r·(n + p + 2) is what OpenSSL counts.
  const options = { N: n, r, p, maxmem: 128 * r * (n + p + 3) };
  return new Promise((resolve, reject) => {
    scrypt(bytesOf(passphrase), salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else {
        const what = `the key of a passphrase can't be derived: ${messageOf(error)}`;
        const hint = `it needs ${Math.ceil((128 * r * n) / 2 ** 20)} MiB of memory`;
        reject(new StarlingError('STARLING_KEY_UNUSABLE', what, { hint, cause: error }));
      }
    });
  });
}
