/**
 * Asks replicas whether they have accepted just what this node has: of all keys that are asked about in one turn of the
 * event loop, one question for each replica, whose answer names those that differ.
 */
import type { ReplicaSet } from './replica-set.ts';
import { voterName } from './replica-set.ts';
import { SAME_KEYS_MAX } from './format.ts';
import type { KeyBallot, Reply } from './format.ts';
import type { Known } from './reader.ts';
import type { Voter } from '../lanes/voters.ts';

/** Asks one replica; undefined when it does not answer in time. Never rejects. */
export type AskSame = (
  voter: Voter,
  set: ReplicaSet,
  asked: { readonly board: string; readonly of: readonly KeyBallot[] },
) => Promise<Reply | undefined>;

/** Keys of one question, as bytes: a byte of a key takes up to six in JSON. */
const KEYS_BYTES_MAX = 96 * 1024;

interface Gathered {
  readonly voter: Voter;
  readonly set: ReplicaSet;
  readonly board: string;
  readonly of: KeyBallot[];
  readonly hear: ((isSame: boolean) => void)[];
  keysBytes: number;
}

/** Questions of this node. */
export class SameQuestions {
  readonly #ask: AskSame;
  #gathered = new Map<string, Gathered>();

  constructor(ask: AskSame) {
    this.#ask = ask;
  }

  /** Whether a replica has accepted just what is known; false where it does not say so. Never rejects. */
  isSame(voter: Voter, set: ReplicaSet, { cell, known }: Known): Promise<boolean> {
    const { board, key } = cell;
    const name = `${set.number} ${board} ${voterName(voter)}`;
    const keyBytes = Buffer.byteLength(key);
    let one = this.#gathered.get(name);
    const isFull =
      one !== undefined &&
      (one.of.length >= SAME_KEYS_MAX || one.keysBytes + keyBytes > KEYS_BYTES_MAX);
    if (one !== undefined && isFull) this.#send(name, one);
    if (one === undefined || isFull) {
      one = { voter, set, board, of: [], hear: [], keysBytes: 0 };
      this.#gathered.set(name, one);
      const begun = one;
      setImmediate(() => this.#send(name, begun));
    }
    one.keysBytes += keyBytes;
    one.of.push([key, known]);
    const { hear } = one;
    return new Promise((resolve) => hear.push(resolve));
  }

  /** Once, in its turn or when it is full. */
  #send(name: string, one: Gathered): void {
    if (this.#gathered.get(name) !== one) return;
    this.#gathered.delete(name);
    const { voter, set, board, of, hear } = one;
    const told = (reply: Reply | undefined): void => {
      const others = reply?.t === 'same' ? new Set(reply.others) : undefined;
      for (const [at, resolve] of hear.entries()) resolve(others?.has(at) === false);
    };
    this.#ask(voter, set, { board, of }).then(told, () => told(undefined));
  }
}
