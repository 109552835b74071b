/** The tools that show the node and its mesh as they are. */
import { z } from 'zod';
import type { PeerId } from '../core/index.ts';
import type { KeptListing, Providers } from '../directory/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { deedsOf, versionWords } from '../membership/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type {
  ListedByPeer,
  PeerForgiveResult,
  PeerSummary,
  PeersResult,
  ShortStatus,
  StatusResult,
} from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** What the status tools need. */
export interface StatusComponents {
  readonly membership: Pick<Membership, 'peer' | 'peers' | 'resolve'>;
  readonly network: Pick<Network, 'conduct' | 'forgive' | 'misbehaving' | 'otherVersion' | 'route'>;
  readonly providers: Pick<Providers, 'find'>;
  /** What a peer lists to all members, as far as it is sound; or listed last, where it is away. */
  readonly listingOf: (peer: PeerId) => KeptListing | undefined;
  status(): StatusResult;
}

/** `status`, `peers` and `peer_forgive`. */
export function statusTools(components: StatusComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'status',
      title: 'Node status',
      description:
        'This Starling node: its name, mesh, peers, MCP servers and boards; to its operator also addresses, sessions and lasting troubles.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: (_, { principal }): StatusResult | ShortStatus => {
        const status = components.status();
        return principal.kind === 'operator' ? status : shortOf(status);
      },
    }),
    defineTool({
      name: 'peers',
      title: 'Peers of the mesh',
      description:
        'Every peer of the mesh: alias, PeerId, state (alive, suspect, dead, left), last heartbeat, round-trip time, route and address; what it does too much of, if anything; and its version where that is another one. With `listing` only that peer, and what it lists to all members, also while it is away.',
      input: z.object({
        offering: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe('Only those that offer this kind of capability, the best first.'),
        listing: z
          .string()
          .min(1)
          .max(256)
          .optional()
          .describe(
            'Only this peer (alias, PeerId or did:key), with what it lists to all members.',
          ),
      }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      async run({ listing, offering }, { signal }): Promise<PeersResult> {
        const { membership, providers } = components;
        if (listing !== undefined) {
          const view = membership.peer(membership.resolve(listing).peerId);
          return { peers: view === undefined ? [] : [withListing(components, view)] };
        }
        const views =
          offering === undefined
            ? membership.peers()
            : (await providers.find(offering, { signal })).flatMap(
                ({ peer }) => membership.peer(peer) ?? [],
              );
        return { peers: views.map((view) => peerSummary(components, view)) };
      },
    }),
    defineTool({
      name: 'peer_forgive',
      title: 'Forgive a peer',
      description:
        'Forgets what a peer has done too much of, and lets it in again at once if it is kept out.',
      input: z.object({
        peer: z.string().min(1).max(256).describe('Alias, PeerId or did:key of the peer.'),
      }),
      hints: { destructiveHint: false, idempotentHint: true },
      clients: 'no',
      run({ peer }): PeerForgiveResult {
        const { alias, peerId } = resolveAny(components, peer);
        return { peer: alias, peerId, forgiven: components.network.forgive(peerId) };
      },
    }),
  ];
}

/** How a node behind a router looks from outside, and which ports routers have opened for it, for its status. */
export function outsideOf(
  network: Pick<Network, 'openPorts' | 'outside'>,
  aliasOf: (peer: PeerId) => string,
): Pick<StatusResult, 'outside' | 'upnp'> {
  const upnp = network.openPorts();
  const view = network.outside();
  const opened = upnp === undefined ? {} : { upnp };
  if (view === undefined || !view.isBehindRouter) return opened;
  const found = view.found.map((one) => ({ ...one, by: aliasOf(one.by) }));
  return { outside: { seenAt: view.seenAt, found }, ...opened };
}

function withListing(components: StatusComponents, view: PeerView): PeerSummary {
  const summary = peerSummary(components, view);
  const listing = components.listingOf(view.peerId);
  return listing === undefined ? summary : { ...summary, lists: listedBy(listing) };
}

function listedBy({ agents, isCurrent, servers, version }: KeptListing): ListedByPeer {
  return {
    version,
    isCurrent,
    servers: servers.map(({ server, tools, resources, templates, prompts }) => ({
      server,
      tools: tools.map(({ name, description }) =>
        typeof description === 'string' ? { name, description } : { name },
      ),
      resources: resources.map(({ uri }) => uri),
      templates: templates.map(({ uriTemplate }) => uriTemplate),
      prompts: prompts.map(({ name }) => name),
    })),
    agents: agents.map(({ name, capabilities }) => ({ name, capabilities })),
  };
}

/** A peer, with what is to be said of how it behaves and of its version. */
export function peerSummary(
  { network }: { readonly network: Pick<Network, 'conduct' | 'otherVersion' | 'route'> },
  peer: PeerView,
): PeerSummary {
  const theirs = network.otherVersion(peer.peerId);
  const { why } = network.route(peer.peerId) ?? {};
  const relayed = why === undefined ? peer : { ...peer, whyRelayed: why };
  const view =
    theirs === undefined
      ? relayed
      : { ...relayed, otherVersion: { ...theirs, ...versionWords(peer.alias, theirs) } };
  const report = network.conduct(peer.peerId);
  if (report === undefined) return view;
  const { state, counts, until } = report;
  const text = deedsOf(report);
  return { ...view, conduct: { state, counts, text, ...(until === undefined ? {} : { until }) } };
}

/** A peer that is kept out before its first heartbeat has no name here: its PeerId is its name then. */
function resolveAny(
  { membership, network }: StatusComponents,
  reference: string,
): Pick<PeerView, 'alias' | 'peerId'> {
  const known = network.misbehaving().find((peer) => peer === reference);
  return known === undefined
    ? membership.resolve(reference)
    : { alias: membership.peer(known)?.alias ?? known, peerId: known };
}

/** What a client needs to know: nothing of where things lie on this machine, and no process of it. */
function shortOf(status: StatusResult): ShortStatus {
  const { name, version, peerId, did, mesh, peers, upstreams, boards } = status;
  return {
    name,
    version,
    peerId,
    did,
    mesh: { name: mesh.name, open: mesh.open },
    peers,
    servers: upstreams.map(({ server, state, tools, resources, prompts }) => ({
      server,
      state,
      tools,
      resources,
      prompts,
    })),
    boards,
  };
}
