/** One agent that the node runs: its name, its processes, its mailbox and its rights. */
import { Secret, StarlingError, isCount, unawaited } from '../../core/index.ts';
import type { Clock, JsonObject, Logger, Random } from '../../core/index.ts';
import type { StdioServer } from '../../config/index.ts';
import type { AgentProcess, AgentStart } from '../../gateway/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Agents } from '../agents.ts';
import { NODE_SENDER, sendersIn } from '../inbox/sender.ts';
import type { AgentMessage, RunState, RunView } from '../types.ts';
import type { Group } from './cgroups.ts';
import { Crew } from './crew.ts';
import { bestOf } from './lifecycle.ts';
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
  readonly agents: Pick<Agents, 'announce' | 'mail' | 'message' | 'waiting' | 'watchInbox'>;
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
  /** By whose rights it asks its model: its own, whoever it works for. */
  readonly asks: Principal;
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
  stop(): Promise<void>;
}

/** How often, and after which pause, a control group is ended in which something still is. */
const GROUP_TRIES = 10;
const GROUP_PAUSE_MS = 1000;
/** How old what is known of its memory may be. */
const MEASURED_MS = 5000;

/** From how far away comes what its orders may be made of: less trusted than this node. */
type Taint = 'trusted' | 'external';

/** Whom an agent that the node runs is for the guard: its name is no name of a client. */
export function runPrincipal(
  name: string,
  scopes: readonly string[],
  working: {
    readonly worksFor?: readonly Principal[];
    readonly hops?: number;
    readonly taint?: Taint;
  } = {},
): Extract<Principal, { kind: 'client' }> {
  const { worksFor = [], hops = 0, taint } = working;
  return {
    kind: 'client',
    name: `agent:${name}`,
    scopes,
    ...(worksFor.length === 0 ? {} : { worksFor }),
    ...(hops === 0 ? {} : { hops }),
    ...(taint === undefined ? {} : { taint }),
  };
}

/** Makes an agent; `start` starts it. */
export function createRunAgent(components: RunAgentComponents, init: RunAgentInit): RunAgent {
  return new NodeRunAgent(components, init);
}

