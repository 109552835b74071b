/**
 * The submitter's side of the contract net: gives tasks that wait to agents, the freer of two that are asked on the spot
 * first (docs/tasks.md); follows each attempt; and gives the task to another where a worker was lost.
 */
import type { Funds } from '../../budget/index.ts';
import { StarlingError, backoffMs, createScope, messageOf, sleep } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Agents, AgentView } from '../../agents/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { createLanes } from './lanes.ts';
import type { Lanes } from './lanes.ts';
import {
  DURABLE_RESULT_BYTES_MAX,
  LATE_MS,
  LEASE_MS,
  RESULT_BYTES_MAX,
  RUNNING_MAX,
  TRIED_MAX,
  WORDS_MAX,
} from '../limits.ts';
import type { LiveTask } from '../life/live-task.ts';
import { isPast } from '../life/faults.ts';
import { hasEnded, WITH_AGENT } from '../life/machine.ts';
import { createTaskQueue, laneOf } from './queue.ts';
import type { TaskQueue } from './queue.ts';
import { followToEnd, localRoad, lost, peerRoad } from './roads.ts';
import type { CallPeer, Final, Road } from './roads.ts';
import type { TaskRows } from '../rows.ts';
import { createReleases } from './releases.ts';
import type { Releases } from './releases.ts';
import type { Attempt, Outcome, TaskOrder, TaskQuestion } from '../types.ts';
import type { Work } from '../worker/work.ts';

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

const RETRY = { baseMs: 100, capMs: 30_000 };
/** Between words to a worker's node of what its agent has asked. */
const ANSWER_AGAIN_MS = 1000;
const DISK_RETRY = { baseMs: 500, capMs: 30_000 };
/** Between looks for the node of a worker after a start. */
const RESUME_MS = 500;

/** Makes the awards of one node. */
export function createAwards(components: AwardsComponents): Awards {
  return new NodeAwards(components);
}

/** What an award found. */
interface Found {
  readonly agent: AgentView;
  readonly road: Road;
  readonly attempt: Attempt;
  /** What its node said when it began. */
  readonly begun?: Outcome;
}

class NodeAwards implements Awards {
  readonly #components: AwardsComponents;
  readonly #queue: TaskQueue<LiveTask> = createTaskQueue();
  readonly #lanes: Lanes;
  /** All that is under way. */
  #life: Scope;
  readonly #releases: Releases;
  #running = 0;
  /** How many tasks each agent has from here, by its endpoint. */
  readonly #having = new Map<string, number>();
  /** Who waits for the end of a peer. */
  readonly #watched = new Map<PeerId, Set<(why: string) => void>>();
  readonly #peerChanged = (peer: PeerView): void => {
    if (peer.state === 'alive') return this.#lanes.wake();
    if (peer.state === 'suspect') return;
    for (const tell of this.#watched.get(peer.peerId) ?? []) tell(`${peer.alias} is gone`);
  };

  constructor(components: AwardsComponents) {
    this.#components = components;
    this.#lanes = createLanes(components, () => this.#pump());
    this.#releases = createReleases(components.clock);
    this.#life = createScope(components.clock);
    this.#life.close();
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
    this.#releases.stop();
    this.#lanes.stop();
  }

  add(task: LiveTask): void {
    this.#queue.add(task);
    this.#pump();
  }

  drop(task: LiveTask): void {
    this.#queue.remove(task);
    task.stopWork?.();
    task.stopWork = undefined;
    task.waitsFor = undefined;
  }

  resume(task: LiveTask): void {
    const attempt = task.row.attempts.find(({ token }) => token === task.row.token);
    if (attempt === undefined || attempt.did === this.#components.self.did) {
      void this.#settle(task, lost('the node was started again'), attempt?.token ?? 0);
      return;
    }
    this.#running += 1;
    void this.#resumed(task, attempt).finally(() => this.#left(true));
  }

