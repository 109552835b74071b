/**
 * The servers that a view is made of: all that its spec names, each less what is quarantined of it, and
 * what of them the principal may see. A peer asks for one server of this node at a time, and never sees
 * what other peers offer.
 */
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Directory, ServerCatalog } from '../../directory/index.ts';
import { seesAll } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Clearance } from '../clearance/clearance.ts';
import type { Pins } from '../pins/pins.ts';
import type { Quarantined } from '../pins/quarantine.ts';
import type { ServerTarget } from '../channel-types.ts';
import type { Upstreams } from '../types.ts';
import type { ViewSpec } from './view-spec.ts';
import { isReadOnly, wantedOf } from './guard-resource.ts';
import type { Scheme } from './guard-resource.ts';

/** One server that a caller sees, with what it may see of it. */
export interface Source {
  readonly peer?: PeerView;
  readonly catalog: ServerCatalog;
  /** What the server lists besides and we do not offer, by {@link quarantineKey}: each has a name all the same. */
  readonly quarantined?: ReadonlyMap<string, QuarantinedItem>;
}

/** Something that is quarantined, and the item that its server lists. */
export interface QuarantinedItem {
  readonly quarantined: Quarantined;
  readonly item: JsonObject;
}

/** The servers of one view. */
export interface Sources {
  /** Every server that the spec names, with all that it lists. */
  all(): readonly Source[];
  /** {@link all}, less what the principal may not see. */
  visible(): readonly Source[];
  /** The peer of this alias; undefined for principals that do not see peers. */
  peerOf(alias: string): PeerView | undefined;
  /** Whether a list shows the thing to the principal. */
  shows(source: Source, item: SourceItem): boolean;
}

/** A thing of a source. */
export interface SourceItem {
  readonly scheme: Scheme;
  /** Its name or URI at the server. */
  readonly name: string;
  readonly ability?: string;
  readonly isReadOnly?: boolean;
}

/** Where sources come from. */
export interface SourcesComponents {
  readonly upstreams: Pick<Upstreams, 'all' | 'get'>;
  readonly directory: Pick<Directory, 'servers' | 'peers'>;
  readonly membership: Pick<Membership, 'peer' | 'byAlias'>;
  readonly pins: Pick<Pins, 'offered'>;
  readonly clearance: Pick<Clearance, 'sees'>;
}

/** By what {@link Source.quarantined} knows a thing. */
export function quarantineKey(kind: string, name: string): string {
  return `${kind} ${name}`;
}

/** The server of a source. */
export function targetOf({ peer, catalog }: Source): ServerTarget {
  return { server: catalog.server, ...(peer === undefined ? {} : { peer }) };
}

/** A peer's server of which nothing is known. */
export function unlistedSource(peer: PeerView, server: string): Source {
  const empty = { tools: [], resources: [], templates: [], prompts: [] };
  return { peer, catalog: { server, capabilities: {}, serverInfo: {}, ...empty } };
}

/** A suspect may still be there: calls to it are tried. */
export function isHere(peer: PeerView | undefined): boolean {
  return peer?.state === 'alive' || peer?.state === 'suspect';
}

/** The sources of what `principal` sees through `spec`. */
export function createSources(
  components: SourcesComponents,
  principal: Principal,
  spec: ViewSpec,
): Sources {
  return new PrincipalSources(components, principal, spec);
}

class PrincipalSources implements Sources {
  readonly #components: SourcesComponents;
  readonly #principal: Principal;
  readonly #spec: ViewSpec;
  #all: readonly Source[] | undefined;

  constructor(components: SourcesComponents, principal: Principal, spec: ViewSpec) {
    this.#components = components;
    this.#principal = principal;
    this.#spec = spec;
  }

  all(): readonly Source[] {
    this.#all ??= this.#find();
    return this.#all;
  }