class NodeRunAgent implements RunAgent {
  readonly row: RunRow;
  readonly log: AgentLog;
  readonly #components: RunAgentComponents;
  readonly #init: RunAgentInit;
  readonly #self: Principal;
  readonly #crew: Crew;
  readonly #wakers = new Set<() => void>();
  /** By whom it was asked to do what it does now, and what follows for its rights. */
  #working: { readonly key: string; readonly principal: Principal };
  #orders: {
    readonly senders: ReadonlySet<string>;
    readonly hops: number;
    readonly taint?: Taint | undefined;
  } = { senders: new Set(), hops: 0 };
  #mailbox: Mailbox | undefined;
  #isStopped = false;
  /** Of the processes of now. */
  readonly #groups = new Set<Group>();
  #isAnnounced = false;
  #unfollow: () => void = () => undefined;
  #measured: { readonly at: number; readonly share: number | undefined } | undefined;

  constructor(components: RunAgentComponents, init: RunAgentInit) {
    this.#components = components;
    this.#init = init;
    this.row = init.row;
    this.log = components.log;
    this.#self = runPrincipal(init.row.name, init.row.tools);
    this.#working = { key: '', principal: this.#self };
    const { row, kind } = init;
    const { agents } = components;
    this.#crew = new Crew(
      {
        ...components,
        launch: (...started) => this.#launch(...started),
        changed: () => this.#changed(),
        failed: (error, number) => this.log.add(error.message, number),
        busy: () => (this.#isAnnounced ? agents.waiting(this.#self, row.name) : 0),
      },
      {
        title: `agent ${row.name}`,
        restarts: kind.restarts,
        strategy: kind.strategy,
        least: row.least ?? row.replicas,
        most: row.replicas,
        concurrency: kind.maxConcurrentTasks,
      },
    );
  }

  get state(): RunState {
    return bestOf(this.#crew.members.map(({ state }) => state));
  }

  get isOver(): boolean {
    return this.#crew.members.every(({ isOver }) => isOver);
  }

  get error(): StarlingError | undefined {
    return this.#crew.members.map(({ error }) => error).find((error) => error !== undefined);
  }

  async start(): Promise<string> {
    const { row, kind, timeoutMs } = this.#init;
    const { agentId } = await this.#components.agents.announce(this.#self, {
      name: row.name,
      kind: row.kind,
      capabilities: [...row.capabilities],
      tags: [...kind.tags],
      maxConcurrentTasks: kind.maxConcurrentTasks * row.replicas,
      listed: kind.listed,
    });
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
    const { least, replicas } = row;
    if (least !== undefined && least < replicas) this.#followQueue();
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
    const { kind, least, ownerName, replicas, tools } = this.row;
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
      principal: () => this.#principal(),
      spawned,
      wrote: (line) => this.log.add(line, number),
      within: [...around, ...limits.within],
      callsMax: kind.maxConcurrentTasks,
      timeoutMs,
      signal,
    });
  }

  async #startMind(mind: RunMind, number: number, signal: AbortSignal): Promise<AgentProcess> {
    const { name, kind, config, owner } = this.row;
    const { startMind } = this.#components;
    if (startMind === undefined) throw failedKind(kind, ['this node has no models']);
    return startMind({
      agent: name,
      owner,
      kind,
      mind,
      config,
      principal: () => this.#principal(),
      senders: () => this.#senders(),
      asks: runPrincipal(name, mind.scopes),
      wrote: (line) => this.log.add(line, number),
      signal,
    });
  }

  /**
   * Its own rights, and those of whom it works for: what it does needs both. What it does after an answer it does for
   * those whom it answered last: whoever wrote to it could have asked for just that.
   */
  #principal(): Principal {
    const senders = this.#senders();
    const { hops, taint } = this.#orders;
    const worksFor = this.#init.kind.ownRights ? [] : senders;
    const principal = runPrincipal(this.row.name, this.row.tools, {
      ...(taint === undefined ? {} : { taint }),
      worksFor,
      hops,
    });
    const key = JSON.stringify(principal);
    if (key !== this.#working.key) this.#working = { key, principal };
    return this.#working.principal;
  }

  #senders(): readonly Principal[] {
    const inHand = this.#mailbox?.inHand() ?? new Map<AgentMessage, string>();
    const senders = new Set([...inHand.values()].flatMap(sendersIn));
    senders.delete(NODE_SENDER);
    const led = [...inHand.keys()].map(({ metadata }) => metadata['hops']);
    if (senders.size > 0) {
      const hops = Math.max(0, ...led.filter(isCount)) + 1;
      this.#orders = { senders, hops, taint: taintIn([...inHand.keys()]) };
    }
    // A sender may have lost its rights since, or be nobody any more.
    return [...this.#orders.senders]
      .map((sender) => this.#components.callerOf(sender))
      .filter((one) => one !== undefined);
  }

  #respond(
    message: AgentMessage,
    { response, error }: { response: AgentMessage['message']; error?: string },
  ): Promise<unknown> {
    return this.#components.agents.message(
      this.#self,
      {
        type: 'response',
        from: this.row.name,
        to: message.from,
        message: response,
        inReplyTo: message.id,
        error,
      },
      NEVER,
    );
  }

  #changed(): void {
    this.#mailbox?.look();
    if (this.#isAnnounced) this.#crew.look();
    for (const look of this.#wakers) look();
    this.#components.changed(this);
  }
}

const NEVER = new AbortController().signal;

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

/** The least trusted zone that whoever sent these messages had read from. */
function taintIn(messages: readonly AgentMessage[]): Taint | undefined {
  const taints = messages.map(({ metadata }) => metadata['taint']);
  if (taints.includes('external')) return 'external';
  return taints.includes('trusted') ? 'trusted' : undefined;
}
