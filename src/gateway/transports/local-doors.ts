/** The doors of this machine: HTTP, TCP and the node's socket, each with what it needs of the gateway. */
import type { Config } from '../../config/index.ts';
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { Clock, Logger, Startable } from '../../core/index.ts';
import { encodeSegment } from '../../grants/index.ts';
import type { Guard, Principal } from '../../guard/index.ts';
import type { Signer } from '../../identity/index.ts';
import { SEPARATOR } from '../catalog/tool-names.ts';
import type { ViewSpec, Views } from '../catalog/types.ts';
import type { AttachedClients } from '../door/attached-clients.ts';
import { createDoor } from '../door/door.ts';
import type { DoorComponents } from '../door/door.ts';
import { createAddressCheck } from '../door/origin-check.ts';
import { isRefusal } from '../door/types.ts';
import type { DashboardFace, Door, MetricsFace, ModelsFace } from '../door/types.ts';
import type { Session } from '../session/types.ts';
import { createHttpTransport } from './http.ts';
import type { A2aFace, HttpTransport } from './http.ts';
import { createSocketTransport } from './socket.ts';
import { createTcpTransport } from './tcp.ts';
import type { TcpTransport } from './tcp.ts';
import type { SessionDoor, ShownAgents } from '../types.ts';

/** What a session behind one of these doors is opened with. */
export interface LocalOpening {
  readonly principal: Principal;
  readonly spec?: ViewSpec;
  /** True when the rate of its requests is bounded in the session; Streamable HTTP counts them at its edge. */
  readonly isLimited?: boolean;
  readonly push: (message: Buffer) => void;
}

/** What the doors work with. */
export interface LocalDoorsComponents extends DoorComponents {
  readonly clients: Pick<AttachedClients, 'principalOf' | 'tcp'>;
  readonly guard: Pick<Guard, 'decide'>;
  readonly signer: Signer;
  /** Agents that A2A shows; absent: none. */
  readonly agents?: ShownAgents;
  /** The APIs of language models at the HTTP endpoint; absent: none. */
  readonly models?: ModelsFace;
  /** The page of the operator at the HTTP endpoint; absent: none. */
  readonly dashboard?: DashboardFace;
  /** The figures at the HTTP endpoint; absent: nobody reads them. */
  readonly metrics?: MetricsFace;
  readonly views: Pick<Views, 'exists'>;
  /** Opens a session. @throws STARLING_LIMIT_EXCEEDED */
  open(door: SessionDoor, opening: LocalOpening): Session;
  ended(session: Session): void;
  /** Why the node takes no calls, in words for anybody; undefined when it does. */
  unready(): string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Places and bounds of the doors. */
export interface LocalDoorsInit {
  /** This node's name. */
  readonly name: string;
  readonly http: Config['http'];
  readonly tcp: Config['tcp'];
  readonly limits: Pick<Config['limits'], 'messageBytes' | 'sessionIdleMs'>;
  readonly keepAlive: Config['keepAlive'];
  readonly socketPath: string;
}

/** The doors of one node. */
export interface LocalDoors {
  /** @throws STARLING_LISTEN_FAILED, STARLING_STATE_UNUSABLE */
  start(): Promise<void>;
  /** Each door, for whoever stops them all. */
  readonly parts: readonly Pick<Startable, 'stop'>[];
  /** Ends what this credential has opened. */
  evict(credential: string): void;
  /** Where HTTP and TCP listen; absent where they don't. */
  addresses(): { readonly url?: string; readonly tcp?: string };
}

/** Makes the doors, closed. */
export function createLocalDoors(
  components: LocalDoorsComponents,
  init: LocalDoorsInit,
): LocalDoors {
  const { clients, clock, logger } = components;
  const { http, tcp, limits, socketPath } = init;
  const door = createDoor({ ...components, logger: logger.child('door') }, http);
  const byHttp = createHttp(components, init, door);
  const byTcp = createTcp(components, init, door);
  const bySocket = createSocketTransport(
    {
      principalOf: (as) => clients.principalOf(as),
      open: (principal, push) => components.open('socket', { principal, push }),
      ended: (session) => components.ended(session),
      clock,
      logger: logger.child('socket'),
    },
    { path: socketPath, messageBytes: limits.messageBytes },
  );
  return {
    parts: [byHttp, byTcp, bySocket],
    async start() {
      // The ports first: they are what most often fails, and then nothing else needs undoing.
      if (http.enabled) await byHttp.start();
      if (tcp.enabled) await byTcp.start();
      await bySocket.start();
    },
    evict(credential) {
      byHttp.evict(credential);
      byTcp.evict(credential);
    },
    addresses() {
      const url = byHttp.url();
      const address = byTcp.address();
      return {
        ...(url === undefined ? {} : { url }),
        ...(address === undefined ? {} : { tcp: address }),
      };
    },
  };
}

function createHttp(
  components: LocalDoorsComponents,
  { http, keepAlive, limits, name }: LocalDoorsInit,
  door: Door,
): HttpTransport {
  const { clock, dashboard, logger, metrics, models, rateLimit, views } = components;
  return createHttpTransport(
    {
      door,
      rateLimit,
      open: (opening) =>
        components.open('http', {
          principal: opening.credential.principal,
          spec: opening.spec,
          isLimited: opening.isLongLived === true,
          push: (message) => opening.push(message),
        }),
      ended: (session) => components.ended(session),
      exists: (spec) => views.exists(spec),
      ...(models === undefined ? {} : { models }),
      ...(metrics === undefined ? {} : { metrics }),
      ...(dashboard === undefined ? {} : { dashboard }),
      unready: () => components.unready(),
      ...shownBy(components),
      clock,
      logger: logger.child('http'),
    },
    {
      ...http,
      messageBytes: limits.messageBytes,
      sessionIdleMs: limits.sessionIdleMs,
      keepAliveMs: keepAlive.intervalMs,
      node: name,
      hasOauth: http.oauth !== undefined,
    },
  );
}

/** Listed agents, for whoever may write to them. */
function shownBy({ agents, guard, signer }: LocalDoorsComponents): { readonly a2a?: A2aFace } {
  if (agents === undefined) return {};
  const agent: A2aFace['agent'] = (name, caller) => {
    const found = agents.listed(name);
    if (found === undefined || caller === undefined) return found;
    const resource = `agent:${encodeSegment(name)}`;
    const wanted = { ability: 'agent/message', resource, look: true as const };
    const decision = guard.decide(caller.principal, wanted);
    return decision.allow || decision.ask !== undefined ? found : undefined;
  };
  const toolName = (tool: string): string => `${BUILTIN_SERVER}${SEPARATOR}${tool}`;
  return { a2a: { agent, isPublic: () => agents.arePublic(), toolName, signer } };
}

function createTcp(
  components: LocalDoorsComponents,
  { http, keepAlive, limits, tcp }: LocalDoorsInit,
  door: Door,
): TcpTransport {
  const { clients, clock, logger } = components;
  return createTcpTransport(
    {
      isAllowed: createAddressCheck(http.allowedAddresses),
      async credentialOf(token, address) {
        const verdict = await door.byToken(token, address);
        return isRefusal(verdict) ? undefined : verdict;
      },
      nobody: clients.tcp,
      open: (principal, push) => components.open('tcp', { principal, push, isLimited: true }),
      ended: (session) => components.ended(session),
      clock,
      logger: logger.child('tcp'),
    },
    { ...tcp, messageBytes: limits.messageBytes, keepAliveMs: keepAlive.intervalMs },
  );
}
