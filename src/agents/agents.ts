/**
 * The agents of a mesh, as the programs of this node meet them: they announce themselves, see those of this node and of
 * peers as far as they may, send messages, and read their inboxes. To send is a right of its own: `agent:<name>` with
 * the ability `agent/message`, asked for by the owner of the agent; to see an agent takes the same right, unless the
 * agent is listed.
 */
import type {
  Clock,
  Did,
  JsonObject,
  Logger,
  PeerId,
  Random,
  StarlingError,
  Startable,
} from '../core/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import type { Guard, Principal } from '../guard/index.ts';
import type {
  CardAgent,
  ChannelCall,
  ClientSampling,
  OnwardCall,
  PeerToolCall,
  RelayedCall,
  ToolSubject,
} from '../gateway/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import type { Topic } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import type { CapabilityInit } from './choosing/request.ts';
import type { Wishes } from './choosing/order.ts';
import type { EventInit, EventsInit } from './events/events.ts';
import type { InboxPage, InboxWatch } from './inbox/inbox.ts';
import type { Taker } from './inbox/mailbox.ts';
import type { Lacking, ListedAgent } from '../directory/index.ts';
import type { AnnounceInit } from './directory/local-agents.ts';
import type { ListInit } from './directory/directory.ts';
import type { PlainQuery } from './messages/plain-query.ts';
import type { Answer } from './messages/queries.ts';
import type { Sealing } from './messages/sealing.ts';
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
  BroadcastResult,
  CapabilityListResult,
  CapabilityResult,
  EventsResult,
  MessageInit,
  ResponseInit,
  RunView,
  SpreadView,
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
  /** Has such a tool answer somebody's call; default: this node answers all calls itself. */
  readonly relayToPeer?: (this: void, peer: PeerView, onward: OnwardCall) => ChannelCall;
  /** What the catalog document of a peer lists, also while that peer is away; default: nothing. */
  readonly listedBy?: (this: void, peer: PeerId) => readonly ListedAgent[];
  /** Members that this node knows nothing of and that offer a kind of capability, by their own word; default: nobody. */
  readonly beyond?: (this: void, kind: string) => Promise<readonly PeerId[]>;
  /** What this node lists to all may be another. */
  readonly listingChanged?: (this: void) => void;
  /** An agent of this node is about to be forgotten: what other rooms know by its name goes first; default: they know nothing. */
  readonly retiring?: (this: void, name: string) => Promise<void>;
  /** How an agent runs that this node runs; undefined for any other. */
  runOf?(name: string): RunView | undefined;
  /** Of an agent that is spread over several nodes, as far as this node knows; undefined for any other. */
  spreadOf?(name: string): SpreadView | undefined;
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
  readonly done?: readonly string[] | undefined;
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
  /**
   * Has the node of an agent answer a query that needs nothing of this one; undefined for any other call.
   * @throws STARLING_CALL_REFUSED
   */
  handOn(call: RelayedCall): ChannelCall | undefined;
  /**
   * Has an agent of this node deal at once with a query of a peer's, past its inbox, and gives what ends the wait for the
   * answer, of which `settled` hears; undefined where {@link message} has to. @throws STARLING_CALL_REFUSED
   */
  begin(
    principal: Principal,
    query: PlainQuery,
    settled: (outcome: JsonObject | StarlingError) => void,
  ): (() => void) | undefined;
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
  /** How an agent of this node stands at this moment; undefined for one that `principal` may not see. */
  standing(principal: Principal, agent: string): AgentStanding | undefined;
  /** `keyOf` whoever has announced an agent of this node. */
  ownerOf(agent: string): string | undefined;
  /** @throws STARLING_CALL_REFUSED where `principal` may not give a task to that agent */
  requireTask(principal: Principal, agent: Pick<AgentView, 'name' | 'node'>): void;
  /** The same, for the agent with this address, as far as this node knows whom it means. @throws STARLING_USAGE too */
  requireTaskFor(principal: Principal, address: string): void;
  /** Whether `principal` may tell all something now, by how much it has told. */
  mayTell(principal: Principal): boolean;
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
  /**
   * Has `taker` asked for each query to an agent of `principal` that would be the next one, until what this gives is called.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN
   */
  takeQueries(principal: Principal, agent: string, taker: Taker): () => void;
  /**
   * What an agent of `principal` answers to a query that it was given.
   * @throws STARLING_AGENT_FAILED where nobody waits for that any more; STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN
   */
  answered(principal: Principal, agent: string, query: AgentMessage, answer: Answer): void;
  /** Messages that an agent of `principal` deals with, or that wait for it. @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN */
  waiting(principal: Principal, agent: string): number;
  /**
   * An agent of `principal` takes no more messages until it is announced again, and deals with those that it has.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN
   */
  refuseMore(principal: Principal, agent: string): Promise<void>;
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
