/**
 * The changes of the replicas of one board, as records say them, and which of them count for whoever reads and writes
 * the board: those that follow on the replicas with which the board was made, one after the other, each signed by
 * somebody who may, or whose revocation names the change among those that count all the same. Like the rest of
 * `board-access.ts` this follows from the records alone.
 */
import type { Did } from '../../core/index.ts';
import { firstVoters } from '../lanes/voters.ts';
import type { Voter } from '../lanes/voters.ts';
import type { BoardCreation, BoardReplicas } from './access-records.ts';

interface Known {
  readonly jws: string;
  readonly change: BoardReplicas;
  /** The replicas that it changes, and those that it makes, with their numbers. */
  readonly from: string;
  readonly to: string;
}

/** Changes by their records. */
export class ReplicaChanges {
  /** In the order of their numbers. */
  #all: readonly Known[] = [];

  keep(jws: string, change: BoardReplicas): void {
    if (this.get(jws) !== undefined) return;
    const { number, before, voters } = change;
    const known = {
      jws,
      change,
      from: setName(number - 1, before),
      to: setName(number + 1, voters),
    };
    this.#all = [...this.#all, known].toSorted(inOrder);
  }

  get(jws: string): BoardReplicas | undefined {
    return this.#all.find((known) => known.jws === jws)?.change;
  }

  /**
   * The changes that count, with their records, the last one at the end; of two of one number, all take the same one
   * to be the last.
   */
  counted(
    creation: BoardCreation | undefined,
    maySign: (jws: string, signer: Did) => boolean,
  ): readonly Pick<Known, 'change' | 'jws'>[] {
    if (this.#all.length === 0 || creation?.strong === undefined) return [];
    const sets = new Set([setName(0, firstVoters(creation.strong, creation.disks))]);
    return this.#all.filter(({ jws, change, from, to }) => {
      if (!sets.has(from) || !maySign(jws, change.iss)) return false;
      sets.add(to);
      return true;
    });
  }
}

function setName(number: number, voters: readonly Voter[]): string {
  return `${number} ${JSON.stringify(voters)}`;
}

function inOrder(a: Known, b: Known): number {
  const order = a.change.number - b.change.number;
  return order === 0 ? (a.jws < b.jws ? -1 : 1) : order;
}
