/**
 * The swarms that a node follows, and those that it only knows of. Which board goes by the id of a swarm that this node has a
 * part in stays so, whatever others call theirs; the edges of each are given as its board says, and a swarm that was
 * dissolved is forgotten in its time.
 */
import type { Fund, Funds } from '../budget/index.ts';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, Scope } from '../core/index.ts';
import type { Agents } from '../agents/index.ts';
import type { Blackboard, Board } from '../blackboard/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Membership } from '../membership/index.ts';
import { ownPrefix, readSwarm } from './board-rows.ts';
import { createEdges } from './edges.ts';
import type { Edges, EdgesComponents } from './edges.ts';
import { DISSOLVED_MAX, EDGES_AGAIN_MS, FORGET_AGAIN_MS, FORGET_MS } from './limits.ts';
import { unknownSwarm } from './swarm-errors.ts';
import type { Seat, Swarm } from './types.ts';

/** The rooms below. */
export interface FollowedComponents extends EdgesComponents {
  readonly agents: Pick<Agents, 'owns'>;
  readonly blackboard: Blackboard;
  /** Without them swarms have no budgets. */
  readonly funds?: Pick<Funds, 'counts' | 'end' | 'of' | 'share'>;
  readonly membership: Pick<Membership, 'events' | 'find'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A swarm and its board, for who works in it. */
export interface OpenSwarm {
  readonly swarm: Swarm;
  readonly board: Board;
}

/** Keys of what a swarm does and remembers, which changes nothing of who is in it. */
const OF_WORK = /^(?:memory\/|at\/[^/]+\/(?:log|plan\/))/u;
const PREFIX = 'swarm_';
const REF = 'swarm/';

/** A swarm that this node follows. */
interface Watched {
  readonly ref: string;
  readonly stop: () => void;
  /** Of one that was dissolved: ends the time until it is forgotten. */
  cancelForget?: () => void;
  /** Of such a one: forgets it at once. */
  forget?: () => void;
}

/** See the file. */
export class Followed {
  readonly #components: FollowedComponents;
  readonly #edges: Edges;
  /** By the id of the swarm. */
  readonly #watched = new Map<string, Watched>();
  /** Of swarms that have budgets: which, by whose word, and the agents of this node in them. */
  readonly #funded = new Map<
    string,
    { readonly fund: Fund; readonly by: Did; readonly agents: readonly string[] }
  >();
  /** One after the other: what edges there should be. */
  #turn: Promise<void> = Promise.resolve();
  readonly #toSettle = new Set<string>();
  #life: Scope;
  readonly #peerChanged = (): void => {
    for (const id of this.#watched.keys()) this.#settleSoon(id);
  };

  constructor(components: FollowedComponents) {
    this.#components = components;
    this.#edges = createEdges(components);
    this.#life = createScope(components.clock);
    this.#life.close();
  }

  /** Aborted when the node stops. */
  get signal(): AbortSignal {
    return this.#life.signal;
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
    await this.#turn;
  }

  /** Those that `principal` may see, the oldest first. */
  async all(principal: Principal): Promise<readonly OpenSwarm[]> {
    const { blackboard } = this.#components;
    const found: OpenSwarm[] = [];
    for (const name of blackboard.names().filter((one) => one.startsWith(PREFIX))) {
      const board = await blackboard.board(name);
      const swarm = readSwarm(board);
      if (swarm === undefined || this.#isOther(swarm)) continue;
      if (this.#maySee(principal, swarm)) found.push({ swarm, board });
    }
    return found.toSorted((one, other) => one.swarm.at - other.swarm.at);
  }

  /** By its id, or by its name where one goes by it. @throws STARLING_SWARM_UNKNOWN, STARLING_USAGE where several do */
  async find(principal: Principal, id: string): Promise<OpenSwarm> {
    const all = await this.all(principal);
    const named = all.filter(({ swarm }) => swarm.name === id);
    const live = named.filter(({ swarm }) => swarm.dissolvedAt === undefined);
    const found = this.#byId(all, id) ?? live[0] ?? named.at(-1);
    if (found === undefined) throw unknownSwarm(id);
    if (live.length < 2 || found.swarm.id === id) return found;
    throw new StarlingError('STARLING_USAGE', `several swarms are called '${id.slice(0, 64)}'`, {
      hint: `say which by its id: ${live.map(({ swarm }) => swarm.id).join(', ')}`,
    });
  }

  /** The one with this id; undefined where there is none that `principal` may see. @throws STARLING_SWARM_UNKNOWN */
  async withId(principal: Principal, id: string): Promise<OpenSwarm | undefined> {
    return id.startsWith(PREFIX) ? this.#byId(await this.all(principal), id) : undefined;
  }

  /** This node has a part in it. */
  has(swarmId: string): boolean {
    return this.#watched.has(swarmId);
  }

  /** Who made it at this node. */
  isOwner(principal: Principal, { creator, owner }: Swarm): boolean {
    return creator === this.#components.self && owner === keyOf(principal);
  }

  /** The id of the grant by which `from` may write to `to`, where this node has given it. */
  grantFor(swarmId: string, from: Seat, to: Seat): string | undefined {
    return this.#edges.grantFor(swarmId, from, to);
  }

  /**
   * This node has a part in the swarm: it is known after a restart, and followed.
   * @throws STARLING_SWARM_UNKNOWN where another one that is called so is followed
   */
  async keep(swarmId: string, creator: Did): Promise<void> {
    const ref = refOf(swarmId, creator);
    await this.#watch(swarmId, ref);
    const followed = this.#watched.get(swarmId)?.ref;
    if (followed !== undefined && followed !== ref) throw unknownSwarm(swarmId);
    await this.#components.table.put(REF + swarmId, Buffer.from(ref));
  }

  /** What edges there should be now, there are. @throws as the grants do */
  settle(swarmId: string): Promise<void> {
    const settled = this.#turn.then(async () => {
      this.#toSettle.delete(swarmId);
      const ref = this.#watched.get(swarmId)?.ref;
      if (ref === undefined || this.#life.closed) return;
      const { blackboard, self } = this.#components;
      const board = await blackboard.board(ref);
      const swarm = readSwarm(board);
      // A swarm that is gone, or that this node may write to no more, leaves no edge behind.
      const isOut =
        swarm === undefined ||
        (swarm.creator !== self && !board.may(self, 'write', `${ownPrefix(self)}log`));
      this.#keepFund(swarmId, isOut ? undefined : swarm);
      if (isOut) await this.#edges.drop(swarmId);
      else await this.#edges.settle(swarm);
      this.#forgetLater(swarmId, board);
    });
    this.#turn = settled.catch(() => undefined);
    return settled;
  }

  /** Ids of the budgets of swarms of which an agent of `principal` is a member. */
  budgetsOf(principal: Principal): readonly string[] {
    if (this.#funded.size === 0) return [];
    const { agents, funds } = this.#components;
    return [...this.#funded.values()]
      .filter((one) => one.agents.some((agent) => agents.owns(principal, agent)))
      .flatMap(({ by, fund }) => fund.budgets.filter((id) => funds?.counts(id, by) === true));
  }

  #keepFund(swarmId: string, swarm: Swarm | undefined): void {
    const { self } = this.#components;
    const own = swarm?.seats.filter(({ did, joined }) => did === self && joined) ?? [];
    this.#funded.delete(swarmId);
    if (swarm?.fund === undefined || swarm.dissolvedAt !== undefined || own.length === 0) return;
    const agents = own.map(({ agent }) => agent);
    this.#funded.set(swarmId, { fund: swarm.fund, by: swarm.creator, agents });
  }

  /** The operator, who made it, and whose agents are in it: whom somebody has only named has no part in it. */
  #maySee(principal: Principal, swarm: Swarm): boolean {
    const { agents, self } = this.#components;
    if (principal.kind === 'operator' || this.isOwner(principal, swarm)) return true;
    return swarm.seats.some(
      ({ agent, did, joined }) => joined && did === self && agents.owns(principal, agent),
    );
  }

  /** Anybody can call a board like a swarm of another node: the one that this node follows counts. */
  #isOther({ creator, id }: Swarm): boolean {
    const ref = this.#watched.get(id)?.ref;
    return ref !== undefined && ref !== refOf(id, creator);
  }

