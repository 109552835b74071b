/**
 * What a principal sees, and where a name or URI leads. Who is bound by grants or scopes sees what the
 * guard allows it, and for them the guard comes before any look at what exists. A peer asks for one
 * server at a time and never for what other peers offer.
 */
import { EventEmitter } from 'node:events';
import { nearest } from '../../config/index.ts';
import type { Config, View as NamedView } from '../../config/index.ts';
import { StarlingError, printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Directory, ServerCatalog, ServerFacts } from '../../directory/index.ts';
import { promptResource, toolResource, uriResource } from '../../grants/index.ts';
import type { Wanted } from '../../grants/index.ts';
import type { Decision, Guard, GuardWanted, Principal } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { objectOf } from '../wire/era.ts';
import { RPC } from '../wire/frame.ts';
import { SEPARATOR } from './tool-names.ts';
import type { Pins } from '../pins/pins.ts';
import { quarantineError } from '../pins/quarantine.ts';
import { peerAway, refusalBefore } from '../clearance/refusals.ts';
import type { Quarantined } from '../pins/quarantine.ts';
import { compileSelection } from './tool-selection.ts';
import type { ToolSelection } from './tool-selection.ts';
import type { RelayedCall, ServerTarget, Upstreams } from '../types.ts';
import { fitsTemplate, translate } from './resource-uris.ts';
import { BUILTIN } from '../builtin/server.ts';
import { createViewCache } from './view-cache.ts';
import { createLists, distinct, factsOf, heldKey, jointFacts, targetOf } from './view.ts';
import type { Held, ListKind, Lists, ListsInit, Place, Source } from './view.ts';

/** `search`: three tools stand for the whole list. */
export type ToolsMode = 'all' | 'search';

/** Which part of the mesh a session is opened at. */
export type ViewSpec =
  /** Everything that the principal may see, or what the named view shows of it. */
  | { readonly kind: 'all'; readonly view?: string; readonly tools?: ToolsMode }
  /** One server, its names untouched; of this node, or of the peer of this alias. */
  | { readonly kind: 'server'; readonly server: string; readonly peer?: string }
  /** For peers: what this node's servers list, and nothing to call. */
  | { readonly kind: 'catalog' };

/** Where a request goes. */
export interface Route {
  readonly target: ServerTarget;
  /** What the thing is called there, when it differs. */
  readonly edits?: RelayedCall['edits'];
  /** What the guard is asked, with the arguments, before the call; and again when grants change. */
  readonly wanted?: GuardWanted;
  /** True when it was asked already: of a task that this session began. */
  readonly isCleared?: boolean;
  /** True when another server may be tried where this one fails: running the call twice does no harm. */
  readonly mayRepeat?: boolean;
}

/** What one principal sees through one {@link ViewSpec}. */
export interface View {
  readonly lists: Lists;
  readonly facts: ServerFacts;
  /** What of this node's servers the principal may see: what a peer's directory is made of. */
  readonly catalogs: readonly ServerCatalog[];
  readonly toolsMode: ToolsMode;
  /**
   * Servers that have the tool, the least loaded first: one, but for tools that peers offer together.
   * @throws STARLING_CALL_REFUSED, STARLING_TOOL_UNKNOWN, STARLING_TOOL_QUARANTINED, …
   */
  tool(name: string): readonly Route[];
  /** @throws STARLING_CALL_REFUSED, STARLING_USAGE */
  prompt(name: string): Route;
  /** Servers that may have `uri`, the likeliest first. @throws STARLING_CALL_REFUSED */
  resource(uri: string, ability: 'resource/read' | 'resource/subscribe'): readonly Route[];
  /** The one server of the view, for what only it can know. @throws STARLING_USAGE */
  server(method: string): Route;
}

/** Events of the router. */
export interface RouterEvents {
  /** What some principal sees may have changed. */
  change: [];
}

