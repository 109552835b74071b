/** What a program that an agent wrote can do on trial: tell its tools, and nothing else. A real sandbox, where the machine has one. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findLimitMeans } from '../../src/agents/index.ts';
import { silentLogger, systemClock } from '../../src/core/index.ts';
import type { Clock } from '../../src/core/index.ts';
import type { StdioServer } from '../../src/config/index.ts';
import { createSandbox, runBriefly, sandboxWarnings } from '../../src/gateway/index.ts';
import type { Sandbox } from '../../src/gateway/index.ts';
import type { RunBriefly } from '../../src/gateway/upstreams/sandbox/sandbox-means.ts';
import { tryServer } from '../../src/gateway/upstreams/server-trial.ts';
import { PROGRAM_INPUT, readProgram } from '../../src/proposals/program.ts';
import { createTrials } from '../../src/proposals/index.ts';
import type { ProposedProgram } from '../../src/proposals/types.ts';
import { sandboxMissing } from '../e2e/sandbox-missing.ts';
import { saidProgram } from './program.ts';
import type { SaidProgram } from './program.ts';

const missing = await sandboxMissing();
const never = new AbortController().signal;
/** What takes 20 s takes one. */
const QUICK: Clock = {
  now: () => systemClock.now(),
  schedule: (delayMs, task) => systemClock.schedule(delayMs / 20, task),
};

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-trials-'));
  await mkdir(join(root, 'state'));
  await writeFile(join(root, 'state/key'), 'the key');
});
afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));

function sandboxOf(run: RunBriefly): Sandbox {
  return createSandbox({
    secrets: {
      stateDir: join(root, 'state'),
      socketPath: join(root, 'state/node.sock'),
      obeyed: [],
      policy: join(root, 'policy.yaml'),
      files: async () => [],
    },
    run,
    env: process.env,
  });
}

function trials(
  clock: Clock = systemClock,
  none?: { why: string; hint: string },
): ReturnType<typeof createTrials> {
  const sandbox = sandboxOf(runBriefly);
  const around = { clock, random: Math.random, logger: silentLogger, sandbox };
  return createTrials({
    tryServer: (init) => tryServer(around, init),
    noSandbox: async () => none,
    limits: findLimitMeans,
    stateDir: join(root, 'state'),
    clock,
    logger: silentLogger,
  });
}

const program = (more: Partial<SaidProgram>): ProposedProgram =>
  readProgram(PROGRAM_INPUT.parse(saidProgram(more)), []);

/** A server whose one tool says what `script` gives, which may wait. */
const telling = (script: string, more: Partial<SaidProgram> = {}): ProposedProgram =>
  program({
    ...more,
    args: ['main.mjs'],
    files: [
      {
        path: 'main.mjs',
        text: `import { createInterface } from 'node:readline';
import * as fs from 'node:fs';
import * as net from 'node:net';
const tried = async (work) => {
  try { return String(await work()); } catch (error) { return error.code ?? error.message; }
};
const found = await (async () => { ${script} })();
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    answer(id, { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } });
  }
  if (method === 'tools/list') {
    answer(id, { tools: [{ name: 'told', description: JSON.stringify(found), inputSchema: { type: 'object' } }] });
  }
});
`,
      },
    ],
  });

async function toldBy(one: ProposedProgram): Promise<unknown> {
  const { error, tools, wrote } = await trials()(one, never);
  expect([error, wrote]).toEqual([undefined, []]);
  return JSON.parse(tools[0]?.description ?? '') as unknown;
}

