/**
 * One node: starts its rooms from the ground up, stops them from the roof down, and answers the
 * program that holds it. Which mesh the node starts in is decided before, in `open-state.ts`.
 */
import './core/system/node20.ts';
import { EventEmitter } from 'node:events';
import { existsSync } from 'node:fs';
import { AgentClient } from './agents/index.ts';
import type { AgentCall, NodeAgentInit, RequestOptions } from './agents/index.ts';
import type { Board } from './blackboard/index.ts';
import type { GrantSummary, InviteResult, StatusResult } from './builtin/index.ts';
import { boardsComingOf, outsideOf } from './builtin/index.ts';
import {
  defaultConfigFile,
  heldBack,
  mapKindSecrets,
  mapProviderSecrets,
  readAbout,
  writeAbout,
} from './config/index.ts';
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
import type { Json, JsonObject, PartStack, PeerId, Secret, Startable } from './core/index.ts';
import { bindSecrets } from './gateway/index.ts';
import type { FunctionTool, OwnCallOptions } from './gateway/index.ts';
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
import type { ConfigChanges, NodeEvents } from './node-wiring.ts';
import { previousKeyOf } from './rotation/index.ts';
import { createTaskAgent, giveTask, giveTasks } from './tasks/index.ts';
import type { TaskAgent, TaskOptions, TaskResult } from './tasks/index.ts';

/** How long a start waits for the node's servers: as long as one of them may take, and its sandbox. */
const SETTLE_TIMEOUT_MS = 35_000;
/** How long a member looks at its bootstrap addresses before it starts without them. More = a later start where nobody is there. */
const ELSEWHERE_MS = 5000;
/** How long a ticket holds when the library is not told. */
const TICKET_MS = 86_400_000;

/** Code of the warning of a config file that waits for the operator's word. */
const CONFIG_HELD = 'config-held';
/** Health warning while the config file can't be used. */
const CONFIG_UNUSABLE = 'config-unusable';
/** Health warning after an error that nobody foresaw. */
const FAULT = 'unforeseen-error';
/** Keys of the configuration that a running node takes on. */
const RELOADED: readonly string[] = ['mcpServers', 'agents', 'list', 'models', 'views'];

/** To whom, which tools, and for how long. */
export interface GrantInit {
  /** Alias, PeerId or did:key. */
  readonly peer: string;
  /** Patterns like `files/*`. */
  readonly tools: readonly string[];
  /** Default: until revoked, renewed daily while the peer is there. */
  readonly expiresInMs?: number;
}

