/**
 * What a principal sees, and where a name leads. The operator of this node sees its own servers and
 * what peers have granted to the node; a peer sees what of our own servers the guard allows it, and
 * never what other peers offer. For a peer the guard comes before any look at what exists.
 */
import { EventEmitter } from 'node:events';
import { nearest } from '../config/index.ts';
import { StarlingError } from '../core/index.ts';
import type { JsonObject, PeerId } from '../core/index.ts';
import type { Directory, ListedTool } from '../directory/index.ts';
import { printable, toolResource } from '../grants/index.ts';
import type { Wanted } from '../grants/index.ts';
import type { Decision, Guard, Principal } from '../guard/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import { SEPARATOR, assignNames } from './names.ts';
import type { Named } from './names.ts';
import type { Link, Upstreams } from './types.ts';
import { createToolView } from './views.ts';
import type { ToolView } from './views.ts';

/** How a session reaches peers: it has a link of its own to each. */
export interface PeerLinks {
  /** The link to `peer`, opened when it is first asked for. @throws STARLING_PEER_UNREACHABLE */
  get(peer: PeerView): Link | Promise<Link>;
}

/** Where a call goes. */
export interface Route {
  /** The tool's name at the other end. */
  readonly name: string;
  /** What the guard was asked, for sessions of peers: to be asked again when grants change. */
  readonly wanted?: Wanted;
  link(peers: PeerLinks): Link | Promise<Link>;
}

/** Events of the router. */
export interface RouterEvents {
  /** What some principal sees may have changed. */
  change: [];
}

/** Routes calls. */
export interface Router {
  readonly events: EventEmitter<RouterEvents>;
  /** The tools that `principal` sees, by the names that it calls them. */
  view(principal: Principal): ToolView;
  /** @throws STARLING_CALL_REFUSED, STARLING_TOOL_UNKNOWN, STARLING_PEER_UNREACHABLE, … */
  route(principal: Principal, name: string): Route;
  /** Asks the guard again, for a call that is under way. */
  judge(principal: Principal, wanted: Wanted): Decision;
  stop(): void;
}

/** What the router works with. */
export interface RouterComponents {
  readonly upstreams: Upstreams;
  readonly directory: Directory;
  readonly membership: Pick<Membership, 'peers' | 'peer' | 'events'>;
  readonly guard: Guard;
  /** This node's name, for messages. */
  readonly self: string;
}

interface OwnTool {
  readonly server: string;
  readonly tool: ListedTool;
}

interface PeerTool {
  readonly peer: PeerId;
  readonly tool: ListedTool;
}

const CALL = 'tool/call';
const SUGGESTIONS = 3;
/** Names that an unknown one is compared with. */
const COMPARED_MAX = 256;
/** Keys in a tool's `_meta`: PeerId of its owner, and the owner's server that it is of. */
const PEER_META = 'starling/peer';
const SERVER_META = 'starling/server';

/** Makes the router of a node. */
export function createRouter(components: RouterComponents): Router {
  return new TableRouter(components);
}

class TableRouter implements Router {
  readonly events = new EventEmitter<RouterEvents>();
  readonly #components: RouterComponents;
  readonly #stops: (() => void)[] = [];
  #own: ReadonlyMap<string, OwnTool> | undefined;
  #peers: ReadonlyMap<string, PeerTool> | undefined;
  #operatorView: ToolView | undefined;

