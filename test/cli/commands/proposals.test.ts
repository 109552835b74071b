/** `starling proposals approve`: what was agreed to is written, once, and nothing else; the node is a double with the answers of the room. */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { agentsSchema } from '../../../src/config/schema/agents-schema.ts';
import { agent, bench } from '../../proposals/bench.ts';
import { saidProgram } from '../../proposals/program.ts';
import { serving, startFakeNode } from '../fake-node.ts';
import { run } from '../support.ts';
import type { Ran } from '../support.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const WRITTEN = '{\n  // mine\n  "name": "desk"\n}\n';

interface Place {
  readonly configFile: string;
  readonly services: string;
  readonly digest: string;
  approve(this: void, ...more: readonly string[]): Promise<Ran>;
}

/** A node with a kind that an agent proposes, tried and agreed to; `change` puts other words into its last answer. */
async function place(change: (answer: JsonObject) => JsonObject = (same) => same): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'starling-approve-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  const [configFile, services] = [join(root, 'starling.json'), join(root, 'services')];
  await writeFile(configFile, WRITTEN);
  const { call } = bench(new Map(), { configFile, services });
  const said = saidProgram({ what: 'kind', tools: ['tool:files/read'], limits: { keeps: true } });
  const made = await call<JsonObject>('infrastructure_propose', said, agent('coder'));
  const [id, digest] = [String(made['proposal']), String(made['digest'])];
  await call('proposal_try', { id });
  const proposal_show = await call<JsonObject>('proposal_show', { id });
  const proposal_answer = await call<JsonObject>('proposal_answer', { id, approve: true, digest });
  const node = await startFakeNode({
    answer: serving({ proposal_show, proposal_answer: change(proposal_answer) }),
  });
  cleanups.push(() => node.stop());
  const at = ['--digest', digest, '--config', configFile, '--state', node.stateDir];
  return {
    configFile,
    services,
    digest,
    approve: (...more) => run('proposals', 'approve', id, ...at, ...more),
  };
}

it('writes the files and the entry of a kind, keeps what was there, and once more changes nothing', async () => {
  const { approve, configFile, digest, services } = await place();
  const first = await approve();
  expect(first, first.stderr).toMatchObject({ code: 0 });
  const text = await readFile(configFile, 'utf8');
  expect(text).toContain('// mine\n  "name": "desk"');
  const { agents } = JSON.parse(text.replace('// mine', '')) as { agents: object };
  const folder = join(services, `resize-${digest.slice(0, 16)}`);
  expect(agentsSchema.parse(agents).kinds['resize']).toMatchObject({
    command: 'node',
    cwd: folder,
    tools: ['tool:files/read'],
    sandbox: { required: true, network: false, read: [folder], write: [join(folder, 'data')] },
  });
  expect((await readdir(folder)).toSorted()).toEqual(['data', 'src']);
  await expect(approve()).resolves.toMatchObject({ code: 0 });
  await expect(readFile(configFile, 'utf8')).resolves.toBe(text);
});

it('writes nothing where the node gives another program than the one that was shown', async () => {
  const { approve, configFile, services } = await place((answer) => ({
    ...answer,
    program: { ...(answer['program'] as JsonObject), args: ['-e', 'evil()'] },
  }));
  const { code, stderr } = await approve();
  expect(code).not.toBe(0);
  expect(stderr).toContain('the node gave another program');
  await expect(readFile(configFile, 'utf8')).resolves.toBe(WRITTEN);
  await expect(readdir(services)).rejects.toThrow('ENOENT');
});

it('writes nothing over what has its name, and into no other file than the one that the node reads', async () => {
  const { approve, configFile } = await place();
  const taken = '{"agents": {"kinds": {"resize": {"command": "mine"}}}}';
  await writeFile(configFile, taken);
  const { code, stderr } = await approve();
  expect(code).not.toBe(0);
  expect(stderr).toContain('changes nothing that is there');
  await expect(readFile(configFile, 'utf8')).resolves.toBe(taken);
  const other = join(configFile, '..', 'other.json');
  const elsewhere = await approve('--config', other);
  expect(elsewhere.code).not.toBe(0);
  expect(elsewhere.stderr).toContain('the node reads');
});

it('goes on where a run was killed behind the files, and stops at files that are others', async () => {
  const { approve, configFile, digest, services } = await place();
  const folder = join(services, `resize-${digest.slice(0, 16)}`);
  await mkdir(join(services, `.unfinished-resize-${digest.slice(0, 16)}-000000000000`), {
    recursive: true,
  });
  await approve();
  // As if the entry had never been written.
  await writeFile(configFile, WRITTEN);
  await expect(approve()).resolves.toMatchObject({ code: 0 });
  expect(await readdir(services)).toEqual([`resize-${digest.slice(0, 16)}`]);
  await writeFile(configFile, WRITTEN);
  await writeFile(join(folder, 'src', 'main.mjs'), 'evil()');
  const { code, stderr } = await approve();
  expect(code).not.toBe(0);
  expect(stderr).toContain('main.mjs is another one there');
  await expect(readFile(configFile, 'utf8')).resolves.toBe(WRITTEN);
});
