/**
 * One running instance of an upstream server: a process, or a session at a URL, after its handshake.
 * Channels attach to the instance and hear what the server says by itself.
 */
import type { UsableServer } from '../../../config/index.ts';
import {
  StarlingError,
  createScope,
  messageOf,
  toStarlingError,
  unawaited,
} from '../../../core/index.ts';
import type { Clock, JsonObject, Logger, Random } from '../../../core/index.ts';
import type { Era } from '../../wire/era.ts';
import { RPC, errorBytes, resultBytes } from '../../wire/frame.ts';
import { discover, initialize } from '../../wire/client-handshake.ts';
import type { Handshake } from '../../wire/client-handshake.ts';
import type { ClientFacts, Channel, ChannelListener } from '../../channel-types.ts';
import type { NotificationFrame, RequestFrame } from '../../frame-types.ts';
import type { Credentials, UpstreamConnection } from '../connection-types.ts';
import { createLastingSubscription } from '../lasting-subscription.ts';
import { connectHttp } from '../url/streamable-http.ts';
import type { HttpInit } from '../url/streamable-http.ts';
import { connectSse } from '../url/sse.ts';
import type { ProcessHooks } from '../process/process-hooks.ts';
import type { Children } from '../process/process-record.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { OUTDATED, connectStdio } from '../process/stdio.ts';

/** What an instance works with. */
export interface InstanceComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that one of the server's lists has changed. */
  listChanged(): void;
  /** Hears that the server has forgotten the session, and the instance goes on in a new one. */
  renewed(this: void): void;
  readonly random: Random;
  /** What shows a server at a URL who we are. */
  readonly credentials: Credentials | undefined;
  /** What stands around a process; none where it is absent. */
  readonly sandbox?: Sandbox | undefined;
  /** Where processes are noted. */
  readonly children?: Children | undefined;
  /** Who hears what a process says besides; nobody where it is absent. */
  readonly hooks?: ProcessHooks | undefined;
  /** Aborted when the server is stopped: a start that is under way is given up. */
  readonly signal?: AbortSignal | undefined;
  /** `Mcp-Param-*` headers of a request to a modern server at a URL. */
  paramHeaders(method: string, params: JsonObject): Readonly<Record<string, string>>;
}

