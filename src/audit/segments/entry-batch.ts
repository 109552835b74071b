/**
 * Makes queued entries into lines of the chain, in the memory from which they are written. Nothing is written here, so a
 * batch may be redone.
 */
import type { Signer } from '../../identity/index.ts';
import { sealLine } from '../checkpoint.ts';
import { hashLine, lineOf, placed } from '../format.ts';
import type { Content } from '../format.ts';
import type { ChainEnd } from './recover.ts';
import type { AuditEntry, Checkpoint } from '../types.ts';

/** What one unit of a text in memory (UTF-16) takes in UTF-8 at the most, in bytes. */
const UTF8_BYTES_MAX = 3;
const LINE_FEED = 0x0a;

/** Whoever waits for an item. */
export interface Waiter {
  resolve(seq: number): void;
  reject(error: Error): void;
}

/** What waits to be written. */
export interface Item {
  /** Absent: a mark only. */
  readonly content?: Content;
  readonly at: number;
  readonly waiter?: Waiter;
  /** A checkpoint comes after it, unless all is signed already. */
  readonly seals?: boolean;
  /** It must be synced before the waiter hears. */
  readonly syncs?: boolean;
  /** Only tries the disk: not to be kept when that fails. */
  readonly probes?: boolean;
}

/** Lines that are written together. */
export interface Batch {
  /** Items that it was made of. */
  readonly count: number;
  /** Its lines, each with its line feed, in UTF-8; until the next batch is made in the same memory. */
  readonly bytes: Buffer;
  /** How many entries its lines are. */
  readonly lines: number;
  /** What the lines say; empty where nobody follows the log. */
  readonly entries: readonly AuditEntry[];
  readonly chain: ChainEnd;
  readonly checkpoint: Checkpoint | undefined;
  /** Of each item that has a waiter. */
  readonly seqs: readonly { readonly waiter: Waiter; readonly seq: number }[];
  readonly syncs: boolean;
  /** The segment is full with it. */
  readonly fills: boolean;
}

/** When a batch ends, and when one of its entries is followed by a checkpoint. */
export interface BatchInit {
  readonly signer: Signer;
  readonly now: () => number;
  /** Entries between two checkpoints, at most. */
  readonly checkpointEntries: number;
  /** A batch ends with the entry that reaches this. */
  readonly batchBytes: number;
  readonly segmentBytes: number;
  /** Somebody follows the log: entries are there beside their lines. */
  readonly isFollowed: () => boolean;
}

/** Where a batch goes. */
export interface BatchPlace {
  /** What it follows. */
  readonly chain: ChainEnd;
  /** Bytes of the segment before it. */
  readonly sizeBytes: number;
  /** In which its lines are laid. */
  readonly memory: LineMemory;
}

/** Memory for the lines of one batch after another: kept, as memory outside of the heap costs the more the oftener it is taken. */
export class LineMemory {
  #bytes: Buffer;

  /** `sizeBytes`: how much is taken at first; more is taken where lines find no room. */
  constructor(sizeBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** Lays `line` with a line feed behind the first `at` bytes, which stay; gives where that ends. */
  lay(line: string, at: number): number {
    const most = at + line.length * UTF8_BYTES_MAX + 1;
    if (most > this.#bytes.length) this.#grow(most, at);
    const end = at + this.#bytes.write(line, at, 'utf8');
    this.#bytes[end] = LINE_FEED;
    return end + 1;
  }

  /** What was laid there, until something else is. */
  part(start: number, end: number): Buffer {
    return this.#bytes.subarray(start, end);
  }

  #grow(sizeBytes: number, keptBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(sizeBytes, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, keptBytes);
    this.#bytes = larger;
  }
}

/** Makes the next batch of `items`. */
export function makeBatch(items: readonly Item[], place: BatchPlace, init: BatchInit): Batch {
  const { chain, sizeBytes } = place;
  const draft = new Draft(place, init);
  const seqs: { waiter: Waiter; seq: number }[] = [];
  let count = 0;
  let syncs = false;
  for (const item of items) {
    count += 1;
    if (item.content !== undefined) draft.add(item.content, item.at);
    if (item.waiter !== undefined) seqs.push({ waiter: item.waiter, seq: draft.seq });
    syncs ||= item.syncs === true;
    if (item.seals === true || draft.unsigned >= init.checkpointEntries) draft.seal();
    if (draft.sizeBytes >= init.batchBytes) break;
  }
  // So that each segment can be verified, and removed, as a whole.
  const fills = sizeBytes + draft.sizeBytes >= init.segmentBytes;
  if (fills) draft.seal();
  return {
    count,
    bytes: draft.bytes,
    lines: draft.seq - chain.seq,
    entries: draft.entries,
    chain: draft.chain,
    checkpoint: draft.checkpoint,
    seqs,
    syncs,
    fills,
  };
}

class Draft {
  seq: number;
  unsigned: number;
  sizeBytes = 0;
  readonly entries: AuditEntry[] = [];
  checkpoint: Checkpoint | undefined;
  #hash: string;
  readonly #memory: LineMemory;
  readonly #init: BatchInit;
  readonly #isFollowed: boolean;

  constructor({ chain, memory }: BatchPlace, init: BatchInit) {
    this.seq = chain.seq;
    this.unsigned = chain.unsigned;
    this.#hash = chain.hash;
    this.#memory = memory;
    this.#init = init;
    this.#isFollowed = init.isFollowed();
  }

  get chain(): ChainEnd {
    return { seq: this.seq, hash: this.#hash, unsigned: this.unsigned };
  }

  get bytes(): Buffer {
    return this.#memory.part(0, this.sizeBytes);
  }

  add(content: Content, at: number): void {
    this.seq += 1;
    this.unsigned += 1;
    const place = { seq: this.seq, at, prev: this.#hash };
    const start = this.sizeBytes;
    this.sizeBytes = this.#memory.lay(lineOf(content, place), start);
    if (this.#isFollowed) this.entries.push(placed(content, place));
    // Of the bytes themselves: a text would be made into the same ones once more.
    this.#hash = hashLine(this.#memory.part(start, this.sizeBytes - 1));
  }

  seal(): void {
    if (this.unsigned === 0) return;
    const { signer, now } = this.#init;
    const at = now();
    this.checkpoint = sealLine(signer, 'checkpoint', { ...this.chain, at });
    this.add(
      {
        kind: 'checkpoint',
        who: signer.did,
        what: { ability: 'audit/sign', resource: 'audit:log' },
        outcome: 'signed',
        checkpoint: this.checkpoint,
      },
      at,
    );
    this.unsigned = 0;
  }
}
