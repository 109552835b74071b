/**
 * One running instance of an upstream server: a process, or a session at a URL, after its handshake.
 * Channels attach to the instance and hear what the server says by itself.
 */
import type { McpServer } from '../../config/index.ts';
import { StarlingError, createScope, toStarlingError } from '../../core/index.ts';
import type { Clock, JsonObject, Logger, Random } from '../../core/index.ts';
import type { Era } from '../wire/era.ts';
import { RPC, errorBytes, resultBytes } from '../wire/frame.ts';
import { discover, initialize } from '../wire/client-handshake.ts';
import type { Handshake } from '../wire/client-handshake.ts';
import type {
  ClientFacts,
  Channel,
  ChannelListener,
  NotificationFrame,
  RequestFrame,
} from '../types.ts';
import type { Credentials, UpstreamConnection } from './connection-types.ts';
import { createLastingSubscription } from './lasting-subscription.ts';
import { connectHttp } from './url/streamable-http.ts';
import { connectSse } from './url/sse.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { connectStdio } from './stdio.ts';

/** What an instance works with. */
export interface InstanceComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that one of the server's lists has changed. */
  listChanged(): void;
  readonly random: Random;
  /** What shows a server at a URL who we are. */
  readonly credentials: Credentials | undefined;
  /** What stands around a process; none where it is absent. */
  readonly sandbox?: Sandbox | undefined;
  /** `Mcp-Param-*` headers of a request to a modern server at a URL. */
  paramHeaders(method: string, params: JsonObject): Readonly<Record<string, string>>;
}

/** Which server, for whom, and within which bounds. */
export interface InstanceInit {
  readonly name: string;
  readonly server: McpServer;
  /**
   * The era to start the server in: `either` is the legacy era where the server has it, `newest` at a URL the
   * modern era. Processes are never asked for the modern era first: some end when they are.
   */
  readonly era: Era | 'either' | 'newest';
  readonly client: ClientFacts;
  readonly messageBytes: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
  readonly startTimeoutMs: number;
}

/** A running instance. */
export interface Instance {
  readonly handshake: Handshake;
  readonly channel: Channel;
  readonly pid?: number;
  readonly startedAt: number;
  /** When the instance was last used, ms since the epoch. */
  usedAt: number;
  /** How many listeners hear the instance. */
  readonly attached: number;
  /** Who has subscribed to which URI. */
  readonly subscribers: Map<string, Set<ChannelListener>>;
  /**
   * `listener` hears the instance until detached, or just `updates` of resources; `lost` is called when
   * the instance ends. Returns how to detach.
   */
  attach(listener: ChannelListener, lost?: () => void, hears?: 'updates'): () => void;
  /** True when the instance has ended, or is being ended: it takes no more calls. */
  readonly isOver: boolean;
  /** Calls that wait for an answer; our own subscription to a modern server is none. */
  readonly calls: number;
  /** Tells a modern server anew what to report: its lists, and what {@link subscribers} names. */
  listen(): void;
  oddity(): string | undefined;
  readonly ended: Promise<StarlingError>;
  close(): Promise<void>;
}

/** Who hears an instance. */
interface Attached {
  lost(this: void): void;
  /** False for who hears of resources alone. */
  readonly all: boolean;
}

/** How long a server may think about `server/discover` before it is taken for a legacy server. */
const PROBE_TIMEOUT_MS = 5000;
const UPDATED = 'notifications/resources/updated';
const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

/** Starts an instance. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID */
export async function startInstance(
  components: InstanceComponents,
  init: InstanceInit,
): Promise<Instance> {
  const attached = new Map<ChannelListener, Attached>();
  const listener = listenerOf(components, attached);
  let era: Era = 'legacy';
  const connection = await connect(components, init, listener, () => era);
  try {
    const handshake = await shakeHands(connection.channel, init, (next) => {
      era = next;
    });
    connection.negotiated(handshake);
    const now = components.clock.now();
    const subscribers: Instance['subscribers'] = new Map();
    const scope = createScope(components.clock);
    const subscription = createLastingSubscription(
      {
        ...components,
        channel: connection.channel,
        scope,
        heard: (frame) => listener.notification(frame),
        resumed: () => components.listChanged(),
      },
      { handshake, uris: () => [...subscribers.keys()] },
    );
    subscription.open();
    void connection.ended.then(() => {
      scope.close();
      const losers = [...attached.values()];
      attached.clear();
      for (const { lost } of losers) lost();
    });
    return {
      handshake,
      channel: connection.channel,
      ...(connection.pid === undefined ? {} : { pid: connection.pid }),
      startedAt: now,
      usedAt: now,
      get attached() {
        return attached.size;
      },
      subscribers,
      attach(listener, lost = () => undefined, hears) {
        if (scope.closed) queueMicrotask(lost);
        else attached.set(listener, { lost, all: hears === undefined });
        return () => attached.delete(listener);
      },
      listen: () => subscription.open(),
      get isOver() {
        return scope.closed || connection.channel.isOver;
      },
      get calls() {
        return connection.channel.inFlight - (subscription.isOpen ? 1 : 0);
      },
      oddity: () => connection.oddity(),
      ended: connection.ended,
      close() {
        scope.close();
        return connection.close();
      },
    };
  } catch (error) {
    const failed = explained(error, init.name, connection.oddity());
    await connection.close();
    throw failed;
  }
}