  /** This node's own, else the only one. @throws STARLING_SWARM_UNKNOWN where there are several */
  #byId(all: readonly OpenSwarm[], id: string): OpenSwarm | undefined {
    const byId = all.filter(({ swarm }) => swarm.id === id);
    const own = byId.find(({ swarm }) => swarm.creator === this.#components.self);
    if (own === undefined && byId.length > 1) throw unknownSwarm(id);
    return own ?? byId[0];
  }

  async #watch(swarmId: string, ref: string): Promise<void> {
    if (this.#watched.has(swarmId) || this.#life.closed) return;
    const board = await this.#components.blackboard.board(ref);
    if (this.#watched.has(swarmId) || this.#life.closed) return;
    const stop = board.watch((changes) => {
      const isOfMembers = changes.some(({ key }) => !OF_WORK.test(key));
      if (isOfMembers) this.#settleSoon(swarmId);
    });
    this.#watched.set(swarmId, { ref, stop });
    this.#forgetLater(swarmId, board);
  }

  /** Where it was dissolved: in its time, and before where too many were. */
  #forgetLater(swarmId: string, board: Board): void {
    const { clock } = this.#components;
    const end = readSwarm(board)?.dissolvedAt;
    const watched = this.#watched.get(swarmId);
    if (end === undefined || watched === undefined || watched.forget !== undefined) return;
    watched.forget = () => this.#forget(swarmId, watched, board);
    watched.cancelForget = this.#life.after(
      Math.max(0, end + FORGET_MS - clock.now()),
      watched.forget,
    );
    const over = [...this.#watched.values()].filter(({ forget }) => forget !== undefined);
    if (over.length > DISSOLVED_MAX) over[0]?.forget?.();
  }

  #forget(swarmId: string, watched: Watched, board: Board): void {
    watched.cancelForget?.();
    this.#turn = this.#turn
      .then(async () => {
        if (this.#watched.get(swarmId) !== watched) return;
        await this.#edges.drop(swarmId);
        if (board.info().createdBy === this.#components.self) await board.drop();
        await this.#components.table.delete(REF + swarmId);
        watched.stop();
        this.#watched.delete(swarmId);
      })
      .catch((error: unknown) => {
        const { logger } = this.#components;
        logger.warn({ swarmId, error: messageOf(error) }, 'a swarm was not forgotten');
        if (this.#life.closed) return;
        watched.cancelForget = this.#life.after(FORGET_AGAIN_MS, () => watched.forget?.());
      });
  }

  #settleSoon(swarmId: string): void {
    if (this.#toSettle.has(swarmId) || this.#life.closed) return;
    this.#toSettle.add(swarmId);
    this.settle(swarmId).catch((error: unknown) => {
      const { logger } = this.#components;
      logger.warn({ swarmId, error: messageOf(error) }, 'edges of a swarm were not given');
      this.#life.after(EDGES_AGAIN_MS, () => this.#settleSoon(swarmId));
    });
  }
}

function refOf(swarmId: string, creator: Did): string {
  return `${swarmId}@${creator.slice('did:key:'.length)}`;
}