  /** As many awards as may be under way. */
  #pump(): void {
    while (!this.#life.closed && this.#running < RUNNING_MAX) {
      const task = this.#queue.next((lane) => this.#lanes.mayGo(lane));
      if (task === undefined) return;
      const lane = laneOf(task.order);
      this.#queue.remove(task);
      this.#lanes.begins(lane);
      this.#running += 1;
      void this.#give(task, lane).then((hasRun) => this.#left(hasRun));
    }
  }

  #left(hasRun: boolean): void {
    this.#running -= 1;
    if (this.#life.closed) return;
    // Whoever had it can take another.
    if (hasRun) this.#lanes.wake();
    else this.#pump();
  }

  /** True where an agent has had it. Never rejects. */
  async #give(task: LiveTask, lane: string): Promise<boolean> {
    let found: Found | undefined;
    try {
      found = await this.#award(task);
    } catch (error) {
      task.waitsFor = messageOf(error);
    }
    const isGone = task.row.state !== 'bidding' && found === undefined;
    this.#lanes.ends(lane, found !== undefined ? 'taken' : isGone ? 'gone' : 'nobody');
    if (found === undefined) {
      if (task.row.state === 'bidding') this.#queue.add(task);
      return false;
    }
    task.waitsFor = undefined;
    this.#pump();
    await this.#follow(task, found);
    return true;
  }

  /** Tries one candidate after the other; undefined where nobody took it. @throws why there is no candidate */
  async #award(task: LiveTask): Promise<Found | undefined> {
    const { rows } = this.#components;
    const principal = this.#components.principalOf(task.order);
    const candidates = await this.#candidates(principal, task);
    const input = await rows.input(task.order.id);
    const whys: string[] = [];
    for (const agent of candidates.slice(0, TRIED_MAX)) {
      if (task.row.state !== 'bidding' || this.#life.closed) return undefined;
      if ((this.#having.get(agent.endpoint) ?? 0) >= Math.max(1, agent.maxConcurrentTasks)) {
        whys.push(`${agent.endpoint}: it has as many tasks from here as it takes`);
        continue;
      }
      try {
        const found = await this.#offer(task, { agent, principal, input });
        if (found !== undefined) return found;
      } catch (error) {
        whys.push(`${agent.endpoint}: ${messageOf(error)}`);
        task.apply({ type: 'refused', token: task.row.token });
      }
    }
    task.waitsFor = whys.join('; ').slice(0, WORDS_MAX);
    return undefined;
  }

  /** The lease is on the disk before the agent hears of it. @throws what is said against it */
  async #offer(
    task: LiveTask,
    given: { agent: AgentView; principal: Principal; input: Json },
  ): Promise<Found | undefined> {
    const { endpoint } = given.agent;
    this.#counts(endpoint, 1);
    try {
      return await this.#offerTo(task, given);
    } finally {
      this.#counts(endpoint, -1);
    }
  }

  #counts(endpoint: string, by: 1 | -1): void {
    const count = (this.#having.get(endpoint) ?? 0) + by;
    if (count > 0) this.#having.set(endpoint, count);
    else this.#having.delete(endpoint);
  }

  /** An attempt costs one call of the task's budgets; where one has no room, the task waits for that. */
  async #offerTo(
    task: LiveTask,
    given: { agent: AgentView; principal: Principal; input: Json },
  ): Promise<Found | undefined> {
    const { agents, funds } = this.#components;
    agents.requireTask(given.principal, given.agent);
    const { fund, from } = task.order;
    if (fund === undefined || funds === undefined) return this.#begin(task, given);
    const spending = await funds.hold(fund, from);
    try {
      const found = await this.#begin(task, given);
      spending.settle({ calls: 1 });
      return found;
    } catch (error) {
      spending.settle({ calls: isNo(error) ? 0 : 1 });
      throw error;
    }
  }

  async #begin(
    task: LiveTask,
    { agent, principal, input }: { agent: AgentView; principal: Principal; input: Json },
  ): Promise<Found | undefined> {
    const { agents, clock, rows } = this.#components;
    const road = this.#roadTo(agent, principal, task);
    const { id, attemptMs, expiresAt } = task.order;
    const token = task.row.token + 1;
    const at = clock.now();
    const isOwn = agent.node === this.#components.self.name;
    const owner = isOwn ? agents.ownerOf(agent.name) : undefined;
    const { did, endpoint } = agent;
    const leased = { type: 'leased', token, agent: endpoint, did, owner, at } as const;
    if (!task.apply(leased)) return undefined;
    await rows.put(task.row);
    const timeoutMs = Math.max(1, Math.min(attemptMs, expiresAt - at));
    const metadata = metadataOf(task, token);
    const init = { taskId: id, token, input, timeoutMs, metadata };
    const begun = await road.begin(init).catch((error: unknown) => {
      // Where its node has not said no, it may have begun all the same.
      if (!isNo(error)) void road.end({ taskId: id, token });
      throw error;
    });
    if (task.apply({ type: 'started', token })) {
      const attempt = task.row.attempts.find((one) => one.token === token);
      if (attempt !== undefined) return { agent, road, attempt, begun };
    }
    // It has ended meanwhile.
    await road.end({ taskId: id, token });
    return undefined;
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
    const all = await agents
      .candidates(principal, { capability: wanted, tags, prefer })
      .catch((error: unknown) => {
        // A worker of all queues takes from this one, too.
        if (!wanted.startsWith('tasks.')) throw error;
        return agents.candidates(principal, { capability: 'tasks.*', tags, prefer });
      });
    const { attempts, roundFrom } = task.row;
    const failedAt = new Set(
      attempts.filter(({ token }) => token > roundFrom).map(({ did }) => did),
    );
    const isFresh = ({ did }: AgentView): boolean => !failedAt.has(did);
    return [...all.filter(isFresh), ...all.filter((agent) => !isFresh(agent))];
  }

  #roadTo(
    { name, node }: Pick<AgentView, 'name' | 'node'>,
    principal: Principal,
    { order, session }: LiveTask,
  ): Road {
    const { callPeer, membership, self, work } = this.#components;
    if (node === self.name) {
      return localRoad(work, { principal, agent: name, session, signal: this.#life.signal });
    }
    const peer = membership.byAlias(node);
    if (peer !== undefined) {
      const { submitter } = order;
      const releases = this.#releases;
      return peerRoad({ peer, principal, agent: name, callPeer, releases, submitter });
    }
    throw new StarlingError('STARLING_PEER_UNREACHABLE', `no peer is called ${node} any more`);
  }

  async #follow(task: LiveTask, { agent, road, attempt, begun }: Found): Promise<void> {
    const { token } = attempt;
    const name = { taskId: task.order.id, token };
    const abort = new AbortController();
    const stop = (): void => abort.abort();
    task.stopWork = () => {
      stop();
      void road.end(name);
    };
    this.#life.signal.addEventListener('abort', stop, { once: true });
    const peer = this.#components.membership.byAlias(agent.node);
    const { gone, forget } = this.#goneOf(peer?.peerId);
    const pauses = this.#pausesOf(task, road, attempt);
    this.#counts(attempt.agent, 1);
    const final = await followToEnd(road, {
      name,
      begun,
      signal: abort.signal,
      gone,
      heard: (progress) => void task.apply({ type: 'progressed', token, progress }),
      paused: pauses.set,
      clock: this.#components.clock,
      timeoutMs: task.order.attemptMs,
    });
    forget();
    pauses.end();
    this.#counts(attempt.agent, -1);
    this.#life.signal.removeEventListener('abort', stop);
    if (final === undefined || abort.signal.aborted) return;
    task.stopWork = undefined;
    await this.#settle(task, final, token);
    if (final.state === 'failed' && !final.answered) this.#askLater(task, road, attempt);
    else road.release(name);
  }

  /** An attempt that waits for somebody: on the disk, told what is known, and in nobody's way. */
  #pausesOf(
    task: LiveTask,
    road: Road,
    { agent: endpoint, token }: Attempt,
  ): { readonly set: (question: TaskQuestion | undefined) => void; readonly end: () => void } {
    let isPaused = false;
    const turn = (on: boolean): void => {
      if (isPaused === on) return;
      isPaused = on;
      this.#running += on ? -1 : 1;
      this.#counts(endpoint, on ? -1 : 1);
      if (on) this.#pump();
    };
    const keep = (): void => void this.#kept(() => this.#components.rows.put(task.row));
    const answer = (): void => {
      const { answers = {}, order, question, state } = task.row;
      const key = question?.key ?? '';
      if (state !== 'input_required' || task.row.token !== token) return;
      const known = question?.kind === 'input' ? answers[key] : undefined;
      if (known === undefined) return;
      road.answer({ taskId: order.id, token, key, answer: known }).catch(() => {
        if (isPaused) this.#life.after(ANSWER_AGAIN_MS, answer);
      });
    };
    task.tellAnswer = answer;
    return {
      set: (question) => {
        if (question === undefined) {
          turn(false);
          if (task.apply({ type: 'told', token })) keep();
        } else if (task.apply({ type: 'asked', token, question })) {
          turn(true);
          keep();
          answer();
        }
      },
      end: () => {
        turn(false);
        if (task.tellAnswer === answer) task.tellAnswer = undefined;
      },
    };
  }

  /** What the outcome of an attempt is for the task. Never rejects. */
  async #settle(task: LiveTask, final: Final, token: number): Promise<void> {
    const { clock } = this.#components;
    if (final.state === 'done') return this.#count(task, final, token);
    const { answered, message, reason } = final;
    const fault = { reason, message: message.slice(0, WORDS_MAX) };
    const event = { type: 'failed', token, at: clock.now(), fault, answered } as const;
    const next = task.peek(event);
    if (next === undefined) return;
    const { rows } = this.#components;
    // An end is told when it is written: another owner may do the task meanwhile.
    if (hasEnded(next) && !(await this.#kept(() => rows.put(next)))) return;
    const fits = task.apply(event);
    if (!fits || !hasEnded(next) || task.row.version !== next.version) {
      await this.#kept(() => rows.put(task.row));
    }
    if (!fits) return;
    if (task.row.state === 'bidding') this.#again(task, answered);
    else if (task.row.state === 'failed') this.#components.ended(task);
  }

  /** At once after the first worker that was lost; else after a pause that grows. */
  #again(task: LiveTask, answered: boolean): void {
    const { random } = this.#components;
    const { attempts, roundFrom } = task.row;
    const bad = attempts.filter(({ token, outcome }) => token > roundFrom && outcome !== undefined);
    if (!answered && bad.length <= 1) return this.add(task);
    task.waitsFor = 'a pause before the next attempt';
    const pauseMs = backoffMs(Math.max(0, bad.length - 1), RETRY, random);
    task.stopWork = this.#life.after(pauseMs, () => {
      task.stopWork = undefined;
      if (task.row.state === 'bidding') this.add(task);
    });
  }

  /** One result counts: on the disk before anybody is told. */
  async #count(
    task: LiveTask,
    { ballot, result }: Extract<Final, { state: 'done' }>,
    token: number,
  ): Promise<void> {
    const { clock, rows } = this.#components;
    if (!task.apply({ type: 'reported', token })) return this.#keepLate(task, token, { result });
    this.#queue.remove(task);
    const bytes = Buffer.byteLength(JSON.stringify(result));
    const bytesMax = task.order.durable === undefined ? RESULT_BYTES_MAX : DURABLE_RESULT_BYTES_MAX;
    if (bytes > bytesMax) {
      const message = `the result has ${bytes} bytes, and may have ${bytesMax}`;
      const final = { state: 'failed', reason: 'size', message, answered: true } as const;
      return this.#settle(task, final, token);
    }
    task.apply({ type: 'verified', token });
    const row = task.peek({ type: 'counted', token, at: clock.now(), ballot });
    if (row === undefined) return;
    const counted = { ...row, resultBytes: bytes };
    if (!(await this.#kept(() => rows.putResult(counted, result)))) return;
    task.become(counted);
    this.#components.ended(task);
  }

  #keepLate(task: LiveTask, token: number, said: { result?: Json; error?: string }): void {
    const known = task.row.late?.some((late) => late.token === token) === true;
    const attempt = task.row.attempts.find((one) => one.token === token);
    if (known || attempt === undefined || attempt.outcome === 'done') return;
    const text = JSON.stringify(said.result ?? null);
    const small = text.length <= WORDS_MAX ? said : { bytes: Buffer.byteLength(text) };
    const at = this.#components.clock.now();
    const late = { token, agent: attempt.agent, at, ...small };
    if (task.apply({ type: 'late', late }))
      void this.#kept(() => this.#components.rows.put(task.row));
  }

  /** What a worker that was given up has done all the same is shown; or counts, where nobody else has it. */
  #askLater(task: LiveTask, road: Road, attempt: Attempt): void {
    const { token } = attempt;
    const name = { taskId: task.order.id, token };
    this.#life.after(LATE_MS, () => {
      road.follow(name, 0, true).then(
        (said) => {
          if (said.state === 'done') void this.#count(task, said, token);
          void road.end(name);
        },
        () => undefined,
      );
    });
  }

  /** A task that was with a peer's agent when this node ended. */
  async #resumed(task: LiveTask, attempt: Attempt): Promise<void> {
    const { membership } = this.#components;
    const [agent = '', node = ''] = attempt.agent.split('@');
    const principal = this.#components.principalOf(task.order);
    const name = { taskId: task.order.id, token: attempt.token };
    const patience = new AbortController();
    const cancel = this.#life.after(LEASE_MS, () => patience.abort());
    const isOpen = (): boolean => !this.#life.closed && WITH_AGENT.includes(task.row.state);
    while (isOpen() && !patience.signal.aborted) {
      const peer = membership.find(attempt.did);
      try {
        if (peer === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', node);
        const { submitter } = task.order;
        const releases = this.#releases;
        const road = peerRoad({ ...this.#components, peer, principal, agent, releases, submitter });
        const said = await road.follow(name, 0, true);
        cancel();
        if (!isOpen()) return;
        task.apply({ type: 'started', token: attempt.token });
        if (said.state === 'unknown') break;
        const isUnderWay = said.state === 'running' || said.state === 'asks';
        if (!isUnderWay) return await this.#settle(task, said, attempt.token);
        const view = { name: agent, node: peer.alias } as AgentView;
        return await this.#follow(task, { agent: view, road, attempt });
      } catch (error) {
        task.waitsFor = messageOf(error);
        await sleep(this.#life, RESUME_MS);
      }
    }
    if (isOpen()) await this.#settle(task, lost('the node was started again'), attempt.token);
  }

  /** Rejects when membership believes the peer to be gone. */
  #goneOf(peer: PeerId | undefined): {
    readonly gone: Promise<never>;
    readonly forget: () => void;
  } {
    if (peer === undefined) return { gone: new Promise(() => undefined), forget: () => undefined };
    const all = this.#watched.get(peer) ?? new Set();
    this.#watched.set(peer, all);
    let tell: (why: string) => void = () => undefined;
    const gone = new Promise<never>((_, reject) => {
      tell = (why) => reject(new StarlingError('STARLING_PEER_UNREACHABLE', why));
    });
    gone.catch(() => undefined);
    all.add(tell);
    const forget = (): void => {
      all.delete(tell);
      if (all.size === 0 && this.#watched.get(peer) === all) this.#watched.delete(peer);
    };
    return { gone, forget };
  }

  /** Writes until the disk takes it; false when the node ends before, or the task is over otherwise. */
  async #kept(write: () => Promise<void>): Promise<boolean> {
    for (let failures = 0; !this.#life.closed; failures += 1) {
      try {
        await write();
        return true;
      } catch (error) {
        // Another node has it, or its end is another one: that is heard of by its register.
        if (isPast(error)) return false;
        this.#components.logger.warn({ error: messageOf(error) }, 'a task could not be written');
        const pauseMs = backoffMs(failures, DISK_RETRY, this.#components.random);
        await sleep(this.#life, pauseMs);
      }
    }
    return false;
  }
}

/** Its node has said that it does not take the task. */
function isNo(error: unknown): boolean {
  const words: readonly unknown[] = ['unknown', 'stopped', 'stale', 'full'];
  return error instanceof StarlingError && words.includes(error.data['reason']);
}

/** What the worker is told besides the input: enough to tell one task, and one attempt of it, from others. */
function metadataOf({ order, row }: LiveTask, token: number): JsonObject {
  const attempt = row.attempts.length;
  return {
    ...(order.capability === undefined ? {} : { capability: order.capability }),
    task: {
      id: order.id,
      token,
      attempt,
      // The same for each attempt: whoever keeps what was done by it does nothing twice.
      idempotencyKey: order.id,
      ...(row.answers === undefined ? {} : { answers: { ...row.answers } }),
      priority: order.priority,
      deadline: new Date(order.expiresAt).toISOString(),
      ...(order.said === undefined ? {} : { message: order.said }),
    },
  };
}
