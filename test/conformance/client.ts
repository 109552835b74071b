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
import type { McpLoginResult, StatusResult } from '../../src/builtin/results.ts';
import { attach as attachOperator } from '../../src/cli/node/client.ts';
import type { NodeClient } from '../../src/cli/node/client.ts';
import type { UpstreamStatus } from '../../src/gateway/types.ts';
import { sessionFetch } from '../../sim/session-fetch.ts';

const START_TIMEOUT_MS = 15_000;
const DEADLINE_MS = 25_000;
const STEP_TIMEOUT_MS = 5_000;
const POLL_MS = 50;
/** A person would not agree more often, either. */
const LOGINS_MAX = 2;
const UPSTREAM = 'upstream';
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
async function browse(address: string): Promise<void> {
  const response = await fetch(address, { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) });
  await response.text();
}

/** Logs the node in, as its operator does who reads its hint. @throws why it can't be */
async function logIn(operator: NodeClient): Promise<void> {
  const login = await operator.builtin<McpLoginResult>('mcp_login', { server: UPSTREAM });
  if (login.url === undefined) return;
  await browse(login.url);
  const { state } = await operator.builtin<McpLoginResult>('mcp_login', {
    server: UPSTREAM,
    id: login.id,
    timeout_s: STEP_TIMEOUT_MS / 1000,
  });
  if (state !== 'done') throw new Error('nobody came back from the login');
}

/** What the operator reads about the upstream, once it is known how it is. */
async function upstreamStatus(operator: NodeClient, before?: string): Promise<UpstreamStatus> {
  const until = performance.now() + STEP_TIMEOUT_MS;
  for (;;) {
    const { upstreams } = await operator.builtin<StatusResult>('status');
    const status = upstreams.find(({ server }) => server === UPSTREAM);
    if (status === undefined) throw new Error('the node has lost its upstream');
    const isNews = status.state === 'failed' && status.error !== before;
    const isSettled = isNews || status.state === 'ready' || status.state === 'idle';
    if (isSettled || performance.now() > until) return status;
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

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
    return answer('requestedSchema' in params ? params.requestedSchema : {});
  });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${endpoint.url}/${UPSTREAM}`), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      fetch: sessionFetch,
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

/** Does everything, and logs in and starts over when the node says that it needs a login. */
async function drive(node: NodeProcess, operator: NodeClient): Promise<void> {
  let error: string | undefined;
  for (let logins = 0; ; logins += 1) {
    const status = await upstreamStatus(operator, error);
    ({ error } = status);
    const needed = needsLogin(`${status.error} ${status.hint}`) ? status.error : await tryAll(node);
    if (needed === undefined) return;
    if (logins === LOGINS_MAX) throw new Error(needed);
    await logIn(operator);
  }
}

/** Why a login is needed; undefined when all was done. */
async function tryAll(node: NodeProcess): Promise<string | undefined> {
  const client = await attach(node);
  try {
    await callTools(client);
    if (scenario === 'http-standard-headers') await readEverything(client);
    return undefined;
  } catch (error) {
    if (needsLogin(String(error))) return String(error);
    throw error;
  } finally {
    await client.close();
  }
}

function needsLogin(text: string): boolean {
  return text.includes(`starling mcp login ${UPSTREAM}`);
}

const root = await mkdtemp(join(tmpdir(), 'starling-conformance-client-'));
const node = await startProcess({
  cli,
  root,
  name: 'client',
  args: ['--no-mdns'],
  timeoutMs: START_TIMEOUT_MS,
  config: { mcpServers: { [UPSTREAM]: { type: 'http', url, ...oauthConfig() } } },
});
const deadline = setTimeout(() => {
  node.child.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
  process.stderr.write(`not done in ${DEADLINE_MS} ms\n${node.log().slice(-1000)}\n`);
  process.exit(1);
}, DEADLINE_MS);
const operator = await attachOperator(node.stateDir);
try {
  await drive(node, operator);
} catch (error) {
  process.stderr.write(`${String(error)}\n${node.log().slice(-1000)}\n`);
  process.exitCode = 1;
} finally {
  clearTimeout(deadline);
  operator.close();
  await node.stop();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}
