/**
 * One MCP server without any library, over every kind of transport that an upstream may have:
 *   node upstream-server.mjs <stdio|http|sse> <legacy|modern> [port]
 * A server at a URL writes `port <n>` when it listens, and tells at /state what it has open.
 */
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const [, , transport = 'stdio', era = 'legacy', port = '0'] = process.argv;
const META = 'io.modelcontextprotocol/';
const isModern = era === 'modern';
const NAMES = ['echo', 'steps', 'hang', 'ask', 'add_tool', 'crash', 'garbage', 'big', 'cancelled'];
const tools = NAMES.map((name) => ({ name, inputSchema: { type: 'object' } }));
let cancelled = 0;
/** Hear of changes: legacy sessions, and listeners of the modern era. */
const followers = new Set();

const text = (value) => ({
  ...(isModern ? { resultType: 'complete' } : {}),
  content: [{ type: 'text', text: JSON.stringify(value) }],
});
const capabilities = { tools: { listChanged: true } };
const serverInfo = { name: 'compliance', version: '1.0.0' };

/** A client's session: `own` writes to the stream that belongs to no request. */
function createSession(own) {
  const session = { own, waiting: new Map(), questions: 0, calls: new Map() };
  followers.add(session);
  return session;
}

/** A question to the client, on the stream of the call that asks it. */
function ask(session, out, method, params) {
  session.questions += 1;
  const id = `q${session.questions}`;
  return new Promise((resolve) => {
    session.waiting.set(id, resolve);
    out({ id, method, params });
  });
}

const calls = {
  echo: ({ text: said }) => said,
  steps(_, { params, out }) {
    for (const progress of [1, 2, 3]) {
      const { progressToken } = params._meta;
      out({ method: 'notifications/progress', params: { progressToken, progress, total: 3 } });
    }
    return 'done';
  },
  hang: () => new Promise(() => undefined),
  ask: async ({ method, params }, { session, out }) =>
    (await ask(session, out, method, params)).result,
  add_tool({ name }) {
    tools.push({ name, inputSchema: { type: 'object' } });
    for (const { own, listening } of followers) {
      const meta = listening && { _meta: { [`${META}subscriptionId`]: listening } };
      own({ method: 'notifications/tools/list_changed', params: { ...meta } });
    }
    return 'added';
  },
  crash: () => process.exit(9),
  garbage(_, { raw }) {
    raw('this is no message');
    raw('{"jsonrpc":"1.0"}');
    return 'and yet';
  },
  big: ({ bytes }) => 'x'.repeat(bytes),
  cancelled: () => cancelled,
};

async function call(message, way) {
  const { name, arguments: args = {} } = message.params;
  if (name === 'ask' && isModern && message.params.inputResponses === undefined) {
    const inputRequests = { one: { method: args.method, params: args.params } };
    return { resultType: 'input_required', inputRequests, requestState: 'one' };
  }
  if (name === 'ask' && isModern) return text(message.params.inputResponses.one);
  const run = calls[name] ?? (() => `called ${name}`);
  return text(await run(args, { ...way, params: message.params }));
}

const methods = {
  initialize: ({ params }) =>
    isModern ? undefined : { protocolVersion: params.protocolVersion, capabilities, serverInfo },
  'server/discover': () =>
    isModern ? { supportedVersions: ['2026-07-28'], capabilities, serverInfo } : undefined,
  ping: () => ({}),
  'tools/list': () => ({ ...(isModern ? { resultType: 'complete' } : {}), tools }),
  'tools/call': call,
};

/** Takes one message; `way` says how what belongs to it is written, and is ended with the answer. */
async function take(message, way) {
  const { id, method, params = {} } = message;
  if (method === undefined) {
    way.session.waiting.get(id)?.(message);
    return;
  }
  if (method === 'notifications/cancelled') {
    cancelled += 1;
    way.session.calls.get(params.requestId)?.();
  }
  if (id === undefined) return;
  if (method === 'subscriptions/listen') {
    const follower = { own: way.out, listening: id };
    followers.add(follower);
    way.closed(() => followers.delete(follower));
    const _meta = { [`${META}subscriptionId`]: id };
    way.out({ method: 'notifications/subscriptions/acknowledged', params: { _meta } });
    return;
  }
  way.session.calls.set(id, () => way.end?.());
  const result = await methods[method]?.({ params }, way);
  way.session.calls.delete(id);
  if (result === undefined) way.out({ id, error: { code: -32601, message: `no ${method}` } });
  else way.out({ id, result });
  way.end?.();
}

