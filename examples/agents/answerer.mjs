// An agent that answers: any program that speaks MCP can be one. Run it where a node runs: node answerer.mjs
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
const client = new Client({ name: 'answerer', version: '1.0.0' });
await client.connect(
  new StdioClientTransport({
    command: 'starling',
    args: ['mcp', '--as', 'answerer'],
    env: process.env,
  }),
);
const call = async (name, args) =>
  (await client.callTool({ name: `starling__${name}`, arguments: args })).structuredContent;
process.stdout.write(
  JSON.stringify(await call('agent_announce', { name: 'echo', capabilities: ['echo'] })) + '\n',
);
for (let inbox; ;) {
  inbox = await call('agent_inbox', { name: 'echo', timeout_s: 25, cursor: inbox?.cursor });
  for (const { id, type, message } of inbox.messages) {
    if (type !== 'query') continue;
    const answer = { type: 'response', inReplyTo: id, message: `you said: ${message}` };
    // Whoever asked may have gone meanwhile.
    await call('agent_message', answer).catch((error) =>
      process.stderr.write(`${error.message}\n`),
    );
  }
}
