/**
 * A2A agents elsewhere, which the operator has added: each is an agent of this node, to which others write as to any
 * other. Its inbox is read here, each message goes to the endpoint that was looked at when it was added, and the answer
 * comes back. The credential is a secret of the node, and goes to that host alone.
 */
import { StarlingError, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, Startable } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import type { Agents } from '../agents.ts';
import { createMailbox } from '../inbox/mailbox.ts';
import type { Mailbox } from '../inbox/mailbox.ts';
import type { AgentAnnounceResult, RemoteCard } from '../types.ts';
import { fetchOfOneHost } from './one-host.ts';
import type { RemoteClient } from './remote-messages.ts';

/** What agents elsewhere are reached with. */
export interface RemoteAgentsComponents {
  readonly table: Table;
  readonly agents: Agents;
  /** The secret of this name. @throws STARLING_SECRET_MISSING */
  secret(name: string): string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whom the operator adds, after a look at the card. */
export interface AddInit {
  readonly url: string;
  /** Of the card that was looked at. */
  readonly digest: string;
  readonly name: string;
  /** Name of the secret that is its bearer token. */
  readonly secret?: string | undefined;
  readonly listed?: boolean | undefined;
}

/** The A2A agents of others that this node knows. */
export interface RemoteAgents extends Startable {
  /** @throws STARLING_USAGE, STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID, STARLING_SECRET_MISSING */
  look(url: string, secret?: string): Promise<RemoteCard>;
  /** @throws as {@link look}; STARLING_USAGE when the card is another one now; STARLING_AGENT_TAKEN */
  add(init: AddInit): Promise<AgentAnnounceResult & { readonly card: RemoteCard }>;
  /** Hears that an agent was retired: one of these is asked no more. */
  retired(name: string): Promise<void>;
}

interface Row {
  readonly name: string;
  readonly endpoint: string;
  readonly signer?: string;
  readonly secret?: string;
}

const ROWS = 'a2a/';
/** Messages that one agent is given at a time. */
const CONCURRENCY = 8;
/** How long one message may take where its sender does not say. */
const MESSAGE_MS = 300_000;

/** Makes the agents of others; `start` goes on with those that were added before. */
export function createRemoteAgents(components: RemoteAgentsComponents): RemoteAgents {
  return new AddedAgents(components);
}

class AddedAgents implements RemoteAgents {
  readonly #components: RemoteAgentsComponents;
  readonly #mailboxes = new Map<string, Mailbox>();

  constructor(components: RemoteAgentsComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    for await (const [key, bytes] of this.#components.table.entries(ROWS)) {
      try {
        this.#serve(JSON.parse(Buffer.from(bytes).toString('utf8')) as Row);
      } catch (error) {
        const fields = { key, error: messageOf(error) };
        this.#components.logger.warn(fields, 'a stored agent is damaged, left out');
      }
    }
  }

  async stop(): Promise<void> {
    const mailboxes = [...this.#mailboxes.values()];
    this.#mailboxes.clear();
    await Promise.all(mailboxes.map((mailbox) => mailbox.stop()));
  }

  /** What reads cards and speaks A2A is loaded when somebody first needs it. */
  async look(url: string, secret?: string): Promise<RemoteCard> {
    const { readRemoteCard } = await import('./remote-card.ts');
    return readRemoteCard(this.#components.clock, url, this.#tokenOf(secret));
  }

  async add(init: AddInit): Promise<AgentAnnounceResult & { readonly card: RemoteCard }> {
    const { agents, table } = this.#components;
    const { digest, listed = false, name, secret, url } = init;
    const card = await this.look(url, secret);
    if (card.digest !== digest) {
      throw new StarlingError('STARLING_USAGE', `the card at ${card.host} is another one now`, {
        hint: 'look at it again: starling agent add <card-url>',
      });
    }
    const result = await agents.announce(principalOf(name), {
      name,
      kind: 'a2a',
      capabilities: card.skills.map(({ id }) => id),
      definitions: Object.fromEntries(card.skills.map(({ id, ...rest }) => [id, rest])),
      maxConcurrentTasks: CONCURRENCY,
      listed,
    });
    const { endpoint, signer } = card;
    const row: Row = {
      name: result.name,
      endpoint,
      ...(signer === undefined ? {} : { signer }),
      ...(secret === undefined ? {} : { secret }),
    };
    await table.put(ROWS + row.name, Buffer.from(JSON.stringify(row)));
    await this.#mailboxes.get(row.name)?.stop();
    this.#serve(row);
    return { ...result, card };
  }

  async retired(name: string): Promise<void> {
    const mailbox = this.#mailboxes.get(name);
    if (mailbox === undefined) return;
    this.#mailboxes.delete(name);
    await this.#components.table.delete(ROWS + name);
    await mailbox.stop();
  }

  #tokenOf(secret: string | undefined): (() => string) | undefined {
    return secret === undefined ? undefined : () => this.#components.secret(secret);
  }

  #serve({ name, endpoint, secret }: Row): void {
    const { agents, clock, logger } = this.#components;
    const principal = principalOf(name);
    const token = this.#tokenOf(secret);
    const ask = fetchOfOneHost(clock, {
      origin: new URL(endpoint).origin,
      timeoutMs: MESSAGE_MS,
      ...(token === undefined ? {} : { token }),
    });
    let client: Promise<RemoteClient> | undefined;
    const load = async (): Promise<RemoteClient> =>
      (await import('./remote-messages.ts')).createRemoteClient(clock, endpoint, ask);
    let busy = 0;
    const place = {
      isReady: true,
      isOver: false,
      get busy() {
        return busy;
      },
      async deliver(message: JsonObject, timeoutMs: number): Promise<Json> {
        busy += 1;
        try {
          client ??= load();
          const loaded = await client;
          return await withDeadline(clock, timeoutMs, (signal) => loaded.ask(message, signal));
        } finally {
          busy -= 1;
        }
      },
      renew: async () => undefined,
    };
    const mailbox = createMailbox(
      {
        clock,
        logger,
        replicas: () => [place],
        read: (init) => agents.mail(principal, { agent: name, ...init }, init.signal),
        respond: ({ from, id }, { response, error }) =>
          agents.message(
            principal,
            { to: from, from: name, type: 'response', message: response, inReplyTo: id, error },
            new AbortController().signal,
          ),
        givenUp: ({ id }, error) =>
          logger.warn({ agent: name, id, error: error.message }, 'an A2A agent took no message'),
      },
      { concurrency: CONCURRENCY, timeoutMs: MESSAGE_MS },
    );
    this.#mailboxes.set(name, mailbox);
  }
}

/** It has no rights of its own: it only answers. */
function principalOf(name: string): Principal {
  return { kind: 'client', name: `a2a:${name}`, scopes: [] };
}
