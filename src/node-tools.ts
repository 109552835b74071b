/** The tools of the built-in server, of all rooms of one node. */
import { agentTools, eventTools, remoteAgentTools, runTools, spreadTools } from './agents/index.ts';
import type { AgentEndResult } from './agents/index.ts';
import {
  audienceOf,
  auditTools,
  boardRoomTools,
  bugreportTool,
  budgetTools,
  createClientBoards,
  clientTools,
  peerSummary,
  governanceTools,
  findingTools,
  grantProposeTool,
  grantTools,
  keyTools,
  knockTools,
  loginTools,
  memberTools,
  pinTools,
  secretTools,
  serverTools,
  pingTool,
  statusTools,
} from './builtin/index.ts';
import type { BoardRoomComponents } from './builtin/index.ts';
import { unawaited } from './core/index.ts';
import type { Did } from './core/index.ts';
import { contextTools } from './contexts/index.ts';
import { dashboardTools } from './dashboard/index.ts';
import type { Funds } from './budget/index.ts';
import type { Principal } from './guard/index.ts';
import type { BuiltinTool, Gateway, Upstreams } from './gateway/index.ts';
import { learnTools } from './learning/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { metricsTools } from './metrics/index.ts';
import type { Metrics } from './metrics/index.ts';
import { batchTools, modelTools, transcriptTool } from './models/index.ts';
import { listingOf } from './node-peer-parts.ts';
import type { Parts, PartsInit } from './node-rooms.ts';
import { nodeProposalTools } from './node-proposal-parts.ts';
import { createAskTools } from './node-thinking-parts.ts';
import { collaborateTool, orchestrationTools, withPlans } from './orchestration/index.ts';
import { swarmTools, withSwarms } from './swarms/index.ts';
import { taskTools } from './tasks/index.ts';

type ToolRooms = Pick<
  Parts,
  | 'agents'
  | 'remote'
  | 'runs'
  | 'spreads'
  | 'tasks'
  | 'contexts'
  | 'learning'
  | 'memory'
  | 'swarms'
  | 'collaborations'
  | 'orchestrations'
  | 'audit'
  | 'blackboard'
  | 'budgets'
  | 'checkpoints'
  | 'clients'
  | 'dashboard'
  | 'documents'
  | 'governance'
  | 'keys'
  | 'knocks'
  | 'logins'
  | 'membership'
  | 'models'
  | 'batches'
  | 'transcripts'
  | 'keyAges'
  | 'network'
  | 'pins'
  | 'proposals'
  | 'providers'
  | 'token'
> &
  PartsInit & {
    readonly secretsChanged: () => readonly string[];
    readonly funds: Funds;
    /** Made later. */
    readonly gateway: () => Gateway;
    readonly upstreams: () => Upstreams;
    readonly metrics: () => Metrics;
  };

/** Makes the tools that the built-in server offers; what each may be asked by whom stands in its definition. */
export function createNodeTools(
  base: Base,
  state: OpenState,
  rooms: ToolRooms,
): readonly BuiltinTool[] {
  const { admission, grants, counters, members, secrets, identity, store, successions } = state;
  const { clock, config, recentLines } = base;
  const { audit, blackboard, checkpoints, clients, governance, keys, logins, membership } = rooms;
  const { network, pins, servers, status, token, createTicket } = rooms;
  const offers = { all: () => rooms.upstreams().all() };
  const self = { did: identity.did, name: config.name };
  return [
    ...statusTools({ ...rooms, listingOf: (peer) => listingOf(base, rooms.documents, peer) }),
    pingTool({ membership, network }),
    bugreportTool({
      status,
      peers: () => membership.peers().map((view) => peerSummary({ network }, view)),
      recentLines: () => recentLines.lines(),
      configured: () => [config, servers(), rooms.agentConfig(), rooms.modelConfig()],
      secrets,
    }),
    ...memberTools({
      budgets: rooms.budgets,
      grants,
      counters,
      admission,
      membership,
      members,
      network,
      self,
      summaryOf: (view) => peerSummary({ network }, view),
      leave: rooms.leave,
    }),
    ...grantTools({
      budgets: rooms.budgets,
      clock,
      grants,
      counters,
      admission,
      members,
      membership,
      offers,
      self,
      boards: { blackboard, self: identity.did },
      createTicket,
    }),
    ...knockTools({ knocks: rooms.knocks, createTicket }),
    ...workTools(rooms),
    ...boardsTools({ clock, store, self }, rooms),
    ...budgetTools({ budgets: rooms.budgets, membership, successions }),
    ...languageTools(base, rooms),
    ...createAskTools({ clock, config }, state, { ...rooms, models: () => rooms.models }),
    ...conversationTools(base, rooms),
    ...keyTools({ clock, keys }),
    ...clientTools({ clients, token }),
    ...dashboardTools(rooms),
    ...metricsTools({
      recent: () => rooms.metrics().recent(),
      glance: () => rooms.metrics().glance(),
    }),
    ...loginTools({ logins }),
    ...serverTools({ clock, upstreams: rooms.upstreams }),
    ...secretTools({ secrets, servers, changed: () => secretsChanged(base, rooms) }),
    ...auditTools({ audit, checkpoints, peers: () => membership.peers(), self: identity.did }),
    ...pinTools({ pins, membership }),
    ...governanceTools({ governance, grants, membership, keys, clock, self }),
    grantProposeTool({ models: rooms.models, clock, membership, offers, budgets: rooms.budgets }),
    ...findingTools({ models: rooms.models, clock, audit, grants, membership, keys }),
  ];
}

