/**
 * One node: starts its rooms from the ground up, stops them from the roof down, and answers the
 * program that holds it. Which mesh the node starts in is decided before, in `open-state.ts`.
 */
import './core/system/node20.ts';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { AgentClient } from './agents/index.ts';
import type { AgentCall, NodeAgentInit } from './agents/index.ts';
import type { Board } from './blackboard/index.ts';
import type { GrantSummary, InviteResult, StatusResult } from './builtin/index.ts';
import { boardsComingOf, outsideOf } from './builtin/index.ts';
import { readAbout, writeAbout } from './config/index.ts';
import type { Config } from './config/index.ts';
import {
  StarlingError,
  VERSION,
  createPartStack,
  keepDebuggerShut,
  messageOf,
  settledWithin,
  stopAll,
  withDeadline,
} from './core/index.ts';
import type { Json, JsonObject, PartStack, PeerId, Startable } from './core/index.ts';
import type { FunctionTool, OwnCallOptions } from './gateway/index.ts';
import { createNodeConfig } from './node-config.ts';
import type { NodeConfig } from './node-config.ts';
import type {
  CapabilityOptions,
  GrantInit,
  ReloadInit,
  StarlingNode,
  TicketOptions,
} from './node-types.ts';
import { closeState, forgetLeft, meshOf, openState } from './open-state.ts';
import type { Base, OpenState, NodeComponents } from './open-state.ts';
import { OPERATOR, createApprovalAccess } from './guard/index.ts';
import type { ApprovalAccess } from './guard/index.ts';
import type { PeerView } from './membership/index.ts';
import { endOr, hasMeshToForget, joinMesh } from './mesh/index.ts';
import type { InvitationInit } from './mesh/index.ts';
import { endGrants } from './leaving.ts';
import { createLeaving } from './node-leaving.ts';
import { createParts } from './node-parts.ts';
import type { Parts } from './node-rooms.ts';
import { wireParts } from './node-wiring.ts';
import type { NodeEvents } from './node-wiring.ts';
import { previousKeyOf } from './rotation/index.ts';
import { createTaskAgent, giveTask, giveTasks } from './tasks/index.ts';
import type { TaskAgent, TaskOptions, TaskResult } from './tasks/index.ts';

/** How long a start waits for the node's servers: as long as one of them may take, and its sandbox. */
const SETTLE_TIMEOUT_MS = 35_000;
/** How long a stop waits for a start that it has cut off, whose parts it has stopped. */
const CUT_OFF_MS = 10_000;
/** How long a member looks at its bootstrap addresses before it starts without them. More = a later start where nobody is there. */
const ELSEWHERE_MS = 5000;
/** How long a ticket holds when the library is not told. */
const TICKET_MS = 86_400_000;

/** Health warning after an error that nobody foresaw. */
const FAULT = 'unforeseen-error';

/**
 * Makes a node from its configuration: opens its state folder and identity, and settles which mesh it
 * is in. `start` joins and serves. A node that could not be made or started leaves nothing running.
 * @throws STARLING_STATE_LOCKED, STARLING_KEY_UNUSABLE, STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH, …
 */
export async function createNode(
  config: Config,
  components: NodeComponents = {},
): Promise<StarlingNode> {
  keepDebuggerShut();
  const { base, state } = await openState(config, components);
  try {
    return new Node(base, state);
  } catch (error) {
    await closeState(state, (other) => tellUnstopped(base, other)).catch((other: unknown) =>
      tellUnstopped(base, other),
    );
    throw error;
  }
}

