/**
 * The dashboard of a node at its HTTP door: serves the page, opens a session by the code of a link, and says whose
 * session a request to `/mcp` belongs to. It is there for browsers that come by loopback or by TLS, and for no other.
 */
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { readRequestBody, refuseWith, sendJson } from '../gateway/index.ts';
import type { Credential, DashboardFace, DashboardFaceEvents } from '../gateway/index.ts';
import { DASHBOARD } from '../guard/index.ts';
import { PAGE_PATH, createPageFiles } from './page-files.ts';
import type { PageFiles } from './page-files.ts';
import { createDashboardSessions, isDashboardToken } from './sessions.ts';
import type { DashboardView } from './sessions.ts';

/** Where the page sends the code of its link, and where it says goodbye. */
const SESSION_PATH = `${PAGE_PATH}session`;
const END_PATH = `${PAGE_PATH}end`;
/** The only path that a session is good for. */
const MCP_PATH = '/mcp';
/** A code or a token, and nothing more. */
const BODY_BYTES_MAX = 1024;
const CODE = /^[\w-]{43}$/;

/** Nothing comes from elsewhere, nothing is run that is no file of ours, and nobody may show the page in a frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');
const PAGE_HEADERS = {
  'content-security-policy': POLICY,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), clipboard-read=()',
  'cache-control': 'no-store',
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
const WILDCARDS: readonly string[] = ['0.0.0.0', '[::]'];

/** What the dashboard works with. */
export interface DashboardComponents {
  /** The MCP endpoint; undefined when HTTP is off. */
  endpoint(): string | undefined;
  readonly clock: Clock;
  /** Default: the files that the build left beside the program. */
  readonly files?: PageFiles;
}

/** A link for a person. */
export interface DashboardLinkResult {
  readonly url: string;
  /** Until when it can be opened, ms since the epoch. */
  readonly expiresAt: number;
}

/** The dashboard of one node. */
export interface Dashboard extends DashboardFace {
  /** Makes a link that opens the page once. @throws STARLING_CONFIG_INVALID where no browser could come safely */
  link(): DashboardLinkResult;
  /** Ends all pages, and takes back links; gives how many pages there were. */
  close(): number;
  /** Pages that are open, for the status; nothing where none is. */
  shown(): { readonly dashboards?: readonly DashboardView[] };
}

/** Makes the dashboard; nothing of it runs until a link is asked for. */
export function createDashboard(components: DashboardComponents): Dashboard {
  return new NodeDashboard(components);
}

class NodeDashboard implements Dashboard {
  readonly events = new EventEmitter<DashboardFaceEvents>();
  readonly #components: DashboardComponents;
  readonly #files: PageFiles;
  readonly #sessions: ReturnType<typeof createDashboardSessions>;

  constructor(components: DashboardComponents) {
    this.#components = components;
    this.#files = components.files ?? createPageFiles();
    this.#sessions = createDashboardSessions(components);
    this.#sessions.events.on('ended', (id) => this.events.emit('ended', credentialId(id)));
  }

  link(): DashboardLinkResult {
    const origin = safeOrigin(this.#components.endpoint());
    const { code, expiresAt } = this.#sessions.link();
    return { url: `${origin}${PAGE_PATH}#${code}`, expiresAt };
  }

  close(): number {
    return this.#sessions.close();
  }

  shown(): { readonly dashboards?: readonly DashboardView[] } {
    const dashboards = this.#sessions.list();
    return dashboards.length === 0 ? {} : { dashboards };
  }

  check(token: string, request: IncomingMessage): Credential | undefined {
    if (!isDashboardToken(token) || pathOf(request) !== MCP_PATH) return undefined;
    if (request.method !== 'POST' || !isOwnPage(request)) return undefined;
    const session = this.#sessions.use(token, (id) => cookieIn(request, cookieName(id)));
    if (session === undefined) return undefined;
    const { id, expiresAt } = session;
    return { id: credentialId(id), principal: DASHBOARD, expiresAt };
  }

  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const path = pathOf(request);
    if (path !== PAGE_PATH.slice(0, -1) && !path.startsWith(PAGE_PATH)) return false;
    if (!isSafe(request)) {
      const error = refused('the dashboard is for browsers on this machine, or over TLS');
      refuseWith(response, { status: 403, error });
    } else if (path === SESSION_PATH || path === END_PATH) this.#post(request, response, path);
    else this.#page(request, response, path);
    return true;
  }

