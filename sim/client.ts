/** The official SDK's client, attached to a node by HTTP or by `starling mcp` on stdio. */
import { readFile } from 'node:fs/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { sessionFetch } from './session-fetch.ts';
import { sendInTurn } from './send-in-turn.ts';

const INFO = { name: 'starling-sim', version: '1.0.0' };

/** Attaches over Streamable HTTP with the token from the node's state folder. */
export async function connectHttp(endpoint: {
  readonly url: string;
  readonly tokenFile: string;
}): Promise<Client> {
  const token = (await readFile(endpoint.tokenFile, 'utf8')).trim();
  const transport = new StreamableHTTPClientTransport(new URL(endpoint.url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
    fetch: sessionFetch,
  });
  return connect(transport);
}

/**
 * Attaches over stdio, as an MCP client's config `{"command":"starling","args":["mcp"]}` does. What the command
 * says on standard error, e.g. that its node has ended, is shown unless `stderr` says otherwise.
 */
export function connectStdio(
  cli: string,
  stateDir: string,
  stderr: 'inherit' | 'ignore' = 'inherit',
): Promise<Client> {
  return connect(
    sendInTurn(
      new StdioClientTransport({
        command: process.execPath,
        args: [cli, 'mcp', '--state', stateDir],
        stderr,
      }),
    ),
  );
}

/** Connects an SDK client over any transport. */
export async function connect(transport: Transport): Promise<Client> {
  const client = new Client(INFO);
  await client.connect(transport);
  return client;
}

/** The text of a tool's result. */
export function textOf(result: unknown): string {
  const { content } = result as { content?: readonly { type: string; text?: string }[] };
  return (content ?? []).map((part) => part.text ?? `[${part.type}]`).join('\n');
}
