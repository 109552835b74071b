/** The parts of a node that its agents stand on, those that it runs among them, and what is around all its processes. */
import { join } from 'node:path';
import {
  EVENTS_ALLOWANCE,
  createAgents,
  createRemoteAgents,
  createRuns,
  findLimitMeans,
} from './agents/index.ts';
import type {
  Agents,
  AgentsComponents,
  RemoteAgents,
  Runs,
  RunsComponents,
} from './agents/index.ts';
import {
  CLIENT_LOCAL,
  CLIENT_TCP,
  defaultConfigFile,
  isFreeClientName,
  socketPath,
} from './config/index.ts';
import type { Did } from './core/index.ts';
import type { Providers } from './directory/index.ts';
import { createChildren, createSandbox, runBriefly } from './gateway/index.ts';
import type { ApiKeys, Children, Gateway, Sandbox } from './gateway/index.ts';
import { attachedClient } from './guard/index.ts';
import type { Principal } from './guard/index.ts';
import { boxOpenerOf, closeBox } from './identity/index.ts';
import type { Membership } from './membership/index.ts';
import type { Network } from './network/index.ts';
import type { Base, OpenState } from './open-state.ts';

/** The gossip topic of what agents tell to all. */
const EVENTS_TOPIC = 'events';

/** What agents stand on. */
export interface AgentRooms
  extends Pick<AgentsComponents, 'guard'>, Pick<RunsComponents, 'config'> {
  readonly network: Network;
  readonly providers: Pick<Providers, 'lacking'>;
  readonly membership: Membership;
  readonly sandbox: Pick<Sandbox, 'means'>;
  readonly keys: Pick<ApiKeys, 'list'>;
  /** Made later. */
  readonly gateway: () => Pick<Gateway, 'callPeer' | 'startAgent'>;
}

/** Makes who is an agent here, the road to those elsewhere, and what runs those that are this node's own. */
export function createAgentParts(
  base: Base,
  state: OpenState,
  rooms: AgentRooms,
): { readonly agents: Agents; readonly remote: RemoteAgents; readonly runs: Runs } {
  const { gateway, guard, membership, network, providers } = rooms;
  const agents = createNodeAgents(base, state, {
    network,
    membership,
    lacking: providers.lacking,
    guard,
    callPeer: (...call) => gateway().callPeer(...call),
    runOf: (name) => runs.viewOf(name),
  });
  const runs = createNodeRuns(base, state, {
    ...rooms,
    agents,
    startProcess: (start) => gateway().startAgent(start),
  });
  const { clock, logger } = base;
  const remote = createRemoteAgents({
    agents,
    table: state.store.table('agents'),
    secret: (name) => state.secrets.lookup(name),
    clock,
    logger: logger.child('agents'),
  });
  return { agents, remote, runs };
}

/** The record of all processes that the node starts: those of servers, and of agents. */
export function createNodeChildren({ config, clock, logger }: Base): Children {
  return createChildren(
    { clock, logger: logger.child('upstream') },
    { folder: join(config.stateDir, 'children') },
  );
}

/** What stands around the processes that the node starts. */
export function createNodeSandbox({ config, secretFiles }: Base): Sandbox {
  const { stateDir, file, policy, http } = config;
  const { key, cert, ca } = http.tls ?? {};
  const own = key === undefined ? [] : [key];
  return createSandbox({
    secrets: {
      stateDir,
      socketPath: socketPath(stateDir),
      // Who signs certificates of clients says who may come in.
      obeyed: [file ?? defaultConfigFile(process.env), cert, ca].filter(
        (path) => path !== undefined,
      ),
      policy: policy.file,
      files: async () => [...own, ...(await secretFiles())],
    },
    run: runBriefly,
    env: process.env,
  });
}

function sealingOf(identity: OpenState['identity']): AgentsComponents['sealing'] {
  const open = boxOpenerOf(identity);
  return {
    seal: (did, text) => Buffer.from(closeBox(did, Buffer.from(text))).toString('base64'),
    open: (sealed) => Buffer.from(open(Buffer.from(sealed, 'base64'))).toString('utf8'),
  };
}

function createNodeAgents(
  { config, clock, random, logger }: Base,
  { store, identity }: OpenState,
  rooms: Pick<AgentsComponents, 'callPeer' | 'guard' | 'lacking' | 'membership' | 'runOf'> & {
    readonly network: Network;
  },
): Agents {
  return createAgents({
    ...rooms,
    topic: rooms.network.topic(EVENTS_TOPIC, EVENTS_ALLOWANCE),
    table: store.table('agents'),
    sealing: sealingOf(identity),
    self: { name: config.name, did: identity.did, peerId: identity.peerId },
    clock,
    random,
    logger: logger.child('agents'),
  });
}

interface RunRooms extends Pick<RunsComponents, 'agents' | 'config' | 'guard' | 'startProcess'> {
  readonly keys: Pick<ApiKeys, 'list'>;
  readonly membership: Pick<Membership, 'find'>;
  readonly sandbox: Pick<Sandbox, 'means'>;
}

function createNodeRuns(
  { clock, random, logger, health }: Base,
  { store }: OpenState,
  rooms: RunRooms,
): Runs {
  return createRuns({
    ...rooms,
    table: store.table('agents'),
    async noSandbox() {
      const means = await rooms.sandbox.means();
      return means.kind === 'none' ? means : undefined;
    },
    principalOf: (key) => principalOf(key, rooms),
    limits: findLimitMeans(),
    clock,
    random,
    logger: logger.child('agents'),
    health,
  });
}

/** Who went by `keyOf` when a message came: whoever is nobody any more has no rights. */
function principalOf(key: string, { keys, membership }: RunRooms): Principal {
  const [, name] = /^client:(.*)$/s.exec(key) ?? [];
  if (name !== undefined) {
    const held = keys.list().find((one) => one.name === name);
    if (held !== undefined) return { kind: 'client', name, scopes: held.scopes };
    const isAttached = isFreeClientName(name) || name === CLIENT_LOCAL || name === CLIENT_TCP;
    return isAttached ? attachedClient(name) : { kind: 'client', name, scopes: [] };
  }
  const peer = membership.find(key);
  if (peer === undefined) return { kind: 'agent', did: key as Did, name: 'an agent' };
  const { peerId, did, alias } = peer;
  return { kind: 'peer', peerId, did, alias };
}
