/**
 * The swarms that a node knows: agents, here and at peers, that work together. A swarm is a board that its creator makes
 * and every node with a member has; so it goes on without any one of them. The creator, and the coordinators that it has
 * named, name the members, the node of each agrees, and the topology is the grants of `edges.ts`.
 */
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Json, Logger, Random, Scope, Startable } from '../core/index.ts';
import { labelOf, parseAddress, waitForNews } from '../agents/index.ts';
import type { Agents, Runs } from '../agents/index.ts';
import type { Blackboard, Board } from '../blackboard/index.ts';
import { keyOf, nameOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import {
  END_KEY,
  SWARM_KEY,
  joinedKey,
  logKey,
  ownPrefix,
  planKey,
  readLogs,
  readPlans,
  readSwarm,
  seatKey,
} from './board-rows.ts';
import { createEdges, isGone } from './edges.ts';
import type { Edges, EdgesComponents } from './edges.ts';
import {
  EDGES_AGAIN_MS,
  FORGET_MS,
  LOG_MAX,
  OPERATIONS_MAX,
  SWARMS_MAX,
  SWARM_AGENTS,
  THRESHOLD,
} from './limits.ts';
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
  unknownSwarm,
} from './swarm-errors.ts';
import type {
  LogLine,
  PlanRow,
  Seat,
  Swarm,
  SwarmInitResult,
  SwarmListResult,
  SwarmRow,
  SwarmStatusResult,
} from './types.ts';

/** The rooms below. */
export interface SwarmsComponents extends EdgesComponents, MembersComponents {
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

/** A swarm and its board, for who works in it. */
export interface OpenSwarm {
  readonly swarm: Swarm;
  readonly board: Board;
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
  /** @throws STARLING_SWARM_UNKNOWN, also for one that `principal` may not see */
  status(principal: Principal, id: string, wait?: SwarmWait): Promise<SwarmStatusResult>;
  list(principal: Principal): Promise<SwarmListResult>;
  /** For who is to work in it. @throws STARLING_SWARM_UNKNOWN, STARLING_SWARM_REFUSED where it was dissolved */
  open(principal: Principal, id: string): Promise<OpenSwarm>;
  /** A swarm that this node knows, dissolved or not. @throws STARLING_SWARM_UNKNOWN */
  find(id: string): Promise<Swarm>;
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
  plans(swarmId: string): Promise<readonly (PlanRow & { readonly did: Did })[]>;
}

const PREFIX = 'swarm_';
const REF = 'swarm/';
/** Plans of one node that its board keeps. */
const PLANS_KEPT = 16;

/** Makes the swarms of a node. */
export function createSwarms(components: SwarmsComponents): Swarms {
  return new NodeSwarms(components);
}

class NodeSwarms implements Swarms {
  readonly #components: SwarmsComponents;
  readonly #edges: Edges;
  /** Boards that are watched, by the id of the swarm. */
  readonly #watched = new Map<string, { readonly ref: string; readonly stop: () => void }>();
  readonly #wakers = new Map<string, Set<() => void>>();
  readonly #operations = new Map<string, number>();
  /** One after the other: what edges there should be, and what is written to a log. */
  #turn: Promise<void> = Promise.resolve();
  #toSettle = new Set<string>();
  #life: Scope;
  readonly #peerChanged = (): void => {
    for (const id of this.#watched.keys()) this.#settleSoon(id);
  };

  constructor(components: SwarmsComponents) {
    this.#components = components;
    this.#edges = createEdges(components);
    this.#life = createScope(components.clock);
    this.#life.close();
  }

