/**
 * One session's link to a server of this node. It finds the instance that a request needs: its own
 * where the client can be asked things, else one that the sessions of the same principal share; in
 * the request's era where the server has it, else bridged. Instances come and go beneath it.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { META, capabilitiesKey, clientOf, eraOf, metaOf, objectOf } from '../era.ts';
import { resultBytes, rewriteFrame } from '../frame.ts';
import { bridgeToLegacy, bridgeToModern, relayedWith, responseOf } from './bridge.ts';
import { isAnswer } from './instance.ts';
import type { Instance } from './instance.ts';
import type { InstanceWish, KeptUpstream } from './kept.ts';
import type {
  ClientFacts,
  LinkCall,
  LinkEars,
  RelayedCall,
  ResponseFrame,
  ServerLink,
  ServerLinkInit,
} from '../types.ts';

/** Capabilities by which a server asks its client things. */
const INTERACTIVE = ['sampling', 'elicitation', 'roots', 'tasks'] as const;
const RESUBSCRIBE_TIMEOUT_MS = 30_000;

/** The answer to what the link itself takes note of. */
const NOTHING: ResponseFrame = { kind: 'response', bytes: Buffer.from('{}'), id: 0, result: {} };

let linkCount = 0;

/** Makes the link; nothing is started before its first request. */
export function createLocalLink(upstream: KeptUpstream, init: ServerLinkInit): ServerLink {
  return new LocalLink(upstream, init);
}

class LocalLink implements ServerLink {
  readonly ended: Promise<StarlingError>;
  readonly #upstream: KeptUpstream;
  readonly #init: ServerLinkInit;
  readonly #client: ClientFacts;
  readonly #id: string;
  /** The instances that this link hears, and how to stop hearing them. */
  readonly #attached = new Map<Instance, () => void>();
  readonly #uris = new Set<string>();
  #level: string | undefined;
  #session: Instance | undefined;
  #end: (error: StarlingError) => void = () => undefined;
  #closed = false;

  constructor(upstream: KeptUpstream, init: ServerLinkInit) {
    this.#upstream = upstream;
    this.#init = init;
    linkCount += 1;
    this.#id = String(linkCount);
    this.#client = this.#allowed(init.client);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  relay(call: RelayedCall): LinkCall {
    if (eraOf(call.request) === 'modern') return this.#relayModern(call);
    const instance = this.#session ?? this.#acquire(this.#wish());
    return this.#whenReady(instance, call, (ready) => this.#relayLegacy(ready, call));
  }

