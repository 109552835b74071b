/**
 * `POST /auth/challenge` {did} and `POST /auth/session` {did, nonce, signature}: how a caller turns
 * its Ed25519 key into a session token. Small JSON bodies, read within the server's request timeout.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { errorBytes, errorOf } from '../wire/frame.ts';
import { mediaTypeOf } from '../wire/media-type.ts';
import type { Challenges } from './challenge.ts';
import { plainAddress } from './origin-check.ts';
import type { RateLimit } from './rate-limit.ts';
import { readRequestBody } from './request-body.ts';
import { pathOf } from './request-path.ts';
import type { DoorRefusal } from './types.ts';

const BODY_BYTES_MAX = 4096;
const CHALLENGE_PATH = '/auth/challenge';
const SESSION_PATH = '/auth/session';

/** What the endpoints work with. */
export interface AuthEndpointsComponents {
  readonly challenges: Challenges;
  /** Asked by the caller's address, as nobody is known here yet. */
  readonly rateLimit: RateLimit;
}

/** Answers a request to `/auth/…`; false when its path is none of the two. */
export function handleAuth(
  components: AuthEndpointsComponents,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const path = pathOf(request);
  if (path !== CHALLENGE_PATH && path !== SESSION_PATH) return false;
  const refusal = checkRequest(components, request);
  if (refusal !== undefined) {
    refuseWith(response, refusal);
    return true;
  }
  readRequestBody(request, BODY_BYTES_MAX, {
    whole(body) {
      try {
        const answer = answerTo(components.challenges, path, body, request.headers.host ?? '');
        sendJson(response, 200, Buffer.from(JSON.stringify(answer)));
      } catch (error) {
        const status = error instanceof StarlingError ? error.row.http : 500;
        refuseWith(response, { status, error });
      }
    },
    tooLarge() {
      const error = malformed(`the body is over ${BODY_BYTES_MAX} bytes`);
      refuseWith(response, { status: 413, error });
    },
  });
  return true;
}

/** Answers with a refusal, as JSON-RPC errors are everywhere. */
export function refuseWith(
  response: ServerResponse,
  refusal: Omit<DoorRefusal, 'error'> & { readonly error: unknown },
): void {
  sendJson(response, refusal.status, errorBytes(null, errorOf(refusal.error)), refusal.headers);
}

/** Sends JSON that nobody may keep. */
export function sendJson(
  response: ServerResponse,
  status: number,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...headers,
    })
    .end(bytes);
}

function checkRequest(
  { rateLimit }: AuthEndpointsComponents,
  request: IncomingMessage,
): DoorRefusal | undefined {
  if (request.method !== 'POST') {
    return { status: 405, error: malformed('allowed: POST'), headers: { allow: 'POST' } };
  }
  // A page of another origin can send JSON only after a preflight, which the door answers.
  if (mediaTypeOf(request.headers['content-type']) !== 'application/json') {
    return { status: 415, error: malformed('Content-Type must be application/json') };
  }
  return rateLimit.take(`address:${plainAddress(request.socket.remoteAddress ?? '')}`);
}

function answerTo(challenges: Challenges, path: string, body: Buffer, audience: string): object {
  const fields = parseFields(body);
  const field = (name: string): string => {
    const value = fields[name];
    if (typeof value === 'string') return value;
    throw malformed(`"${name}" must be a string`);
  };
  const host = audience.toLowerCase();
  if (path === CHALLENGE_PATH) return challenges.challenge(field('did'), host);
  return challenges.redeem(
    { did: field('did'), nonce: field('nonce'), signature: field('signature') },
    host,
  );
}

function parseFields(body: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw malformed('the body is not JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw malformed('the body is no JSON object');
  return value as Record<string, unknown>;
}

function malformed(what: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { cause });
}
