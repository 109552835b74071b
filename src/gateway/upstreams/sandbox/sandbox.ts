/**
 * The sandbox of the processes that a node starts: each runs without the node's secrets and without a
 * sight of the node's processes, by whatever means the system has.
 */
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { SandboxRules, StdioServer } from '../../../config/index.ts';
import { StarlingError } from '../../../core/index.ts';
import { SYSTEM_PATHS, bwrapArguments, devicesAmong, isShown } from './bwrap.ts';
import type { SandboxPlan } from './bwrap.ts';
import { findMeans } from './sandbox-means.ts';
import type { Means, RunBriefly } from './sandbox-means.ts';
import { isInside, markOf, realPathOf, realPaths } from './paths.ts';
import { ObeyedFiles } from './obeyed-files.ts';
import { programOf } from './find-program.ts';
import { sandboxProfile } from './sandbox-exec.ts';
import { nodeFolders } from './other-nodes.ts';
import { canChange, canRead, withheldOf } from './withheld.ts';
import type { NodeSecrets } from './withheld.ts';

/** How a process is started, and what stands around it. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** What the command reads as its file descriptor 3. */
  readonly input?: Uint8Array;
  /** What the process can't see; none where it runs outside of a sandbox. */
  readonly hidden: readonly string[];
  readonly kind: Means['kind'];
  /** To be called when the process has ended. */
  readonly ended?: () => void;
}

/** Starts of processes, from the outside. */
export interface Sandbox {
  /** What the system has; looked up once. */
  means(): Promise<Means>;
  /** How the process of a server is to be started. @throws STARLING_UPSTREAM_UNAVAILABLE */
  launch(name: string, server: StdioServer, env: NodeJS.ProcessEnv): Promise<Launch>;
  /** State folders that processes which run could enter, because their nodes are newer: by server. */
  reachable(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** True when a process that was started could have written `file`, which the node obeys. */
  isExposed(file: string): boolean;
}

/** What a sandbox works with. */
export interface SandboxComponents {
  readonly secrets: NodeSecrets;
  readonly run: RunBriefly;
  readonly env: NodeJS.ProcessEnv;
}

/** A process behind its walls. */
interface Confined {
  readonly name: string;
  readonly plan: SandboxPlan;
  /** What was at each hidden folder: a mount goes with it. Absent where paths are hidden, whatever lies there. */
  readonly marks?: ReadonlyMap<string, string>;
}

const ROOT_UID = 0;
const FULL: SandboxRules = { network: true, reach: [] };

/** Makes the sandbox of a node. */
export function createSandbox(components: SandboxComponents): Sandbox {
  return new NodeSandbox(components);
}

/** A process without a sandbox. */
export function bareLaunch({ command, args }: StdioServer): Launch {
  return { command, args, hidden: [], kind: 'none' };
}

class NodeSandbox implements Sandbox {
  readonly #components: SandboxComponents;
  readonly #obeyed: ObeyedFiles;
  readonly #running = new Set<Confined>();
  #means: Promise<Means> | undefined;

  constructor(components: SandboxComponents) {
    this.#components = components;
    const { obeyed, policy } = components.secrets;
    this.#obeyed = new ObeyedFiles([...obeyed, policy]);
  }

