/**
 * The official clients of both eras behind one face: what a test asks of them, what servers asked them,
 * and what they heard. The first line of the SDK speaks the legacy era, the second the modern one.
 */
import { readFile } from 'node:fs/promises';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import type { NodeProcess } from '../../sim/process.ts';
import { CLI } from './support.ts';
import { sessionFetch } from '../../sim/session-fetch.ts';

/** Which line of the SDK, and so which era. */
export type Era = 'legacy' | 'modern';
/** How a client attaches. */
export type Way = 'stdio' | 'http';

export type Params = Readonly<Record<string, unknown>>;

/** A JSON-RPC message's method and params. */
export interface Said {
  readonly method: string;
  readonly params: Params;
}

/** What goes with one request. */
export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly onprogress?: (progress: { readonly progress: number }) => void;
}

/** An attached client. */
export interface Caller {
  readonly era: Era;
  /** What servers asked it, in order. */
  readonly asked: Said[];
  /** Notifications that reached it, in order; the SDK shows none of progress once the answer is there. */
  readonly heard: Said[];
  /** Sends a request; the result, with all the fields that the SDK lets through. */
  ask(method: string, params?: Params, options?: AskOptions): Promise<Params>;
  /** Subscribes in the manner of the era; resolves when that is in force. Returns how to end it. */
  /** Lists, then calls, as the SDK does it for an agent: with what the tool's definition asks for. */
  callTool(name: string, args: Params): Promise<Params>;
  subscribe(uri: string): Promise<() => Promise<unknown>>;
  /** Hears of changed lists from now on. */
  watchLists(): Promise<void>;
  close(): Promise<void>;
}

const ANYTHING = z.looseObject({});
const INFO = { name: 'starling-e2e', version: '1.0.0' };
/** What the clients let servers ask them. */
const CAPABILITIES = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
};
/** The answers that the clients give. */
export const ANSWERS = {
  model: 'a model said so',
  root: 'file:///home/caller/project',
  form: { username: 'ann', email: 'ann@example.com', name: 'Ann', color: 'green', ok: true },
};

const answers = {
  sampling: () => ({
    role: 'assistant' as const,
    model: 'test-model',
    content: { type: 'text' as const, text: ANSWERS.model },
  }),
  elicitation: (params: Params) =>
    params['mode'] === 'url'
      ? { action: 'accept' as const }
      : { action: 'accept' as const, content: ANSWERS.form },
  roots: () => ({ roots: [{ uri: ANSWERS.root, name: 'project' }] }),
};

/** Where and how to attach. */
export interface CallerInit {
  readonly era: Era;
  readonly way: Way;
  /** What follows the address of the HTTP endpoint. */
  readonly path?: string;
  /** Instead of the node's own: an API key. */
  readonly token?: string;
  /** What servers may ask; default everything. */
  readonly capabilities?: object;
}

/** The bearer token of a node. */
export async function tokenOf(node: NodeProcess): Promise<string> {
  return (await readFile(node.up.endpoints.tokenFile, 'utf8')).trim();
}

/** Attaches a client to `node`. */
export async function attach(node: NodeProcess, init: CallerInit): Promise<Caller> {
  const headers = { authorization: `Bearer ${init.token ?? (await tokenOf(node))}` };
  const url = new URL(`${node.up.endpoints.url}${init.path ?? ''}`);
  const command = {
    command: process.execPath,
    args: [CLI, 'mcp', '--state', node.stateDir],
    // Tests end nodes under their clients, who then say so.
    stderr: 'ignore' as const,
  };
  const { era, way } = init;
  const capabilities = init.capabilities ?? CAPABILITIES;
  if (era === 'legacy') {
    const transport =
      way === 'stdio'
        ? new LegacyStdio(command)
        : new LegacyHttp(url, { requestInit: { headers }, fetch: sessionFetch });
    return legacyCaller(transport, capabilities);
  }
  const transport =
    way === 'stdio'
      ? new ModernStdio(command)
      : new ModernHttp(url, { requestInit: { headers }, fetch: sessionFetch });
  return modernCaller(transport, capabilities);
}

interface Tapped {
  readonly onmessage?: ((this: void, message: never, extra?: never) => void) | undefined;
}

/** Notes each notification as it comes, before the client deals with it. */
function tap(transport: Tapped, heard: Said[]): void {
  const { onmessage: deal } = transport;
  const onmessage = (message: never, extra?: never): void => {
    const { id, method, params } = message as { id?: unknown; method?: string; params?: Params };
    if (id === undefined && method !== undefined) heard.push({ method, params: params ?? {} });
    deal?.(message, extra);
  };
  Object.assign(transport, { onmessage });
}

async function legacyCaller(
  transport: Parameters<LegacyClient['connect']>[0],
  capabilities: object,
): Promise<Caller> {
  const client = new LegacyClient(INFO, { capabilities });
  const asked: Said[] = [];
  const heard: Said[] = [];
  const note = ({ method, params }: { method: string; params?: unknown }): Params => {
    const said = { method, params: (params ?? {}) as Params };
    asked.push(said);
    return said.params;
  };
  if ('sampling' in capabilities) {
    client.setRequestHandler(CreateMessageRequestSchema, (request) => {
      note(request);
      return answers.sampling();
    });
    client.setRequestHandler(ElicitRequestSchema, (request) => answers.elicitation(note(request)));
    client.setRequestHandler(ListRootsRequestSchema, (request) => {
      note(request);
      return answers.roots();
    });
  }
  await client.connect(transport);
  tap(transport, heard);
  const ask: Caller['ask'] = (method, params = {}, options) =>
    client.request({ method, params }, ANYTHING, options);
  return {
    era: 'legacy',
    asked,
    heard,
    ask,
    async callTool(name, args) {
      await client.listTools();
      return client.callTool({ name, arguments: args });
    },
    async subscribe(uri) {
      await ask('resources/subscribe', { uri });
      return () => ask('resources/unsubscribe', { uri });
    },
    watchLists: async () => undefined,
    close: () => client.close(),
  };
}

async function modernCaller(
  transport: Parameters<ModernClient['connect']>[0],
  capabilities: object,
): Promise<Caller> {
  const client = new ModernClient(INFO, {
    capabilities,
    versionNegotiation: { mode: { pin: '2026-07-28' } },
  });
  const asked: Said[] = [];
  const heard: Said[] = [];
  const note = ({ method, params }: { method: string; params?: unknown }): Params => {
    const said = { method, params: (params ?? {}) as Params };
    asked.push(said);
    return said.params;
  };
  if ('sampling' in capabilities) {
    client.setRequestHandler('sampling/createMessage', (request) => {
      note(request);
      return answers.sampling();
    });
    client.setRequestHandler('elicitation/create', (request) => answers.elicitation(note(request)));
    client.setRequestHandler('roots/list', (request) => {
      note(request);
      return answers.roots();
    });
  }
  await client.connect(transport);
  tap(transport, heard);
  return {
    era: 'modern',
    asked,
    heard,
    ask: (method, params = {}, options) => client.request({ method, params }, ANYTHING, options),
    async callTool(name, args) {
      await client.listTools();
      return { ...(await client.callTool({ name, arguments: args })) };
    },
    async subscribe(uri) {
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      return () => subscription.close();
    },
    async watchLists() {
      await client.listen({
        toolsListChanged: true,
        promptsListChanged: true,
        resourcesListChanged: true,
      });
    },
    close: () => client.close(),
  };
}
