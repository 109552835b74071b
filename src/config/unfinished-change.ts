/**
 * Changes of a config file that must stay the same file, because sandboxes shut servers out of that very file. A process that is
 * killed in the middle of such a change leaves a file that is neither the old nor the new one. So both texts stand in a
 * private folder, which no server sees, until the file is written; whoever reads the file next finishes the change.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ensurePrivateFolder,
  writeFileAtomic,
  writeFileInPlace,
} from '../core/system/atomic-file.ts';
import { isObject } from '../core/json/value-checks.ts';
import { nodesFolder } from './paths.ts';

const PRIVATE_FILE = 0o600;
const LINE_FEED = 0x0a;
/** Whoever noted a change and has not begun it after so long was killed. */
const BEGUN_MS = 60_000;

/** A change as it is noted. */
interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/**
 * Writes `after` over `before` into the file at `path`, which stays the same file and is never left in between for good.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function changeInPlace(
  { path, before, after }: Change,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await ensurePrivateFolder(nodesFolder(env));
  const note = noteOf(path, env);
  await writeFileAtomic(note, JSON.stringify({ path, before, after }), PRIVATE_FILE);
  try {
    await writeFileInPlace(path, after, before);
  } catch (error) {
    // What could not be put back either is for whoever reads the file next.
    if ((await readFile(path, 'utf8').catch(() => undefined)) === before) await drop(note);
    throw error;
  }
  await drop(note);
}

/**
 * Finishes the change of the file at `path` in which a process was killed, if there is one. A file that somebody has written
 * since stays as it is. @throws STARLING_STATE_UNUSABLE when the disk refuses the rest of the change
 */
export async function finishChange(path: string, env: NodeJS.ProcessEnv): Promise<void> {
  const target = await realpath(path).catch(() => undefined);
  if (target === undefined) return;
  const note = noteOf(target, env);
  const change = await readChange(note);
  if (change === undefined || change.path !== target) return;
  const now = await readFile(target, 'utf8');
  if (now === change.before) {
    const { mtimeMs } = await stat(note).catch(() => ({ mtimeMs: 0 }));
    if (Math.abs(Date.now() - mtimeMs) <= BEGUN_MS) return;
  } else if (isBetween(Buffer.from(now), change)) {
    await writeFileInPlace(target, change.after, now);
  }
  await drop(note);
}

async function readChange(note: string): Promise<Change | undefined> {
  const text = await readFile(note, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return undefined;
    const { path, before, after } = value;
    if (typeof path !== 'string' || typeof before !== 'string' || typeof after !== 'string') {
      return undefined;
    }
    return { path, before, after };
  } catch {
    // Notes are whole or not there: whatever this is, it is none.
    return undefined;
  }
}

/** Whether each byte of the file is that of the old text, or that which the new text and the blank lines behind it put there. */
function isBetween(now: Buffer, change: Change): boolean {
  const [before, after] = [Buffer.from(change.before), Buffer.from(change.after)];
  if (now.length < Math.min(before.length, after.length)) return false;
  if (now.length > Math.max(before.length, after.length)) return false;
  return now.every((byte, at) => byte === before[at] || byte === (after[at] ?? LINE_FEED));
}

function noteOf(path: string, env: NodeJS.ProcessEnv): string {
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 32);
  return join(nodesFolder(env), `${hash}.change`);
}

/** A note that stays does no harm: the file is what the note says. */
async function drop(note: string): Promise<void> {
  await rm(note, { force: true }).catch(() => undefined);
}
