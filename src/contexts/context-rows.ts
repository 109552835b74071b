/**
 * Conversations on the disk. Each has a key of its own, by which its lines are sealed; the key lies in the conversation's
 * row, which is sealed for this node. Where the key is gone, nobody reads the lines.
 */
import { randomBytes } from 'node:crypto';
import { StarlingError, isObject, messageOf } from '../core/index.ts';
import type { Json, Logger } from '../core/index.ts';
import { sealerOf } from '../identity/index.ts';
import type { Sealer } from '../identity/index.ts';
import type { Table, Write } from '../store/index.ts';
import type { ContextLine, ContextOf, ContextShare, ContextSummary } from './types.ts';

const KEY_BYTES = 32;
const LINE_DIGITS = 9;
const LABEL = 'context';

/** A conversation as its row has it. */
export interface ContextRow extends ContextOf {
  readonly id: string;
  /** base64; empty once the conversation is deleted, and its shares are to be ended. */
  readonly key: string;
  readonly createdAt: number;
  readonly usedAt: number;
  /** Numbers of the oldest line that is kept, and of the next one. */
  readonly first: number;
  readonly next: number;
  readonly summary?: ContextSummary;
  /** Each with a key of its own. */
  readonly shares: readonly (ContextShare & { readonly key: string })[];
}

/** What rows are kept with. */
export interface ContextRowsComponents {
  /** Rows, sealed for this node: see `CONTEXTS_TABLE` of the room `secrets`. */
  readonly table: Table;
  readonly lines: Table;
  readonly sealer: Sealer;
  readonly logger: Logger;
}

/** 32 random bytes, in base64. */
export function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/** Seals `content` by a context's key; `place` is where it lies, so that nothing passes for something else. */
export function sealWith(key: string, place: string, content: object): string {
  const bytes = Buffer.from(JSON.stringify(content));
  return Buffer.from(sealerBy(key).seal(place, bytes)).toString('base64');
}

/** What {@link sealWith} sealed; undefined for what is damaged, of another key, or of another place. */
export function openWith(key: string, place: string, sealed: unknown): Json | undefined {
  if (typeof sealed !== 'string') return undefined;
  try {
    const bytes = sealerBy(key).open(place, Buffer.from(sealed, 'base64'));
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Json;
  } catch (error) {
    if (error instanceof StarlingError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function sealerBy(key: string): Sealer {
  return sealerOf({ seed: Buffer.from(key, 'base64') }, LABEL);
}

/** Rows and lines of all conversations of this node. */
export class ContextRows {
  readonly #components: ContextRowsComponents;

  constructor(components: ContextRowsComponents) {
    this.#components = components;
  }

  /** All rows. One that can't be opened is told of in the log, and left alone. */
  async load(): Promise<readonly ContextRow[]> {
    const { logger, sealer, table } = this.#components;
    const rows: ContextRow[] = [];
    for await (const [id, sealed] of table.entries()) {
      try {
        rows.push(JSON.parse(Buffer.from(sealer.open(id, sealed)).toString()) as ContextRow);
      } catch (error) {
        logger.warn({ context: id, error: messageOf(error) }, 'a conversation can not be opened');
      }
    }
    return rows;
  }

  /** Writes a row, and lines that are new with it; lines before `row.first` go. */
  async put(
    row: ContextRow,
    added: readonly ContextLine[] = [],
    before = row.first,
  ): Promise<void> {
    const { lines, sealer, table } = this.#components;
    const gone: Write[] = [];
    for (let n = before; n < row.first; n += 1) gone.push({ key: lineKey(row.id, n) });
    const written = added.map((line) => {
      const key = lineKey(row.id, line.n);
      return { key, value: Buffer.from(sealWith(row.key, key, line)) };
    });
    // A line without its row's word is none: the row says which there are.
    if (written.length > 0) await lines.batch(written);
    await table.put(row.id, sealer.seal(row.id, Buffer.from(JSON.stringify(row))));
    if (gone.length > 0) await lines.batch(gone);
  }

  /** The lines of a row, from the number `from`. */
  async lines(row: ContextRow, from = row.first): Promise<readonly ContextLine[]> {
    const said: ContextLine[] = [];
    for (let n = Math.max(from, row.first); n < row.next; n += 1) {
      const key = lineKey(row.id, n);
      const bytes = await this.#components.lines.get(key);
      const line = openWith(row.key, key, bytes && Buffer.from(bytes).toString());
      if (isObject(line)) said.push(line as unknown as ContextLine);
    }
    return said;
  }

  /** Takes all lines away, and then the row. */
  async remove({ id }: Pick<ContextRow, 'id'>): Promise<void> {
    await this.removeLines(id);
    await this.#components.table.delete(id);
  }

  async removeLines(id: string): Promise<void> {
    const { lines } = this.#components;
    const gone: Write[] = [];
    for await (const [key] of lines.entries(`${id}/`)) gone.push({ key });
    if (gone.length > 0) await lines.batch(gone);
  }
}

function lineKey(id: string, n: number): string {
  return `${id}/${String(n).padStart(LINE_DIGITS, '0')}`;
}
