/** What the system says reaches no person in its codes. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { StarlingError, messageOf } from '../../../src/core/index.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-words-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

it('a file that is not there, and a folder in place of a file', async () => {
  const path = await folder();
  const absent = await failureOf(readFile(join(path, 'none')));
  expect(messageOf(absent)).toBe('there is no such file or folder');
  expect(messageOf(await failureOf(readFile(path)))).toBe('it is a folder');
  await writeFile(join(path, 'file'), '');
  const below = await failureOf(readFile(join(path, 'file', 'x')));
  expect(messageOf(below)).toBe('a part of the path is no folder');
});

it('a port that is taken', async () => {
  const first = createServer();
  onTestFinished(() => void first.close());
  await new Promise<void>((resolve) => void first.listen(0, '127.0.0.1', resolve));
  const { port } = first.address() as { port: number };
  const error = await new Promise((resolve) => {
    createServer().once('error', resolve).listen(port, '127.0.0.1');
  });
  expect(messageOf(error)).toBe('another program uses the port');
});

it('a program that is not there, or is none', async () => {
  const path = await folder();
  const run = (file: string): Promise<unknown> =>
    new Promise((resolve) => void execFile(file, (error) => resolve(error)));
  expect(messageOf(await run(join(path, 'none')))).toBe('there is no such program');
  await writeFile(join(path, 'text'), 'x');
  await chmod(join(path, 'text'), 0o600);
  expect(messageOf(await run(join(path, 'text')))).toBe('it is no program that this user may run');
});

it.each([
  ["EACCES: permission denied, open '/etc/shadow'", 'this user may not'],
  ['ENOSPC: no space left on device, write', 'the disk is full'],
  ['listen EACCES: permission denied 0.0.0.0:80', 'this user may not use the port'],
  ['connect EACCES /run/x.sock', 'this user may not use the socket'],
  // A dial has words in the room of the network, which know the address.
  ['connect ECONNREFUSED 127.0.0.1:4040', 'connect ECONNREFUSED 127.0.0.1:4040'],
  ['EWHAT: something new, open', 'EWHAT: something new, open'],
  ['the sum is too large', 'the sum is too large'],
])('%s: %s', (theirs, ours) => {
  expect(messageOf(new Error(theirs))).toBe(ours);
});

it('an error of ours keeps its words', () => {
  const error = new StarlingError('STARLING_USAGE', 'EISDIR: no code here, open');
  expect(messageOf(error)).toBe('EISDIR: no code here, open');
});
