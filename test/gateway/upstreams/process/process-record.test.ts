/** Processes that a killed node has left. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../../../src/core/index.ts';
import { createChildren } from '../../../../src/gateway/index.ts';
import type { Children } from '../../../../src/gateway/index.ts';

let folder = '';
const started: ChildProcess[] = [];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'starling-children-')), 'children');
});

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await rm(join(folder, '..'), { recursive: true, force: true, maxRetries: 5 });
});

const record = (): Children =>
  createChildren({ clock: systemClock, logger: silentLogger }, { folder });

/** A process that leads a group and says that it runs; `deaf` to SIGTERM. */
async function start(deaf = false): Promise<ChildProcess & { readonly pid: number }> {
  const script = `${deaf ? "process.on('SIGTERM', () => {});" : ''} setInterval(() => {}, 1000); console.log('runs')`;
  const child = spawn(process.execPath, ['-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  started.push(child);
  await once(child.stdout, 'data');
  return child as ChildProcess & { readonly pid: number };
}

const ended = async (child: ChildProcess): Promise<unknown> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.signalCode;
};

describe.skipIf(process.platform === 'win32')('a process on record', () => {
  it('is ended by the next start, also when it is deaf to being asked', async () => {
    const [polite, deaf] = [await start(), await start(true)];
    const before = record();
    before.note(polite.pid);
    before.note(deaf.pid);
    await record().endLeftovers();
    expect(await Promise.all([ended(polite), ended(deaf)])).toEqual(['SIGTERM', 'SIGKILL']);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is ended with what it started in sessions of their own, also when it is gone itself', async () => {
    const mark = randomUUID();
    const script = 'setInterval(() => {}, 1000); console.log("runs")';
    const grandchild = spawn(process.execPath, ['-e', script], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { _STARLING_SERVER: mark },
    });
    started.push(grandchild);
    await once(grandchild.stdout, 'data');
    const server = await start();
    record().note(server.pid, mark);
    server.kill('SIGKILL');
    await ended(server);
    await record().endLeftovers();
    expect(await ended(grandchild)).toBe('SIGTERM');
    expect(await readdir(folder)).toEqual([]);
  });

  it('is struck off when it has ended, so that its number may be used again', async () => {
    const child = await start();
    record().note(child.pid)();
    expect(await readdir(folder)).toEqual([]);
    await record().endLeftovers();
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });

  it('is left alone when another process has its number now', async () => {
    const child = await start();
    record().note(child.pid);
    const note = join(folder, String(child.pid));
    await writeFile(
      note,
      (await readFile(note, 'utf8')).replace(/\d/, (digit) => (digit === '9' ? '8' : '9')),
    );
    // What nobody noted in this form is no reason to end anything either.
    await writeFile(join(folder, '1'), '');
    await writeFile(join(folder, '-1'), 'odd');
    await record().endLeftovers();
    expect(child.exitCode ?? child.signalCode).toBeNull();
    expect(await readdir(folder)).toEqual(['-1']);
  });
});
