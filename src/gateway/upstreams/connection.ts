/** What a running upstream connection looks like to the part that keeps it running. */
import type { StarlingError } from '../../core/index.ts';
import type { Handshake } from '../handshake.ts';
import type { Link } from '../types.ts';

/** One connection to an upstream server, from its start to its one end. */
export interface UpstreamConnection {
  readonly link: Link;
  /** Process id, where there is one. */
  readonly pid?: number;
  /** Something odd that did not end it, in one sentence. */
  oddity(): string | undefined;
  /** Hears how the handshake ended: transports that name the version or the session need it. */
  negotiated(handshake: Handshake): void;
  /** Resolves when the connection is over, with why. Never rejects. */
  readonly ended: Promise<StarlingError>;
  /** Ends it; resolves when nothing of it is left. */
  close(): Promise<void>;
}
