/** Approvals before attached clients: the person is asked there, and the model can't answer. */
import { expect, it } from 'vitest';
import { approvalTools } from '../../../src/builtin/approvals.ts';
import { createCallerRules, defaultPolicy } from '../../../src/guard/index.ts';
import { ECHO, FORMS, attach, meshOf, pending } from '../support/approvers.ts';
import { echoTool, startNode, until, useCleanup } from '../support/gateways.ts';

useCleanup();

const yes = { action: 'accept', content: { decision: 'approve', reason: 'fine' } };

it('a form reaches the person before an attached client, and its answer counts as that person’s', async () => {
  const { alice, caller } = await meshOf();
  const cursor = await attach(alice, FORMS, 'client:cursor');
  const call = caller.call(1, ECHO, { message: 'hi' });
  await until(() => cursor.forms().length === 1);
  cursor.answer(cursor.forms()[0], yes);
  expect(await call).toMatchObject({ result: { content: [{ text: 'hi' }] } });
  expect(alice.approvals.list()).toMatchObject([
    { state: 'approved', answeredBy: 'the operator in the client cursor' },
  ]);
});

it('what a client wants itself is asked in another client, in no session of its own', async () => {
  const { alice } = await meshOf(
    'callers: { "client:cursor": { approval_required: ["files/*"] } }',
  );
  const model = await attach(alice, FORMS, 'client:cursor');
  const sameClient = await attach(alice, FORMS, 'client:cursor');
  const other = await attach(alice, FORMS, 'client:vscode');
  const call = model.call(1, 'files__echo', { message: 'mine' });
  await until(() => other.forms().length === 1);
  expect([...model.forms(), ...sameClient.forms()]).toEqual([]);
  other.answer(other.forms()[0], yes);
  expect(await call).toMatchObject({ result: { content: [{ text: 'mine' }] } });
});

it('a built-in tool that starts something waits for a person each time that a client calls it', async () => {
  const start = echoTool({
    definition: { name: 'task_start', inputSchema: { type: 'object' } },
    clients: 'ask',
    peers: 'no',
  });
  const alice = await startNode('alice', { builtin: [start] });
  const cursor = await attach(alice, FORMS, 'client:cursor');
  const person = await attach(alice, FORMS, 'client:vscode');
  const listed = await cursor.call(7, 'starling__task_start_not');
  expect(listed['error']).toBeDefined();
  const call = cursor.call(1, 'starling__task_start', { what: 'it' });
  await until(() => person.forms().length === 1);
  expect(JSON.stringify(person.forms()[0])).toContain('rule: clients');
  person.answer(person.forms()[0], yes);
  expect(await call).toMatchObject({ result: { structuredContent: { echo: { what: 'it' } } } });
  expect(pending(alice)).toBe(0);
  const operator = await attach(alice);
  expect(await operator.call(2, 'starling__task_start')).toHaveProperty('result');
});

it('nobody is asked before a key that was made by hand, nor before who has no token', async () => {
  const { alice } = await meshOf();
  const tool = approvalTools({
    approvals: alice.approvals,
    callerRules: createCallerRules({
      policy: { current: defaultPolicy },
      mesh: { isOpen: () => false, isMember: () => true, formerly: () => [] },
    }),
    clock: { now: () => 0, schedule: () => () => undefined },
  }).find(({ definition }) => definition.name === 'approval_ask');
  const signal = new AbortController().signal;
  for (const principal of [
    { kind: 'client', name: 'bot', scopes: ['*'] } as const,
    alice.clients.tcp,
  ]) {
    await expect(tool?.call({}, { principal, signal })).rejects.toThrow('nobody who may approve');
  }
});
