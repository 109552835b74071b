/**
 * The submitter's side of the contract net: gives tasks that wait to agents, the freer of two that are asked on the spot
 * first (docs/tasks.md); follows each attempt; and gives the task to another where a worker was lost.
 */
import type { Funds } from '../../budget/index.ts';
import { StarlingError, createScope, leftMs, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger, Random, Scope } from '../../core/index.ts';
import type { Agents, AgentView } from '../../agents/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { createLanes } from './lanes.ts';
import type { Lanes } from './lanes.ts';
import {
  ANY_QUEUE_MS,
  AWARDED_AT_ONCE,
  RUNNING_MAX,
  TRIED_MAX,
  WAKE_MS,
  WORDS_MAX,
} from '../limits.ts';
import type { LiveTask } from '../life/live-task.ts';
import { AgentLoads } from './agent-loads.ts';
import { createAttemptGroups } from './attempt-groups.ts';
import { Following } from './following.ts';
import type { Taken } from './following.ts';
import { matesIn } from './awarded-together.ts';
import { Offers } from './offers.ts';
import { Outcomes } from './outcomes.ts';
import { createTaskQueue, laneOf } from './queue.ts';
import type { TaskQueue } from './queue.ts';
import { lost } from './roads.ts';
import type { CallPeer } from './roads.ts';
import type { TaskRows } from '../rows.ts';
import { createReleases } from './releases.ts';
import type { Releases } from './releases.ts';
import type { TaskOrder } from '../types.ts';
import type { Work } from '../worker/work-types.ts';

const QUEUE_PREFIX = 'tasks.';
/** What a worker of all queues can do. */
const ALL_QUEUES = 'tasks.*';
/** Queues that are remembered. */
const QUEUES_MAX = 1000;

/** The rooms and roads that choosing a worker and following it take. */
export interface AwardsComponents {
  readonly self: { readonly name: string; readonly did: string };
  readonly agents: Pick<Agents, 'candidates' | 'list' | 'ownerOf' | 'requireTask'>;
  readonly work: Work;
  readonly rows: TaskRows;
  readonly membership: Pick<Membership, 'byAlias' | 'events' | 'find'>;
  readonly callPeer: CallPeer;
  /** By whose right a task is done. */
  principalOf(order: TaskOrder): Principal;
  /** How far a peer is trusted. */
  zoneOf(this: void, peer: PeerView): Zone;
  /** The task has ended, and what counts is on the disk. */
  ended(task: LiveTask): void;
  /** Holds what attempts of tasks cost; without it they cost nothing. */
  readonly funds?: Pick<Funds, 'hold'> | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Tasks on their way to agents. */
export interface Awards {
  readonly waiting: number;
  start(): void;
  stop(): void;
  /** The task waits for an agent. */
  add(task: LiveTask): void;
  /** A node that was started again has this task with an agent. */
  resume(task: LiveTask): void;
  /** The task is not to be given to anybody; whoever has it is told. */
  drop(task: LiveTask): void;
}

/** Makes the awards of one node. */
export function createAwards(components: AwardsComponents): Awards {
  return new NodeAwards(components);
}

/** A task that an agent has taken. */
interface Found {
  readonly task: LiveTask;
  readonly taken: Taken;
}

class NodeAwards implements Awards {
  readonly #components: AwardsComponents;
  readonly #queue: TaskQueue<LiveTask> = createTaskQueue();
  readonly #lanes: Lanes;
  /** All that is under way. */
  #life: Scope;
  readonly #releases: Releases;
  readonly #loads = new AgentLoads();
  readonly #outcomes: Outcomes;
  readonly #following: Following;
  readonly #offers: Offers;
  #running = 0;
  #cancelWaking: (() => void) | undefined;
  #isPumpingSoon = false;
  /** Queues of which workers of all queues take, and until when that is known. */
  readonly #anyQueue = new Map<string, number>();
  readonly #peerChanged = (peer: PeerView): void => {
    if (peer.state === 'alive') return this.#lanes.wake();
    if (peer.state === 'suspect') return;
    this.#following.peerGone(peer);
  };

