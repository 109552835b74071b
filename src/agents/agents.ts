/**
 * The agents of a mesh, as the programs of this node meet them: they announce themselves, see those of this node and of
 * peers as far as they may, send messages, and read their inboxes. To send is a right of its own: `agent:<name>` with
 * the ability `agent/message`, asked for by the owner of the agent; to see an agent takes the same right, unless the
 * agent is listed.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, JsonObject, Logger, PeerId, Random, Startable } from '../core/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import { OPERATOR, keyOf } from '../guard/index.ts';
import type { Guard, Principal } from '../guard/index.ts';
import type { CardAgent, ClientSampling, PeerToolCall, ToolSubject } from '../gateway/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { AgentWatchers } from './directory/watchers.ts';
import { createBreakers } from './choosing/breakers.ts';
import type { Breakers } from './choosing/breakers.ts';
import { candidatesFor, offersOf, requestCapability } from './choosing/request.ts';
import type { CapabilityComponents, CapabilityInit } from './choosing/request.ts';
import type { Wishes } from './choosing/order.ts';
import { createEventLog } from './events/event-log.ts';
import { createMeshEvents } from './events/events.ts';
import type { EventInit, EventsInit, MeshEvents } from './events/events.ts';
import { createSampledDeliveries, noSampling } from './inbox/sampled-delivery.ts';
import type { SampledDeliveries } from './inbox/sampled-delivery.ts';
import type { InboxPage, InboxWatch } from './inbox/inbox.ts';
import { LIST_TIMEOUT_MS } from './limits.ts';
import { createLacking } from '../directory/index.ts';
import type { Lacking, ListedAgent } from '../directory/index.ts';
import { createLocalAgents } from './directory/local-agents.ts';
import type { AnnounceInit, LocalAgents } from './directory/local-agents.ts';
import { createMessages } from './messages/messages.ts';
import type { Messages } from './messages/messages.ts';
import { parseAddress } from './names.ts';
import { createPeerAgents } from './directory/peer-agents.ts';
import { AgentDirectory } from './directory/directory.ts';
import type { ListInit } from './directory/directory.ts';
import type { Sealing } from './messages/sealing.ts';
import type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessageResult,
  AgentResponsesResult,
  AgentView,
  Announcement,
  BroadcastResult,
  CapabilityListResult,
  CapabilityResult,
  EventsResult,
  MessageInit,
  ResponseInit,
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
  /** Where what was told to all is kept, as {@link AgentsComponents.eventsBoard} says. */
  readonly blackboard: Pick<Blackboard, 'board'>;
  /** The board that the configuration names for events, and how long they stay; default: none. */
  eventsBoard?(): { readonly board: string; readonly keepMs: number } | undefined;
  /** Calls a tool of a peer's built-in server. */
  callPeer(peer: PeerView, call: PeerToolCall): Promise<JsonObject>;
  /** What the catalog document of a peer lists, also while that peer is away; default: nothing. */
  readonly listedBy?: (this: void, peer: PeerId) => readonly ListedAgent[];
  /** What this node lists to all may be another. */
  readonly listingChanged?: (this: void) => void;
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
  /**
   * Of an agent whose messages go to a model (`deliver`), it is that of the session behind `sampling`.
   * @throws STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED
   */
  announce(
    principal: Principal,
    init: AnnounceInit,
    sampling?: ClientSampling,
  ): Promise<AgentAnnounceResult>;
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
  /** Answers several queries; says which answers nobody waits for. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN, STARLING_RATE_LIMITED */
  respondAll(
    principal: Principal,
    from: string | undefined,
    responses: readonly ResponseInit[],
  ): AgentResponsesResult;
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
  /** The agent of a client's own by whose edge of a swarm it may give an agent of this node a task. */
  edgeOf(principal: Principal, agent: string): string | undefined;
  /** `keyOf` whoever has announced an agent of this node. */
  ownerOf(agent: string): string | undefined;
  /** @throws STARLING_CALL_REFUSED where `principal` may not give a task to that agent */
  requireTask(principal: Principal, agent: Pick<AgentView, 'name' | 'node'>): void;
  /** The same, for the agent with this address, as far as this node knows whom it means. @throws STARLING_USAGE too */
  requireTaskFor(principal: Principal, address: string): void;
  /** Tells all of the mesh something. @throws STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED, … */
  tell(principal: Principal, init: EventInit): Promise<BroadcastResult>;
  /** What was told to all. @throws STARLING_USAGE for what is no topic */
  events(init: EventsInit, signal: AbortSignal): Promise<EventsResult>;
  /** Who can do what, as far as `principal` may know. */
  capabilities(principal: Principal): Promise<CapabilityListResult>;
  /** Calls `changed` when an agent with this address may be another, until what it gives is called. @throws STARLING_USAGE */
  watch(address: string, changed: () => void): () => void;
  /** Calls `changed` for each message that comes for an agent of `principal`. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  watchInbox(
    principal: Principal,
    agent: string,
    changed: () => void,
    how?: InboxWatch,
  ): () => void;
  /** Messages that an agent of `principal` deals with, or that wait for it. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  waiting(principal: Principal, agent: string): number;
  /** What a message, or a task, with this address is about, for the guard; undefined where there is no address. */
  subjectOf(address: unknown, what?: 'message' | 'task'): ToolSubject | undefined;
  /** The id of the agent of this node that is called so. */
  labelOf(name: string): string | undefined;
  /** The agent of this node that goes by `name`, as doors show it to others; undefined for one that is not listed. */
  listed(name: string): CardAgent | undefined;
  /** Whether each agent of this node is stopped. */
  stopped(): readonly boolean[];
  /** What heartbeats say of this node's agents: nothing where there are none. */
  presence(): { readonly agents?: string };
  /** Those agents of this node that every member may see, as its catalog document lists them. */
  announced(): readonly ListedAgent[];
  /** Kinds and capabilities of those agents of this node that every member may see. */
  offers(): readonly string[];
}

