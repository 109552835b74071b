/**
 * The agents that this node runs. A kind is the operator's, in the configuration; whoever may spawn names one, and may
 * only narrow what its agents may use. Each is an agent as any other: a name, an inbox, messages; its processes are
 * started again when they end (`one_for_one`), with the same name, inbox and rights.
 */
import type { Funds } from '../../budget/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type {
  Clock,
  Did,
  Health,
  JsonObject,
  Logger,
  Random,
  Startable,
} from '../../core/index.ts';
import type { AgentKind, Config } from '../../config/index.ts';
import type { AgentProcess, AgentStart } from '../../gateway/index.ts';
import { OPERATOR, keyOf, nameOf, readLink, scopesCover } from '../../guard/index.ts';
import type { Guard, Link, Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import type { Agents } from '../agents.ts';
import { SPAWN_CONFIG_MAX } from '../limits.ts';
import { isAgentName } from '../names.ts';
import type { AgentEndResult, AgentSpawnResult, RunView } from '../types.ts';
import { openLog } from './log.ts';
import type { AgentLog, LogPage } from './log.ts';
import { narrowTools } from './narrowing.ts';
import { planLimits } from './process-limits.ts';
import type { LimitMeans, LimitPlan, ResourcesInit } from './process-limits.ts';
import { dropRow, readRows, writeRow } from './rows.ts';
import type { RunRow, RunnableKind } from './rows.ts';
import { createRunAgent, runPrincipal } from './run-agent.ts';
import type { RunAgent } from './run-agent.ts';
import { failedKind, refusedSpawn, unknownKind } from './spawn-errors.ts';

/** What running agents takes. */
export interface RunsComponents {
  readonly table: Table;
  readonly agents: Agents;
  readonly guard: () => Pick<Guard, 'decide'>;
  /** `agents` of the configuration as it is now, its secrets bound. */
  config(): Config['agents'];
  startProcess(init: AgentStart): Promise<AgentProcess>;
  /** Why no sandbox can be put around a process, and what to do; undefined where one can. */
  noSandbox(): Promise<{ readonly why: string; readonly hint: string } | undefined>;
  /** Whom a link means that is no agent which this node runs; undefined for the operator. */
  principalOf(link: Link): Principal | undefined;
  /** Gives agents the budgets that they spend of; without it there are none. */
  readonly funds?: Pick<Funds, 'end' | 'of'>;
  readonly self: Did;
  readonly limits: LimitMeans;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What somebody wants to run. */
export interface SpawnInit {
  readonly kind: string;
  readonly name?: string | undefined;
  /** Processes, or how many at least and at most, between which the queue says how many. */
  readonly replicas?: number | { readonly least: number; readonly most: number } | undefined;
  /** Default: all of its kind that the spawner has. */
  readonly tools?: readonly string[] | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly resources?: ResourcesInit | undefined;
  readonly config?: JsonObject | undefined;
  /** What its calls count against: a budget, so much of one, or so much: see {@link Funds}. */
  readonly budget?: string | undefined;
  /** How long to wait for it to be ready. */
  readonly waitMs: number;
}

/** A look at what an agent writes. */
export interface LogsInit {
  readonly agent: string;
  readonly cursor?: number | undefined;
  readonly limit: number;
  readonly waitMs: number;
}

/** The agents that this node runs. */
export interface Runs extends Startable {
  /**
   * @throws STARLING_AGENT_UNKNOWN for a kind that there is not, STARLING_AGENT_FAILED for resources that can't be
   * enforced, STARLING_CALL_REFUSED for more rights than there are to give, STARLING_LIMIT_EXCEEDED, STARLING_AGENT_TAKEN
   */
  spawn(principal: Principal, init: SpawnInit, signal: AbortSignal): Promise<AgentSpawnResult>;
  /** Ends an agent that the node runs, or any other: see `Agents.end`. */
  end(principal: Principal, agent: string, how: 'stop' | 'retire'): Promise<AgentEndResult>;
  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_TAKEN for whoever did not spawn it */
  logs(principal: Principal, init: LogsInit, signal: AbortSignal): Promise<LogPage>;
  viewOf(name: string): RunView | undefined;
  /** Ids of the budgets that what `principal` does counts against, where it is an agent that the node runs. */
  budgetsOf(principal: Principal): readonly string[];
  /** Who is meant by a link of a chain (`chainOf`) now, without those for whom that one works; undefined for the operator. */
  callerOf(link: string): Principal | undefined;
  /** Whoever goes by `key` is nobody any more: what it spawned ends. */
  spawnerGone(key: string): void;
}

const AGENT = 'agent:';
const ABILITY = 'agent/spawn';
const UNCONFINED = 'agents-unconfined';

/** Makes what runs agents; `start` runs those of before again. */
export function createRuns(components: RunsComponents): Runs {
  return new NodeRuns(components);
}

class NodeRuns implements Runs {
  readonly #components: RunsComponents;
  readonly #runs = new Map<string, RunAgent>();
  /** Names that are being spawned or ended: one thing at a time. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** What is being spawned: it has its room before it is on disk and runs. */
  readonly #coming = new Set<RunRow>();
  #turn = 0;
  #isOver = true;

  constructor(components: RunsComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    this.#isOver = false;
    const { logger, table } = this.#components;
    for (const row of await readRows(table, logger)) {
      if (row.stopped) continue;
      try {
        const prepared = await this.#prepared(row);
        // The operator may have taken something from the kind since.
        const tools = row.tools.filter((scope) => scopesCover(prepared.kind.tools, scope));
        await this.#run({ ...row, tools }, prepared);
      } catch (error) {
        this.#trouble(row.name, messageOf(error));
      }
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#runs.values()].map((run) => run.stop()));
    this.#runs.clear();
  }

  async spawn(
    principal: Principal,
    init: SpawnInit,
    signal: AbortSignal,
  ): Promise<AgentSpawnResult> {
    const startedAt = this.#components.clock.now();
    const name = init.name ?? this.#freeName(init.kind);
    const { run, agentId, withheld } = await this.#alone(name, () =>
      this.#spawn(principal, { ...init, name }),
    );
    await run.settled(init.waitMs, signal);
    const view = run.view();
    const isReady = ['ready', 'running'].includes(view.state);
    const spawnTime = this.#components.clock.now() - startedAt;
    return {
      agentId,
      name,
      kind: view.kind,
      status: view.state,
      capabilities: run.row.capabilities,
      resources: { allocated: true, ...view.resources },
      tools: view.tools,
      ...(withheld.length === 0 ? {} : { withheld }),
      replicas: view.replicas,
      pids: view.pids,
      ...(run.row.fund === undefined ? {} : { budgets: run.row.fund.budgets }),
      ...(view.error === undefined ? {} : { error: view.error }),
      ...(isReady && init.waitMs > 0 ? { initialisationMetrics: { spawnTime } } : {}),
    };
  }

  async end(principal: Principal, agent: string, how: 'stop' | 'retire'): Promise<AgentEndResult> {
    const { agents, table } = this.#components;
    const run = this.#find(agent);
    if (run === undefined) {
      const result = await agents.end(principal, agent, how);
      // It was stopped before, or its kind is gone.
      if (how === 'retire') await this.#forget(result.name);
      return result;
    }
    const { name, owner } = run.row;
    const isItsOwn = [owner, keyOf(runPrincipal(name, []))].includes(keyOf(principal));
    if (principal.kind !== 'operator' && !isItsOwn) return agents.end(principal, name, how);
    const ended = await this.#alone(name, async () => {
      // It may have ended, and another one begun, while this had to wait for its turn.
      if (this.#runs.get(name) !== run) return undefined;
      await writeRow(table, { ...run.row, stopped: true });
      // What it deals with now has a moment to end.
      await run.stop();
      this.#runs.delete(name);
      this.#components.funds?.end(run.row.fund);
      const result = await agents.end(OPERATOR, name, how);
      this.#components.health.clear(codeOf(name));
      this.#tellUnconfined();
      this.spawnerGone(keyOf(runPrincipal(name, [])));
      if (how === 'retire') await this.#forget(name);
      return result;
    });
    return ended ?? this.end(principal, agent, how);
  }

  async logs(principal: Principal, init: LogsInit, signal: AbortSignal): Promise<LogPage> {
    const run = this.#find(init.agent);
    const owner = run?.row.owner ?? (await this.#ownerOf(init.agent));
    if (owner === undefined || (principal.kind !== 'operator' && owner !== keyOf(principal))) {
      throw new StarlingError(
        'STARLING_AGENT_UNKNOWN',
        `this node runs no agent '${init.agent.slice(0, 128)}'`,
        {
          hint: 'only agents that were spawned here have logs: starling agent list',
          data: { agentId: init.agent.slice(0, 128), reason: 'unknown' },
        },
      );
    }
    if (run !== undefined) return run.log.read({ ...init, signal });
    return (await this.#log(init.agent)).page(init.cursor, init.limit);
  }

  viewOf(name: string): RunView | undefined {
    return this.#runs.get(name)?.view();
  }

  budgetsOf(principal: Principal): readonly string[] {
    if (principal.kind !== 'client' || !principal.name.startsWith(AGENT)) return [];
    return this.#runs.get(principal.name.slice(AGENT.length))?.row.fund?.budgets ?? [];
  }

  callerOf(text: string): Principal | undefined {
    const link = readLink(text);
    if (link === undefined) return undefined;
    const { client, node } = link;
    const isOwn = node === undefined || node === this.#components.self;
    const run = [...this.#runs.values()].find(
      ({ row }) => isOwn && runPrincipal(row.name, []).name === client,
    );
    if (run !== undefined) return runPrincipal(run.row.name, run.row.tools);
    return this.#components.principalOf(link);
  }

  spawnerGone(key: string): void {
    for (const { row } of this.#runs.values()) {
      if (row.owner !== key) continue;
      this.end(OPERATOR, row.name, 'stop').catch((error: unknown) =>
        this.#components.logger.warn(
          { agent: row.name, error: messageOf(error) },
          'an agent whose spawner is gone was not stopped',
        ),
      );
    }
  }

  async #spawn(
    principal: Principal,
    init: SpawnInit & { readonly name: string },
  ): Promise<{ run: RunAgent; agentId: string; withheld: readonly string[] }> {
    const { clock, table } = this.#components;
    const { name, config, resources = {} } = init;
    const { least, most: replicas } = boundsOf(init.replicas);
    this.#requireRunning();
    checkInit(init);
    const kind = this.#kind(init.kind);
    this.#requireRight(principal, init.kind, replicas);
    const before = this.#runs.get(name);
    if (before !== undefined && !before.isOver) throw running(name);
    this.#requireRoom(kind, init.kind, replicas);
    const { tools, withheld } = narrowTools(principal, kind.tools, init.tools);
    const row: RunRow = {
      name,
      kind: init.kind,
      owner: keyOf(principal),
      ownerName: nameOf(principal),
      tools,
      capabilities: init.capabilities ?? kind.capabilities,
      replicas,
      ...(least < replicas ? { least } : {}),
      resources,
      ...(config === undefined ? {} : { config }),
      spawnedAt: clock.now(),
      stopped: false,
    };
    this.#coming.add(row);
    try {
      await this.#requireOwner(principal, row);
      const prepared = await this.#prepared(row);
      if (before !== undefined) await before.stop();
      this.#runs.delete(name);
      const { funds } = this.#components;
      funds?.end(before?.row.fund);
      const fund = await funds?.of(principal, init.budget, `${AGENT}${name}`);
      try {
        const funded = fund === undefined ? row : { ...row, fund };
        await writeRow(table, funded);
        return { ...(await this.#begun(funded, prepared)), withheld };
      } catch (error) {
        funds?.end(fund);
        throw error;
      }
    } finally {
      this.#coming.delete(row);
    }
  }

  /** Runs what is new. */
  async #begun(
    row: RunRow,
    prepared: { kind: RunnableKind; limits: LimitPlan },
  ): Promise<{ run: RunAgent; agentId: string }> {
    try {
      return await this.#run(row, prepared);
    } catch (error) {
      // Refused means no trace.
      await dropRow(this.#components.table, row.name);
      throw error;
    }
  }

  /** What a row needs to run. @throws as `spawn` */
  async #prepared(row: RunRow): Promise<{ kind: RunnableKind; limits: LimitPlan }> {
    const kind = this.#kind(row.kind);
    this.#turn += 1;
    const plan = planLimits(row.resources, kind, this.#components.limits, this.#turn);
    const none = await this.#unconfined(row.kind, kind);
    const { applied } = plan;
    const files = none === undefined ? { files: 'sandbox' } : {};
    const enforcedBy = { ...applied.enforcedBy, ...files };
    return { kind, limits: { ...plan, applied: { ...applied, enforcedBy } } };
  }

  async #run(
    row: RunRow,
    { kind, limits }: { kind: RunnableKind; limits: LimitPlan },
  ): Promise<{ run: RunAgent; agentId: string }> {
    const { timeoutMs } = this.#components.config();
    const log = await this.#log(row.name);
    // A stop that came meanwhile ends what runs, and knows nothing of this agent.
    this.#requireRunning();
    const run = createRunAgent(
      {
        ...this.#components,
        callerOf: (link) => this.callerOf(link),
        log,
        changed: (one) => this.#changed(one),
      },
      { row, kind, limits, timeoutMs },
    );
    this.#runs.set(row.name, run);
    try {
      const agentId = await run.start();
      this.#tellUnconfined();
      return { run, agentId };
    } catch (error) {
      this.#runs.delete(row.name);
      await run.stop();
      throw error;
    }
  }

  /** Another spawner's agent stays that one's, also while it is stopped. @throws STARLING_AGENT_TAKEN */
  async #requireOwner(principal: Principal, { name, owner }: RunRow): Promise<void> {
    const had = await this.#ownerOf(name);
    if (had === undefined || had === owner || principal.kind === 'operator') return;
    throw new StarlingError('STARLING_AGENT_TAKEN', `the agent '${name}' is somebody else's`, {
      hint: 'take another name',
      data: { agentId: name, reason: 'taken' },
    });
  }

  async #ownerOf(name: string): Promise<string | undefined> {
    const { table, logger } = this.#components;
    return (await readRows(table, logger)).find((row) => row.name === name)?.owner;
  }

  /** @throws STARLING_AGENT_UNKNOWN, STARLING_AGENT_FAILED */
  #kind(name: string): RunnableKind {
    const { kinds } = this.#components.config();
    const kind: AgentKind | undefined = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) throw unknownKind(name, Object.keys(kinds));
    const { server } = kind;
    if (server === undefined) throw failedKind(name, kind.problems);
    return { ...kind, server };
  }

  /** @throws STARLING_CALL_REFUSED */
  #requireRight(principal: Principal, kind: string, wants: number): void {
    // The guard counts one more.
    const replicas = this.#processes((row) => row.owner === keyOf(principal)) + wants - 1;
    const wanted = {
      ability: ABILITY,
      resource: `agent:${kind}`,
      look: true as const,
      facts: { replicas },
    };
    const decision = this.#components.guard().decide(principal, wanted);
    if (decision.allow) return;
    throw refusedSpawn(kind, decision.refusal.text, decision.hint);
  }

  /** @throws STARLING_LIMIT_EXCEEDED */
  #requireRoom(kind: AgentKind, name: string, replicas: number): void {
    const { max } = this.#components.config();
    const [count, limit] =
      replicas > kind.maxReplicas
        ? [kind.maxReplicas, `agents.kinds.${name}.maxReplicas`]
        : [max, 'agents.max'];
    if (replicas <= kind.maxReplicas && this.#processes(() => true) + replicas <= max) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `not spawned: ${limit} lets ${count} processes of agents run`,
      { hint: 'stop one (starling agent stop <name>), or raise it', data: { limit } },
    );
  }

  #processes(counts: (row: RunRow) => boolean): number {
    const running = [...this.#runs.values()].filter((run) => !run.isOver).map(({ row }) => row);
    const rows = [...new Set([...running, ...this.#coming])].filter(counts);
    return rows.reduce((sum, { replicas }) => sum + replicas, 0);
  }

  /** @throws STARLING_STOPPED */
  #requireRunning(): void {
    if (this.#isOver) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  /** Why nothing stands around a process of the kind; refused where the operator does not allow that. */
  async #unconfined(name: string, { server }: RunnableKind): Promise<string | undefined> {
    const none =
      server.sandbox === false
        ? {
            why: `"sandbox": false in agents.kinds.${name}`,
            hint: 'take "sandbox": false away, or set agents.unconfined: true',
          }
        : await this.#components.noSandbox();
    if (none === undefined) return undefined;
    if (this.#components.config().unconfined) return none.why;
    throw new StarlingError('STARLING_AGENT_FAILED', `not spawned without a sandbox: ${none.why}`, {
      hint: none.hint,
      data: { reason: 'sandbox' },
    });
  }

  #tellUnconfined(): void {
    const { health } = this.#components;
    const bare = [...this.#runs.values()].filter(
      (run) => run.view().resources.enforcedBy.files === undefined,
    );
    if (bare.length === 0) return health.clear(UNCONFINED);
    health.raise({
      code: UNCONFINED,
      text: `agents ${bare.map(({ row }) => `'${row.name}'`).join(', ')} can read the key and the token of this node, and act as its operator: agents.unconfined`,
      hint: 'install bubblewrap, and take agents.unconfined away',
    });
  }

  #changed(run: RunAgent): void {
    const { name } = run.row;
    const { error, isOver } = run;
    if (isOver && error !== undefined) this.#trouble(name, error.message);
    else this.#components.health.clear(codeOf(name));
  }

  #trouble(name: string, why: string): void {
    this.#components.health.raise({
      code: codeOf(name),
      text: `the agent '${name}' does not run: ${why}`,
      hint: `see why: starling agent logs ${name}`,
    });
  }

  #find(nameOrId: string): RunAgent | undefined {
    return (
      this.#runs.get(nameOrId) ??
      [...this.#runs.values()].find(
        ({ row }) => this.#components.agents.labelOf(row.name) === nameOrId,
      )
    );
  }

  #log(name: string): Promise<AgentLog> {
    return openLog(this.#components, name);
  }

  async #forget(name: string): Promise<void> {
    await dropRow(this.#components.table, name);
    await (await this.#log(name)).drop();
  }

  #freeName(kind: string): string {
    const { agents } = this.#components;
    for (let count = 1; ; count += 1) {
      const name = count === 1 ? kind : `${kind}-${count}`;
      const isTaken = this.#runs.has(name) || this.#busy.has(name);
      if (!isTaken && agents.labelOf(name) === undefined) return name;
    }
  }

  /** One spawn or end of a name at a time. */
  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    while (this.#busy.has(name)) await this.#busy.get(name);
    const doing = work();
    const settled = doing.catch(() => undefined);
    this.#busy.set(name, settled);
    try {
      return await doing;
    } finally {
      this.#busy.delete(name);
    }
  }
}

