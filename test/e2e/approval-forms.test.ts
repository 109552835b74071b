/** The operator's clients of both eras, asked to answer an approval by a call of their own. */
import { beforeAll, expect, it } from 'vitest';
import { StreamableHTTPClientTransport, Client } from '@modelcontextprotocol/client';
import { SERVERS, builtin, eventually, grantTo, sees, toolList, useWorld } from './support.ts';
import { attach } from '../../src/cli/node/client.ts';
import { tokenOf } from './callers.ts';
import type { NodeProcess } from '../../sim/process.ts';

const world = useWorld('file');
let owner: NodeProcess;
let guest: NodeProcess;

beforeAll(async () => {
  owner = await world.start('owner', {
    config: { mcpServers: { toolbox: SERVERS.everything() } },
  });
  guest = await world.start('guest', { args: ['--join', owner.up.ticket ?? ''] });
  await sees(owner, [guest]);
  await grantTo(owner, 'guest', { tools: ['toolbox/*'], approval: 'required' });
  await eventually(
    'the guest lists the tool',
    () => toolList(guest),
    (tools) => tools.some(({ name }) => name === 'owner__toolbox__echo'),
  );
});

interface Answer {
  readonly structuredContent?: { readonly approval: { readonly state: string } };
}

async function waitingCall(): Promise<{
  id: string;
  call: ReturnType<NodeProcess['run']>;
}> {
  const call = guest.run(['call', 'owner__toolbox__echo', '--arg', 'message=hello']);
  const { approvals } = await eventually(
    'it waits',
    () => builtin<{ approvals: readonly { id: string }[] }>(owner, 'approval_list'),
    (list) => list.approvals.length === 1,
  );
  return { id: approvals[0]?.id ?? '', call };
}

it.each([
  ['2026-07-28', { mode: { pin: '2026-07-28' } }],
  ['of sessions', { mode: 'legacy' }],
] as const)(
  'a client of the era %s shows the form in answer to its call',
  async (_, negotiation) => {
    const { id, call } = await waitingCall();
    const client = new Client(
      { name: 'person', version: '1.0.0' },
      { capabilities: { elicitation: { form: {} } }, versionNegotiation: negotiation },
    );
    const answered: string[] = [];
    client.setRequestHandler('elicitation/create', ({ params }) => {
      // The one that is shown by itself is put aside; the one that was asked for is answered.
      if (!params.message.includes('at this node')) return { action: 'cancel' };
      answered.push(params.message);
      return { action: 'accept', content: { decision: 'approve', reason: 'by form' } };
    });
    const headers = { authorization: `Bearer ${await tokenOf(owner)}` };
    await client.connect(
      new StreamableHTTPClientTransport(new URL(owner.up.endpoints.url ?? ''), {
        requestInit: { headers },
      }),
    );
    world.defer(() => client.close());
    const answer = await client.callTool({
      name: 'starling__approval_answer',
      arguments: { id: id.slice(0, 8) },
    });
    expect((answer as Answer).structuredContent?.approval.state).toBe('approved');
    expect(await call).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Echo: hello') as string,
    });
    expect(answered).toEqual([
      expect.stringMatching(/at this node\. Do you approve\?[^]*"message":"hello"/),
    ]);
    await client.close();
  },
);

it('a client of the stateless era that is not the operator shows the form by approval_ask', async () => {
  const { id, call } = await waitingCall();
  const operator = await attach(owner.stateDir);
  const { key } = await operator.builtin<{ key: string }>('client_connect', {
    name: 'cursor',
    program: 'cursor',
    by_key: true,
  });
  operator.close();
  const client = new Client(
    { name: 'person', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {} } },
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    },
  );
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept',
    content: { decision: 'approve', reason: 'by form' },
  }));
  await client.connect(
    new StreamableHTTPClientTransport(new URL(owner.up.endpoints.url ?? ''), {
      requestInit: { headers: { authorization: `Bearer ${key}` } },
    }),
  );
  world.defer(() => client.close());
  const byTool = client.callTool({
    name: 'starling__approval_answer',
    arguments: { id, approve: true },
  });
  await expect(byTool).rejects.toThrow('for no client of it');
  const asked = await client.callTool({ name: 'starling__approval_ask', arguments: {} });
  expect(asked).toMatchObject({ structuredContent: { asked: true, id, state: 'approved' } });
  expect(await call).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Echo: hello') as string,
  });
});
