/** How a sandbox is written down for bwrap and for macOS, and what it has to cover. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bwrapArguments, devicesAmong } from '../../../../src/gateway/upstreams/sandbox/bwrap.ts';
import type { SandboxPlan } from '../../../../src/gateway/upstreams/sandbox/bwrap.ts';
import { findMeans } from '../../../../src/gateway/upstreams/sandbox/sandbox-means.ts';
import type { RunBriefly } from '../../../../src/gateway/upstreams/sandbox/sandbox-means.ts';
import {
  otherPaths,
  parseMounts,
} from '../../../../src/gateway/upstreams/sandbox/mount-aliases.ts';
import { sandboxProfile } from '../../../../src/gateway/upstreams/sandbox/sandbox-exec.ts';
import { sandboxWarnings } from '../../../../src/gateway/upstreams/sandbox/sandbox-health.ts';
import type { StdioServer } from '../../../../src/config/index.ts';

const PLAN: SandboxPlan = {
  isRoot: false,
  network: true,
  home: '/home/me',
  hiddenFolders: ['/home/me/.local/state/starling'],
  hiddenFiles: ['/home/me/.cursor/mcp.json'],
  readOnly: ['/home/me/.config/starling'],
  canChange: (folder) => folder.startsWith('/home/me'),
};

const text = (plan: Partial<SandboxPlan> = {}): string =>
  bwrapArguments({ ...PLAN, ...plan }, []).join(' ');

describe('a sandbox for bwrap', () => {
  it('hides last what is hidden, so that nothing shows it again', () => {
    const args = text({ only: { read: ['/home/me/.local'], write: ['/home/me/.local/state'] } });
    const hide = args.indexOf('--tmpfs /home/me/.local/state/starling --remount-ro');
    expect(hide).toBeGreaterThan(args.indexOf('--ro-bind /home/me/.local /home/me/.local'));
    expect(hide).toBeGreaterThan(
      args.indexOf('--bind /home/me/.local/state /home/me/.local/state'),
    );
  });

  it('covers only what is there: each is mounted on itself right before', () => {
    const [folder, file] = ['/home/me/.local/state/starling', '/home/me/.cursor/mcp.json'];
    expect(text()).toContain(`--ro-bind ${folder} ${folder} --tmpfs ${folder}`);
    expect(text()).toContain(`--ro-bind ${file} ${file} --ro-bind /dev/null ${file}`);
  });

  it('pins the folders above, where the user could rename them', () => {
    expect(text()).toContain('--bind-try /home/me/.local/state /home/me/.local/state');
    expect(text()).toContain('--bind-try /home/me/.config /home/me/.config');
    expect(text()).not.toContain('--bind-try /home /home');
  });

  it('does not show what is protected where it was not shown', () => {
    const args = text({ only: { read: [], write: ['/srv'] } });
    expect(args).not.toContain('/home/me/.config');
    expect(args).not.toContain('/home/me/.cursor');
  });

  it('leaves root its rights over files, and none over the machine', () => {
    const args = text({ isRoot: true });
    expect(args).toContain('--cap-drop ALL --cap-add CAP_CHOWN');
    expect(args).not.toMatch(/SYS_ADMIN|SYS_PTRACE|DAC_READ_SEARCH|NET_RAW|MKNOD|SYS_MODULE/);
    for (const each of [args, text()]) expect(each).toContain('--ro-bind-try /sys /sys');
    expect(text()).not.toContain('--cap-add');
  });

  it('lets no disk and no memory through', () => {
    const found = devicesAmong([
      'sda',
      'mem',
      'nvme0',
      'nvidia0',
      'video1',
      'ttyUSB0',
      'kmsg',
      'sg0',
    ]);
    expect(found.filter((path) => /sda|mem|nvme|kmsg|sg0/.test(path))).toEqual([]);
    expect(found).toEqual(expect.arrayContaining(['/dev/nvidia0', '/dev/video1', '/dev/ttyUSB0']));
  });
});

describe('a sandbox for macOS', () => {
  it('is a profile that denies what is hidden, and quotes every path', () => {
    const profile = sandboxProfile({ ...PLAN, hiddenFolders: ['/a "b" \\c'], network: false });
    expect(profile.split('\n')).toEqual([
      '(version 1)',
      '(allow default)',
      '(deny file-write* (subpath "/home/me/.config/starling"))',
      '(deny file-read* file-write* (subpath "/a \\"b\\" \\\\c") (literal "/home/me/.cursor/mcp.json"))',
      '(deny network-outbound (subpath "/a \\"b\\" \\\\c") (literal "/home/me/.cursor/mcp.json"))',
      '(deny mach-priv-task-port)',
      '(deny process-info* (target others))',
      '(deny signal (target others))',
      '(deny network*)',
      '',
    ]);
  });

  it('with `write` allows that, and little besides', () => {
    const profile = sandboxProfile({ ...PLAN, only: { read: [], write: ['/Users/me/notes'] } });
    expect(profile).toContain('(deny file-write*)\n(allow file-write* (subpath "/dev")');
    expect(profile).toMatch(/allow file-write\*.*subpath "\/Users\/me\/notes"/);
    expect(profile).toMatch(/deny file-read-data \(subpath "\/home\/me"\)/);
  });
});

describe('the means of a system', () => {
  it('are not what somebody has put into a folder of PATH under their name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-path-'));
    await writeFile(join(folder, 'bwrap'), '', { mode: 0o755 });
    const tried: string[] = [];
    const run: RunBriefly = async (program) => {
      tried.push(program);
      return { code: 0, stderr: '' };
    };
    await findMeans(run, { PATH: folder });
    await rm(folder, { recursive: true });
    const isThere = existsSync('/usr/bin/bwrap');
    expect(tried).toEqual(isThere ? ['/usr/bin/bwrap'] : [join(folder, 'bwrap')]);
  });
});

describe('a folder that is seen at several places', () => {
  const mounts = parseMounts(
    [
      '22 1 8:1 / / rw - ext4 /dev/sda1 rw',
      '23 22 8:2 / /home rw - ext4 /dev/sda2 rw',
      '24 22 8:2 /me /mnt/my\\040copy rw - ext4 /dev/sda2 rw',
      '25 22 8:2 /me/state/db /srv/db rw - ext4 /dev/sda2 rw',
      '26 22 8:2 /you /srv/you rw - ext4 /dev/sda2 rw',
    ].join('\n'),
  );

  it('is known by all of them, and by those of its parts', () => {
    expect(otherPaths('/home/me/state', mounts)).toEqual(['/mnt/my copy/state', '/srv/db']);
    expect(otherPaths('/etc/starling', mounts)).toEqual([]);
  });
});

describe('what is said of servers without a sandbox', () => {
  const server = (sandbox?: false): StdioServer => ({
    type: 'stdio',
    command: 'x',
    args: [],
    env: {},
    timeoutMs: 1,
    shared: false,
    peerRoots: false,
    idleMs: 0,
    ...(sandbox === undefined ? {} : { sandbox }),
  });

  it('names those that were told to go without, as long as they are', () => {
    const servers = new Map([
      ['a', server(false)],
      ['b', server()],
    ]);
    expect(sandboxWarnings({ kind: 'bwrap', program: '/usr/bin/bwrap' }, servers)).toMatchObject([
      {
        code: 'sandbox-off',
        text: expect.stringMatching(/^server 'a' can read the key/) as string,
      },
    ]);
  });

  it('says in a line what to install where the machine has no means', async () => {
    const refuse = async (): Promise<{ code: number; stderr: string }> => ({
      code: 1,
      stderr: 'bwrap: No permissions to create new namespace\n',
    });
    const means = await findMeans(refuse, { PATH: '/nowhere' });
    expect(means.kind).toBe('none');
    const [warning, ...rest] = sandboxWarnings(means, new Map([['b', server()]]));
    expect([warning?.code, rest]).toEqual(['sandbox-missing', []]);
    expect(`${warning?.text}${warning?.hint}`).toMatch(/bubblewrap|user namespaces|WSL|trust/);
    expect(sandboxWarnings(means, new Map())).toEqual([]);
  });
});
