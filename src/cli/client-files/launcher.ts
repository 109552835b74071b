/**
 * How an MCP client starts `starling mcp`. Programs with windows often lack the PATH of the shell, so
 * that Node and this command are named by their absolute paths.
 */
import { realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { defaultStateDir } from '../../config/paths.ts';

/** The process that writes the entry. */
export interface Launched {
  /** As `process.execPath`. */
  readonly execPath: string;
  /** As `process.execArgv`. */
  readonly execArgv: readonly string[];
  /** As `process.argv[1]`. */
  readonly script: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The command line of an entry. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

/** The command line that starts this very `starling` with other words. */
export function launchSelf(launched: Launched, words: readonly string[]): Launch {
  const { execArgv, script } = launched;
  return {
    command: nodePath(launched),
    // From the sources, it takes the loader that this process has; the built command needs none.
    args: [...(script.endsWith('.ts') ? execArgv : []), script, ...words],
  };
}

/** The entry for this machine; `who` says as whom the client attaches. Absolute paths that outlive an update of Node where there are such. */
export function launchHere(
  launched: Launched,
  stateDir: string,
  who: readonly string[] = [],
): Launch {
  return launchSelf(launched, ['mcp', ...who, ...stateArgs(launched.env, stateDir)]);
}

/** The entry for a file that others share: they have their own `starling` on their PATH. */
export function launchAnywhere(
  env: NodeJS.ProcessEnv,
  stateDir: string,
  who: readonly string[] = [],
): Launch {
  return { command: 'starling', args: ['mcp', ...who, ...stateArgs(env, stateDir)] };
}

/**
 * The place of Node that its users see: what PATH leads to, when that is this very Node. Package
 * managers keep the real file in a folder named after its version, which the next update removes.
 */
function nodePath({ execPath, env }: Launched): string {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const real = realPath(execPath);
  const found = (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find((candidate) => real !== undefined && realPath(candidate) === real);
  return found ?? execPath;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

/** The options that stand for variables of this shell: a client starts the command without them. */
function stateArgs(env: NodeJS.ProcessEnv, stateDir: string): readonly string[] {
  const usual = Object.fromEntries(
    Object.entries(env).filter(([name]) => name === 'HOME' || name === 'LOCALAPPDATA'),
  );
  return resolve(defaultStateDir(usual)) === stateDir ? [] : ['--state', stateDir];
}
