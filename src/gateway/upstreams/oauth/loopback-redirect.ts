/**
 * Where a browser comes back to after a login: one address on this machine's loopback (RFC 8252
 * §7.3), open for one answer to one question and for a few minutes. Whoever does not know the
 * question's `state` is turned away and changes nothing.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { StarlingError } from '../../../core/index.ts';
import type { Clock } from '../../../core/index.ts';

const HOST = '127.0.0.1';
const PATH = '/callback';
const CONNECTIONS_MAX = 16;
const VALUE_LENGTH_MAX = 4096;
/** Names of errors (RFC 6749 §4.1.2.1). */
const ERROR_NAME = /^[a-z_]{1,64}$/;

/** What the authorization server sends back with the browser. */
export interface LoopbackAnswer {
  readonly code: string;
  /** Who says to have answered (RFC 9207). */
  readonly issuer: string | undefined;
}

/** The open address. */
export interface Loopback {
  readonly port: number;
  readonly redirectUrl: string;
  /**
   * Resolves with the one answer. @throws STARLING_UPSTREAM_UNAVAILABLE when the login was refused,
   * STARLING_TIMEOUT when nobody came, or what `close` was called with
   */
  readonly answer: Promise<LoopbackAnswer>;
  close(why: StarlingError): void;
}

/**
 * Opens the address. `port`: the one to take when it is free; with `isFixedPort` no other will do.
 * `state`: a secret that the answer must bring back.
 * @throws STARLING_LISTEN_FAILED when the fixed port is taken
 */
export async function openLoopback(
  components: { readonly clock: Clock },
  init: {
    readonly state: string;
    readonly timeoutMs: number;
    readonly title: string;
    readonly port?: number;
    readonly isFixedPort?: boolean;
  },
): Promise<Loopback> {
  const server = createServer();
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listen(server, init.port, init.isFixedPort === true);
  let close: (why: StarlingError) => void = () => undefined;
  const answer = new Promise<LoopbackAnswer>((resolve, reject) => {
    let over = false;
    const finish = (settle: () => void): void => {
      if (over) return;
      over = true;
      cancelTimer();
      server.close();
      settle();
    };
    close = (why) => {
      finish(() => reject(why));
      server.closeAllConnections();
    };
    const cancelTimer = components.clock.schedule(init.timeoutMs, () => close(late(init)));
    server.on('request', (request, response) => {
      const query = queryOf(request, port);
      if (over || query === undefined || !isSame(query.get('state'), init.state)) {
        reply(response, 400, 'This is not the login that Starling waits for.');
        return;
      }
      finish(() => take(query, response, init.title, resolve, reject));
    });
  });
  // Who waits for the answer hears why there is none; nobody waits for a login that never began.
  answer.catch(() => undefined);
  return { port, redirectUrl: `http://${HOST}:${port}${PATH}`, answer, close };
}

function take(
  query: URLSearchParams,
  response: ServerResponse,
  title: string,
  resolve: (answer: LoopbackAnswer) => void,
  reject: (error: StarlingError) => void,
): void {
  const code = query.get('code') ?? '';
  if (code !== '' && code.length <= VALUE_LENGTH_MAX && !query.has('error')) {
    reply(response, 200, 'Starling has its answer. You can close this page.');
    resolve({ code, issuer: query.get('iss') ?? undefined });
    return;
  }
  const name = query.get('error') ?? '';
  const why = ERROR_NAME.test(name) ? name : 'no code';
  reply(response, 400, 'The login was refused. You can close this page.');
  reject(
    new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `the login at ${title} failed: ${why}`, {
      hint: 'start it again, and agree to what is asked',
    }),
  );
}

/** The query of a request that is meant for us; undefined for any other. */
function queryOf(request: IncomingMessage, port: number): URLSearchParams | undefined {
  // A page elsewhere that made its name point here would send its own name.
  if (request.method !== 'GET' || request.headers.host !== `${HOST}:${port}`) return undefined;
  const base = `http://${HOST}:${port}`;
  const target = request.url ?? '';
  if (!URL.canParse(target, base)) return undefined;
  const url = new URL(target, base);
  return url.pathname === PATH ? url.searchParams : undefined;
}

function isSame(given: string | null, expected: string): boolean {
  const [left, right] = [Buffer.from(given ?? ''), Buffer.from(expected)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  });
  response.end(`${text}\n`);
}

async function listen(
  server: Server,
  wished: number | undefined,
  isFixed: boolean,
): Promise<number> {
  if (wished !== undefined) {
    try {
      return await listenOn(server, wished);
    } catch (error) {
      // Another program has the port by now; any other port will do, after a new registration.
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (isFixed) throw taken(wished);
    }
  }
  return listenOn(server, 0);
}

function listenOn(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function late(init: { readonly title: string; readonly timeoutMs: number }): StarlingError {
  return new StarlingError(
    'STARLING_TIMEOUT',
    `nobody logged in at ${init.title} within ${init.timeoutMs / 60_000} minutes`,
    { hint: 'start the login again, and open its address at once' },
  );
}

function taken(port: number): StarlingError {
  return new StarlingError(
    'STARLING_LISTEN_FAILED',
    `the login's answer can't be heard on port ${port}: somebody else has it`,
    { hint: 'free it, or set another oauth.callbackPort that the client is registered with' },
  );
}
