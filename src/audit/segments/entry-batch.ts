/** Makes queued entries into lines of the chain. Pure: nothing is written, so a batch may be redone. */
import type { Signer } from '../../identity/index.ts';
import { sealLine } from '../checkpoint.ts';
import { hashLine, lineOf, placed } from '../format.ts';
import type { Content } from '../format.ts';
import type { ChainEnd } from './recover.ts';
import type { AuditEntry, Checkpoint } from '../types.ts';

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
  /** Its lines, each with its line feed, and how many bytes of UTF-8 they are. */
  readonly text: string;
  readonly sizeBytes: number;
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

/** Makes the next batch of `items`, to follow `chain` in a segment of `sizeBytes`. */
export function makeBatch(
  items: readonly Item[],
  chain: ChainEnd,
  sizeBytes: number,
  init: BatchInit,
): Batch {
  const draft = new Draft(chain, init);
  const seqs: { waiter: Waiter; seq: number }[] = [];
  let count = 0;
  let syncs = false;
  for (const item of items) {
    count += 1;
    if (item.content !== undefined) draft.add(item.content, item.at);
    if (item.waiter !== undefined) seqs.push({ waiter: item.waiter, seq: draft.chain.seq });
    syncs ||= item.syncs === true;
    if (item.seals === true || draft.chain.unsigned >= init.checkpointEntries) draft.seal();
    if (draft.sizeBytes >= init.batchBytes) break;
  }
  // So that each segment can be verified, and removed, as a whole.
  const fills = sizeBytes + draft.sizeBytes >= init.segmentBytes;
  if (fills) draft.seal();
  return {
    count,
    text: draft.text,
    sizeBytes: draft.sizeBytes,
    lines: draft.chain.seq - chain.seq,
    entries: draft.entries,
    chain: draft.chain,
    checkpoint: draft.checkpoint,
    seqs,
    syncs,
    fills,
  };
}

class Draft {
  chain: ChainEnd;
  text = '';
  sizeBytes = 0;
  readonly entries: AuditEntry[] = [];
  checkpoint: Checkpoint | undefined;
  readonly #init: BatchInit;
  readonly #isFollowed: boolean;

  constructor(chain: ChainEnd, init: BatchInit) {
    this.chain = chain;
    this.#init = init;
    this.#isFollowed = init.isFollowed();
  }

  add(content: Content, at: number): void {
    const { seq, hash, unsigned } = this.chain;
    const place = { seq: seq + 1, at, prev: hash };
    const line = lineOf(content, place);
    this.text += `${line}\n`;
    this.sizeBytes += Buffer.byteLength(line) + 1;
    if (this.#isFollowed) this.entries.push(placed(content, place));
    this.chain = { seq: seq + 1, hash: hashLine(line), unsigned: unsigned + 1 };
  }

  seal(): void {
    if (this.chain.unsigned === 0) return;
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
    this.chain = { ...this.chain, unsigned: 0 };
  }
}