  async reachable(): Promise<ReadonlyMap<string, readonly string[]>> {
    if (this.#running.size === 0) return new Map();
    const keys = (await nodeFolders(this.#components.env)).map((folder) => join(folder, 'key'));
    const folders = realPaths(keys)
      .filter(canRead)
      .map((key) => dirname(key));
    const found = new Map<string, readonly string[]>();
    for (const { name, plan, marks } of this.#running) {
      const hidden = plan.hiddenFolders.filter((one) => hasStayed(one, marks));
      const open = folders.filter(
        (folder) => isShown(plan, folder) && !hidden.some((one) => isInside(folder, one)),
      );
      if (open.length > 0) found.set(name, open);
    }
    return found;
  }

  isExposed(file: string): boolean {
    return this.#obeyed.isExposed(file);
  }

  means(): Promise<Means> {
    const { run, env } = this.#components;
    this.#means ??= findMeans(run, env);
    return this.#means;
  }

  async launch(name: string, server: StdioServer, env: NodeJS.ProcessEnv): Promise<Launch> {
    if (server.sandbox === false) return bareLaunch(server);
    const means = await this.means();
    if (means.kind === 'none') {
      if (server.sandbox?.required === true) throw unconfined(name, means);
      return bareLaunch(server);
    }
    const cwd = server.cwd ?? process.cwd();
    const program = await programOf(server.command, { path: env['PATH'] ?? '', cwd });
    if (program === undefined) throw notFound(name, server);
    const [plan, devices] = await Promise.all([
      this.#plan(name, server, program),
      readdir('/dev').then(devicesAmong, () => devicesAmong([])),
    ]);
    const hidden = [...plan.hiddenFolders, ...plan.hiddenFiles];
    const marks =
      means.kind === 'bwrap'
        ? { marks: new Map(plan.hiddenFolders.map((one) => [one, markOf(one)])) }
        : {};
    const confined = { name, plan, ...marks };
    this.#running.add(confined);
    const ended = (): void => {
      this.#running.delete(confined);
    };
    const command = [server.command, ...server.args];
    if (means.kind === 'sandbox-exec') {
      const args = ['-p', sandboxProfile(plan), ...command];
      return { command: means.program, args, hidden, kind: means.kind, ended };
    }
    // A profile of macOS names paths, whatever lies there; a mount lies on the file that is there now.
    this.#obeyed.launching();
    // Paths of secrets are told by a pipe: everybody can read lists of arguments.
    const input = Buffer.from(`${bwrapArguments(plan, devices).join('\0')}\0`);
    return {
      command: means.program,
      args: ['--args', '3', '--', ...command],
      input,
      hidden,
      kind: means.kind,
      ended,
    };
  }

  async #plan(name: string, server: StdioServer, program: string): Promise<SandboxPlan> {
    const { env, secrets } = this.#components;
    const rules = server.sandbox === undefined || server.sandbox === false ? FULL : server.sandbox;
    const { command } = server;
    // First what may fail: a launch that fails has touched nothing, and touches nothing later.
    const only = await this.#only(name, server, rules, program);
    const withheld = await withheldOf(secrets, env, { command, reach: rules.reach });
    return {
      isRoot: process.getuid?.() === ROOT_UID,
      network: rules.network,
      home: realPathOf(homedir()) ?? '/',
      hiddenFolders: withheld.folders,
      hiddenFiles: withheld.files,
      readOnly: withheld.readOnly,
      canChange,
      ...(only === undefined ? {} : { only }),
    };
  }

  /** The paths that a server with `write` or `read` gets; undefined for one that has neither. */
  async #only(
    name: string,
    { cwd }: StdioServer,
    { write, read }: SandboxRules,
    program: string,
  ): Promise<SandboxPlan['only']> {
    if (write === undefined && read === undefined) return undefined;
    const named = async (part: string, paths: readonly string[]): Promise<readonly string[]> =>
      Promise.all(paths.map(async (path) => realPathOf(path) ?? missing(name, part, path)));
    const programs = realPaths([program, process.execPath]);
    const parts = [program, ...programs].map(partOf).filter((path) => path !== undefined);
    return {
      write: await named('write', write ?? []),
      read: [
        ...(await named('read', [...(read ?? []), ...(cwd === undefined ? [] : [cwd])])),
        ...realPaths([...parts, '/etc/resolv.conf']),
      ].filter((path) => !SYSTEM_PATHS.some((system) => isInside(path, system))),
    };
  }
}

/** Whether a folder is what it was when it was hidden: one that is made anew in its place shows. */
function hasStayed(folder: string, marks: Confined['marks']): boolean {
  return marks === undefined || marks.get(folder) === markOf(folder);
}

/** The folder that a program is installed in, with its libraries, unless that is no folder of its own. */
function partOf(program: string): string | undefined {
  const folder = dirname(program);
  const whole = basename(folder) === 'bin' ? dirname(folder) : folder;
  return isInside(homedir(), whole) ? program : whole;
}

function missing(name: string, part: string, path: string): never {
  throw new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${name}' can't start: ${path}, which mcpServers.${name}.sandbox.${part} names, is not there`,
    { hint: `make it, or correct mcpServers.${name}.sandbox.${part}`, data: { server: name } },
  );
}

function unconfined(
  name: string,
  { hint, why }: { readonly why: string; readonly hint: string },
): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${name}' can't start: mcpServers.${name}.sandbox.required wants a sandbox, and there is none: ${why}`,
    { hint, data: { server: name } },
  );
}

/** What is said of a command that is not there. */
export function notFound(
  name: string,
  { command, cwd }: StdioServer,
  cause?: Error,
): StarlingError {
  const folder = cwd === undefined ? '' : ` or the folder ${cwd}`;
  return new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${name}' can't start: the command ${command}${folder} was not found`,
    {
      hint: `install it, or correct mcpServers.${name}.command`,
      data: { server: name },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
