/**
 * The agents that this node runs. A kind is the operator's, in the configuration; whoever may spawn names one, and may
 * only narrow what its agents may use. Each is an agent as any other: a name, an inbox, messages; its processes are
 * started again when they end (`one_for_one`), with the same name, inbox and rights.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import { OPERATOR, keyOf, nameOf, readLink, scopesCover } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Write } from '../../store/index.ts';
import type { AgentEndResult, AgentSpawnResult, RunView } from '../types.ts';
import { logDropOf, logLeftOf, openLog } from './log.ts';
import type { AgentLog, LogPage } from './log.ts';
import { narrowTools } from './narrowing.ts';
import { findKind, prepare, requireModels } from './prepare.ts';
import type { Prepared, WantedMind } from './prepare.ts';
import { dropOf, readRow, readRows, writeOf } from './rows.ts';
import type { RunRow } from './rows.ts';
import { runPrincipal } from './orders.ts';
import { createRunAgent } from './run-agent.ts';
import type { RunAgent } from './run-agent.ts';
import { clearTrouble, tellChange, tellTrouble, tellUnconfined } from './run-health.ts';
import { boundsOf, maySpawn, requireForm, requireRight, requireRoom } from './spawn-checks.ts';
import { alreadyRuns } from './spawn-errors.ts';
import type { LogsInit, Learner, Runs, RunsComponents, SpawnInit } from './types.ts';

const AGENT = 'agent:';

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
    const { health, logger, table } = this.#components;
    for (const row of await readRows(table, logger)) {
      if (row.stopped) continue;
      try {
        const prepared = await this.#prepare(row);
        // The operator may have taken something from the kind since.
        const tools = row.tools.filter((scope) => scopesCover(prepared.kind.tools, scope));
        await this.#run({ ...row, tools }, prepared);
      } catch (error) {
        tellTrouble(health, row.name, messageOf(error));
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
      this.#spawn(principal, { ...init, name }, signal),
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
      ...(view.model === undefined ? {} : { model: view.model }),
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
      const row = await this.rowOf(result.name);
      if (how === 'retire') await this.#forget(result.name);
      return row === undefined ? result : { ...result, kind: row.kind };
    }
    const { name, owner } = run.row;
    const isItsOwn = [owner, keyOf(runPrincipal(name, []))].includes(keyOf(principal));
    if (principal.kind !== 'operator' && !isItsOwn) return agents.end(principal, name, how);
    const ended = await this.#alone(name, async () => {
      // It may have ended, and another one begun, while this had to wait for its turn.
      if (this.#runs.get(name) !== run) return undefined;
      await table.batch([writeOf({ ...run.row, stopped: true })]);
      // What it deals with now has a moment to end.
      await run.stop();
      this.#runs.delete(name);
      this.#components.funds?.end(run.row.fund);
      const result = await agents.end(OPERATOR, name, how);
      clearTrouble(this.#components.health, name);
      this.#tellUnconfined();
      this.spawnerGone(keyOf(runPrincipal(name, [])));
      if (how === 'retire') await this.#forget(name);
      return { ...result, kind: run.row.kind };
    });
    return ended ?? this.end(principal, agent, how);
  }

  async logs(principal: Principal, init: LogsInit, signal: AbortSignal): Promise<LogPage> {
    const run = this.#find(init.agent);
    const owner = (run?.row ?? (await this.rowOf(init.agent)))?.owner;
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

  learnerOf(name: string): Learner | undefined {
    return learnerIn(this.#runs.get(name));
  }

  learners(): readonly Learner[] {
    return [...this.#runs.values()].flatMap((run) => learnerIn(run) ?? []);
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

  running(name: string): RunAgent | undefined {
    return this.#runs.get(name);
  }

  parts(): readonly RunAgent[] {
    return [...this.#runs.values()].filter(({ row }) => row.part !== undefined);
  }

  async rowOf(name: string): Promise<RunRow | undefined> {
    const { table, logger } = this.#components;
    return this.#runs.get(name)?.row ?? readRow(table, logger, name);
  }

  async become(row: RunRow): Promise<void> {
    const { name } = row;
    await this.#alone(name, async () => {
      const run = this.#runs.get(name);
      if (run === undefined && !row.stopped) return;
      await this.#components.table.batch([writeOf(row)]);
      await run?.become(row);
    });
  }

  roomFor(principal: Principal, row: RunRow, wanted: number): number {
    if (wanted <= row.replicas) return wanted;
    const { kinds, max } = this.#components.config();
    const { maxReplicas } = findKind(kinds, row.kind, {}).kind;
    const others = this.#processes(({ name }) => name !== row.name);
    const own = this.#processes(({ name, owner }) => name !== row.name && owner === row.owner);
    const mayHave = (most: number): boolean =>
      maySpawn(this.#components.guard(), principal, { kind: row.kind, processes: own + most });
    let most = Math.min(wanted, maxReplicas, max - others);
    while (most > row.replicas && !mayHave(most)) most -= 1;
    return Math.max(most, row.replicas);
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
    signal: AbortSignal,
  ): Promise<{ run: RunAgent; agentId: string; withheld: readonly string[] }> {
    const { clock, guard, table } = this.#components;
    const { name, config, resources = {} } = init;
    const agents = this.#components.config();
    const { least, most: replicas } = boundsOf(init.replicas);
    this.#requireRunning();
    requireForm(init);
    const wanted = wantedMind(init);
    const { kind, isShipped } = findKind(agents.kinds, init.kind, wanted);
    requireRight(guard(), principal, {
      kind: init.kind,
      processes: this.#processes((row) => row.owner === keyOf(principal)) + replicas,
    });
    const before = this.#runs.get(name);
    if (before !== undefined && !before.isOver) throw alreadyRuns(name);
    const all = this.#processes(() => true) + replicas;
    requireRoom(agents, kind, { kind: init.kind, wanted: replicas, all });
    // Of a kind that comes with the node, nobody has said what it may use.
    const asked = init.tools ?? (isShipped ? [] : undefined);
    const { tools, withheld } = narrowTools(principal, kind.tools, asked);
    const { thinks } = kind;
    // The model of a part is that of its kind, which is this operator's.
    const asker = init.part === undefined ? principal : OPERATOR;
    const scopes = thinks === undefined ? [] : requireModels(this.#components, thinks, asker);
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
      ...(thinks === undefined ? {} : { thinks: { ...wanted, scopes } }),
      ...(init.part === undefined ? {} : { part: init.part }),
      spawnedAt: clock.now(),
      stopped: false,
    };
    this.#coming.add(row);
    try {
      await this.#requireOwner(principal, row);
      if (thinks !== undefined) {
        await this.#components.requireModelThere?.(thinks.model, asker, signal);
      }
      const prepared = await this.#prepare(row);
      if (before !== undefined) await before.stop();
      this.#runs.delete(name);
      const { funds } = this.#components;
      funds?.end(before?.row.fund);
      const fund = await funds?.of(principal, init.budget, `${AGENT}${name}`);
      try {
        const funded = fund === undefined ? row : { ...row, fund };
        const isNew = this.#components.agents.labelOf(name) === undefined;
        await table.batch([...(isNew ? await this.#leftOf(name) : []), writeOf(funded)]);
        return { ...(await this.#begun(funded, prepared)), withheld };
      } catch (error) {
        funds?.end(fund);
        throw error;
      }
    } finally {
      this.#coming.delete(row);
    }
  }

  #prepare(row: RunRow): Promise<Prepared> {
    this.#turn += 1;
    return prepare(this.#components, row, this.#turn);
  }

  /** Runs what is new. */
  async #begun(row: RunRow, prepared: Prepared): Promise<{ run: RunAgent; agentId: string }> {
    try {
      return await this.#run(row, prepared);
    } catch (error) {
      // Refused means no trace.
      await this.#components.table.batch([dropOf(row.name)]);
      throw error;
    }
  }

  async #run(row: RunRow, { kind, limits }: Prepared): Promise<{ run: RunAgent; agentId: string }> {
    const { timeoutMs } = this.#components.config();
    const log = await this.#log(row.name);
    // A stop that came meanwhile ends what runs, and knows nothing of this agent.
    this.#requireRunning();
    const run = createRunAgent(
      {
        ...this.#components,
        callerOf: (link) => this.callerOf(link),
        log,
        changed: (one) => tellChange(this.#components.health, one),
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
    const had = (await this.rowOf(name))?.owner;
    if (had === undefined || had === owner || principal.kind === 'operator') return;
    throw new StarlingError('STARLING_AGENT_TAKEN', `the agent '${name}' is somebody else's`, {
      hint: 'take another name',
      data: { agentId: name, reason: 'taken' },
    });
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

  #tellUnconfined(): void {
    tellUnconfined(this.#components.health, this.#runs.values());
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

  /** Also what is on its way to the disk: what is forgotten is asked for behind that. */
  async #forget(name: string): Promise<void> {
    await this.#components.memory?.forget(name);
    await this.#components.table.batch([dropOf(name), logDropOf(name)]);
  }

  /**
   * By which nothing is left of who has retired, also where the node ended before it had forgotten all. Mostly there is
   * nothing: a write for that would be a sync of the disk that each spawn waits for.
   */
  async #leftOf(name: string): Promise<readonly Write[]> {
    await this.#components.memory?.forget(name);
    return logLeftOf(this.#components.table, name);
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

function learnerIn(run: RunAgent | undefined): Learner | undefined {
  if (run?.mind?.learning === undefined) return undefined;
  const { capabilities, name, owner } = run.row;
  return { agent: name, owner, capabilities, settings: run.mind.learning };
}

function wantedMind({ model, prompt }: SpawnInit): WantedMind {
  return {
    ...(model === undefined ? {} : { model }),
    ...(prompt === undefined ? {} : { prompt }),
  };
}
