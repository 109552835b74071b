/**
 * What one principal sees through one spec, and where each name and URI that it may use leads. Says
 * nothing of whether a call may be made: each route carries what clearance asks the guard.
 */
import type { View as NamedView } from '../../config/index.ts';
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { PeerId, StarlingError } from '../../core/index.ts';
import type { Lacking, ServerCatalog, ServerFacts, Standing } from '../../directory/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';
import { quarantineError } from '../pins/quarantine.ts';
import type { Quarantined } from '../pins/quarantine.ts';
import type { ServerTarget } from '../channel-types.ts';
import { createLists } from './lists.ts';
import type { ItemLocation, Lists, ListsInit } from './lists.ts';
import { fitsTemplate, translate } from './resource-uris.ts';
import { factsOf, jointFacts } from './server-facts.ts';
import { createSources, isHere, quarantineKey, targetOf, unlistedSource } from './sources.ts';
import type { Source, Sources, SourcesComponents } from './sources.ts';
import { compileSelection } from './tool-selection.ts';
import type { ToolSelection } from './tool-selection.ts';
import type { Route, ViewsConfig, ToolsMode, View, ViewSpec } from './types.ts';
import {
  leftOutError,
  peerAway,
  serverFailed,
  splitName,
  unknownItem,
  unknownMethod,
  unknownPeer,
  unknownTool,
} from './not-found.ts';
import { wantedOf } from './guard-resource.ts';
import { SEPARATOR, mayBeHashed } from './tool-names.ts';
import type { Scheme } from './guard-resource.ts';

/** All that one principal's view is computed from, apart from the principal. */
export interface ViewComponents extends SourcesComponents {
  /** This node's name, for messages. */
  readonly self: string;
  readonly config: ViewsConfig;
  /** What the node says of itself where it stands for all its servers. */
  readonly facts: Pick<ServerFacts, 'serverInfo' | 'instructions'>;
  /** Which peers lack what they list. */
  readonly lacking: Lacking;
  /** Peers whose first list is not here yet, for messages; default: none. */
  readonly coming?: () => readonly PeerId[];
}

type ServerSpec = Extract<ViewSpec, { kind: 'server' }>;

/** Servers that are asked one after the other for a URI that none of them lists. */
const ASKED_MAX = 8;

/** Makes the view of `principal`. Its lists are made when they are first asked for. */
export function createView(components: ViewComponents, principal: Principal, spec: ViewSpec): View {
  return new PrincipalView(components, principal, spec);
}

class PrincipalView implements View {
  readonly #components: ViewComponents;
  readonly #principal: Principal;
  readonly #spec: ViewSpec;
  readonly #sources: Sources;
  #lists: Lists | undefined;
  #selection: ToolSelection | undefined;
  /** Of listed tools that were called: the view is made anew when anything changes. */
  readonly #routes = new Map<string, readonly Route[]>();

  constructor(components: ViewComponents, principal: Principal, spec: ViewSpec) {
    this.#components = components;
    this.#principal = principal;
    this.#spec = spec;
    this.#sources = createSources(components, principal, spec);
  }

  get lists(): Lists {
    this.#lists ??= createLists(this.#sources.visible(), this.#listsInit());
    return this.#lists;
  }

