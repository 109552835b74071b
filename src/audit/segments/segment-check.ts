/**
 * Checks the lines of one segment: does each name the line before it, and do checkpoints hold? Pure,
 * and says where. Around a link that does not hold it looks for the line that is meant: found
 * elsewhere, lines were reordered; not found, one was edited or is missing.
 */
import type { Did } from '../../core/index.ts';
import { isSealed } from '../checkpoint.ts';
import { GENESIS } from '../format.ts';
import type { AuditEntry, AuditFinding, Checkpoint } from '../types.ts';

/** One line, read. */
export interface CheckedLine {
  readonly hash: string;
  /** Absent when it is no entry. */
  readonly entry?: Pick<AuditEntry, 'seq' | 'prev' | 'kind'> & {
    readonly checkpoint?: Checkpoint;
    /** The key that signs from here on: the entry tells of its taking over. */
    readonly newKey?: string;
  };
  /** Why it is no entry. */
  readonly problem?: string;
}

/** What is known of a log up to some line: what the next segment is checked against. */
export interface ChainState {
  /** Of the last line; undefined when nothing is known of what came before. */
  readonly last: { readonly seq: number; readonly hash: string } | undefined;
  /** Where the last line stands. */
  readonly position: { readonly segment: string; readonly line: number };
  /** Entries after the last checkpoint. */
  readonly unsigned: number;
  /** The last checkpoint that holds. */
  readonly checkpoint: Checkpoint | undefined;
  /** Index of the key that signs here, in {@link SegmentCheckInit.dids}; keys after it are retired. */
  readonly key: number;
}

/** What a log is checked by. */
export interface SegmentCheckInit {
  /** Keys of the node, the newest first. */
  readonly dids: readonly Did[];
  /** Entries that may follow one another without a checkpoint. */
  readonly checkpointEntries: number;
}

/** Before the first segment of a log from which nothing was removed. */
export const BEGINNING: ChainState = {
  last: { seq: 0, hash: GENESIS },
  position: { segment: '', line: 0 },
  unsigned: 0,
  checkpoint: undefined,
  key: Infinity,
};

/** Checks a segment that follows `before`; tells what is wrong, in order. */
export function checkSegment(
  segment: string,
  lines: readonly CheckedLine[],
  before: ChainState,
  init: SegmentCheckInit,
  tell: (finding: AuditFinding) => void,
): ChainState {
  return new SegmentChecker(segment, lines, before, init, tell).run();
}

class SegmentChecker {
  readonly #segment: string;
  readonly #lines: readonly CheckedLine[];
  readonly #init: SegmentCheckInit;
  readonly #tell: (finding: AuditFinding) => void;
  #state: ChainState;
  /** Lines by their hash; made when a link does not hold. */
  #byHash: Map<string, number> | undefined;
  /** Index of a line that has been found wrong: its links say nothing more. */
  #blamed = -2;

  constructor(
    segment: string,
    lines: readonly CheckedLine[],
    before: ChainState,
    init: SegmentCheckInit,
    tell: (finding: AuditFinding) => void,
  ) {
    this.#segment = segment;
    this.#lines = lines;
    this.#state = before;
    this.#init = init;
    this.#tell = tell;
  }

