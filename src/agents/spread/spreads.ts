/**
 * Agents that are spread over several nodes: spread and ended by the operator of a node, looked after by one of the nodes
 * that have the board which the configuration names, and run in parts by the nodes that let these spawn them.
 */
import { StarlingError, createScope, sleep, unawaited } from '../../core/index.ts';
import type { Clock, Did, Health, JsonObject, Logger, Scope, Startable } from '../../core/index.ts';
import { leaseLasts } from '../../blackboard/index.ts';
import type { Blackboard } from '../../blackboard/index.ts';
import type { Config } from '../../config/index.ts';
import type { PeerToolCall } from '../../gateway/index.ts';
import { OPERATOR } from '../../guard/index.ts';
import type { Guard, Principal } from '../../guard/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Membership, PeerAspect, PeerView } from '../../membership/index.ts';
import { createSpreadProofs } from '../directory/spread-proof.ts';
import type { SpreadProofs } from '../directory/spread-proof.ts';
import { PARENT_LOOK_MS, PART_TIMEOUT_MS } from '../limits.ts';
import type { AgentSpreadResult, PartView, SpreadView } from '../types.ts';
import { orderOf } from './order.ts';
import type { SpreadInit } from './order.ts';
import { OwnEnds } from './own-end.ts';
import { Parent } from './parent.ts';
import type { ParentComponents } from './parent.ts';
import { createParts } from './parts.ts';
import type { PartCall, Parts, PartsComponents } from './parts.ts';
import { readPartView } from './read-part-view.ts';
import { SpreadBoard } from './rows.ts';
import type { SpreadRow } from './rows.ts';
import { isThere, viewOf } from './views.ts';

/** What spread agents stand on. */
export interface SpreadsComponents {
  readonly runs: PartsComponents['runs'];
  readonly guard: () => Pick<Guard, 'decide'>;
  readonly blackboard: Pick<Blackboard, 'board'>;
  readonly membership: Pick<Membership, 'events' | 'find' | 'resolve'>;
  /** Calls a tool of a peer's built-in server. */
  readonly callPeer: (peer: PeerView, call: PeerToolCall) => Promise<JsonObject>;
  /** `agents` of the configuration as it is now. */
  readonly config: () => Pick<Config['agents'], 'kinds' | 'spread'>;
  readonly signer: Signer;
  readonly self: { readonly name: string; readonly did: Did };
  readonly health: Health;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The spread agents that a node knows of. */
export interface Spreads extends Startable {
  /**
   * Spreads an agent over nodes.
   * @throws STARLING_CALL_REFUSED to whoever is not the operator, STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_PEER_UNKNOWN,
   * STARLING_NO_QUORUM, …
   */
  spread(principal: Principal, init: SpreadInit, signal: AbortSignal): Promise<AgentSpreadResult>;
  /** Has all parts ended; false where none is spread under that name. @throws as {@link Spreads.spread} */
  end(principal: Principal, name: string): Promise<boolean>;
  /** What a parent wants of this node. @throws as `Parts.obey` */
  obey(parent: Did, call: PartCall): Promise<PartView>;
  /** The guard may decide otherwise now: ends parts that may not be here any more. */
  recheck(): Promise<void>;
  /** The kind that a proof speaks of; undefined for what is none. */
  kindIn(proof: string): string | undefined;
  /** Undefined where none is spread under that name, as far as this node knows. */
  view(name: string): SpreadView | undefined;
}

const TRIES = 3;
/** Between looks while somebody waits for the parts to be there. */
const WAIT_STEP_MS = 500;

/** Makes the spread agents of a node. */
export function createSpreads(components: SpreadsComponents): Spreads {
  return new NodeSpreads(components);
}

class NodeSpreads implements Spreads {
  readonly #components: SpreadsComponents;
  readonly #proofs: SpreadProofs;
  readonly #parts: Parts;
  readonly #parents = new Map<string, Parent>();
  readonly #ownEnds: OwnEnds;
  #board: SpreadBoard | undefined;
  #scope: Scope | undefined;
  #isLooking = false;
  #isWaiting = false;
  readonly #peerChanged = (
    _: PeerView,
    before: PeerView | undefined,
    what: ReadonlySet<PeerAspect>,
  ): void => {
    if (before === undefined || what.has('state')) this.#lookSoon();
  };

