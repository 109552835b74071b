/**
 * The swarms that a node knows: agents, here and at peers, that work together. A swarm is a board that its creator makes
 * and every node with a member has; so it goes on without any one of them. The creator, and the coordinators that it has
 * named, name the members, the node of each agrees, and the topology is the grants of `edges.ts`.
 */
import { StarlingError, isObject } from '../core/index.ts';
import type { Clock, Did, Json, Logger, Random, Startable } from '../core/index.ts';
import { labelOf, parseAddress, waitForNews } from '../agents/index.ts';
import type { Agents, Runs } from '../agents/index.ts';
import type { Blackboard, Board } from '../blackboard/index.ts';
import { goneOf, keyOf, nameOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import { giveRights } from './board-rights.ts';
import {
  END_KEY,
  MEMORY_PREFIX,
  SWARM_KEY,
  joinedKey,
  readLogs,
  readPlans,
  readSwarm,
  seatKey,
} from './board-rows.ts';
import { isGone } from './edges.ts';
import { Followed } from './followed.ts';
import type { FollowedComponents, OpenSwarm } from './followed.ts';
import { OPERATIONS_MAX, SWARMS_MAX, SWARM_AGENTS, THRESHOLD } from './limits.ts';
import { checkInit, wantedMembers } from './members.ts';
import type { MemberInit, MembersComponents, SwarmInit, Wanted } from './members.ts';
import { statusOf } from './status.ts';
import {
  busySwarm,
  fullSwarm,
  notByOperator,
  notHere,
  notInvited,
  refusedSwarm,
} from './swarm-errors.ts';
import { TaskNotes } from './task-notes.ts';
import type {
  LogLine,
  PlanOfNode,
  PlanRow,
  Seat,
  Swarm,
  SwarmInitResult,
  SwarmListResult,
  SwarmRow,
  SwarmStatusResult,
} from './types.ts';

/** The rooms below. */
export interface SwarmsComponents extends FollowedComponents, MembersComponents {
  readonly agents: Pick<Agents, 'list' | 'owns'>;
  readonly runs: Pick<Runs, 'spawn'>;
  readonly blackboard: Blackboard;
  readonly membership: Pick<Membership, 'byAlias' | 'events' | 'find'>;
  readonly node: { readonly name: string; readonly did: Did };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long a look waits for a change. */
export interface SwarmWait {
  /** That of the answer before. */
  readonly seen: string;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What a swarm remembers: keys below a prefix of its board. */
export interface SwarmMemory {
  readonly board: Board;
  readonly prefix: string;
}

/** The swarms of a node. */
export interface Swarms extends Startable {
  /** @throws STARLING_USAGE, STARLING_AGENT_UNKNOWN, STARLING_SWARM_REFUSED, STARLING_LIMIT_EXCEEDED, … */
  init(principal: Principal, init: SwarmInit, signal: AbortSignal): Promise<SwarmInitResult>;
  /**
   * At the creator's node, or at that of a coordinator who has agreed: names a member. At the member's node: agrees.
   * @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED, STARLING_AGENT_UNKNOWN
   */
  join(principal: Principal, id: string, member: MemberInit): Promise<SwarmStatusResult>;
  /** @throws STARLING_SWARM_UNKNOWN, STARLING_AGENT_UNKNOWN, STARLING_SWARM_REFUSED */
  leave(principal: Principal, id: string, agent: string): Promise<SwarmStatusResult>;
  /** Whether one more agent of this node could be named. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED */
  checkPlace(principal: Principal, id: string): Promise<void>;
  /** Ends it everywhere. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED away from its creator's node */
  dissolve(principal: Principal, id: string): Promise<SwarmStatusResult>;
  /**
   * An agent of this node retires: it leaves its swarms, and those that it has made are the operator's, so that whoever
   * takes its name has no place in them. @throws as boards do
   */
  retired(agent: string, principal: Extract<Principal, { kind: 'client' }>): Promise<void>;
  /** @throws STARLING_SWARM_UNKNOWN, also for one that `principal` may not see */
  status(principal: Principal, id: string, wait?: SwarmWait): Promise<SwarmStatusResult>;
  list(principal: Principal): Promise<SwarmListResult>;
  /** Where a swarm of this id remembers; undefined where there is none that `principal` may see. @throws STARLING_SWARM_UNKNOWN */
  memory(principal: Principal, id: string): Promise<SwarmMemory | undefined>;
  /** For who is to work in it. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED where it was dissolved */
  open(principal: Principal, id: string): Promise<OpenSwarm>;
  /** A swarm that this node knows, dissolved or not. @throws STARLING_SWARM_UNKNOWN */
  find(id: string): Promise<Swarm>;
  /** Ids of the budgets of swarms of which an agent of `principal` is a member. */
  budgetsOf(principal: Principal): readonly string[];
  /** `<agent>@<node>` of a member, as this node calls it. */
  endpointOf(seat: Pick<Seat, 'agent' | 'did'>): string;
  /** Takes note of operations that begin; gives what ends them. @throws STARLING_SWARM_BUSY */
  begin(swarmId: string, agentId?: string, count?: number): () => void;
  /** How the tasks of a swarm went that this node gave, the oldest first. */
  log(swarmId: string): Promise<readonly LogLine[]>;
  /** Tells the other nodes how a task went. Rejects as boards do. */
  record(swarmId: string, line: LogLine): Promise<void>;
  /** Tells the other nodes what this one has under way. Rejects as boards do. */
  show(swarmId: string, plan: PlanRow): Promise<void>;
  /** Plans of all nodes, as their boards say. */
  plans(swarmId: string): Promise<readonly PlanOfNode[]>;
}

/** Makes the swarms of a node. */
export function createSwarms(components: SwarmsComponents): Swarms {
  return new NodeSwarms(components);
}

class NodeSwarms implements Swarms {
  readonly #components: SwarmsComponents;
  readonly #followed: Followed;
  /** Ends the looks that wait. */
  readonly #looks = new Set<() => void>();
  readonly #operations = new Map<string, number>();
  readonly #notes: TaskNotes;

  constructor(components: SwarmsComponents) {
    this.#components = components;
    this.#followed = new Followed(components);
    const boardOf = async (id: string): Promise<Board> => (await this.#known(id)).board;
    this.#notes = new TaskNotes(components.node.did, boardOf);
  }

  start(): Promise<void> {
    return this.#followed.start();
  }

  async stop(): Promise<void> {
    await this.#followed.stop();
    for (const wake of this.#looks) wake();
    await this.#notes.settled();
    this.#operations.clear();
  }

  async init(principal: Principal, init: SwarmInit, signal: AbortSignal): Promise<SwarmInitResult> {
    const { blackboard, clock, node, random } = this.#components;
    const { topology, members, maxAgents = SWARM_AGENTS, threshold = THRESHOLD } = init;
    const id = labelOf('swarm', clock.now(), random);
    const name = init.name ?? id;
    checkInit(init, { name, maxAgents });
    await this.#checkRoom(principal, name);
    const { wanted, lacking } = await wantedMembers(this.#components, principal, members, id);
    const fund = await this.#components.funds?.of(principal, init.budget, `swarm:${id}`);
    const row: SwarmRow = {
      id,
      name,
      topology,
      maxAgents,
      threshold,
      owner: keyOf(principal),
      ...(fund === undefined ? {} : { fund }),
      at: clock.now(),
    };
    try {
      const board = await blackboard.board(id);
      await board.create({ open: false, signed: true });
      await board.set(SWARM_KEY, { ...row } as unknown as Json);
      for (const [order, seat] of wanted.entries()) {
        await this.#seat(board, { ...seat, order }, { principal, signal });
      }
      await this.#followed.keep(id, node.did);
      await this.#followed.settle(id);
    } catch (error) {
      this.#components.funds?.end(fund);
      throw error;
    }
    await this.#followed.keep(id, node.did);
    await this.#followed.settle(id);
    const status = await this.status(principal, id);
    return lacking.length === 0 ? status : { ...status, lacking };
  }

  async join(principal: Principal, id: string, member: MemberInit): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.open(principal, id);
    const { node } = this.#components;
    const address = parseAddress(member.agent ?? '');
    const isHere = address.node === undefined || address.node === node.name;
    const names = mayName(swarm, node.did, principal);
    if (!names && !isHere) throw notHere(swarm, 'names its members');
    const { wanted } = await wantedMembers(this.#components, principal, [member], swarm.id);
    const [seat] = wanted;
    if (seat === undefined) return this.status(principal, id);
    const known = swarm.seats.find(({ agent, did }) => agent === seat.agent && did === seat.did);
    if (names && (known === undefined || member.role !== undefined)) {
      this.#checkOwner(principal, swarm, undefined);
    }
    await this.#followed.keep(swarm.id, swarm.creator);
    if (swarm.creator === node.did || (names && known === undefined)) {
      if (known === undefined && swarm.seats.length >= swarm.maxAgents) throw fullSwarm(swarm);
      const order = known?.order ?? Math.max(-1, ...swarm.seats.map((one) => one.order)) + 1;
      const role = member.role ?? known?.role ?? seat.role;
      const { signal } = this.#followed;
      await this.#seat(board, { ...seat, role, order }, { principal, signal });
    } else {
      if (known === undefined) throw notInvited(swarm, seat.agent);
      if (principal.kind !== 'operator') throw notByOperator(swarm);
      if (seat.did !== node.did) throw notHere(swarm, 'changes its members');
      await board.set(joinedKey(seat), { at: this.#components.clock.now() });
    }
    await this.#followed.settle(swarm.id);
    return this.status(principal, id);
  }

  async checkPlace(principal: Principal, id: string): Promise<void> {
    const { swarm } = await this.open(principal, id);
    if (!mayName(swarm, this.#components.node.did, principal)) {
      throw notHere(swarm, 'names its members');
    }
    this.#checkOwner(principal, swarm, undefined);
    if (swarm.seats.length >= swarm.maxAgents) throw fullSwarm(swarm);
  }

  async leave(principal: Principal, id: string, agent: string): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.open(principal, id);
    const { node } = this.#components;
    const seat = swarm.seats.find((one) => [one.agent, this.endpointOf(one)].includes(agent));
    if (seat === undefined) throw notInvited(swarm, agent);
    const isCreator = swarm.creator === node.did;
    const isNamer = isCreator || board.get(seatKey(seat))?.by === node.did;
    if (seat.did !== node.did && !isNamer) throw notHere(swarm, 'names its members');
    this.#checkOwner(principal, swarm, seat.agent);
    if (seat.did === node.did) await board.delete(joinedKey(seat));
    if (isNamer) await board.delete(seatKey(seat));
    if (isCreator) await giveRights(board, seat.did);
    await this.#followed.settle(swarm.id);
    return this.status(principal, id);
  }

  async retired(agent: string, principal: Extract<Principal, { kind: 'client' }>): Promise<void> {
    const { node } = this.#components;
    for (const { swarm, board } of await this.#followed.all({ kind: 'operator' })) {
      const isCreator = swarm.creator === node.did;
      const seat = swarm.seats.find((one) => one.agent === agent && one.did === node.did);
      const isOwner = this.#followed.isOwner(principal, swarm);
      if (isOwner) await board.set(SWARM_KEY, ownedBy(board, keyOf(goneOf(principal))));
      if (seat === undefined && !isOwner) continue;
      // What this node may not write any more has no effect here either.
      const mayLeave = seat?.joined === true && board.may(node.did, 'write', joinedKey(seat));
      if (mayLeave) await board.delete(joinedKey(seat));
      if (seat !== undefined && isCreator) await board.delete(seatKey(seat));
      await this.#followed.settle(swarm.id);
    }
  }

  async dissolve(principal: Principal, id: string): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.#followed.find(principal, id);
    const { node, clock } = this.#components;
    if (swarm.creator !== node.did) throw notHere(swarm, 'dissolves it');
    this.#checkOwner(principal, swarm, undefined);
    if (swarm.dissolvedAt === undefined) await board.set(END_KEY, { at: clock.now() });
    this.#components.funds?.end(swarm.fund);
    await this.#followed.settle(swarm.id);
    return this.#statusOf({ swarm, board });
  }

  async status(principal: Principal, id: string, wait?: SwarmWait): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.#followed.find(principal, id);
    if (wait !== undefined) await this.#newsOf(board, wait);
    return this.#statusOf({ swarm, board });
  }

  async list(principal: Principal): Promise<SwarmListResult> {
    const all = await this.#followed.all(principal);
    return {
      swarms: all.map(({ swarm }) => ({
        swarmId: swarm.id,
        name: swarm.name,
        topology: swarm.topology,
        agents: swarm.seats.filter(({ joined }) => joined).length,
        status: stateOf(swarm),
        createdBy: this.#nodeOf(swarm.creator),
      })),
    };
  }

  async memory(principal: Principal, id: string): Promise<SwarmMemory | undefined> {
    const found = await this.#followed.withId(principal, id);
    return found && { board: found.board, prefix: MEMORY_PREFIX };
  }

  async open(principal: Principal, id: string): Promise<OpenSwarm> {
    const found = await this.#followed.find(principal, id);
    if (found.swarm.dissolvedAt === undefined) return found;
    throw refusedSwarm(id, 'dissolved', `the swarm ${found.swarm.name} was dissolved`);
  }

  async find(id: string): Promise<Swarm> {
    return (await this.#known(id)).swarm;
  }

  budgetsOf(principal: Principal): readonly string[] {
    return this.#followed.budgetsOf(principal);
  }

  endpointOf({ agent, did }: Pick<Seat, 'agent' | 'did'>): string {
    return `${agent}@${this.#nodeOf(did)}`;
  }

  begin(swarmId: string, agentId?: string, count = 1): () => void {
    const now = this.#operations.get(swarmId) ?? 0;
    if (now + count > OPERATIONS_MAX) throw busySwarm(swarmId, agentId);
    this.#operations.set(swarmId, now + count);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (this.#operations.get(swarmId) ?? count) - count;
      if (left <= 0) this.#operations.delete(swarmId);
      else this.#operations.set(swarmId, left);
    };
  }

  log(swarmId: string): Promise<readonly LogLine[]> {
    return this.#notes.log(swarmId);
  }

  record(swarmId: string, line: LogLine): Promise<void> {
    return this.#notes.record(swarmId, line);
  }

  show(swarmId: string, plan: PlanRow): Promise<void> {
    return this.#notes.show(swarmId, plan);
  }

  plans(swarmId: string): Promise<readonly PlanOfNode[]> {
    return this.#notes.plans(swarmId);
  }

  /** Names a member; the node of an agent of its own agrees at once, and another one is let see the board. */
  async #seat(
    board: Board,
    { agent, did, kind, role, order, isNew }: Wanted & { readonly order: number },
    { principal, signal }: { readonly principal: Principal; readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, node, runs } = this.#components;
    if (isNew) await runs.spawn(principal, { kind, name: agent, waitMs: 0 }, signal);
    await board.set(seatKey({ agent, did }), { kind, role, order });
    if (did !== node.did) {
      await giveRights(board, did);
      const fund = readSwarm(board)?.fund;
      if (fund !== undefined) await this.#components.funds?.share(fund, did);
    }
    if (did === node.did) await board.set(joinedKey({ agent, did }), { at: clock.now() });
  }

  async #newsOf(board: Board, wait: SwarmWait): Promise<void> {
    const wakers = new Set<() => void>();
    const wake = (): void => {
      for (const one of wakers) one();
    };
    const unwatch = board.watch(wake);
    this.#looks.add(wake);
    try {
      if (board.digest() === wait.seen) await waitForNews(wakers, this.#components.clock, wait);
    } finally {
      unwatch();
      this.#looks.delete(wake);
    }
  }

  #known(swarmId: string): Promise<OpenSwarm> {
    return this.#followed.find({ kind: 'operator' }, swarmId);
  }

  async #checkRoom(principal: Principal, name: string): Promise<void> {
    const all = await this.#followed.all({ kind: 'operator' });
    if (all.some(({ swarm }) => swarm.name === name && swarm.dissolvedAt === undefined)) {
      throw new StarlingError('STARLING_SWARM_REFUSED', `there is a swarm '${name}' already`, {
        hint: `take another name, or end that one: starling swarm dissolve ${name}`,
        data: { reason: 'taken', swarmId: name },
      });
    }
    const live = all.filter(
      ({ swarm }) => swarm.dissolvedAt === undefined && this.#followed.has(swarm.id),
    );
    if (live.length < SWARMS_MAX) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${nameOf(principal)} wants one more swarm than the ${SWARMS_MAX} that a node may know`,
      {
        hint: 'end some: starling swarm dissolve <swarm>; which there are: starling swarm list',
        data: { reason: 'full', limit: SWARMS_MAX },
      },
    );
  }

  /** Who may say of a swarm, or of an agent in it, what is to be. @throws STARLING_SWARM_REFUSED */
  #checkOwner(principal: Principal, swarm: Swarm, agent: string | undefined): void {
    const { agents } = this.#components;
    if (principal.kind === 'operator' || this.#followed.isOwner(principal, swarm)) return;
    if (agent !== undefined && agents.owns(principal, agent)) return;
    throw refusedSwarm(swarm.id, 'owner', `the swarm ${swarm.name} is not the caller's`, {
      hint: 'whoever made it, and the operator, may do that',
    });
  }

  async #statusOf({ swarm: known, board }: OpenSwarm): Promise<SwarmStatusResult> {
    const swarm = readSwarm(board) ?? known;
    const { id } = swarm;
    const { agents } = this.#components;
    const listed = await agents.list({ kind: 'operator' }, {});
    return statusOf({
      swarm,
      state: stateOf(swarm),
      agents: listed.agents,
      logs: readLogs(board),
      plans: readPlans(board),
      endpointOf: (seat) => this.endpointOf(seat),
      isGone: ({ did }) => isGone(this.#components.membership.find(did)),
      grantFor: (from, to) => this.#followed.grantFor(id, from, to),
      operations: this.#operations.get(id) ?? 0,
      createdBy: this.#nodeOf(swarm.creator),
      version: board.digest(),
    });
  }

  #nodeOf(did: Did): string {
    const { membership, node } = this.#components;
    return did === node.did ? node.name : (membership.find(did)?.alias ?? did);
  }
}

/** The row of a swarm with another owner. */
function ownedBy(board: Board, owner: string): Json {
  const row = board.get(SWARM_KEY)?.value;
  return { ...(isObject(row) ? row : {}), owner };
}

/** The node that made the swarm names its members; so does the operator of one with a coordinator whom that one named. */
function mayName({ creator, deputies }: Swarm, self: Did, principal: Principal): boolean {
  return creator === self || (principal.kind === 'operator' && deputies.includes(self));
}

function stateOf({ dissolvedAt, seats }: Swarm): SwarmStatusResult['status'] {
  if (dissolvedAt !== undefined) return 'dissolved';
  return seats.some(({ joined }) => joined) ? 'active' : 'incomplete';
}
