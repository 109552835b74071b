/**
 * The file that holds the node's key: private, whole or not there, and replaced only by whoever asks
 * for it. Only whoever holds the state folder's lock (its database) may write it.
 */
import { constants } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StarlingError, messageOf, writeFileAtomic } from '../core/index.ts';
import type { Did, PeerId, Secret } from '../core/index.ts';
import { KEY_BYTES, didFromPeerId, parsePeerId } from './did.ts';
import { PLAIN, faultOf, isSealed, protectBy, unseal } from './protection.ts';
import type { KeyFields, KeyProtection, ScryptCost } from './protection.ts';
import { createIdentity } from './sign.ts';
import type { Identity } from './types.ts';

const TYPE = 'starling-key';
const FILE_BYTES_MAX = 4096;
const OTHERS = 0o077;
/** How often a person may try. */
const TRIES = 3;

/** Where the passphrase of a key comes from. It is asked only when it is needed. */
export interface PassphraseSource {
  /** The one that was given beforehand; undefined when none was. @throws STARLING_PASSPHRASE_UNUSABLE */
  given(): Promise<Secret | undefined>;
  /** Asks a person; undefined when nobody can be asked. */
  ask(question: string): Promise<Secret | undefined>;
}

/** How a key file is opened. */
export interface KeyFileInit {
  /** Absent: an encrypted key can't be opened. */
  readonly passphrase?: PassphraseSource;
  /** Cost of a new passphrase's protection; the usual one when absent. */
  readonly cost?: ScryptCost;
}

/** What a key file says without its passphrase. */
export interface KeyFacts {
  readonly did: Did;
  readonly peerId: PeerId;
  readonly isEncrypted: boolean;
}

/** A key, and how its file keeps it: a rotation writes its new key with the same protection. */
export interface OpenedKey {
  readonly identity: Identity;
  readonly protection: KeyProtection;
}

/**
 * Reads the identity from `path`, or makes a new one there (mode 0600, whole or not at all), encrypted
 * when a passphrase was given beforehand.
 * @throws as {@link openKeyFile}
 */
export async function loadIdentity(path: string, init: KeyFileInit = {}): Promise<Identity> {
  const opened = await openKeyFile(path, init);
  if (opened !== undefined) return opened.identity;
  const given = await init.passphrase?.given();
  const identity = createIdentity();
  await writeKeyFile(path, {
    identity,
    protection: given === undefined ? PLAIN : await protectBy(given, init.cost),
  });
  return identity;
}

/**
 * Opens the key file at `path`; undefined when there is none. The file is left as it is.
 * @throws STARLING_KEY_UNUSABLE (with `data.reason`) when it is damaged, a link, readable by others, or
 * encrypted in an unknown way; STARLING_PASSPHRASE_MISSING, STARLING_PASSPHRASE_WRONG
 */
export async function openKeyFile(
  path: string,
  init: KeyFileInit = {},
): Promise<OpenedKey | undefined> {
  const fields = await readFields(path);
  if (fields === undefined) return undefined;
  if (!isSealed(fields)) return { identity: plainKey(fields, path), protection: PLAIN };
  return openSealed(fields, path, init.passphrase);
}

/** What the file at `path` says of its key; undefined when there is none. @throws as {@link openKeyFile} */
export async function readKeyFacts(path: string): Promise<KeyFacts | undefined> {
  const fields = await readFields(path);
  if (fields === undefined) return undefined;
  if (!isSealed(fields)) {
    const { did, peerId } = plainKey(fields, path);
    return { did, peerId, isEncrypted: false };
  }
  const fault = faultOf(fields);
  if (fault !== undefined) throw faulty(path, fault.fault, fault.why);
  const peerId = parsePeerId(String(fields['peerId']));
  return { did: didFromPeerId(peerId), peerId, isEncrypted: true };
}

/**
 * Puts a key into the file at `path`, in one step: after a crash the old or the new one is there. What
 * interrupted writes have left is removed. @throws STARLING_STATE_UNUSABLE
 */
export async function writeKeyFile(path: string, key: OpenedKey): Promise<void> {
  const content = { type: TYPE, ...key.protection.fieldsOf(key.identity) };
  await writeFileAtomic(path, `${JSON.stringify(content)}\n`, 0o600);
  const leftover = new RegExp(`^\\.${basename(path)}\\.[0-9a-f]{12}$`);
  for (const name of await readdir(dirname(path))) {
    if (leftover.test(name)) await rm(join(dirname(path), name), { force: true });
  }
}

async function readFields(path: string): Promise<KeyFields | undefined> {
  const file = await openKey(path);
  if (file === undefined) return undefined;
  try {
    await checkPrivate(file, path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(FILE_BYTES_MAX), 0);
    return parseFields(buffer.toString('utf8', 0, bytesRead), path);
  } finally {
    await file.close();
  }
}

