/** An MCP server without any library: echo, progress, silence, a changing list, and bad manners. */
import { createInterface } from 'node:readline';

const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const tool = (name) => ({ name, description: `does ${name}`, inputSchema: { type: 'object' } });
const tools = ['echo', 'steps', 'hang', 'cancelled', 'add_tool', 'big', 'read.file'].map(tool);
const cancelled = [];

const handlers = {
  echo: (id, params) =>
    send({
      id,
      result: { content: [{ type: 'text', text: params.arguments?.message ?? '' }], unknown: 1 },
    }),
  steps(id, params) {
    const progressToken = params._meta?.progressToken;
    for (const progress of [1, 2, 3]) {
      send({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
    }
    send({ id, result: { content: [{ type: 'text', text: 'done' }] } });
  },
  hang(id, params) {
    const progressToken = params._meta?.progressToken;
    if (progressToken === undefined) return;
    send({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
  },
  cancelled: (id) =>
    send({ id, result: { content: [{ type: 'text', text: String(cancelled.length) }] } }),
  add_tool(id, params) {
    const { name, names = [name] } = params.arguments;
    tools.push(...names.map(tool));
    // In one piece, so that no pause comes between them.
    process.stdout.cork();
    for (const _ of names) send({ method: 'notifications/tools/list_changed' });
    process.stdout.uncork();
    send({ id, result: { content: [] } });
  },
  big: (id, params) =>
    send({ id, result: { content: [{ type: 'text', text: 'x'.repeat(params.arguments.bytes) }] } }),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === 'initialize') {
    const serverInfo = { name: 'fixture', version: '1.0.0' };
    const capabilities = { tools: { listChanged: true } };
    send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo } });
  } else if (method === 'tools/list') send({ id, result: { tools } });
  else if (method === 'notifications/cancelled') cancelled.push(params.requestId);
  else if (method === 'tools/call') {
    const handler = handlers[params.name];
    if (handler) handler(id, params);
    else send({ id, result: { content: [{ type: 'text', text: `called ${params.name}` }] } });
  } else if (method === 'ping') send({ id, result: {} });
  else if (id !== undefined) send({ id, error: { code: -32601, message: 'no such method' } });
});
