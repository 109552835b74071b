/** One agent that the node runs: its name, its processes, its mailbox and its rights. */
import { randomBytes } from 'node:crypto';
import { Secret, StarlingError, unawaited } from '../../core/index.ts';
import type { Clock, JsonObject, Logger, Random } from '../../core/index.ts';
import type { StdioServer } from '../../config/index.ts';
import type { AgentProcess, AgentStart } from '../../gateway/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import type { Agents } from '../agents.ts';
import type { AgentMessage, RunState, RunView } from '../types.ts';
import type { Group } from './cgroups.ts';
import { Crew } from './crew.ts';
import { bestOf } from './lifecycle.ts';
import { Orders, runPrincipal } from './orders.ts';
import { memoryShare } from './memory-use.ts';
import { readMemory } from './process-limits.ts';
import type { LimitPlan } from './process-limits.ts';
import type { AgentLog } from './log.ts';
import { createMailbox } from '../inbox/mailbox.ts';
import type { Mailbox } from '../inbox/mailbox.ts';
import type { RunMind, RunnableKind, RunRow } from './rows.ts';
import { failedKind } from './spawn-errors.ts';

/** What an agent that the node runs works with. */
export interface RunAgentComponents {
  readonly agents: Pick<
    Agents,
    'announce' | 'answered' | 'mail' | 'refuseMore' | 'takeQueries' | 'waiting' | 'watchInbox'
  >;
  startProcess(init: AgentStart): Promise<AgentProcess>;
  readonly startMind?: (init: MindStart) => Promise<AgentProcess>;
  /** Who is meant by a link of a sender; undefined for the operator, whom nothing narrows. */
  callerOf(link: string): Principal | undefined;
  readonly log: AgentLog;
  /** Hears that it is in another state, or why a process of it failed. */
  changed(agent: RunAgent): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** An agent that thinks with a model, and as whom. */
export interface MindStart {
  /** Its name. */
  readonly agent: string;
  /** Who spawned it. */
  readonly owner: string;
  readonly kind: string;
  readonly mind: RunMind;
  /** What its spawner wants it to know. */
  readonly config?: JsonObject | undefined;
  /** By whose rights it calls tools, asked before each call. */
  principal(): Principal;
  /** Those by whose word it does what it does now, also where it answers for itself. */
  senders(): readonly Principal[];
  /** Hears that what it says now may be made of what came from there. */
  heard(zone: Taint): void;
  /** By whose rights it asks its model: its own, whoever it works for. */
  readonly asks: Principal;
  /** What it can do, as it was announced. */
  readonly capabilities: readonly string[];
  /** Something that it has done, as a line of its log. */
  wrote(line: string): void;
  readonly signal: AbortSignal;
}

/** As whom, of which kind, and within which bounds it runs. */
export interface RunAgentInit {
  readonly row: RunRow;
  readonly kind: RunnableKind;
  readonly limits: LimitPlan;
  /** How long it may take for one message. */
  readonly timeoutMs: number;
}

/** An agent that the node runs. */
export interface RunAgent {
  readonly row: RunRow;
  /** What it thinks with; absent for a program. */
  readonly mind: RunMind | undefined;
  readonly log: AgentLog;
  readonly state: RunState;
  /** True when none of its processes is started again. */
  readonly isOver: boolean;
  /** Why a process of it does not run. */
  readonly error: StarlingError | undefined;
  /** Announces it, and starts its processes, waiting for none. @throws STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED, … */
  start(): Promise<string>;
  /** Resolves when it is ready, has been given up, or the time is over. */
  settled(waitMs: number, signal: AbortSignal): Promise<void>;
  view(): RunView;
  /** Another text for each start of it; and how many of its processes have ended by themselves since. */
  readonly life: string;
  readonly fell: number;
  /** Messages that it deals with, or that wait for it. */
  readonly waiting: number;
  /** It is what `row` says from now on: of another parent, or of more or fewer processes. @throws as `start` */
  become(row: RunRow): Promise<void>;
  /** All its processes begin anew. */
  renew(): Promise<void>;
  /** It was reminded of what came from a zone that is trusted less. */
  heard(taint: Taint): void;
  /** It takes no more messages, and deals with those that it has. */
  refuseMore(): Promise<void>;
  stop(): Promise<void>;
}

/** How often, and after which pause, a control group is ended in which something still is. */
const GROUP_TRIES = 10;
const GROUP_PAUSE_MS = 1000;
const LIFE_BYTES = 9;
/** How old what is known of its memory may be. */
const MEASURED_MS = 5000;

/** Makes an agent; `start` starts it. */
export function createRunAgent(components: RunAgentComponents, init: RunAgentInit): RunAgent {
  return new NodeRunAgent(components, init);
}

class NodeRunAgent implements RunAgent {
  row: RunRow;
  readonly log: AgentLog;
  readonly life: string;
  readonly #components: RunAgentComponents;
  readonly #init: RunAgentInit;
  readonly #self: ReturnType<typeof runPrincipal>;
  readonly #crew: Crew;
  readonly #wakers = new Set<() => void>();
  readonly #orders: Orders;
  #mailbox: Mailbox | undefined;
  #isStopped = false;
  /** Of the processes of now. */
  readonly #groups = new Set<Group>();
  #isAnnounced = false;
  #unfollow: () => void = () => undefined;
  #untake: () => void = () => undefined;
  #measured: { readonly at: number; readonly share: number | undefined } | undefined;

