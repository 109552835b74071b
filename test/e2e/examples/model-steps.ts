/** Examples of language models: a provider is added to a running node, tested, asked, counted and removed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeProcess } from '../../../sim/process.ts';
import { startBatchVendor } from '../../models/batches/fake-batches.ts';
import type { FakeBatches } from '../../models/batches/fake-batches.ts';
import { startVendor } from '../../models/fake-vendor.ts';
import type { FakeVendor } from '../../models/fake-vendor.ts';
import { builtin, eventually } from '../support.ts';
import { learnSteps } from './learn-steps.ts';
import type { Step } from './step.ts';

interface Listed {
  readonly models: readonly { readonly name: string }[];
}

let vendor: FakeVendor | undefined;
let batchVendor: FakeBatches | undefined;

const urlOf = async (): Promise<string> => {
  vendor ??= await startVendor();
  return vendor.url;
};
/** The conversation of the agent that the examples talk with. */
const ofClerk = (alice: () => NodeProcess): Readonly<Record<string, () => Promise<string>>> => ({
  ctx_0123456789abcdef: async () => {
    const { contexts } = await builtin<{ contexts: readonly { id: string }[] }>(
      alice(),
      'context_list',
    );
    return contexts[0]?.id ?? '';
  },
});
const QUESTION = { class: 'sky', prompt: 'Why?', expect: { words: ['mesh'] } };
/** Its provider stands for a vendor's. */
const BATCH = { 'anthropic/claude-haiku-4-5': 'batches/claude-haiku-4-5' };
const REQUEST = { custom_id: '1', body: { messages: [{ role: 'user', content: 'Why?' }] } };
const requestsOf = async ({ stateDir }: NodeProcess): Promise<string> => {
  const file = join(stateDir, '..', 'requests.jsonl');
  await writeFile(file, `${JSON.stringify(REQUEST)}\n`);
  return file;
};
/** The batch that was submitted last. */
const batchOf = async (node: NodeProcess): Promise<string> => {
  const { batches } = await builtin<{ batches: readonly { id: string }[] }>(node, 'llm_batch_list');
  return batches[0]?.id ?? '';
};
const REAL = { 'gpu/qwen3:8b': 'gpu/qwen' };

