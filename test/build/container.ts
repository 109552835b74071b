/**
 * An image run as a container, as an engine does by `--read-only --tmpfs /tmp --network host`: `umoci` puts folders into an
 * image with what the file says of it and unpacks that, and a runtime of containers runs it. Where none runs on this machine,
 * bubblewrap runs the same folders with the same words.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasProgram } from '../../sim/has-program.ts';
import type { Image } from './image.ts';

const exec = promisify(execFile);
/** Runtimes of containers, all with the words of runc, the first that runs here. */
const RUNTIMES = ['runc', 'crun'] as const;
/** The user of the image, as the published base has it. */
const USER_ID = 1000;
const TOLD_MAX = 2000;

/** What a container is made of. */
export interface Contents {
  /** Folders that go into the image, by where they are in it; the first is its root. */
  readonly layers: readonly (readonly [at: string, folder: string])[];
  /** Folders of this machine in the place of what the base of the image has, by where they are seen. */
  readonly base: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly said: string;
}

/** A container that runs. */
export interface Container {
  /** Runs a command in it. */
  run(...command: readonly string[]): Promise<Ended>;
  /** Ends it by the signal that the image names; gives the exit code. */
  stop(): Promise<number | null>;
  /** Ends it at once, and leaves nothing of it. */
  remove(): Promise<void>;
  /** What it has said on standard error. */
  said(): string;
}

/** What runs containers here. */
export interface Runner {
  readonly name: string;
  /** Why those that are preferred don't run here. */
  readonly passedOver: readonly string[];
  /** Builds the image in `folder`, and runs its own command there. */
  start(image: Image, contents: Contents, folder: string): Promise<Container>;
}

/** The first that runs here; undefined where nothing does. Each is tried. */
export async function findRunner(): Promise<Runner | undefined> {
  const passedOver: string[] = [];
  for (const name of RUNTIMES) {
    const fault = await faultOfRuntime(name);
    if (fault === undefined) return { name, passedOver, start: startBy(name) };
    passedOver.push(`${name}: ${fault}`);
  }
  const fault = await faultOf('bwrap', ['--unshare-user', '--ro-bind', '/', '/', 'true']);
  return fault === undefined ? { name: 'bwrap', passedOver, start: startSandbox } : undefined;
}

/** Why a program can't do that; undefined where it can. */
async function faultOf(program: string, args: readonly string[]): Promise<string | undefined> {
  if (hasProgram(program) === undefined) return 'it is not installed';
  return exec(program, args).then(
    () => undefined,
    ({ stderr }: { readonly stderr?: string }) => stderr?.trim().slice(0, TOLD_MAX) ?? 'it failed',
  );
}

