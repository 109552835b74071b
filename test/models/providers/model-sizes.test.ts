/** How large models are, as their servers say: Ollama by its own API, others in their lists; and what is hostile of that. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import { createExchanger } from '../../../src/gateway/index.ts';
import { createProvider } from '../../../src/models/providers/provider.ts';
import type { Provider } from '../../../src/models/providers/provider.ts';

const SHOWN: Readonly<Record<string, object | string>> = {
  'qwen3:8b': {
    details: { parameter_size: '8.2B', quantization_level: 'Q4_K_M' },
    model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 40_960 },
    parameters: 'stop                           "<|im_end|>"\nnum_ctx                        8192',
  },
  'plain:latest': {
    model_info: {
      'general.architecture': 'llama',
      'general.parameter_count': 3_212_749_888,
      'llama.context_length': 131_072,
    },
  },
  'odd:1': {
    details: { parameter_size: `8B${'x'.repeat(100)}\u0007` },
    model_info: { 'general.architecture': 7, 'undefined.context_length': -1 },
    parameters: 'num_ctx 99999999999',
  },
  'broken:1': '{"model_info":',
};
const asked: string[] = [];
const exchanger = createExchanger({ clock: systemClock });
const signal = new AbortController().signal;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { url = '' } = request;
    asked.push(`${request.method} ${url}`);
    const send = (body: object | string): void => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (url === '/ollama/v1/models') {
      return send({
        data: [...Object.keys(SHOWN), 'gone:1'].map((id) => ({ id, owned_by: 'library' })),
      });
    }
    if (url === '/ollama/api/show') {
      const { model } = JSON.parse(Buffer.concat(chunks).toString()) as { model: string };
      const shown = SHOWN[model];
      return shown === undefined ? void response.writeHead(404).end() : send(shown);
    }
    if (url === '/vllm/v1/models') {
      const meta = { n_params: 494_032_768, n_ctx: 4096 };
      return send({
        data: [
          { id: 'big', owned_by: 'vllm', max_model_len: 32_768 },
          { id: 'cpp', meta },
        ],
      });
    }
    return void response.writeHead(404).end();
  });
});
let base = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  exchanger.close();
  server.close();
  server.closeAllConnections();
});

const provider = (endpoint: string): Provider =>
  createProvider({ exchanger, clock: systemClock }, 'gpu', {
    api: 'openai',
    endpoint: `${base}${endpoint}`,
    models: [],
    headers: {},
    timeoutMs: 5000,
    limits: {},
    tier: 'edge',
    problems: [],
  });

it('asks Ollama, beside its compatible API, for weights and context of each model', async () => {
  const ollama = provider('/ollama/v1');
  expect(await ollama.models(signal)).toHaveLength(5);
  expect(ollama.sizeOf('qwen3:8b')).toEqual({
    parameters: '8.2B',
    contextTokens: 40_960,
    runsWith: 8192,
  });
  // What it runs with is its own matter, where nothing is set: longer prompts are cut without a word.
  expect(ollama.sizeOf('plain:latest')).toEqual({ parameters: '3.2B', contextTokens: 131_072 });
  for (const other of ['odd:1', 'broken:1', 'gone:1', 'never heard of']) {
    expect(ollama.sizeOf(other), other).toEqual({});
  }
  expect(asked.filter((one) => one === 'POST /ollama/api/show')).toHaveLength(5);
  await ollama.models(signal);
  expect(asked.filter((one) => one === 'POST /ollama/api/show')).toHaveLength(5);
});

it('takes what other servers say in their lists, and asks them nothing more', async () => {
  asked.splice(0);
  const vllm = provider('/vllm/v1');
  await vllm.probe(signal);
  expect(vllm.sizeOf('big')).toEqual({ contextTokens: 32_768, runsWith: 32_768 });
  expect(vllm.sizeOf('cpp')).toEqual({ parameters: '494M', contextTokens: 4096, runsWith: 4096 });
  expect(asked).toEqual(['GET /vllm/v1/models']);
});