/** A node of the mesh. */
export interface StarlingNode extends Startable {
  readonly peerId: PeerId;
  readonly events: EventEmitter<NodeEvents>;
  /** True when this start founded the mesh: nobody else can be in it yet. */
  readonly hasFounded: boolean;
  /** True when this start was given a ticket of the mesh that the node is a member of already: it used none. */
  readonly hasIdleTicket: boolean;
  /** What waits for a person, for a dashboard: whoever holds the node answers as its operator. */
  readonly approvals: ApprovalAccess;
  status(): StatusResult;
  peers(): readonly PeerView[];
  /** Opens a shared board. @throws STARLING_BOARD_INVALID */
  board(name: string): Promise<Board>;
  /** Lets a peer call tools of this node. @throws STARLING_PEER_UNKNOWN, STARLING_USAGE */
  grant(init: GrantInit): Promise<GrantSummary>;
  /**
   * Takes on what of a new configuration a running node can: its servers, lists and views. Sessions
   * stay. Resolves with the keys that differ and need a restart. `asked: false`: a file has changed, and
   * nobody said so; then a policy that a server could have written is not taken on.
   */
  reload(config: Config, init?: ReloadInit): Promise<readonly string[]>;
  /** True when a server could have written the config file, which must not be taken up then; raises a warning. */
  holdsBackConfig(): boolean;
  /** The changed configuration can't be taken up, because of `problem`: a lasting trouble until one is. */
  refuseConfig(problem: string): void;
  /** Logs an error that nobody foresaw and that the node goes on after, and shows it in `status` until a restart. */
  noteFault(error: unknown): void;
  /** Makes a ticket; default for one node and 24 hours. */
  createTicket(init?: TicketOptions): Promise<InviteResult>;
  /** Is an agent of this node, which must be started: `node.agent({ name: 'coder' }).onMessage('query', answer)`. */
  agent(init: NodeAgentInit): TaskAgent;
  /**
   * Offers a function as a tool `functions__<name>`, to clients of this node and to peers that are granted
   * `functions/<name>`; resolves once it is offered, with what takes it away. @throws STARLING_USAGE
   */
  tool(
    definition: Omit<FunctionTool, 'handler'>,
    handler: FunctionTool['handler'],
  ): Promise<() => void>;
  /**
   * Calls a tool, here or at a peer, by the name that lists show, as the operator of this node; gives the result of MCP.
   * @throws STARLING_TOOL_UNKNOWN, STARLING_CALL_REFUSED, …
   */
  call(name: string, args?: JsonObject, options?: OwnCallOptions): Promise<JsonObject>;
  /**
   * Has what is asked for done by an agent, here or at a peer, that can do it; gives its answer.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED with each candidate's refusal, …
   */
  request(capability: string, parameters: Json, init?: CapabilityOptions): Promise<Json>;
  /**
   * Has a task done, however long that takes and whoever dies meanwhile; gives its result. A node that is stopped goes on
   * with it when it is started again, and whoever gives the same `id` then has the same task.
   * @throws STARLING_AGENT_FAILED with how it ended, STARLING_LIMIT_EXCEEDED, …
   */
  task(capability: string, input: Json, options?: TaskOptions): Promise<Json>;
  /**
   * Has many tasks done, a thousand given in a message; gives what came of each in the order of the inputs, also where one
   * was not done. @throws STARLING_LIMIT_EXCEEDED, …
   */
  tasks(
    capability: string,
    inputs: readonly Json[],
    options?: TaskOptions,
  ): Promise<readonly TaskResult[]>;
}

/** How long a request may take, and whom it goes to. */
export interface CapabilityOptions extends RequestOptions {
  /** Default: 30 s. */
  readonly timeoutMs?: number;
}

/** Why a configuration is taken on. */
export interface ReloadInit {
  /** Default true: the operator wants it. */
  readonly asked?: boolean;
}