describe.skipIf(missing !== undefined)('a program on trial', () => {
  it('starts with its files, tells its tools, and nothing of it is left', async () => {
    await expect(trials()(program({}), never)).resolves.toMatchObject({
      passed: true,
      tools: [{ name: 'resize', description: 'Makes pictures small.' }],
    });
    const hash = createHash('sha256').update(join(root, 'state')).digest('hex').slice(0, 16);
    const left = readdirSync(tmpdir()).filter((name) => name.includes(hash));
    expect(left).toEqual([]);
  });

  it('finds no network, no key, no variable and no file of anybody, and writes nothing', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    let met = 0;
    server.on('connection', () => (met += 1));
    process.env['ANTHROPIC_API_KEY'] = 'a secret';
    try {
      const found = await toldBy(
        telling(
          `const reach = () => new Promise((done, failed) => net.connect(${port}, '127.0.0.1', () => done('reached')).on('error', failed));
         return [
           await tried(reach),
           await tried(() => fs.readFileSync('${join(root, 'state/key')}')),
           await tried(() => fs.readdirSync('${root}')),
           await tried(() => fs.writeFileSync('evil', 'x')),
           Object.keys(process.env).filter((name) => name.includes('API_KEY')).length,
         ];`,
          // What it asks for counts once a person has agreed, and not on trial.
          { limits: { network: true } },
        ),
      );
      expect(found).toEqual([
        expect.stringMatching(/^E(CONNREFUSED|NETUNREACH)$/),
        'ENOENT',
        'ENOENT',
        'EROFS',
        0,
      ]);
      expect(met).toBe(0);
    } finally {
      delete process.env['ANTHROPIC_API_KEY'];
      server.close();
    }
  });

  it('that may keep something writes in its own folder, which is gone afterwards', async () => {
    const found = await toldBy(
      telling(
        `return [await tried(() => fs.writeFileSync('data/kept', 'x')), await tried(() => fs.writeFileSync('main.mjs', 'x'))];`,
        { limits: { keeps: true } },
      ),
    );
    expect(found).toEqual(['undefined', 'EROFS']);
  });

  it.each([
    ['ends at once', "console.error('no such module'); process.exit(3)", 'no such module'],
    ['writes what is no MCP', "console.log('hello'); setInterval(() => 0, 1000)", undefined],
  ])('that %s has failed, and what it wrote is shown', async (_, text, wrote) => {
    const one = program({ args: ['main.mjs'], files: [{ path: 'main.mjs', text }] });
    await expect(trials(QUICK)(one, never)).resolves.toMatchObject({
      passed: false,
      error: expect.any(String) as string,
      ...(wrote === undefined ? {} : { wrote: expect.arrayContaining([wrote]) as string[] }),
    });
  });

  it('that is a kind of agents without a tool `message` has failed', async () => {
    await expect(trials()(program({ what: 'kind' }), never)).resolves.toMatchObject({
      passed: false,
      error: expect.stringContaining("no tool 'message'") as string,
    });
  });
});

it('a server whose entry wants a sandbox starts in none, and the health of the node does not call it open', async () => {
  const server: StdioServer = {
    type: 'stdio',
    command: 'node',
    args: [],
    env: {},
    timeoutMs: 1000,
    shared: false,
    peerRoots: false,
    idleMs: 0,
    sandbox: { required: true, network: false, reach: [] },
  };
  const sandbox = sandboxOf(async () => ({ code: 1, stderr: 'no namespaces' }));
  await expect(sandbox.launch('resize', server, process.env)).rejects.toMatchObject({
    code: 'STARLING_UPSTREAM_UNAVAILABLE',
    message: expect.stringContaining('mcpServers.resize.sandbox.required') as string,
  });
  const none = { kind: 'none', why: 'w', hint: 'h' } as const;
  expect(sandboxWarnings(none, new Map([['resize', server]]))).toEqual([]);
  const { sandbox: _, ...open } = server;
  await expect(sandbox.launch('open', open, process.env)).resolves.toMatchObject({ kind: 'none' });
});

it('nothing runs where there is no sandbox', async () => {
  const why = { why: 'bwrap is not installed', hint: 'apt install bubblewrap' };
  await expect(trials(systemClock, why)(program({}), never)).rejects.toMatchObject({
    code: 'STARLING_PROPOSAL_REFUSED',
    data: { reason: 'sandbox' },
    hint: 'apt install bubblewrap',
  });
  await expect(
    tryServer(
      { clock: systemClock, random: Math.random, logger: silentLogger },
      {
        name: 'x',
        server: { type: 'stdio', command: 'node', args: [], env: {}, timeoutMs: 1000 },
        within: [],
        toolsMax: 1,
        wrote: () => undefined,
        signal: never,
      },
    ),
  ).rejects.toMatchObject({ code: 'STARLING_UPSTREAM_UNAVAILABLE' });
});
