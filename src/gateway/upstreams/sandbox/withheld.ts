/** What a node keeps from the processes that it starts. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { loginKeys, occupyPlaces, protectedParts } from './obeyed-files.ts';
import { filesObeyedBy, makeUsualFolders, nodeFolders } from './other-nodes.ts';
import { otherPaths, parseMounts } from './mount-aliases.ts';
import { isInside, outermost, realPaths } from './paths.ts';

/** Where a node has its secrets. */
export interface NodeSecrets {
  readonly stateDir: string;
  readonly socketPath: string;
  /** The config file, if the node has one, and files that are read with it. */
  readonly obeyed: readonly string[];
  /** The policy file, which may not be there. */
  readonly policy: string;
  /** More files with secrets, as they are now: of the passphrase, of a TLS key, of clients with a token. */
  files(this: void): Promise<readonly string[]>;
}

/** What is withheld, as real paths that are there. */
export interface Withheld {
  readonly folders: readonly string[];
  readonly files: readonly string[];
  readonly readOnly: readonly string[];
}

const ROOT_UID = 0;
/** Programs that are nothing without the socket of their engine; what they run is what the operator wrote. */
const ENGINES = new Set(['docker', 'podman', 'nerdctl']);
/** Sockets of engines in the folder of a session. */
const RUNTIME_ENGINES =
  /^(?:docker.*|podman|containerd.*|containers|libpod|crun|runc|netns|buildkit.*|rootlesskit.*)$/;
/**
 * In the folder of a session (`XDG_RUNTIME_DIR`): screen, sound, keys that sign, and file systems of others, which
 * may not answer.
 */
const RUNTIME_KEPT = new RegExp(
  `^(?:${[
    'wayland-\\d+.*',
    '\\.mutter-Xwaylandauth.*',
    'xauth_.*',
    'gdm',
    'dconf',
    'pipewire-\\d+.*',
    'pulse',
    'gnupg',
    'keyring',
    'gcr',
    'ssh-agent.*',
    'openssh_agent',
    'doc',
    'gvfs.*',
  ].join('|')})$`,
);

/** Looks up what is there now. `reach` names sockets that are left out. */
export async function withheldOf(
  secrets: NodeSecrets,
  env: NodeJS.ProcessEnv,
  { command, reach }: { readonly command: string; readonly reach: readonly string[] },
): Promise<Withheld> {
  // They must be there before the process is, because what comes later is not hidden.
  if (process.platform !== 'win32' && !isInside(secrets.socketPath, secrets.stateDir)) {
    await mkdir(dirname(secrets.socketPath), { recursive: true, mode: 0o700 });
  }
  await makeUsualFolders(env);
  const [mountinfo, others, secretFiles] = await Promise.all([
    readFile('/proc/self/mountinfo', 'utf8').catch(() => ''),
    nodeFolders(env),
    secrets.files(),
  ]);
  const theirs = await filesObeyedBy(others, env);
  const mounts = parseMounts(mountinfo);
  const everywhere = (paths: readonly string[]): readonly string[] => {
    const real = realPaths(paths);
    return realPaths([...real, ...real.flatMap((path) => otherPaths(path, mounts))]);
  };
  const folders = outermost(
    everywhere([
      secrets.stateDir,
      ...others,
      ...(isInside(secrets.socketPath, secrets.stateDir) ? [] : [dirname(secrets.socketPath)]),
    ]),
  );
  const open = new Set(realPaths(reach));
  const doors = realPaths(doorsOf(env, command)).filter((path) => !open.has(path));
  const inFolder = (path: string): boolean => folders.some((folder) => isInside(path, folder));
  const files = everywhere(secretFiles).filter((path) => !inFolder(path));
  occupyPlaces([secrets.policy, ...theirs.policies]);
  const obeyed = everywhere(
    [...secrets.obeyed, secrets.policy, ...theirs.configs, ...theirs.policies].flatMap(
      protectedParts,
    ),
  );
  const { folders: doorFolders, files: doorFiles } = byKind(doors);
  return {
    folders: outermost([...folders, ...doorFolders]),
    files: [...new Set([...files, ...doorFiles])].filter((path) => !inFolder(path)),
    readOnly: [...obeyed, ...realPaths(loginKeys(env))].filter(
      (path) => !inFolder(path) && !files.includes(path),
    ),
  };
}

/** True when the user of this process may rename and remove in `folder`. */
export function canChange(folder: string): boolean {
  return may(folder, constants.W_OK);
}

/** True when the user of this process may read the file. */
export function canRead(file: string): boolean {
  return may(file, constants.R_OK);
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    // Whatever the reason, nothing of the kind can be done there.
    return false;
  }
}

/**
 * Sockets behind which somebody starts any program with the rights of this user, outside of the sandbox:
 * service managers, container engines, terminals that are shared.
 */
function doorsOf(env: NodeJS.ProcessEnv, command: string): readonly string[] {
  const uid = process.getuid?.() ?? 0;
  const runtime = env['XDG_RUNTIME_DIR'] || `/run/user/${uid}`;
  const home = env['HOME'] || homedir();
  const bus = /unix:path=([^,;]+)/.exec(env['DBUS_SESSION_BUS_ADDRESS'] ?? '')?.[1];
  const engines = [
    '/run/docker.sock',
    '/var/run/docker.sock',
    '/run/podman',
    '/run/containerd/containerd.sock',
    '/run/crio/crio.sock',
    '/var/lib/incus/unix.socket',
    '/var/snap/lxd/common/lxd/unix.socket',
    join(home, '.docker', 'run'),
    join(home, '.docker', 'desktop'),
  ];
  return [
    ...runtimeDoors(runtime, command),
    ...(bus === undefined ? [] : [bus]),
    ...(uid === ROOT_UID ? ['/run/dbus/system_bus_socket', '/run/systemd/private'] : []),
    '/run/snapd.socket',
    `/tmp/tmux-${uid}`,
    join(env['TMUX_TMPDIR'] || '/tmp', `tmux-${uid}`),
    `/run/screen`,
    ...(ENGINES.has(basename(command)) ? [] : engines),
  ];
}

/** What lies in the folder of the user's session, but for what runs no programs; editors and terminals listen there. */
function runtimeDoors(runtime: string, command: string): readonly string[] {
  const isKept = (name: string): boolean =>
    RUNTIME_KEPT.test(name) || (ENGINES.has(basename(command)) && RUNTIME_ENGINES.test(name));
  try {
    return readdirSync(runtime).flatMap((name) => (isKept(name) ? [] : [join(runtime, name)]));
  } catch {
    // No session, or that of another user.
    return [];
  }
}

function byKind(paths: readonly string[]): {
  readonly folders: readonly string[];
  readonly files: readonly string[];
} {
  const isFolder = (path: string): boolean =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const folders = paths.filter(isFolder);
  return { folders, files: paths.filter((path) => !folders.includes(path)) };
}
