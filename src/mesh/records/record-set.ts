/**
 * The texts of the records themselves: which there are, whether there is room for another, until when
 * each is passed on, and when it is forgotten. Knows nothing of what they say.
 */
import { createHash } from 'node:crypto';
import { messageOf } from '../../core/index.ts';
import type { Clock, Did, Health, Logger } from '../../core/index.ts';
import { CLOCK_SKEW_MS, KEEP_OVER_MS } from '../../grants/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { createRecordQuotas } from './record-quotas.ts';
import type { Rank, RecordKind, RecordQuotas, RecordQuotasInit } from './record-quotas.ts';
import type { RecordText } from './record-texts.ts';

/** Health warning while records find no room. */
const FULL = 'records-full';
/** Records are passed on up to a whole minute, so that the sets of two change at the same time. */
const MINUTE_MS = 60_000;
/** Hex digits of a digest: 128 bits. */
const DIGEST_LENGTH = 32;

/** What the set works with. */
export interface RecordSetComponents {
  readonly table: Table;
  /** Whose room a signer's records take. */
  readonly rankOf: (signer: Did) => Rank;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health?: Pick<Health, 'raise' | 'clear'>;
}

/** A record to be kept. */
export interface RecordInit {
  readonly kind: RecordKind;
  readonly signer: Did;
  /** When what it is about ends, s since the epoch; none: never. */
  readonly exp?: number;
  /** Takes back what it did elsewhere, when it is forgotten. */
  readonly undo?: () => void;
}

/** All records that count, by hash, with the digest that heartbeats carry. */
export interface RecordSet {
  has(hash: string): boolean;
  /** That there is room for a text of this length. @throws STARLING_LIMIT_EXCEEDED, and warns of it */
  requireRoom(kind: RecordKind, signer: Did, sizeBytes: number): void;
  /** Keeps a text, in memory only. @throws STARLING_LIMIT_EXCEEDED */
  keep(text: Pick<RecordText, 'jws' | 'hash'>, record: RecordInit): void;
  /** Every text that is not over, by its hash (hex). */
  all(): ReadonlyMap<string, string>;
  /** Hash over the sorted hashes: equal digests mean equal sets. */
  digest(): string;
  /** Forgets what is over for long, which gives room; cheap when nothing is. */
  sweep(): void;
}

interface Entry extends Pick<RecordInit, 'kind' | 'signer' | 'undo'> {
  readonly jws: string;
  readonly rank: Rank;
  readonly sizeBytes: number;
  /** From then on it is not passed on any more, ms since the epoch. */
  readonly overAtMs: number;
}

/** Makes an empty set. */
export function createRecordSet(
  components: RecordSetComponents,
  quotas?: RecordQuotasInit,
): RecordSet {
  return new BoundedTexts(components, quotas);
}

class BoundedTexts implements RecordSet {
  readonly #components: RecordSetComponents;
  readonly #quotas: RecordQuotas;
  /** All that is kept, by hash. */
  readonly #entries = new Map<string, Entry>();
  /** What of it is not over. */
  readonly #texts = new Map<string, string>();
  /** Their hashes in order, as far as nothing was forgotten since: sorting thousands for each digest costs a flood's author nothing. */
  #names: string[] | undefined;
  #digest: string | undefined;
  /** Between these two moments nothing becomes over, ms since the epoch. */
  #calm = { fromMs: Infinity, toMs: -Infinity };

  constructor(components: RecordSetComponents, quotas?: RecordQuotasInit) {
    this.#components = components;
    this.#quotas = createRecordQuotas(quotas);
  }

  has(hash: string): boolean {
    return this.#entries.has(hash);
  }

  requireRoom(kind: RecordKind, signer: Did, sizeBytes: number): void {
    const { health, rankOf } = this.#components;
    try {
      this.#quotas.require({ kind, signer, rank: rankOf(signer), sizeBytes });
    } catch (error) {
      health?.raise({
        code: FULL,
        text: `a record of the mesh found no room here: ${messageOf(error)}`,
        hint: 'some revocations do not count here until older ones have ended; if one member signs so many without need, revoke its membership: starling grant list',
      });
      throw error;
    }
  }

  keep({ jws, hash }: Pick<RecordText, 'jws' | 'hash'>, { exp, ...of }: RecordInit): void {
    const { clock, rankOf } = this.#components;
    const sizeBytes = jws.length;
    this.requireRoom(of.kind, of.signer, sizeBytes);
    const endMs = exp === undefined ? Infinity : exp * 1000 + CLOCK_SKEW_MS;
    const overAtMs = Math.ceil(endMs / MINUTE_MS) * MINUTE_MS;
    const entry = { ...of, jws, sizeBytes, rank: rankOf(of.signer), overAtMs };
    this.#quotas.take(entry);
    this.#entries.set(hash, entry);
    if (clock.now() < overAtMs) {
      this.#insertName(hash);
      this.#texts.set(hash, jws);
    }
    this.#calm = { ...this.#calm, toMs: Math.min(this.#calm.toMs, overAtMs) };
    this.#digest = undefined;
  }

  all(): ReadonlyMap<string, string> {
    this.sweep();
    return this.#texts;
  }

  digest(): string {
    this.sweep();
    this.#names ??= [...this.#texts.keys()].toSorted();
    this.#digest ??= createHash('sha256')
      .update(this.#names.join())
      .digest('hex')
      .slice(0, DIGEST_LENGTH);
    return this.#digest;
  }

  /** What is over is passed on no more, and forgotten later: a clock that ran ahead may go back. */
  sweep(): void {
    const nowMs = this.#components.clock.now();
    if (nowMs >= this.#calm.fromMs && nowMs < this.#calm.toMs) return;
    const gone: Write[] = [];
    let toMs = Infinity;
    for (const [key, entry] of this.#entries) {
      const { jws, overAtMs, undo } = entry;
      if (nowMs >= overAtMs + KEEP_OVER_MS) {
        this.#entries.delete(key);
        this.#quotas.give(entry);
        this.#texts.delete(key);
        undo?.();
        gone.push({ key });
        continue;
      }
      const isOver = nowMs >= overAtMs;
      if (isOver) this.#texts.delete(key);
      else this.#texts.set(key, jws);
      toMs = Math.min(toMs, isOver ? overAtMs + KEEP_OVER_MS : overAtMs);
    }
    this.#calm = { fromMs: nowMs, toMs };
    this.#names = undefined;
    this.#digest = undefined;
    if (gone.length > 0) this.#forget(gone);
  }

  /** By halving what is left to look at. */
  #insertName(hash: string): void {
    const names = this.#names;
    if (names === undefined || this.#texts.has(hash)) return;
    let [from, to] = [0, names.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((names[middle] ?? '') < hash) from = middle + 1;
      else to = middle;
    }
    names.splice(from, 0, hash);
  }

  #forget(gone: readonly Write[]): void {
    const { table, logger, health } = this.#components;
    health?.clear(FULL);
    table
      .batch(gone)
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'records that are over were not deleted'),
      );
  }
}
