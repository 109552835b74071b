/**
 * One session's channel to a server of this node. Each request goes to the instance that
 * `instance-choice.ts` names, in the request's era where the server has it, else over a bridge. Instances
 * come and go while the channel stays.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { LISTENER_META, META, clientOf, eraOf, metaOf, objectOf } from '../wire/era.ts';
import { resultBytes } from '../wire/frame.ts';
import { discreetListener } from './bridge/declared-capabilities.ts';
import { OVER, relayedWith, responseOf } from './bridge/relayed-call.ts';
import { bridgeToLegacy, isOfSuspended, poolKey } from './bridge/to-legacy.ts';
import { isOfTaskOnly, relayAsTask } from './bridge/task-only.ts';
import { bridgeToModern, relayModern } from './bridge/to-modern.ts';
import type { Instance } from './instances/instance.ts';
import type { ServerInstances } from './instances/server-instances-types.ts';
import { startedInTime } from './instances/start-patience.ts';
import { asUpstreamError } from './upstream-errors.ts';
import { createLocalSubscriptions } from './local-subscriptions.ts';
import type { FindInstance, LocalSubscriptions } from './local-subscriptions.ts';
import { createInstanceChoice, isInteractive } from './instances/instance-choice.ts';
import type { InstanceChoice } from './instances/instance-choice.ts';
import type { InstanceNeeds } from './instances/instance-needs.ts';
import type {
  ClientFacts,
  ChannelCall,
  ChannelListener,
  RelayedCall,
  ServerChannel,
  ServerChannelInit,
} from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';

const LEVEL_TIMEOUT_MS = 30_000;

/** The answer to what the channel itself takes note of. */
const NOTHING: ResponseFrame = { kind: 'response', bytes: Buffer.from('{}'), id: 0, result: {} };

let channelCount = 0;

/** Makes the channel; nothing is started before its first request. */
export function createLocalChannel(
  upstream: ServerInstances,
  init: ServerChannelInit,
): ServerChannel {
  return new LocalChannel(upstream, init);
}

class LocalChannel implements ServerChannel {
  readonly ended: Promise<StarlingError>;
  readonly #upstream: ServerInstances;
  readonly #choice: InstanceChoice;
  readonly #client: ClientFacts;
  readonly #listener: ChannelListener;
  /** The instances that this channel hears, and how to stop hearing them. */
  readonly #attached = new Map<Instance, () => void>();
  readonly #subscriptions: LocalSubscriptions;
  #level: string | undefined;
  #instance: Instance | undefined;
  #end: (error: StarlingError) => void = () => undefined;
  /** Key of the instance that is this channel's alone, where it has one. */
  #own: string | undefined;
  #closed = false;
  /** Of the time for which the modern calls of this channel are bridged, once one was. */
  #bridgedEpoch: number | undefined;

