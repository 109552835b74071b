/** The registers of durable tasks that a node knows, by task: what each takes of its board, and what goes to make room. */
import type { Did, Json } from '../../core/index.ts';
import { DURABLE_BYTES_MAX } from '../limits.ts';
import type { TaskRow } from '../types.ts';

/** One register of a board, as far as this node has heard of it or writes it. */
export interface KnownRegister {
  readonly id: string;
  readonly creator: Did;
  isOwned: boolean;
  epoch: number;
  /** Undefined: it is read before it is written. */
  version: number | undefined;
  hasEnded: boolean;
  /** Its result counts, and nothing changes that. */
  isDone: boolean;
  /** What it takes of the board, about. */
  bytes: number;
  /** Of the newest row that is known of this epoch. */
  rowVersion: number;
  input: Json | undefined;
  /** How many answers of its submitter are written. */
  answers: number;
  /** The key of what it has asked last, as it is written. */
  asked: string | undefined;
  /** One write after the other. */
  last: Promise<void>;
  /** The newest row that waits to be written behind what is under way. */
  behind: TaskRow | undefined;
}

/** See the file. */
export class KnownRegisters {
  readonly #known = new Map<string, KnownRegister>();
  /** What the registers of each board take, about. */
  readonly #bytes = new Map<Did, number>();
  /** How many registers of each board are known. */
  readonly #counts = new Map<Did, number>();

  get(id: string): KnownRegister | undefined {
    return this.#known.get(id);
  }

  add(
    id: string,
    creator: Did,
    init: Pick<KnownRegister, 'isOwned' | 'epoch' | 'version' | 'input'>,
  ): KnownRegister {
    const known: KnownRegister = {
      id,
      creator,
      ...init,
      hasEnded: false,
      isDone: false,
      rowVersion: 0,
      bytes: 0,
      answers: 0,
      asked: undefined,
      last: Promise.resolve(),
      behind: undefined,
    };
    this.#known.set(id, known);
    this.#counts.set(creator, this.countOf(creator) + 1);
    return known;
  }

  /** Counts what a register takes of its board. */
  size(known: KnownRegister, bytes: number): void {
    const all = this.#bytes.get(known.creator) ?? 0;
    this.#bytes.set(known.creator, all + bytes - known.bytes);
    known.bytes = bytes;
  }

  /** How many of one board are known. */
  countOf(creator: Did): number {
    return this.#counts.get(creator) ?? 0;
  }

  forget(known: KnownRegister): void {
    this.size(known, 0);
    this.#counts.set(known.creator, this.countOf(known.creator) - 1);
    this.#known.delete(known.id);
  }

  /** What has ended longest ago, as far as it must go for `bytes` more, and whether that is enough. */
  roomFor(creator: Did, bytes: number): { readonly going: string[]; readonly isEnough: boolean } {
    const overBytes = (this.#bytes.get(creator) ?? 0) + bytes - DURABLE_BYTES_MAX;
    const going: string[] = [];
    let freed = 0;
    for (const one of this.#known.values()) {
      if (freed >= overBytes) break;
      if (one.creator !== creator || !one.hasEnded || !one.isOwned) continue;
      freed += one.bytes;
      going.push(one.id);
    }
    return { going, isEnough: freed >= overBytes };
  }

  clear(): void {
    this.#known.clear();
    this.#bytes.clear();
    this.#counts.clear();
  }
}