/** Routes calls. */
export interface Router {
  readonly events: EventEmitter<RouterEvents>;
  view(principal: Principal, spec: ViewSpec): View;
  /** True when there is a server, a peer or a view of that name. */
  exists(spec: ViewSpec): boolean;
  /** Makes lists and views anew, as `config` has them. */
  configure(config: RouterConfig): void;
  /** The guard may say something else now: makes views anew. */
  refresh(): void;
  /** Asks the guard again, for a call that is under way. */
  judge(principal: Principal, wanted: GuardWanted): Decision;
  stop(): void;
}

/** How lists are made, and the views that have a name. */
export type RouterConfig = Pick<Config, 'list' | 'views'>;

/** What the router works with. */
export interface RouterComponents {
  readonly upstreams: Upstreams;
  readonly directory: Directory;
  readonly membership: Pick<Membership, 'peer' | 'byAlias' | 'events'>;
  readonly guard: Guard;
  /** This node's name, for messages. */
  readonly self: string;
  readonly pins: Pins;
  readonly config: RouterConfig;
  /** What the node says of itself where it stands for all its servers. */
  readonly facts: Pick<ServerFacts, 'serverInfo' | 'instructions'>;
}

const SUGGESTIONS = 3;
/** Names that an unknown one is compared with. */
const COMPARED_MAX = 256;
/** Servers that are asked one after the other for a URI that none of them lists. */
const ASKED_MAX = 8;

/** Makes the router of a node. */
export function createRouter(initial: RouterComponents): Router {
  let components = initial;
  const events = new EventEmitter<RouterEvents>();
  events.setMaxListeners(0);
  const { upstreams, directory, membership, guard } = components;
  const views = createViewCache<View>();
  const changed = (): void => {
    views.clear();
    events.emit('change');
  };
  /** What servers of this node listed when that was last looked at. */
  const seen = new Map<string, ServerCatalog>();
  const upstreamChanged = (server: string): void => {
    const catalog = upstreams.get(server)?.catalog();
    // It only came or went: one that flaps must not make everybody's lists anew.
    if (catalog !== undefined && seen.get(server) === catalog) return;
    if (catalog === undefined) seen.delete(server);
    else seen.set(server, catalog);
    changed();
  };
  const peerChanged = (peer: PeerView, before: PeerView | undefined): void => {
    if (peer.alias !== before?.alias || isHere(peer) !== isHere(before)) changed();
  };
  components.pins.events.on('change', changed);
  upstreams.events.on('change', upstreamChanged);
  directory.events.on('change', changed);
  membership.events.on('change', peerChanged);
  return {
    events,
    view: (principal, spec) =>
      views.get(principal, spec, () => new PrincipalView(components, principal, spec)),
    exists(spec) {
      if (spec.kind === 'catalog') return true;
      if (spec.kind === 'all') {
        return spec.view === undefined || Object.hasOwn(components.config.views, spec.view);
      }
      const { peer: alias, server } = spec;
      if (alias === undefined) return upstreams.get(server) !== undefined;
      return membership.byAlias(alias) !== undefined;
    },
    configure(config) {
      components = { ...components, config };
      changed();
    },
    refresh: changed,
    judge: (principal, wanted) => guard.decide(principal, { ...wanted, look: true }),
    stop() {
      components.pins.events.off('change', changed);
      upstreams.events.off('change', upstreamChanged);
      directory.events.off('change', changed);
      membership.events.off('change', peerChanged);
      events.removeAllListeners();
    },
  };
}

type Scheme = 'tool' | 'prompt' | 'resource';

const SCHEMES: Readonly<Record<ListKind, Scheme>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  templates: 'resource',
};
const ABILITIES = {
  tool: 'tool/call',
  prompt: 'prompt/get',
  resource: 'resource/read',
} as const;

class PrincipalView implements View {
  readonly #components: RouterComponents;
  readonly #principal: Principal;
  readonly #spec: ViewSpec;
  #sources: readonly Source[] | undefined;
  #lists: Lists | undefined;
  #selection: ToolSelection | undefined;

  /** Of tools that were called: the view is made anew when anything changes. */
  readonly #routes = new Map<string, readonly Route[]>();

