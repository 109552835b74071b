/** The README's page: from "B can't call" to one folder for an hour, with approval for writes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { wordsOf } from '../examples/place.ts';
import {
  CLI,
  SERVERS,
  builtin,
  eventually,
  grantList,
  ok,
  revoke,
  sees,
  useWorld,
} from '../support.ts';

const world = useWorld();

interface Listed {
  readonly approvals: readonly { readonly id: string; readonly args: string }[];
}

const pending = (node: NodeProcess): Promise<Listed> =>
  eventually(
    'something waits',
    () => builtin<Listed>(node, 'approval_list'),
    ({ approvals }) => approvals.length === 1,
  );

/** A client of the node's operator, with a person before it who approves all. */
async function person(node: NodeProcess): Promise<string[]> {
  const read: string[] = [];
  const client = new Client(
    { name: 'person', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } } },
  );
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    read.push(params.message);
    return { action: 'accept' as const, content: { decision: 'approve', reason: 'I saw it' } };
  });
  const args = [CLI, 'mcp', '--state', node.stateDir];
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }),
  );
  world.defer(() => client.close());
  return read;
}

it('a newcomer comes from a refusal to one folder for an hour, and to writing when asked', async () => {
  const docs = join(await world.root(), 'docs');
  const team = join(docs, 'team');
  await mkdir(team, { recursive: true });
  await writeFile(join(team, 'plan.txt'), 'The plan: ship it.');
  await writeFile(join(docs, 'salaries.txt'), 'none of your business');
  const config = { mcpServers: { files: SERVERS.files(docs) } };
  const owner = await world.start('workstation', { config });
  const guest = await world.start('laptop', { args: ['--join', owner.up.ticket ?? ''] });
  await sees(owner, [guest]);
  const call = (tool: string, path: string, ...more: string[]): ReturnType<NodeProcess['run']> =>
    guest.run(['call', `workstation__files__${tool}`, '--arg', `path=${path}`, ...more]);

  const refused = await call('list_directory', team);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'workstation has granted it nothing yet [STARLING_CALL_REFUSED]',
  );
  expect(refused.stderr).toContain(
    "starling grant create laptop --tool 'files/list_directory'; or ask for it",
  );

  // The other line of the hint, pasted with a reason: the owner says yes, and the call is good until that is taken back.
  const [line = ''] = /starling request .*'<why>'/.exec(refused.stderr) ?? [];
  const [, ...request] = wordsOf(
    line.replace('<why>', 'to read the plan for the launch on Friday'),
  );
  const asking = guest.run(request);
  const [asked] = (await pending(owner)).approvals;
  await ok(owner, 'approvals', 'approve', asked?.id ?? '');
  const answered = await asking;
  expect(answered.code, answered.stderr).toBe(0);
  expect(answered.stdout).toContain('workstation grants files/list_directory');
  expect(await call('list_directory', team)).toMatchObject({ stdout: '[FILE] plan.txt\n' });
  const [given] = (await grantList(owner)).grants;
  await revoke(owner, given?.id ?? '');

  const folder = ['--arg', `path=${team}`, '--arg', `path=${team}/**`, '--expires', '1h'];
  const reading = ['--tool', 'files/list_directory', '--tool', 'files/read_text_file'];
  expect(await ok(owner, 'grant', 'create', 'laptop', ...reading, ...folder)).toMatch(
    /^laptop may now call files\/list_directory, files\/read_text_file where path=.*team\/\*\* for (60|59)m; end it with: starling grant revoke \S{8}\n$/,
  );
  await eventually(
    'the guest lists both tools',
    () => ok(guest, 'tools', 'workstation'),
    (text) => text.includes('read_text_file') && text.includes('list_directory'),
  );
  expect(await call('list_directory', team)).toMatchObject({ stdout: '[FILE] plan.txt\n' });
  expect((await call('read_text_file', join(team, 'plan.txt'))).stdout).toContain('ship it');
  for (const path of [join(docs, 'salaries.txt'), `${team}/../salaries.txt`, docs]) {
    const outside = await call('read_text_file', path);
    expect(outside.stderr).toContain(
      `the argument path is outside of what is granted (granted: path in ${team} | ${team}/**)`,
    );
    expect(outside.stderr).not.toMatch(/grant create|request_permission/);
  }

  const writing = ['--tool', 'files/write_file', '--needs-approval', '--expires', '1h'];
  expect(
    await ok(owner, 'grant', 'create', 'laptop', ...writing, '--arg', `path=${team}/**`),
  ).toContain(', each time you approve it (starling approvals); end it with');
  const todo = join(team, 'todo.txt');
  const first = call('write_file', todo, '--arg', 'content=ship');
  const [waiting] = (await pending(owner)).approvals;
  const id = (waiting?.id ?? '').slice(0, 8);
  expect(await ok(owner, 'approvals')).toMatch(/rule: grant \S{8}\n {2}arguments: \{"path":/);
  await ok(owner, 'approvals', 'approve', id, '--reason', 'agreed on the phone');
  expect((await first).stdout).toContain('Successfully wrote');
  expect(await readFile(todo, 'utf8')).toBe('ship');

  const second = call('write_file', todo, '--arg', 'content=sink');
  const [another] = (await pending(owner)).approvals;
  await ok(owner, 'approvals', 'deny', another?.id ?? '', '--reason', 'not today');
  expect((await second).stderr).toContain(
    'an approval is needed to call files/write_file, and it is denied: not today',
  );
  expect(await readFile(todo, 'utf8')).toBe('ship');

  const read = await person(owner);
  const third = await call('write_file', todo, '--arg', 'content=sail');
  expect(third.stdout).toContain('Successfully wrote');
  expect(read).toHaveLength(1);
  expect(read[0]).toContain('"content":"sail"');
  expect(await ok(owner, 'audit', 'query', '--what', 'files/write_file')).toContain('I saw it');
});