  run(): ChainState {
    for (const [index, line] of this.#lines.entries()) {
      const { entry } = line;
      const { last } = this.#state;
      if (entry === undefined) {
        this.#find('malformed', index, line.problem ?? 'it is no entry');
        this.#blamed = index;
      } else {
        if (last !== undefined) this.#checkLink(index, entry, last);
        this.#checkSignature(index, entry);
      }
      if (entry?.newKey !== undefined) this.#signsNow(entry.newKey);
      const isCheckpoint = entry?.kind === 'checkpoint';
      this.#state = {
        ...this.#state,
        last: { seq: entry?.seq ?? (last?.seq ?? 0) + 1, hash: line.hash },
        position: { segment: this.#segment, line: index + 1 },
        unsigned: isCheckpoint ? 0 : this.#state.unsigned + 1,
      };
      if (this.#state.unsigned === this.#init.checkpointEntries + 1) {
        this.#find(
          'unsigned',
          index,
          `over ${this.#init.checkpointEntries} entries without a checkpoint: some were taken out`,
        );
      }
    }
    return this.#state;
  }

  #checkLink(
    index: number,
    entry: Pick<AuditEntry, 'seq' | 'prev'>,
    last: { readonly seq: number; readonly hash: string },
  ): void {
    const isNext = entry.seq === last.seq + 1;
    const isLinked = entry.prev === last.hash;
    if (isLinked && isNext) return;
    if (isLinked) {
      this.#blame(index, `its number is ${entry.seq}, and should be ${last.seq + 1}`);
      return;
    }
    const twin = this.#positionOf(this.#lines[index]?.hash ?? '');
    const meant = this.#positionOf(entry.prev);
    if (twin !== undefined && twin < index) {
      this.#find('reordered', index, `it is line ${twin + 1} once more`);
    } else if (entry.prev === GENESIS) {
      this.#find('reordered', index, `the beginning of a log stands behind entry ${last.seq}`);
    } else if (meant !== undefined) {
      this.#find(
        'reordered',
        index,
        `entry ${entry.seq} stands behind entry ${last.seq}, but follows line ${meant + 1}`,
      );
    } else if (entry.seq > last.seq + 1) {
      const count = entry.seq - last.seq - 1;
      const what =
        count === 1 ? `entry ${last.seq + 1}` : `entries ${last.seq + 1} to ${entry.seq - 1}`;
      this.#find('missing', index, `${what} should stand before this line`);
    } else if (this.#blamed !== index - 1) {
      this.#blameEither(index, isNext);
    }
  }

  /**
   * A link fails that no other line explains: either the line before was edited, or this one's link
   * was. In the second case the next link fails, too, because the edit changed this line's hash.
   */
  #blameEither(index: number, isNext: boolean): void {
    const next = this.#lines[index + 1]?.entry;
    const isThis = next !== undefined && next.prev !== this.#lines[index]?.hash;
    const isLoneBeginning = this.#state.position.line === 0;
    if (isLoneBeginning || (isThis && isNext && this.#positionOf(next.prev) === undefined)) {
      this.#blame(index, 'it is not as it was written (the line before may have been edited, too)');
      return;
    }
    const { position } = this.#state;
    this.#tell({
      rule: 'edited',
      ...position,
      text: 'it is not as it was written: the line after it names another',
    });
  }

  #checkSignature(index: number, entry: NonNullable<CheckedLine['entry']>): void {
    const { checkpoint, seq, prev } = entry;
    if (checkpoint === undefined) return;
    const key = this.#init.dids.indexOf(checkpoint.did);
    if (key < 0) {
      this.#find('signature', index, `the checkpoint is by ${checkpoint.did}, a stranger`);
    } else if (key > this.#state.key) {
      const what = `the checkpoint is by ${checkpoint.did}, a key that was retired before`;
      this.#find('signature', index, what);
    } else if (!isSealed(checkpoint, 'checkpoint')) {
      this.#find('signature', index, 'the signature of the checkpoint does not hold');
    } else if (checkpoint.seq !== seq - 1 || checkpoint.hash !== prev) {
      const since = (this.#state.checkpoint?.seq ?? 0) + 1;
      this.#find(
        'rewritten',
        index,
        `the checkpoint signs another history: something in entries ${since} to ${checkpoint.seq} was changed, and the chain made anew`,
      );
    } else this.#state = { ...this.#state, checkpoint, key };
  }

  #signsNow(did: string): void {
    const key = this.#init.dids.findIndex((one) => one === did);
    if (key >= 0) this.#state = { ...this.#state, key: Math.min(key, this.#state.key) };
  }

  #positionOf(hash: string): number | undefined {
    // The first line of a hash, when there are several.
    this.#byHash ??= new Map(
      this.#lines.map((line, index) => [line.hash, index] as const).toReversed(),
    );
    return this.#byHash.get(hash);
  }

  #blame(index: number, text: string): void {
    this.#blamed = index;
    this.#find('edited', index, text);
  }

  #find(rule: AuditFinding['rule'], index: number, text: string): void {
    this.#tell({ rule, segment: this.#segment, line: index + 1, text });
  }
}