/** Has a runtime run `true` in a container of the same kind. */
async function faultOfRuntime(name: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'it takes root';
  if (hasProgram('umoci') === undefined) return 'umoci, which builds the image, is not installed';
  if (hasProgram(name) === undefined) return 'it is not installed';
  const folder = await mkdtemp(join(tmpdir(), 'starling-runtime-'));
  try {
    await mkdir(join(folder, 'rootfs'));
    const fault = await faultOf(name, ['spec', '--bundle', folder]);
    if (fault !== undefined) return fault;
    const about = { args: ['/usr/bin/true'], user: USER_ID };
    const mounts = [bound('/usr', '/usr'), bound('/lib', '/lib'), bound('/lib64', '/lib64')];
    await adapt(folder, { ...about, mounts });
    return await faultOf(name, [...stateIn(folder), 'run', '--bundle', folder, idOf(folder)]);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A runtime keeps what it knows of containers in a folder of the test's own. */
function stateIn(folder: string): readonly string[] {
  return ['--root', join(folder, 'state')];
}

/** One of the machine: folders of tests have names that nobody else has. */
function idOf(folder: string): string {
  return folder.replaceAll(/[^\w]/g, '-').replace(/^-+/, '');
}

function startBy(name: string): Runner['start'] {
  return async (image, { layers, base, env }, folder) => {
    const bundle = await bundleOf(image, layers, folder);
    const data = await volumeIn(folder);
    const mounts = Object.entries(base).map(([at, from]) => bound(at, from));
    await adapt(bundle, { env, mounts: [...mounts, bound(image.volume, data, 'rw')] });
    const [state, id] = [stateIn(folder), idOf(folder)];
    const inside = [...state, 'exec', id];
    return running(begun(name, [...state, 'run', '--bundle', bundle, id]), {
      run: (...command) => ended(name, [...inside, ...command]),
      end: () => exec(name, [...state, 'kill', id, image.stopSignal]),
      kill: () => exec(name, [...state, 'delete', '--force', id]),
    });
  };
}

/** Builds the image by `umoci`, and has it unpacked for a runtime. */
async function bundleOf(image: Image, layers: Contents['layers'], folder: string): Promise<string> {
  const [layout, bundle] = [join(folder, 'layout'), join(folder, 'bundle')];
  const name = `${layout}:starling`;
  const umoci = (...args: readonly string[]): Promise<unknown> => exec('umoci', args);
  await umoci('init', '--layout', layout);
  await umoci('new', '--image', name);
  for (const [at, from] of layers) await umoci('insert', '--image', name, from, at);
  const [entry = '', ...words] = image.command;
  const env = Object.entries(image.env).map(([key, value]) => `--config.env=${key}=${value}`);
  const command = words.map((word) => `--config.cmd=${word}`);
  const about = [
    `--config.user=${image.user}`,
    `--config.workingdir=${image.folder}`,
    `--config.volume=${image.volume}`,
    `--config.stopsignal=${image.stopSignal}`,
    `--config.entrypoint=${entry}`,
  ];
  await umoci('config', '--image', name, ...about, ...command, ...env);
  await umoci('unpack', '--image', name, bundle);
  return bundle;
}

/** As much of the configuration of a container (OCI runtime specification) as is changed here. */
interface Spec {
  readonly process: {
    terminal: boolean;
    args: readonly string[];
    user: { uid: number; gid: number };
    env: string[];
  };
  readonly root: { readonly: boolean };
  mounts: Mount[];
  readonly linux: { namespaces: { readonly type: string }[] };
}

interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

const bound = (destination: string, source: string, how: 'ro' | 'rw' = 'ro'): Mount => ({
  destination,
  source,
  type: 'bind',
  options: ['rbind', how],
});

/** Makes what was unpacked a container with a read-only root, the network of this machine, and these mounts. */
async function adapt(
  bundle: string,
  {
    args,
    env = {},
    mounts,
    user,
  }: {
    readonly args?: readonly string[];
    readonly user?: number;
    readonly env?: Readonly<Record<string, string>>;
    readonly mounts: readonly Mount[];
  },
): Promise<void> {
  const file = join(bundle, 'config.json');
  const spec = JSON.parse(await readFile(file, 'utf8')) as Spec;
  spec.process.terminal = false;
  if (args !== undefined) spec.process.args = args;
  if (user !== undefined) spec.process.user = { uid: user, gid: user };
  const kept = spec.process.env.filter((one) => !Object.hasOwn(env, one.split('=', 1)[0] ?? ''));
  spec.process.env = [...kept, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)];
  spec.root.readonly = true;
  const usual = ['/proc', '/dev', '/dev/pts', '/dev/shm'];
  const tmp = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] };
  spec.mounts = spec.mounts.filter(({ destination }) => usual.includes(destination));
  spec.mounts.push(tmp, ...mounts);
  const own = ['mount', 'pid', 'ipc', 'uts'];
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => own.includes(type));
  await writeFile(file, JSON.stringify(spec));
}

/** The folder of the volume, which is the user's of the image. */
async function volumeIn(folder: string): Promise<string> {
  const data = join(folder, 'data');
  await mkdir(data);
  if (process.getuid?.() === 0) await exec('chown', [`${USER_ID}:${USER_ID}`, data]);
  return data;
}

/** Bubblewrap has no image: the folders are mounted as they would be in it. */
const startSandbox: Runner['start'] = async (image, { layers, base, env }, folder) => {
  const [[, root] = ['/', '/'], ...above] = layers;
  const data = await volumeIn(folder);
  const seen = [...above, ...Object.entries(base)];
  const variables = Object.entries({ ...image.env, ...env });
  const words = [
    `--unshare-user --uid ${USER_ID} --gid ${USER_ID} --die-with-parent --clearenv`,
    `--bind ${root} /`,
    ...seen.map(([at, from]) => `--ro-bind ${from} ${at}`),
    `--proc /proc --dev /dev --tmpfs /tmp --bind ${data} ${image.volume}`,
    `--remount-ro / --chdir ${image.folder}`,
  ];
  const set = variables.flatMap(([name, value]) => ['--setenv', name, value]);
  const args = [...words.flatMap((line) => line.split(' ')), ...set, '--'];
  const run: Container['run'] = (...command) => ended('bwrap', [...args, ...command]);
  const child = begun('bwrap', [...args, ...image.command]);
  return running(child, {
    run,
    kill: async () => child.kill('SIGKILL'),
    async end() {
      const { pid } = JSON.parse((await run('starling', 'status', '--json')).said) as {
        readonly pid: number;
      };
      process.kill(pid, image.stopSignal);
    },
  });
};

function begun(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function running(
  child: ChildProcess,
  {
    end,
    kill,
    run,
  }: {
    readonly run: Container['run'];
    readonly end: () => Promise<unknown>;
    readonly kill: () => Promise<unknown>;
  },
): Container {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-TOLD_MAX);
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  return {
    run,
    said: () => said,
    async stop() {
      await end();
      const [code] = await exited;
      return code;
    },
    async remove() {
      await kill();
      await exited;
    },
  };
}

function ended(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, said: stdout + stderr });
    });
  });
}
