/**
 * Who may pass the HTTP door: the bearer of the node's token, by a Host and from an Origin that we
 * expect (MCP `transports`, security: DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import type { Secret } from '../../core/index.ts';

/** What the door knows. */
export interface DoorInit {
  /** Address that we listen on. */
  readonly host: string;
  readonly token: Secret;
  /** Named to callers from this machine who bring none. */
  readonly tokenFile: string;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
}

/** Why a request may not pass. */
export interface DoorRefusal {
  readonly status: number;
  readonly error: StarlingError;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Checks requests. */
export interface Door {
  /** By which name, and from which page: to be asked before anything else. */
  checkPlace(request: IncomingMessage): DoorRefusal | undefined;
  checkToken(request: IncomingMessage): DoorRefusal | undefined;
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/** Makes a door. */
export function createDoor(init: DoorInit): Door {
  const expected = digest(init.token.reveal());
  const hosts = new Set(
    [...LOOPBACK_NAMES, init.host, `[${init.host}]`, ...init.allowedHosts].map((host) =>
      host.toLowerCase(),
    ),
  );
  const origins = new Set(init.allowedOrigins);

  const isToken = (header: string | undefined): boolean => {
    const given = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
  return {
    checkPlace(request) {
      const { host = '', origin } = request.headers;
      const name = host.toLowerCase();
      if (!hosts.has(name.replace(/:\d+$/, '')) && !hosts.has(name)) {
        return forbidden(`the Host header names '${host.slice(0, 128)}'`, 'http.allowedHosts');
      }
      if (origin !== undefined && !origins.has(origin) && !isLoopbackOrigin(origin)) {
        return forbidden(
          `the Origin header names '${origin.slice(0, 128)}'`,
          'http.allowedOrigins',
        );
      }
      return undefined;
    },
    checkToken(request) {
      const { authorization } = request.headers;
      if (isToken(authorization)) return undefined;
      const remote = request.socket.remoteAddress ?? '';
      const where = isLoopback(remote)
        ? `the token is in ${init.tokenFile}`
        : "ask the node's operator for the token";
      return {
        status: 401,
        error: new StarlingError(
          'STARLING_UNAUTHORIZED',
          authorization === undefined
            ? 'this endpoint needs a bearer token'
            : 'this is not the token of this node',
          { hint: `send the header Authorization: Bearer <token>; ${where}` },
        ),
        headers: { 'www-authenticate': 'Bearer realm="starling"' },
      };
    },
  };
}

function forbidden(what: string, key: string): DoorRefusal {
  return {
    status: 403,
    error: new StarlingError('STARLING_UNAUTHORIZED', `${what}, which this node does not expect`, {
      hint: `add it to ${key} if it is right`,
    }),
  };
}

/** Hashed first, so that the comparison takes the same time whatever the lengths. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  return LOOPBACK_NAMES.includes(new URL(origin).hostname);
}