async function openKey(path: string): Promise<FileHandle | undefined> {
  try {
    // Without O_NONBLOCK, a named pipe in its place would hold us up for ever.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') {
      const hint = 'put the key file itself there, not a link to it';
      throw unusable(path, 'link', 'is a symbolic link', hint);
    }
    const problem = `can't be read: ${messageOf(error)}`;
    throw unusable(path, 'unreadable', problem, 'check who owns it', error);
  }
}

async function checkPrivate(file: FileHandle, path: string): Promise<void> {
  const facts = await file.stat();
  if (!facts.isFile()) throw unusable(path, 'not-a-file', 'is not a file', 'move it away');
  if (process.platform !== 'win32' && (facts.mode & OTHERS) !== 0) {
    const mode = (facts.mode & 0o777).toString(8);
    throw unusable(
      path,
      'permissions',
      `can be read by others (mode ${mode})`,
      `if nobody else has read it: chmod 600 ${path}; else move it away, and the node gets a new identity`,
    );
  }
}

function parseFields(text: string, path: string): KeyFields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message may quote the file, so it goes no further than its kind.
    const why = error instanceof SyntaxError ? 'it is not JSON' : 'it does not parse';
    throw faulty(path, 'damaged', why);
  }
  if (typeof value !== 'object' || value === null)
    throw faulty(path, 'damaged', 'it is not a JSON object');
  const fields = value as KeyFields;
  const { type, version } = fields;
  if (type === TYPE && Number.isInteger(version) && Number(version) > 2) {
    throw faulty(path, 'parameters', `is of version ${Number(version)}, which is newer than this`);
  }
  if (type !== TYPE || (version !== 1 && version !== 2))
    throw faulty(path, 'damaged', `it is not a ${TYPE} of version 1 or 2`);
  return fields;
}

function plainKey(fields: KeyFields, path: string): Identity {
  const seed = typeof fields['seed'] === 'string' ? fields['seed'] : '';
  const bytes = Buffer.from(seed, 'base64url');
  if (bytes.length !== KEY_BYTES || bytes.toString('base64url') !== seed) {
    throw faulty(path, 'damaged', 'its seed is not 32 bytes in base64url');
  }
  return checkedKey(Uint8Array.from(bytes), fields, path);
}

function checkedKey(seed: Uint8Array, fields: KeyFields, path: string): Identity {
  const identity = seed.length === KEY_BYTES ? createIdentity(seed) : undefined;
  if (identity === undefined || fields['peerId'] !== identity.peerId)
    throw faulty(path, 'damaged', 'its seed and its PeerId do not belong together');
  return identity;
}

async function openSealed(
  fields: KeyFields,
  path: string,
  source: PassphraseSource | undefined,
): Promise<OpenedKey> {
  const fault = faultOf(fields);
  if (fault !== undefined) throw faulty(path, fault.fault, fault.why);
  const given = await source?.given();
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const again = attempt === 1 ? '' : 'that is not it; ';
    const passphrase = given ?? (await source?.ask(`${again}passphrase of the key ${path}: `));
    if (passphrase === undefined) {
      throw new StarlingError(
        'STARLING_PASSPHRASE_MISSING',
        `the key file ${path} is encrypted, and nobody gives its passphrase`,
        {
          hint: 'run this on a terminal, or set STARLING_PASSPHRASE_FILE (or STARLING_PASSPHRASE)',
        },
      );
    }
    const found = await unseal(fields, passphrase);
    if (!('fault' in found)) {
      const identity = checkedKey(found.seed, fields, path);
      return { identity, protection: found.protection };
    }
    if (found.fault !== 'passphrase') throw faulty(path, found.fault, found.why);
    if (given !== undefined) break;
  }
  throw new StarlingError(
    'STARLING_PASSPHRASE_WRONG',
    `the passphrase does not open the key file ${path}`,
    { hint: 'look at where it comes from: STARLING_PASSPHRASE_FILE, STARLING_PASSPHRASE, or you' },
  );
}

/** A file that is damaged, or that this version does not know. */
function faulty(path: string, reason: string, why: string): StarlingError {
  return reason === 'parameters'
    ? unusable(path, reason, why, 'use the version of starling that wrote it, or a backup')
    : unusable(
        path,
        reason,
        `is damaged: ${why}`,
        'restore it from a backup; or move it away, and the node gets a new identity that must join and be granted anew',
      );
}

function unusable(
  path: string,
  reason: string,
  problem: string,
  hint: string,
  cause?: unknown,
): StarlingError {
  return new StarlingError('STARLING_KEY_UNUSABLE', `the key file ${path} ${problem}`, {
    hint,
    data: { reason },
    ...(cause === undefined ? {} : { cause }),
  });
}