  constructor(upstream: ServerInstances, init: ServerChannelInit) {
    this.#upstream = upstream;
    channelCount += 1;
    this.#choice = createInstanceChoice({
      config: upstream.config,
      eras: upstream.eras,
      principal: init.principal,
      channelId: String(channelCount),
    });
    this.#client = this.#choice.allowed(init.client);
    this.#listener = discreetListener(init.listener, this.#client);
    const { clock, logger } = upstream;
    this.#subscriptions = createLocalSubscriptions({ listener: this.#listener, clock, logger });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  relay(call: RelayedCall): ChannelCall {
    if (this.#closed) {
      call.failed(this.#gone());
      return OVER;
    }
    if (eraOf(call.request) === 'modern') return this.#relayModern(call);
    const subscribing = this.#subscribe(call);
    if (subscribing !== undefined) return answerAfter(call, subscribing, this.#upstream.server);
    return this.#whenReady(this.#findSession(), call, (ready) => this.#relayLegacy(ready, call));
  }

  async request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number },
  ): Promise<ResponseFrame> {
    if (method === 'logging/setLevel') {
      this.#level = String(params['level']);
      if (this.#instance !== undefined) this.#setLevel(this.#instance, this.#level);
      return NOTHING;
    }
    const { uri } = params;
    if (typeof uri === 'string' && method === 'resources/subscribe') {
      const listener = listenerOf(params);
      const find = listener === undefined ? this.#findSession : this.#findListening(listener);
      await this.#subscriptions.add(uri, find);
      return NOTHING;
    }
    if (typeof uri === 'string' && method === 'resources/unsubscribe') {
      await this.#subscriptions.remove(uri);
      return NOTHING;
    }
    const instance = await this.#findSession();
    instance.usedAt = this.#upstream.clock.now();
    return instance.channel.request(method, params, options);
  }

  notify(method: string, params: JsonObject): void {
    if (this.#instance?.handshake.era === 'legacy') this.#instance.channel.notify(method, params);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscriptions.close();
    for (const [instance, detach] of this.#attached) {
      detach();
      instance.usedAt = this.#upstream.clock.now();
    }
    this.#attached.clear();
    if (this.#own !== undefined) this.#upstream.dismiss(this.#own);
    this.#end(this.#gone());
  }

  #gone(): StarlingError {
    return new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `server '${this.#upstream.server}' is gone`,
    );
  }

  /** Does what is not the server's to do for one session: undefined when `call` is of another kind. */
  #subscribe({ request, edits }: RelayedCall): Promise<void> | undefined {
    const uri = edits?.uri ?? request.params['uri'];
    if (typeof uri !== 'string') return undefined;
    if (request.method === 'resources/unsubscribe' && this.#subscriptions.has(uri)) {
      return this.#subscriptions.remove(uri);
    }
    const listener = listenerOf(request.params);
    if (request.method !== 'resources/subscribe' || listener === undefined) return undefined;
    return this.#subscriptions.add(uri, this.#findListening(listener));
  }

  /** The instance of the session's own era. @throws STARLING_LIMIT_EXCEEDED */
  readonly #findSession: FindInstance = () => {
    if (this.#closed) throw this.#gone();
    const known = this.#instance;
    return known === undefined || known.isOver ? this.#acquireOwn() : known;
  };

  /** The instance that the calls of a modern client are sent to while none of them waits. */
  #findListening(declared: ClientFacts): FindInstance {
    return async () => {
      const client = this.#choice.allowed(declared);
      const modern = this.#lacksModern()
        ? undefined
        : await this.#modernOr(this.#choice.forModern(client));
      if (this.#closed) throw this.#gone();
      if (modern?.handshake.era === 'modern') {
        this.#attach(modern);
        return modern;
      }
      const key = poolKey(this.#choice.bridgeKey(client), 0);
      const instance = await this.#upstream.acquire({ key, era: 'legacy', client });
      // What else the instance says is for the call that has it to itself.
      this.#attach(instance, isInteractive(client) ? 'updates' : undefined);
      return instance;
    };
  }

  /** Gets the session's instance, and makes it the one of this channel. */
  #acquireOwn(): Instance | Promise<Instance> {
    const needs = this.#choice.forSession(this.#client);
    if (this.#choice.isOwn(this.#client)) this.#own = needs.key;
    const instance = this.#upstream.acquire(needs);
    if (!(instance instanceof Promise)) return this.#adopt(instance);
    return instance.then((started) => this.#adopt(started));
  }

  /** Makes `instance` the one of the session, and hears it. */
  #adopt(instance: Instance): Instance {
    if (this.#instance === instance) return instance;
    this.#instance = instance;
    this.#attach(instance);
    if (this.#level !== undefined) this.#setLevel(instance, this.#level);
    return instance;
  }

  #attach(instance: Instance, hears?: 'updates'): void {
    if (this.#closed || this.#attached.has(instance)) return;
    const detach = instance.attach(this.#listener, {
      lost: () => this.#lost(instance),
      renewed: () => this.#renewed(instance),
      ...(hears === undefined ? {} : { hears }),
    });
    this.#attached.set(instance, detach);
  }

  #lost(instance: Instance): void {
    this.#attached.delete(instance);
    if (this.#instance === instance) this.#instance = undefined;
  }

  /** The instance's new session does not know the log level of the old one. */
  #renewed(instance: Instance): void {
    if (this.#instance === instance && this.#level !== undefined) {
      this.#setLevel(instance, this.#level);
    }
  }

  #whenReady(
    instance: Instance | Promise<Instance>,
    call: RelayedCall,
    send: (instance: Instance) => ChannelCall,
  ): ChannelCall {
    if (!(instance instanceof Promise)) return send(instance);
    let sent: ChannelCall | undefined;
    let cancelled = false;
    startedInTime(this.#upstream, instance).then(
      (started) => {
        if (!cancelled) sent = send(started);
      },
      (error: unknown) => {
        if (!cancelled) call.failed(asUpstreamError(error, this.#upstream.server));
      },
    );
    return {
      cancel(reason) {
        cancelled = true;
        sent?.cancel(reason);
      },
    };
  }

  #relayLegacy(instance: Instance, call: RelayedCall): ChannelCall {
    instance.usedAt = this.#upstream.clock.now();
    const { method, params } = call.request;
    if (method === 'logging/setLevel' && typeof params['level'] === 'string') {
      this.#level = params['level'];
    }
    const uri = call.edits?.uri ?? params['uri'];
    const isSubscribing = typeof uri === 'string' && method === 'resources/subscribe';
    const relayed = isSubscribing ? this.#noted(uri, instance, call) : call;
    if (instance.handshake.era === 'modern') {
      return bridgeToModern({
        instance,
        call: relayed,
        client: this.#client,
        listener: this.#listener,
        ...(this.#level === undefined ? {} : { logLevel: this.#level }),
      });
    }
    const { logger, server } = this.#upstream;
    return isOfTaskOnly(relayed, this.#upstream)
      ? relayAsTask({ instance, call: relayed, server, logger })
      : instance.channel.relay(relayed);
  }

  /** A call that subscribes to `uri`: what comes before its answer is heard, what is refused is forgotten. */
  #noted(uri: string, instance: Instance, call: RelayedCall): RelayedCall {
    const forget = this.#subscriptions.note(uri, instance, this.#findSession);
    return {
      ...relayedWith(call),
      response(frame) {
        if (frame.error !== undefined) forget();
        call.response(frame);
      },
      failed(error) {
        forget();
        call.failed(error);
      },
    };
  }

  #relayModern(call: RelayedCall): ChannelCall {
    const upstream = this.#upstream;
    const declared = clientOf(call.request);
    const client = this.#choice.allowed(declared);
    // A call that waits at an instance of the old era is taken up there, whatever is known by now.
    if (isOfSuspended(call)) return this.#bridge(call, client);
    if (!this.#lacksModern()) {
      return this.#whenReady(this.#modernOr(this.#choice.forModern(client)), call, (instance) => {
        instance.usedAt = upstream.clock.now();
        if (instance.handshake.era === 'modern') {
          this.#attach(instance);
          return this.#relayAsIs(instance, call, declared);
        }
        return this.#bridgeFromNow(call, client);
      });
    }
    return this.#bridgeFromNow(call, client);
  }

  /** A process remembers things: calls do not leave that of the ones before because the server may be asked again. */
  #lacksModern(): boolean {
    const { eras } = this.#upstream;
    return this.#bridgedEpoch === eras.epoch || eras.lacks('modern');
  }

  #bridgeFromNow(call: RelayedCall, client: ClientFacts): ChannelCall {
    const { config, eras } = this.#upstream;
    if (!config.shared) this.#bridgedEpoch = eras.epoch;
    return this.#bridge(call, client);
  }

  /** Each modern call says for itself what its client can do, shared instance or not. */
  #relayAsIs(instance: Instance, call: RelayedCall, declared: ClientFacts): ChannelCall {
    const client = this.#choice.withoutRoots(declared);
    if (client === declared) return relayModern(instance, call, client);
    const edits = { ...call.edits, clientCapabilities: client.capabilities };
    return relayModern(instance, { ...relayedWith(call), edits }, client);
  }

  /** A modern instance; where the server turns out to have none, any other. */
  #modernOr(needs: InstanceNeeds): Instance | Promise<Instance> {
    const instance = this.#upstream.acquire(needs);
    if (!(instance instanceof Promise)) return instance;
    return instance.catch((error: unknown) => {
      if (!this.#upstream.eras.lacks('modern')) throw error;
      return this.#findSession();
    });
  }

  #bridge(call: RelayedCall, client: ClientFacts): ChannelCall {
    return bridgeToLegacy({
      upstream: this.#upstream,
      call,
      client,
      owner: this.#choice.owner,
      logLevel: metaOf(call.request.params)[META.logLevel],
      shareKey: this.#choice.bridgeKey(client),
    });
  }

  #setLevel(instance: Instance, level: string): void {
    if (instance.handshake.era === 'modern') return;
    if (objectOf(instance.handshake.capabilities)['logging'] === undefined) return;
    instance.channel
      .request('logging/setLevel', { level }, { timeoutMs: LEVEL_TIMEOUT_MS })
      .catch((error: unknown) =>
        this.#upstream.logger.debug({ error: messageOf(error) }, 'log level not set'),
      );
  }
}

/** The client of a modern `subscriptions/listen`, for which a session of ours subscribes. */
function listenerOf(params: JsonObject): ClientFacts | undefined {
  const capabilities = metaOf(params)[LISTENER_META];
  if (typeof capabilities !== 'object' || capabilities === null) return undefined;
  return { capabilities: objectOf(capabilities), clientInfo: {} };
}

/** Answers `call` with an empty result when `work` is done. */
function answerAfter(call: RelayedCall, work: Promise<void>, server: string): ChannelCall {
  let isCancelled = false;
  work.then(
    () => {
      if (!isCancelled) call.response(responseOf(resultBytes(call.request.id, {})));
    },
    (error: unknown) => {
      if (!isCancelled) call.failed(asUpstreamError(error, server));
    },
  );
  return {
    cancel() {
      isCancelled = true;
    },
  };
}
