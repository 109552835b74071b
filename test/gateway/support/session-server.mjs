/**
 * An MCP server without any library that remembers its session and asks its client things. The
 * environment says which eras it speaks: ERAS is `legacy`, `modern` or `both` (the default); CRASH_FILE
 * names a file that keeps the server from starting while the file is there; LISTEN_ERROR is the code by
 * which it refuses `subscriptions/listen`; NO_SUBSCRIBE makes it refuse `resources/subscribe`; DEAF_FILE names a file by
 * which it gives no answer to `server/discover` once, and which it removes then.
 */
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

if (existsSync(process.env.CRASH_FILE ?? '')) process.exit(9);

const META = 'io.modelcontextprotocol/';
const eras = process.env.ERAS ?? 'both';
const send = (message) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const reply = (id, result) => send({ id, result });
const refuse = (id, code, message) => send({ id, error: { code, message } });
const text = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

const NAMES = ['whoami', 'ask', 'log', 'touch', 'add_tool', 'crash', 'hang', 'cancelled'];
const tools = NAMES.map((name) => ({ name, inputSchema: { type: 'object' } }));
tools.push({
  name: 'region',
  inputSchema: {
    type: 'object',
    properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
  },
});
const session = { initialize: {}, level: null, subscribed: [], notified: [] };
const cancelled = [];
/** Names of the tools that were called, and how often somebody listened or subscribed. */
const seen = { called: [], listens: 0, subscribes: 0 };
const waiting = new Map();
let listening;
let questions = 0;

/** Asks the client; resolves with its whole answer. */
function ask(method, params) {
  questions += 1;
  const id = `q${questions}`;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    send({ id, method, params });
  });
}

const metaOf = (params) => params?._meta ?? {};
const isModern = (params) =>
  session.initialize.protocolVersion === undefined &&
  eras !== 'legacy' &&
  `${META}protocolVersion` in metaOf(params);
const complete = (params, result) =>
  isModern(params) ? { resultType: 'complete', ...result } : result;

function changed(method, params = {}) {
  // A modern server says nothing to whom does not listen.
  if (listening === undefined && eras === 'modern') return;
  if (listening === undefined) send({ method, params });
  else send({ method, params: { ...params, _meta: { [`${META}subscriptionId`]: listening } } });
}

const calls = {
  whoami: (_, params) => {
    const meta = isModern(params) ? metaOf(params) : {};
    return {
      pid: process.pid,
      era: isModern(params) ? 'modern' : 'legacy',
      capabilities: meta[`${META}clientCapabilities`] ?? session.initialize.capabilities ?? null,
      clientInfo: meta[`${META}clientInfo`] ?? session.initialize.clientInfo ?? null,
      logLevel: meta[`${META}logLevel`] ?? session.level,
      subscribed: session.subscribed,
      notified: session.notified,
    };
  },
  async ask({ requests, impatient, hang }) {
    const asking = Promise.all(requests.map(({ method, params }) => ask(method, params)));
    if (impatient) {
      await once(process, 'SIGUSR2');
      return 'never mind';
    }
    const answers = await asking;
    if (hang) await new Promise(() => undefined);
    return answers.map(({ result, error }) => result ?? { error });
  },
  log: ({ level, data }) => {
    send({ method: 'notifications/message', params: { level, data } });
    return 'logged';
  },
  region: ({ region }) => region ?? 'none',
  touch: ({ uri }) => {
    changed('notifications/resources/updated', { uri });
    return 'touched';
  },
  add_tool: ({ name }) => {
    tools.push({ name, inputSchema: { type: 'object' } });
    changed('notifications/tools/list_changed');
    return 'added';
  },
  crash: () => process.exit(9),
  cancelled: () => cancelled,
  seen: () => seen,
  unlisten: () => {
    if (listening !== undefined) reply(listening, { resultType: 'complete' });
    listening = undefined;
    session.subscribed = [];
    return 'ended';
  },
};