/** Makes the agents of a node. */
export function createAgents(components: AgentsComponents): Agents {
  return new NodeAgents(components);
}

class NodeAgents implements Agents {
  readonly #components: AgentsComponents;
  readonly #local: LocalAgents;
  readonly #directory: AgentDirectory;
  readonly #messages: Messages;
  readonly #sampled: SampledDeliveries;
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
    const { self } = components;
    this.#events = createMeshEvents({
      ...components,
      log: createEventLog({
        config: () => components.eventsBoard?.(),
        board: (name) => components.blackboard.board(name),
      }),
      nameOf: (did) => (did === self.did ? self.name : membership.find(did)?.alias),
      aliasOf: (peer) => membership.peer(peer)?.alias,
      isElsewhere: (agent, node) => this.#directory.isElsewhere(agent, node),
    });
    this.#watchers = new AgentWatchers(components.self.name);
    this.#local = createLocalAgents({
      ...components,
      changed: () => {
        membership.announce();
        components.listingChanged?.();
        this.#watchers.tell();
      },
    });
    const peers = createPeerAgents({
      ...components,
      list: (peer, agentId) =>
        components.callPeer(peer, {
          tool: 'agent_list',
          args: agentId === undefined ? {} : { agentId },
          principal: { kind: 'operator' },
          timeoutMs: LIST_TIMEOUT_MS,
        }),
    });
    this.#directory = new AgentDirectory({ ...components, local: this.#local, peers });
    this.#messages = createMessages({
      ...components,
      local: this.#local,
      find: (address) => this.#directory.find(address),
      forget: (peer) => peers.forget(peer),
      require: (principal, address, { from, isTask }) =>
        this.#directory.require(principal, address, { from, what: isTask ? 'task' : 'message' }),
    });
    this.#sampled = createSampledDeliveries({
      ...components,
      read: (principal, agent, { signal, ...init }) =>
        this.mail(principal, { agent, ...init }, signal),
      send: (principal, response) =>
        this.message(principal, response, new AbortController().signal),
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
    await this.#sampled.stop();
    this.#messages.stop();
    this.#local.close();
  }

  async announce(
    principal: Principal,
    init: AnnounceInit,
    sampling?: ClientSampling,
  ): Promise<AgentAnnounceResult> {
    if (init.deliver === 'sampling' && sampling === undefined) throw noSampling();
    const agent = await this.#local.announce(principal, init);
    const { id, name, deliver } = agent.announcement;
    if (deliver !== 'sampling') await this.#sampled.end(name);
    else if (sampling !== undefined) await this.#sampled.begin(principal, name, sampling);
    const { did, status } = this.#local.view(agent);
    if (agent.announcement.listed) this.#tellOf(agent.announcement);
    return { agentId: id, name, did, status, waiting: agent.inbox.waiting };
  }

  list(principal: Principal, init: ListInit): Promise<AgentListResult> {
    return this.#directory.list(principal, init);
  }

  info(principal: Principal, agentId: string): Promise<AgentInfoResult> {
    return this.#directory.info(principal, agentId);
  }

  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult> {
    return this.#messages.message(principal, init, signal);
  }

  respondAll(
    principal: Principal,
    from: string | undefined,
    responses: readonly ResponseInit[],
  ): AgentResponsesResult {
    return this.#messages.respondAll(principal, from, responses);
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
    await this.#sampled.end(said.name);
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

  edgeOf(principal: Principal, agent: string): string | undefined {
    return this.#directory.edgeOf(principal, agent);
  }

  ownerOf(agent: string): string | undefined {
    return this.#local.find(agent)?.owner;
  }

  requireTask(principal: Principal, agent: Pick<AgentView, 'name' | 'node'>): void {
    this.#directory.require(principal, agent, { what: 'task' });
  }

  requireTaskFor(principal: Principal, address: string): void {
    this.#directory.requireTaskFor(principal, address);
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

  capabilities(principal: Principal): Promise<CapabilityListResult> {
    return this.#directory.capabilities(principal);
  }

  watch(address: string, changed: () => void): () => void {
    return this.#watchers.add(parseAddress(address), changed);
  }

  watchInbox(
    principal: Principal,
    agent: string,
    changed: () => void,
    how?: InboxWatch,
  ): () => void {
    return this.#local.owned(principal, agent).inbox.watch(changed, how);
  }

  waiting(principal: Principal, agent: string): number {
    return this.#local.owned(principal, agent).inbox.waiting;
  }

  subjectOf(address: unknown, what?: 'message' | 'task'): ToolSubject | undefined {
    return this.#directory.subjectOf(address, what);
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

  stopped(): readonly boolean[] {
    return this.#local.all().map(({ stopped }) => stopped);
  }

  presence(): { readonly agents?: string } {
    const digest = this.#local.digest();
    return digest === undefined ? {} : { agents: digest };
  }

  announced(): readonly ListedAgent[] {
    return this.#local.announced();
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
      ask: (agent) => this.#directory.askNow(agent),
      random: this.#components.random,
      lacking: this.#lacking,
    };
  }
}
