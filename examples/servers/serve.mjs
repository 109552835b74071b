// The smallest MCP server: lines of JSON on standard input and output, and no library. Give it the tools.
import { createInterface } from 'node:readline';

/** Serves until the client has gone. A tool: { description, properties, required, annotations, run(arguments) → text }. */
export async function serve(name, tools) {
  const listed = Object.entries(tools).map(
    ([tool, { description, properties = {}, required = [], annotations }]) => ({
      name: tool,
      description,
      inputSchema: { type: 'object', properties, required },
      annotations,
    }),
  );
  const methods = {
    initialize: () => ({
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name, version: '1.0.0' },
    }),
    ping: () => ({}),
    'tools/list': () => ({ tools: listed }),
    'tools/call': ({ name: tool, arguments: args = {} }) =>
      called(Object.hasOwn(tools, tool) ? tools[tool] : undefined, args),
  };
  for await (const line of createInterface(process.stdin)) {
    const { id, method, params = {} } = JSON.parse(line);
    // What has no id is news, and wants no answer.
    if (id === undefined) continue;
    const known = Object.hasOwn(methods, method);
    const answer = known
      ? { result: await methods[method](params) }
      : { error: { code: -32601, message: `no method ${method}` } };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
  }
}

/** What a tool says, or why it could not. */
async function called(tool, args) {
  try {
    if (tool === undefined) throw new Error('there is no such tool');
    return { content: [{ type: 'text', text: await tool.run(args) }] };
  } catch (error) {
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}
