/**
 * The nodes of this user on this machine: where their state folders are, and what each was called when it
 * last ran. There is no daemon that knows them: each node notes its state folder in one private folder, and
 * writes what it is into the state folder itself. Imports nothing heavy, because commands ask it.
 */
import { createHash } from 'node:crypto';
import { access, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrivateFolder, writeFileAtomic } from '../core/system/atomic-file.ts';
import { isObject, isText } from '../core/json/value-checks.ts';
import { defaultStateDir, nodesFolder } from './paths.ts';

/** Notes that are read: a folder with more of them is somebody's attempt to keep the node busy. */
const NOTES_MAX = 500;
const NOTE_BYTES_MAX = 4096;
/** In the state folder: what the node is. */
const ABOUT = 'about.json';
const ABOUT_BYTES_MAX = 16 * 1024;
const TEXT_MAX = 4096;
const PRIVATE_FILE = 0o600;

/** What a node was when it last started. */
export interface NodeAbout {
  readonly name: string;
  /** Absent once the node has left it. */
  readonly mesh?: string;
  /** The mesh's four words. */
  readonly fingerprint?: string;
  /** The config file that it reads, or would read if there were one. */
  readonly configFile?: string;
  /** Where the node looks for its policy; absent in notes of older nodes. */
  readonly policyFile?: string;
}

/** A node of this user. */
export interface KnownNode {
  readonly stateDir: string;
  /** Absent where no node has started since this is written, or the file is damaged. */
  readonly about?: NodeAbout;
}

/** Notes the state folder of a node, so that other nodes of this user hide it, and commands find it. */
export async function noteNode(stateDir: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (stateDir === defaultStateDir(env)) return;
  const folder = nodesFolder(env);
  await ensurePrivateFolder(folder);
  const [note, text] = [join(folder, noteOf(stateDir)), `${stateDir}\n`];
  const known = await readFile(note, 'utf8').catch(() => '');
  if (known !== text) await writeFileAtomic(note, text, PRIVATE_FILE);
}

/** Writes into the state folder what its node is. @throws STARLING_STATE_UNUSABLE */
export function writeAbout(stateDir: string, about: NodeAbout): Promise<void> {
  return writeFileAtomic(join(stateDir, ABOUT), `${JSON.stringify(about)}\n`, PRIVATE_FILE);
}

/** What the node of a state folder was when it last started; undefined when nothing says. */
export async function readAbout(stateDir: string): Promise<NodeAbout | undefined> {
  const text = await readFile(join(stateDir, ABOUT), 'utf8').catch(() => '');
  if (text === '' || text.length > ABOUT_BYTES_MAX) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return undefined;
    const { name, mesh, fingerprint, configFile, policyFile } = value;
    if (!isText(name, TEXT_MAX)) return undefined;
    const isInMesh = isText(mesh, TEXT_MAX) && isText(fingerprint, TEXT_MAX);
    return {
      name,
      ...(isInMesh ? { mesh, fingerprint } : {}),
      ...(isText(configFile, TEXT_MAX) ? { configFile } : {}),
      ...(isText(policyFile, TEXT_MAX) ? { policyFile } : {}),
    };
  } catch {
    // A damaged file says nothing; the next start of the node writes it anew.
    return undefined;
  }
}

/** The node has left its mesh: its note says so from now on. @throws STARLING_STATE_UNUSABLE */
export async function noteMeshLeft(stateDir: string): Promise<void> {
  const about = await readAbout(stateDir);
  if (about === undefined) return;
  const { mesh: _, fingerprint: __, ...rest } = about;
  await writeAbout(stateDir, rest);
}

/** What the notes of a folder name. A note whose state folder is gone is removed. */
export async function notedIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.slice(0, NOTES_MAX).map(async (name) => {
      const path = join(folder, name);
      const text = await readFile(path, 'utf8').catch(() => '');
      const stateDir = text.slice(0, NOTE_BYTES_MAX).trim();
      if (noteOf(stateDir) !== name) return [];
      if (await isThere(stateDir)) return [stateDir];
      await rm(path, { force: true }).catch(() => undefined);
      return [];
    }),
  );
  return found.flat();
}

/** The nodes of this user, the one of the default state folder first. */
export async function knownNodes(env: NodeJS.ProcessEnv): Promise<readonly KnownNode[]> {
  const usual = defaultStateDir(env);
  const noted = (await notedIn(nodesFolder(env))).filter((stateDir) => stateDir !== usual);
  // The default folder may have been made by a command that only kept a secret there.
  const first = (await isThere(join(usual, 'key'))) ? [usual] : [];
  return Promise.all(
    [...first, ...noted.toSorted()].map(async (stateDir) => {
      const about = await readAbout(stateDir);
      return { stateDir, ...(about === undefined ? {} : { about }) };
    }),
  );
}

function noteOf(stateDir: string): string {
  return createHash('sha256').update(stateDir).digest('hex').slice(0, 32);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