/** A modern call that needs input says so, and hears it in the retry. */
function inputOf(params) {
  const { requests, rounds = 1 } = params.arguments ?? {};
  const round = Number(params.requestState?.split(' ')[1] ?? 0);
  const heard = JSON.parse(params.requestState?.split(' ')[2] ?? '[]');
  if (round > 0) heard.push(...Object.values(params.inputResponses ?? {}));
  if (round >= rounds) return { resultType: 'complete', ...text(heard) };
  return {
    resultType: 'input_required',
    inputRequests: Object.fromEntries(requests.map((one, index) => [`in${index}`, one])),
    requestState: `state ${round + 1} ${JSON.stringify(heard)}`,
  };
}

async function call(id, params) {
  seen.called.push(params.name);
  if (params.name === 'hang') return;
  if (params.name === 'ask' && isModern(params)) {
    reply(id, inputOf(params));
    return;
  }
  const run = calls[params.name];
  const result = run ? await run(params.arguments ?? {}, params) : `called ${params.name}`;
  reply(id, complete(params, text(result)));
}

const capabilities = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: {},
  completions: {},
  logging: {},
};
const serverInfo = { name: 'session fixture', version: '1.0.0' };

const handlers = {
  initialize(id, params) {
    if (eras === 'modern') return refuse(id, -32601, 'no such method');
    session.initialize = params;
    return reply(id, { protocolVersion: params.protocolVersion, capabilities, serverInfo });
  },
  'server/discover'(id) {
    const deaf = process.env.DEAF_FILE ?? '';
    if (existsSync(deaf)) return rmSync(deaf);
    return eras === 'legacy'
      ? refuse(id, -32601, 'no such method')
      : reply(id, { supportedVersions: ['2026-07-28'], capabilities, serverInfo });
  },
  'subscriptions/listen'(id, params) {
    seen.listens += 1;
    const refusal = Number(process.env.LISTEN_ERROR ?? 0);
    if (refusal !== 0) {
      refuse(id, refusal, 'no subscriptions');
      return;
    }
    listening = id;
    session.subscribed = params.notifications.resourceSubscriptions ?? [];
    const _meta = { [`${META}subscriptionId`]: id };
    const { notifications } = params;
    send({ method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications } });
  },
  ping: (id) => reply(id, {}),
  'tools/list': (id, params) => reply(id, complete(params, { tools })),
  'tools/call': call,
  'resources/list': (id, params) =>
    reply(id, complete(params, { resources: [{ uri: 'note://one', name: 'one' }] })),
  'resources/templates/list': (id, params) =>
    reply(id, complete(params, { resourceTemplates: [{ uriTemplate: 'note://{id}', name: 'n' }] })),
  'resources/read'(id, params) {
    if (params.uri === 'note://missing') return refuse(id, isModern(params) ? -32602 : -32002, '?');
    return reply(id, complete(params, { contents: [{ uri: params.uri, text: params.uri }] }));
  },
  'resources/subscribe'(id, { uri }) {
    seen.subscribes += 1;
    if (process.env.NO_SUBSCRIBE) {
      refuse(id, -32602, 'no such resource');
      return;
    }
    session.subscribed.push(uri);
    reply(id, {});
  },
  'resources/unsubscribe'(id, { uri }) {
    session.subscribed = session.subscribed.filter((one) => one !== uri);
    reply(id, {});
  },
  'prompts/list': (id, params) => reply(id, complete(params, { prompts: [{ name: 'sum up' }] })),
  'prompts/get': (id, params) =>
    reply(id, complete(params, { description: params.name, messages: [] })),
  'completion/complete': (id, params) =>
    reply(id, complete(params, { completion: { values: [JSON.stringify(params.ref)] } })),
  'logging/setLevel'(id, { level }) {
    session.level = level;
    reply(id, {});
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params = {}, ...answer } = JSON.parse(line);
  if (method === undefined) {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  } else if (method === 'notifications/cancelled') cancelled.push(params.requestId);
  else if (id === undefined) session.notified.push(method);
  // As servers of Python's SDK (mcp 2.3) do.
  else if (
    session.initialize.protocolVersion !== undefined &&
    `${META}protocolVersion` in metaOf(params)
  )
    refuse(id, -32600, 'this connection serves the handshake protocol era');
  else if (handlers[method]) void handlers[method](id, params);
  else refuse(id, -32601, `no method ${method}`);
});
