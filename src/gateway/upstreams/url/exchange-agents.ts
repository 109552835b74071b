/** The connections of an exchanger: plain ones, those by TLS, and those on which this node has shown itself, which are for no other request. */
import { Agent as HttpAgent } from 'node:http';
import type { ClientRequest } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSemaphore } from '../../../core/index.ts';
import type { ClientIdentity } from './client-identity.ts';
import { paceConnecting } from './paced-connecting.ts';

/** Connections that wait for the next request, a host. */
const IDLE_SOCKETS_MAX = 64;
/** Connections that are opened at once. More = fewer round trips for a burst, and a fuller queue at the server. */
const CONNECTING_MAX = 64;
/** Servers close idle connections after 5 s and more; a call is lost on a connection that closes as we write. */
const IDLE_MS = 4000;

/** Connections for one request. */
export interface ExchangeAgent {
  readonly agent: HttpAgent;
  /** Is told of the request that goes by them. */
  started?(request: ClientRequest): void;
}

/** All connections of an exchanger. */
export interface ExchangeAgents {
  /** Those for a request to `url`; at an http:// URL nobody shows himself. */
  for(url: URL, identity: ClientIdentity | undefined): ExchangeAgent;
  /** Closes idle connections and ends what runs. */
  close(): void;
}

/** Makes them; none is opened before it is needed. */
export function createExchangeAgents(): ExchangeAgents {
  const options = {
    keepAlive: true,
    maxFreeSockets: IDLE_SOCKETS_MAX,
    timeout: IDLE_MS,
    scheduling: 'lifo',
  } as const;
  const permits = createSemaphore(CONNECTING_MAX);
  const plain = { agent: paceConnecting(new HttpAgent(options), permits) };
  const secure = { agent: paceConnecting(new HttpsAgent(options), permits) };
  const shown = new Map<ClientIdentity, ShownAgent>();
  return {
    for({ protocol }, identity) {
      if (protocol !== 'https:') return plain;
      if (identity === undefined) return secure;
      const known = shown.get(identity);
      if (known !== undefined) return known;
      // The configuration may have been changed: those of before are forgotten once nothing runs on them.
      for (const [one, before] of shown) if (before.endIfIdle()) shown.delete(one);
      // A session that is taken up again would go on with the certificate of before.
      const agent = new HttpsAgent({ ...options, maxCachedSessions: 0 });
      const made = new ShownAgent(paceConnecting(agent, permits, () => identity.read()));
      shown.set(identity, made);
      return made;
    },
    close() {
      for (const { agent } of [plain, secure, ...shown.values()]) agent.destroy();
    },
  };
}

class ShownAgent implements ExchangeAgent {
  readonly agent: HttpsAgent;
  #running = 0;

  constructor(agent: HttpsAgent) {
    this.agent = agent;
  }

  started(request: ClientRequest): void {
    this.#running += 1;
    request.once('close', () => {
      this.#running -= 1;
    });
  }

  endIfIdle(): boolean {
    if (this.#running > 0) return false;
    this.agent.destroy();
    return true;
  }
}
