/**
 * The HTTP server under the transports: plain, or TLS from files (`http.tls`), with certificates of
 * clients where they are required. Headers, handshakes and idle connections have their bounds here.
 */
import { readFile } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { HttpTls } from '../../config/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';

/** All headers of a request; more is answered with 431. */
const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** For how long an idle connection is kept, as clients are told. */
const KEEP_ALIVE_MS = 60_000;
/** For how much longer the server does keep it: a client that sends at the last moment is answered. */
const KEEP_ALIVE_GRACE_MS = 5000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How the server speaks. */
export interface HttpServerInit {
  readonly tls?: HttpTls;
}

/**
 * Makes the server; it does not listen yet. With `tls` it speaks HTTPS (TLS 1.2 and up) only.
 * @throws STARLING_CONFIG_INVALID when a file can't be read, or certificate and key do not fit
 */
export async function createHttpServer(
  init: HttpServerInit,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const bounds = { maxHeaderSize: HEADER_BYTES_MAX };
  const served = (request: IncomingMessage, response: ServerResponse): void => {
    // Node tells each client its own `keepAliveTimeout`, and has no public way to tell less.
    Reflect.set(response, '_keepAliveTimeout', KEEP_ALIVE_MS);
    handler(request, response);
  };
  const server =
    init.tls === undefined
      ? createPlainServer(bounds, served)
      : createTlsServer({ ...bounds, ...(await readTls(init.tls)) }, served);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS + KEEP_ALIVE_GRACE_MS;
  return server;
}

interface TlsOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly minVersion: 'TLSv1.2';
  readonly handshakeTimeout: number;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

async function readTls(tls: HttpTls): Promise<TlsOptions> {
  const [cert, key, ca] = await Promise.all([
    readPem('cert', tls.cert),
    readPem('key', tls.key),
    tls.ca === undefined ? undefined : readPem('ca', tls.ca),
  ]);
  const files = { cert, key, ...(ca === undefined ? {} : { ca }) };
  try {
    createSecureContext(files);
  } catch (error) {
    throw invalid(
      `http.tls: the certificate ${tls.cert} and the key ${tls.key} can't be used together: ${messageOf(error)}`,
      'give a certificate (with its chain) and its own private key, both PEM and not encrypted',
      error,
    );
  }
  const asks = tls.clientAuth === 'require';
  return {
    ...files,
    minVersion: 'TLSv1.2',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    requestCert: asks,
    rejectUnauthorized: asks,
  };
}

async function readPem(key: 'cert' | 'key' | 'ca', path: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw invalid(
      `http.tls.${key}: the file ${path} can't be read: ${messageOf(error)}`,
      'check the path, and that the node may read the file',
      error,
    );
  }
  if (!bytes.includes('-----BEGIN ')) {
    throw invalid(`http.tls.${key}: ${path} is not a PEM file`, 'convert it with openssl');
  }
  return bytes;
}

function invalid(what: string, hint: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_CONFIG_INVALID', what, { hint, cause });
}
