/**
 * The agents of peers. A heartbeat says with a digest of eight characters that a node has agents; who they are is
 * asked of the node itself, by `agent_list` on the MCP road, when somebody here wants to know: so an announcement
 * costs one heartbeat, and a list only whoever looks at one. Of a node that is away, or does not answer, is known what its
 * signed catalog document lists to all members.
 */
import { z } from 'zod';
import { createSemaphore, messageOf } from '../../core/index.ts';
import type { Clock, JsonObject, Logger, PeerId } from '../../core/index.ts';
import type { ListedAgent } from '../../directory/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { definitionsFault } from '../capabilities/schemas.ts';
import {
  AGENTS_MAX,
  ASKED_AT_ONCE,
  CAPABILITIES_MAX,
  DESCRIPTION_MAX,
  LIST_MS,
} from '../limits.ts';
import { isAgentName } from '../names.ts';
import type { AgentListResult, AgentView, CapabilityDefinition } from '../types.ts';
import type { SpreadProofs } from './spread-proof.ts';

/** What peers' agents are known by. */
export interface PeerAgentsComponents {
  readonly membership: Pick<Membership, 'peers' | 'peer'>;
  /** Calls `agent_list` at a peer, for all its agents or one. */
  list(peer: PeerView, agentId?: string): Promise<JsonObject>;
  /** What a peer lists to all members, also while it is away. */
  readonly listedBy?: (this: void, peer: PeerId) => readonly ListedAgent[];
  /** Members whose heartbeats have not come here and that offer this kind of capability by their own word; default: nobody. */
  readonly beyond?: (this: void, kind: string) => Promise<readonly PeerId[]>;
  readonly proofs: SpreadProofs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who is an agent elsewhere, as far as somebody has looked. */
export interface PeerAgents {
  /** Those that peers have listed, as far as they are fresh, and else by their documents; asks nobody. */
  known(): readonly AgentView[];
  /** Those of them that go by a name, a label, or either with its node; of nodes that are away only where no other has one. */
  called(text: string): readonly AgentView[];
  /** Asks the peers whose lists are not fresh, or the one of this alias. */
  refresh(alias?: string): Promise<NonNullable<AgentListResult['unreachable']>>;
  /**
   * Looks for nodes that this one knows nothing of and that offer a kind of capability, and asks them for their agents; for one
   * kind once in {@link LIST_MS}. True where any has answered. Never rejects.
   */
  lookBeyond(kind: string): Promise<boolean>;
  /** One agent as its node has it at this moment; undefined where it is not there. */
  now(alias: string, name: string): Promise<AgentView | undefined>;
  /** What is known of `peer` may be wrong now. */
  forget(peer: PeerId): void;
}

interface Listed {
  readonly agents: readonly AgentView[];
  readonly digest: string | undefined;
  readonly at: number;
}

/** Peers that are known beyond what heartbeats say, and kinds that were looked for. */
const BEYOND_MAX = 64;
const TEXT_MAX = 256;
const PROOF_MAX = 4096;
const text = z.string().max(TEXT_MAX);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const counter = count.catch(0);
const schema = z.record(z.string(), z.json()).optional().catch(undefined);
const DEFINITION = z.object({
  description: z.string().max(DESCRIPTION_MAX).optional().catch(undefined),
  input: schema,
  output: schema,
  readOnly: z.boolean().optional().catch(undefined),
  typed: z.boolean().optional().catch(undefined),
});
/** What a peer says of one agent: what is odd is left out, and so is an agent without a sound name. */
const AGENT = z.object({
  id: text.refine(isAgentName),
  name: text.refine(isAgentName),
  kind: text.catch('attached'),
  capabilities: z.array(text).max(CAPABILITIES_MAX).catch([]),
  definitions: z.record(text, DEFINITION).optional().catch(undefined),
  maxConcurrentTasks: counter,
  zone: text.catch(''),
  tags: z.array(text).max(CAPABILITIES_MAX).catch([]),
  listed: z.boolean().catch(false),
  spread: z.string().max(PROOF_MAX).optional().catch(undefined),
  status: z.enum(['online', 'offline', 'stopped']),
  free: counter,
  busy: count.optional().catch(undefined),
  health: z.number().int().min(0).max(100).optional().catch(undefined),
  tasksProcessed: counter,
  uptime: counter,
  last_seen: text.catch(''),
  metrics: z
    .object({
      sent: counter,
      received: counter,
      errors: counter,
      avgResponseTime: z.number().min(0).optional().catch(undefined),
      capabilityRequests: z.record(text, counter).catch({}),
    })
    .catch({ sent: 0, received: 0, errors: 0, capabilityRequests: {} }),
});
const LIST = z.object({ agents: z.array(z.unknown()).max(AGENTS_MAX) });

/** Makes what is known of peers' agents. */
export function createPeerAgents(components: PeerAgentsComponents): PeerAgents {
  return new KnownAgents(components);
}

class KnownAgents implements PeerAgents {
  readonly #components: PeerAgentsComponents;
  readonly #listed = new Map<PeerId, Listed>();
  readonly #asking = new Map<PeerId, Promise<string | undefined>>();
  readonly #permits = createSemaphore(ASKED_AT_ONCE);
  /** Peers that were found beyond what heartbeats say, the oldest first. */
  readonly #found = new Set<PeerId>();
  /** When a kind was looked for last, and what comes of it. */
  readonly #looks = new Map<string, { readonly at: number; readonly found: Promise<boolean> }>();

