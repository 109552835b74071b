/** What goes wrong with a login at one server, in words without what the other side wrote: that may hold a token. */
import { StarlingError } from '../../../core/index.ts';
import { reasonOf } from './oauth-fields.ts';

/** Makes the errors of one server's login. */
export interface LoginErrors {
  /** Somebody must log in: `what` goes on from the server's name. */
  loginNeeded(what: string): StarlingError;
  /** The login can't go on by itself: for want of a login, or of rights for this one request. */
  refused(what: string, hint: string, reason: 'login' | 'scope'): StarlingError;
  /** The other side is not to be trusted. */
  invalid(what: string): StarlingError;
  /** Anything thrown on the way. `needsLogin`: asking again the same way can't help. */
  failure(what: string, error: unknown, needsLogin?: boolean): StarlingError;
}

/** Makes the errors of the login at the server `name`. */
export function createLoginErrors(name: string): LoginErrors {
  const refused: LoginErrors['refused'] = (what, hint, reason) =>
    new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${name}' ${what}`, {
      hint,
      data: { server: name, reason, retryable: false },
    });
  return {
    refused,
    loginNeeded: (what) =>
      refused(
        what,
        `log in with: starling mcp login ${name}; or, if it wants a fixed token, set mcpServers.${name}.headers`,
        'login',
      ),
    invalid: (what) =>
      new StarlingError('STARLING_UPSTREAM_INVALID', `server '${name}': ${what}`, {
        hint: `do not log in there before you know why; check mcpServers.${name}.url`,
        data: { server: name },
      }),
    failure(what, error, needsLogin = false) {
      if (error instanceof StarlingError) return named(error, name, what);
      return new StarlingError(
        'STARLING_UPSTREAM_UNAVAILABLE',
        `server '${name}': ${what}: ${reasonOf(error)}`,
        {
          hint: `if it wants a fixed token, set mcpServers.${name}.headers; else check mcpServers.${name}.oauth`,
          data: { server: name, ...(needsLogin ? { reason: 'login' } : {}) },
        },
      );
    },
  };
}

/** An error of ours with the server's name in it. */
function named(error: StarlingError, name: string, what: string): StarlingError {
  if (error.data['server'] !== undefined) return error;
  return new StarlingError(error.code, `server '${name}': ${what}: ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    data: { server: name },
  });
}