  visible(): readonly Source[] {
    if (seesAll(this.#principal)) return this.all();
    return this.all()
      .map((source) => this.#seen(source))
      .filter(({ catalog: { tools, prompts, resources, templates } }) =>
        [tools, prompts, resources, templates].some((items) => items.length > 0),
      );
  }

  peerOf(alias: string): PeerView | undefined {
    // Whoever is attached to this node sees what peers have granted to it; peers ask each other.
    if (this.#principal.kind === 'peer') return undefined;
    return this.#components.membership.byAlias(alias);
  }

  shows(source: Source, { scheme, name, ...rest }: SourceItem): boolean {
    if (seesAll(this.#principal)) return true;
    const { upstreams, clearance } = this.#components;
    const target = targetOf(source);
    const upstream = target.peer === undefined ? upstreams.get(target.server) : undefined;
    if (scheme === 'tool' && upstream?.isBarred(name, this.#principal) === true) return false;
    return clearance.sees(this.#principal, wantedOf({ scheme, target, name, ...rest }));
  }

  #find(): readonly Source[] {
    const spec = this.#spec;
    if (spec.kind === 'server' && spec.peer !== undefined) {
      return this.#ofPeer(this.peerOf(spec.peer), (server) => server === spec.server);
    }
    const own = this.#components.upstreams
      .all()
      .map((upstream) => this.#reviewed(upstream.catalog()));
    if (spec.kind === 'server') return own.filter(({ catalog }) => catalog.server === spec.server);
    if (spec.kind === 'catalog' || this.#principal.kind === 'peer') return own;
    const { directory, membership } = this.#components;
    // By their names: where two have the same URI, which of them keeps it must not hang on who came when.
    const peers = directory
      .peers()
      .flatMap((peerId) => membership.peer(peerId) ?? [])
      .filter(isHere)
      .toSorted((one, other) => (one.alias < other.alias ? -1 : 1));
    // Every peer has its built-in server, which is called by name and would only fill the list.
    const theirs = peers.flatMap((peer) =>
      this.#ofPeer(peer, (server) => server !== BUILTIN_SERVER),
    );
    return [...own, ...theirs];
  }

  #ofPeer(peer: PeerView | undefined, isWanted: (server: string) => boolean): readonly Source[] {
    if (peer === undefined) return [];
    return this.#components.directory
      .servers(peer.peerId)
      .filter(({ server }) => isWanted(server))
      .map((catalog) => this.#reviewed(catalog, peer));
  }

  /** A server without what is quarantined of it, and with what that is. */
  #reviewed(catalog: ServerCatalog, peer?: PeerView): Source {
    const owner = peer?.peerId ?? '';
    const { allowed, quarantined } = this.#components.pins.offered(owner, catalog.server, catalog);
    const source = { catalog: allowed, ...(peer === undefined ? {} : { peer }) };
    if (quarantined.length === 0) return source;
    const withItems = quarantined.flatMap((one): [string, QuarantinedItem][] => {
      const items: readonly JsonObject[] = one.kind === 'tool' ? catalog.tools : catalog.prompts;
      const item = items.find(({ name }) => name === one.name);
      const key = quarantineKey(one.kind, one.name);
      return item === undefined ? [] : [[key, { quarantined: one, item }]];
    });
    return { ...source, quarantined: new Map(withItems) };
  }

  /** A source with what the principal may see of it. */
  #seen(source: Source): Source {
    const { quarantined: _, ...shown } = source;
    const { catalog } = source;
    const seen = <Item extends JsonObject>(
      scheme: Scheme,
      items: readonly Item[],
      key: keyof Item & string,
    ): readonly Item[] =>
      items.filter((item) =>
        this.shows(source, { scheme, name: String(item[key]), isReadOnly: isReadOnly(item) }),
      );
    return {
      ...shown,
      catalog: {
        ...catalog,
        tools: seen('tool', catalog.tools, 'name'),
        prompts: seen('prompt', catalog.prompts, 'name'),
        resources: seen('resource', catalog.resources, 'uri'),
        templates: seen('resource', catalog.templates, 'uriTemplate'),
      },
    };
  }
}
