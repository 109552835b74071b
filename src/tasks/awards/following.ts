/** Attempts that agents have: each is followed to its end, also after a start of the node, and what it asks is kept and answered. */
import { StarlingError, messageOf, sleep, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import type { AgentView } from '../../agents/index.ts';
import type { Principal, Taint, Zone } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { LiveTask } from '../life/live-task.ts';
import { WITH_AGENT } from '../life/machine.ts';
import { LATE_MS, LEASE_MS } from '../limits.ts';
import type { TaskRows } from '../rows.ts';
import type { Attempt, Outcome, TaskOrder, TaskQuestion } from '../types.ts';
import type { AttemptName } from '../worker/work-types.ts';
import type { AgentLoads } from './agent-loads.ts';
import type { AttemptGroups } from './attempt-groups.ts';
import type { Outcomes } from './outcomes.ts';
import type { Releases } from './releases.ts';
import { followToEnd, lost, peerRoad } from './roads.ts';
import type { CallPeer, Road } from './roads.ts';

/** Between words to a worker's node of what its agent has asked. */
const ANSWER_AGAIN_MS = 1000;
/** Between looks for the node of a worker after a start. */
const RESUME_MS = 500;

/** The rooms and roads that following takes. */
export interface FollowingComponents {
  readonly membership: Pick<Membership, 'byAlias' | 'find'>;
  readonly callPeer: CallPeer;
  readonly rows: Pick<TaskRows, 'put'>;
  readonly clock: Clock;
  /** By whose right a task is done. */
  principalOf(order: TaskOrder): Principal;
  /** How far a peer is trusted. */
  zoneOf(this: void, peer: PeerView): Zone;
  readonly outcomes: Outcomes;
  readonly releases: Releases;
  readonly groups: AttemptGroups;
  readonly loads: AgentLoads;
  readonly logger: Logger;
  /** All that is under way; another one after each start. */
  life(this: void): Scope;
  /** An attempt waits for somebody and is in nobody's way, or does so no more. */
  paused(this: void, isOn: boolean): void;
}

/** An attempt that an agent has, and the road to it. */
export interface Taken {
  readonly agent: AgentView;
  readonly road: Road;
  readonly attempt: Attempt;
  /** What its node said when it began. */
  readonly begun?: Outcome;
}

/** See the file. */
export class Following {
  readonly #components: FollowingComponents;
  /** Who waits for the end of a peer. */
  readonly #watched = new Map<PeerId, Set<(why: string) => void>>();

  constructor(components: FollowingComponents) {
    this.#components = components;
  }

  /** A peer is gone, and what its agents had is lost. */
  peerGone({ alias, peerId }: PeerView): void {
    for (const tell of this.#watched.get(peerId) ?? []) tell(`${alias} is gone`);
  }

  async follow(task: LiveTask, { agent, road, attempt, begun }: Taken): Promise<void> {
    const { logger } = this.#components;
    const { token } = attempt;
    const name = { taskId: task.order.id, token };
    let isStopped = false;
    task.stopWork = () => {
      isStopped = true;
      unawaited(road.end(name), logger, 'a worker was not told that its task is over', name);
    };
    const life = this.#components.life();
    const isOver = (): boolean => isStopped || life.closed;
    const peer = this.#components.membership.byAlias(agent.node);
    const { gone, forget } = this.#goneOf(peer?.peerId);
    const pauses = this.#pausesOf(task, road, attempt);
    this.#components.loads.count(attempt.agent, 1);
    const final = await followToEnd(road, {
      name,
      begun,
      isOver,
      gone,
      heard: (progress, taint) => {
        task.apply({ type: 'progressed', token, progress, taint });
      },
      paused: pauses.set,
      clock: this.#components.clock,
      timeoutMs: task.order.attemptMs,
    });
    forget();
    pauses.end();
    this.#components.loads.count(attempt.agent, -1);
    if (final === undefined || isOver()) return;
    task.stopWork = undefined;
    await this.#components.outcomes.settle(task, final, token);
    if (final.state === 'failed' && !final.answered) this.#askLater(task, road, attempt);
    else road.release(name);
  }

  /** An attempt that waits for somebody: on the disk, told what is known, and in nobody's way. */
  #pausesOf(
    task: LiveTask,
    road: Road,
    { agent: endpoint, token }: Attempt,
  ): {
    readonly set: (question: TaskQuestion | undefined, taint: Taint | undefined) => void;
    readonly end: () => void;
  } {
    let isPaused = false;
    const turn = (on: boolean): void => {
      if (isPaused === on) return;
      isPaused = on;
      this.#components.loads.count(endpoint, on ? -1 : 1);
      this.#components.paused(on);
    };
    const { logger, outcomes, rows } = this.#components;
    const keep = (): void => {
      const kept = outcomes.kept(() => rows.put(task.row));
      unawaited(kept, logger, 'a pause of a task was not written', { task: task.order.id });
    };
    const answer = (): void => {
      const { answers = {}, order, question, state } = task.row;
      const key = question?.key ?? '';
      if (state !== 'input_required' || task.row.token !== token) return;
      const known = question?.kind === 'input' ? answers[key] : undefined;
      if (known === undefined) return;
      road.answer({ taskId: order.id, token, key, answer: known }).catch(() => {
        if (isPaused) this.#components.life().after(ANSWER_AGAIN_MS, answer);
      });
    };
    task.tellAnswer = answer;
    return {
      set: (question, taint) => {
        if (question === undefined) {
          turn(false);
          if (task.apply({ type: 'told', token })) keep();
        } else if (task.apply({ type: 'asked', token, question, taint })) {
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

  /** What a worker that was given up has done all the same is shown; or counts, where nobody else has it. */
  #askLater(task: LiveTask, road: Road, attempt: Attempt): void {
    const { token } = attempt;
    const name = { taskId: task.order.id, token };
    const { life, logger } = this.#components;
    life().after(LATE_MS, () =>
      unawaited(this.#takeLate(task, road, name), logger, 'a late result was not taken', name),
    );
  }

  async #takeLate(task: LiveTask, road: Road, name: AttemptName): Promise<void> {
    const { logger, outcomes } = this.#components;
    let said: Outcome;
    try {
      said = await road.follow(name, 0, true);
    } catch (error) {
      logger.debug({ ...name, error: messageOf(error) }, 'a worker that was given up says nothing');
      return;
    }
    await Promise.all([
      said.state === 'done' ? outcomes.count(task, said, name.token) : undefined,
      road.end(name),
    ]);
  }

  /** A task that was with a peer's agent when this node ended. */
  async resume(task: LiveTask, attempt: Attempt): Promise<void> {
    const { membership } = this.#components;
    const [agent = '', node = ''] = attempt.agent.split('@');
    const principal = this.#components.principalOf(task.order);
    const name = { taskId: task.order.id, token: attempt.token };
    const patience = new AbortController();
    const cancel = this.#components.life().after(LEASE_MS, () => patience.abort());
    const isOpen = (): boolean =>
      !this.#components.life().closed && WITH_AGENT.includes(task.row.state);
    while (isOpen() && !patience.signal.aborted) {
      const peer = membership.find(attempt.did);
      try {
        if (peer === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', node);
        const { submitter } = task.order;
        const zone = this.#components.zoneOf(peer);
        const road = peerRoad({ ...this.#components, peer, principal, agent, submitter, zone });
        const said = await road.follow(name, 0, true);
        cancel();
        if (!isOpen()) return;
        task.apply({ type: 'started', token: attempt.token });
        if (said.state === 'unknown') break;
        const isUnderWay = said.state === 'running' || said.state === 'asks';
        if (!isUnderWay) return await this.#components.outcomes.settle(task, said, attempt.token);
        const view = { name: agent, node: peer.alias } as AgentView;
        return await this.follow(task, { agent: view, road, attempt });
      } catch (error) {
        task.waitsFor = messageOf(error);
        await sleep(this.#components.life(), RESUME_MS);
      }
    }
    if (isOpen())
      await this.#components.outcomes.settle(
        task,
        lost('the node was started again'),
        attempt.token,
      );
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
}