  constructor(components: AwardsComponents) {
    this.#components = components;
    this.#lanes = createLanes(components, () => this.#pump());
    this.#releases = createReleases(components.clock, components.logger);
    this.#life = createScope(components.clock);
    this.#life.close();
    const life = (): Scope => this.#life;
    this.#outcomes = new Outcomes({
      ...components,
      ended: (task) => components.ended(task),
      life,
      again: (task) => this.add(task),
      counted: (task) => this.#queue.remove(task),
    });
    const groups = createAttemptGroups(components.clock, components.logger);
    const shared = { ...components, groups, releases: this.#releases, loads: this.#loads, life };
    this.#offers = new Offers(shared);
    this.#following = new Following({
      ...shared,
      outcomes: this.#outcomes,
      paused: (isOn) => this.#paused(isOn),
    });
  }

  get waiting(): number {
    return this.#queue.size;
  }

  start(): void {
    this.#life = createScope(this.#components.clock);
    this.#components.membership.events.on('change', this.#peerChanged);
    this.#pump();
  }

  stop(): void {
    this.#components.membership.events.off('change', this.#peerChanged);
    this.#life.close();
    this.#cancelWaking?.();
    this.#cancelWaking = undefined;
    this.#releases.stop();
    this.#lanes.stop();
  }

  add(task: LiveTask): void {
    this.#queue.add(task);
    // Whoever has given the task hears first that the node has it.
    this.#pumpSoon();
  }

  drop(task: LiveTask): void {
    this.#queue.remove(task);
    task.stopWork?.();
    task.stopWork = undefined;
    task.waitsFor = undefined;
  }

  resume(task: LiveTask): void {
    const { logger } = this.#components;
    const attempt = task.row.attempts.find(({ token }) => token === task.row.token);
    if (attempt === undefined || attempt.did === this.#components.self.did) {
      const end = lost('the node was started again');
      const settled = this.#outcomes.settle(task, end, attempt?.token ?? 0);
      unawaited(settled, logger, 'an attempt that was lost was not ended', { task: task.order.id });
      return;
    }
    this.#running += 1;
    const over = this.#following.resume(task, attempt).finally(() => this.#left(true));
    unawaited(over, logger, 'an attempt was not followed', { task: task.order.id });
  }

  /**
   * As many awards as may be under way, one of each lane in one turn of the loop: it may take all places that there are, and
   * what others would look for.
   */
  #pump(): void {
    const { logger } = this.#components;
    const begun = new Set<string>();
    while (!this.#life.closed && this.#running < RUNNING_MAX) {
      const task = this.#queue.next((lane) => !begun.has(lane) && this.#lanes.mayGo(lane));
      if (task === undefined) break;
      const lane = laneOf(task.order);
      begun.add(lane);
      this.#queue.remove(task);
      this.#lanes.begins(lane);
      this.#running += 1;
      unawaited(this.#give(task, lane), logger, 'a task was not awarded', { task: task.order.id });
    }
    if (begun.size > 0) this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#isPumpingSoon || this.#queue.size === 0) return;
    this.#isPumpingSoon = true;
    setImmediate(() => {
      this.#isPumpingSoon = false;
      this.#pump();
    });
  }

  /** One that waits for somebody gives its place to another. */
  #paused(isOn: boolean): void {
    this.#running += isOn ? -1 : 1;
    if (isOn) this.#pump();
  }

  #left(hasRun: boolean): void {
    this.#running -= 1;
    if (this.#life.closed) return;
    if (!hasRun) return this.#pump();
    // Whoever had them can take others: what ends at the same time makes room for as many together.
    this.#cancelWaking ??= this.#components.clock.schedule(WAKE_MS, () => {
      this.#cancelWaking = undefined;
      if (!this.#life.closed) this.#lanes.wake();
    });
  }

  /** Never rejects. */
  async #give(task: LiveTask, lane: string): Promise<void> {
    let found: readonly Found[] = [];
    try {
      found = await this.#award(task, lane);
    } catch (error) {
      task.waitsFor = messageOf(error);
    }
    const isTaken = found.some((one) => one.task === task);
    const isGone = task.row.state !== 'bidding' && !isTaken;
    this.#lanes.ends(lane, found.length > 0 ? 'taken' : isGone ? 'gone' : 'nobody');
    if (!isTaken) this.#back(task);
    for (const one of found) {
      one.task.waitsFor = undefined;
      // From here on it is counted as one that is followed.
      this.#loads.count(one.taken.agent.endpoint, -1);
      const over = this.#following.follow(one.task, one.taken).finally(() => this.#left(true));
      const { id } = one.task.order;
      unawaited(over, this.#components.logger, 'an attempt was not followed', { task: id });
    }
    this.#pump();
  }

  /** It was given to nobody. */
  #back(task: LiveTask): void {
    if (task.row.state === 'bidding' && !this.#life.closed) this.#queue.add(task);
    this.#running -= 1;
  }

  /**
   * Tries one candidate after the other; what was taken, with others of the lane that the same agent has taken; empty
   * where nobody took it. @throws why there is no candidate
   */
  async #award(task: LiveTask, lane: string): Promise<readonly Found[]> {
    const principal = this.#components.principalOf(task.order);
    const candidates = await this.#candidates(principal, task);
    const whys: string[] = [];
    for (const agent of candidates.slice(0, TRIED_MAX)) {
      if (task.row.state !== 'bidding' || this.#life.closed) return [];
      const places = Math.max(1, agent.maxConcurrentTasks) - this.#loads.of(agent.endpoint);
      if (places < 1) {
        whys.push(`${agent.endpoint}: it has as many tasks from here as it takes`);
        continue;
      }
      const mates = this.#matesOf(task, lane, Math.min(places, agent.free) - 1);
      const group = [task, ...mates];
      // At once, so that nobody else takes the same places.
      for (const _ of group) this.#loads.count(agent.endpoint, 1);
      const offered = await Promise.all(group.map((one) => this.#offer(one, { agent, principal })));
      for (const { task: one, taken } of offered) {
        if (taken !== undefined) continue;
        this.#loads.count(agent.endpoint, -1);
        if (one !== task) this.#back(one);
      }
      const found = offered.flatMap(({ task: one, taken }) =>
        taken === undefined ? [] : { task: one, taken },
      );
      if (found.length > 0) return found;
      whys.push(`${agent.endpoint}: ${offered[0]?.why ?? 'it takes no task'}`);
    }
    task.waitsFor = whys.join('; ').slice(0, WORDS_MAX);
    return [];
  }

  /** Others of the lane that may go along: those that nobody has failed with, and that cost nothing. They have left the queue. */
  #matesOf(task: LiveTask, lane: string, places: number): readonly LiveTask[] {
    const isAlone = task.order.fund !== undefined || task.row.attempts.length > 0;
    const room = Math.min(places, RUNNING_MAX - this.#running, AWARDED_AT_ONCE - 1);
    if (isAlone || room <= 0) return [];
    const mates = matesIn(this.#queue.inLane(lane), room);
    for (const mate of mates) this.#queue.remove(mate);
    this.#running += mates.length;
    return mates;
  }

  /** Never rejects. */
  async #offer(
    task: LiveTask,
    { agent, principal }: { readonly agent: AgentView; readonly principal: Principal },
  ): Promise<{ readonly task: LiveTask; readonly taken?: Taken; readonly why?: string }> {
    try {
      const input = await this.#components.rows.input(task.order.id);
      const taken = await this.#offers.give(task, { agent, principal, input });
      return taken === undefined ? { task } : { task, taken };
    } catch (error) {
      task.apply({ type: 'refused', token: task.row.token });
      return { task, why: messageOf(error) };
    }
  }

  async #candidates(principal: Principal, task: LiveTask): Promise<readonly AgentView[]> {
    const { agents } = this.#components;
    const { agentId, capability, tags, prefer } = task.order;
    if (agentId !== undefined) {
      const listed = await agents.list(principal, { agentId });
      if (listed.agents.length > 0) return listed.agents;
      throw new StarlingError('STARLING_AGENT_UNKNOWN', `there is no agent '${agentId}'`);
    }
    const wanted = capability ?? '';
    const { clock } = this.#components;
    const ofAll = (): Promise<readonly AgentView[]> =>
      agents.candidates(principal, { capability: ALL_QUEUES, tags, prefer });
    const isKnown = leftMs(clock, this.#anyQueue.get(wanted) ?? 0, ANY_QUEUE_MS) > 0;
    const all = isKnown
      ? await ofAll()
      : await agents
          .candidates(principal, { capability: wanted, tags, prefer })
          .catch((error: unknown) => {
            // A worker of all queues takes from this one, too.
            if (!wanted.startsWith(QUEUE_PREFIX)) throw error;
            if (this.#anyQueue.size >= QUEUES_MAX) this.#anyQueue.clear();
            this.#anyQueue.set(wanted, clock.now() + ANY_QUEUE_MS);
            return ofAll();
          });
    const { attempts, roundFrom } = task.row;
    const failedAt = new Set(
      attempts.filter(({ token }) => token > roundFrom).map(({ did }) => did),
    );
    const isFresh = ({ did }: AgentView): boolean => !failedAt.has(did);
    return [...all.filter(isFresh), ...all.filter((agent) => !isFresh(agent))];
  }
}