  constructor(components: RouterComponents, principal: Principal, spec: ViewSpec) {
    this.#components = components;
    this.#principal = principal;
    this.#spec = spec;
  }

  get lists(): Lists {
    this.#lists ??= createLists(this.#visible(), this.#listsInit());
    return this.#lists;
  }

  get toolsMode(): ToolsMode {
    if (this.#spec.kind !== 'all') return 'all';
    return this.#spec.tools ?? this.#named()?.tools ?? this.#components.config.list.tools;
  }

  get facts(): ServerFacts {
    if (this.#spec.kind === 'all') return jointFacts(this.#all(), this.#components.facts);
    const [source] = this.#visible();
    if (this.#spec.kind === 'server' && source !== undefined && isKnown(source)) {
      return factsOf(source);
    }
    return jointFacts([], this.#components.facts);
  }

  get catalogs(): readonly ServerCatalog[] {
    return this.#visible()
      .filter((source) => source.peer === undefined)
      .map(({ catalog }) => catalog);
  }

  tool(name: string): readonly Route[] {
    const known = this.#routes.get(name);
    if (known !== undefined) return known;
    const routes = this.#routesOfTool(name);
    // To the operator nothing is refused here; and only what is listed is remembered.
    const isLasting = this.#principal.kind === 'operator' && routes.length === 1;
    if (isLasting && this.lists.place('tools', name) !== undefined) this.#routes.set(name, routes);
    return routes;
  }

  #routesOfTool(name: string): readonly Route[] {
    if (this.#spec.kind === 'server') return [this.#ofServer('tool', name)];
    const place = this.lists.place('tools', name);
    if (place === undefined) return [this.#unlistedTool(name)];
    if (place.others === undefined) return [this.#toItem('tool', place)];
    return [place, ...place.others]
      .map((one) => ({ one, load: this.#loadNow(one) }))
      .toSorted((a, b) => a.load - b.load)
      .map(({ one }) => one)
      .map((one) => ({ ...this.#toItem('tool', one), mayRepeat: true }));
  }

  prompt(name: string): Route {
    if (this.#spec.kind === 'server') return this.#ofServer('prompt', name);
    const place = this.lists.place('prompts', name);
    if (place !== undefined) return this.#toItem('prompt', place);
    throw unknown('prompt', name);
  }

  resource(uri: string, ability: 'resource/read' | 'resource/subscribe'): readonly Route[] {
    if (this.#spec.kind === 'server') return [this.#ofServer('resource', uri, ability)];
    const place = this.lists.place('resources', uri);
    if (place !== undefined) return [this.#toItem('resource', place, ability)];
    const places = this.lists
      .names('templates')
      .filter((template) => fitsTemplate(template, uri))
      .flatMap((template): Place[] => {
        const known = this.lists.place('templates', template);
        if (known === undefined) return [];
        return [{ source: known.source, name: translate(uri, template, known.name) }];
      });
    // Servers may have resources that they don't list: channels in their results lead there.
    const able = this.#all().filter(
      ({ catalog }) => catalog.capabilities['resources'] !== undefined,
    );
    const asked = places.length > 0 ? places : able.map((source) => ({ source, name: uri }));
    const routes = distinct(asked)
      .slice(0, ASKED_MAX)
      .filter(({ source, name }) => this.#isShown(source.peer, source.catalog.server, name))
      .filter((place) => this.#isAllowed('resource', place, ability))
      .map((place) => this.#toItem('resource', place, ability));
    if (routes.length === 0) throw unknown('resource', uri);
    return routes;
  }

  server(method: string): Route {
    const target = this.#serverOf(method);
    // What we do not know may do anything: only a grant of the whole server covers it.
    return { target, ...this.#judged('tool', target, `method/${method}`) };
  }

  #serverOf(method: string): ServerTarget {
    if (this.#spec.kind === 'server') return this.#target();
    const able = this.#all().filter(
      ({ catalog }) => method.startsWith('tasks/') && catalog.capabilities['tasks'] !== undefined,
    );
    const [source] = able;
    if (source !== undefined && able.length === 1) return targetOf(source);
    throw new StarlingError('STARLING_USAGE', `unknown method ${printable(method)}`, {
      data: { rpc: RPC.methodNotFound },
    });
  }

  /** Every server that the spec names, with all that it lists. */
  #all(): readonly Source[] {
    this.#sources ??= this.#findSources();
    return this.#sources;
  }

  #findSources(): readonly Source[] {
    const { upstreams, directory, membership } = this.#components;
    const spec = this.#spec;
    if (spec.kind === 'server' && spec.peer !== undefined) {
      const peer = this.#peerOf(spec.peer);
      if (peer === undefined || !this.#seesPeers()) return [];
      return directory
        .servers(peer.peerId)
        .filter(({ server }) => server === spec.server)
        .map((catalog) => this.#reviewed(catalog, peer));
    }
    const own = upstreams.all().map((upstream) => this.#reviewed(upstream.catalog()));
    if (spec.kind === 'server') return own.filter(({ catalog }) => catalog.server === spec.server);
    if (spec.kind === 'catalog' || !this.#seesPeers()) return own;
    const theirs = directory.peers().flatMap((peerId) => {
      const peer = membership.peer(peerId);
      if (peer === undefined || !isHere(peer)) return [];
      // Every peer has its built-in one: it is called by name, and would only fill the list.
      return directory
        .servers(peerId)
        .filter(({ server }) => server !== BUILTIN)
        .map((catalog) => this.#reviewed(catalog, peer));
    });
    return [...own, ...theirs];
  }

  /** A server without what is quarantined of it, and with what that is. */
  #reviewed(catalog: ServerCatalog, peer?: PeerView): Source {
    const owner = peer?.peerId ?? '';
    const { allowed, quarantined } = this.#components.pins.review(owner, catalog.server, catalog);
    const source = { catalog: allowed, ...(peer === undefined ? {} : { peer }) };
    if (quarantined.length === 0) return source;
    const held = quarantined.flatMap((one): [string, Held][] => {
      const items: readonly JsonObject[] = one.kind === 'tool' ? catalog.tools : catalog.prompts;
      const item = items.find(({ name }) => name === one.name);
      return item === undefined ? [] : [[heldKey(one.kind, one.name), { quarantined: one, item }]];
    });
    return { ...source, held: new Map(held) };
  }

  /** {@link #all}, less what the principal may not see. */
  #visible(): readonly Source[] {
    if (this.#principal.kind === 'operator') return this.#all();
    const visible = this.#all().map((source) => {
      const { catalog } = source;
      const seen = <Item>(kind: ListKind, items: readonly Item[], key: string): readonly Item[] =>
        items.filter((item) =>
          this.#isAllowed(SCHEMES[kind], {
            source,
            name: String((item as JsonObject)[key]),
            ...readOnlyOf(item as JsonObject),
          }),
        );
      const { held: _, ...shown } = source;
      return {
        ...shown,
        catalog: {
          ...catalog,
          tools: seen('tools', catalog.tools, 'name'),
          prompts: seen('prompts', catalog.prompts, 'name'),
          resources: seen('resources', catalog.resources, 'uri'),
          templates: seen('templates', catalog.templates, 'uriTemplate'),
        },
      };
    });
    return visible.filter(
      ({ catalog }) =>
        catalog.tools.length +
          catalog.prompts.length +
          catalog.resources.length +
          catalog.templates.length >
        0,
    );
  }

  /** Whoever is attached to this node sees what peers have granted to it; peers ask each other. */
  #seesPeers(): boolean {
    return this.#principal.kind !== 'peer';
  }

  #isAllowed(scheme: Scheme, place: Place, ability?: string): boolean {
    if (this.#principal.kind === 'operator') return true;
    const { source, name } = place;
    const { upstreams, guard } = this.#components;
    const { server } = source.catalog;
    const upstream = source.peer === undefined ? upstreams.get(server) : undefined;
    if (scheme === 'tool' && upstream?.forOperatorOnly(name) === true) return false;
    const wanted = {
      ...wantedOf(scheme, targetOf(source), name, ability),
      ...factsOfPlace(place),
    };
    const decision = guard.decide(this.#principal, { ...wanted, look: true });
    // What needs an approval is there to be asked for.
    return decision.allow || decision.ask !== undefined;
  }

  #toItem(scheme: Scheme, place: Place, ability?: string): Route {
    const { source, name, held } = place;
    if (held !== undefined) throw this.#quarantined(source, held);
    const route = {
      target: targetOf(source),
      edits: scheme === 'resource' ? { uri: name } : { name },
    };
    return { ...route, ...this.#judged(scheme, route.target, name, ability, factsOfPlace(place)) };
  }

  #target(): ServerTarget {
    const { kind, server, peer: alias } = this.#spec as Extract<ViewSpec, { kind: 'server' }>;
    if (kind !== 'server' || alias === undefined) return { server };
    const peer = this.#peerOf(alias);
    if (peer === undefined || !this.#seesPeers()) {
      throw new StarlingError('STARLING_PEER_UNKNOWN', `no peer is called '${printable(alias)}'`, {
        hint: 'see who is there: starling peers',
      });
    }
    if (!isHere(peer)) throw peerAway(peer);
    return { server, peer };
  }

  #ofServer(scheme: Scheme, name: string, ability?: string): Route {
    const target = this.#target();
    const place = scheme === 'tool' ? this.lists.place('tools', name) : undefined;
    const route = { target, ...this.#judged(scheme, target, name, ability, factsOfPlace(place)) };
    const [source] = this.#all();
    const held = source?.held?.get(heldKey(scheme, name))?.quarantined;
    if (source !== undefined && held !== undefined) throw this.#quarantined(source, held);
    return route;
  }

  #quarantined({ peer, catalog: { server } }: Source, held: Quarantined): StarlingError {
    const place = { server, ...(peer === undefined ? {} : { peer: peer.alias }) };
    const isAway = this.#principal.kind === 'peer' || this.#principal.kind === 'agent';
    return quarantineError(place, held, isAway ? this.#components.self : undefined);
  }

  #named(): NamedView | undefined {
    if (this.#spec.kind !== 'all' || this.#spec.view === undefined) return undefined;
    const { views } = this.#components.config;
    return Object.hasOwn(views, this.#spec.view) ? views[this.#spec.view] : undefined;
  }

  /** True when the view, if it is a named one, has what is called so. */
  #isShown(peer: PeerView | undefined, server: string, name: string): boolean {
    this.#selection ??= compileSelection(this.#named() ?? {});
    return this.#selection(peer?.alias, server, name);
  }

  #listsInit(): ListsInit {
    if (this.#spec.kind === 'server') return { naming: 'plain' };
    const { list } = this.#components.config;
    const named = this.#named();
    return {
      naming: 'prefixed',
      style: { prefix: named?.prefix ?? list.prefix, nameMax: list.nameMax },
      merge: list.merge,
      ...(named === undefined ? {} : { select: compileSelection(named) }),
    };
  }

  /**
   * What the guard will be asked. @throws STARLING_CALL_REFUSED where no arguments could make it say yes
   */
  #judged(
    scheme: Scheme,
    target: ServerTarget,
    name: string,
    ability?: string,
    facts: Pick<GuardWanted, 'facts'> = {},
  ): Pick<Route, 'wanted'> {
    const wanted = { ...wantedOf(scheme, target, name, ability), ...facts };
    if (this.#principal.kind === 'operator') return { wanted };
    const decision = this.#components.guard.decide(this.#principal, { ...wanted, look: true });
    if (!decision.allow && decision.ask === undefined) {
      throw refusalBefore(wanted, decision, this.#principal, this.#components.self);
    }
    return { wanted };
  }

  /**
   * A name that is in no list but begins with a peer's alias goes to that peer all the same: it knows
   * why we do not see the tool, and says what would grant it.
   */
  #unlistedTool(name: string): Route {
    const [first, rest] = splitName(name);
    if (this.#seesPeers()) {
      const peer = this.#peerOf(first);
      const [server, tool] = splitName(rest);
      if (peer !== undefined) {
        if (!isHere(peer)) throw peerAway(peer);
        const place = { source: sourceOf(peer, server), name: tool };
        const isShown = tool !== '' && this.#isShown(peer, server, tool);
        if (isShown) return this.#toItem('tool', place);
      }
    }
    if (this.#principal.kind !== 'operator') this.#judged('tool', { server: first }, rest);
    const failed = this.#components.upstreams.get(first)?.status();
    if (failed?.state === 'failed' && failed.tools === 0) {
      throw new StarlingError(
        'STARLING_UPSTREAM_UNAVAILABLE',
        `server '${first}' is not ready: ${failed.error ?? 'it failed'}`,
        { ...(failed.hint === undefined ? {} : { hint: failed.hint }), data: { server: first } },
      );
    }
    throw this.#unknownTool(name);
  }

  #unknownTool(name: string): StarlingError {
    const known = this.lists.names('tools');
    const [prefix, wanted] = splitName(name);
    // Comparing costs time, and a caller can ask often: names of the same server are enough.
    const near = known
      .filter((candidate) => candidate.startsWith(`${prefix}${SEPARATOR}`))
      .slice(0, COMPARED_MAX);
    const holding = known.filter((candidate) => wanted !== '' && candidate.includes(wanted));
    const slip = nearest(name, near.length === 0 ? known.slice(0, COMPARED_MAX) : near);
    const close = [...new Set([...(slip === undefined ? [] : [slip]), ...holding])];
    const text = `no tool is called '${printable(name.slice(0, 128))}'`;
    return new StarlingError('STARLING_TOOL_UNKNOWN', text, {
      hint:
        close.length === 0
          ? 'see what there is: starling tools'
          : `did you mean ${close.slice(0, SUGGESTIONS).join(' or ')}?`,
    });
  }

  #peerOf(alias: string): PeerView | undefined {
    return this.#components.membership.byAlias(alias);
  }

  /** Calls in flight at the owner, by its last heartbeat: the view may be much older than that. */
  #loadNow({ source: { peer } }: Place): number {
    if (peer === undefined) return 0;
    return this.#components.membership.peer(peer.peerId)?.presence?.load ?? 0;
  }
}

/** What is asked of the guard: of a peer's server as `@alice/files`, of our own as `files`. */
function wantedOf(scheme: Scheme, target: ServerTarget, name: string, ability?: string): Wanted {
  const owner = target.peer === undefined ? '' : `@${target.peer.alias}/`;
  const write = { tool: toolResource, prompt: promptResource, resource: uriResource }[scheme];
  const resource = write(target.server, name).replace(':', `:${owner}`);
  return { resource, ability: ability ?? ABILITIES[scheme] };
}

function unknown(what: string, name: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `no ${what} is called '${printable(name.slice(0, 256))}'`,
    what === 'resource' ? { data: { uri: name.slice(0, 2048) } } : {},
  );
}

function readOnlyOf(item: JsonObject): Pick<Place, 'isReadOnly'> {
  return { isReadOnly: objectOf(item['annotations'])['readOnlyHint'] === true };
}

/** What the guard may know of a tool: what its pinned definition says. */
function factsOfPlace(place: Place | undefined): Pick<GuardWanted, 'facts'> {
  return place?.isReadOnly === true ? { facts: { readOnly: true } } : {};
}

function isHere(peer: PeerView | undefined): boolean {
  return peer?.state === 'alive' || peer?.state === 'suspect';
}

/** True for a server that has said what it is. */
function isKnown({ catalog }: Source): boolean {
  return Object.keys(catalog.capabilities).length > 0;
}

function sourceOf(peer: PeerView, server: string): Source {
  const empty = { tools: [], resources: [], templates: [], prompts: [] };
  return { peer, catalog: { server, capabilities: {}, serverInfo: {}, ...empty } };
}

function splitName(name: string): [first: string, rest: string] {
  const at = name.indexOf(SEPARATOR);
  return at <= 0 ? [name, ''] : [name.slice(0, at), name.slice(at + SEPARATOR.length)];
}
