/**
 * The state folders of all nodes on this machine that a process of this user could enter: those of the
 * default place, those that their nodes have noted, and those whose sockets are open now.
 */
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultStateDir, nodesFolder, notedIn } from '../../../config/index.ts';

/** Open sockets of nodes that are looked at: bwrap takes 9,000 arguments, and a folder is five. */
const SOCKETS_MAX = 500;
const SOCKET = /(\/\S.*)\/node\.sock$/;
const ROOT_UID = 0;

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

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
