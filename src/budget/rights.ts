/**
 * Moves rights between owners: an owner that runs low asks the two richest that it can reach, each of whom gives at the
 * most half of what it has; who has nothing left asks all, twice, before a call is refused. Rights beyond a node's share
 * that lie idle go home to the founder.
 */
import {
  StarlingError,
  createScope,
  isCount,
  isObject,
  messageOf,
  pause,
  unawaited,
} from '../core/index.ts';
import type { Clock, Did, JsonObject, Logger, Scope } from '../core/index.ts';
import type { Books, Hold } from './books/book-types.ts';
import { splitRowId } from './rows/row-format.ts';

/** Below this share of what a node has got it asks for more, beside its calls. */
const LOW_WATER = 0.25;
/** A question to one owner. */
const ASK_MS = 3000;
/** All that was asked said no: asked again once after this, for rights that were on their way; then no call waits. */
const AGAIN_MS = 300;
/** Rounds of a node whose calls wait for rights. */
const ROUNDS_MAX = 40;
/** After a vain round, calls are refused for so long without anybody being asked. */
const VAIN_MS = 1000;
/** Rights that lay idle so long go home. */
const IDLE_MS = 600_000;
const ASKED_AT_ONCE = 2;
/** Calls that may wait for rights of one budget; more are refused at once. */
const WAITING_MAX = 10_000;

/** An owner that can be asked. */
export interface Donor {
  readonly owner: Did;
  /** Asks for `amount` in the row `rowId`. @throws STARLING_PEER_UNREACHABLE, STARLING_CALL_REFUSED, … */
  readonly ask: (args: JsonObject, timeoutMs: number) => Promise<JsonObject>;
}

