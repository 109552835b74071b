/** The rows of this node as they leave the node: signed when somebody asks for them, and once for each number. */
import type { Did } from '../../core/index.ts';
import type { FrequentSigner } from '../../identity/index.ts';
import { rowHash, signRow, signRows } from '../rows/row-format.ts';
import type { Accounts } from './accounts.ts';
import type { NamedRow, SignedRow } from './book-types.ts';

/** Signs what is on the disk. */
export class OwnTexts {
  readonly #accounts: Pick<Accounts, 'durable'>;
  readonly #signer: FrequentSigner;
  readonly #named = new Map<string, NamedRow>();
  readonly #signed = new Map<string, SignedRow>();

  constructor(accounts: Pick<Accounts, 'durable'>, signer: FrequentSigner) {
    this.#accounts = accounts;
    this.#signer = signer;
  }

  /** Undefined where `self` has written no such row. @throws STARLING_LIMIT_EXCEEDED when the row names too many */
  of(rowId: string, self: Did): SignedRow | undefined {
    const row = this.#accounts.durable(rowId, self);
    if (row === undefined) return undefined;
    const known = this.#signed.get(rowId);
    if (known?.seq === row.seq) return known;
    const signed = {
      owner: self,
      seq: row.seq,
      hash: rowHash(row),
      jws: signRow(this.#signer, row),
    };
    this.#signed.set(rowId, signed);
    return signed;
  }

  /** Signs those that are not signed yet with as few signatures as there can be; {@link of} gives them then. */
  sign(rowIds: readonly string[], self: Did): void {
    const rows = rowIds.flatMap((rowId) => {
      const row = this.#accounts.durable(rowId, self);
      return row === undefined || this.#signed.get(rowId)?.seq === row.seq ? [] : [row];
    });
    for (const [at, jws] of signRows(this.#signer, rows).entries()) {
      const row = rows[at];
      if (row === undefined) continue;
      this.#signed.set(row.budget, { owner: self, seq: row.seq, hash: rowHash(row), jws });
    }
  }

  /** The same, and nothing is signed for it. */
  nameOf(rowId: string, self: Did): NamedRow | undefined {
    const row = this.#accounts.durable(rowId, self);
    if (row === undefined) return undefined;
    const known = this.#named.get(rowId);
    if (known?.seq === row.seq) return known;
    const named = { owner: self, seq: row.seq, hash: rowHash(row) };
    this.#named.set(rowId, named);
    return named;
  }

  drop(rowId: string): void {
    this.#named.delete(rowId);
    this.#signed.delete(rowId);
  }
}