/** For how many nodes, and how long. */
export interface TicketOptions {
  /** Default: 24 hours. */
  readonly expiresInMs?: number;
  /** Nodes that it lets in; default 1, at most 100. */
  readonly uses?: number;
}

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
  #isStarted = false;
  #servers: Config['mcpServers'];
  #agents: Config['agents'];
  #models: Config['models'];
  /** Whoever holds the node calls its tools as its operator. */
  readonly #callTool: AgentCall = async (name, args, { signal }) => {
    const tool = this.#parts.tools.find(({ definition }) => definition.name === name);
    if (tool === undefined) throw new StarlingError('STARLING_TOOL_UNKNOWN', `no tool ${name}`);
    return tool.call(args, { principal: OPERATOR, signal });
  };
  /** The configuration that was taken up last. */
  #taken: Config;

  constructor(base: Base, state: OpenState) {
    this.#base = base;
    this.#state = state;
    this.peerId = state.identity.peerId;
    this.hasFounded = state.ownMesh.hasFounded();
    this.hasIdleTicket = state.hasIdleTicket;
    this.#startedAt = base.clock.now();
    this.#servers = this.#bound(base.config);
    this.#agents = this.#boundAgents(base.config);
    this.#models = this.#boundModels(base.config);
    this.#taken = base.config;
    this.#running = createPartStack((error) => tellUnstopped(base, error));
    this.#parts = createParts(base, state, {
      servers: () => this.#servers,
      agentConfig: () => this.#agents,
      modelConfig: () => this.#models,
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
    const { blackboard, gateway, knocks, membership, network } = this.#parts;
    // Whoever has gone without an answer is no trouble any more.
    knocks.waiting();
    const peers = { alive: 0, suspect: 0, dead: 0, left: 0 };
    for (const peer of membership.peers()) peers[peer.state] += 1;
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
      ...outsideOf(network.outside(), (peer) => membership.peer(peer)?.alias ?? peer),
      endpoints: gateway.endpoints(),
      peers,
      upstreams: gateway.upstreams(),
      sessions: gateway.sessions(),
      boards: blackboard.names(),
      ...boardsComingOf(blackboard.coming(), (peer) => membership.peer(peer)?.alias ?? peer),
      records: ownMesh.mesh() === undefined ? '' : ownMesh.records().digest(),
      routingTable: network.routingTableSize(),
      warnings: health.warnings(),
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
    const hint = 'correct the file: the node takes it up by itself; see: starling doctor';
    const text = `the config file can't be used, and the node goes on with what it had: ${problem}`;
    this.#base.health.raise({ code: CONFIG_UNUSABLE, text, hint });
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

  async reload(config: Config, { asked = true }: ReloadInit = {}): Promise<readonly string[]> {
    this.#base.health.clear(CONFIG_UNUSABLE);
    const { gateway, governance } = this.#parts;
    this.#base.health.clear(CONFIG_HELD);
    this.#servers = this.#bound(config);
    this.#agents = this.#boundAgents(config);
    if (differ(config, this.#taken, 'models')) this.#models = this.#boundModels(config);
    const servers = await gateway.configure({ ...config, mcpServers: this.#servers });
    const keys = (['agents', 'list', 'models', 'views'] as const).filter((key) =>
      differ(config, this.#taken, key),
    );
    this.#taken = config;
    const changes: ConfigChanges = { ...servers, keys };
    this.events.emit('reloaded', changes);
    await (asked ? governance.policy.reload() : governance.policy.changed());
    return (Object.keys(config) as (keyof Config)[]).filter(
      (key) =>
        !RELOADED.includes(key) &&
        (key !== 'name' || config.isNameGiven) &&
        key !== 'isNameGiven' &&
        differ(config, this.#base.config, key),
    );
  }

  holdsBackConfig(): boolean {
    // Where there was none, what comes to the default place is taken up.
    const { file = defaultConfigFile(process.env) } = this.#base.config;
    if (!this.#parts.sandbox.isExposed(file)) return false;
    this.#base.health.raise(heldBack(CONFIG_HELD, file));
    return true;
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#life = new AbortController();
    const { signal } = this.#life;
    try {
      await this.#startParts(signal);
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
    const rest = [
      this.#running,
      { stop: async () => logins.stop() },
      { stop: () => closeState(this.#state, tell) },
    ];
    await stopAll(rest, tell);
  }

  /** @throws STARLING_STOPPED when `signal` is aborted: nothing is started on what is being stopped */
  async #startParts(signal: AbortSignal): Promise<void> {
    const { ownMesh, dial, counters } = this.#state;
    const { audit, budgets, governance, network, membership, checkpoints } = this.#parts;
    const {
      agents,
      blackboard,
      providers,
      conductTeller,
      documents,
      neighbours,
      orchestrations,
      pins,
      gateway,
      peerModels,
      remote,
      renewalTimer,
      runs,
      swarms,
      tasks,
    } = this.#parts;
    const start = (part: Startable): Promise<void> => {
      signal.throwIfAborted();
      return this.#running.start(part);
    };
    for (const part of [audit, governance, network]) await start(part);
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
      peerModels,
      gateway,
      documents,
      runs,
      remote,
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
    // Last of all: a start that fails has founded nothing.
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

  #bound({ mcpServers }: Config): Config['mcpServers'] {
    return bindSecrets(mcpServers, (name) => this.#state.secrets.lookup(name));
  }

  #boundAgents({ agents }: Config): Config['agents'] {
    const { secrets } = this.#state;
    const bind = (secret: Secret): Secret => secret.bind((name) => secrets.lookup(name));
    return { ...agents, kinds: mapKindSecrets(agents.kinds, bind) };
  }

  #boundModels({ models }: Config): Config['models'] {
    const { secrets } = this.#state;
    const bind = (secret: Secret): Secret => secret.bind((name) => secrets.lookup(name));
    return { ...models, providers: mapProviderSecrets(models.providers, bind) };
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

function differ(one: Config, other: Config, key: keyof Config): boolean {
  return JSON.stringify(one[key]) !== JSON.stringify(other[key]);
}

function tellUnstopped({ logger }: Base, error: unknown): void {
  logger.child('node').error({ error: messageOf(error) }, 'a part of the node did not stop');
}