class Node implements StarlingNode {
  readonly peerId: PeerId;
  readonly events = new EventEmitter<NodeEvents>();
  readonly hasFounded: boolean;
  readonly hasIdleTicket: boolean;
  readonly approvals: ApprovalAccess;
  readonly #base: Base;
  readonly #state: OpenState;
  readonly #parts: Parts;
  readonly #running: PartStack;
  readonly #startedAt: number;
  /** Aborted by a stop: what a start still waits for is given up. */
  #life = new AbortController();
  #stopping: Promise<void> | undefined;
  /** The start of the parts, which writes and listens until it has ended. */
  #starting: Promise<void> = Promise.resolve();
  #isStarted = false;
  readonly #config: NodeConfig;
  /** Whoever holds the node calls its tools as its operator. */
  readonly #callTool: AgentCall = async (name, args, { signal }) => {
    const tool = this.#parts.tools.find(({ definition }) => definition.name === name);
    if (tool === undefined) throw new StarlingError('STARLING_TOOL_UNKNOWN', `no tool ${name}`);
    return tool.call(args, { principal: OPERATOR, signal });
  };

  constructor(base: Base, state: OpenState) {
    this.#base = base;
    this.#state = state;
    this.peerId = state.identity.peerId;
    this.hasFounded = state.ownMesh.hasFounded();
    this.hasIdleTicket = state.hasIdleTicket;
    this.#startedAt = base.clock.now();
    this.#config = createNodeConfig(base, state);
    this.#running = createPartStack((error) => tellUnstopped(base, error));
    this.#parts = createParts(base, state, {
      servers: () => this.#config.servers,
      agentConfig: () => this.#config.agents,
      modelConfig: () => this.#config.models,
      status: () => this.status(),
      createTicket: (ticket) => this.#createTicket(ticket),
      leave: () => createLeaving(base, state, this.#parts.network).leave(this.events),
    });
    this.approvals = createApprovalAccess(this.#parts.governance.approvals);
    wireParts(base, state, this.#parts, this.events);
  }

  status(): StatusResult {
    const { config, health } = this.#base;
    const { identity, ownMesh, successions } = this.#state;
    const { blackboard, dashboard, gateway, knocks, membership, network, traces } = this.#parts;
    // Whoever has gone without an answer is no trouble any more.
    knocks.waiting();
    const peers = { alive: 0, suspect: 0, dead: 0, left: 0 };
    for (const peer of membership.peers()) peers[peer.state] += 1;
    const aliasOf = (peer: PeerId): string => membership.peer(peer)?.alias ?? peer;
    return {
      name: config.name,
      version: VERSION,
      peerId: identity.peerId,
      did: identity.did,
      ...previousKeyOf(successions, identity.did, membership.peers()),
      pid: process.pid,
      stateDir: config.stateDir,
      ...(config.file === undefined ? {} : { configFile: config.file }),
      startedAt: this.#startedAt,
      mesh: meshOf(this.#state),
      ...(mayInvite(ownMesh) ? {} : { mayInvite: false as const }),
      addresses: network.addresses(),
      ...outsideOf(network, aliasOf),
      endpoints: gateway.endpoints(),
      peers,
      upstreams: gateway.upstreams(),
      sessions: gateway.sessions(),
      ...dashboard.shown(),
      ...(traces === undefined ? {} : { traces: traces.view() }),
      boards: blackboard.names(),
      ...this.coming(),
      records: ownMesh.mesh() === undefined ? '' : ownMesh.records().digest(),
      routingTable: network.routingTableSize(),
      warnings: health.warnings(),
    };
  }

  coming(): ReturnType<StarlingNode['coming']> {
    const { blackboard, gateway, membership } = this.#parts;
    const aliasOf = (peer: PeerId): string => membership.peer(peer)?.alias ?? peer;
    const catalogs = gateway.catalogsComing();
    return {
      ...boardsComingOf(blackboard.coming(), aliasOf),
      ...(catalogs.length === 0 ? {} : { catalogsComing: catalogs.map(aliasOf) }),
    };
  }

  peers(): readonly PeerView[] {
    return this.#parts.membership.peers();
  }

  board(name: string): Promise<Board> {
    return this.#parts.blackboard.board(name);
  }

  async grant(init: GrantInit): Promise<GrantSummary> {
    const args: JsonObject = {
      peer: init.peer,
      tools: [...init.tools],
      ...(init.expiresInMs === undefined ? {} : { expires_s: init.expiresInMs / 1000 }),
    };
    const tool = this.#parts.tools.find(({ definition }) => definition.name === 'grant_create');
    const result = await tool?.call(args, {
      principal: OPERATOR,
      signal: new AbortController().signal,
    });
    return (result as unknown as { readonly grant: GrantSummary }).grant;
  }

  createTicket(init: TicketOptions = {}): Promise<InviteResult> {
    const { expiresInMs = TICKET_MS, uses = 1 } = init;
    return this.#createTicket({ expiresInMs, uses, canInvite: true });
  }

  async tool(
    definition: Omit<FunctionTool, 'handler'>,
    handler: FunctionTool['handler'],
  ): Promise<() => void> {
    const remove = this.#parts.upstreams.offer({ ...definition, handler });
    await this.#parts.gateway.listed();
    return remove;
  }

  call(name: string, args: JsonObject = {}, options: OwnCallOptions = {}): Promise<JsonObject> {
    return this.#parts.gateway.callTool(name, args, options);
  }

  agent(init: NodeAgentInit): TaskAgent {
    const { clock } = this.#base;
    const logger = this.#base.logger.child('agents');
    const onError = (error: unknown): void =>
      logger.warn({ agent: init.name, error: messageOf(error) }, 'an agent of this program failed');
    return createTaskAgent(this.#callTool, init, { clock, onError });
  }

  task(capability: string, input: Json, options: TaskOptions = {}): Promise<Json> {
    return giveTask(this.#callTool, { capability, input }, options);
  }

  tasks(
    capability: string,
    inputs: readonly Json[],
    options: TaskOptions = {},
  ): Promise<readonly TaskResult[]> {
    return giveTasks(this.#callTool, { capability, inputs }, options);
  }

  request(capability: string, parameters: Json, init: CapabilityOptions = {}): Promise<Json> {
    const { timeoutMs, ...options } = init;
    const client = new AgentClient({ call: this.#callTool });
    return client.requestCapability(capability, parameters, timeoutMs, options);
  }

  refuseConfig(problem: string): void {
    this.#config.refuse(problem);
  }

  noteFault(error: unknown): void {
    const { health, logger } = this.#base;
    const stack = error instanceof Error ? error.stack : undefined;
    logger.error({ error: messageOf(error), stack }, 'an unforeseen error; the node goes on');
    health.raise({
      code: FAULT,
      text: `an error that Starling did not foresee: ${messageOf(error)}; the node goes on, and something may be left undone`,
      hint: 'report it with the line of the log (starling up --log error); a restart clears this warning',
    });
  }

  reload(config: Config, { asked = true }: ReloadInit = {}): Promise<readonly string[]> {
    return this.#config.reload(config, { asked }, this.#parts, this.events);
  }

  holdsBackConfig(): boolean {
    return this.#config.holdsBack(this.#parts.sandbox);
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#life = new AbortController();
    const { signal } = this.#life;
    try {
      this.#starting = this.#startParts(signal);
      await this.#starting;
      signal.throwIfAborted();
      this.events.emit('serving');
      await this.#settled();
      this.#base.logger.info({ peer: this.peerId }, 'node started');
    } catch (error) {
      // What else fails while the node is taken down again must not hide why it did not start.
      await this.stop().catch((other: unknown) => tellUnstopped(this.#base, other));
      throw error;
    }
  }

  stop(): Promise<void> {
    // A start that is given up ends the node, too: both wait for the same end.
    this.#stopping ??= this.#stopParts().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  /** From the roof down: each part still has what it stands on when it says its last words. */
  async #stopParts(): Promise<void> {
    this.#isStarted = false;
    this.#life.abort(new StarlingError('STARLING_STOPPED', 'the node was stopped'));
    const { logins, membership } = this.#parts;
    const tell = (error: unknown): void => tellUnstopped(this.#base, error);
    // The peers hear of it at once, however long a server takes to end; the stop of membership waits until they have.
    membership.sayGoodbye().catch(tell);
    const { clock } = this.#base;
    const rest = [
      this.#running,
      {
        stop: async () => {
          await settledWithin(CUT_OFF_MS, this.#starting, clock);
        },
      },
      { stop: async () => logins.stop() },
      { stop: () => closeState(this.#state, tell) },
    ];
    await stopAll(rest, tell);
  }

  /** @throws STARLING_STOPPED when `signal` is aborted: nothing is started on what is being stopped */
  async #startParts(signal: AbortSignal): Promise<void> {
    const { ownMesh, dial, counters } = this.#state;
    const { audit, budgets, governance, network, membership, checkpoints, traces } = this.#parts;
    const {
      agents,
      blackboard,
      providers,
      conductTeller,
      contexts,
      documents,
      learning,
      neighbours,
      orchestrations,
      pins,
      gateway,
      peerModels,
      proposals,
      remote,
      renewalTimer,
      runs,
      spreads,
      swarms,
      tasks,
    } = this.#parts;
    const start = (part: Startable): Promise<void> => {
      signal.throwIfAborted();
      return this.#running.start(part);
    };
    const first = traces === undefined ? [] : [traces];
    for (const part of [...first, audit, governance, network]) await start(part);
    const elsewhere = ownMesh.isMember() ? this.#lookElsewhere(dial) : undefined;
    if (!ownMesh.isMember()) await this.#join(signal);
    for (const part of [
      conductTeller,
      membership,
      providers,
      checkpoints,
      blackboard,
      budgets,
      pins,
      counters,
      agents,
      contexts,
      learning,
      peerModels,
      gateway,
      documents,
      runs,
      spreads,
      remote,
      proposals,
      tasks,
      swarms,
      orchestrations,
      renewalTimer,
      neighbours,
    ]) {
      await start(part);
    }
    const error = await elsewhere;
    if (error !== undefined) throw error;
    // Last of all: a start that fails, or is cut off, has founded nothing.
    signal.throwIfAborted();
    if (this.hasFounded) await ownMesh.keep();
    await this.#noteFolder();
  }

  async #join(signal: AbortSignal): Promise<void> {
    const { ownMesh, dial, grants, store } = this.#state;
    const { network } = this.#parts;
    try {
      await joinMesh({ ...this.#base, network, ownMesh }, { dial, signal });
    } catch (error) {
      throw endOr(error, this.#state);
    }
    this.events.emit('joined', ownMesh.require());
    if (!(await hasMeshToForget(store.table('mesh')))) return;
    // It came over from a mesh of its own: nothing of that goes into this one.
    await endGrants(grants);
    await grants.forgetIssued(grants.issued());
    await forgetLeft(store, new Set(ownMesh.records().all().keys()));
  }

  /** The error when all addresses that a member was told to dial are of another mesh; else undefined. */
  async #lookElsewhere(dial: readonly string[]): Promise<Error | undefined> {
    const { clock } = this.#base;
    const refusals = dial.map((address) =>
      withDeadline(clock, ELSEWHERE_MS, (signal) =>
        this.#parts.network.dial(address, { signal }),
      ).then(
        () => undefined,
        (error: unknown) =>
          error instanceof StarlingError && error.code === 'STARLING_MESH_MISMATCH'
            ? error
            : undefined,
      ),
    );
    const answers = await Promise.all(refusals);
    const [first] = answers;
    if (first === undefined || answers.includes(undefined)) return undefined;
    const { name, fingerprint } = meshOf(this.#state);
    return new StarlingError(
      'STARLING_MESH_MISMATCH',
      `this node belongs to the mesh '${name}' (${fingerprint}), and ${dial[0]} is in another: ${first.message}`,
      {
        hint: 'start without --bootstrap; or go over to that mesh: starling leave, then starling up --join <ticket>',
        cause: first,
      },
    );
  }

  /** So that other nodes of this user keep their servers from its files, and commands find it by its name. */
  async #noteFolder(): Promise<void> {
    const { name, file, policy, stateDir } = this.#base.config;
    const { name: mesh, fingerprint } = meshOf(this.#state);
    try {
      // A start without a config file does not forget the one that was read before.
      const had = file !== undefined && existsSync(file) ? file : undefined;
      const configFile = had ?? (await readAbout(stateDir))?.configFile ?? file;
      const about = {
        name,
        mesh,
        fingerprint,
        ...(configFile === undefined ? {} : { configFile }),
        policyFile: policy.file,
      };
      await writeAbout(stateDir, about);
    } catch (error) {
      // They find the folder by its socket, too, while this node runs.
      this.#base.logger.warn({ error: messageOf(error) }, 'the state folder could not be noted');
    }
  }

  /** Until each server is ready or has failed; at most as long as one may take to start. */
  async #settled(): Promise<void> {
    const { gateway } = this.#parts;
    await settledWithin(SETTLE_TIMEOUT_MS, gateway.settled(), this.#base.clock);
  }

  async #createTicket(init: Omit<InvitationInit, 'addresses'>): Promise<InviteResult> {
    const addresses = this.#parts.network.addresses();
    const { ticket, expiresAt } = await this.#state.admission.invite({ ...init, addresses });
    const mesh = meshOf(this.#state);
    return { ticket: ticket.reveal(), mesh: mesh.name, fingerprint: mesh.fingerprint, expiresAt };
  }
}

/** An open mesh lets everybody in, and who is no member yet is told of it otherwise. */
function mayInvite(ownMesh: OpenState['ownMesh']): boolean {
  if (ownMesh.mesh()?.open !== false || !ownMesh.isMember()) return true;
  try {
    ownMesh.requireInviter();
    return true;
  } catch {
    return false;
  }
}

function tellUnstopped({ logger }: Base, error: unknown): void {
  logger.child('node').error({ error: messageOf(error) }, 'a part of the node did not stop');
}
