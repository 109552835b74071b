/**
 * An MCP server without any library: gives back, counts steps, hangs, asks its client, and answers at
 * length. A call that hangs, one that is given up and one for much are a line each in the file LOG.
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const say = (id, text) => send({ id, result: { content: [{ type: 'text', text }] } });
const waiting = new Map();
const hanging = new Set();
const together = [];
const note = (word) => appendFileSync(process.env.LOG, `${word}\n`);

const tools = {
  echo: (id, { arguments: args }) => say(id, args.text),
  steps(id, { _meta = {} }) {
    const { progressToken } = _meta;
    for (const progress of [1, 2, 3]) {
      send({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
    }
    say(id, 'done');
  },
  hang(id) {
    hanging.add(id);
    note('hanging');
  },
  ask(id) {
    const question = `question ${id}`;
    waiting.set(question, (answer) => say(id, JSON.stringify(answer)));
    const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
    const params = { message: 'What is your name?', requestedSchema };
    send({ id: question, method: 'elicitation/create', params });
  },
  // Nothing is answered before as many calls as `of` says are there: none of them meets an answer on its way.
  big(id, { arguments: args }) {
    note('large');
    together.push(id);
    if (together.length < args.of) return;
    for (const each of together.splice(0)) say(each, 'x'.repeat(args.bytes));
  },
};

const methods = {
  initialize: (id, { protocolVersion }) =>
    send({
      id,
      result: {
        protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'fixture', version: '1.0.0' },
      },
    }),
  'tools/list': (id) =>
    send({
      id,
      result: {
        tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })),
      },
    }),
  'tools/call': (id, params) => tools[params.name](id, params),
  ping: (id) => send({ id, result: {} }),
};

const input = createInterface({ input: process.stdin });
// Whoever ends the server gives up what it does.
input.on('close', () => {
  for (let count = hanging.size; count > 0; count -= 1) note('cancelled');
});
input.on('line', (line) => {
  const { id, method, params = {}, result } = JSON.parse(line);
  if (method === undefined) waiting.get(id)?.(result);
  else if (method === 'notifications/cancelled') {
    if (hanging.delete(params.requestId)) note('cancelled');
  } else if (methods[method] !== undefined) methods[method](id, params);
  else if (id !== undefined) send({ id, error: { code: -32601, message: 'no such method' } });
});
