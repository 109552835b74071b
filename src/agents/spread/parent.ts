/**
 * The parent of one spread agent, as a node that may be it lives it: it waits until nobody has the lease, takes it, and
 * looks after the parts as long as it has it. What it does next `plan.ts` says; what it did is on the board before it does
 * more, so that the next parent goes on there.
 *
 *     waiting → taking → parent ⇄ looking
 *                ↑                   │ not renewed in time, or the row was changed by another
 *                └───────────────────┘
 */
import { StarlingError, leftMs, messageOf, settledWithin } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import { leaseLasts } from '../../blackboard/index.ts';
import {
  PARENT_LEASE_MS,
  PARENT_LOOK_MS,
  PARENT_MARGIN_MS,
  PARENT_RANK_MS,
  PART_COOL_MS,
  PART_LOST_MS,
} from '../limits.ts';
import type { PartView } from '../types.ts';
import type { PartCall } from './parts.ts';
import { afterSeen, placed, renewed, sharesIn } from './plan.ts';
import type { Seen, Share } from './plan.ts';
import type { PartRow, SpreadBoard, SpreadRow } from './rows.ts';

/** What a parent works with. */
export interface ParentComponents {
  readonly board: SpreadBoard;
  readonly self: { readonly did: Did };
  /** Has a node do something with its part. @throws what that node says, or STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  ask(node: Did, call: PartCall): Promise<PartView>;
  /** Whether a node is there, as far as this one knows. */
  isThere(node: Did): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a parent knows that is on no board. */
export interface ParentFacts {
  /** The token of the lease; undefined for a node that is not the parent. */
  readonly token: number | undefined;
  /** What it has written last: the board tells its own node of that a moment later. */
  readonly row: SpreadRow | undefined;
  /** By node, as it was seen last. */
  readonly views: ReadonlyMap<Did, PartView>;
  /** Why a node has no part. */
  readonly without: ReadonlyMap<Did, string>;
}

/** Looks after one spread agent, where nobody else does. */
export class Parent {
  readonly #components: ParentComponents;
  readonly #name: string;
  /** When the last lease was asked for that was given, and its token. */
  #held: { readonly token: number; readonly askedAt: number } | undefined;
  #row: { readonly row: SpreadRow; readonly version: number } | undefined;
  #views = new Map<Did, PartView>();
  /** By node, the share that it was told of by this parent. */
  readonly #told = new Map<Did, string>();
  /** Since when a node is away. */
  readonly #away = new Map<Did, number>();
  /** Until when a node is not asked, and why. */
  readonly #cool = new Map<Did, { readonly until: number; readonly why: string }>();
  /** Nodes that may have a part which they are to have no more. */
  #surplus = new Set<Did>();
  #holding: Promise<boolean> | undefined;
  #looking: Promise<void> | undefined;
  #isStale = false;
  #isStopped = false;

  constructor(components: ParentComponents, name: string) {
    this.#components = components;
    this.#name = name;
  }