function boundsOf(replicas: SpawnInit['replicas'] = 1): {
  readonly least: number;
  readonly most: number;
} {
  return typeof replicas === 'number' ? { least: replicas, most: replicas } : replicas;
}

function codeOf(name: string): string {
  return `agent-down:${name}`;
}

function checkInit({ name, config, replicas }: SpawnInit & { readonly name: string }): void {
  const { least, most } = boundsOf(replicas);
  if (least > most) {
    throw new StarlingError(
      'STARLING_USAGE',
      `replicas ${least}..${most}: the first is the larger`,
    );
  }
  if (!isAgentName(name)) {
    throw new StarlingError('STARLING_USAGE', `'${name.slice(0, 80)}' can't be an agent's name`, {
      hint: 'a name has 1 to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or a digit',
    });
  }
  if (config === undefined || Buffer.byteLength(JSON.stringify(config)) <= SPAWN_CONFIG_MAX) return;
  throw new StarlingError('STARLING_LIMIT_EXCEEDED', `config has over ${SPAWN_CONFIG_MAX} bytes`, {
    hint: 'send what is long as a message',
    data: { limit: SPAWN_CONFIG_MAX },
  });
}

function running(name: string): StarlingError {
  return new StarlingError('STARLING_AGENT_TAKEN', `the agent '${name}' runs already`, {
    hint: `take another name, or stop it first: starling agent stop ${name}`,
    data: { agentId: name, reason: 'taken' },
  });
}
