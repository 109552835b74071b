/** Conversations that clients of the node are shown: as far as each view goes, to nobody else, and not after its end. */
import { expect, it } from 'vitest';
import type { ContextView, Contexts } from '../../src/contexts/index.ts';
import type { Did } from '../../src/core/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { contextResources, contextTools } from '../../src/contexts/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { alone, talk } from './alone.ts';
import type { Alone } from './alone.ts';

const client = (name: string, worksFor?: readonly Principal[]): Principal => ({
  kind: 'client',
  name,
  scopes: [],
  ...(worksFor === undefined ? {} : { worksFor }),
});
const CURSOR = client('cursor');
const PEER = {
  kind: 'peer',
  did: 'did:key:bob',
  peerId: 'x',
  alias: 'bob',
} as unknown as Principal;

async function shared(view: ContextView): Promise<Alone & { readonly id: string }> {
  const node = alone();
  const id = await talk(node, 3);
  const read = await node.contexts.unsummarised(id);
  const summary = { text: 'in short', first: 1, last: 4, model: 'm', zone: 'local' } as const;
  await node.contexts.summarised(id, summary, read);
  await node.contexts.share(id, 'client:cursor', view);
  return { ...node, id };
}

const seen = async (contexts: Contexts, who: Principal, id: string): Promise<unknown> => {
  const shown = await contexts.showTo(who, id);
  return shown && [shown.view, shown.summary?.text, shown.said.map(({ n }) => n), shown.lines];
};

it.each([
  ['full', ['full', 'in short', [1, 2, 3, 4, 5, 6], 6]],
  [{ last: 2 }, [{ last: 2 }, undefined, [5, 6], 2]],
  ['summary', ['summary', 'in short', [], 0]],
] as const)(
  'with the view %j a client sees that much, and another client nothing',
  async (view, wanted) => {
    const { contexts, id } = await shared(view);
    expect(await seen(contexts, CURSOR, id)).toEqual(wanted);
    expect(await contexts.listFor(CURSOR)).toMatchObject([
      { id, view, shares: [], lines: wanted[3] },
    ]);
    for (const other of [client('claude'), client('agent:cursor'), client('client:cursor'), PEER]) {
      expect(await contexts.showTo(other, id)).toBeUndefined();
      expect(await contexts.listFor(other)).toEqual([]);
    }
  },
);

it('ends with none, with the conversation, and lasts over a restart until then', async () => {
  const node = await shared('full');
  const again = node.again();
  await again.start();
  expect(await seen(again, CURSOR, node.id)).toBeDefined();
  await again.share(node.id, 'client:cursor', 'none');
  expect(await again.showTo(CURSOR, node.id)).toBeUndefined();
  await again.share(node.id, 'client:cursor', 'full');
  // Nothing of it lies elsewhere, so that nobody has to hear of its end.
  expect(await again.delete(node.id)).toEqual({ holders: [] });
  expect(await again.showTo(CURSOR, node.id)).toBeUndefined();
  expect(await again.listFor(CURSOR)).toEqual([]);
});

it('an agent that works for others sees what all of them may see', async () => {
  const { contexts, id } = await shared('full');
  await contexts.share(id, 'client:agent:clerk', 'full');
  const clerk = (...worksFor: Principal[]): Principal => client('agent:clerk', worksFor);
  expect(await contexts.showTo(clerk(), id)).toBeDefined();
  expect(await contexts.showTo(clerk(OPERATOR, CURSOR), id)).toBeDefined();
  expect(await contexts.showTo(clerk(PEER), id)).toBeUndefined();
  expect(await contexts.showTo(clerk(client('agent:other', [PEER])), id)).toBeUndefined();
  await contexts.share(id, 'client:cursor', 'summary');
  expect((await contexts.showTo(clerk(CURSOR), id))?.view).toBe('summary');
  await contexts.share(id, 'client:agent:clerk', { last: 1 });
  expect(await contexts.showTo(clerk(CURSOR), id)).toBeUndefined();
});

it('is read by the tools and as a resource, and a client is not told whether there is another', async () => {
  const { contexts, id } = await shared('summary');
  const tools = contextTools(
    {
      contexts,
      models: { ask: () => expect.fail('nobody is asked') },
      didOf: () => 'did:key:bob' as Did,
      clock: createTestClock(),
    },
    { messageBytes: 1000 },
  );
  const call = (name: string, principal: Principal, args = {}): Promise<object> => {
    const tool = tools.find(({ definition }) => definition.name === name);
    return tool?.call(args, { principal, signal: new AbortController().signal }) ?? expect.fail();
  };
  expect(
    tools.filter(({ clients }) => clients === 'yes').map((one) => one.definition.name),
  ).toEqual(['context_list', 'context_show']);
  expect(await call('context_list', CURSOR)).toMatchObject({ contexts: [{ id, view: 'summary' }] });
  expect(await call('context_show', CURSOR, { id })).toMatchObject({ said: [] });
  expect(await call('context_show', OPERATOR, { id })).toMatchObject({ lines: 6 });
  const refused = { code: 'STARLING_CONTEXT_UNKNOWN' };
  const claude = client('claude');
  await expect(call('context_show', claude, { id })).rejects.toMatchObject(refused);
  await expect(call('context_show', claude, { id: 'ctx_0000000000000000' })).rejects.toMatchObject(
    refused,
  );
  await expect(
    call('context_share', OPERATOR, { id, to: 'client:two words', view: 'full' }),
  ).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  const [resource] = contextResources(contexts);
  const as = (principal: Principal) => ({ principal, signal: new AbortController().signal });
  const uri = `context://${id}`;
  expect(JSON.parse((await resource?.read(uri, as(CURSOR))) ?? '')).toMatchObject({ said: [] });
  expect(await resource?.read(uri, as(claude))).toBeUndefined();
  expect(await resource?.read('context://none', as(OPERATOR))).toBeUndefined();
  expect(await resource?.watch(uri, as(claude), () => undefined)).toBeUndefined();
});

it('who subscribes hears of each line, and of none after the share has ended', async () => {
  const node = await shared('full');
  const { contexts, id } = node;
  let heard = 0;
  const [resource] = contextResources(contexts);
  const as = { principal: CURSOR, signal: new AbortController().signal };
  const end = await resource?.watch(`context://${id}`, as, () => (heard += 1));
  await talk(node, 1, { from: 50 });
  expect(heard).toBe(1);
  await contexts.share(id, 'client:cursor', 'none');
  await talk(node, 1, { from: 60 });
  expect(heard).toBe(1);
  end?.();
  expect(contexts.events.listenerCount('change')).toBe(0);
});
