/** The bearer token of the HTTP endpoint: made once, in a file that only its owner reads. */
import { randomBytes } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { Secret, StarlingError, messageOf, writeFileAtomic } from '../../core/index.ts';

const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{20,256}$/;

/** Reads the token, or makes it (mode 0600). @throws STARLING_STATE_UNUSABLE */
export async function loadToken(path: string): Promise<Secret> {
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
    text = randomBytes(TOKEN_BYTES).toString('base64url');
    await writeFileAtomic(path, `${text}\n`, 0o600);
  }
  if (!TOKEN.test(text)) {
    throw new StarlingError('STARLING_STATE_UNUSABLE', `${path} holds no usable token`, {
      hint: 'remove it, and the node makes a new one',
    });
  }
  return new Secret(text);
}
