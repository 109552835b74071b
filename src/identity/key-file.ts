/** The file that holds the node's key: made once, private, and never overwritten. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { StarlingError, messageOf, writeFileAtomic } from '../core/index.ts';
import { KEY_BYTES } from './did.ts';
import { createIdentity } from './sign.ts';
import type { Identity } from './types.ts';

const TYPE = 'starling-key';
const VERSION = 1;
const FILE_BYTES_MAX = 4096;
const OTHERS = 0o077;

/**
 * Reads the identity from `path`, or makes a new one there (mode 0600, whole or not at all).
 * @throws STARLING_KEY_UNUSABLE when the file is damaged, a link, or readable by others; the file is
 * left as it is.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const file = await openKey(path);
  if (file === undefined) return makeKey(path);
  try {
    await checkPrivate(file, path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(FILE_BYTES_MAX), 0);
    return parseKey(buffer.toString('utf8', 0, bytesRead), path);
  } finally {
    await file.close();
  }
}

/**
 * Puts `identity` in the place of the one in `path`, in one step: whoever reads it finds the one or the
 * other. @throws STARLING_STATE_UNUSABLE
 */
export function replaceIdentity(path: string, identity: Identity): Promise<void> {
  return writeKey(path, identity);
}

async function openKey(path: string): Promise<FileHandle | undefined> {
  try {
    // Without O_NONBLOCK, a named pipe in its place would hold us up for ever.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') {
      throw unusable(path, 'is a symbolic link', 'put the key file itself there, not a link to it');
    }
    throw unusable(path, `can't be read: ${messageOf(error)}`, 'check who owns it', error);
  }
}

async function makeKey(path: string): Promise<Identity> {
  const identity = createIdentity();
  await writeKey(path, identity);
  return identity;
}

async function writeKey(path: string, identity: Identity): Promise<void> {
  const content = {
    type: TYPE,
    version: VERSION,
    seed: Buffer.from(identity.seed).toString('base64url'),
    peerId: identity.peerId,
  };
  await writeFileAtomic(path, `${JSON.stringify(content)}\n`, 0o600);
}

async function checkPrivate(file: FileHandle, path: string): Promise<void> {
  const facts = await file.stat();
  if (!facts.isFile()) throw unusable(path, 'is not a file', 'move it away');
  if (process.platform !== 'win32' && (facts.mode & OTHERS) !== 0) {
    const mode = (facts.mode & 0o777).toString(8);
    throw unusable(
      path,
      `can be read by others (mode ${mode})`,
      `if nobody else has read it: chmod 600 ${path}; else move it away, and the node gets a new identity`,
    );
  }
}

function parseKey(text: string, path: string): Identity {
  const damaged = (why: string): StarlingError =>
    unusable(
      path,
      `is damaged: ${why}`,
      'restore it from a backup; or move it away, and the node gets a new identity that must join and be granted anew',
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's message may quote the file, so it goes no further than its kind.
    throw damaged(error instanceof SyntaxError ? 'it is not JSON' : 'it does not parse');
  }
  if (typeof value !== 'object' || value === null) throw damaged('it is not a JSON object');
  const fields = value as Partial<Record<string, unknown>>;
  if (fields['type'] !== TYPE || fields['version'] !== VERSION) {
    throw damaged(`it is not a ${TYPE} of version ${VERSION}`);
  }
  const seed = typeof fields['seed'] === 'string' ? fields['seed'] : '';
  const bytes = Buffer.from(seed, 'base64url');
  if (bytes.length !== KEY_BYTES || bytes.toString('base64url') !== seed) {
    throw damaged('its seed is not 32 bytes in base64url');
  }
  const identity = createIdentity(Uint8Array.from(bytes));
  if (fields['peerId'] !== identity.peerId)
    throw damaged('its seed and its PeerId do not belong together');
  return identity;
}

function unusable(path: string, problem: string, hint: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_KEY_UNUSABLE', `the key file ${path} ${problem}`, {
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}