  get toolsMode(): ToolsMode {
    if (this.#spec.kind !== 'all') return 'all';
    return this.#spec.tools ?? this.#named()?.tools ?? this.#components.config.list.tools;
  }

  get facts(): ServerFacts {
    const { facts } = this.#components;
    if (this.#spec.kind === 'all') return jointFacts(this.#sources.all(), facts);
    const [source] = this.#sources.visible();
    const isKnown = source !== undefined && Object.keys(source.catalog.capabilities).length > 0;
    return this.#spec.kind === 'server' && isKnown ? factsOf(source) : jointFacts([], facts);
  }

  get catalogs(): readonly ServerCatalog[] {
    return this.#sources
      .visible()
      .filter((source) => source.peer === undefined)
      .map(({ catalog }) => catalog);
  }

  get things(): number {
    return this.#sources
      .all()
      .map(({ catalog: { tools, resources, templates, prompts } }) =>
        [tools, resources, templates, prompts].reduce((sum, { length }) => sum + length, 0),
      )
      .reduce((sum, count) => sum + count, 0);
  }

  tool(name: string): readonly Route[] {
    const known = this.#routes.get(name);
    if (known !== undefined) return known;
    if (this.#spec.kind === 'server') return this.#toolAtServer(this.#spec, name);
    const location = this.lists.locate('tools', name);
    if (location === undefined) return [this.#unlistedTool(name)];
    const { others } = location;
    if (others !== undefined) return this.#leastLoadedFirst([location, ...others]);
    const routes = [this.#toItem('tool', location)];
    this.#routes.set(name, routes);
    return routes;
  }

  #toolAtServer(spec: ServerSpec, name: string): readonly Route[] {
    const routes = [this.#atServer(spec, 'tool', name)];
    // Whether a peer is there, and what a server leaves out of its list, is asked each time.
    const isKept = spec.peer === undefined && this.lists.locate('tools', name) !== undefined;
    if (isKept) this.#routes.set(name, routes);
    return routes;
  }

  prompt(name: string): Route {
    if (this.#spec.kind === 'server') return this.#atServer(this.#spec, 'prompt', name);
    const location = this.lists.locate('prompts', name);
    if (location !== undefined) return this.#toItem('prompt', location);
    throw unknownItem('prompt', name, this.#coming());
  }

  resource(uri: string, ability: 'resource/read' | 'resource/subscribe'): readonly Route[] {
    if (this.#spec.kind === 'server') return [this.#atServer(this.#spec, 'resource', uri, ability)];
    const location = this.lists.locate('resources', uri);
    if (location !== undefined) return [this.#toItem('resource', location, ability)];
    const fitting = this.#fitting(uri);
    const isUnknown = fitting.length === 0;
    const routes = (isUnknown ? this.#mayHave(uri) : fitting)
      .filter(
        ({ source, name }) =>
          this.#isSelected(source.peer, source.catalog.server, name) &&
          this.#sources.shows(source, { scheme: 'resource', name, ability }),
      )
      .map((one) => ({ ...this.#toItem('resource', one, ability), isUnlisted: true, isUnknown }));
    if (routes.length === 0) throw unknownItem('resource', uri, this.#coming());
    return routes;
  }

  server(method: string): Route {
    const target = this.#serverOf(method);
    // What we do not know may do anything: only a grant of the whole server covers it.
    return { target, wanted: wantedOf({ scheme: 'tool', target, name: `method/${method}` }) };
  }

  #serverOf(method: string): ServerTarget {
    if (this.#spec.kind === 'server') return this.#serverTarget(this.#spec);
    const able = this.#sources
      .all()
      .filter(
        ({ catalog }) => method.startsWith('tasks/') && catalog.capabilities['tasks'] !== undefined,
      );
    const [source] = able;
    if (source !== undefined && able.length === 1) return targetOf(source);
    throw unknownMethod(method);
  }

  /**
   * Any of the peers may run the tool, but for those that lately had none though they list it. Loads are those of now:
   * the view may be much older.
   */
  #leastLoadedFirst(locations: readonly ItemLocation[]): readonly Route[] {
    const marked = locations.map((location) => ({
      location,
      standing: this.#standingOf(location),
      load: this.#loadOf(location.source.peer),
    }));
    const able = marked.filter(({ standing }) => standing !== 'passed over');
    return (able.length > 0 ? able : marked)
      .toSorted(
        (one, other) =>
          Number(one.standing === 'last') - Number(other.standing === 'last') ||
          one.load - other.load,
      )
      .map(({ location }) => ({
        ...this.#toItem('tool', location),
        mayRepeat: true,
        missing: () => this.#lacks(location),
      }));
  }

  #standingOf({ source: { peer, catalog }, name }: ItemLocation): Standing {
    if (peer === undefined) return 'sound';
    return this.#components.lacking.standing(peer.peerId, `${catalog.server}/${name}`);
  }

  #lacks({ source: { peer, catalog }, name }: ItemLocation): void {
    if (peer !== undefined)
      this.#components.lacking.lacks(peer.peerId, `${catalog.server}/${name}`);
  }

  /** Calls in flight at the peer, by its last heartbeat. */
  #loadOf(peer: PeerView | undefined): number {
    if (peer === undefined) return 0;
    return this.#components.membership.peer(peer.peerId)?.presence?.load ?? 0;
  }

  /** Where a URI may lead that nobody lists: to the servers whose templates it fits. */
  #fitting(uri: string): readonly ItemLocation[] {
    const found: ItemLocation[] = [];
    for (const template of this.lists.names('templates')) {
      if (found.length === ASKED_MAX) return found;
      if (!fitsTemplate(template, uri)) continue;
      const known = this.lists.locate('templates', template);
      if (known === undefined) continue;
      const { source } = known;
      const name = translate(uri, template, known.name);
      // Several templates of one server may lead to the same resource.
      if (!found.some((one) => one.source === source && one.name === name)) {
        found.push({ source, name });
      }
    }
    return found;
  }

  /** Else to all that have resources, because the results of a server may link to resources that it does not list. */
  #mayHave(uri: string): readonly ItemLocation[] {
    return this.#sources
      .all()
      .filter(({ catalog }) => catalog.capabilities['resources'] !== undefined)
      .slice(0, ASKED_MAX)
      .map((source) => ({ source, name: uri }));
  }

  #toItem(scheme: Scheme, location: ItemLocation, ability?: string): Route {
    const { source, name, quarantined, isReadOnly } = location;
    const target = targetOf(source);
    return {
      target,
      edits: scheme === 'resource' ? { uri: name } : { name },
      wanted: wantedOf({ scheme, target, name, ability, isReadOnly }),
      ...this.#subject(target, scheme, name),
      ...(quarantined === undefined ? {} : this.#quarantined(source, quarantined)),
    };
  }

  #atServer(spec: ServerSpec, scheme: Scheme, name: string, ability?: string): Route {
    const target = this.#serverTarget(spec);
    const listed = scheme === 'tool' ? this.lists.locate('tools', name) : undefined;
    const [source] = this.#sources.all();
    const found = source?.quarantined?.get(quarantineKey(scheme, name));
    return {
      target,
      wanted: wantedOf({ scheme, target, name, ability, isReadOnly: listed?.isReadOnly }),
      ...this.#subject(target, scheme, name),
      ...(source === undefined || found === undefined
        ? this.#leftOut(target, scheme, name)
        : this.#quarantined(source, found.quarantined)),
    };
  }

  #serverTarget({ server, peer: alias }: ServerSpec): ServerTarget {
    if (alias === undefined) return { server };
    const peer = this.#sources.peerOf(alias);
    if (peer === undefined) throw unknownPeer(alias);
    if (!isHere(peer)) throw peerAway(peer);
    return { server, peer };
  }

  /** A tool of our own may be about something that has rights of its own: an agent. */
  #subject({ peer, server }: ServerTarget, scheme: Scheme, name: string): Pick<Route, 'subject'> {
    if (peer !== undefined || scheme !== 'tool') return {};
    const subject = this.#components.upstreams.get(server)?.subjectOf?.(name);
    return subject === undefined ? {} : { subject };
  }

  #quarantined(
    { peer, catalog: { server } }: Source,
    quarantined: Quarantined,
  ): Required<Pick<Route, 'obstacle'>> {
    const at = { server, ...(peer === undefined ? {} : { peer: peer.alias }) };
    const isAway = this.#principal.kind === 'peer' || this.#principal.kind === 'agent';
    const self = isAway ? this.#components.self : undefined;
    return { obstacle: () => quarantineError(at, quarantined, self) };
  }

  /** What a server of ours lists in a form that can't be offered is refused like what is quarantined. */
  #leftOut(target: ServerTarget, kind: Scheme, name: string): Partial<Pick<Route, 'obstacle'>> {
    const { server } = target;
    if (target.peer !== undefined) return {};
    const why = this.#components.upstreams.get(server)?.leftOut(kind, name);
    return why === undefined ? {} : { obstacle: () => leftOutError(kind, { server, name }, why) };
  }

  /**
   * A name that is in no list but begins with a peer's alias goes to that peer all the same: the peer
   * knows why we do not see the tool, and says what would grant it.
   */
  #unlistedTool(name: string): Route {
    // Documents call tools of the node by their bare names; a tool that is listed under such a name comes first.
    const own = this.lists.locate('tools', `${BUILTIN_SERVER}${SEPARATOR}${name}`);
    if (own !== undefined && !name.includes(SEPARATOR)) return this.#toItem('tool', own);
    const [first, rest] = splitName(name);
    const peer = this.#sources.peerOf(first);
    if (peer !== undefined) {
      if (!isHere(peer)) throw peerAway(peer);
      const [server, tool] = splitName(rest);
      if (tool !== '' && this.#isSelected(peer, server, tool)) {
        const route = this.#toItem('tool', { source: unlistedSource(peer, server), name: tool });
        // What a cut name stands for, only the peer's list says.
        return mayBeHashed(name) ? { ...route, isUnknown: true } : route;
      }
    }
    const target = { server: first };
    return {
      target,
      wanted: wantedOf({ scheme: 'tool', target, name: rest }),
      obstacle: () => this.#missingTool(first, rest, name),
      isUnknown: this.#mayBeOfPeer(first, rest),
    };
  }

  /** Whether a list of a peer could bring a tool of this name, which does not begin with the peer's. */
  #mayBeOfPeer(first: string, rest: string): boolean {
    if (this.#principal.kind === 'peer' || first === BUILTIN_SERVER) return false;
    const { list } = this.#components.config;
    const prefix = this.#named()?.prefix ?? list.prefix;
    return prefix === 'never' || (list.merge !== false && rest !== '');
  }

  /** Whose lists are not here yet, by name, for callers that may ask this node for its peers. */
  #coming(): readonly string[] {
    const { clearance, coming, membership } = this.#components;
    if (this.#principal.kind !== 'operator' && this.#principal.kind !== 'client') return [];
    const target = { server: BUILTIN_SERVER };
    const peers = wantedOf({ scheme: 'tool', target, name: 'peers', isReadOnly: true });
    if (!clearance.sees(this.#principal, peers)) return [];
    return coming?.().flatMap((peer) => membership.peer(peer)?.alias ?? []) ?? [];
  }

  #missingTool(server: string, tool: string, name: string): StarlingError {
    const upstream = this.#components.upstreams.get(server);
    const why = upstream?.leftOut('tool', tool);
    if (why !== undefined) return leftOutError('tool', { server, name: tool }, why);
    const status = upstream?.status();
    if (status?.tools === 0) {
      if (status.state === 'failed') return serverFailed(server, status);
      if (status.state === 'starting' && upstream?.stillStarting !== undefined)
        return upstream.stillStarting();
    }
    const coming = this.#mayBeOfPeer(server, tool) ? this.#coming() : [];
    return unknownTool(name, this.lists.names('tools'), coming);
  }

  #named(): NamedView | undefined {
    if (this.#spec.kind !== 'all' || this.#spec.view === undefined) return undefined;
    const { views } = this.#components.config;
    return Object.hasOwn(views, this.#spec.view) ? views[this.#spec.view] : undefined;
  }

  /** Whether the view, if it is a named one, has what is called so. */
  #isSelected(peer: PeerView | undefined, server: string, name: string): boolean {
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
}