const written = (message) => JSON.stringify({ jsonrpc: '2.0', ...message });

function serveStdio() {
  const raw = (line) => process.stdout.write(`${line}\n`);
  const out = (message) => raw(written(message));
  const session = createSession(isModern ? () => undefined : out);
  const way = { session, out, raw, closed: () => undefined };
  createInterface({ input: process.stdin }).on('line', (line) => void take(JSON.parse(line), way));
}

const sessions = new Map();
let lastSession = 0;
const nextId = () => `session-${(lastSession += 1)}`;
const streams = new Set();

/** Makes an event stream of `response`. */
function streamOf(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  streams.add(response);
  response.on('close', () => streams.delete(response));
  const raw = (data) => response.write(`data: ${data}\n\n`);
  return { raw, out: (message) => raw(written(message)) };
}

function bodyOf(request) {
  return new Promise((resolve) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString('utf8'))));
  });
}

const json = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

async function serveStreamable(request, response) {
  const key = request.headers['mcp-session-id'];
  const known = sessions.get(key);
  if (request.method === 'DELETE') {
    followers.delete(known);
    response.writeHead(sessions.delete(key) ? 204 : 404).end();
  } else if (request.method === 'GET') {
    if (isModern || known === undefined) response.writeHead(isModern ? 405 : 404).end();
    else known.own = streamOf(response).out;
  } else {
    const message = await bodyOf(request);
    if (isModern) serveModern(message, response);
    else if (message.method === 'initialize') {
      const session = createSession(() => undefined);
      const id = nextId();
      sessions.set(id, session);
      const out = (answer) =>
        json(response, 200, JSON.parse(written(answer)), { 'mcp-session-id': id });
      void take(message, { session, out });
    } else if (key === undefined) {
      json(response, 400, {
        jsonrpc: '2.0',
        id: message.id ?? null,
        error: { code: -32600, message: 'no' },
      });
    } else if (known === undefined) response.writeHead(404).end();
    else if (message.id === undefined || message.method === undefined) {
      response.writeHead(202).end();
      void take(message, { session: known });
    } else {
      const end = () => response.end();
      void take(message, { session: known, ...streamOf(response), end });
    }
  }
}

/** In the modern era each request is for itself, and the end of its stream cancels it. */
function serveModern(message, response) {
  const session = { waiting: new Map(), calls: new Map(), questions: 0 };
  if (message.method === 'initialize') {
    json(response, 200, { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no' } });
    return;
  }
  let isOver = false;
  const listens = message.method === 'subscriptions/listen';
  response.on('close', () => {
    if (!isOver && !listens) cancelled += 1;
  });
  void take(message, {
    session,
    ...streamOf(response),
    closed: (gone) => response.on('close', gone),
    end() {
      isOver = true;
      response.end();
    },
  });
}

async function serveSse(request, response, url) {
  if (request.method === 'GET') {
    const { out, raw } = streamOf(response);
    const session = createSession(out);
    const id = nextId();
    sessions.set(id, { session, out, raw });
    response.on('close', () => {
      sessions.delete(id);
      followers.delete(session);
    });
    response.write(`event: endpoint\ndata: /messages?session=${id}\n\n`);
    return;
  }
  const way = sessions.get(url.searchParams.get('session'));
  const message = await bodyOf(request);
  response.writeHead(way === undefined ? 404 : 202).end();
  if (way !== undefined) void take(message, way);
}

function serveUrl() {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    if (url.pathname === '/state') {
      json(response, 200, { sessions: sessions.size, streams: streams.size, cancelled });
    } else if (transport === 'sse') void serveSse(request, response, url);
    else void serveStreamable(request, response);
  });
  server.listen(Number(port), '127.0.0.1', () =>
    process.stdout.write(`port ${server.address().port}\n`),
  );
}

if (transport === 'stdio') serveStdio();
else serveUrl();
