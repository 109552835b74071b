/** `starling context …` at a double of the node: what is asked before something is destroyed, and what is said of who reads it. */
import { expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const ID = 'ctx_0123456789abcdef';
const context = (more: JsonObject): JsonObject => ({
  id: ID,
  agent: 'clerk',
  from: 'scout@bob',
  session: 'birds\u001B[31m',
  createdAt: 1,
  usedAt: 1,
  lines: 6,
  shares: [],
  ...more,
});

const nodeWith = (one: JsonObject): Promise<FakeNode> =>
  fakeNode({
    answer: serving({
      context_list: { contexts: [one] },
      context_delete: { holders: [] },
      context_share: one,
    }),
  });

const called = ({ heard }: FakeNode): readonly unknown[] =>
  heard.flatMap(({ params }) => (params?.['name'] === undefined ? [] : [params['name']]));

it('delete destroys nothing unless a person agrees, and says what it would be', async () => {
  const node = await nodeWith(context({}));
  for (const more of [[], ['--json']]) {
    const ran = await run('context', 'delete', ID, ...more, '--state', node.stateDir);
    expect(ran.code).not.toBe(0);
    const said = `${ran.stdout}${ran.stderr}`;
    expect(said).toContain('--yes');
    expect(said).toContain('6 lines of scout@bob with clerk');
    expect(said).not.toContain('\u001B[31m');
  }
  expect(called(node)).not.toContain('starling__context_delete');
  const ran = await run('context', 'delete', ID, '--yes', '--state', node.stateDir);
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('is deleted') });
  expect(called(node)).toContain('starling__context_delete');
});

it('delete asks about nothing that is not here: the node says what there is not', async () => {
  const node = await nodeWith(context({ by: 'did:key:z6Mkbob' }));
  await run('context', 'delete', ID, '--state', node.stateDir);
  expect(called(node)).toContain('starling__context_delete');
});

it('share and list call a client by its name, and say how it reads', async () => {
  const shares = [{ to: 'client:cursor', view: { last: 3 } }];
  const node = await nodeWith(context({ shares }));
  const at = ['--state', node.stateDir];
  const shared = await run('context', 'share', ID, 'client:cursor', '--view', 'last', ...at);
  expect(shared.stdout).toContain(`by its tool context_show, or as context://${ID}`);
  expect((await run('context', 'list', ...at)).stdout).toContain('last 3 to client:cursor');
});
