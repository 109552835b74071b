/** What the image is made of, in the place of the published base: this machine, or a bare Debian of its own. */
import { appendFile, chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BARE_PATH, makeBareRoot } from '../e2e/stranger/bare-root.ts';
import { sitBefore } from '../e2e/stranger/machine.ts';
import type { Contents } from './container.ts';
import type { Image } from './image.ts';

/** A node that meets nobody and takes no port that somebody else may want. */
const ALONE = {
  STARLING_LISTEN: '/ip4/127.0.0.1/tcp/0',
  STARLING_HTTP_PORT: '0',
  STARLING_MDNS: 'false',
} as const;
/** What a root folder of Debian has for programs, all of which are below `/usr`. */
const LINKS = ['bin', 'lib', 'lib64', 'sbin'] as const;

/** The package as npm has installed it into `prefix`, over the programs of this machine. */
export async function overThisMachine(
  image: Image,
  prefix: string,
  folder: string,
): Promise<Contents> {
  const root = join(folder, 'root');
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/passwd'), userLine(image));
  await writeFile(join(root, 'etc/group'), `${image.user}:x:1000:\n`);
  for (const name of LINKS) await symlink(`usr/${name}`, join(root, name));
  return {
    layers: [
      ['/', root],
      ['/opt', prefix],
    ],
    base: { '/usr': '/usr', '/node': dirname(process.execPath) },
    env: { ...ALONE, PATH: '/opt/bin:/node:/usr/bin:/bin' },
  };
}

/** A bare Debian with Node.js, on which the line of the file has installed the package `tarball`. */
export async function overBareDebian(
  image: Image,
  tarball: string,
  containerfile: string,
  folder: string,
): Promise<Contents> {
  const root = join(folder, 'root');
  await makeBareRoot(root);
  await appendFile(join(root, 'etc/passwd'), userLine(image));
  await appendFile(join(root, 'etc/group'), `${image.user}:x:1000:\n`);
  await chmod(join(root, 'tmp'), 0o1777);
  await copyFile(tarball, join(root, 'tmp/starling.tgz'));
  await sitBefore(root, ['unshare', '--mount']).types(await installLine(containerfile));
  return { layers: [['/', root]], base: {}, env: { ...ALONE, PATH: BARE_PATH } };
}

/** What the file has the builder run to install the package. @throws Error where it has no such line */
export async function installLine(containerfile: string): Promise<string> {
  const text = (await readFile(containerfile, 'utf8')).replaceAll(/\\\n/g, ' ');
  const [, line] = /^RUN (npm install .*)$/m.exec(text) ?? [];
  if (line === undefined) throw new Error(`${containerfile} does not install the package`);
  return line;
}

function userLine({ user, volume }: Image): string {
  return `${user}:x:1000:1000::${volume}:/bin/sh\n`;
}
