/** Who has come with an access token of an authorization server, and what the last one of each says. */

/** What an access token says. */
export interface TokenRights {
  readonly scopes: readonly string[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** Clients by access token. */
export interface TokenClients {
  /** Somebody has come with a token: `name` may do what `scopes` say until `expiresAt`. */
  came(name: string, token: TokenRights): void;
  /** What the last token of `name` says at `now`, ms since the epoch; undefined where none has come, or the token is over. */
  scopesOf(name: string, now: number): readonly string[] | undefined;
}

/** Clients that are remembered, the latest: a session of one that is forgotten goes on. */
const REMEMBERED_MAX = 1000;

/** Makes an empty memory of them, which ends with the node. */
export function createTokenClients(): TokenClients {
  const tokens = new Map<string, TokenRights>();
  return {
    came(name, token) {
      tokens.delete(name);
      const [oldest] = tokens.keys();
      if (tokens.size >= REMEMBERED_MAX && oldest !== undefined) tokens.delete(oldest);
      tokens.set(name, token);
    },
    scopesOf(name, now) {
      const token = tokens.get(name);
      return token !== undefined && token.expiresAt > now ? token.scopes : undefined;
    },
  };
}