  async start(): Promise<void> {
    this.#life = createScope(this.#components.clock);
    await this.#edges.load();
    for await (const [key, bytes] of this.#components.table.entries(REF)) {
      await this.#watch(key.slice(REF.length), Buffer.from(bytes).toString('utf8'));
    }
    for (const id of this.#edges.swarms()) this.#settleSoon(id);
    this.#components.membership.events.on('change', this.#peerChanged);
  }

  async stop(): Promise<void> {
    this.#components.membership.events.off('change', this.#peerChanged);
    this.#life.close();
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
    for (const wakers of this.#wakers.values()) for (const wake of wakers) wake();
    await this.#turn;
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
    const row: SwarmRow = {
      id,
      name,
      topology,
      maxAgents,
      threshold,
      owner: keyOf(principal),
      at: clock.now(),
    };
    const board = await blackboard.board(id);
    await board.create({ open: false, signed: true });
    await board.set(SWARM_KEY, { ...row });
    for (const [order, seat] of wanted.entries()) {
      await this.#seat(board, { ...seat, order }, { principal, signal });
    }
    await this.#keep(id, node.did);
    await this.#settle(id);
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
    if (swarm.creator === node.did || (names && known === undefined)) {
      if (known === undefined && swarm.seats.length >= swarm.maxAgents) throw fullSwarm(swarm);
      const order = known?.order ?? Math.max(-1, ...swarm.seats.map((one) => one.order)) + 1;
      const role = member.role ?? known?.role ?? seat.role;
      const { signal } = this.#life;
      await this.#seat(board, { ...seat, role, order }, { principal, signal });
    } else {
      if (known === undefined) throw notInvited(swarm, seat.agent);
      if (principal.kind !== 'operator') throw notByOperator(swarm);
      if (seat.did !== node.did) throw notHere(swarm, 'changes its members');
      await board.set(joinedKey(seat), { at: this.#components.clock.now() });
    }
    await this.#keep(swarm.id, swarm.creator);
    await this.#settle(swarm.id);
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
    await this.#settle(swarm.id);
    return this.status(principal, id);
  }

  async dissolve(principal: Principal, id: string): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.#find(principal, id);
    const { node, clock } = this.#components;
    if (swarm.creator !== node.did) throw notHere(swarm, 'dissolves it');
    this.#checkOwner(principal, swarm, undefined);
    if (swarm.dissolvedAt === undefined) await board.set(END_KEY, { at: clock.now() });
    await this.#settle(swarm.id);
    return this.#statusOf(swarm.id);
  }

  async status(principal: Principal, id: string, wait?: SwarmWait): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.#find(principal, id);
    if (wait !== undefined && board.digest() === wait.seen) {
      const wakers = this.#wakers.get(swarm.id) ?? new Set();
      this.#wakers.set(swarm.id, wakers);
      await this.#watch(swarm.id, refOf(swarm.id, swarm.creator));
      if (board.digest() === wait.seen) await waitForNews(wakers, this.#components.clock, wait);
    }
    return this.#statusOf(swarm.id);
  }

  async list(principal: Principal): Promise<SwarmListResult> {
    const all = await this.#all(principal);
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

  async open(principal: Principal, id: string): Promise<OpenSwarm> {
    const found = await this.#find(principal, id);
    if (found.swarm.dissolvedAt === undefined) return found;
    throw refusedSwarm(id, 'dissolved', `the swarm ${found.swarm.name} was dissolved`);
  }

  async find(id: string): Promise<Swarm> {
    return (await this.#known(id)).swarm;
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

  async log(swarmId: string): Promise<readonly LogLine[]> {
    const { board } = await this.#known(swarmId);
    const entry = board.get(logKey(this.#components.node.did));
    return Array.isArray(entry?.value) ? entry.value : [];
  }

  record(swarmId: string, line: LogLine): Promise<void> {
    const write = async (): Promise<void> => {
      const { board } = await this.#known(swarmId);
      const lines = [...(await this.log(swarmId)), line].slice(-LOG_MAX);
      await board.set(logKey(this.#components.node.did), lines as unknown as Json);
    };
    const written = this.#turn.then(write);
    this.#turn = written.catch(() => undefined);
    return written;
  }

  async show(swarmId: string, plan: PlanRow): Promise<void> {
    const { board } = await this.#known(swarmId);
    const { did } = this.#components.node;
    await board.set(planKey(did, plan.taskId), plan as unknown as Json);
    const own = readPlans(board).filter((one) => one.did === did);
    const old = own.toSorted((one, other) => other.at - one.at).slice(PLANS_KEPT);
    for (const { taskId } of old) await board.delete(planKey(did, taskId));
  }

  async plans(swarmId: string): Promise<readonly (PlanRow & { readonly did: Did })[]> {
    return readPlans((await this.#known(swarmId)).board);
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
    if (did !== node.did) await giveRights(board, did);
    if (did === node.did) await board.set(joinedKey({ agent, did }), { at: clock.now() });
  }

  async #checkRoom(principal: Principal, name: string): Promise<void> {
    const all = await this.#all({ kind: 'operator' });
    if (all.some(({ swarm }) => swarm.name === name && swarm.dissolvedAt === undefined)) {
      throw new StarlingError('STARLING_SWARM_REFUSED', `there is a swarm '${name}' already`, {
        hint: 'take another name, or end that one: starling swarm dissolve <id>',
        data: { reason: 'taken', swarmId: name },
      });
    }
    if (all.length < SWARMS_MAX) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${nameOf(principal)} wants one more swarm than the ${SWARMS_MAX} that a node may know`,
      {
        hint: 'end some: starling swarm dissolve <id>',
        data: { reason: 'full', limit: SWARMS_MAX },
      },
    );
  }

  /** Who may say of a swarm, or of an agent in it, what is to be. @throws STARLING_SWARM_REFUSED */
  #checkOwner(principal: Principal, swarm: Swarm, agent: string | undefined): void {
    const { agents } = this.#components;
    if (principal.kind === 'operator' || this.#isOwner(principal, swarm)) return;
    if (agent !== undefined && agents.owns(principal, agent)) return;
    throw refusedSwarm(swarm.id, 'owner', `the swarm ${swarm.name} is not the caller's`, {
      hint: 'whoever made it, and the operator, may do that',
    });
  }

  #isOwner(principal: Principal, { creator, owner }: Swarm): boolean {
    return creator === this.#components.node.did && owner === keyOf(principal);
  }

  /** The operator, who made it, and whose agents are in it. */
  #maySee(principal: Principal, swarm: Swarm): boolean {
    const { agents, node } = this.#components;
    if (principal.kind === 'operator' || this.#isOwner(principal, swarm)) return true;
    return swarm.seats.some(({ agent, did }) => did === node.did && agents.owns(principal, agent));
  }

  async #all(principal: Principal): Promise<readonly OpenSwarm[]> {
    const { blackboard } = this.#components;
    const found: OpenSwarm[] = [];
    for (const name of blackboard.names().filter((one) => one.startsWith(PREFIX))) {
      const board = await blackboard.board(name);
      const swarm = readSwarm(board);
      if (swarm !== undefined && this.#maySee(principal, swarm)) found.push({ swarm, board });
    }
    return found.toSorted((one, other) => one.swarm.at - other.swarm.at);
  }

  /** By its id, or by its name where one goes by it. @throws STARLING_SWARM_UNKNOWN */
  async #find(principal: Principal, id: string): Promise<OpenSwarm> {
    const all = await this.#all(principal);
    const named = all.filter(({ swarm }) => swarm.name === id);
    const live = named.filter(({ swarm }) => swarm.dissolvedAt === undefined);
    const found = this.#byId(all, id) ?? live[0] ?? named.at(-1);
    if (found === undefined) throw unknownSwarm(id);
    if (live.length < 2 || found.swarm.id === id) return found;
    throw new StarlingError('STARLING_USAGE', `several swarms are called '${id.slice(0, 64)}'`, {
      hint: `say which by its id: ${live.map(({ swarm }) => swarm.id).join(', ')}`,
    });
  }

  /**
   * Anybody can call a board like a swarm of another node: this node's own counts, else the one that it follows, else the
   * only one.
   */
  #byId(all: readonly OpenSwarm[], id: string): OpenSwarm | undefined {
    const byId = all.filter(({ swarm }) => swarm.id === id);
    const ref = this.#watched.get(id)?.ref;
    const found =
      byId.find(({ swarm }) => swarm.creator === this.#components.node.did) ??
      byId.find(({ swarm }) => refOf(id, swarm.creator) === ref);
    if (found !== undefined || byId.length === 0) return found;
    if (byId.length === 1 && ref === undefined) return byId[0];
    throw unknownSwarm(id);
  }

  async #known(swarmId: string): Promise<OpenSwarm> {
    return this.#find({ kind: 'operator' }, swarmId);
  }

  async #statusOf(id: string): Promise<SwarmStatusResult> {
    const { swarm, board } = await this.#known(id);
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
      grantFor: (from, to) => this.#edges.grantFor(id, from, to),
      operations: this.#operations.get(id) ?? 0,
      createdBy: this.#nodeOf(swarm.creator),
      version: board.digest(),
    });
  }

  #nodeOf(did: Did): string {
    const { membership, node } = this.#components;
    return did === node.did ? node.name : (membership.find(did)?.alias ?? did);
  }

  /** This node has a part in the swarm: it is known after a restart, and followed. */
  async #keep(swarmId: string, creator: Did): Promise<void> {
    const ref = refOf(swarmId, creator);
    await this.#components.table.put(REF + swarmId, Buffer.from(ref));
    await this.#watch(swarmId, ref);
  }

  async #watch(swarmId: string, ref: string): Promise<void> {
    if (this.#watched.has(swarmId) || this.#life.closed) return;
    const board = await this.#components.blackboard.board(ref);
    if (this.#watched.has(swarmId) || this.#life.closed) return;
    const stop = board.watch((changes) => {
      for (const wake of this.#wakers.get(swarmId) ?? []) wake();
      const isOfMembers = changes.some(({ key }) => !/^at\/[^/]+\/(?:log|plan\/)/u.test(key));
      if (isOfMembers) this.#settleSoon(swarmId);
    });
    this.#watched.set(swarmId, { ref, stop });
    const end = readSwarm(board)?.dissolvedAt;
    if (end !== undefined && end + FORGET_MS < this.#components.clock.now())
      await this.#forget(swarmId, board);
  }

  async #forget(swarmId: string, board: Board): Promise<void> {
    await this.#edges.drop(swarmId);
    if (board.info().createdBy === this.#components.node.did) await board.drop();
    await this.#components.table.delete(REF + swarmId);
    this.#watched.get(swarmId)?.stop();
    this.#watched.delete(swarmId);
    this.#wakers.delete(swarmId);
  }

  #settleSoon(swarmId: string): void {
    if (this.#toSettle.has(swarmId) || this.#life.closed) return;
    this.#toSettle.add(swarmId);
    this.#settle(swarmId).catch((error: unknown) => {
      const { logger } = this.#components;
      logger.warn({ swarmId, error: messageOf(error) }, 'edges of a swarm were not given');
      this.#life.after(EDGES_AGAIN_MS, () => this.#settleSoon(swarmId));
    });
  }

  /** What edges there should be now, there are. @throws as the grants do */
  #settle(swarmId: string): Promise<void> {
    const settled = this.#turn.then(async () => {
      this.#toSettle.delete(swarmId);
      const ref = this.#watched.get(swarmId)?.ref;
      if (ref === undefined || this.#life.closed) return;
      const board = await this.#components.blackboard.board(ref);
      const swarm = readSwarm(board);
      const { did } = this.#components.node;
      // A swarm that is gone, or that this node may write to no more, leaves no edge behind.
      const isOut =
        swarm === undefined ||
        (swarm.creator !== did && !board.may(did, 'write', `${ownPrefix(did)}log`));
      if (isOut) await this.#edges.drop(swarmId);
      else await this.#edges.settle(swarm);
    });
    this.#turn = settled.catch(() => undefined);
    return settled;
  }
}

/** The node that made the swarm names its members; so does the operator of one with a coordinator whom that one named. */
function mayName({ creator, deputies }: Swarm, self: Did, principal: Principal): boolean {
  return creator === self || (principal.kind === 'operator' && deputies.includes(self));
}

/**
 * A node may write of its own agents; one with a coordinator named by the creator may let others see the board, too.
 * What it may no more is taken back. At a node that may give rights.
 */
async function giveRights(board: Board, did: Did): Promise<void> {
  const swarm = readSwarm(board);
  const seats = (swarm?.seats ?? []).filter((seat) => seat.did === did);
  const namer = swarm?.creator;
  const leads = seats.some(
    (seat) => seat.role === 'coordinator' && board.get(seatKey(seat))?.by === namer,
  );
  const isOver = seats.length === 0 && board.may(did, 'write', `${ownPrefix(did)}log`);
  const leadsNoMore = !leads && board.may(did, 'admin');
  if (did !== namer && (isOver || leadsNoMore)) await board.revoke(did);
  if (seats.length === 0) return;
  if (leads && !board.may(did, 'admin')) await board.grant({ to: did, ability: 'admin' });
  if (!board.may(did, 'write', `${ownPrefix(did)}log`)) {
    await board.grant({ to: did, ability: 'write', prefix: ownPrefix(did) });
  }
}

function refOf(swarmId: string, creator: Did): string {
  return `${swarmId}@${creator.slice('did:key:'.length)}`;
}

function stateOf({ dissolvedAt, seats }: Swarm): SwarmStatusResult['status'] {
  if (dissolvedAt !== undefined) return 'dissolved';
  return seats.some(({ joined }) => joined) ? 'active' : 'incomplete';
}
