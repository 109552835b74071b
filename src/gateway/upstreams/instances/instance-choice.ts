/**
 * Which instance of a server a request needs, and what that instance may know of the client: who shares
 * an instance with whom is decided here and nowhere else.
 */
import type { McpServer } from '../../../config/index.ts';
import type { Principal } from '../../../guard/index.ts';
import { capabilitiesKey } from '../../wire/era.ts';
import type { ClientFacts } from '../../channel-types.ts';
import { SHARED_NEEDS } from './instance-needs.ts';
import type { InstanceNeeds } from './instance-needs.ts';
import type { KnownEras } from '../known-eras.ts';

/** Capabilities by which a server asks its client things. */
const INTERACTIVE = ['sampling', 'elicitation', 'roots', 'tasks'] as const;

/** Chooses instances for one channel. */
export interface InstanceChoice {
  /** The key of the principal: instances and suspended calls never cross it. */
  readonly owner: string;
  /** What of `client` the server may know. */
  allowed(client: ClientFacts): ClientFacts;
  /** `client` without its roots where those are not for this server: they name folders of its machine. */
  withoutRoots(client: ClientFacts): ClientFacts;
  /** The instance of a session of `client`. */
  forSession(client: ClientFacts): InstanceNeeds;
  /** True where the session's instance is its own: a server that asks things must know whom it asks. */
  isOwn(client: ClientFacts): boolean;
  /** The instance for calls of modern clients, each of which says for itself what its client can do. */
  forModern(client: ClientFacts): InstanceNeeds;
  /** The key of a legacy instance for calls of a modern `client`, by slot of its pool. */
  bridgeKey(client: ClientFacts): (slot: string) => string;
}

/** What the choice depends on. */
export interface InstanceChoiceInit {
  readonly config: Pick<McpServer, 'shared' | 'sessions' | 'peerRoots'>;
  readonly eras: Pick<KnownEras, 'lacks'>;
  readonly principal: Principal;
  /** The channel's id: of those that must not be shared, each has its own. */
  readonly channelId: string;
}

/** Makes the choice of one channel. */
export function createInstanceChoice(init: InstanceChoiceInit): InstanceChoice {
  const { config, eras, principal, channelId } = init;
  const owner = principalKey(principal);
  const isEach = config.sessions === 'each' && !config.shared;
  /** Equal keys share an instance: never across principals, never with a client that can be asked. */
  const shareKey = (client: ClientFacts, own: string): string => {
    const whose = isInteractive(client) ? ` #${own}` : '';
    if (isEach) return `${owner} ${capabilitiesKey(client.capabilities)}${whose} @${channelId}`;
    return `${owner} ${capabilitiesKey(client.capabilities)}${whose}`;
  };
  const withoutRoots = (client: ClientFacts): ClientFacts => {
    const { roots, ...capabilities } = client.capabilities;
    if (principal.kind !== 'peer' || config.peerRoots || roots === undefined) return client;
    return { ...client, capabilities };
  };
  return {
    owner,
    withoutRoots,
    allowed: (client) =>
      config.shared ? { capabilities: {}, clientInfo: {} } : withoutRoots(client),
    forSession(client) {
      if (config.shared) return SHARED_NEEDS;
      const era = eras.lacks('legacy') ? 'modern' : 'either';
      return { key: `${era} ${shareKey(client, channelId)}`, era, client };
    },
    isOwn: (client) => !config.shared && (isEach || isInteractive(client)),
    forModern: (client) =>
      config.shared
        ? SHARED_NEEDS
        : { key: `modern ${owner}${isEach ? ` @${channelId}` : ''}`, era: 'modern', client },
    bridgeKey: (client) => (slot) =>
      config.shared ? SHARED_NEEDS.key : `either ${shareKey(client, slot)}`,
  };
}

/** True for a client that a server may ask things. */
export function isInteractive(client: ClientFacts): boolean {
  return INTERACTIVE.some((name) => client.capabilities[name] !== undefined);
}

function principalKey(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return 'operator';
    case 'client':
      // A key and the subject of a token may have one name.
      return `client ${JSON.stringify([principal.name, principal.scopes])}`;
    case 'agent':
    case 'peer':
      return principal.did;
  }
  throw new TypeError('unknown kind of principal');
}