  constructor(components: RunAgentComponents, init: RunAgentInit) {
    this.#components = components;
    this.#init = init;
    this.row = init.row;
    this.log = components.log;
    this.life = randomBytes(LIFE_BYTES).toString('base64url');
    this.#self = runPrincipal(init.row.name, init.row.tools);
    const { row, kind } = init;
    this.#orders = new Orders(
      { ...components, underWay: () => this.#mailbox?.underWay },
      { ...row, ownRights: kind.ownRights },
    );
    this.#crew = new Crew(
      {
        ...components,
        launch: (...started) => this.#launch(...started),
        changed: () => this.#changed(),
        failed: (error, number) => this.log.add(error.message, number),
        busy: () => this.#busy(),
      },
      {
        title: `agent ${row.name}`,
        restarts: kind.restarts,
        strategy: row.part?.strategy ?? kind.strategy,
        least: row.least ?? row.replicas,
        most: row.replicas,
        concurrency: kind.maxConcurrentTasks,
      },
    );
  }

  get state(): RunState {
    return bestOf(this.#crew.members.map(({ state }) => state));
  }

  get mind(): RunMind | undefined {
    return this.#init.kind.mind;
  }

  get isOver(): boolean {
    return this.#crew.members.every(({ isOver }) => isOver);
  }

  get error(): StarlingError | undefined {
    return this.#crew.members.map(({ error }) => error).find((error) => error !== undefined);
  }

  get fell(): number {
    return this.#crew.fell;
  }

  get waiting(): number {
    return this.#isStopped ? 0 : this.#busy();
  }

  #busy(): number {
    if (!this.#isAnnounced) return 0;
    const { agents } = this.#components;
    return agents.waiting(this.#self, this.row.name) + (this.#mailbox?.taken ?? 0);
  }

  async become(row: RunRow): Promise<void> {
    this.row = row;
    if (row.part?.isEnded === true) return;
    await this.#announce();
    this.#crew.resize(row.least ?? row.replicas, row.replicas);
    this.#changed();
  }

  renew(): Promise<void> {
    return this.#crew.renew();
  }

  heard(taint: Taint): void {
    this.#orders.heard(taint);
  }

  refuseMore(): Promise<void> {
    return this.#components.agents.refuseMore(this.#self, this.row.name);
  }

  async #announce(): Promise<string> {
    const { kind } = this.#init;
    const { row } = this;
    const { agentId } = await this.#components.agents.announce(this.#self, {
      name: row.name,
      kind: row.kind,
      capabilities: [...row.capabilities],
      tags: [...kind.tags],
      maxConcurrentTasks: kind.maxConcurrentTasks * row.replicas,
      listed: kind.listed,
      ...(row.part === undefined ? {} : { spread: row.part.proof }),
    });
    return agentId;
  }

  async start(): Promise<string> {
    const { row, kind, timeoutMs } = this.#init;
    const agentId = await this.#announce();
    if (this.#isStopped)
      throw new StarlingError('STARLING_STOPPED', `agent ${row.name} was stopped`);
    this.#isAnnounced = true;
    this.#crew.start();
    this.#mailbox = createMailbox(
      {
        ...this.#components,
        replicas: () => this.#crew.members,
        read: ({ signal, ...init }) =>
          this.#components.agents.mail(this.#self, { agent: row.name, ...init }, signal),
        respond: (message, answer) => this.#respond(message, answer),
        givenUp: (message, error) =>
          this.log.add(`message ${message.id} from ${message.from}: ${error.message}`, 0),
      },
      { concurrency: kind.maxConcurrentTasks, timeoutMs },
    );
    this.#untake = this.#components.agents.takeQueries(this.#self, row.name, this.#mailbox);
    const { least, replicas } = row;
    // The parent of a part may give it other bounds later.
    if (row.part !== undefined || (least !== undefined && least < replicas)) this.#followQueue();
    return agentId;
  }

  settled(waitMs: number, signal: AbortSignal): Promise<void> {
    const isSettled = (): boolean =>
      this.isOver || this.#crew.members.every(({ isReady }) => isReady);
    if (waitMs <= 0 || isSettled() || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (isSettled()) done();
      };
      const done = (): void => {
        this.#wakers.delete(look);
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#components.clock.schedule(waitMs, done);
      this.#wakers.add(look);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  view(): RunView {
    const { kind, least, ownerName, part, replicas, tools } = this.row;
    const { error } = this;
    const { mind } = this.#init.kind;
    const { members } = this.#crew;
    return {
      state: this.state,
      kind,
      ...(mind === undefined ? {} : { model: mind.model }),
      spawnedBy: ownerName,
      tools,
      replicas: members.length,
      ...(least === undefined ? {} : { scale: `${least}..${replicas}` }),
      ...(part === undefined ? {} : { parent: part.parent }),
      pids: members.map(({ pid }) => pid).filter((pid) => pid !== undefined),
      restarts: members.reduce((sum, one) => sum + one.restarts, 0),
      ...(error === undefined ? {} : { error: error.message }),
      resources: this.#init.limits.applied,
      ...this.#memory(),
    };
  }

  /** Read from the system, once in some seconds at the most. */
  #memory(): { readonly memoryShare?: number } {
    const limit = readMemory(this.#init.limits.applied.memory ?? '');
    if (limit === undefined) return {};
    const now = this.#components.clock.now();
    if (this.#measured === undefined || now - this.#measured.at >= MEASURED_MS) {
      const pids = this.#crew.members.map(({ pid }) => pid).filter((pid) => pid !== undefined);
      const used = [...this.#groups].map((group) => group.usedBytes() ?? Number.NaN);
      const inGroups = Math.max(0, ...used) / limit;
      const share =
        Number.isFinite(inGroups) && used.length > 0 ? inGroups : memoryShare(pids, limit);
      this.#measured = { at: now, share };
    }
    const { share } = this.#measured;
    return share === undefined ? {} : { memoryShare: Math.round(share * 100) / 100 };
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#untake();
    await this.#mailbox?.stop();
    this.#unfollow();
    await this.#crew.stop();
    this.#changed();
    await this.log.close();
  }

  /** A message that comes may need another process. */
  #followQueue(): void {
    const { agents } = this.#components;
    this.#unfollow = agents.watchInbox(this.#self, this.row.name, () => this.#crew.look(), {
      isReader: false,
    });
    this.#crew.look();
  }

  async #launch(
    number: number,
    spawned: (pid: number) => void,
    signal: AbortSignal,
  ): Promise<AgentProcess> {
    const group = this.#init.limits.openGroup?.();
    if (group === undefined) return this.#start(number, [], spawned, signal);
    this.#groups.add(group);
    try {
      const started = await this.#start(number, group.within, spawned, signal);
      const removed = started.ended.then(() => this.#endGroup(group));
      unawaited(removed, this.#components.logger, 'the group of a process was not removed');
      return started;
    } catch (error) {
      this.#endGroup(group);
      throw error;
    }
  }

  /** What the process has started may end a moment after it. */
  #endGroup(group: Group, left: number = GROUP_TRIES): void {
    this.#groups.delete(group);
    if (group.remove() || left === 0) return;
    this.#components.clock.schedule(GROUP_PAUSE_MS, () => this.#endGroup(group, left - 1));
  }

  #start(
    number: number,
    around: readonly string[],
    spawned: (pid: number) => void,
    signal: AbortSignal,
  ): Promise<AgentProcess> {
    const { kind, limits, timeoutMs, row } = this.#init;
    if (kind.mind !== undefined) return this.#startMind(kind.mind, number, signal);
    const { server } = kind;
    if (server === undefined) throw failedKind(row.kind, kind.problems);
    return this.#components.startProcess({
      name: `agent ${row.name}`,
      server: { ...server, env: { ...server.env, ...environmentOf(row, number) } },
      protocol: kind.protocol,
      principal: () => this.#orders.principal(),
      spawned,
      wrote: (line) => this.log.add(line, number),
      within: [...around, ...limits.within],
      callsMax: kind.maxConcurrentTasks,
      timeoutMs,
      signal,
    });
  }

  async #startMind(mind: RunMind, number: number, signal: AbortSignal): Promise<AgentProcess> {
    const { name, kind, config, owner, capabilities } = this.row;
    const { startMind } = this.#components;
    if (startMind === undefined) throw failedKind(kind, ['this node has no models']);
    return startMind({
      agent: name,
      owner,
      kind,
      mind,
      config,
      capabilities,
      principal: () => this.#orders.principal(),
      senders: () => this.#orders.senders(),
      heard: (zone) => this.#orders.heard(zone),
      asks: runPrincipal(name, mind.scopes),
      wrote: (line) => this.log.add(line, number),
      signal,
    });
  }

  #respond(
    query: AgentMessage,
    { response, error }: { response: AgentMessage['message']; error?: string },
  ): void {
    const { taint } = this.#orders;
    const answer = { response, error, taint };
    this.#components.agents.answered(this.#self, this.row.name, query, answer);
  }

  #changed(): void {
    this.#mailbox?.look();
    if (this.#isAnnounced) this.#crew.look();
    for (const look of this.#wakers) look();
    this.#components.changed(this);
  }
}

/** By which a program knows which agent it is. */
function environmentOf(row: RunRow, number: number): StdioServer['env'] {
  return Object.fromEntries(
    Object.entries({
      AGENT_NAME: row.name,
      AGENT_KIND: row.kind,
      AGENT_REPLICA: String(number),
      ...(row.config === undefined ? {} : { AGENT_CONFIG: JSON.stringify(row.config) }),
    }).map(([name, value]) => [name, new Secret(value)]),
  );
}