function connect(
  components: InstanceComponents,
  init: InstanceInit,
  listener: ChannelListener,
  era: () => Era,
): Promise<UpstreamConnection> | UpstreamConnection {
  const { clock, random, logger, credentials } = components;
  const { name, messageBytes, callTotalMs, callsMax, server } = init;
  const bounds = { name, messageBytes, callTotalMs, callsMax };
  if (server.type === 'stdio') {
    const { sandbox } = components;
    return connectStdio({ clock, logger, listener, sandbox }, { ...bounds, server });
  }
  const url = { clock, random, logger, listener, credentials };
  if (server.type === 'sse') return connectSse(url, { ...bounds, server });
  const paramHeaders = (method: string, params: JsonObject): Readonly<Record<string, string>> =>
    components.paramHeaders(method, params);
  return connectHttp(url, { ...bounds, server, era, paramHeaders });
}

/** The eras to try, in order: most servers are legacy, and every modern one says that it is not. */
function erasOf({ era, server }: InstanceInit): readonly Era[] {
  if (era === 'either') return ['legacy', 'modern'];
  if (era === 'newest') return server.type === 'http' ? ['modern', 'legacy'] : ['legacy', 'modern'];
  return [era];
}

async function shakeHands(
  channel: Channel,
  init: InstanceInit,
  speak: (era: Era) => void,
): Promise<Handshake> {
  const title = `server '${init.name}'`;
  const { client, startTimeoutMs } = init;
  const [first = 'legacy', second] = erasOf(init);
  const shake = (era: Era, timeoutMs: number): Promise<Handshake> => {
    speak(era);
    return (era === 'modern' ? discover : initialize)(channel, title, { timeoutMs, client });
  };
  const isProbe = first === 'modern';
  const probeMs = Math.min(PROBE_TIMEOUT_MS, startTimeoutMs);
  if (second === undefined) return shake(first, isProbe ? probeMs : startTimeoutMs);
  try {
    return await shake(first, isProbe ? probeMs : startTimeoutMs);
  } catch (error) {
    if (isProbe ? isForLogin(error) : !isAnswer(error)) throw error;
    return shake(second, startTimeoutMs);
  }
}

/** True for an error by which the server itself answered. */
export function isAnswer(error: unknown): boolean {
  return error instanceof StarlingError && typeof error.data['rpc'] === 'number';
}

function isForLogin(error: unknown): boolean {
  const reason = error instanceof StarlingError ? error.data['reason'] : undefined;
  return reason === 'login' || reason === 'scope';
}

function listenerOf(
  components: InstanceComponents,
  attached: ReadonlyMap<ChannelListener, Attached>,
): ChannelListener {
  return {
    notification(frame: NotificationFrame, related) {
      if (LIST_CHANGED.test(frame.method)) components.listChanged();
      else {
        for (const [listener, { all }] of attached) {
          if (all || frame.method === UPDATED) listener.notification(frame, related);
        }
      }
    },
    request(frame: RequestFrame, answer, related) {
      const [only, ...others] = [...attached].filter(([, { all }]) => all);
      if (only !== undefined && others.length === 0) only[0].request(frame, answer, related);
      else answer(answerOfNobody(frame));
    },
  };
}

/** Nobody in particular is attached: there are no roots, and nobody to ask. */
function answerOfNobody(frame: RequestFrame): Buffer {
  if (frame.method === 'roots/list') return resultBytes(frame.id, { roots: [] });
  return errorBytes(frame.id, {
    code: RPC.methodNotFound,
    message: `this client does not serve ${frame.method}`,
  });
}

function explained(error: unknown, server: string, oddity?: string): StarlingError {
  if (error instanceof StarlingError && error.code === 'STARLING_TIMEOUT') {
    const odd = oddity === undefined ? '' : `; ${oddity}`;
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${server}' started but did not answer in time (${error.message})${odd}`,
      { hint: 'check that its command speaks MCP on standard input and output', cause: error },
    );
  }
  return toStarlingError(error, 'STARLING_UPSTREAM_UNAVAILABLE', `server '${server}' failed`);
}
