/** A task is offered to one agent: the lease is on the disk first, and what the attempt costs is held. */
import type { Funds } from '../../budget/index.ts';
import { StarlingError, isObject, unawaited } from '../../core/index.ts';
import type { Clock, Json, JsonObject, Logger, Scope } from '../../core/index.ts';
import type { Agents, AgentView } from '../../agents/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { LiveTask } from '../life/live-task.ts';
import type { TaskRows } from '../rows.ts';
import type { Work } from '../worker/work-types.ts';
import type { AttemptGroups } from './attempt-groups.ts';
import type { Taken } from './following.ts';
import type { Releases } from './releases.ts';
import { localRoad, peerRoad } from './roads.ts';
import type { CallPeer, Road } from './roads.ts';

/** The rooms and roads that an offer takes. */
export interface OffersComponents {
  readonly self: { readonly name: string; readonly did: string };
  readonly agents: Pick<Agents, 'ownerOf' | 'requireTask'>;
  readonly work: Work;
  readonly rows: Pick<TaskRows, 'put'>;
  readonly membership: Pick<Membership, 'byAlias'>;
  readonly callPeer: CallPeer;
  /** How far a peer is trusted. */
  zoneOf(this: void, peer: PeerView): Zone;
  /** Holds what attempts of tasks cost; without it they cost nothing. */
  readonly funds?: Pick<Funds, 'hold'> | undefined;
  readonly clock: Clock;
  readonly releases: Releases;
  readonly groups: AttemptGroups;
  readonly logger: Logger;
  /** All that is under way; another one after each start. */
  life(this: void): Scope;
}

/** To whom a task is offered, and what with. */
export interface Given {
  readonly agent: AgentView;
  readonly principal: Principal;
  readonly input: Json;
}

/** See the file. */
export class Offers {
  readonly #components: OffersComponents;

  constructor(components: OffersComponents) {
    this.#components = components;
  }

  /**
   * The lease is on the disk before the agent hears of it. An attempt costs one call of the task's budgets; where one has no
   * room, the task waits for that. @throws what is said against it
   */
  async give(task: LiveTask, given: Given): Promise<Taken | undefined> {
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

  async #begin(task: LiveTask, { agent, principal, input }: Given): Promise<Taken | undefined> {
    const { agents, clock, logger, rows } = this.#components;
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
    // A task whose time is over has ended by then: a clock that says so was set forward.
    const timeoutMs = expiresAt > at ? Math.min(attemptMs, expiresAt - at) : attemptMs;
    const metadata = metadataOf(task, token);
    const { taint } = task.order;
    const init = { taskId: id, token, input, timeoutMs, metadata, taint };
    const begun = await road.begin(init).catch((error: unknown) => {
      // Where its node has not said no, it may have begun all the same.
      if (!isNo(error)) {
        const name = { taskId: id, token };
        unawaited(road.end(name), logger, 'a worker was not told that its task is over', name);
      }
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

  #roadTo(
    { name, node }: Pick<AgentView, 'name' | 'node'>,
    principal: Principal,
    { order, session }: LiveTask,
  ): Road {
    const { callPeer, groups, membership, releases, self, work, zoneOf } = this.#components;
    if (node === self.name) {
      return localRoad(work, {
        principal,
        agent: name,
        session,
        signal: this.#components.life().signal,
      });
    }
    const peer = membership.byAlias(node);
    if (peer !== undefined) {
      const { submitter } = order;
      const whose = { peer, principal, agent: name, submitter, zone: zoneOf(peer) };
      return peerRoad({ ...whose, callPeer, groups, releases });
    }
    throw new StarlingError('STARLING_PEER_UNREACHABLE', `no peer is called ${node} any more`);
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
  const said = order.said?.['metadata'];
  const a2a = isObject(said) ? said['a2a'] : undefined;
  return {
    ...(order.capability === undefined ? {} : { capability: order.capability }),
    // The ids of a message that came by A2A are where they are of any other.
    ...(isObject(a2a) ? { a2a } : {}),
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