  constructor(components: PeerAgentsComponents) {
    this.#components = components;
  }

  known(): readonly AgentView[] {
    return this.#components.membership.peers().flatMap((peer) => this.#of(peer));
  }

  called(text: string): readonly AgentView[] {
    const named: AgentView[] = [];
    for (const peer of this.#components.membership.peers()) {
      const found = this.#of(peer, (agent) => isNamed(agent, text, peer));
      if (found.length > 0) named.push(...found);
    }
    if (named.every(({ announced }) => announced !== true)) return named;
    const asked = named.filter(({ announced }) => announced !== true);
    return asked.length > 0 ? asked : named;
  }

  /** Those of one peer that are wanted: what is not wanted is not copied, for each message looks here. */
  #of(
    peer: PeerView,
    isWanted: (agent: Pick<AgentView, 'id' | 'name' | 'node'>) => boolean = () => true,
  ): readonly AgentView[] {
    if (peer.ended !== undefined) return [];
    const listed = this.#hasAgents(peer) ? this.#listed.get(peer.peerId) : undefined;
    // The name of the node may be another than when it was asked.
    if (listed !== undefined) {
      return listed.agents.filter(isWanted).map((agent) => atNode(agent, peer));
    }
    const said = this.#components.listedBy?.(peer.peerId) ?? [];
    return said
      .filter((agent) => isSound(agent) && isWanted({ ...agent, node: peer.alias }))
      .map((agent) => announcedBy(agent, peer));
  }

