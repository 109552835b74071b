/**
 * Takes care of each batch until it is over, and of its answers until they are old: one timer a batch, and one thing at a
 * time done with it.
 */
import { StarlingError, createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import { goneOf, keyOf } from '../../guard/index.ts';
import type { Cleared } from '../clearance.ts';
import { nameText } from '../names.ts';
import type { Provider } from '../providers/provider.ts';
import type { Providers } from '../providers/providers.ts';
import type { UsageBook } from '../usage/usage-book.ts';
import type { BatchEnd, BatchRow, BatchRows } from './batch-rows.ts';
import { isOver } from './batch-view.ts';
import { collect } from './collect.ts';
import type { Collected } from './collect.ts';
import {
  GONE_LOOKS,
  KEPT_MS,
  LOOK_FIRST_MS,
  LOOK_GROWTH,
  LOOK_MAX_MS,
  LOOK_NOW_MS,
  ROWS_AT_ONCE,
  RETRY_MAX_MS,
  SILENT_LOOKS,
  SILENT_MS,
  SOUGHT_MAX,
} from './limits.ts';
import { othersFirst } from './others-first.ts';
import { planOfRequest } from './read-result.ts';
import type { OutgoingBatch, VendorBatches, VendorState } from './vendor-batches.ts';
import { toldOfBatches, vendorBatches } from './vendors.ts';

/** What the care works with. */
export interface CareComponents {
  readonly rows: BatchRows;
  readonly providers: Providers;
  readonly usage: Pick<UsageBook, 'start'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One batch in this run of the node. */
interface Kept {
  row: BatchRow & { readonly reason?: string };
  /** Settles what is held; absent once that is done. */
  cleared: Cleared | undefined;
  /** How long until the next look. */
  waitMs: number;
  /** When the vendor was last looked at, ms since the epoch; 0 for not at all. */
  lookedAt: number;
  /** Looks in a row that have told nothing. */
  misses: number;
  /** Looks for one that may have been taken, which is not in the vendor's list. */
  sought: number;
  cancelTimer: () => void;
  /** What is being done with it. */
  turn: Promise<unknown>;
}

/** What the audit log calls the end of a batch. */
const OUTCOMES = {
  completed: 'ok',
  cancelled: 'cancelled',
  expired: 'failed',
  failed: 'failed',
} as const;
const REASON_MAX = 1000;
const NOTHING: Cost = { tokens: 0, calls: 0, usd: 0 };
const NONE = { answered: 0, tokens: 0, costMicroUsd: 0 };

/** See the file. */
export class CareOfBatches {
  readonly #components: CareComponents;
  readonly #answerBytes: number;
  readonly #kept = new Map<string, Kept>();
  #life: Scope;

  constructor(components: CareComponents, answerBytes: number) {
    this.#components = components;
    this.#answerBytes = answerBytes;
    this.#life = createScope(components.clock);
  }

  /** A run of the node begins. */
  begin(): void {
    if (!this.#life.closed) return;
    this.#kept.clear();
    this.#life = createScope(this.#components.clock);
  }

  /** All of them, as they are. */
  rows(): readonly Kept['row'][] {
    return [...this.#kept.values()].map(({ row }) => row);
  }

  /** Ends what is under way; what is held for batches stays held, for the next run to take up. */
  async stop(): Promise<void> {
    this.#life.close();
    await Promise.allSettled([...this.#kept.values()].map(({ turn }) => turn));
  }

  /** Goes on with a batch of an earlier run. */
  async takeUp(row: BatchRow, cleared: Cleared | undefined): Promise<void> {
    const kept = this.#add(row, cleared);
    if (row.over !== undefined) {
      // It has ended in the middle of its settlement.
      if (cleared !== undefined) await this.#settle(kept, row.over);
      this.#forgetLater(kept);
    } else if (row.step === 'held') {
      // Whoever has submitted it was not told that it is here, and may have submitted it again.
      const reason = 'the node was ended before it was sent, and nobody has it: submit it again';
      await this.#end(kept, { outcome: 'failed', reason, ...NONE, cost: NOTHING });
    } else this.#lookIn(kept, 0);
  }

  /**
   * Sends a batch that is on the disk. @throws what the vendor refuses it with: then the batch is forgotten, and nothing was
   * paid. Where nobody knows whether the vendor has it, this resolves, and the node finds out.
   */
  send(row: BatchRow, cleared: Cleared): Promise<Kept['row']> {
    const kept = this.#add(row, cleared);
    return this.#alone(kept, async () => {
      const { signal } = this.#life;
      const provider = this.#providerOf(row);
      const vendor = this.#vendorOf(provider);
      try {
        const outgoing = await this.#outgoing(row, provider);
        const upload = await vendor.upload(outgoing, signal);
        // From here on nobody sends it again, whatever happens.
        await this.#change(kept, { step: 'sent' });
        const vendorId = await vendor.create(outgoing, upload, signal);
        await this.#taken(kept, vendorId);
      } catch (error) {
        if (kept.row.step === 'held' || isRefusal(error)) {
          const told = toldOfBatches(provider, error);
          await this.#drop(kept, told);
          throw told;
        }
        this.#missed(kept, error);
      }
      return kept.row;
    });
  }

  /** The vendor is told to stop it, now and until it has. @throws STARLING_STATE_UNUSABLE */
  cancel(id: string): Promise<Kept['row']> {
    const kept = this.#kept.get(id) as Kept;
    return this.#alone(kept, async () => {
      if (isOver(kept.row)) return kept.row;
      await this.#change(kept, { isUnwanted: true });
      const { model, vendorId } = kept.row;
      if (vendorId === undefined) return kept.row;
      const vendor = this.#vendorOf(this.#providerOf(kept.row));
      kept.waitMs = LOOK_FIRST_MS;
      try {
        await vendor.cancel(vendorId, model, this.#life.signal);
        this.#lookLater(kept);
      } catch (error) {
        this.#missed(kept, error);
      }
      return kept.row;
    });
  }

  /** Somebody wants to know now: looks at the vendor, unless that was done a moment ago. */
  lookNow(id: string): Promise<Kept['row']> {
    const kept = this.#kept.get(id) as Kept;
    const { clock } = this.#components;
    return this.#alone(kept, async () => {
      const now = clock.now();
      const isRecent = now >= kept.lookedAt && now - kept.lookedAt < LOOK_NOW_MS;
      if (!isRecent) await this.#look(kept);
      return kept.row;
    });
  }

  /** Whoever takes the name of `key` later has none of them. @throws STARLING_STATE_UNUSABLE */
  async disown(key: string): Promise<void> {
    const theirs = [...this.#kept.values()].filter(({ row }) => keyOf(row.by) === key);
    await Promise.all(
      theirs.map((kept) =>
        this.#alone(kept, async () => {
          const { by } = kept.row;
          if (by.kind !== 'client') return;
          await this.#change(kept, { by: goneOf(by), isLeft: true });
        }),
      ),
    );
  }

  /** @throws STARLING_STATE_UNUSABLE */
  forget(id: string): Promise<void> {
    const kept = this.#kept.get(id) as Kept;
    return this.#alone(kept, async () => {
      kept.cancelTimer();
      await this.#components.rows.forget(id);
      this.#kept.delete(id);
    });
  }

  #add(row: BatchRow, cleared: Cleared | undefined): Kept {
    const kept: Kept = {
      row,
      cleared,
      waitMs: LOOK_FIRST_MS,
      lookedAt: 0,
      misses: 0,
      sought: 0,
      cancelTimer: () => undefined,
      turn: Promise.resolve(),
    };
    this.#kept.set(row.id, kept);
    return kept;
  }

  #alone<Value>(kept: Kept, work: () => Promise<Value>): Promise<Value> {
    const done = kept.turn.then(work);
    kept.turn = done.catch(() => undefined);
    return done;
  }

  /** On the disk first. @throws STARLING_STATE_UNUSABLE */
  async #change(kept: Kept, change: Partial<BatchRow>): Promise<void> {
    const { reason: _, ...before } = kept.row;
    const row: BatchRow = { ...before, ...change };
    await this.#components.rows.put(row);
    kept.row = row;
  }

  /** The vendor has it: that it could not be written down is no reason to send it again. */
  async #taken(kept: Kept, vendorId: string): Promise<void> {
    try {
      await this.#change(kept, { step: 'running', vendorId });
    } catch (error) {
      kept.row = { ...kept.row, step: 'running', vendorId };
      this.#components.logger.warn(
        { batch: kept.row.id, error: messageOf(error) },
        'a batch was taken, and that is not on the disk: after a restart the node looks for it',
      );
    }
    kept.misses = 0;
    kept.waitMs = LOOK_FIRST_MS;
    this.#lookLater(kept);
  }

  #lookLater(kept: Kept, atLeastMs = 0): void {
    const waitMs = Math.max(kept.waitMs, atLeastMs);
    kept.waitMs = Math.min(LOOK_MAX_MS, kept.waitMs * LOOK_GROWTH);
    this.#lookIn(kept, waitMs);
  }

  #lookIn(kept: Kept, waitMs: number): void {
    kept.cancelTimer();
    kept.cancelTimer = this.#life.after(waitMs, () => {
      const { logger } = this.#components;
      this.#alone(kept, () => this.#look(kept)).catch((error: unknown) => {
        if (this.#life.closed) return;
        logger.warn(
          { batch: kept.row.id, error: messageOf(error) },
          'a batch was not looked at; the node tries again',
        );
        this.#lookLater(kept);
      });
    });
  }

  /** Nothing is known of it now. */
  #missed(kept: Kept, error: unknown): void {
    kept.misses += 1;
    kept.row = { ...kept.row, reason: messageOf(error) };
    const told = error instanceof StarlingError ? error.data['retryAfterMs'] : undefined;
    this.#lookLater(kept, typeof told === 'number' ? Math.min(RETRY_MAX_MS, told) : 0);
  }

  async #look(kept: Kept): Promise<void> {
    if (isOver(kept.row)) return;
    kept.lookedAt = this.#components.clock.now();
    try {
      const vendor = this.#vendorOf(this.#providerOf(kept.row));
      const { vendorId } = kept.row;
      if (vendorId === undefined) await this.#seek(kept, vendor);
      else await this.#lookAt(kept, vendor, vendorId);
    } catch (error) {
      if (this.#life.closed) return;
      if (isGone(error) && kept.row.vendorId !== undefined && kept.misses >= GONE_LOOKS) {
        // What it did cost, nobody can say any more: all that was held.
        const reason = `the provider knows it no more: ${messageOf(error)}`;
        await this.#end(kept, { outcome: 'failed', reason, ...NONE });
      } else if (this.#isSilent(kept)) {
        const reason = `the provider has said nothing of it for too long: ${messageOf(error)}`;
        await this.#end(kept, { outcome: 'failed', reason, ...NONE });
      } else this.#missed(kept, error);
    }
  }

  /** So many looks, too: a clock that is set anew ends nothing. */
  #isSilent({ misses, row: { createdAt } }: Kept): boolean {
    return misses >= SILENT_LOOKS && this.#components.clock.now() - createdAt > SILENT_MS;
  }

  /** Whether a batch that may have been taken was. */
  async #seek(kept: Kept, vendor: VendorBatches): Promise<void> {
    const { id, model, requests } = kept.row;
    const others = new Set(this.rows().flatMap(({ vendorId }) => vendorId ?? []));
    const found = await vendor.find({ id, model, requests, others }, this.#life.signal);
    kept.misses = 0;
    if (typeof found === 'object') return this.#taken(kept, found.id);
    if (found === 'none') kept.sought += 1;
    if (kept.sought < SOUGHT_MAX) return this.#lookLater(kept);
    const reason = 'the provider never took it: its list of batches has none of that name';
    return this.#end(kept, { outcome: 'failed', reason, ...NONE, cost: NOTHING });
  }

  async #lookAt(kept: Kept, vendor: VendorBatches, vendorId: string): Promise<void> {
    const { isUnwanted, model } = kept.row;
    const { signal } = this.#life;
    const state = await vendor.look(vendorId, model, signal);
    kept.misses = 0;
    const { reason: _, ...row } = kept.row;
    kept.row = row;
    if (state.is === 'over') return this.#collect(kept, vendor, state);
    if (isUnwanted === true && state.is === 'running') await vendor.cancel(vendorId, model, signal);
    return this.#lookLater(kept);
  }

  async #collect(
    kept: Kept,
    vendor: VendorBatches,
    state: VendorState & { readonly is: 'over' },
  ): Promise<void> {
    const { rows, clock } = this.#components;
    const provider = this.#providerOf(kept.row);
    const init = { row: kept.row, state, provider, vendor, answerBytes: this.#answerBytes };
    const got = await collect({ rows, clock }, init, this.#life.signal);
    const { outcome, reason } = state;
    const { answered, cost } = got;
    await this.#end(
      kept,
      {
        outcome,
        ...(reason === undefined ? {} : { reason: provider.withoutKeys(reason).slice(0, 400) }),
        answered,
        tokens: cost.tokens ?? 0,
        costMicroUsd: cost.usd ?? 0,
        cost,
      },
      got,
    );
  }

  /** It is over, on the disk first; then what was held is settled, and what it took is counted. */
  async #end(
    kept: Kept,
    end: Omit<BatchEnd, 'at' | 'failed'>,
    got: Pick<Collected, 'usages'> = { usages: [] },
  ): Promise<void> {
    const { clock, rows } = this.#components;
    const { reason: _, ...row } = kept.row;
    const over = { ...end, failed: row.requests - end.answered, at: clock.now() };
    const ended: BatchRow = { ...row, step: 'over', over };
    await rows.end(ended);
    kept.row = ended;
    kept.cancelTimer();
    this.#count(ended, got);
    await this.#settle(kept, over);
    this.#forgetLater(kept);
  }

  /** Not twice, also where the node ends in the middle: nothing more is held then. */
  async #settle(kept: Kept, { answered, cost, outcome, reason }: BatchEnd): Promise<void> {
    const { requests } = kept.row;
    const said = `batch ${kept.row.id}: ${answered} of ${requests} answered`;
    kept.cleared?.over(
      OUTCOMES[outcome],
      reason === undefined ? said : `${said}: ${reason}`.slice(0, REASON_MAX),
      cost,
    );
    kept.cleared = undefined;
    const { kept: _, ...row } = kept.row;
    await this.#components.rows.put(row);
    kept.row = row;
  }

  #count(
    { by, model, price, provider, task }: BatchRow,
    { usages }: Pick<Collected, 'usages'>,
  ): void {
    const name = nameText({ provider, model });
    for (const { costMicroUsd, hasFailed, usage } of usages) {
      const counted = this.#components.usage.start(name, by, task);
      counted.batched();
      if (usage !== undefined) counted.used(usage);
      counted.paid(costMicroUsd, price.source === 'unknown');
      counted.over(hasFailed);
    }
  }

  /** Answers are kept for a while. */
  #forgetLater(kept: Kept): void {
    const endedAt = kept.row.over?.at ?? 0;
    const leftMs = endedAt + KEPT_MS - this.#components.clock.now();
    kept.cancelTimer = this.#life.after(Math.min(KEPT_MS, Math.max(0, leftMs)), () => {
      this.forget(kept.row.id).catch((error: unknown) =>
        this.#components.logger.warn(
          { batch: kept.row.id, error: messageOf(error) },
          'a batch that is old was not forgotten; it is after the next start',
        ),
      );
    });
  }

  /** It was refused, and has never been. */
  async #drop(kept: Kept, error: unknown): Promise<void> {
    const { logger, rows } = this.#components;
    const code = error instanceof StarlingError ? error.code : messageOf(error);
    kept.cleared?.over('failed', code, NOTHING);
    kept.cleared = undefined;
    this.#kept.delete(kept.row.id);
    // What stays is ended after the next start, as one that was never sent.
    await rows
      .forget(kept.row.id)
      .catch((failed: unknown) =>
        logger.warn(
          { batch: kept.row.id, error: messageOf(failed) },
          'a batch that was refused was not forgotten',
        ),
      );
  }

  async #outgoing(row: BatchRow, provider: Provider): Promise<OutgoingBatch> {
    const { form, id, model } = row;
    const { clock, rows } = this.#components;
    const reading = { provider, model, form, clock, answerBytes: this.#answerBytes };
    const requests = [...(await rows.requests(id))].toSorted(([one], [other]) => one - other);
    const bodies: string[] = [];
    let path = '';
    for (const [at, request] of requests) {
      const plan = planOfRequest(reading, request);
      path = plan.path;
      bodies.push(JSON.stringify(JSON.parse(plan.body.toString('utf8'))));
      if (at % ROWS_AT_ONCE === 0) await othersFirst();
    }
    return { id, model, path, bodies };
  }

  #vendorOf(provider: Provider): VendorBatches {
    return vendorBatches({ provider, lineBytes: this.#answerBytes * 2 });
  }

  /** @throws STARLING_MODEL_UNKNOWN where the configuration has it no more */
  #providerOf({ provider }: BatchRow): Provider {
    const found = this.#components.providers().get(provider);
    if (found !== undefined) return found;
    throw new StarlingError(
      'STARLING_MODEL_UNKNOWN',
      `this node has no provider '${provider}' any more`,
      { hint: `set models.providers.${provider} in the config file again` },
    );
  }
}

/** The vendor has said that it does not take it; a failure of its own says nothing. */
function isRefusal(error: unknown): boolean {
  const status = error instanceof StarlingError ? error.data['status'] : undefined;
  return typeof status === 'number' && status < 500;
}

/** The vendor has no such batch. */
function isGone(error: unknown): boolean {
  return error instanceof StarlingError && error.data['status'] === 404;
}
