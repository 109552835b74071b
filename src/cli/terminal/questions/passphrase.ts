/** Where the passphrase of the node's key comes from: a variable, a file, or a person. */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret, StarlingError, messageOf } from '../../../core/index.ts';
import { readKeyFacts } from '../../../identity/index.ts';
import type { PassphraseSource } from '../../../identity/index.ts';
import { canAsk } from './ask.ts';
import { askHidden } from './ask-hidden.ts';
import { safeLine, tell } from '../output.ts';

const VARIABLE = 'STARLING_PASSPHRASE';
/** The environment variable that names the passphrase file. */
export const PASSPHRASE_FILE = 'STARLING_PASSPHRASE_FILE';
const FILE_BYTES_MAX = 4096;
const OTHERS = 0o044;

/** The passphrases of one run of a command. */
export interface Passphrases extends PassphraseSource {
  /** Tells the person when a passphrase was given for a key that is not encrypted. */
  tellIfUnused(stateDir: string): Promise<void>;
}

/**
 * Takes the passphrase that `env` gives; the variable is removed from `env`, so that neither a child
 * nor a `${…}` of the config file gets it. The file that it names is read when it is needed.
 */
export function passphraseOf(env: NodeJS.ProcessEnv): Passphrases {
  const text = env[VARIABLE];
  delete env[VARIABLE];
  const direct = text === undefined || text === '' ? undefined : new Secret(text);
  const file = env[PASSPHRASE_FILE] === '' ? undefined : env[PASSPHRASE_FILE];
  const given = async (): Promise<Secret | undefined> => {
    if (file === undefined) return direct;
    if (direct === undefined) return readPassphrase(file);
    const what = `${VARIABLE} and ${PASSPHRASE_FILE} are both set`;
    throw new StarlingError('STARLING_PASSPHRASE_UNUSABLE', what, { hint: 'unset one of them' });
  };
  return {
    given,
    ask: async (question) => (canAsk() ? askHidden(safeLine(question)) : undefined),
    async tellIfUnused(stateDir) {
      if (direct === undefined && file === undefined) return;
      const facts = await readKeyFacts(join(stateDir, 'key'));
      if (facts?.isEncrypted === false) {
        tell("a passphrase was given, but the node's key is not encrypted");
        tell('  → stop the node, and run: starling identity encrypt');
      }
    },
  };
}

/**
 * Asks for a new passphrase, twice, or reads it from `file`.
 * @throws STARLING_PASSPHRASE_MISSING when nobody can be asked, STARLING_USAGE when the two differ
 */
export async function newPassphrase(file: string | undefined): Promise<Secret> {
  if (file !== undefined) return readPassphrase(file);
  if (!canAsk()) {
    const what = 'nobody says what the new passphrase is, and nobody can be asked here';
    throw new StarlingError('STARLING_PASSPHRASE_MISSING', what, {
      hint: 'give it with --new-passphrase-file <file>, or run this on a terminal',
    });
  }
  const first = await askHidden('new passphrase: ');
  const again = await askHidden('the same again: ');
  if (first.reveal() === again.reveal()) return first;
  throw new StarlingError('STARLING_USAGE', 'the two are not the same; nothing was changed', {
    hint: 'run it again',
  });
}

/** The one line of a file. @throws STARLING_PASSPHRASE_UNUSABLE */
async function readPassphrase(path: string): Promise<Secret> {
  const wrong = (why: string, cause?: unknown): StarlingError =>
    new StarlingError('STARLING_PASSPHRASE_UNUSABLE', `the passphrase file ${path} ${why}`, {
      hint: 'name a file that holds the passphrase on its one line',
      ...(cause === undefined ? {} : { cause }),
    });
  const text = await readStart(path).catch((error: unknown) => {
    throw wrong(`can't be read: ${messageOf(error)}`, error);
  });
  if (text === undefined) throw wrong('is not a file');
  if (text.length > FILE_BYTES_MAX) throw wrong(`has more than ${FILE_BYTES_MAX} bytes`);
  const line = text.toString('utf8').replace(/\r?\n$/, '');
  if (line === '') throw wrong('is empty');
  if (/[\r\n\0\uFFFD]/.test(line)) throw wrong('is not one line of text');
  return new Secret(line);
}

/** The first bytes of a file; undefined for a device or folder, which might have no end. */
async function readStart(path: string): Promise<Buffer | undefined> {
  const facts = await stat(path);
  if (!facts.isFile()) return undefined;
  // No reason to refuse: secrets of containers are often readable for all, in the container alone.
  if (process.platform !== 'win32' && (facts.mode & OTHERS) !== 0) {
    tell(safeLine(`others can read the passphrase file ${path}; chmod 600 ${path}`));
  }
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(FILE_BYTES_MAX + 1), 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
