/**
 * What `config/container/Containerfile` says of the image, run without an engine: a root folder that can't be written, a user
 * who is not root, and the folder of the volume, by bubblewrap. The network is that of this machine.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';

/** The instructions of the file that a running image follows. */
export interface Image {
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly folder: string;
  readonly volume: string;
  readonly health: readonly string[];
  /** ENTRYPOINT and CMD. */
  readonly command: readonly string[];
  readonly stopSignal: string;
}

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly said: string;
}

/** Reads the file, whose lists are JSON, as the reference of the format has it. */
export async function readImage(path: string): Promise<Image> {
  const text = (await readFile(path, 'utf8')).replaceAll(/\\\n/g, ' ');
  const all = [...text.matchAll(/^([A-Z]+) +(.+)$/gm)].map(([, word = '', rest = '']) => ({
    word,
    rest,
  }));
  const last = (word: string): string => all.findLast((one) => one.word === word)?.rest ?? '';
  const list = (rest: string): readonly string[] =>
    JSON.parse(rest.slice(rest.indexOf('['))) as readonly string[];
  const env = all.filter(({ word }) => word === 'ENV').map(({ rest }) => rest.split('=', 2));
  return {
    env: Object.fromEntries(env) as Record<string, string>,
    user: last('USER'),
    folder: last('WORKDIR'),
    volume: list(last('VOLUME'))[0] ?? '',
    health: list(last('HEALTHCHECK')),
    command: [...list(last('ENTRYPOINT')), ...list(last('CMD'))],
    stopSignal: last('STOPSIGNAL'),
  };
}

/** Runs commands in the image: `prefix` is where npm has installed the package, `home` a folder for the volume. */
export async function imageRunner(
  image: Image,
  place: {
    readonly prefix: string;
    readonly home: string;
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<{
  readonly start: (command: readonly string[]) => ChildProcess;
  readonly run: (command: readonly string[]) => Promise<Ended>;
}> {
  const { prefix, home } = place;
  const data = join(home, 'data');
  await mkdir(data, { recursive: true });
  const passwd = join(home, 'passwd');
  await writeFile(passwd, `${image.user}:x:1000:1000::/home/${image.user}:/bin/sh\n`);
  const path = ['/opt/bin', '/node', '/usr/bin', '/bin'].join(delimiter);
  const env = { ...image.env, ...place.env, PATH: path };
  const words = [
    '--unshare-user --uid 1000 --gid 1000 --die-with-parent --clearenv',
    '--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64',
    `--ro-bind ${passwd} /etc/passwd --ro-bind ${prefix} /opt`,
    `--ro-bind ${dirname(process.execPath)} /node`,
    `--proc /proc --dev /dev --tmpfs /tmp --bind ${data} ${image.volume}`,
    `--remount-ro / --chdir ${image.folder}`,
  ];
  const variables = Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]);
  const args = [...words.flatMap((line) => line.split(' ')), ...variables, '--'];
  return {
    start: (command) => spawn('bwrap', [...args, ...command], { stdio: 'ignore' }),
    run: (command) =>
      new Promise((resolve) => {
        execFile('bwrap', [...args, ...command], (error, stdout, stderr) => {
          const code = error === null ? 0 : Number(error.code ?? 1);
          resolve({ code, said: stdout + stderr });
        });
      }),
  };
}
