/**
 * The state folders of all nodes on this machine that a process of this user could enter: those of the
 * default place, those that their nodes have noted, and those whose sockets are open now.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultStateDir, nodesFolder } from '../../../config/index.ts';

/** Notes that are read: a folder with more of them is somebody's attempt to keep the node busy. */
const NOTES_MAX = 500;
const NOTE_BYTES_MAX = 4096;
/** Open sockets of nodes that are looked at: bwrap takes 9,000 arguments, and a folder is five. */
const SOCKETS_MAX = 500;
const SOCKET = /(\/\S.*)\/node\.sock$/;
const ROOT_UID = 0;

/** Notes the state folder of a node, so that other nodes of this user hide it. */
export async function noteNode(stateDir: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (stateDir === defaultStateDir(env)) return;
  const folder = nodesFolder(env);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, noteOf(stateDir)), `${stateDir}\n`, { mode: 0o600 });
}

/** What is to be hidden: state folders, and the folders of notes. Some may not be there. */
export async function nodeFolders(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const others = process.getuid?.() === ROOT_UID ? await homesOfAll() : [];
  const theirs = others.map((HOME) => ({ HOME }));
  const usual = [defaultStateDir(env), ...(await existing(theirs.map(defaultStateDir)))];
  const notes = [nodesFolder(env), ...(await existing(theirs.map(nodesFolder)))];
  const noted = await Promise.all(notes.map(notedIn));
  return [...new Set([...usual, ...notes, ...noted.flat(), ...(await openNow())])];
}

/** Those that are there. Homes of others may be far away, so that nothing waits for them but this. */
async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(paths.map(isThere));
  return paths.filter((_, index) => found[index]);
}

/** What the notes of a folder name. A note whose folder is gone is removed. */
async function notedIn(folder: string): Promise<readonly string[]> {
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

/** State folders in which a node listens (Linux; `proc_net_unix(5)`). */
async function openNow(): Promise<readonly string[]> {
  const text = await readFile('/proc/net/unix', 'utf8').catch(() => '');
  const folders = text.split('\n').flatMap((line) => SOCKET.exec(line)?.[1] ?? []);
  const parts = folders.slice(0, SOCKETS_MAX).map((folder) => join(folder, 'db'));
  return (await existing(parts)).map((part) => dirname(part));
}

async function homesOfAll(): Promise<readonly string[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const home = line.split(':')[5];
    return home?.startsWith('/') === true && home !== '/' ? [home] : [];
  });
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
