// Asks an agent on another machine, and prints the answer: node asker.mjs echo@bob hello
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
const [agentId, message] = process.argv.slice(2);
const client = new Client({ name: 'asker', version: '1.0.0' });
await client.connect(
  new StdioClientTransport({
    command: 'starling',
    args: ['mcp', '--as', 'asker'],
    env: process.env,
  }),
);
const query = { agentId, message, type: 'query', timeoutMs: 20_000 };
const { structuredContent, content } = await client.callTool({
  name: 'starling__agent_message',
  arguments: query,
});
process.stdout.write(`${structuredContent?.response ?? JSON.stringify(content)}\n`);
await client.close();