  constructor(components: SpreadsComponents) {
    this.#components = components;
    this.#ownEnds = new OwnEnds({ ...components, ...this.#nodes() });
    this.#proofs = createSpreadProofs();
    this.#parts = createParts({
      ...components,
      proofs: this.#proofs,
      lease: (agent) => this.#board?.readLease(agent),
    });
  }

  async start(): Promise<void> {
    if (this.#components.config().spread === undefined) return;
    this.#scope = createScope(this.#components.clock);
    await this.#open();
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    this.#isLooking = false;
    this.#isWaiting = false;
    await Promise.all([...this.#parents.values()].map((parent) => parent.stop()));
    this.#parents.clear();
    this.#board = undefined;
  }

  /** The board may come from another node a while after this one has started. */
  async #open(): Promise<void> {
    const { blackboard, config, health, logger, membership } = this.#components;
    const scope = this.#scope;
    const { spread } = config();
    if (scope === undefined || spread === undefined || this.#board !== undefined) return;
    const board = await blackboard.board(spread.board);
    if (scope.closed || this.#board !== undefined) return;
    if (!board.isStrong) {
      this.#tellNoBoard(spread.board);
      if (this.#isWaiting) return;
      this.#isWaiting = true;
      scope.after(PARENT_LOOK_MS, () => {
        this.#isWaiting = false;
        unawaited(this.#open(), logger, 'the board of spread agents was not opened');
      });
      return;
    }
    health.clear(NO_BOARD);
    this.#board = new SpreadBoard(board, this.#proofs);
    scope.add(this.#board.watch((name) => this.#heard(name)));
    membership.events.on('change', this.#peerChanged);
    scope.add(() => membership.events.off('change', this.#peerChanged));
    for (const name of this.#board.names()) this.#parentOf(name);
    this.#lookSoon();
  }

  obey(parent: Did, call: PartCall): Promise<PartView> {
    return this.#parts.obey(parent, call);
  }

  recheck(): Promise<void> {
    return this.#parts.recheck();
  }

  kindIn(proof: string): string | undefined {
    return this.#proofs.read(proof)?.kind;
  }

  async spread(
    principal: Principal,
    init: SpreadInit,
    signal: AbortSignal,
  ): Promise<AgentSpreadResult> {
    requireOperator(principal);
    const board = await this.#usable();
    const name = init.name ?? init.kind;
    const row = orderOf(this.#components, name, init);
    const { row: before, version } = await board.read(name);
    this.#requireEnded(before, row);
    const isFree = before === undefined || before.ended !== undefined;
    if (!isFree || (await board.write(name, row, version)) === undefined) throw alreadySpread(name);
    const parent = this.#parentOf(name);
    parent.heard();
    await this.#settled(name, init.waitMs, signal);
    const view = this.view(name) ?? this.#viewOf(name, row);
    return { agentId: name, status: isThere(view) ? 'running' : 'starting', ...view };
  }

  /** A node that has not ended its former part yet ends it for the new one, or has to do so first. @throws STARLING_AGENT_TAKEN */
  #requireEnded(before: SpreadRow | undefined, { claims }: SpreadRow): void {
    const { done = [] } = before?.ended ?? {};
    const left = before?.ended === undefined ? [] : before.claims.on;
    const open = left.filter((node) => !done.includes(node) && !claims.on.includes(node));
    if (open.length === 0) return;
    const { membership } = this.#components;
    const names = open.map((node) => membership.find(node)?.alias ?? node).join(', ');
    throw new StarlingError('STARLING_AGENT_TAKEN', `'${claims.agent}' has not ended on ${names}`, {
      hint: 'take another name, spread it over these nodes as well, or wait until they are back',
      data: { agentId: claims.agent, reason: 'taken' },
    });
  }

  async end(principal: Principal, name: string): Promise<boolean> {
    // The board may have come a moment ago: what is spread is not to be taken for an agent of this node alone.
    await this.#open();
    const board = this.#board;
    if (board?.known(name) === undefined) return false;
    requireOperator(principal);
    for (let left = TRIES; left > 0; left -= 1) {
      const { row, version } = await board.read(name);
      if (row === undefined || row.ended?.how === 'stopped') return row !== undefined;
      const done = row.ended?.done ?? [];
      const next: SpreadRow = { ...row, ended: { how: 'stopped', done } };
      if ((await board.write(name, next, version)) === undefined) continue;
      const parent = this.#parentOf(name);
      parent.heard();
      await parent.look();
      return true;
    }
    throw new StarlingError('STARLING_BOARD_CONFLICT', `'${name}' changes all the time`, {
      hint: 'try again',
    });
  }

  view(name: string): SpreadView | undefined {
    const row = this.#parents.get(name)?.facts.row ?? this.#board?.known(name);
    return row === undefined ? undefined : this.#viewOf(name, row);
  }

  #viewOf(name: string, row: SpreadRow): SpreadView {
    const { clock, membership, self } = this.#components;
    const lease = this.#board?.leaseOf(name);
    const isHeld = lease !== undefined && leaseLasts(lease, clock.now());
    return viewOf(row, {
      facts: this.#parents.get(name)?.facts,
      lease: isHeld ? lease : undefined,
      self: self.name,
      nameOf: (did) => (did === self.did ? self.name : (membership.find(did)?.alias ?? did)),
    });
  }

  /** Resolves when each part is ready, or the time is over. */
  async #settled(name: string, waitMs: number, signal: AbortSignal): Promise<void> {
    // Steps are counted: a clock that is set anew makes nobody wait for longer.
    for (let leftMs = waitMs; ; leftMs -= WAIT_STEP_MS) {
      await this.#parents.get(name)?.look();
      const view = this.view(name);
      const scope = this.#scope;
      if (view !== undefined && isThere(view)) return;
      if (leftMs <= 0 || signal.aborted || scope === undefined) return;
      await sleep(scope, Math.min(WAIT_STEP_MS, leftMs));
    }
  }

  /** The board, where the configuration names one and it is there. @throws STARLING_USAGE */
  async #usable(): Promise<SpreadBoard> {
    // The configuration may name one since a moment.
    if (this.#scope === undefined) await this.start();
    else await this.#open();
    if (this.#board !== undefined) return this.#board;
    const { spread } = this.#components.config();
    const name = spread?.board ?? 'spreads';
    throw new StarlingError(
      'STARLING_USAGE',
      spread === undefined
        ? 'this node spreads no agents: its config file names no board for them'
        : `this node spreads no agents: '${name}' is no strong board`,
      {
        hint: `name a strong board in its config file, "agents": { "spread": { "board": "${name}" } }, and make it: starling board create ${name} --strong`,
      },
    );
  }

  #tellNoBoard(board: string): void {
    this.#components.health.raise({
      code: NO_BOARD,
      text: `agents can't be spread over nodes: '${board}' (agents.spread.board) is no strong board here`,
      hint: `make it: starling board create ${board} --strong`,
    });
  }

  #parentOf(name: string): Parent {
    const known = this.#parents.get(name);
    if (known !== undefined) return known;
    const board = this.#board;
    if (board === undefined) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    const { clock, logger, self } = this.#components;
    const parent = new Parent({ board, self, ...this.#nodes(), clock, logger }, name);
    this.#parents.set(name, parent);
    return parent;
  }

  #nodes(): Pick<ParentComponents, 'ask' | 'isThere'> {
    const { membership } = this.#components;
    return {
      ask: (node, call) => this.#ask(node, call),
      isThere: (node) => membership.find(node)?.state === 'alive',
    };
  }

  async #ask(node: Did, call: PartCall): Promise<PartView> {
    const { callPeer, membership, self } = this.#components;
    if (node === self.did) return this.#parts.obey(self.did, call);
    const peer = membership.find(node);
    if (peer === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', `${node} is no peer`);
    const answer = await callPeer(peer, {
      tool: 'agent_part',
      args: { ...call },
      principal: OPERATOR,
      timeoutMs: PART_TIMEOUT_MS,
    });
    return readPartView(answer);
  }

  #heard(name: string): void {
    if (this.#board === undefined) return;
    this.#parentOf(name).heard();
    this.#lookSoon();
  }

  /** Looks now, and from then on at intervals as long as there is something to look after. */
  #lookSoon(): void {
    const { logger } = this.#components;
    for (const [name, parent] of this.#parents) {
      unawaited(this.#lookAt(name, parent), logger, 'a spread agent was not looked after');
    }
    const scope = this.#scope;
    if (scope === undefined || this.#isLooking || this.#parents.size === 0) return;
    this.#isLooking = true;
    scope.after(PARENT_LOOK_MS, () => {
      this.#isLooking = false;
      this.#lookSoon();
    });
  }

  async #lookAt(name: string, parent: Parent): Promise<void> {
    await parent.look();
    const isParent = parent.facts.token !== undefined;
    if (this.#board !== undefined) await this.#ownEnds.look(this.#board, name, { isParent });
    const view = this.view(name);
    this.#tell(name, view);
    if (view !== undefined || this.#board === undefined || this.#parents.get(name) !== parent)
      return;
    this.#parents.delete(name);
    await parent.stop();
  }

  /** What was given up, or has no part that its nodes let run, is said by `status` of each node that looks after it. */
  #tell(name: string, view: SpreadView | undefined): void {
    const { health } = this.#components;
    const code = `agent-spread:${name}`;
    if (view?.ended === 'failed') {
      health.raise({
        code,
        text: `the agent '${name}' was given up on all its nodes: ${view.error ?? 'it ended too often'}`,
        hint: `see why on its nodes (starling agent logs ${name}), then spread it anew, or end it: starling agent stop ${name}`,
      });
    } else if (view?.ended === undefined && view?.without !== undefined) {
      const nodes = view.without.map(({ node, reason }) => `${node}: ${reason}`).join('; ');
      health.raise({
        code,
        text: `the agent '${name}' has no part on some of its nodes: ${nodes}`,
        hint: `see where it is: starling agent info ${name}`,
      });
    } else health.clear(code);
  }
}

const NO_BOARD = 'agents-spread-board';

/** @throws STARLING_CALL_REFUSED */
function requireOperator(principal: Principal): void {
  if (principal.kind === 'operator') return;
  throw new StarlingError('STARLING_CALL_REFUSED', 'only the operator spreads agents over nodes', {
    hint: 'spawn it on this node alone, without `on`',
    data: { reason: 'refused' },
  });
}

function alreadySpread(name: string): StarlingError {
  return new StarlingError('STARLING_AGENT_TAKEN', `the agent '${name}' is spread already`, {
    hint: `take another name, or stop it first: starling agent stop ${name}`,
    data: { agentId: name, reason: 'taken' },
  });
}
