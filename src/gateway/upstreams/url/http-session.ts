/**
 * Our session at a Streamable HTTP server (MCP 2025-11-25 `transports`, "Session Management"), and which
 * refusals mean that the server has forgotten the session. The specification says 404; servers and the
 * proxies before them say 400, 401, 403 and 410 as well, which at a session that has worked mean the same.
 */
import { isVisible } from '../../../core/index.ts';

/** One session that a server gave us. */
export interface HttpSession {
  readonly id: string;
  /** True once the server has taken a request in the session. */
  isProven: boolean;
}

/** A request with a session's id that was refused. */
export interface SessionRefusal {
  readonly status: number;
  /** The message of the JSON-RPC error in the refusal. */
  readonly message: string | undefined;
  /** True when the server asks for a login or for more rights (`WWW-Authenticate`). */
  readonly isChallenge: boolean;
}

/** Tells lost sessions from other refusals, of one connection. */
export interface SessionLosses {
  /** True when `refusal` of a request that was sent anew `resends` times means that `session` is gone. */
  isLost(refusal: SessionRefusal, session: HttpSession, resends: number): boolean;
  /** True when a request that was sent anew `resends` times may be sent once more in another session. */
  mayResend(session: HttpSession, resends: number): boolean;
}

/** Characters of a session id, which is visible ASCII (MCP `transports`, session management). */
const SESSION_ID_MAX = 1024;
/** How often one request is sent anew, where sessions work in between and are lost again. */
const RESENDS_MAX = 3;
const LOST_IF_PROVEN = [400, 401, 403, 410];

/** The session that a header names; undefined when its value can't be sent back. */
export function sessionOf(header: string | undefined): HttpSession | undefined {
  if (header === undefined || header.length > SESSION_ID_MAX || !isVisible(header))
    return undefined;
  return { id: header, isProven: false };
}

/** Makes the teller of losses. */
export function createSessionLosses(): SessionLosses {
  /** What a new session did not mend once is about something else. */
  const innocent = new Set<number>();
  return {
    isLost(refusal, session, resends) {
      const { status, isChallenge, message = '' } = refusal;
      if (isChallenge) return false;
      if (status === 404) return true;
      if (!LOST_IF_PROVEN.includes(status)) return false;
      if (/session/i.test(message)) return true;
      if (resends > 0) innocent.add(status);
      return session.isProven && !innocent.has(status);
    },
    mayResend: (session, resends) => resends < RESENDS_MAX && (session.isProven || resends === 0),
  };
}