/** Which server, for whom, and within which bounds. */
export interface InstanceInit {
  readonly name: string;
  readonly server: UsableServer;
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
  /** `listener` hears the instance until detached. Returns how to detach. */
  attach(listener: ChannelListener, options?: AttachOptions): () => void;
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

/** What a listener of an instance wants to know besides. */
export interface AttachOptions {
  /** Called when the instance ends. */
  lost?(this: void): void;
  /** Called when the instance goes on in a new session, which knows nothing of the old one. */
  renewed?(this: void): void;
  /** Just updates of resources; default everything. */
  readonly hears?: 'updates';
}

/** How long a server may think about `server/discover` before it is taken for a legacy server. */
const PROBE_TIMEOUT_MS = 5000;
/**
 * How often the sandbox of a start is planned where paths that it covers go away meanwhile, as folders of other nodes. Fewer have
 * a server fail where many nodes come and go; more keep a start busy where a path is never as it seems.
 */
const PLANS_MAX = 20;
const UPDATED = 'notifications/resources/updated';
const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

/** Resolves when the server has shaken hands. @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID */
export async function startInstance(
  components: InstanceComponents,
  init: InstanceInit,
): Promise<Instance> {
  for (let plans = 1; ; plans += 1) {
    try {
      return await startOnce(components, init);
    } catch (error) {
      const isOutdated = error instanceof StarlingError && error.data['reason'] === OUTDATED;
      if (!isOutdated || plans === PLANS_MAX || components.signal?.aborted === true) throw error;
    }
  }
}

async function startOnce(components: InstanceComponents, init: InstanceInit): Promise<Instance> {
  const attached = new Map<ChannelListener, AttachOptions>();
  const listener = listenerOf(components, attached);
  let era: Era = 'legacy';
  const subscribers: Instance['subscribers'] = new Map();
  const renew = async (): Promise<Handshake> => {
    const { channel } = connection;
    handshake = await initializeAnew(components, init, { channel, subscribers });
    for (const { renewed } of attached.values()) renewed?.();
    return handshake;
  };
  const connection = await connect(components, init, listener, { era: () => era, renew });
  let handshake: Handshake;
  const { signal } = components;
  const stopped = (): void =>
    unawaited(connection.close(), components.logger, 'an instance that starts did not end');
  if (signal?.aborted === true) stopped();
  signal?.addEventListener('abort', stopped, { once: true });
  try {
    handshake = await shakeHands(connection.channel, init, (next) => {
      era = next;
    });
    connection.negotiated(handshake);
  } catch (error) {
    const failed = explained(error, init.name, connection.oddity());
    await connection.close();
    throw failed;
  } finally {
    signal?.removeEventListener('abort', stopped);
  }
  return runningInstance(components, {
    connection,
    attached,
    subscribers,
    heard: (frame) => listener.notification(frame),
    handshake: () => handshake,
  });
}

/** What a running instance is made of. */
interface RunningParts {
  readonly connection: UpstreamConnection;
  readonly attached: Map<ChannelListener, AttachOptions>;
  readonly subscribers: Instance['subscribers'];
  /** Hears what a modern server reports. */
  readonly heard: (frame: NotificationFrame) => void;
  /** That of the session of now. */
  readonly handshake: () => Handshake;
}

function runningInstance(components: InstanceComponents, parts: RunningParts): Instance {
  const { connection, attached, subscribers } = parts;
  const { channel } = connection;
  const startedAt = components.clock.now();
  const scope = createScope(components.clock);
  const subscription = createLastingSubscription(
    {
      ...components,
      channel,
      scope,
      heard: parts.heard,
      resumed: () => components.listChanged(),
    },
    { handshake: parts.handshake(), uris: () => [...subscribers.keys()] },
  );
  subscription.open();
  const told = connection.ended.then(() => {
    scope.close();
    const losers = [...attached.values()];
    attached.clear();
    for (const { lost } of losers) lost?.();
  });
  unawaited(told, components.logger, 'the end of an instance was not told to all');
  return {
    get handshake() {
      return parts.handshake();
    },
    channel,
    ...(connection.pid === undefined ? {} : { pid: connection.pid }),
    startedAt,
    usedAt: startedAt,
    get attached() {
      return attached.size;
    },
    subscribers,
    attach(listener, options = {}) {
      if (scope.closed) queueMicrotask(() => options.lost?.());
      else attached.set(listener, options);
      return () => attached.delete(listener);
    },
    listen: () => subscription.open(),
    get isOver() {
      return scope.closed || channel.isOver;
    },
    get calls() {
      return channel.inFlight - (subscription.isOpen ? 1 : 0);
    },
    oddity: () => connection.oddity(),
    ended: connection.ended,
    close() {
      scope.close();
      return connection.close();
    },
  };
}

function connect(
  components: InstanceComponents,
  init: InstanceInit,
  listener: ChannelListener,
  session: Pick<HttpInit, 'era' | 'renew'>,
): Promise<UpstreamConnection> | UpstreamConnection {
  const { clock, random, logger, credentials } = components;
  const { name, messageBytes, callTotalMs, callsMax, server } = init;
  const bounds = { name, messageBytes, callTotalMs, callsMax };
  if (server.type === 'stdio') {
    const { sandbox, children, hooks } = components;
    const around = { sandbox, children, hooks };
    return connectStdio({ clock, logger, listener, ...around }, { ...bounds, server });
  }
  const url = { clock, random, logger, listener, credentials };
  if (server.type === 'sse') {
    return connectSse(url, {
      ...bounds,
      server,
      ...(session.renew === undefined ? {} : { renew: session.renew }),
    });
  }
  const paramHeaders = (method: string, params: JsonObject): Readonly<Record<string, string>> =>
    components.paramHeaders(method, params);
  return connectHttp(url, { ...bounds, server, ...session, paramHeaders });
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
  const shake = async (era: Era, timeoutMs: number): Promise<Handshake> => {
    speak(era);
    try {
      const greet = era === 'modern' ? discover : initialize;
      return await greet(channel, title, { timeoutMs, client });
    } catch (error) {
      throw inItsOwnWords(error);
    }
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

/**
 * Initialises a session that the server has forgotten, and subscribes anew to what was subscribed to.
 * @throws as the server refuses
 */
async function initializeAnew(
  { logger, renewed }: InstanceComponents,
  { name, client, startTimeoutMs }: InstanceInit,
  { channel, subscribers }: Pick<Instance, 'channel' | 'subscribers'>,
): Promise<Handshake> {
  const timeoutMs = startTimeoutMs;
  const handshake = await initialize(channel, `server '${name}'`, { timeoutMs, client });
  for (const uri of subscribers.keys()) {
    channel.request('resources/subscribe', { uri }, { timeoutMs }).then(
      ({ error }) => {
        if (error !== undefined) logger.debug({ uri, error: error.message }, 'not subscribed anew');
      },
      (error: unknown) => logger.debug({ uri, error: messageOf(error) }, 'not subscribed anew'),
    );
  }
  renewed();
  return handshake;
}

/** What a server says of itself is no hint of ours, and has none of our codes: status would tell its words as ours. */
function inItsOwnWords(error: unknown): unknown {
  if (!isAnswer(error)) return error;
  const { data, message } = error as StarlingError;
  return new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', message, { data, cause: error });
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
  attached: ReadonlyMap<ChannelListener, AttachOptions>,
): ChannelListener {
  return {
    notification(frame: NotificationFrame, related) {
      if (LIST_CHANGED.test(frame.method)) components.listChanged();
      else {
        for (const [listener, { hears }] of attached) {
          if (hears === undefined || frame.method === UPDATED)
            listener.notification(frame, related);
        }
      }
    },
    request(frame: RequestFrame, answer, related) {
      const [only, ...others] = [...attached].filter(([, { hears }]) => hears === undefined);
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
    const isSaid = oddity === undefined || error.message.includes(oddity);
    const odd = isSaid ? '' : `; ${oddity}`;
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `${error.message}, though it has started${odd}`,
      { hint: 'check that its command speaks MCP on standard input and output', cause: error },
    );
  }
  return toStarlingError(error, 'STARLING_UPSTREAM_UNAVAILABLE', `server '${server}' failed`);
}
