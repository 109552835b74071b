/** Makes the two rooms of one node through which calls go: its upstreams and its gateway. */
import { agentResources } from './agents/index.ts';
import {
  boardResources,
  budgetResources,
  createClientBoards,
  grantResources,
} from './builtin/index.ts';
import { pricesOf, readPrices } from './budget/index.ts';
import type { Spendings } from './budget/index.ts';
import { socketPath, tokenFile } from './config/index.ts';
import { contextResources } from './contexts/index.ts';
import { createGateway, createUpstreams } from './gateway/index.ts';
import type { Children, Gateway, Upstreams } from './gateway/index.ts';
import { toolResource } from './grants/index.ts';
import type { Base, OpenState } from './open-state.ts';
import { CATALOG_BYTES_MAX } from './node-peer-parts.ts';
import type { Parts, PartsInit } from './node-rooms.ts';
import { mcpTasks, taskResources } from './tasks/index.ts';

/** Calls under way at one server, as a multiple of what one session may have. */
const CALLS_PER_SERVER = 4;

/** Makes the servers of this node, the built-in one among them. */
export function createNodeUpstreams(
  base: Base,
  { grants, store }: OpenState,
  {
    agents,
    audit,
    blackboard,
    budgets,
    children,
    contexts,
    logins,
    sandbox,
    servers,
    swarms,
    tasks,
    tools,
  }: Pick<
    Parts,
    | 'agents'
    | 'audit'
    | 'blackboard'
    | 'budgets'
    | 'contexts'
    | 'logins'
    | 'sandbox'
    | 'swarms'
    | 'tasks'
    | 'tools'
  > &
    PartsInit & { readonly children: Children },
): Upstreams {
  const { config, clock, random, logger, health } = base;
  const { limits } = config;
  return createUpstreams(
    {
      servers: servers(),
      builtin: tools,
      builtinResources: grantResources({ audit, grants }),
      builtinTemplates: [
        ...boardResources({
          blackboard,
          rights: createClientBoards({ table: store.table('client-boards') }),
          swarmMemory: (principal, id) => swarms.memory(principal, id),
        }),
        ...budgetResources({ budgets }),
        ...contextResources(contexts),
        ...agentResources(agents),
        ...taskResources({ tasks }),
      ],
      builtinTasks: mcpTasks(tasks),
      logins,
      clock,
      random,
      logger: logger.child('upstream'),
      health,
      sandbox,
      children,
    },
    {
      messageBytes: limits.messageBytes,
      callTotalMs: limits.callTotalMs,
      callsMax: limits.callsPerSession * CALLS_PER_SERVER,
      instancesMax: limits.instances,
      retry: config.retry,
      catalog: { tools: limits.tools, bytes: CATALOG_BYTES_MAX },
    },
  );
}

type GatewayRooms = Omit<
  Parts,
  | 'blackboard'
  | 'checkpoints'
  | 'conductTeller'
  | 'documents'
  | 'gateway'
  | 'knocks'
  | 'logins'
  | 'neighbours'
  | 'remote'
  | 'renewalTimer'
  | 'models'
  | 'peerModels'
  | 'proposals'
  | 'tasks'
  | 'tools'
> &
  Pick<PartsInit, 'agentConfig'> & {
    readonly children: Children;
    readonly spendings: Spendings;
  };

/** Makes the gateway, with the directory of what peers offer. */
export function createNodeGateway(
  { config, clock, random, logger }: Base,
  { identity, grants, store }: OpenState,
  rooms: GatewayRooms,
): Gateway {
  const { name, http, tcp, limits, keepAlive, list, prices, views, stateDir } = config;
  const { audit, children, clients, directory, governance, keys, membership, network } = rooms;
  const { pins, providers, sandbox, spendings, token, tokens, upstreams } = rooms;
  const priced = readPrices(prices);
  const { agentConfig, agents, dashboard, metrics, modelsDoor, runs, sampling, traces } = rooms;
  return createGateway(
    {
      agents: {
        listed: (agent) => agents.listed(agent),
        arePublic: () => agentConfig().a2a === 'public',
      },
      models: modelsDoor,
      sampling,
      metrics,
      ...(traces === undefined ? {} : { tracer: traces.tracer }),
      dashboard,
      clients,
      tokens,
      token,
      upstreams,
      directory,
      lacking: providers.lacking,
      guard: governance.guard,
      approvals: governance.approvals,
      pricesOf: (server, tool) => pricesOf(priced, toolResource(server, tool)),
      spendings,
      audit,
      callTable: store.table('call-tasks'),
      state: store,
      grants,
      keys,
      callerOf: (link) => runs.callerOf(link),
      pins,
      sandbox,
      children,
      self: identity.did,
      signer: identity,
      network,
      membership,
      clock,
      random,
      logger: logger.child('gateway'),
    },
    {
      name,
      http,
      tcp,
      limits,
      keepAlive,
      list,
      views,
      socketPath: socketPath(stateDir),
      tokenFile: tokenFile(stateDir),
    },
  );
}
