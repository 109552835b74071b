/**
 * Where a node keeps its things, by the platform's convention (XDG Base Directory Specification on
 * Linux). Imports nothing heavy, because every command of the CLI asks it.
 */
import { createHash } from 'node:crypto';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';

const APP = 'starling';
/** A Unix socket's path holds 104 bytes on macOS and 108 on Linux, its final NUL included. */
const SOCKET_PATH_MAX = 100;

/** The state folder when nobody names one. */
export function defaultStateDir(env: NodeJS.ProcessEnv): string {
  switch (process.platform) {
    case 'darwin':
      return join(home(env), 'Library', 'Application Support', APP);
    case 'win32':
      return join(env['LOCALAPPDATA'] ?? join(home(env), 'AppData', 'Local'), APP);
    default:
      return join(xdg(env, 'XDG_STATE_HOME') ?? join(home(env), '.local', 'state'), APP);
  }
}

/** The config file that is read when nobody names one. */
export function defaultConfigFile(env: NodeJS.ProcessEnv): string {
  switch (process.platform) {
    case 'darwin':
      return join(home(env), 'Library', 'Application Support', APP, `${APP}.json`);
    case 'win32':
      return join(env['APPDATA'] ?? join(home(env), 'AppData', 'Roaming'), APP, `${APP}.json`);
    default:
      return join(xdg(env, 'XDG_CONFIG_HOME') ?? join(home(env), '.config'), APP, `${APP}.json`);
  }
}

/**
 * The socket (named pipe on Windows) of the node that uses `stateDir`: inside it when the path is
 * short enough, else in a private folder of the system's temporary folder.
 */
export function socketPath(stateDir: string): string {
  const folder = resolve(stateDir);
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\${APP}-${hash}`;
  const inside = join(folder, 'node.sock');
  if (Buffer.byteLength(inside) <= SOCKET_PATH_MAX) return inside;
  return join(socketsFolder(), `${hash}.sock`);
}

/** Where the nodes of this user whose state folders have long paths have their sockets; not on Windows. */
export function socketsFolder(): string {
  return join(tmpdir(), `${APP}-${process.getuid?.() ?? 0}`);
}

/**
 * The folder in which the nodes of this user note their state folders, where those are not the default
 * one: so that each node knows what it has to hide from its servers.
 */
export function nodesFolder(env: NodeJS.ProcessEnv): string {
  return `${defaultStateDir(env)}-nodes`;
}

/** The policy file when nobody names one: beside the config file. */
export function policyFile(configFile: string): string {
  return join(dirname(resolve(configFile)), 'policy.yaml');
}

/**
 * The folder in which the files of programs lie that agents have proposed and a person has agreed to: beside the config file,
 * where servers write nothing; never in the state folder, which no server sees.
 */
export function servicesFolder(configFile: string, stateDir: string): string {
  const folder = dirname(resolve(configFile));
  const state = resolve(stateDir);
  const isInState = folder === state || folder.startsWith(`${state}${sep}`);
  if (isInState) return `${state}-services`;
  // In a folder of a person the name has to say whose it is.
  return join(folder, basename(folder) === APP ? 'services' : `${APP}-services`);
}

/** The file with the bearer token of the HTTP endpoint. */
export function tokenFile(stateDir: string): string {
  return join(stateDir, 'token');
}

function home(env: NodeJS.ProcessEnv): string {
  const folder = env['HOME'];
  return folder === undefined || folder === '' ? homedir() : folder;
}

/** XDG says that a relative path is to be ignored. */
function xdg(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  return value !== undefined && value.startsWith('/') ? value : undefined;
}
