/**
 * What one session wants to hear of: resources that it subscribed to, by `resources/subscribe` or by
 * `subscriptions/listen` (MCP 2026-07-28, `basic/patterns/subscriptions`), and changes of lists.
 */
import type { Json, JsonObject } from '../../core/index.ts';
import { META, clientOf, metaOf, objectOf } from '../wire/era.ts';
import { notificationBytes, resultBytes } from '../wire/frame.ts';
import type { FrameId, NotificationFrame, RequestFrame } from '../types.ts';
import type { ListKind } from '../catalog/lists.ts';

/** Subscriptions that one session may hold. */
const URIS_MAX = 1000;
const LISTENERS_MAX = 16;

/** Where the messages of one `subscriptions/listen` go. */
export interface ListenReply {
  interim(message: Buffer): void;
  final(message: Buffer): void;
}

/** One open `subscriptions/listen`. */
export interface Listener {
  readonly id: FrameId;
  readonly uris: readonly string[];
}

/** A resource that a session hears of. */
export interface HeardResource {
  /** As the client calls it. */
  readonly uri: string;
  /** As its server does. */
  readonly theirs: string;
  /** Of a client that listens by `subscriptions/listen`. */
  readonly capabilities?: Json;
}

/** What a session hears. */
export interface Subscriptions {
  /** Takes note that `uri` here is `theirs` at `server`. False when too many are known. */
  know(uri: string, server: string, theirs: string): boolean;
  /** The client subscribed to `uri` by `resources/subscribe`. */
  add(uri: string): void;
  remove(uri: string): void;
  /** What is heard of `server`. */
  at(server: string): readonly HeardResource[];
  /** What is subscribed to, as the client calls it. */
  uris(): readonly string[];
  /** Tells of `uri` no more, whoever asked. */
  drop(uri: string): void;
  /** Opens a `subscriptions/listen` and acknowledges it; undefined when too many are open. */
  listen(request: RequestFrame, reply: ListenReply): Listener | undefined;
  /** Ends one, with an answer when `graceful`. Returns the URIs that nobody hears any more. */
  close(listener: Listener, graceful: boolean): readonly string[];
  /** A resource of `server` changed: tells who subscribed to it. */
  updated(server: string, frame: NotificationFrame, push: (message: Buffer) => void): void;
  /** A list changed: tells the listeners. */
  listChanged(kind: ListKind): void;
  /** True when something of this server is subscribed to. */
  isOn(server: string): boolean;
  /** Open listeners. */
  readonly size: number;
}

interface Open extends Listener {
  readonly reply: ListenReply;
  readonly filter: JsonObject;
  readonly capabilities: Json;
}

const UPDATED = 'notifications/resources/updated';
const FILTERS: Readonly<Record<ListKind, string>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
  templates: 'resourcesListChanged',
};

/** Makes the subscriptions of a session. */
export function createSubscriptions(): Subscriptions {
  /** By server and its URI: what the client calls it. */
  const known = new Map<string, Set<string>>();
  const legacy = new Set<string>();
  const open = new Set<Open>();

  const isHeard = (uri: string): boolean =>
    legacy.has(uri) || [...open].some(({ uris }) => uris.includes(uri));
  const listening = (uri: string): Pick<HeardResource, 'capabilities'> => {
    const listener = [...open].find(({ uris }) => uris.includes(uri));
    return listener === undefined ? {} : { capabilities: listener.capabilities };
  };
  /** Makes room for others: a session may subscribe to more in its life than at one time. */
  const forget = (uri: string): void => {
    for (const [key, names] of known) if (names.delete(uri) && names.size === 0) known.delete(key);
  };

  return {
    get size() {
      return open.size;
    },
    know(uri, server, theirs) {
      const key = JSON.stringify([server, theirs]);
      const names = known.get(key) ?? new Set();
      if (known.size >= URIS_MAX && !known.has(key)) return false;
      known.set(key, names.add(uri));
      return true;
    },
    add(uri) {
      legacy.add(uri);
    },
    remove(uri) {
      legacy.delete(uri);
      if (!isHeard(uri)) forget(uri);
    },
    at: (server) =>
      [...known].flatMap(([key, names]) => {
        const [at, theirs] = JSON.parse(key) as [string, string];
        if (at !== server) return [];
        return [...names].filter(isHeard).map((uri) => ({ uri, theirs, ...listening(uri) }));
      }),
    uris: () => [...new Set([...known.values()].flatMap((names) => [...names]))].filter(isHeard),
    isOn: (server) => [...known.keys()].some((key) => serverIn(key) === server),
    drop(uri) {
      legacy.delete(uri);
      forget(uri);
    },
    listen(request, reply) {
      if (open.size >= LISTENERS_MAX) return undefined;
      const wanted = objectOf(request.params['notifications']);
      const filter = filterOf(wanted);
      const listed = filter['resourceSubscriptions'];
      const uris = Array.isArray(listed) ? (listed as readonly string[]) : [];
      const { capabilities } = clientOf(request);
      const listener = { id: request.id, uris, reply, filter, capabilities };
      open.add(listener);
      const _meta = { [META.subscriptionId]: request.id };
      reply.interim(
        notificationBytes('notifications/subscriptions/acknowledged', {
          _meta,
          notifications: filter,
        }),
      );
      return listener;
    },
    close(listener, graceful) {
      const closing = [...open].find((one) => one === listener);
      if (closing === undefined) return [];
      open.delete(closing);
      if (graceful) {
        const { id, reply } = closing;
        const _meta = { [META.subscriptionId]: id };
        reply.final(resultBytes(id, { resultType: 'complete', _meta }));
      }
      const unheard = listener.uris.filter((uri) => !isHeard(uri));
      for (const uri of unheard) forget(uri);
      return unheard;
    },
    updated(server, frame, push) {
      const theirs = frame.params['uri'];
      const names = known.get(JSON.stringify([server, theirs]));
      for (const uri of names ?? []) {
        const { [META.subscriptionId]: _, ...meta } = metaOf(frame.params);
        if (legacy.has(uri)) {
          const own = Object.keys(meta).length === 0 ? {} : { _meta: meta };
          const { _meta: __, ...params } = frame.params;
          push(notificationBytes(UPDATED, { ...params, uri, ...own }));
        }
        for (const { id, uris, reply } of open) {
          if (!uris.includes(uri)) continue;
          const _meta = { ...meta, [META.subscriptionId]: id };
          reply.interim(notificationBytes(UPDATED, { ...frame.params, uri, _meta }));
        }
      }
    },
    listChanged(kind) {
      const name = FILTERS[kind];
      for (const { id, reply, filter } of open) {
        if (filter[name] !== true) continue;
        const list = kind === 'templates' ? 'resources' : kind;
        const _meta = { [META.subscriptionId]: id };
        reply.interim(notificationBytes(`notifications/${list}/list_changed`, { _meta }));
      }
    },
  };
}

function serverIn(key: string): unknown {
  return (JSON.parse(key) as readonly unknown[])[0];
}

/** The part of a filter that we honour. */
function filterOf(wanted: JsonObject): JsonObject {
  const filter: Record<string, Json> = {};
  for (const name of ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged']) {
    if (wanted[name] === true) filter[name] = true;
  }
  const uris = wanted['resourceSubscriptions'];
  if (Array.isArray(uris)) {
    const texts = (uris as readonly Json[]).filter((uri) => typeof uri === 'string');
    filter['resourceSubscriptions'] = texts.slice(0, URIS_MAX);
  }
  return filter;
}