  #page(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuseWith(response, {
        status: 405,
        error: wrong('allowed: GET'),
        headers: { allow: 'GET' },
      });
      return;
    }
    if (path === PAGE_PATH.slice(0, -1)) {
      response.writeHead(308, { location: PAGE_PATH, 'cache-control': 'no-store' }).end();
      return;
    }
    if (!this.#files.has(path)) {
      refuseWith(response, { status: 404, error: wrong(`nothing is at ${path.slice(0, 128)}`) });
      return;
    }
    this.#files.read(path).then(
      ({ type, bytes, gzipped }) => {
        const takesGzip = /\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '');
        const body = takesGzip ? gzipped : bytes;
        const coding = takesGzip ? { 'content-encoding': 'gzip' } : {};
        const length = { 'content-length': body.length, vary: 'accept-encoding' };
        response.writeHead(200, { ...PAGE_HEADERS, 'content-type': type, ...coding, ...length });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      (error: unknown) => refuseWith(response, { status: 503, error }),
    );
  }

  #post(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== 'POST') {
      const error = wrong('allowed: POST');
      refuseWith(response, { status: 405, error, headers: { allow: 'POST' } });
      return;
    }
    if (!isOwnPage(request)) {
      refuseWith(response, { status: 403, error: refused('only the page of this node may ask') });
      return;
    }
    readRequestBody(request, BODY_BYTES_MAX, {
      whole: (body) => this.#received(request, response, path, body.toString('utf8')),
      tooLarge: () => refuseWith(response, { status: 413, error: wrong('the body is too long') }),
    });
  }

  /** The body is the code of a link, or the token of the session that ends: a line of text. */
  #received(request: IncomingMessage, response: ServerResponse, path: string, text: string): void {
    if (path === END_PATH) {
      sendJson(response, 200, Buffer.from(JSON.stringify({ ended: this.#sessions.leave(text) })));
      return;
    }
    try {
      if (!CODE.test(text)) throw wrong('the body is no code of a link');
      const from = request.socket.remoteAddress ?? '';
      const { id, token, cookie } = this.#sessions.open(text, from);
      const secure = isEncrypted(request) ? '; Secure' : '';
      const set = `${cookieName(id)}=${cookie}; Path=${MCP_PATH}; HttpOnly; SameSite=Strict${secure}`;
      const body = Buffer.from(JSON.stringify({ token }));
      sendJson(response, 200, body, { 'set-cookie': set });
    } catch (error) {
      const status = error instanceof StarlingError ? error.row.http : 500;
      refuseWith(response, { status, error });
    }
  }
}

/** Where a browser of this machine, or one that checks our certificate, finds the node. @throws STARLING_CONFIG_INVALID */
function safeOrigin(endpoint: string | undefined): string {
  if (endpoint === undefined) {
    throw new StarlingError('STARLING_CONFIG_INVALID', 'this node serves no HTTP, and so no page', {
      hint: 'set http.enabled to true in the config file, or start it without --no-http',
    });
  }
  const url = new URL(endpoint);
  if (url.protocol === 'https:') return url.origin;
  // Whoever listens everywhere listens on loopback, too.
  if (WILDCARDS.includes(url.hostname)) url.hostname = '127.0.0.1';
  if (url.hostname === 'localhost' || isLoopback(url.hostname)) return url.origin;
  throw new StarlingError(
    'STARLING_CONFIG_INVALID',
    `HTTP is on ${url.host} without TLS: anybody on the way could read the page`,
    { hint: 'set http.tls, or http.host to 127.0.0.1, in the config file' },
  );
}

/** What travels is read by nobody on the way. */
function isSafe(request: IncomingMessage): boolean {
  return isEncrypted(request) || isLoopback(request.socket.remoteAddress ?? '');
}

function isEncrypted({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket && socket.encrypted === true;
}

function isLoopback(host: string): boolean {
  const plain = host.replace(/^\[|\]$/g, '').replace(/^::ffff:/i, '');
  const version = isIP(plain);
  return version !== 0 && LOOPBACK.check(plain, version === 4 ? 'ipv4' : 'ipv6');
}

/** Asked by the page that this very server has sent: other origins are refused whatever `http.allowedOrigins` says. */
function isOwnPage(request: IncomingMessage): boolean {
  const { host = '', origin } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  const own = `${isEncrypted(request) ? 'https' : 'http'}://${host.toLowerCase()}`;
  return origin !== undefined && URL.canParse(own) && new URL(own).origin === origin;
}

function cookieName(id: string): string {
  return `starling-dashboard-${id}`;
}

function cookieIn(request: IncomingMessage, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split('; ');
  const found = pairs.find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

function credentialId(id: string): string {
  return `dashboard:${id}`;
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

function wrong(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what);
}

function refused(what: string): StarlingError {
  return new StarlingError('STARLING_UNAUTHORIZED', what, {
    hint: 'open the link that this prints: starling dashboard',
  });
}