/** What the moving works with. */
export interface RightsComponents {
  readonly books: Books;
  /** Owners of the row's budget that are connected now. */
  readonly donors: (id: string) => readonly Donor[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What came of asking. */
export interface Asked {
  readonly given: number;
  /** By whom, and how much. */
  readonly by: Readonly<Record<Did, number>>;
  /** Owners that were asked and did not answer. */
  readonly silent: readonly Did[];
}

/** The moving of rights. */
export interface Rights {
  start(): void;
  stop(): void;
  /** Holds; where this node lacks rights, asks the others first. @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED */
  hold(id: string, amount: number): Promise<Hold>;
  /** Asks the others for rights now, the richest first. */
  request(id: string, amount: number): Promise<Asked>;
  /** Answers an owner that asks: at the most half of what is free, rounded up. Gives how much, and this node's rows. */
  give(
    rowId: string,
    to: Did,
    wanted: number,
  ): Promise<{ readonly given: number; readonly left: number; readonly rows: readonly string[] }>;
  /** Gives to the founder what is beyond this node's share; how much. */
  goHome(id: string): Promise<number>;
}

/** Makes the moving; `start` lets idle rights go home. */
export function createRights(components: RightsComponents): Rights {
  return new MovingRights(components);
}

/** A call that waits for rights. */
interface Waiting {
  readonly amount: number;
  readonly resolve: (hold: Promise<Hold>) => void;
}

class MovingRights implements Rights {
  readonly #components: RightsComponents;
  /** Calls that wait, by row, the oldest first; while there is an entry somebody is asked. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #vainAt = new Map<string, number>();
  readonly #usedAt = new Map<string, number>();
  readonly #low = new Set<string>();
  #scope: Scope | undefined;
  #isLooking = false;

  constructor(components: RightsComponents) {
    this.#components = components;
  }

  start(): void {
    this.#scope ??= createScope(this.#components.clock);
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#isLooking = false;
  }

  hold(id: string, amount: number): Promise<Hold> {
    const { books } = this.#components;
    const rowId = books.rowIdNow(id);
    this.#used(rowId);
    const queue = this.#waiting.get(rowId);
    if (queue === undefined && books.free(rowId) >= amount) {
      const hold = books.hold(rowId, amount);
      this.#lookLow(id, rowId);
      return hold;
    }
    const isVain = this.#isWithin(this.#vainAt.get(rowId), VAIN_MS);
    const isFull = queue !== undefined && queue.length >= WAITING_MAX;
    const isAlone = queue === undefined && this.#components.donors(id).length === 0;
    if (isVain || isFull || isAlone || amount > books.limitOf(id)) {
      return books.hold(rowId, amount);
    }
    return new Promise((resolve) => {
      if (queue !== undefined) {
        queue.push({ amount, resolve });
        return;
      }
      this.#waiting.set(rowId, [{ amount, resolve }]);
      const { logger } = this.#components;
      return unawaited(this.#refill(id, rowId), logger, 'calls wait for rights', { rowId });
    });
  }

  request(id: string, amount: number): Promise<Asked> {
    const rowId = this.#components.books.rowIdNow(id);
    return this.#askAll(id, rowId, (given) => amount - given);
  }

  async give(
    rowId: string,
    to: Did,
    wanted: number,
  ): Promise<{ readonly given: number; readonly left: number; readonly rows: readonly string[] }> {
    const { books } = this.#components;
    const spare = books.free(rowId);
    // Whoever has calls that wait for rights gives none away.
    const isNeeded = this.#waiting.has(rowId);
    const given = isNeeded ? 0 : Math.min(wanted, Math.ceil(spare / 2));
    if (given > 0) await books.give(rowId, to, given);
    const rows = books.texts(rowId).map(({ jws }) => jws);
    return { given, left: books.free(rowId), rows };
  }

  async goHome(id: string): Promise<number> {
    const { books } = this.#components;
    const founder = books.founderOf(id);
    const rowId = books.rowIdNow(id);
    if (founder === undefined || founder === books.self || rowId !== id) return 0;
    const share = books.terms(id)?.shares[books.self] ?? 0;
    const spare = books.free(rowId) - share;
    if (spare <= 0 || !this.#components.donors(id).some(({ owner }) => owner === founder)) return 0;
    await books.give(rowId, founder, spare);
    return spare;
  }

  /** Asks for all calls that wait, until none does or nobody has anything. */
  async #refill(id: string, rowId: string): Promise<void> {
    const { books, clock, logger } = this.#components;
    const queue = this.#waiting.get(rowId) ?? [];
    const lacks = (): number =>
      queue.reduce((sum, { amount }) => sum + amount, 0) - books.free(rowId);
    try {
      let vain = 0;
      for (let round = 0; round < ROUNDS_MAX && vain < 2; round += 1) {
        this.#serve(rowId, queue);
        // What is held is in the books at once, and more calls may have come meanwhile.
        await new Promise((resolve) => setImmediate(resolve));
        if (queue.length === 0) return;
        if (lacks() <= 0) continue;
        const { given } = await this.#askAll(id, rowId, lacks);
        vain = given > 0 ? 0 : vain + 1;
        if (vain === 1) await pause(clock, AGAIN_MS);
      }
      this.#vainAt.set(rowId, clock.now());
    } catch (error) {
      logger.warn({ rowId, error: messageOf(error) }, 'rights of a budget were not asked for');
    } finally {
      this.#waiting.delete(rowId);
      for (const { amount, resolve } of queue) resolve(books.hold(rowId, amount));
    }
  }

  /** The oldest first; one that is too much for what is there waits, and so do those behind it. */
  #serve(rowId: string, queue: Waiting[]): void {
    const { books } = this.#components;
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      if (books.free(rowId) < first.amount) return;
      queue.shift();
      first.resolve(books.hold(rowId, first.amount));
    }
  }

  async #askAll(
    id: string,
    rowId: string,
    lacks: (given: number) => number,
    donorsMax = Number.MAX_SAFE_INTEGER,
  ): Promise<Asked> {
    const { books, donors, logger } = this.#components;
    const standing = books.standing(rowId);
    const richest = donors(id)
      .toSorted((a, b) => standing.quota(b.owner) - standing.quota(a.owner))
      .slice(0, donorsMax);
    const by: Record<Did, number> = {};
    const silent: Did[] = [];
    let given = 0;
    for (const { owner, ask } of richest) {
      const amount = lacks(given);
      if (amount <= 0) break;
      try {
        const before = this.#givenBy(rowId, owner);
        const { given: said, rows } = readGift(await ask({ row: rowId, amount }, ASK_MS));
        await books.take(rows);
        // Only what its row says as well is there, whatever else it says.
        const got = Math.max(0, Math.min(said, this.#givenBy(rowId, owner) - before));
        given += got;
        if (got > 0) by[owner] = got;
      } catch (error) {
        silent.push(owner);
        logger.debug({ owner, error: messageOf(error) }, 'an owner gave no rights');
      }
    }
    return { given, by, silent };
  }

  #givenBy(rowId: string, owner: Did): number {
    const { books } = this.#components;
    return books.rows(rowId).get(owner)?.out[books.self] ?? 0;
  }

  /** Whether that was within the last `ms`, by a clock that may have been set back since. */
  #isWithin(at: number | undefined, ms: number): boolean {
    if (at === undefined) return false;
    const since = this.#components.clock.now() - at;
    return since >= 0 && since < ms;
  }

  #used(rowId: string): void {
    this.#usedAt.set(rowId, this.#components.clock.now());
    if (this.#isLooking || this.#scope === undefined) return;
    this.#isLooking = true;
    this.#scope.after(IDLE_MS, () =>
      unawaited(this.#lookIdle(), this.#components.logger, 'idle rights were not looked at'),
    );
  }

  #lookLow(id: string, rowId: string): void {
    const { books } = this.#components;
    if (this.#low.has(rowId) || this.#scope === undefined) return;
    const account = books.account(rowId);
    const free = books.free(rowId);
    const got = free + (account?.spent ?? 0) + (account?.held ?? 0);
    if (free >= got * LOW_WATER || this.#components.donors(id).length === 0) return;
    this.#low.add(rowId);
    const wanted = Math.ceil(got / 2);
    const isVain = (asked: Asked): number => (asked.given > 0 ? AGAIN_MS : VAIN_MS * 10);
    const asked = this.#askAll(id, rowId, () => wanted - books.free(rowId), ASKED_AT_ONCE)
      .then(isVain, () => VAIN_MS * 10)
      .then((waitMs) =>
        this.#scope?.after(waitMs, () => {
          this.#low.delete(rowId);
        }),
      );
    unawaited(asked, this.#components.logger, 'rights ahead were not asked for', { rowId });
  }

  async #lookIdle(): Promise<void> {
    const { logger } = this.#components;
    this.#isLooking = false;
    for (const [rowId, at] of this.#usedAt) {
      if (this.#isWithin(at, IDLE_MS)) {
        this.#used(rowId);
        this.#usedAt.set(rowId, at);
        continue;
      }
      this.#usedAt.delete(rowId);
      this.#vainAt.delete(rowId);
      const id = splitRowId(rowId)?.id ?? rowId;
      await this.goHome(id).catch((error: unknown) =>
        logger.debug({ rowId, error: messageOf(error) }, 'idle rights stay'),
      );
    }
  }
}

/** What an owner answers. @throws STARLING_PROTOCOL_VIOLATION */
function readGift(answer: JsonObject): {
  readonly given: number;
  readonly rows: readonly string[];
} {
  const { given, rows } = isObject(answer) ? answer : {};
  const isSound =
    isCount(given) &&
    Array.isArray(rows) &&
    rows.length <= 256 &&
    rows.every((one) => typeof one === 'string');
  if (isSound) return { given, rows: rows };
  throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'an owner answers what nobody can read');
}
