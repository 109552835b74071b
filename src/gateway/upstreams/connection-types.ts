/** A connection to an upstream server, as an instance uses it; and what shows the server who we are. */
import type { Secret, StarlingError } from '../../core/index.ts';
import type { Handshake } from '../wire/client-handshake.ts';
import type { Channel } from '../channel-types.ts';

/** One connection to an upstream server, from its start to its one end. */
export interface UpstreamConnection {
  readonly channel: Channel;
  /** Process id, where there is one. */
  readonly pid?: number;
  /** Something odd that did not end the connection, in one sentence. */
  oddity(): string | undefined;
  /** Hears how the handshake ended: transports that name the version or the session need it. */
  negotiated(handshake: Handshake): void;
  /** Resolves when the connection is over, with why. Never rejects. */
  readonly ended: Promise<StarlingError>;
  /** Ends the connection; resolves when nothing of it is left. */
  close(): Promise<void>;
}

/** How a server at a URL said no. */
export interface Refusal {
  readonly status: 401 | 403;
  /** Its `WWW-Authenticate` header (RFC 6750 §3). */
  readonly challenge: string | undefined;
  /** The token that was sent. */
  readonly token: Secret | undefined;
}

/** What shows a server at a URL who we are; see `oauth/login.ts`. */
export interface Credentials {
  /**
   * The token to send now, renewed where its time is over; undefined when there is none.
   * @throws STARLING_UPSTREAM_UNAVAILABLE with `data.reason` `login` when somebody must log in
   */
  token(): Promise<Secret | undefined>;
  /**
   * Hears that a request was refused. True when the request is worth sending once more, with the token of now.
   * @throws STARLING_UPSTREAM_UNAVAILABLE with `data.reason` `login`, or `scope` when this one request
   * needs more rights than we were given
   */
  refused(refusal: Refusal): Promise<boolean>;
}
