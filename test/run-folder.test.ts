import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { foldersLeft, processesLeft } from './run-folder.ts';

async function folderOfRun(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-left-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

describe('a run of the tests', () => {
  it('sees the folders that a test left, and not those of programs and sandboxes', async () => {
    const folder = await folderOfRun();
    for (const name of ['home', 'tsx-0', 'starling-cli-1', `starling-${process.getuid?.()}`]) {
      await mkdir(join(folder, name), { mode: 0o700 });
    }
    await writeFile(join(folder, 'starling-cli-1', 'config.json'), '{}');
    // Its files are gone: another node may have had a hand in it meanwhile.
    await mkdir(join(folder, 'starling-cli-2'), { mode: 0o700 });
    await mkdir(join(folder, 'starling-cli-hidden'), { mode: 0o755 });
    await mkdir(join(folder, 'starling-sim-hidden', 'node-1'), { recursive: true, mode: 0o755 });
    await writeFile(join(folder, 'starling-sim-hidden', 'node-1', 'token'), '', { mode: 0o444 });
    await mkdir(join(folder, 'starling-sim-kept', 'node-1'), { recursive: true, mode: 0o755 });
    await writeFile(join(folder, 'starling-sim-kept', 'node-1', 'identity.json'), '{}');
    await writeFile(join(folder, 'a-file'), '');
    expect(foldersLeft(folder)).toEqual(['a-file', 'starling-cli-1', 'starling-sim-kept']);
  });

  it('sees a socket whose node has not ended', async () => {
    const folder = await folderOfRun();
    const sockets = `starling-${process.getuid?.() ?? 0}`;
    await mkdir(join(folder, sockets));
    await writeFile(join(folder, sockets, 'ab.sock'), '');
    expect(foldersLeft(folder)).toEqual([sockets]);
  });

  it('sees a process that was started in it, also by another, until it ends', async () => {
    const folder = await folderOfRun();
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn('sleep', ['600'], { env, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    expect(processesLeft(folder, 1)).toEqual([{ pid: child.pid, command: 'sleep 600' }]);
    // Its parent runs the tests.
    expect(processesLeft(folder, process.pid)).toEqual([]);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    expect(processesLeft(folder, 1)).toEqual([]);
  });
});
