/**
 * An MCP server without any library for the hostile-input tests. It answers every request exactly
 * once, however odd, and puts into each answer and progress only what that very call brought along.
 */
import { createInterface } from 'node:readline';

const QUESTION_MS = 100;
const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const said = (value) => (typeof value === 'string' ? value.slice(0, 100_000) : 'odd');
const amount = (value, most) => (typeof value === 'number' ? Math.min(value, most) : 0);
const text = (value) => ({ content: [{ type: 'text', text: said(value) }] });
const names = ['echo', 'slow', 'ask', 'big'];
const tools = names.map((name) => ({
  name,
  description: `does ${name}`,
  inputSchema: { type: 'object' },
}));
const waiting = new Map();
const questions = new Map();
let questionCount = 0;

const later = (id, ms, result) => {
  const timer = setTimeout(() => {
    waiting.delete(id);
    send({ id, result });
  }, ms);
  waiting.set(id, timer);
};

const calls = {
  echo: (id, args) => send({ id, result: text(args.message) }),
  slow: (id, args) => later(id, amount(args.ms, 50), text(args.message)),
  big: (id, args) =>
    send({ id, result: text('x'.repeat(Math.max(0, amount(args.size, 100_000)))) }),
  ask(id, args) {
    questionCount += 1;
    const question = `q${questionCount}`;
    const done = () => {
      clearTimeout(timer);
      questions.delete(question);
      send({ id, result: text(args.message) });
    };
    const timer = setTimeout(done, QUESTION_MS);
    questions.set(question, done);
    send({ id: question, method: 'sampling/createMessage', params: { messages: [] } });
  },
};

const methods = {
  initialize: (params) => ({
    protocolVersion: params.protocolVersion ?? '2025-11-25',
    capabilities: {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: {},
      logging: {},
      completions: {},
    },
    serverInfo: { name: 'hostile-upstream', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools }),
  'resources/list': () => ({ resources: [{ uri: 'test://a', name: 'a' }] }),
  'resources/templates/list': () => ({
    resourceTemplates: [{ uriTemplate: 'test://{id}', name: 't' }],
  }),
  'resources/read': (params) => ({ contents: [{ uri: said(params.uri), text: 'a' }] }),
  'resources/subscribe': () => ({}),
  'resources/unsubscribe': () => ({}),
  'prompts/list': () => ({ prompts: [{ name: 'p' }] }),
  'prompts/get': () => ({ messages: [] }),
  'completion/complete': () => ({ completion: { values: [] } }),
  'logging/setLevel': () => ({}),
};

function called(id, params) {
  const args = params.arguments ?? {};
  const progressToken = params._meta?.progressToken;
  if (typeof progressToken === 'string' || typeof progressToken === 'number') {
    const message = said(args.message);
    send({ method: 'notifications/progress', params: { progressToken, progress: 1, message } });
  }
  const isKnown = typeof params.name === 'string' && Object.hasOwn(calls, params.name);
  const call = isKnown ? calls[params.name] : undefined;
  if (call === undefined) send({ id, error: { code: -32602, message: 'no such tool' } });
  else call(id, args);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {} } = JSON.parse(line);
  if (method === undefined) questions.get(id)?.();
  else if (method === 'notifications/cancelled') {
    clearTimeout(waiting.get(params.requestId));
    waiting.delete(params.requestId);
  } else if (id === undefined) return;
  else if (method === 'tools/call') called(id, params);
  else if (Object.hasOwn(methods, method)) send({ id, result: methods[method](params) });
  else send({ id, error: { code: -32601, message: 'no such method' } });
});
