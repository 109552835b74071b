/** What goes wrong with an upstream server, in words that name the server. */
import { StarlingError, messageOf } from '../../core/index.ts';

/** The server can't be used: `why` goes on from its name, as in "is stopped". */
export function unavailable(server: string, why: string, hint?: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${server}' ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    data: { server },
  });
}

/** Anything thrown as an error of ours; errors of ours stay as they are. */
export function asUpstreamError(error: unknown, server: string): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${server}' failed: ${messageOf(error)}`,
    { cause: error },
  );
}