  async refresh(alias?: string): Promise<NonNullable<AgentListResult['unreachable']>> {
    const here = this.#here();
    const wanted = here.filter((peer) => alias === undefined || peer.alias === alias);
    for (const peer of this.#listed.keys()) {
      if (!here.some(({ peerId }) => peerId === peer)) this.#listed.delete(peer);
    }
    const stale = wanted.filter((peer) => !this.#isFresh(peer));
    const troubles = await Promise.all(
      stale.map(async (peer) => ({ node: peer.alias, reason: await this.#ask(peer) })),
    );
    return troubles.flatMap(({ node, reason }) => (reason === undefined ? [] : [{ node, reason }]));
  }

  lookBeyond(kind: string): Promise<boolean> {
    const now = this.#components.clock.now();
    const last = this.#looks.get(kind);
    if (last !== undefined && Math.abs(now - last.at) < LIST_MS) return last.found;
    this.#looks.delete(kind);
    const found = this.#lookBeyond(kind);
    this.#looks.set(kind, { at: now, found });
    for (const oldest of this.#looks.keys()) {
      if (this.#looks.size <= BEYOND_MAX) break;
      this.#looks.delete(oldest);
    }
    return found;
  }

  async #lookBeyond(kind: string): Promise<boolean> {
    const { beyond, logger, membership } = this.#components;
    try {
      const peers = await beyond?.(kind);
      const views = (peers ?? []).flatMap((peer) => membership.peer(peer) ?? []);
      const troubles = await Promise.all(
        views.map((view) => {
          this.#found.delete(view.peerId);
          this.#found.add(view.peerId);
          return this.#ask(view);
        }),
      );
      for (const oldest of this.#found) {
        if (this.#found.size <= BEYOND_MAX) break;
        this.#found.delete(oldest);
      }
      return troubles.includes(undefined);
    } catch (error) {
      logger.debug({ kind, error: messageOf(error) }, 'no agents were found beyond what is known');
      return false;
    }
  }

  async now(alias: string, name: string): Promise<AgentView | undefined> {
    const peer = this.#here().find((one) => one.alias === alias);
    if (peer === undefined) return undefined;
    // A list that is malformed names nobody.
    const list = LIST.safeParse(await this.#components.list(peer, name));
    const read = AGENT.safeParse(list.data?.agents[0]);
    return read.success && read.data.name === name ? this.#viewOf(read.data, peer) : undefined;
  }

  forget(peer: PeerId): void {
    this.#listed.delete(peer);
  }

  /** Peers that say that they have agents. */
  #here(): readonly PeerView[] {
    return this.#components.membership.peers().filter((peer) => this.#hasAgents(peer));
  }

  #hasAgents({ peerId, presence, state }: PeerView): boolean {
    return state === 'alive' && (presence?.agents !== undefined || this.#found.has(peerId));
  }

  #isFresh({ peerId, presence }: PeerView): boolean {
    const listed = this.#listed.get(peerId);
    if (listed === undefined || listed.digest !== presence?.agents) return false;
    return Math.abs(this.#components.clock.now() - listed.at) < LIST_MS;
  }

  /** Why the peer could not be asked; undefined when it has answered. One question at a time to each. */
  #ask(peer: PeerView): Promise<string | undefined> {
    const under = this.#asking.get(peer.peerId);
    if (under !== undefined) return under;
    const asking = this.#askNow(peer).finally(() => this.#asking.delete(peer.peerId));
    this.#asking.set(peer.peerId, asking);
    return asking;
  }

  async #askNow(peer: PeerView): Promise<string | undefined> {
    await this.#permits.take();
    try {
      const { agents } = LIST.parse(await this.#components.list(peer));
      const views = agents.flatMap((agent) => {
        const read = AGENT.safeParse(agent);
        return read.success ? [this.#viewOf(read.data, peer)] : [];
      });
      const at = this.#components.clock.now();
      this.#listed.set(peer.peerId, { agents: views, digest: peer.presence?.agents, at });
      return undefined;
    } catch (error) {
      this.#listed.delete(peer.peerId);
      return error instanceof z.ZodError ? 'its list of agents is malformed' : messageOf(error);
    } finally {
      this.#permits.give();
    }
  }

  /** Whoever has spread an agent says who has a part of it, and not who claims to have one. */
  #viewOf(said: z.infer<typeof AGENT>, peer: PeerView): AgentView {
    const { spread, ...view } = asView(said, peer);
    const claims = spread === undefined ? undefined : this.#components.proofs.read(spread);
    const isPart = claims?.agent === said.name && claims.on.includes(peer.did);
    return spread !== undefined && isPart ? { ...view, spread } : view;
  }
}

function isSound({ id, name }: ListedAgent): boolean {
  return isAgentName(id) && isAgentName(name);
}

/** How it does nobody has said. */
function announcedBy(listed: ListedAgent, peer: PeerView): AgentView {
  const { did, lastHeartbeatAt, peerId } = peer;
  return atNode(
    {
      ...listed,
      tags: [],
      listed: true,
      did,
      status: 'offline',
      free: 0,
      busy: 0,
      tasksProcessed: 0,
      uptime: 0,
      last_seen: lastHeartbeatAt === 0 ? '' : new Date(lastHeartbeatAt).toISOString(),
      metrics: { sent: 0, received: 0, errors: 0, capabilityRequests: {} },
      node: peer.alias,
      machine_id: peerId,
      endpoint: '',
      announced: true,
    },
    peer,
  );
}

/** Where an agent is, and which key answers for it, is what this node knows, and not the peer's word. */
function asView(said: z.infer<typeof AGENT>, peer: PeerView): AgentView {
  const { avgResponseTime, ...metrics } = said.metrics;
  const { busy, definitions, health, spread, ...rest } = said;
  return atNode(
    {
      ...rest,
      // A node of an earlier version says only what is free.
      busy: busy ?? Math.max(0, rest.maxConcurrentTasks - rest.free),
      ...(health === undefined ? {} : { health }),
      ...(definitions === undefined ? {} : { definitions: definitionsIn(definitions) }),
      ...(spread === undefined ? {} : { spread }),
      metrics: { ...metrics, ...(avgResponseTime === undefined ? {} : { avgResponseTime }) },
      did: peer.did,
      node: peer.alias,
      machine_id: peer.peerId,
      endpoint: '',
    },
    peer,
  );
}

/** Without the members that are undefined; none where they are more than an agent may say. */
function definitionsIn(
  said: Readonly<Record<string, z.infer<typeof DEFINITION>>>,
): Readonly<Record<string, CapabilityDefinition>> {
  const definitions = JSON.parse(JSON.stringify(said)) as Record<string, CapabilityDefinition>;
  return definitionsFault(definitions) === undefined ? definitions : {};
}

/** Whether an agent goes by `text`: its name or label, or either with the name of its node. */
export function isNamed(
  { id, name, node }: Pick<AgentView, 'id' | 'name' | 'node'>,
  text: string,
  { alias }: { readonly alias: string } = { alias: node },
): boolean {
  return isAddress(text, name, alias) || isAddress(text, id, alias);
}

/** Whether `text` is `name`, or `name@alias`: each message asks it of each agent, so that no text is made for that. */
function isAddress(text: string, name: string, alias: string): boolean {
  if (!text.startsWith(name)) return false;
  if (text.length === name.length) return true;
  const isAsLong = text.length === name.length + alias.length + 1;
  return isAsLong && text[name.length] === '@' && text.endsWith(alias);
}

function atNode(agent: AgentView, { alias }: PeerView): AgentView {
  if (agent.node === alias && agent.endpoint !== '') return agent;
  return { ...agent, node: alias, endpoint: `${agent.name}@${alias}` };
}