/** The steps, in their order. */
export const modelSteps = (alice: () => NodeProcess): Readonly<Record<string, Step>> => ({
  'starling model add gpu --url http://127.0.0.1:11434': {
    at: 'alice',
    put: { 'http://127.0.0.1:11434': urlOf },
    printed: /added gpu/,
    after: () =>
      eventually(
        'alice has the models',
        () => builtin<Listed>(alice(), 'model_list'),
        ({ models }) => models.some(({ name }) => name === 'gpu/qwen'),
      ),
  },
  'starling model add anthropic --key-from secret:ANTHROPIC': {
    at: 'spare',
    printed: /api\.anthropic\.com[^]*secret:ANTHROPIC/,
  },
  'starling model list': { at: 'alice', printed: /gpu[^]*gpu\/qwen/ },
  'starling model list --json': { at: 'alice', printed: /"name": ?"gpu\/qwen"/ },
  'starling model test gpu': { at: 'alice', printed: /gpu answers in [^]*gpu\/qwen/ },
  'starling model test gpu/qwen3:8b': {
    at: 'alice',
    put: REAL,
    printed: /answers in [^]*The mesh says hello\./,
  },
  "starling llm ask 'Why is the sky blue?' --model gpu/qwen3:8b": {
    at: 'alice',
    put: REAL,
    printed: /^The mesh says hello\.\n/,
  },
  "starling agent spawn coder --model gpu/qwen3:8b --tool 'tool:files/*'": {
    at: 'alice',
    put: REAL,
    printed: /^coder\S* \(agent_\S+\) {2}ready in \S+ {2}model gpu\/qwen$/m,
  },
  "starling ask 'Which of my notes are about herons?' --model gpu/qwen3:8b": {
    at: 'alice',
    put: { 'gpu/qwen3:8b': 'gpu/plans' },
    printed: /^\{"plan"/m,
  },
  "starling ask 'Which of my notes are about herons?' --model gpu/qwen3:8b --plan": {
    at: 'alice',
    put: { 'gpu/qwen3:8b': 'gpu/plans' },
    printed: /^1\. Say hello\.\nno tools/,
  },
  "starling agent message clerk 'and yesterday?' --type query --session books": {
    at: 'alice',
    before: () =>
      builtin(alice(), 'agent_spawn', {
        agentType: 'researcher',
        name: 'clerk',
        model: 'gpu/qwen',
        tools: [],
        wait_s: 30,
      }),
    printed: /^The mesh says hello\.\n/,
  },
  'starling context list': { at: 'alice', printed: /ctx_[0-9a-f]{16} +clerk[^]*books +2 / },
  'starling context summarise ctx_0123456789abcdef --model gpu/qwen3:8b': {
    at: 'alice',
    put: { ...REAL, ...ofClerk(alice) },
    printed: /^The mesh says hello\.\n/,
  },
  'starling context show ctx_0123456789abcdef': {
    at: 'alice',
    put: ofClerk(alice),
    printed: /lines 1 to 2 in short[^]*1 operator@alice: and yesterday\?\n2 clerk: The mesh/,
  },
  'starling context share ctx_0123456789abcdef bob --view last --lines 10': {
    at: 'alice',
    put: ofClerk(alice),
    printed: /^bob is shown ctx_/,
  },
  'starling context share ctx_0123456789abcdef bob --view none': {
    at: 'alice',
    put: ofClerk(alice),
    printed: /no more/,
  },
  'starling context share ctx_0123456789abcdef client:cursor --view summary': {
    at: 'alice',
    put: ofClerk(alice),
    printed: /^client:cursor is shown ctx_[^]*context:\/\/ctx_/,
  },
  'starling context delete ctx_0123456789abcdef --yes': {
    at: 'alice',
    put: ofClerk(alice),
    printed: /is deleted: nobody can read it any more/,
    after: () => builtin(alice(), 'agent_stop', { agentId: 'clerk' }),
  },
  ...learnSteps(alice),
  'git diff | starling llm ask - --model gpu/qwen3:8b': {
    at: 'alice',
    put: { ...REAL, 'git diff': 'echo why' },
    printed: /^The mesh says hello\.\n/,
  },
  "starling llm ask 'What does this cost?' --model gpu/qwen3:8b --budget research": {
    at: 'alice',
    put: { ...REAL, research: '5usd' },
    printed: /^The mesh says hello\.\n/,
  },
  "starling grant propose 'let bob read my files until friday' --model gpu/qwen3:8b": {
    at: 'alice',
    put: { 'gpu/qwen3:8b': 'gpu/proposes' },
    printed: /^bob may use the model gpu\/\*[^]*until you revoke it/,
  },
  'starling llm record questions.jsonl --model gpu/qwen3:8b --model anthropic/claude-opus-4-6 --out mix.jsonl':
    {
      at: 'alice',
      put: {
        ...REAL,
        'anthropic/claude-opus-4-6': 'gpu/other',
        'questions.jsonl': async () => {
          await writeFile(
            join(alice().stateDir, '..', 'questions.jsonl'),
            JSON.stringify(QUESTION),
          );
          return join(alice().stateDir, '..', 'questions.jsonl');
        },
        'mix.jsonl': () => join(alice().stateDir, '..', 'mix.jsonl'),
      },
      printed: /1 questions are recorded/,
    },
  'starling llm replay mix.jsonl': {
    at: 'alice',
    put: { 'mix.jsonl': () => join(alice().stateDir, '..', 'mix.jsonl') },
    printed: /^1 requests, the smallest model first/,
  },
  'starling llm replay': { at: 'alice', printed: /^SYNTHETIC/ },
  'starling llm replay --class reason': { at: 'alice', printed: /^SYNTHETIC[^]*reason/ },
  'starling llm batch submit requests.jsonl --model anthropic/claude-haiku-4-5': {
    at: 'alice',
    before: async () => {
      batchVendor ??= await startBatchVendor();
      await alice().run([
        'model',
        'add',
        'batches',
        '--url',
        batchVendor.url,
        '--config',
        join(alice().stateDir, '..', 'starling.json'),
      ]);
    },
    put: { ...BATCH, 'requests.jsonl': () => requestsOf(alice()) },
    printed: /^batch \S{8}: 1 request; batches\/claude-haiku-4-5 has it/,
  },
  'starling llm batch submit requests.jsonl --model openai/gpt-5-mini --budget research': {
    at: 'alice',
    put: {
      'openai/gpt-5-mini': 'batches/gpt-5-mini',
      research: '5usd',
      'requests.jsonl': () => requestsOf(alice()),
    },
    printed: /^batch \S{8}: 1 request; batches\/gpt-5-mini has it/,
  },
  'starling llm batch list': { at: 'alice', printed: /^BATCH[^]*running +batches\/gpt-5-mini +1 / },
  'starling llm batch cancel 3kXq81bZ': {
    at: 'alice',
    put: { '3kXq81bZ': () => batchOf(alice()) },
    printed: /is being stopped/,
  },
  'starling llm batch result 3kXq81bZ': {
    at: 'alice',
    before: () => batchVendor?.finish(),
    put: { '3kXq81bZ': () => batchOf(alice()) },
    printed: /^\{"custom_id":"1","response":/,
  },
  'starling llm batch result 3kXq81bZ --out answers.jsonl': {
    at: 'alice',
    put: {
      '3kXq81bZ': () => batchOf(alice()),
      'answers.jsonl': () => join(alice().stateDir, '..', 'answers.jsonl'),
    },
    printed: /completed, 1 of 1 answered, \S+, in /,
  },
  'starling llm batch cancel 3kXq81bZ --forget': {
    at: 'alice',
    put: { '3kXq81bZ': () => batchOf(alice()) },
    printed: /is forgotten, with its answers/,
    after: () => batchVendor?.stop(),
  },
  'starling llm stats': { at: 'alice', printed: /gpu\/qwen +the operator +\d+ / },
  'starling model stats': { at: 'alice', printed: /gpu\/qwen +the operator +\d+ / },
  'starling llm transcripts': { at: 'alice', printed: /^no prompts and answers are kept; / },
  'starling llm transcripts --model gpu --limit 5': {
    at: 'alice',
    printed: /^no prompts and answers are kept; /,
  },
  'starling model remove gpu': {
    at: 'alice',
    printed: /removed gpu/,
    after: () => vendor?.stop(),
  },
});
