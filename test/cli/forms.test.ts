/** A tool that asks whoever calls it, called in a terminal. */
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { FakeNode } from './fake-node.ts';
import { fakeNode } from './support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from './terminal/on-terminal.ts';
import type { OnTerminal } from './terminal/on-terminal.ts';

const GOLDEN = resolve(import.meta.dirname, '../golden/terminal');
const canRun = await hasTerminals();

const FORM = {
  message: 'Please say who you are.',
  requestedSchema: {
    type: 'object',
    properties: {
      name: { type: 'string', title: 'Your name' },
      mail: { type: 'string', format: 'email' },
      colour: { type: 'string', enum: ['r', 'g'], enumNames: ['Red', 'Green'], default: 'g' },
    },
    required: ['name'],
  },
};

/** A node with the tool `every__ask`, which its server has only for clients that show forms; gives back the answer. */
function asking(): Promise<FakeNode> {
  let isAsked = false;
  let call: string | number = 0;
  return fakeNode({
    initialize({ params }) {
      isAsked = JSON.stringify(params).includes('"elicitation"');
      return {};
    },
    answer({ method, params, id, result }, { send, fail }) {
      if (method === 'tools/list') return { tools: [{ name: 'every__ask' }] };
      if (id === 'question') {
        const content = [{ type: 'text', text: JSON.stringify(result) }];
        send({ jsonrpc: '2.0', id: call, result: { content } });
      } else if (method === 'tools/call' && isAsked && params?.['name'] === 'every__ask') {
        call = id as number;
        send({ jsonrpc: '2.0', id: 'question', method: 'elicitation/create', params: FORM });
      } else if (method === 'tools/call')
        fail(id, { code: -32602, message: 'MCP error -32602: Tool ask not found' });
      return undefined;
    },
  });
}

async function called(...more: readonly string[]): Promise<OnTerminal> {
  const { stateDir } = await asking();
  const terminal = startOnTerminal(['call', 'every__ask', ...more, '--state', stateDir]);
  onTestFinished(async () => void (await terminal.close()));
  return terminal;
}

it.runIf(canRun)('is called again so that the person can answer, field by field', async () => {
  const terminal = await called();
  for (const [shown, typed] of [
    ['text >', 'Ada'],
    ['email >', ''],
    ['[g] >', '1'],
    ['[yes/no]', 'y'],
  ] as const) {
    await terminal.shows(shown);
    terminal.type(`${typed}\r`);
  }
  const { code, screen } = await terminal.ended();
  expect(code).toBe(0);
  expect(screen).toContain('{"action":"accept","content":{"name":"Ada","colour":"r"}}');
  await expect(screen).toMatchFileSnapshot(join(GOLDEN, 'form.txt'));
});

it.runIf(canRun)('Ctrl-C at a question cancels the call', async () => {
  const terminal = await called('--ask');
  await terminal.shows('text >');
  terminal.type(CTRL_C);
  const { code, screen } = await terminal.ended();
  expect(code).toBe(130);
  expect(screen).toContain('cancelled');
});
