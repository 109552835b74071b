/**
 * The state folders of all nodes on this machine that a process of this user could enter: those of the
 * default place, those that their nodes have noted, and those whose sockets are open now.
 */
import { access, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  defaultConfigFile,
  defaultStateDir,
  nodesFolder,
  notedIn,
  policyFile,
  readAbout,
  socketsFolder,
} from '../../../config/index.ts';

/** Open sockets of nodes that are looked at: bwrap takes 9,000 arguments, and a folder is thirteen with those above it. */
const SOCKETS_MAX = 300;
const SOCKET = /(\/\S.*)\/node\.sock$/;
/** A node whose state folder has a long path, with whatever folder for temporary files. */
const SOCKET_ELSEWHERE = /(\/\S.*\/starling-\d+)\/[0-9a-f]{16}\.sock$/;
const ROOT_UID = 0;

/** What is to be hidden: state folders, and the folders of notes. Some may not be there. */
export async function nodeFolders(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const others = process.getuid?.() === ROOT_UID ? await homesOfAll() : [];
  const theirs = others.map((HOME) => ({ HOME }));
  // At once: each start of a process waits for all of them.
  const [open, states, places] = await Promise.all([
    openNow(),
    existing(theirs.map(defaultStateDir)),
    existing(theirs.map(nodesFolder)),
  ]);
  const usual = [defaultStateDir(env), ...states];
  const notes = [nodesFolder(env), ...places];
  const noted = await Promise.all(notes.map(notedIn));
  const sockets = process.platform === 'win32' ? [] : [socketsFolder()];
  return [...new Set([...usual, ...notes, ...sockets, ...noted.flat(), ...open])];
}

/**
 * Makes the folders that a node without a word of its own will use, and the one below which further nodes may have theirs,
 * so that they are hidden before those are there. Never throws.
 */
export async function makeUsualFolders(env: NodeJS.ProcessEnv): Promise<void> {
  if (process.platform === 'win32') return;
  const folders = [defaultStateDir(env), nodesFolder(env), socketsFolder()];
  // Not recursive: nobody's home is made anew. Where nothing can be made, what comes later is told of.
  await Promise.all(folders.map((one) => mkdir(one, { mode: 0o700 }).catch(() => undefined)));
}

/**
 * What the nodes of these state folders obey, and a node of this user that starts without a word: a server
 * that could write the config file of another node would be started by that one, without a sandbox.
 */
export async function filesObeyedBy(
  stateDirs: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly configs: readonly string[]; readonly policies: readonly string[] }> {
  // What others note must not have root make or mount anything.
  const own = await Promise.all(stateDirs.map(isOwn));
  const known = await Promise.all(stateDirs.filter((_, index) => own[index]).map(readAbout));
  const usual = defaultConfigFile(env);
  const noted = known.flatMap((about) => {
    if (about?.configFile === undefined) return [];
    const { configFile, policyFile: policy = policyFile(configFile) } = about;
    return [{ config: configFile, policy }];
  });
  const all = [{ config: usual, policy: policyFile(usual) }, ...noted];
  return {
    configs: [...new Set(all.map(({ config }) => config))],
    policies: [...new Set(all.map(({ policy }) => policy))],
  };
}

/** Those that are there. Homes of others may be far away, so that nothing waits for them but this. */
async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(paths.map(isThere));
  return paths.filter((_, index) => found[index]);
}

/** State folders in which a node listens, and folders of sockets (Linux; `proc_net_unix(5)`). */
async function openNow(): Promise<readonly string[]> {
  const lines = (await readFile('/proc/net/unix', 'utf8').catch(() => '')).split('\n');
  const folders = lines.flatMap((line) => SOCKET.exec(line)?.[1] ?? []);
  const parts = folders.slice(0, SOCKETS_MAX).map((folder) => join(folder, 'db'));
  const elsewhere = lines.flatMap((line) => SOCKET_ELSEWHERE.exec(line)?.[1] ?? []);
  return [
    ...(await existing(parts)).map((part) => dirname(part)),
    ...new Set(elsewhere.slice(0, SOCKETS_MAX)),
  ];
}

async function homesOfAll(): Promise<readonly string[]> {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const home = line.split(':')[5];
    return home?.startsWith('/') === true && home !== '/' ? [home] : [];
  });
}

async function isOwn(folder: string): Promise<boolean> {
  return stat(folder).then(
    ({ uid }) => uid === process.getuid?.(),
    () => false,
  );
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
