/**
 * A small real MCP server built on the official SDK: what the simulation and the benchmark mount
 * behind nodes. Tools: `echo`, `add`, `wait` (with progress), `bytes`. It speaks stdio, or with
 * `--http` Streamable HTTP on a free loopback port, which it prints.
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import { sendInTurn } from './send-in-turn.ts';

const WAIT_MAX_MS = 60_000;
const BYTES_MAX = 8 * 1024 * 1024;

const text = (value: string): { content: { type: 'text'; text: string }[] } => ({
  content: [{ type: 'text', text: value }],
});

function toolbox(): McpServer {
  const server = new McpServer({ name: 'toolbox', version: '1.0.0' });

  server.registerTool(
    'echo',
    {
      description: 'Gives back its message.',
      inputSchema: { message: z.string() },
      annotations: { readOnlyHint: true },
    },
    ({ message }) => text(message),
  );

  server.registerTool(
    'add',
    {
      description: 'Adds two numbers.',
      inputSchema: { a: z.number(), b: z.number() },
      annotations: { readOnlyHint: true },
    },
    ({ a, b }) => text(String(a + b)),
  );

  server.registerTool(
    'wait',
    {
      description: 'Waits for `ms` milliseconds in 5 steps and reports each.',
      inputSchema: { ms: z.number().min(0).max(WAIT_MAX_MS) },
      annotations: { readOnlyHint: true },
    },
    async ({ ms }, extra) => {
      const progressToken = extra._meta?.progressToken;
      for (let step = 1; step <= 5; step += 1) {
        await new Promise((resolve) => setTimeout(resolve, ms / 5));
        if (extra.signal.aborted) break;
        if (progressToken !== undefined) {
          await extra.sendNotification({
            method: 'notifications/progress',
            params: { progressToken, progress: step, total: 5 },
          });
        }
      }
      return text(`waited ${ms} ms`);
    },
  );

  server.registerTool(
    'bytes',
    {
      description: 'Gives a text of `size` bytes.',
      inputSchema: { size: z.number().int().min(0).max(BYTES_MAX) },
      annotations: { readOnlyHint: true },
    },
    ({ size }) => text('x'.repeat(size)),
  );
  return server;
}

if (process.argv.includes('--http')) {
  const { serveHttp } = await import('./server-http.ts');
  serveHttp(toolbox);
} else await toolbox().connect(sendInTurn(new StdioServerTransport()));
