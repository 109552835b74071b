/** Nodes that have their folders in the shared memory, below `/dev`, where a sandbox has devices of its own. */
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import type { SandboxRules, StdioServer } from '../../../../src/config/index.ts';
import { createSandbox, runBriefly } from '../../../../src/gateway/index.ts';
import { startProcess } from '../../../../src/gateway/upstreams/process/start-process.ts';
import { isOutdated } from '../../../../src/gateway/upstreams/sandbox/failed-inside.ts';
import { sandboxMissing } from '../../../e2e/sandbox-missing.ts';

const missing = await sandboxMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(
    folders.splice(0).map((one) => rm(one, { recursive: true, force: true, maxRetries: 5 })),
  );
});

async function folderIn(parent: string): Promise<string> {
  const folder = await realpath(await mkdtemp(join(parent, 'starling-memory-')));
  folders.push(folder);
  return folder;
}

/** What a program gets for each expression beside a node in `memory`: a value, or the code of an error. */
async function answers(
  memory: string,
  expressions: readonly string[],
  rules?: SandboxRules,
): Promise<readonly unknown[]> {
  const own = await folderIn(tmpdir());
  const env = { ...process.env, HOME: own, XDG_CONFIG_HOME: '', XDG_STATE_HOME: memory };
  const each = expressions.map(
    (one) => `(() => { try { return ${one} } catch (e) { return e.code } })()`,
  );
  const server: StdioServer = {
    type: 'stdio',
    command: process.execPath,
    args: ['-e', `const fs = require('fs'); console.log(JSON.stringify([${each.join()}]))`],
    env: {},
    timeoutMs: 60_000,
    shared: false,
    peerRoots: false,
    idleMs: 0,
    cwd: own,
    ...(rules === undefined ? {} : { sandbox: rules }),
  };
  const secrets = {
    stateDir: join(own, 'state'),
    socketPath: join(own, 'state/node.sock'),
    // As a person has it whose node shall have no config file.
    obeyed: ['/dev/null'],
    policy: join(own, 'policy.yaml'),
    files: async () => [],
  };
  const sandbox = createSandbox({ secrets, run: runBriefly, env });
  for (let plans = 1; ; plans += 1) {
    const launch = await sandbox.launch('tool', server, env);
    const child = startProcess({ ...launch, cwd: own, env });
    const ended = once(child, 'close');
    const [said, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    await ended;
    launch.ended?.();
    // The folder of another test's node may go while the walls are set up.
    if (isOutdated(launch, errors.trim().split('\n')) && plans < 20) continue;
    expect(errors).toBe('');
    return JSON.parse(said) as readonly unknown[];
  }
}

/** A node's folder in the shared memory, beside a file of somebody else. */
async function nodeInMemory(): Promise<string> {
  const memory = await folderIn('/dev/shm');
  await mkdir(join(memory, 'starling'));
  await writeFile(join(memory, 'starling/key'), 'secret');
  await writeFile(join(memory, 'file'), 'of somebody else');
  return memory;
}

describe.skipIf(missing !== undefined)('beside a node in the shared memory', () => {
  it('a server has its devices, and none of the machine, and neither reads nor moves what is of that node', async () => {
    const memory = await nodeInMemory();
    const got = await answers(memory, [
      `fs.appendFileSync('/dev/null', 'a line')`,
      `fs.openSync('/dev/urandom') > 0`,
      `fs.existsSync('/dev/mem') || fs.existsSync('/dev/vda')`,
      `fs.readFileSync('${memory}/file', 'utf8')`,
      `fs.readdirSync('${memory}/starling').length`,
      `fs.renameSync('${memory}', '${memory}-moved')`,
    ]);
    expect(got).toEqual([null, true, false, 'of somebody else', 0, 'EBUSY']);
  });

  it('a server that is given few paths does not read what is of that node either', async () => {
    const memory = await nodeInMemory();
    const few: SandboxRules = { network: false, reach: [], read: [], write: [] };
    const got = await answers(
      memory,
      [
        `fs.appendFileSync('/dev/null', 'a line')`,
        `fs.readdirSync('${memory}/starling').length`,
        `fs.renameSync('${memory}', '${memory}-moved')`,
      ],
      few,
    );
    expect(got).toEqual([null, 0, 'EBUSY']);
  });
});
