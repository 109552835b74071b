/** The bearer token of the HTTP endpoint: made once, in a file that only its owner reads. */
import { EventEmitter } from 'node:events';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { Secret, StarlingError, messageOf, writeFileAtomic } from '../../core/index.ts';
import { digestOf } from './bearer.ts';

const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{20,256}$/;

/** Heard by the gateway, which ends what the old token has open. */
export interface NodeTokenEvents {
  /** There is a new token: whoever came in by the one before must go. */
  rotated: [];
}

/** The node's own token: who has it is the operator. */
export interface NodeToken {
  readonly events: EventEmitter<NodeTokenEvents>;
  /** Reads the token, or makes it (mode 0600). @throws STARLING_STATE_UNUSABLE */
  load(): Promise<void>;
  /** True for the SHA-256 of the token; before {@link load}, of nothing. */
  matches(digest: Uint8Array): boolean;
  /** Counts the tokens: what was found out about an earlier one holds no longer. */
  readonly count: number;
  /** Makes another token, at once; copies of the one before are worthless. @throws STARLING_STATE_UNUSABLE */
  rotate(): Promise<void>;
}

/** Makes the token that is kept at `path`. */
export function createNodeToken(path: string): NodeToken {
  const events = new EventEmitter<NodeTokenEvents>();
  let digest: Uint8Array | undefined;
  let count = 0;
  const take = (token: Secret): void => {
    digest = digestOf(token.reveal());
    count += 1;
  };
  return {
    events,
    get count() {
      return count;
    },
    matches: (other) => digest !== undefined && timingSafeEqual(other, digest),
    async load() {
      take(await loadToken(path));
    },
    async rotate() {
      take(await writeToken(path));
      events.emit('rotated');
    },
  };
}

/** Replaces the token at `path`. @throws STARLING_STATE_UNUSABLE */
async function writeToken(path: string): Promise<Secret> {
  const text = randomBytes(TOKEN_BYTES).toString('base64url');
  await writeFileAtomic(path, `${text}\n`, 0o600);
  return new Secret(text);
}

async function loadToken(path: string): Promise<Secret> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
    await chmod(path, 0o600);
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!absent) {
      throw new StarlingError(
        'STARLING_STATE_UNUSABLE',
        `${path} can't be read: ${messageOf(error)}`,
        {
          hint: 'check who owns it',
          cause: error,
        },
      );
    }
    return writeToken(path);
  }
  if (!TOKEN.test(text)) {
    throw new StarlingError('STARLING_STATE_UNUSABLE', `${path} holds no usable token`, {
      hint: 'remove it, and the node makes a new one',
    });
  }
  return new Secret(text);
}
