/**
 * The agents of a mesh, as the programs of this node meet them: they announce themselves, see those of this node and of
 * peers as far as they may, send messages, and read their inboxes. To send is a right of its own: `agent:<name>` with
 * the ability `agent/message`, asked for by the owner of the agent; to see an agent takes the same right, unless the
 * agent is listed.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, JsonObject, Logger, PeerId, Random, Startable } from '../core/index.ts';
import { OPERATOR, keyOf } from '../guard/index.ts';
import type { Guard, Principal } from '../guard/index.ts';
import type { CardAgent, PeerToolCall, ToolSubject } from '../gateway/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { AgentWatchers } from './agent-watchers.ts';
import { createBreakers } from './breakers.ts';
import type { Breakers } from './breakers.ts';
import { candidatesFor, requestCapability } from './capabilities.ts';
import type { CapabilityComponents, CapabilityInit } from './capabilities.ts';
import { offers } from './capability-names.ts';
import type { Wishes } from './capability-order.ts';
import { withoutSchemas } from './capability-schemas.ts';
import { createMeshEvents } from './events.ts';
import type { EventInit, EventsInit, MeshEvents } from './events.ts';
import type { InboxPage } from './inbox.ts';
import { LIST_TIMEOUT_MS } from './limits.ts';
import { createLacking } from '../directory/index.ts';
import type { Lacking } from '../directory/index.ts';
import { offersOf } from './capabilities.ts';
import { createLocalAgents, unknownAgent } from './local-agents.ts';
import type { AnnounceInit, LocalAgents } from './local-agents.ts';
import { createMessages } from './messages.ts';
import type { Messages } from './messages.ts';
import { agentResource, parseAddress } from './names.ts';
import { createPeerAgents } from './peer-agents.ts';
import type { PeerAgents } from './peer-agents.ts';
import type { Sealing } from './sealing.ts';
import type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessageResult,
  AgentView,
  Announcement,
  BroadcastResult,
  CapabilityListResult,
  CapabilityResult,
  EventsResult,
  MessageInit,
  RunView,
} from './types.ts';

/** The rooms below, and the road to peers. */
export interface AgentsComponents {
  readonly table: Table;
  readonly self: { readonly name: string; readonly did: Did; readonly peerId: PeerId };
  readonly guard: () => Pick<Guard, 'decide'>;
  readonly membership: Pick<
    Membership,
    'announce' | 'byAlias' | 'events' | 'find' | 'peer' | 'peers' | 'resolve'
  >;
  readonly sealing: Sealing;
  /** Where what is for all is told. */
  readonly topic: Topic;
  /** Calls a tool of a peer's built-in server. */
  callPeer(peer: PeerView, call: PeerToolCall): Promise<JsonObject>;
  /** How an agent runs that this node runs; undefined for any other. */
  runOf?(name: string): RunView | undefined;
  /** Who is meant by a link of a chain (`chainOf`); undefined for the operator. */
  readonly callerOf?: (this: void, link: string) => Principal | undefined;
  /** How far the policy trusts a caller, 0 to 1; absent: nothing is said of it. */
  readonly trustOf?: (this: void, principal: Principal) => number;
  /** Bytes of all inboxes; default 64 MiB. */
  readonly inboxBytesMax?: number;
  /** What other rooms find peers to lack counts as well; default: what is found here alone. */
  readonly lacking?: Lacking;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Which agents somebody wants to see. */
export interface ListInit {
  /** Default `all`. */
  readonly status?: 'online' | 'all' | undefined;
  readonly capability?: string | undefined;
  /** A name, a label, or either with its node. */
  readonly agentId?: string | undefined;
  /** Only those of this node. */
  readonly here?: boolean | undefined;
}

/** A look into an inbox. */
export interface InboxInit {
  readonly agent: string;
  readonly cursor?: string | undefined;
  /** See `InboxRead`. */
  readonly seen?: string | undefined;
  readonly limit: number;
  readonly waitMs: number;
  readonly history?: boolean | undefined;
}

/** The agents that this node knows, and their messages. */
export interface Agents extends Startable {
  /** @throws STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED */
  announce(principal: Principal, init: AnnounceInit): Promise<AgentAnnounceResult>;
  list(principal: Principal, init: ListInit): Promise<AgentListResult>;
  /** @throws STARLING_AGENT_UNKNOWN, also for one that `principal` may not see */
  info(principal: Principal, agentId: string): Promise<AgentInfoResult>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED, STARLING_CALL_REFUSED, STARLING_LIMIT_EXCEEDED, … */
  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  inbox(principal: Principal, init: InboxInit, signal: AbortSignal): Promise<AgentInboxResult>;
  /** What {@link inbox} gives, with who sent each message. @throws as that */
  mail(principal: Principal, init: InboxInit, signal: AbortSignal): Promise<InboxPage>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  end(principal: Principal, agent: string, how: 'stop' | 'retire'): Promise<AgentEndResult>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED with what each candidate said, … */
  request(
    principal: Principal,
    init: CapabilityInit,
    signal: AbortSignal,
  ): Promise<CapabilityResult>;
  /**
   * Who may do what is asked for, in the order to try them: the freer of two that are asked on the spot first.
   * @throws STARLING_AGENT_UNKNOWN where nobody can
   */
  candidates(principal: Principal, init: Wishes): Promise<readonly AgentView[]>;
  /** Whether an agent of this node is `principal`'s own. */
  owns(principal: Principal, agent: string): boolean;
  /** @throws STARLING_CALL_REFUSED where `principal` may not write to that agent */
  require(principal: Principal, agent: Pick<AgentView, 'name' | 'node'>): void;
  /** Tells all of the mesh something. @throws STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED, … */
  tell(principal: Principal, init: EventInit): Promise<BroadcastResult>;
  /** What was told to all. @throws STARLING_USAGE for what is no topic */
  events(init: EventsInit, signal: AbortSignal): Promise<EventsResult>;
  /** Who can do what, as far as `principal` may know. */
  capabilities(principal: Principal): Promise<CapabilityListResult>;
  /** Calls `changed` when an agent with this address may be another, until what it gives is called. @throws STARLING_USAGE */
  watch(address: string, changed: () => void): () => void;
  /** Calls `changed` for each message that comes for an agent of `principal`. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  watchInbox(principal: Principal, agent: string, changed: () => void): () => void;
  /** What a message with this address is about, for the guard; undefined where there is no address. */
  subjectOf(address: unknown): ToolSubject | undefined;
  /** The id of the agent of this node that is called so. */
  labelOf(name: string): string | undefined;
  /** The agent of this node that goes by `name`, as doors show it to others; undefined for one that is not listed. */
  listed(name: string): CardAgent | undefined;
  /** What heartbeats say of this node's agents: nothing where there are none. */
  presence(): { readonly agents?: string };
  /** Kinds and capabilities of those agents of this node that every member may see. */
  offers(): readonly string[];
}

/** Makes the agents of a node. */
export function createAgents(components: AgentsComponents): Agents {
  return new NodeAgents(components);
}

const ABILITY = 'agent/message';

class NodeAgents implements Agents {
  readonly #components: AgentsComponents;
  readonly #local: LocalAgents;
  readonly #peers: PeerAgents;
  readonly #messages: Messages;
  /** Of agents by endpoint, and of nodes by name. */
  readonly #breakers: Breakers;
  readonly #events: MeshEvents;
  readonly #lacking: Lacking;
  readonly #watchers: AgentWatchers;
  #isOver = false;
  readonly #peerChanged = (peer: PeerView, before: PeerView | undefined): void => {
    if (peer.state === 'alive') this.#messages.peerIsHere(peer);
    const isAnother =
      peer.state !== before?.state || peer.presence?.agents !== before.presence?.agents;
    if (isAnother) this.#watchers.tell(peer.alias);
  };

