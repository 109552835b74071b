/**
 * The agents of one node, made of their parts: those that have announced themselves here, the directory of those of peers,
 * messages, events, and whom a capability is asked of. `agents.ts` says what each call does.
 */
import { StarlingError, messageOf } from '../core/index.ts';
import type { PeerId } from '../core/index.ts';
import { OPERATOR, keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type {
  CardAgent,
  ChannelCall,
  ClientSampling,
  RelayedCall,
  ToolSubject,
} from '../gateway/index.ts';
import type { PeerView } from '../membership/index.ts';
import { AgentWatchers } from './directory/watchers.ts';
import { createBreakers } from './choosing/breakers.ts';
import type { Breakers } from './choosing/breakers.ts';
import { candidatesFor, offersOf, requestCapability } from './choosing/request.ts';
import type { CapabilityComponents, CapabilityInit } from './choosing/request.ts';
import { inOrder } from './choosing/order.ts';
import type { Wishes } from './choosing/order.ts';
import { createEventLog } from './events/event-log.ts';
import { createMeshEvents } from './events/events.ts';
import type { EventInit, EventsInit, MeshEvents } from './events/events.ts';
import { createSampledDeliveries, noSampling } from './inbox/sampled-delivery.ts';
import type { SampledDeliveries } from './inbox/sampled-delivery.ts';
import type { InboxPage, InboxWatch } from './inbox/inbox.ts';
import type { Taker } from './inbox/mailbox.ts';
import { LIST_TIMEOUT_MS } from './limits.ts';
import { createLacking } from '../directory/index.ts';
import type { Lacking, ListedAgent } from '../directory/index.ts';
import { createLocalAgents } from './directory/local-agents.ts';
import type { AnnounceInit, LocalAgents } from './directory/local-agents.ts';
import { createMessages } from './messages/messages.ts';
import { handOn } from './messages/onward.ts';
import type { Messages } from './messages/messages.ts';
import type { Answer } from './messages/queries.ts';
import { parseAddress } from './names.ts';
import { createPeerAgents } from './directory/peer-agents.ts';
import type { PeerAgents } from './directory/peer-agents.ts';
import { AgentDirectory } from './directory/directory.ts';
import type { AgentPlace, ListInit } from './directory/directory.ts';
import { createSpreadProofs } from './directory/spread-proof.ts';
import type {
  AgentAnnounceResult,
  AgentEndResult,
  AgentInboxResult,
  AgentInfoResult,
  AgentListResult,
  AgentMessage,
  AgentMessageResult,
  AgentResponsesResult,
  AgentStanding,
  AgentView,
  Announcement,
  BroadcastResult,
  CapabilityListResult,
  CapabilityResult,
  EventsResult,
  MessageInit,
  ResponseInit,
} from './types.ts';

import type { Agents, AgentsComponents, InboxInit } from './agents.ts';

/** Makes the agents of a node. */
export function createAgents(components: AgentsComponents): Agents {
  return new NodeAgents(components);
}

class NodeAgents implements Agents {
  readonly #components: AgentsComponents;
  readonly #local: LocalAgents;
  readonly #peers: PeerAgents;
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
    this.#peers = createPeerAgents({
      ...components,
      proofs: createSpreadProofs(),
      list: (peer, agentId) =>
        components.callPeer(peer, {
          tool: 'agent_list',
          args: agentId === undefined ? {} : { agentId },
          principal: { kind: 'operator' },
          timeoutMs: LIST_TIMEOUT_MS,
        }),
    });
    this.#directory = new AgentDirectory({
      ...components,
      local: this.#local,
      peers: this.#peers,
    });
    this.#messages = createMessages({
      ...components,
      local: this.#local,
      find: (...asked) => this.#find(...asked),
      forget: (peer) => this.#peers.forget(peer),
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

  async list(principal: Principal, init: ListInit): Promise<AgentListResult> {
    const found = await this.#directory.list(principal, init);
    if (principal.kind === 'peer') return found;
    return { ...found, agents: found.agents.map(withoutProof) };
  }

  async info(principal: Principal, agentId: string): Promise<AgentInfoResult> {
    const found = await this.#directory.info(principal, agentId);
    if (principal.kind === 'peer' || found.spread === undefined) return found;
    const whole = this.#components.spreadOf?.(found.name);
    return { ...withoutProof(found), ...(whole === undefined ? {} : { whole }) };
  }

  message(
    principal: Principal,
    init: MessageInit,
    signal: AbortSignal,
  ): Promise<AgentMessageResult> {
    return this.#messages.message(principal, init, signal);
  }

  handOn(call: RelayedCall): ChannelCall | undefined {
    const { relayToPeer, membership } = this.#components;
    if (relayToPeer === undefined) return undefined;
    const directory = this.#directory;
    const forget = (peer: PeerId): void => this.#peers.forget(peer);
    return handOn({ membership, local: this.#local, directory, relayToPeer, forget }, call);
  }

  begin(...query: Parameters<Agents['begin']>): (() => void) | undefined {
    return this.#messages.begin(...query);
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
    const { messages, cursors, cursor, waiting } = await this.mail(principal, init, signal);
    return { agent: name, messages, cursors, cursor, waiting };
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

  standing(principal: Principal, agent: string): AgentStanding | undefined {
    return this.#directory.standing(principal, agent);
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

  mayTell(principal: Principal): boolean {
    return this.#events.mayTell(principal);
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

  takeQueries(principal: Principal, agent: string, taker: Taker): () => void {
    const known = this.#local.owned(principal, agent);
    known.taker = taker;
    return () => {
      if (known.taker === taker) known.taker = undefined;
    };
  }

  answered(principal: Principal, agent: string, query: AgentMessage, answer: Answer): void {
    this.#messages.answered(this.#local.owned(principal, agent), query, answer);
  }

  waiting(principal: Principal, agent: string): number {
    return this.#local.owned(principal, agent).inbox.waiting;
  }

  async refuseMore(principal: Principal, agent: string): Promise<void> {
    const known = this.#local.owned(principal, agent);
    if (!known.stopped) await this.#local.stopAgent(known);
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

  /** Of the parts of an agent that is spread, the freer of two comes first, as with a request by capability. */
  async #find(
    principal: Principal,
    address: string,
    affinity: string | undefined,
  ): Promise<readonly AgentPlace[]> {
    const found = await this.#directory.find(principal, address);
    if ('name' in found) return [found];
    const parts = found;
    if (parts.length < 2) return parts;
    const online = parts.filter(({ status }) => status === 'online');
    const fit = online.length > 0 ? online : parts;
    return inOrder(this.#choosing(), fit, { capability: '', affinity });
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

  #choosing(): Pick<CapabilityComponents, 'list' | 'ask' | 'clock' | 'random' | 'lacking'> {
    return {
      list: (...asked) => this.list(...asked),
      ask: (agent) => this.#directory.askNow(agent),
      clock: this.#components.clock,
      random: this.#components.random,
      lacking: this.#lacking,
    };
  }
}

/** The proof that an agent is a part is for nodes. */
function withoutProof<T extends AgentView>(agent: T): T {
  const { spread: _proof, ...rest } = agent;
  return rest as T;
}
