/**
 * In which form things lie in a state folder. Each version reads the folders of those before it, and writes on in its own
 * form; a folder of a later version is left as it is, because nobody here knows what stands in it, or may be lost of it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/system/atomic-file.ts';
import { StarlingError, messageOf } from '../core/errors.ts';
import { isCount, isObject, isText } from '../core/json/value-checks.ts';
import { VERSION } from '../core/version.ts';

/** The form that this version writes. That of 1, until commit 6fb304d (release 0.1.0), has no note of it. */
export const STATE_VERSION = 2;
const UNNOTED = 1;
const FILE = 'version.json';
const BYTES_MAX = 1024;
const RELEASE_MAX = 64;
const PRIVATE_FILE = 0o600;

/** What a folder says of its form. */
interface StateNote {
  readonly state: number;
  /** The release of Starling that first wrote in this form there. */
  readonly starling?: string;
}

/**
 * Looks at the folder before anything in it is opened.
 * @throws STARLING_STATE_UNUSABLE for one that a later version has written, or whose note can't be read
 */
export async function requireKnownState(stateDir: string): Promise<void> {
  const { state, starling } = await readNote(stateDir);
  if (state <= STATE_VERSION) return;
  const by = starling === undefined ? 'a later Starling' : `Starling ${starling}`;
  throw new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `the state folder ${stateDir} was written by ${by}, as version ${state}; Starling ${VERSION} reads versions up to ${STATE_VERSION}, and leaves the folder as it is`,
    {
      hint: 'update Starling on this machine; or use another folder: starling up --state <folder>',
      data: { reason: 'later' },
    },
  );
}

/**
 * Notes in the folder that things are written in the form of this version from now on. For whoever holds the folder's
 * lock: a node of a later version that still runs there would find a lower number at its next start.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function noteStateVersion(stateDir: string): Promise<void> {
  const { state } = await readNote(stateDir);
  if (state >= STATE_VERSION) return;
  const note: StateNote = { state: STATE_VERSION, starling: VERSION };
  await writeFileAtomic(join(stateDir, FILE), `${JSON.stringify(note)}\n`, PRIVATE_FILE);
}

async function readNote(stateDir: string): Promise<StateNote> {
  const path = join(stateDir, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { state: UNNOTED };
    }
    throw unreadable(path, messageOf(error), error);
  }
  const note = text.length > BYTES_MAX ? undefined : noteIn(text);
  if (note === undefined) throw unreadable(path, 'it names no version');
  return note;
}

function noteIn(text: string): StateNote | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return undefined;
    const { state, starling } = value;
    if (!isCount(state) || state < UNNOTED) return undefined;
    return { state, ...(isText(starling, RELEASE_MAX) ? { starling } : {}) };
  } catch {
    // No JSON: the caller says so.
    return undefined;
  }
}

function unreadable(path: string, why: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_STATE_UNUSABLE', `${path} can't be read: ${why}`, {
    hint: `take the file from a backup; where no later version of Starling was ever used with this folder, remove it: the next start writes it anew`,
    data: { reason: 'damaged' },
    ...(cause === undefined ? {} : { cause }),
  });
}