  constructor(components: AgentsComponents) {
    this.#components = components;
    this.#lacking = components.lacking ?? createLacking(components.clock);
    const { membership } = components;
    this.#breakers = createBreakers(components.clock);
    this.#events = createMeshEvents({
      ...components,
      aliasOf: (peer) => membership.peer(peer)?.alias,
    });
    this.#watchers = new AgentWatchers(components.self.name);
    this.#local = createLocalAgents({
      ...components,
      changed: () => {
        membership.announce();
        this.#watchers.tell();
      },
    });
    this.#peers = createPeerAgents({
      ...components,
      list: (peer, agentId) =>
        components.callPeer(peer, {
          tool: 'agent_list',
          args: agentId === undefined ? {} : { agentId },
          principal: { kind: 'operator' },
          timeoutMs: LIST_TIMEOUT_MS,
        }),
    });
    this.#messages = createMessages({
      ...components,
      local: this.#local,
      find: (address) => this.#find(address),
      forget: (peer) => this.#peers.forget(peer),
      require: (principal, address) => this.#require(principal, address),
    });
  }

  async start(): Promise<void> {
    this.#isOver = false;
    await this.#local.load();
    await this.#messages.start();
    this.#events.start();
    this.#components.membership.events.on('change', this.#peerChanged);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#components.membership.events.off('change', this.#peerChanged);
    this.#events.stop();
    this.#messages.stop();
    this.#local.close();
  }

  async announce(principal: Principal, init: AnnounceInit): Promise<AgentAnnounceResult> {
    const agent = await this.#local.announce(principal, init);
    const { id, name } = agent.announcement;
    const { did, status } = this.#local.view(agent);
    if (agent.announcement.listed) this.#tellOf(agent.announcement);
    return { agentId: id, name, did, status, waiting: agent.inbox.waiting };
  }

  async list(principal: Principal, init: ListInit): Promise<AgentListResult> {
    const { status = 'all', capability, agentId } = init;
    const isLocal = init.here === true || principal.kind === 'peer';
    const unreachable = isLocal ? [] : await this.#peers.refresh();
    const all = isLocal ? this.#own() : [...this.#own(), ...this.#peers.known()];
    const agents = all.filter(
      (agent) =>
        this.#mayMessageOrSee(principal, agent) &&
        (status === 'all' || agent.status === 'online') &&
        (capability === undefined || offers(agent.capabilities, capability)) &&
        (agentId === undefined || isNamed(agent, agentId)),
    );
    const seen = principal.kind === 'peer' ? agents.map(withoutRun) : agents;
    // Schemas are long, and one agent is asked about where they are needed.
    const told = agentId === undefined ? seen.map(inLists) : seen;
    const shown = told.map((agent) => this.#trusted(agent));
    return { agents: shown, ...(unreachable.length === 0 ? {} : { unreachable }) };
  }

  async info(principal: Principal, agentId: string): Promise<AgentInfoResult> {
    const { agents } = await this.list(principal, { agentId });
    const [agent, ...others] = agents;
    if (agent === undefined) throw unknownAgent(agentId);
    const here = agents.find(({ node }) => node === this.#components.self.name);
    if (others.length > 0 && here === undefined) throw ambiguous(agentId, agents);
    // A list may be seconds old; how one agent does is asked of its node at this moment.
    const view = here ?? (await this.#askNow(agent).catch(() => undefined)) ?? agent;
    return { agentId: view.id, ...this.#trusted(view) };
  }

  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult> {
    return this.#messages.message(principal, init, signal);
  }

  async inbox(
    principal: Principal,
    init: InboxInit,
    signal: AbortSignal,
  ): Promise<AgentInboxResult> {
    const isLook = init.history === true && principal.kind === 'operator';
    const known = isLook ? this.#local.find(init.agent) : undefined;
    const agent = known ?? this.#local.owned(principal, init.agent);
    const { name } = agent.announcement;
    if (init.history === true) {
      const messages = agent.inbox.history().slice(-init.limit);
      return { agent: name, messages, cursor: '', waiting: agent.inbox.waiting };
    }
    const { messages, cursor, waiting } = await this.mail(principal, init, signal);
    return { agent: name, messages, cursor, waiting };
  }

  async mail(principal: Principal, init: InboxInit, signal: AbortSignal): Promise<InboxPage> {
    if (this.#isOver) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    const { clock } = this.#components;
    const agent = this.#local.owned(principal, init.agent);
    agent.seenAt = clock.now();
    agent.hasLeft = false;
    const page = await agent.inbox.read({ ...init, signal });
    agent.seenAt = clock.now();
    agent.hasLeft = signal.aborted;
    return page;
  }

  async end(principal: Principal, name: string, how: 'stop' | 'retire'): Promise<AgentEndResult> {
    const isOperator = principal.kind === 'operator';
    const known = isOperator ? this.#local.find(name) : undefined;
    const agent = known ?? this.#local.owned(principal, name);
    const said = { agentId: agent.announcement.id, name: agent.announcement.name };
    this.#messages.endOf(agent, how === 'stop' ? 'it was stopped' : 'it was retired');
    if (how === 'stop') {
      await this.#local.stopAgent(agent);
      return { ...said, status: 'stopped', dropped: 0 };
    }
    return { ...said, status: 'retired', dropped: await this.#local.retire(agent) };
  }

  request(
    principal: Principal,
    init: CapabilityInit,
    signal: AbortSignal,
  ): Promise<CapabilityResult> {
    const components = {
      ...this.#choosing(),
      clock: this.#components.clock,
      message: (...said: Parameters<Agents['message']>) => this.message(...said),
      breakers: this.#breakers,
    };
    return requestCapability(components, principal, init, signal);
  }

  async candidates(principal: Principal, init: Wishes): Promise<readonly AgentView[]> {
    const { candidates } = await candidatesFor(this.#choosing(), principal, init);
    return candidates;
  }

  owns(principal: Principal, agent: string): boolean {
    return this.#local.find(agent)?.owner === keyOf(principal);
  }

  require(principal: Principal, agent: Pick<AgentView, 'name' | 'node'>): void {
    this.#require(principal, agent);
  }

  async tell(principal: Principal, init: EventInit): Promise<BroadcastResult> {
    const own = this.#local.all().filter((agent) => agent.owner === keyOf(principal));
    const sole = own.length === 1 ? own[0] : undefined;
    const agent = init.from === undefined ? sole : this.#local.owned(principal, init.from);
    const { id, name } = agent?.announcement ?? {};
    const [first, whose = ''] = init.subject.split('.');
    if (first === 'agent' && whose !== id && whose !== name) {
      throw new StarlingError('STARLING_USAGE', `no agent of the caller is called '${whose}'`, {
        hint: 'an agent tells what is its own: agent.<its id>.events',
      });
    }
    const event = await this.#events.tell(principal, { ...init, from: name });
    const { membership } = this.#components;
    const peers = membership.peers().filter(({ state }) => state === 'alive').length;
    return { messageId: event.id, subject: event.subject, peers };
  }

  events(init: EventsInit, signal: AbortSignal): Promise<EventsResult> {
    return this.#events.read(init, signal);
  }

  async capabilities(principal: Principal): Promise<CapabilityListResult> {
    const { agents } = await this.list(principal, {});
    const names = [...new Set(agents.flatMap(({ capabilities }) => capabilities))].toSorted();
    return {
      capabilities: names.map((capability) => {
        const able = agents.filter((agent) => agent.capabilities.includes(capability));
        const description = able
          .map(({ definitions }) => definitions?.[capability]?.description)
          .find((text) => text !== undefined);
        return {
          capability,
          ...(description === undefined ? {} : { description }),
          agents: able.map(({ endpoint }) => endpoint),
          online: able.filter(({ status }) => status === 'online').length,
        };
      }),
    };
  }

  watch(address: string, changed: () => void): () => void {
    return this.#watchers.add(parseAddress(address), changed);
  }

  watchInbox(principal: Principal, agent: string, changed: () => void): () => void {
    return this.#local.owned(principal, agent).inbox.watch(changed);
  }

  subjectOf(address: unknown): ToolSubject | undefined {
    if (typeof address !== 'string') return undefined;
    try {
      const { name, node } = this.#found(parseAddress(address)) ?? parseAddress(address);
      return { ability: ABILITY, resource: agentResource({ name, ...this.#owner(node) }) };
    } catch (error) {
      // What is no name, or several agents' name, is refused to whoever has no right to each agent here.
      if (error instanceof StarlingError) return { ability: ABILITY, resource: 'agent:-' };
      throw error;
    }
  }

  labelOf(name: string): string | undefined {
    const agent = this.#local.find(name);
    return agent?.announcement.name === name ? agent.announcement.id : undefined;
  }

  listed(name: string): CardAgent | undefined {
    const agent = this.#local.find(name);
    if (agent === undefined || agent.stopped || !agent.announcement.listed) return undefined;
    const { announcement } = agent;
    if (announcement.name !== name) return undefined;
    const { capabilities, definitions, kind, tags } = announcement;
    const skills = capabilities.map((id) => {
      const { description } = definitions?.[id] ?? {};
      return { id, tags, ...(description === undefined ? {} : { description }) };
    });
    return { name, kind, skills };
  }

  presence(): { readonly agents?: string } {
    const digest = this.#local.digest();
    return digest === undefined ? {} : { agents: digest };
  }

  offers(): readonly string[] {
    return offersOf(this.#local.all());
  }

  /** Who is listed is told of to all; whoever hears it may write to the agent as far as a grant says. */
  #tellOf({ id, name, kind, capabilities }: Announcement): void {
    const message = { id, name, kind, capabilities: [...capabilities] };
    const told = { subject: 'agent.announce', message, from: name };
    this.#events.tell(OPERATOR, told).catch((error: unknown) => {
      const fields = { agent: name, error: messageOf(error) };
      this.#components.logger.debug(fields, 'an announcement was not told');
    });
  }

  #choosing(): Pick<CapabilityComponents, 'list' | 'ask' | 'random' | 'lacking'> {
    return {
      list: (...asked) => this.list(...asked),
      ask: (agent) => this.#askNow(agent),
      random: this.#components.random,
      lacking: this.#lacking,
    };
  }

  /** How an agent does at this moment, by the word of its node. */
  async #askNow({ name, node }: AgentView): Promise<AgentView | undefined> {
    if (node === this.#components.self.name) return this.#own().find((one) => one.name === name);
    return this.#peers.now(node, name);
  }

  /** With how far its owner is trusted here; a peer's word of that is not taken. */
  #trusted(agent: AgentView): AgentView {
    const { callerOf, membership, self, trustOf } = this.#components;
    if (trustOf === undefined) return agent;
    const peer = agent.node === self.name ? undefined : membership.byAlias(agent.node);
    const owner = this.#local.find(agent.name)?.owner;
    const local = (owner === undefined ? undefined : callerOf?.(owner)) ?? OPERATOR;
    const principal: Principal =
      peer === undefined
        ? local
        : { kind: 'peer', peerId: peer.peerId, did: peer.did, alias: peer.alias };
    return { ...agent, trust_level: trustOf(principal) };
  }

  #own(): readonly AgentView[] {
    return this.#local.all().map((agent) => this.#local.view(agent));
  }

  /** The agent that an address means, as far as this node knows without asking. @throws STARLING_USAGE */
  #found(address: ReturnType<typeof parseAddress>): AgentView | undefined {
    const { self } = this.#components;
    const text = address.node === undefined ? address.name : `${address.name}@${address.node}`;
    const own = address.node === undefined || address.node === self.name;
    const local = own ? this.#local.find(address.name) : undefined;
    if (local !== undefined) return this.#local.view(local);
    const all = this.#peers.known().filter((agent) => isNamed(agent, text));
    if (all.length > 1) throw ambiguous(text, all);
    return all[0];
  }

  async #find(text: string): Promise<AgentView | undefined> {
    const address = parseAddress(text);
    const known = this.#found(address);
    if (known !== undefined || address.node === this.#components.self.name) return known;
    await this.#peers.refresh(address.node);
    return this.#found(address);
  }

  #owner(node: string | undefined): { node?: string } {
    return node === undefined || node === this.#components.self.name ? {} : { node };
  }

  /** The guard was asked about the address; what the address turned out to mean may be something else. */
  #require(principal: Principal, { name, node }: { name: string; node?: string }): void {
    if (this.#allows(principal, { name, ...this.#owner(node) })) return;
    throw new StarlingError('STARLING_CALL_REFUSED', `no right to write to the agent ${name}`, {
      hint: `whoever owns it grants it: starling grant create <peer> --agent ${name}`,
      data: { agentId: name, reason: 'refused' },
    });
  }

  #mayMessageOrSee(principal: Principal, { name, node, listed }: AgentView): boolean {
    return listed || this.#allows(principal, { name, ...this.#owner(node) });
  }

  #allows(principal: Principal, address: { name: string; node?: string }): boolean {
    const wanted = { ability: ABILITY, resource: agentResource(address), look: true as const };
    const decision = this.#components.guard().decide(principal, wanted);
    return decision.allow || decision.ask !== undefined;
  }
}

/** As lists have it: without the schemas of its capabilities. */
function inLists(agent: AgentView): AgentView {
  const { definitions, ...seen } = agent;
  const said = Object.entries(definitions ?? {});
  if (said.length === 0) return seen;
  const short = said.map(([name, definition]) => [name, withoutSchemas(definition)]);
  return { ...seen, definitions: Object.fromEntries(short) };
}

/** How its node runs it, and with what rights, is for those of that node. */
function withoutRun(agent: AgentView): AgentView {
  const { run, ...seen } = agent;
  return run === undefined ? agent : seen;
}

function isNamed({ endpoint, id, name, node }: AgentView, text: string): boolean {
  return [name, id, endpoint, `${id}@${node}`].includes(text);
}

function ambiguous(text: string, agents: readonly AgentView[]): StarlingError {
  const candidates = agents.map(({ endpoint }) => endpoint);
  return new StarlingError('STARLING_USAGE', `several nodes have an agent '${text}'`, {
    hint: `say which: ${candidates.join(', ')}`,
    data: { candidates },
  });
}