  get facts(): ParentFacts {
    const without = new Map([...this.#cool].map(([node, { why }]) => [node, why]));
    for (const node of this.#away.keys()) without.set(node, AWAY);
    const isParent = this.#isParent();
    return {
      token: isParent ? this.#held?.token : undefined,
      row: isParent ? this.#row?.row : undefined,
      views: this.#views,
      without,
    };
  }

  /** Renews the lease, or takes it where nobody has it, and then looks once where it does not look already. Never rejects. */
  async look(): Promise<void> {
    this.#holding ??= this.#hold().finally(() => {
      this.#holding = undefined;
    });
    if (!(await this.#holding)) return;
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  /** The row is another one: it is read anew before the next look, where it was not this node that has written it. */
  heard(): void {
    const version = this.#components.board.versionOf(this.#name);
    this.#isStale ||= version === undefined || version !== this.#row?.version;
  }

  /** Looks no more; a lease that it has is given back, so that another node need not wait for its end. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const { board, clock, self, logger } = this.#components;
    if (this.#looking !== undefined) await settledWithin(STOP_MS, this.#looking, clock);
    if (!this.#isParent()) return;
    this.#held = undefined;
    const released = board.release(this.#name, self.did).catch((error: unknown) => {
      logger.debug({ agent: this.#name, error: messageOf(error) }, 'a lease was not given back');
    });
    // Where no majority is there, the lease ends by itself.
    await settledWithin(STOP_MS, released, clock);
  }

  /** Whether this node is the parent now. Never rejects. */
  async #hold(): Promise<boolean> {
    const { board, clock, logger, self } = this.#components;
    const askedAt = clock.now();
    const isHeld = this.#isParent();
    if (this.#isStopped || (!isHeld && !this.#mayTry(askedAt))) return false;
    if (isHeld && askedAt - (this.#held?.askedAt ?? 0) < PARENT_LOOK_MS) return true;
    try {
      const lease = await board.lease(this.#name, self.did);
      if (!lease.isOwn) {
        this.#held = undefined;
        return false;
      }
      if (lease.token !== this.#held?.token) this.#begins();
      this.#held = { token: lease.token, askedAt };
    } catch (error) {
      // What it has holds until it ends.
      logger.debug({ agent: this.#name, error: messageOf(error) }, 'no lease of a spread agent');
    }
    return this.#isParent();
  }

  /** What a former parent has done is on the board alone. */
  #begins(): void {
    this.#row = undefined;
    this.#views = new Map();
    this.#told.clear();
    this.#cool.clear();
    this.#surplus = new Set(this.#components.board.known(this.#name)?.claims.on);
  }

  /** Its own end of the lease comes before that of the board. A clock that was set back says nothing of its age. */
  #isParent(): boolean {
    if (this.#held === undefined) return false;
    const ageMs = this.#components.clock.now() - this.#held.askedAt;
    return ageMs >= 0 && ageMs < PARENT_LEASE_MS - PARENT_MARGIN_MS;
  }

  /** Nobody has the lease, as far as is known here; those who come first for it have had their time. */
  #mayTry(now: number): boolean {
    const { board, self } = this.#components;
    const row = board.known(this.#name);
    if (row === undefined) return false;
    const { iss, on } = row.claims;
    const isDone = row.ended?.how === 'failed' && row.ended.done.length === on.length;
    const rank = [...new Set([iss, ...on])].indexOf(self.did);
    if (isDone || rank < 0) return false;
    const lease = board.leaseOf(this.#name);
    if (lease?.holder === self.did) return true;
    const until = (lease?.until ?? row.terms.at) + rank * PARENT_RANK_MS;
    return !leaseLasts({ until }, now);
  }

  async #lookNow(): Promise<void> {
    const { board, logger } = this.#components;
    try {
      if (this.#row === undefined || this.#isStale) {
        this.#isStale = false;
        const { row, version } = await board.read(this.#name);
        if (row === undefined) return;
        this.#row = { row, version };
      }
      const { row } = this.#row;
      if (row.ended === undefined) await this.#lookAfter(row);
      else await this.#endAll(row);
    } catch (error) {
      this.#row = undefined;
      const fields = { agent: this.#name, error: messageOf(error) };
      logger.debug(fields, 'a spread agent could not be looked after');
    }
  }

  /** @throws where somebody else has written meanwhile, or the lease is over: then nothing more is done */
  async #keep(row: SpreadRow): Promise<SpreadRow> {
    const before = this.#row;
    if (before === undefined || !this.#isParent()) throw new Error('the lease is over');
    if (before.row === row) return row;
    const version = await this.#components.board.write(this.#name, row, before.version);
    if (version === undefined) throw new Error('another node has come between');
    this.#row = { row, version };
    return row;
  }

  async #lookAfter(known: SpreadRow): Promise<void> {
    this.#lookAround(known);
    const seen = await this.#seeAll(known);
    const { lost, renew, row: after } = afterSeen(known, seen, this.#components.clock.now());
    for (const node of lost.keys()) this.#surplus.add(node);
    const there = new Set(known.claims.on.filter((node) => this.#isUsable(after, node)));
    let row = await this.#keep(
      after.ended === undefined ? placed(after, known.claims.on, there) : after,
    );
    if (row.ended !== undefined) return this.#endAll(row);
    for (const node of renew) row = await this.#renew(row, node);
    row = await this.#tell(row);
    await this.#endSurplus(row);
  }

  /** Notes who is away, and whom to ask again. */
  #lookAround({ claims, parts }: SpreadRow): void {
    const now = this.#components.clock.now();
    for (const node of claims.on) {
      const until = this.#cool.get(node)?.until ?? now;
      if (leftMs(this.#components.clock, until, PART_COOL_MS) === 0) this.#cool.delete(node);
      const hasPart = parts.some((part) => part.node === node);
      // Nobody is away since a time that is still to come.
      const since = this.#away.get(node) ?? (this.#isThere(node) ? undefined : now);
      if (since !== undefined) this.#away.set(node, Math.min(since, now));
      // One with a part is away until it answers.
      if (this.#isThere(node) && !hasPart) this.#away.delete(node);
    }
  }

  #isThere(node: Did): boolean {
    return node === this.#components.self.did || this.#components.isThere(node);
  }

  /** Whether a node may keep its part, or be given one. */
  #isUsable({ parts }: SpreadRow, node: Did): boolean {
    if (this.#cool.has(node)) return false;
    const since = this.#away.get(node);
    if (since === undefined) return true;
    const isLost = this.#components.clock.now() - since >= PART_LOST_MS;
    return !isLost && parts.some((part) => part.node === node);
  }

  async #seeAll(row: SpreadRow): Promise<ReadonlyMap<Did, Seen>> {
    const shares = sharesIn(row);
    const seen = new Map<Did, Seen>();
    const see = async ({ node }: PartRow): Promise<void> => {
      const one = await this.#see(row, node, shares.get(node));
      if (one !== undefined) seen.set(node, one);
    };
    await Promise.all(row.parts.map(see));
    return seen;
  }

  /** Undefined: nobody knows at this moment. Never rejects. */
  async #see(row: SpreadRow, node: Did, share: Share | undefined): Promise<Seen | undefined> {
    if (!this.#isUsable(row, node)) return { gone: this.#cool.get(node)?.why ?? AWAY };
    if (!this.#isThere(node) || share === undefined) return undefined;
    const want = this.#told.get(node) === textOf(share) ? 'see' : 'ensure';
    const view = await this.#ask(row, node, { want, ...share });
    if (view === undefined) {
      return this.#cool.has(node) ? { gone: this.#cool.get(node)?.why ?? AWAY } : undefined;
    }
    if (view.state === 'none') return { gone: 'it has no part' };
    if (view.isOver) this.#coolDown(node, view.error ?? 'its part ended too often');
    return { view };
  }

  /** Undefined where the node does not answer, or refuses: then it is away, or is not asked for a while. Never rejects. */
  async #ask(
    { proof, text: terms }: SpreadRow,
    node: Did,
    wanted: Pick<PartCall, 'least' | 'most' | 'want'>,
  ): Promise<PartView | undefined> {
    const token = this.#held?.token;
    if (token === undefined || !this.#isParent()) return undefined;
    const { clock, logger } = this.#components;
    try {
      const view = await this.#components.ask(node, { ...wanted, proof, terms, token });
      this.#away.delete(node);
      if (wanted.want === 'ensure') this.#told.set(node, textOf(wanted));
      if (view.state === 'none') this.#forget(node);
      else this.#views.set(node, view);
      return view;
    } catch (error) {
      this.#forget(node);
      const why = messageOf(error);
      logger.debug({ agent: this.#name, node, error: why }, 'a node has no part of an agent');
      if (isAway(error)) this.#away.set(node, this.#away.get(node) ?? clock.now());
      else this.#coolDown(node, why);
      return undefined;
    }
  }

  #forget(node: Did): void {
    this.#views.delete(node);
    this.#told.delete(node);
  }

  #coolDown(node: Did, why: string): void {
    this.#forget(node);
    this.#cool.set(node, { until: this.#components.clock.now() + PART_COOL_MS, why });
  }

  async #renew(row: SpreadRow, node: Did): Promise<SpreadRow> {
    const share = sharesIn(row).get(node);
    const view = share && (await this.#ask(row, node, { want: 'renew', ...share }));
    return view === undefined ? row : this.#keep(renewed(row, node, view));
  }

  /** Tells those whose share is new; one that was given up there before begins anew. */
  async #tell(row: SpreadRow): Promise<SpreadRow> {
    const shares = [...sharesIn(row)].filter(
      ([node, share]) => this.#told.get(node) !== textOf(share) && this.#isThere(node),
    );
    const told = await Promise.all(
      shares.map(async ([node, share]) => {
        const first = await this.#ask(row, node, { want: 'ensure', ...share });
        const isOver = first?.isOver === true;
        const view = isOver ? await this.#ask(row, node, { want: 'renew', ...share }) : first;
        return [node, view] as const;
      }),
    );
    const next = told.reduce((now, [node, view]) => {
      const isNew = now.parts.some((part) => part.node === node && part.life === undefined);
      return view !== undefined && isNew ? renewed(now, node, view) : now;
    }, row);
    return this.#keep(next);
  }

  /** What was a part takes no more messages, and ends with the last of those that it has. */
  async #endSurplus(row: SpreadRow): Promise<void> {
    for (const node of this.#surplus) {
      if (row.parts.some((part) => part.node === node)) this.#surplus.delete(node);
      else if (this.#isThere(node) && !this.#cool.has(node)) {
        const view = await this.#ask(row, node, { want: 'ensure', least: 0, most: 0 });
        if (view?.state === 'none') this.#surplus.delete(node);
      }
    }
  }

  async #endAll(row: SpreadRow): Promise<void> {
    const { board, self } = this.#components;
    const { claims, ended } = row;
    if (ended === undefined) return;
    const done = new Set(ended.done);
    const open = claims.on.filter((node) => !done.has(node) && this.#isThere(node));
    await Promise.all(
      open.map(async (node) => {
        const view = await this.#ask(row, node, { want: 'end', least: 0, most: 0 });
        // Whoever refuses has no part that obeys.
        if (view !== undefined || this.#cool.has(node)) done.add(node);
      }),
    );
    const isNews = done.size > ended.done.length || row.parts.length > 0;
    if (isNews) await this.#keep({ ...row, parts: [], ended: { ...ended, done: [...done] } });
    const version = this.#row?.version;
    if (done.size < claims.on.length || ended.how === 'failed') return;
    if (version === undefined || !this.#isParent()) return;
    this.#held = undefined;
    this.#row = undefined;
    await board.remove(this.#name, self.did, version);
  }
}

const AWAY = 'it is away';
/** How long a stop waits for what is under way, and again for the board. */
const STOP_MS = 2000;

function textOf({ least, most }: Share): string {
  return `${least}..${most}`;
}

/** The node was not reached, or nobody knows whether it was. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof StarlingError)) return true;
  return [
    'STARLING_PEER_UNREACHABLE',
    'STARLING_PEER_UNKNOWN',
    'STARLING_TIMEOUT',
    'STARLING_STOPPED',
  ].includes(error.code);
}
