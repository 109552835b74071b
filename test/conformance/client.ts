/**
 * The client that the conformance suite starts for a client scenario, with the address of the server
 * that it plays: a node with this server as its upstream, and the official client attached to that
 * node, which does what the scenario wants to see. So it is the node's upstream side that is judged.
 */
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { ElicitResult, Tool } from '@modelcontextprotocol/client';
import { startProcess } from '../../sim/process.ts';
import type { NodeProcess } from '../../sim/process.ts';

const START_TIMEOUT_MS = 15_000;
const DEADLINE_MS = 25_000;
const BROWSER_TIMEOUT_MS = 5_000;
/** What `auth/basic-cimd` expects as the id of a client that describes itself at a URL. */
const CLIENT_METADATA_URL = 'https://conformance-test.local/client-metadata.json';

type Arguments = Record<string, unknown>;

interface Context {
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: Arguments }[];
  readonly client_id?: string;
  readonly client_secret?: string;
}

const [, , cli = '', url = ''] = process.argv;
const {
  MCP_CONFORMANCE_SCENARIO: scenario = '',
  MCP_CONFORMANCE_PROTOCOL_VERSION: revision = '2025-11-25',
  MCP_CONFORMANCE_CONTEXT: contextText = '{}',
} = process.env;
const context = JSON.parse(contextText) as Context;

/** A value that a JSON Schema describes: its default where it has one. */
function sample(schema: unknown): unknown {
  const { type, default: preset, enum: values } = (schema ?? {}) as Arguments;
  if (preset !== undefined) return preset;
  if (Array.isArray(values)) return values[0];
  if (type === 'number' || type === 'integer') return 2;
  if (type === 'boolean') return true;
  if (type === 'array') return [];
  if (type === 'object') return {};
  if (type === 'null') return null;
  return 'text';
}

function sampleAll(schema: unknown): Arguments {
  const { properties } = (schema ?? {}) as { properties?: Arguments };
  return Object.fromEntries(
    Object.entries(properties ?? {}).map(([name, property]) => [name, sample(property)]),
  );
}

function answer(schema: unknown): ElicitResult {
  return { action: 'accept', content: sampleAll(schema) as NonNullable<ElicitResult['content']> };
}

/** The `oauth` key of the upstream's config. */
function oauthConfig(): Arguments {
  if (!scenario.startsWith('auth/')) return {};
  const clientId = scenario === 'auth/basic-cimd' ? CLIENT_METADATA_URL : context.client_id;
  return {
    oauth: {
      ...(scenario === 'auth/client-credentials-basic' && { grant: 'client_credentials' }),
      ...(clientId !== undefined && { clientId }),
      ...(context.client_secret !== undefined && { clientSecret: context.client_secret }),
    },
  };
}

/** Goes, like a user's browser, where the node says that access is granted. */
async function browse(text: string): Promise<boolean> {
  const address = /https?:\/\/[^\s"'\\]*[?&]response_type=code[^\s"'\\]*/.exec(text)?.[0];
  if (address === undefined) return false;
  const response = await fetch(address, { signal: AbortSignal.timeout(BROWSER_TIMEOUT_MS) });
  await response.text();
  return true;
}

const onLog = (line: string): void => {
  void browse(line).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
};

async function attach(node: NodeProcess): Promise<Client> {
  const endpoint = node.up.endpoints;
  const token = (await readFile(endpoint.tokenFile, 'utf8')).trim();
  const client = new Client(
    { name: 'starling-conformance', version: '1.0.0' },
    {
      capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
      versionNegotiation: {
        mode: revision === '2026-07-28' ? { pin: '2026-07-28' } : 'legacy',
      },
    },
  );
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    if ('url' in params) await browse(params.url);
    return answer('requestedSchema' in params ? params.requestedSchema : {});
  });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${endpoint.url}/upstream`), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  );
  return client;
}

async function callTools(client: Client): Promise<void> {
  // The node must leave out what is malformed; `listTools` would do so in its stead.
  const { tools } =
    scenario === 'http-invalid-tool-headers'
      ? await client.request({ method: 'tools/list' })
      : await client.listTools();
  if (scenario === 'json-schema-ref-no-deref') return;
  for (const tool of tools) await callTool(client, tool, tools);
}

async function callTool(client: Client, tool: Tool, all: readonly Tool[]): Promise<void> {
  const given = context.toolCalls?.find((call) => call.name === tool.name)?.arguments;
  const observed = all.find((other) => other.name === 'json_schema_2020_12_tool');
  const args =
    tool.name === 'json_schema_echo'
      ? { schema: observed?.inputSchema }
      : sampleAll(tool.inputSchema);
  if (scenario === 'json-schema-2020-12-preservation' && tool.name !== 'json_schema_echo') return;
  await client.callTool({ name: tool.name, arguments: given ?? args });
}

async function readEverything(client: Client): Promise<void> {
  for (const { uri } of (await client.listResources()).resources)
    await client.readResource({ uri });
  for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
}

async function drive(node: NodeProcess): Promise<void> {
  const client = await attach(node);
  await callTools(client);
  if (scenario === 'http-standard-headers') await readEverything(client);
  await client.close();
}

const root = await mkdtemp(join(tmpdir(), 'starling-conformance-client-'));
const node = await startProcess({
  cli,
  root,
  name: 'client',
  args: ['--no-mdns'],
  onLog,
  timeoutMs: START_TIMEOUT_MS,
  config: { mcpServers: { upstream: { type: 'http', url, ...oauthConfig() } } },
});
const deadline = setTimeout(() => {
  node.child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
  process.stderr.write(`not done in ${DEADLINE_MS} ms\n${node.log().slice(-1000)}\n`);
  process.exit(1);
}, DEADLINE_MS);
try {
  await drive(node);
} catch (error) {
  process.stderr.write(`${String(error)}\n${node.log().slice(-1000)}\n`);
  process.exitCode = 1;
} finally {
  clearTimeout(deadline);
  await node.stop();
  await rm(root, { recursive: true, force: true });
}