/** The tools of the boards, on one of which each agent has its own memory. */
function boardsTools(
  {
    store,
    ...base
  }: Pick<Base, 'clock'> &
    Pick<OpenState, 'store'> & { readonly self: { readonly did: Did; readonly name: string } },
  { blackboard, membership, memory, swarms }: ToolRooms,
): readonly BuiltinTool[] {
  const ownMemory: BoardRoomComponents['ownMemory'] = (principal) => memory.of(principal);
  const swarmMemory: BoardRoomComponents['swarmMemory'] = (principal, id) =>
    swarms.memory(principal, id);
  const rights = rightsOf(store);
  return boardRoomTools({ ...base, blackboard, membership, rights, ownMemory, swarmMemory });
}

/** The tools of language models, and of batches of requests to them. */
function languageTools(
  { clock, config }: Base,
  { batches, funds, models, transcripts }: ToolRooms,
): readonly BuiltinTool[] {
  return [
    ...modelTools({ models, funds, clock }, config.limits),
    ...batchTools({ batches, funds }),
    transcriptTool(transcripts),
  ];
}

/** Servers take a secret up, and one that is the key of a provider is not old any more. */
function secretsChanged(
  { logger }: Base,
  rooms: Pick<ToolRooms, 'keyAges'> & { readonly secretsChanged: () => readonly string[] },
): readonly string[] {
  unawaited(rooms.keyAges.look(), logger, 'ages of keys were not looked at');
  return rooms.secretsChanged();
}

/** The tools of what agents and others have said to each other, of what agents have learned, and of what they propose to the operator. */
function conversationTools(
  { clock, config }: Base,
  { contexts, learning, membership, models, proposals, runs }: ToolRooms,
): readonly BuiltinTool[] {
  const didOf = (peer: string): Did => audienceOf(membership, peer);
  return [
    ...contextTools({ contexts, models, didOf, clock }, config.limits),
    ...learnTools({ learning, learners: { all: () => runs.learners() } }),
    ...nodeProposalTools({ config }, { proposals, runs }),
  ];
}

function rightsOf(store: OpenState['store']): ReturnType<typeof createClientBoards> {
  return createClientBoards({ table: store.table('client-boards') });
}

/** The tools of agents, and of what they do for and with one another. */
function workTools(rooms: ToolRooms): readonly BuiltinTool[] {
  return [
    ...agentTools({
      agents: rooms.agents,
      async end(principal, agent, how) {
        const isSpread = await rooms.spreads.end(principal, agent);
        const result = await endHere(rooms, isSpread, { principal, agent, how });
        if (how === 'retire') await rooms.remote.retired(result.name);
        return result;
      },
    }),
    ...remoteAgentTools({ remote: rooms.remote }),
    ...withSwarms(
      runTools({ runs: rooms.runs, spread: (...how) => rooms.spreads.spread(...how) }),
      {
        swarms: rooms.swarms,
      },
    ),
    ...spreadTools({ spreads: rooms.spreads }),
    ...eventTools({ agents: rooms.agents }),
    ...withPlans(taskTools({ tasks: rooms.tasks }), rooms.orchestrations),
    ...orchestrationTools({ orchestrations: rooms.orchestrations }),
    collaborateTool({ collaborations: rooms.collaborations }),
    ...swarmTools({ swarms: rooms.swarms }),
  ];
}

/** Of an agent that is spread over several nodes, this node need have no part. */
async function endHere(
  { runs }: Pick<ToolRooms, 'runs'>,
  isSpread: boolean,
  {
    principal,
    agent,
    how,
  }: { readonly principal: Principal; readonly agent: string; readonly how: 'stop' | 'retire' },
): Promise<AgentEndResult> {
  const isElsewhere = isSpread && (await runs.rowOf(agent)) === undefined;
  if (!isElsewhere) return runs.end(principal, agent, how);
  return {
    agentId: agent,
    name: agent,
    status: how === 'stop' ? 'stopped' : 'retired',
    dropped: 0,
  };
}