  async request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number },
  ): Promise<ResponseFrame> {
    if (method === 'logging/setLevel') {
      this.#level = String(params['level']);
      if (this.#session !== undefined) this.#setLevel(this.#session, this.#level);
      return NOTHING;
    }
    const instance = await this.#sessionInstance();
    instance.usedAt = this.#upstream.clock.now();
    const isNews = this.#noteSubscription(instance, method, params['uri']);
    if (!isNews) return NOTHING;
    if (instance.handshake.era === 'modern' && /^resources\/(un)?subscribe$/.test(method)) {
      instance.listen();
      return NOTHING;
    }
    return instance.link.request(method, params, options);
  }

  notify(method: string, params: JsonObject): void {
    if (this.#session?.handshake.era === 'legacy') this.#session.link.notify(method, params);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const uri of this.#uris) {
      if (this.#session !== undefined) this.#unsubscribe(this.#session, uri);
    }
    for (const [instance, detach] of this.#attached) {
      detach();
      instance.usedAt = this.#upstream.clock.now();
    }
    this.#attached.clear();
    this.#end(
      new StarlingError(
        'STARLING_UPSTREAM_UNAVAILABLE',
        `server '${this.#upstream.server}' is gone`,
      ),
    );
  }

  /** What of the client's capabilities this server may know of. */
  #allowed(client: ClientFacts): ClientFacts {
    const { shared, peerRoots } = this.#upstream.config;
    if (shared) return { capabilities: {}, clientInfo: {} };
    const isRemote = this.#init.principal.kind === 'peer';
    if (!isRemote || peerRoots || client.capabilities['roots'] === undefined) return client;
    // Roots name folders of the client's machine, and may widen what the server serves.
    const { roots: _, ...capabilities } = client.capabilities;
    return { ...client, capabilities };
  }

  #wish(): InstanceWish {
    const era = this.#upstream.lacks.has('legacy') ? 'modern' : 'either';
    return { key: `${era} ${this.#shareKey(this.#client, this.#id)}`, era, client: this.#client };
  }

  /** Links with equal keys share an instance: never across principals, never with a client that can be asked. */
  #shareKey(client: ClientFacts, own: string): string {
    if (this.#upstream.config.shared) return 'shared';
    const isInteractive = INTERACTIVE.some((name) => client.capabilities[name] !== undefined);
    const who = principalKey(this.#init.principal);
    return `${who} ${capabilitiesKey(client.capabilities)}${isInteractive ? ` #${own}` : ''}`;
  }

  #acquire(wish: InstanceWish): Instance | Promise<Instance> {
    const instance = this.#upstream.acquire(wish);
    if (!(instance instanceof Promise)) return this.#adopt(instance);
    return instance.then((started) => this.#adopt(started));
  }

  /** Makes `instance` the one of the session, and hears it. */
  #adopt(instance: Instance): Instance {
    if (this.#session === instance) return instance;
    this.#session = instance;
    this.#attach(instance);
    if (this.#level !== undefined) this.#setLevel(instance, this.#level);
    return instance;
  }

  #attach(instance: Instance): void {
    if (this.#closed || this.#attached.has(instance)) return;
    const detach = instance.attach(this.#init.ears, () => this.#lost(instance));
    this.#attached.set(instance, detach);
  }

  #lost(instance: Instance): void {
    this.#attached.delete(instance);
    if (this.#session !== instance) return;
    this.#session = undefined;
    if (this.#closed || this.#uris.size === 0) return;
    // What is subscribed to must go on being heard, though nobody calls.
    this.#resubscribe().catch((error: unknown) =>
      this.#upstream.logger.warn({ error: messageOf(error) }, 'subscriptions not renewed'),
    );
  }

  async #resubscribe(): Promise<void> {
    const instance = await this.#sessionInstance();
    for (const uri of this.#uris) {
      this.#subscribed(instance, uri);
      await instance.link.request(
        'resources/subscribe',
        { uri },
        { timeoutMs: RESUBSCRIBE_TIMEOUT_MS },
      );
    }
  }

  async #sessionInstance(): Promise<Instance> {
    return this.#session ?? this.#acquire(this.#wish());
  }

  #whenReady(
    instance: Instance | Promise<Instance>,
    call: RelayedCall,
    send: (instance: Instance) => LinkCall,
  ): LinkCall {
    if (!(instance instanceof Promise)) return send(instance);
    let sent: LinkCall | undefined;
    let cancelled = false;
    instance.then(
      (started) => {
        if (!cancelled) sent = send(started);
      },
      (error: unknown) => {
        if (!cancelled) call.failed(failure(error, this.#upstream.server));
      },
    );
    return {
      cancel(reason) {
        cancelled = true;
        sent?.cancel(reason);
      },
    };
  }

  #relayLegacy(instance: Instance, call: RelayedCall): LinkCall {
    instance.usedAt = this.#upstream.clock.now();
    const { method, params } = call.request;
    if (method === 'logging/setLevel' && typeof params['level'] === 'string') {
      this.#level = params['level'];
    }
    const uri = call.edits?.uri ?? params['uri'];
    if (!this.#noteSubscription(instance, method, uri)) return answerLocally(call);
    if (instance.handshake.era === 'modern') {
      return bridgeToModern({
        instance,
        call,
        client: this.#client,
        ears: this.#init.ears,
        ...(this.#level === undefined ? {} : { logLevel: this.#level }),
      });
    }
    return instance.link.relay(call);
  }

  #relayModern(call: RelayedCall): LinkCall {
    const upstream = this.#upstream;
    const client = this.#allowed(clientOf(call.request));
    if (!upstream.lacks.has('modern')) {
      const wish = this.#modernWish(client);
      return this.#whenReady(this.#modernOr(wish), call, (instance) => {
        instance.usedAt = upstream.clock.now();
        if (instance.handshake.era === 'modern') {
          this.#attach(instance);
          return instance.link.relay(withCompleteResult(call));
        }
        return this.#bridge(call, client);
      });
    }
    return this.#bridge(call, client);
  }

  /**
   * Nothing of a modern client stays with a server, so that the operator's own clients use the
   * instance that is listed, and its lists change with it; others have theirs apart.
   */
  #modernWish(client: ClientFacts): InstanceWish {
    const { era, config, catalogWish } = this.#upstream;
    if (era === 'modern' && (config.shared || this.#init.principal.kind === 'operator')) {
      return catalogWish;
    }
    const key = config.shared ? 'shared' : principalKey(this.#init.principal);
    return { key: `modern ${key}`, era: 'modern', client };
  }

  /** A modern instance; where the server turns out to have none, any other. */
  #modernOr(wish: InstanceWish): Instance | Promise<Instance> {
    const instance = this.#upstream.acquire(wish);
    if (!(instance instanceof Promise)) return instance;
    return instance.catch((error: unknown) => {
      const { era, config, lacks } = this.#upstream;
      // A process may end when it is asked; what is at a URL says so, or is just not there now.
      const saysNo = config.type === 'stdio' || isAnswer(error);
      if (era === 'modern' || !saysNo) throw error;
      lacks.add('modern');
      return this.#sessionInstance();
    });
  }

  #bridge(call: RelayedCall, client: ClientFacts): LinkCall {
    return bridgeToLegacy({
      upstream: this.#upstream,
      call,
      client,
      owner: principalKey(this.#init.principal),
      logLevel: metaOf(call.request.params)[META.logLevel],
      shareKey: (own) => `either ${this.#shareKey(client, own)}`,
    });
  }

  /** Keeps count of who hears what. False when the server need not be told. */
  #noteSubscription(instance: Instance, method: string, uri: Json | undefined): boolean {
    if (typeof uri !== 'string') return true;
    if (method === 'resources/subscribe') {
      this.#uris.add(uri);
      this.#subscribed(instance, uri);
    } else if (method === 'resources/unsubscribe') {
      this.#uris.delete(uri);
      return this.#forget(instance, uri);
    }
    return true;
  }

  #subscribed(instance: Instance, uri: string): void {
    const subscribers = instance.subscribers.get(uri) ?? new Set<LinkEars>();
    subscribers.add(this.#init.ears);
    instance.subscribers.set(uri, subscribers);
  }

  /** True when nobody else is subscribed to `uri` there. */
  #forget(instance: Instance, uri: string): boolean {
    const subscribers = instance.subscribers.get(uri);
    if (subscribers === undefined) return true;
    subscribers.delete(this.#init.ears);
    if (subscribers.size > 0) return false;
    instance.subscribers.delete(uri);
    return true;
  }

  #unsubscribe(instance: Instance, uri: string): void {
    if (!this.#forget(instance, uri) || instance.handshake.era === 'modern') return;
    instance.link
      .request('resources/unsubscribe', { uri }, { timeoutMs: RESUBSCRIBE_TIMEOUT_MS })
      .catch((error: unknown) =>
        this.#upstream.logger.debug({ error: messageOf(error) }, 'subscription not ended'),
      );
  }

  #setLevel(instance: Instance, level: string): void {
    if (instance.handshake.era === 'modern') return;
    if (objectOf(instance.handshake.capabilities)['logging'] === undefined) return;
    instance.link
      .request('logging/setLevel', { level }, { timeoutMs: RESUBSCRIBE_TIMEOUT_MS })
      .catch((error: unknown) =>
        this.#upstream.logger.debug({ error: messageOf(error) }, 'log level not set'),
      );
  }
}

/** Who a principal is, as a key. */
export function principalKey(principal: Principal): string {
  switch (principal.kind) {
    case 'operator':
      return 'operator';
    case 'client':
      return `client ${JSON.stringify(principal.name)}`;
    case 'agent':
    case 'peer':
      return principal.did;
  }
  throw new TypeError('unknown kind of principal');
}

function failure(error: unknown, server: string): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError(
    'STARLING_UPSTREAM_UNAVAILABLE',
    `server '${server}' failed: ${messageOf(error)}`,
    { cause: error },
  );
}

/** Others go on hearing it, so that the server must not be told. */
function answerLocally(call: RelayedCall): LinkCall {
  queueMicrotask(() => call.response(responseOf(resultBytes(call.request.id, {}))));
  return { cancel: () => undefined };
}

/** A result that does not say of what type it is, is complete; clients want to read that. */
function withCompleteResult(call: RelayedCall): RelayedCall {
  return {
    ...relayedWith(call),
    response(frame) {
      if (frame.result === undefined || 'resultType' in frame.result) call.response(frame);
      else call.response(responseOf(rewriteFrame(frame, { result: { resultType: 'complete' } })));
    },
  };
}
