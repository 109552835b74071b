/** SIGUSR1, by which Node.js opens its debugger to everybody on the machine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readlink, readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLI, status, useWorld } from '../support.ts';
import { someOf } from '../../long/extent.ts';

const world = useWorld();
const LISTENING = '0A';

/** Ports on which the process listens (Linux; `proc_net_tcp(5)`). */
async function portsOf(pid: number): Promise<readonly number[]> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) =>
      readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''),
    ),
  );
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== LISTENING || !links.includes(`socket:[${inode}]`)) return [];
    return [Number.parseInt(local.split(':')[1] ?? '', 16)];
  });
}

describe.skipIf(process.platform !== 'linux')('SIGUSR1', () => {
  it('opens no debugger in a node that runs', async () => {
    const node = await world.start('alice');
    const before = await portsOf(node.up.pid);
    process.kill(node.up.pid, 'SIGUSR1');
    // An answer comes after the signal was heard.
    expect((await status(node)).pid).toBe(node.up.pid);
    expect((await portsOf(node.up.pid)).toSorted()).toEqual(before.toSorted());
    expect(node.log()).not.toMatch(/debugger/i);
  });

  it.each(someOf([5, 15, 30, 60, 100], (ms) => ms === 30))(
    'sent %i ms after a start leaves a node without a debugger, or none',
    async (delayMs) => {
      const home = await world.root();
      const child = spawn(
        process.execPath,
        [
          CLI,
          'up',
          '--json',
          '--state',
          join(home, 'state'),
          '--listen',
          '/ip4/127.0.0.1/tcp/0',
          '--http-port',
          '0',
          '--no-mdns',
        ],
        { env: { PATH: process.env['PATH'], HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      world.defer(() => child.kill('SIGKILL'));
      let heard = '';
      child.stderr.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
      });
      const up = once(createInterface({ input: child.stdout }), 'line').then(() => 'up' as const);
      // Once its last words are read: the end of the process is told before.
      const over = once(child, 'close').then(() => 'over' as const);
      setTimeout(() => child.kill('SIGUSR1'), delayMs);
      if ((await Promise.race([up, over])) === 'over') {
        // Before Node has any handler the signal itself ends the process.
        expect(child.signalCode === 'SIGUSR1' || /opened the debugger/.test(heard)).toBe(true);
        return;
      }
      expect(heard).not.toMatch(/Debugger listening/);
      expect(await portsOf(child.pid ?? 0)).toHaveLength(2);
    },
  );
});