  constructor(components: RouterComponents) {
    this.#components = components;
    this.events.setMaxListeners(0);
    const { upstreams, directory, membership } = components;
    const ownChanged = (): void => {
      this.#own = undefined;
      this.#peersChanged();
    };
    const peersChanged = (): void => this.#peersChanged();
    const viewChanged = (peer: PeerView, before: PeerView | undefined): void => {
      if (peer.alias !== before?.alias || isHere(peer) !== isHere(before)) this.#peersChanged();
    };
    upstreams.events.on('change', ownChanged);
    directory.events.on('change', peersChanged);
    membership.events.on('change', viewChanged);
    this.#stops.push(
      () => upstreams.events.off('change', ownChanged),
      () => directory.events.off('change', peersChanged),
      () => membership.events.off('change', viewChanged),
    );
  }

  view(principal: Principal): ToolView {
    if (principal.kind === 'peer') return createToolView(this.#toolsForPeer(principal));
    this.#operatorView ??= createToolView(this.#toolsForOperator());
    return this.#operatorView;
  }

  route(principal: Principal, name: string): Route {
    if (principal.kind === 'peer') return this.#routeForPeer(principal, name);
    const own = this.#ownTable().get(name);
    if (own !== undefined) return this.#toOwn(own);
    const theirs = this.#peerTable().get(name);
    if (theirs !== undefined) {
      const peer = this.#components.membership.peer(theirs.peer);
      if (peer !== undefined) return toPeer(peer, theirs.tool.name);
    }
    return this.#routeByPrefix(name);
  }

  judge(principal: Principal, wanted: Wanted): Decision {
    return this.#components.guard.decide(principal, wanted);
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.events.removeAllListeners();
  }

  #toolsForOperator(): readonly ListedTool[] {
    const own = [...this.#ownTable()].map(([name, { tool }]) => ({ ...tool, name }));
    const theirs = [...this.#peerTable()].map(([name, { peer, tool }]) => ({
      ...tool,
      name,
      _meta: { ...metaOf(tool), [PEER_META]: peer },
    }));
    return [...own, ...theirs];
  }

  /** What of our own the guard allows it; never what other peers offer. */
  #toolsForPeer(principal: Principal): readonly ListedTool[] {
    return [...this.#ownTable()]
      .filter(([, { server, tool }]) => this.#isAllowed(principal, server, tool))
      .map(([name, { server, tool }]) => ({
        ...tool,
        name,
        _meta: { ...metaOf(tool), [SERVER_META]: server },
      }));
  }

  #isAllowed(principal: Principal, server: string, tool: ListedTool): boolean {
    const upstream = this.#components.upstreams.get(server);
    if (upstream === undefined || upstream.forOperatorOnly(tool.name)) return false;
    const wanted = { resource: toolResource(server, tool.name), ability: CALL };
    return this.#components.guard.decide(principal, wanted).allow;
  }

  #routeForPeer(principal: Principal, name: string): Route {
    const own = this.#ownTable().get(name);
    const [server, tool] = own === undefined ? splitName(name) : [own.server, own.tool.name];
    const wanted = { resource: toolResource(server, tool), ability: CALL };
    const decision = this.#components.guard.decide(principal, wanted);
    if (!decision.allow) throw refusalOf(decision, principal, this.#components.self);
    if (own === undefined) throw this.#unknown(name, principal);
    return { ...this.#toOwn(own), wanted };
  }

  /**
   * A name that is in no table but begins with a peer's alias goes to that peer all the same: it
   * knows why we do not see the tool, and says what would grant it.
   */
  #routeByPrefix(name: string): Route {
    const at = name.indexOf(SEPARATOR);
    const alias = at > 0 ? name.slice(0, at) : undefined;
    const peer = this.#components.membership.peers().find((view) => view.alias === alias);
    if (peer !== undefined) {
      if (!isHere(peer)) throw peerAway(peer);
      return toPeer(peer, name.slice(at + SEPARATOR.length));
    }
    const upstream = alias === undefined ? undefined : this.#components.upstreams.get(alias);
    // Throws why, when the server is not ready and lists nothing for that reason.
    upstream?.link();
    throw this.#unknown(name, { kind: 'operator' });
  }

  #toOwn(own: OwnTool): Route {
    return {
      name: own.tool.name,
      link: () => {
        const upstream = this.#components.upstreams.get(own.server);
        if (upstream !== undefined) return upstream.link();
        throw new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', `server '${own.server}' is gone`);
      },
    };
  }

  #unknown(name: string, principal: Principal): StarlingError {
    const known = this.view(principal).names;
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

  #ownTable(): ReadonlyMap<string, OwnTool> {
    this.#own ??= assignNames(
      this.#components.upstreams.all().flatMap((upstream) =>
        upstream.tools().map((tool): Named<OwnTool> => ({
          prefix: upstream.server,
          name: tool.name,
          target: { server: upstream.server, tool },
        })),
      ),
    );
    return this.#own;
  }

  #peerTable(): ReadonlyMap<string, PeerTool> {
    if (this.#peers !== undefined) return this.#peers;
    const { directory, membership } = this.#components;
    const entries = directory.peers().flatMap((peerId) => {
      const peer = membership.peer(peerId);
      if (peer === undefined || !isHere(peer)) return [];
      return directory.tools(peerId).map((tool): Named<PeerTool> => ({
        prefix: peer.alias,
        name: tool.name,
        target: { peer: peerId, tool },
      }));
    });
    this.#peers = assignNames(entries, new Set(this.#ownTable().keys()));
    return this.#peers;
  }

  #peersChanged(): void {
    this.#peers = undefined;
    this.#operatorView = undefined;
    this.events.emit('change');
  }
}

/** The refusal as an error for the caller: `node` is who refuses, `peer` who is refused. */
export function refusalOf(
  decision: Extract<Decision, { allow: false }>,
  principal: Principal,
  self: string,
): StarlingError {
  const causes = (decision.refusal.causes ?? []).map((cause) => cause.text).join('; ');
  const text = causes === '' ? decision.refusal.text : `${decision.refusal.text}: ${causes}`;
  const hint = decision.hint.startsWith('starling ')
    ? `to allow it, run on ${self}: ${decision.hint}`
    : decision.hint;
  const peer = principal.kind === 'peer' ? { peer: principal.peerId } : {};
  return new StarlingError('STARLING_CALL_REFUSED', text, { hint, data: { node: self, ...peer } });
}

/** The peer is dead or has left. */
export function peerAway(peer: PeerView): StarlingError {
  const when =
    peer.lastHeartbeatAt === 0
      ? 'was never heard'
      : `was last heard at ${new Date(peer.lastHeartbeatAt).toISOString()}`;
  const how = peer.state === 'left' ? 'has left the mesh' : 'is unreachable';
  return new StarlingError('STARLING_PEER_UNREACHABLE', `peer ${peer.alias} ${how}; it ${when}`, {
    hint: 'see who is there: starling peers',
    data: { peer: peer.peerId },
  });
}

function toPeer(peer: PeerView, name: string): Route {
  return { name, link: (peers) => peers.get(peer) };
}

function isHere(peer: PeerView | undefined): boolean {
  return peer?.state === 'alive' || peer?.state === 'suspect';
}

function metaOf(tool: ListedTool): JsonObject {
  const meta = tool['_meta'];
  return typeof meta === 'object' && meta !== null && !Array.isArray(meta)
    ? (meta as JsonObject)
    : {};
}

function splitName(name: string): [server: string, tool: string] {
  const at = name.indexOf(SEPARATOR);
  return at <= 0 ? [name, ''] : [name.slice(0, at), name.slice(at + SEPARATOR.length)];
}
