/** The loop step by step: cut off behind each step, a thought goes on where it was, and makes no call twice that could do harm. */
import { expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Models } from '../../src/models/index.ts';
import { think } from '../../src/thinking/loop/think.ts';
import type { MeshToolbox } from '../../src/thinking/loop/mesh-toolbox.ts';
import { createMeshToolbox } from '../../src/thinking/loop/mesh-toolbox.ts';
import { THOUGHTS_KEPT_MAX } from '../../src/thinking/limits.ts';
import { openSteps, passingSteps } from '../../src/thinking/step-rows.ts';
import { memoryTable } from '../grants/memory-table.ts';
import type { Step, StepLog, Thought, Toolbox, UsableTool } from '../../src/thinking/types.ts';

const NEVER = new AbortController().signal;
const TOOLS: readonly UsableTool[] = [
  { name: 'pay', description: '', inputSchema: {}, isRepeatable: false },
  { name: 'look', description: '', inputSchema: {}, isRepeatable: true },
];

/** The bytes of a vendor's stream. */
function streamed(delta: JsonObject): AsyncIterable<Uint8Array> {
  const chunk = (choice: JsonObject): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] })}\n\n`;
  const text = `${chunk({ delta, finish_reason: null })}${chunk({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`;
  return (async function* bytes() {
    yield Buffer.from(text);
  })();
}

/** A model that looks, pays and answers with what it was told last. */
const models: Pick<Models, 'ask'> = {
  async ask({ fields }) {
    const messages = fields['messages'] as { role: string; content: string }[];
    const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
    const call = (name: string): JsonObject => ({
      tool_calls: [{ index: 0, id: `call ${results.length}`, function: { name, arguments: '{}' } }],
    });
    const delta =
      results.length === 0
        ? call('look')
        : results.length === 1
          ? call('pay')
          : { content: `paid: ${results[1]?.includes('paid 1') === true ? 'yes' : 'unsure'}` };
    return { isStream: true, headers: {}, body: streamed(delta) };
  },
};

interface Bench {
  readonly calls: string[];
  /** Idempotency keys of these. */
  readonly keys: (string | undefined)[];
  readonly toolbox: Toolbox;
}

function bench(): Bench {
  const calls: string[] = [];
  const keys: (string | undefined)[] = [];
  return {
    calls,
    keys,
    toolbox: {
      list: async () => ({ tools: TOOLS, others: 0 }),
      async call({ name }, _args, _signal, key) {
        calls.push(name);
        keys.push(key);
        return { text: `${name === 'pay' ? 'paid' : 'seen'} 1`, isError: false, zone: 'local' };
      },
      heard: () => undefined,
    },
  };
}

const run = (log: StepLog, toolbox: Toolbox, asked = models, task?: string): Promise<Thought> =>
  think(
    { models: asked, messageBytes: 1_000_000 },
    {
      model: 'gpu/mind',
      asks: OPERATOR,
      steps: 9,
      toolbox,
      log,
      task,
      opening: () => ({ system: 'You pay.', question: 'Pay.' }),
      signal: NEVER,
      happened: () => undefined,
    },
  );

it('a thought that is cut off behind any step goes on there: paid once at the most, and never silently twice', async () => {
  const whole = passingSteps(1);
  const first = bench();
  await expect(run(whole, first.toolbox)).resolves.toMatchObject({ text: 'paid: yes', steps: 3 });
  expect(first.calls).toEqual(['look', 'pay']);
  const kinds = whole.steps.map(({ kind }) => kind);
  expect(kinds).toEqual([
    'begun',
    'said',
    'calling',
    'result',
    'said',
    'calling',
    'result',
    'said',
    'answered',
  ]);
  for (let cut = 1; cut <= whole.steps.length; cut += 1) {
    const steps: Step[] = whole.steps.slice(0, cut);
    const again = bench();
    const log: StepLog = { steps, add: async (step) => void steps.push(step) };
    const { text } = await run(log, again.toolbox);
    const isUnsure = steps[cut - 1]?.kind === 'calling' && cut === 6;
    expect(text, `cut at ${cut}`).toBe(isUnsure ? 'paid: unsure' : 'paid: yes');
    const paidBefore = whole.steps
      .slice(0, cut)
      .some((step) => step.kind === 'calling' && step.call === 'call 1');
    expect(
      again.calls.filter((call) => call === 'pay'),
      `cut at ${cut}`,
    ).toHaveLength(paidBefore ? 0 : 1);
  }
});

it('a model that calls every first call of a turn the same has each of them made', async () => {
  const asked: Pick<Models, 'ask'> = {
    async ask({ fields }) {
      const turns = (fields['messages'] as { role: string }[]).filter(
        ({ role }) => role === 'assistant',
      );
      const call = { index: 0, id: 'call_0', function: { name: 'pay', arguments: '{}' } };
      const delta = turns.length < 2 ? { tool_calls: [call] } : { content: 'paid twice' };
      return { isStream: true, headers: {}, body: streamed(delta) };
    },
  };
  const { calls, toolbox } = bench();
  await expect(run(passingSteps(1), toolbox, asked)).resolves.toMatchObject({ text: 'paid twice' });
  expect(calls).toEqual(['pay', 'pay']);
});

it('what the model said last is its answer, also where the node ended before it noted that', async () => {
  const log = passingSteps(1);
  await log.add({ kind: 'said', text: 'paid', calls: [] });
  const never: Pick<Models, 'ask'> = {
    ask: async () => expect.fail('the model was asked again'),
  };
  const thought = run(log, bench().toolbox, never);
  await expect(thought).resolves.toMatchObject({ text: 'paid', steps: 1 });
});

const THOUGHT = { agent: 'clerk', from: 'operator', message: 'm1', text: 'pay' };

it('a thought that is under way gives way to none, and a damaged one keeps nobody from thinking', async () => {
  const table = memoryTable();
  let now = 1;
  const components = { table, clock: { now: () => now }, logger: silentLogger };
  const under = await openSteps(components, THOUGHT);
  await under.add({ kind: 'calling', call: 'one' });
  const idle = await openSteps(components, { ...THOUGHT, message: 'idle' });
  idle.close();
  const [damaged = ''] = table.rows.keys();
  await table.put(damaged.replace(/[^/]+\/\d+$/, `${'0'.repeat(32)}/000000`), Buffer.from('{oops'));
  for (let at = 0; at < 2 * THOUGHTS_KEPT_MAX; at += 1) {
    now += 1;
    (await openSteps(components, { ...THOUGHT, message: `other ${at}` })).close();
  }
  expect(table.rows.size).toBeLessThanOrEqual(THOUGHTS_KEPT_MAX + 2);
  const again = await openSteps(components, THOUGHT);
  expect(again.steps.map(({ kind }) => kind)).toEqual(['begun', 'calling']);
});

it('of a thought that has ended its answer is kept, and what tools gave is not', async () => {
  const table = memoryTable();
  const components = { table, clock: { now: () => 1 }, logger: silentLogger };
  const log = await openSteps(components, THOUGHT);
  await expect(run(log, bench().toolbox)).resolves.toMatchObject({ text: 'paid: yes', steps: 3 });
  log.close();
  expect(table.rows.size).toBe(2);
  const again = bench();
  const kept = await openSteps(components, THOUGHT);
  await expect(run(kept, again.toolbox)).resolves.toMatchObject({ text: 'paid: yes' });
  expect(again.calls).toEqual([]);
});

it('a step that the disk does not take is not acted on', async () => {
  const { calls, toolbox } = bench();
  const log = passingSteps(1);
  const failing: StepLog = {
    steps: log.steps,
    async add(step) {
      if (step.kind === 'calling') throw new Error('the disk is full');
      await log.add(step);
    },
  };
  await expect(run(failing, toolbox)).rejects.toThrow('the disk is full');
  expect(calls).toEqual([]);
});

it('each call of a task has a key, the same in each attempt and where a thought goes on; other work has none', async () => {
  const task = 'task_1790000000000_k3x9q2c1d';
  const whole = passingSteps(1);
  const first = bench();
  await run(whole, first.toolbox, models, task);
  expect(first.keys).toEqual([
    expect.stringMatching(new RegExp(`^${task}/1/[0-9a-f]{16}$`)),
    expect.stringMatching(new RegExp(`^${task}/2/[0-9a-f]{16}$`)),
  ]);
  // Another attempt, at another node.
  const second = bench();
  await run(passingSteps(1), second.toolbox, models, task);
  expect(second.keys).toEqual(first.keys);
  // The node ended before the second call, and after the first, which may be made again, was begun.
  for (const [cut, left] of [
    [3, first.keys],
    [5, first.keys.slice(1)],
  ] as const) {
    const steps: Step[] = whole.steps.slice(0, cut);
    const again = bench();
    await run({ steps, add: async (step) => void steps.push(step) }, again.toolbox, models, task);
    expect(again.keys, `cut at ${cut}`).toEqual(left);
  }
  const none = bench();
  await run(passingSteps(1), none.toolbox);
  expect(none.keys).toEqual([undefined, undefined]);
});

it('a server is given the key of a call in its _meta, and nothing where there is none', async () => {
  const asked: JsonObject[] = [];
  const toolbox = createMeshToolbox(
    {
      innerCaller: () => ({
        async request(_, params) {
          asked.push(params);
          return { content: [] };
        },
        originOf: () => undefined,
        close: () => undefined,
      }),
      zoneOf: () => 'local',
    },
    () => OPERATOR,
  );
  const tool = { name: 'pay', description: '', inputSchema: {}, isRepeatable: false };
  await toolbox.call(tool, { n: 1 }, NEVER, 'task_1/1/ab');
  await toolbox.call(tool, { n: 1 }, NEVER);
  expect(asked).toEqual([
    { name: 'pay', arguments: { n: 1 }, _meta: { 'starling/idempotency-key': 'task_1/1/ab' } },
    { name: 'pay', arguments: { n: 1 } },
  ]);
});

it("a result that is not as its tool's outputSchema says is an error, and no data", async () => {
  const outputSchema = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
  const results: JsonObject[] = [
    { content: [{ type: 'text', text: 'evil' }], structuredContent: { n: 'evil' } },
    { content: [{ type: 'text', text: 'evil' }] },
    { content: [{ type: 'text', text: '{"n":1}' }], structuredContent: { n: 1 } },
  ];
  const toolbox = createMeshToolbox(
    {
      innerCaller: () => ({
        request: async () => results.shift() ?? {},
        originOf: (name) => ({ resource: `tool:files/${name}`, peer: undefined }),
        close: () => undefined,
      }),
      zoneOf: () => 'local',
    },
    () => OPERATOR,
  );
  const tool = {
    name: 'count',
    description: '',
    inputSchema: {},
    outputSchema,
    isRepeatable: false,
  };
  for (const wanted of ['n: ', 'no structured content']) {
    const outcome = await toolbox.call(tool, {}, NEVER);
    expect(outcome).toMatchObject({
      isError: true,
      text: expect.stringContaining(wanted) as string,
    });
    expect(outcome.text).not.toContain('evil');
  }
  await expect(toolbox.call(tool, {}, NEVER)).resolves.toMatchObject({
    isError: false,
    text: '{"n":1}',
  });
});

it('a prompt of a server is found by server and name, and is given as its text', async () => {
  const asked: [string, JsonObject][] = [];
  const toolbox = createMeshToolbox(
    {
      innerCaller: () => ({
        async request(method, params) {
          asked.push([method, params]);
          if (method === 'prompts/list') return { prompts: [{ name: 'files__reviewer' }] };
          return { messages: [{ role: 'user', content: { type: 'text', text: 'Review it.' } }] };
        },
        originOf: () => undefined,
        close: () => undefined,
      }),
      zoneOf: () => 'local',
    },
    () => OPERATOR,
  );
  await expect(toolbox.prompt('files/reviewer', NEVER)).resolves.toBe('Review it.');
  expect(asked.at(-1)).toEqual(['prompts/get', { name: 'files__reviewer' }]);
  await expect(toolbox.prompt('files/other', NEVER)).rejects.toMatchObject({
    code: 'STARLING_AGENT_FAILED',
  });
});

it('a toolbox has read from a peer whose tools it was shown, and from where what it recalls or is answered came from', async () => {
  const peer = { alias: 'mallory' } as never;
  const shown = ['page__who', 'mallory__files__read'];
  const answers: Record<string, JsonObject> = {
    starling__memory_retrieve: { taint: 'external' },
    starling__task_result: { status: 'done', taint: 'external' },
    starling__agent_task: { status: 'done', taint: 'trusted' },
    page__who: { taint: 'external' },
  };
  const made = (names: readonly string[]): MeshToolbox =>
    createMeshToolbox(
      {
        innerCaller: () => ({
          request: async (method, { name }) =>
            method === 'tools/list'
              ? { tools: names.map((one) => ({ name: one })) }
              : { content: [], structuredContent: answers[String(name)] ?? {} },
          originOf: (name) => ({
            resource: `tool:${name.replace('__', '/')}`,
            peer: name.startsWith('mallory') ? peer : undefined,
          }),
          close: () => undefined,
        }),
        zoneOf: ({ peer: whose }) => (whose === undefined ? 'local' : 'trusted'),
      },
      () => OPERATOR,
    );
  const own = made(shown.slice(0, 1));
  await own.list(NEVER);
  expect(own.zone).toBe('local');
  const others = made(shown);
  await others.list(NEVER);
  expect(others.zone).toBe('trusted');
  const tool = { description: '', inputSchema: {}, isRepeatable: false };
  const called = (name: string): Promise<unknown> => own.call({ ...tool, name }, {}, NEVER);
  await expect(called('starling__memory_retrieve')).resolves.toMatchObject({ zone: 'external' });
  await expect(called('starling__task_result')).resolves.toMatchObject({ zone: 'external' });
  await expect(called('starling__agent_task')).resolves.toMatchObject({ zone: 'trusted' });
  // A server says nothing of how far it is to be trusted.
  await expect(called('page__who')).resolves.toMatchObject({ zone: 'local' });
});
