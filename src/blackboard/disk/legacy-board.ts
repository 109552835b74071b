/**
 * Reads a board as versions before lanes wrote it (commit 6fb304d and those after): rows that are updates of a
 * Yjs document with one map `entries`, of key to `{ v: value, by, at }`. Only this file knows Yjs.
 */
import * as Y from 'yjs';
import { isCount } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import type { EntryChange } from '../document/document-types.ts';
import { isKey, problemOf } from '../limits.ts';
import type { BoardLimits } from '../limits.ts';
import type { BoardRow } from './persistence.ts';

/** Entries of an old board, and how many of its rows could not be read. */
export interface LegacyBoard {
  readonly entries: readonly EntryChange[];
  readonly unreadable: number;
}

/** Whether a row was written before lanes: updates of Yjs (V2) begin with a zero, others with a bracket. */
export function isLegacy({ value }: BoardRow): boolean {
  return value[0] === 0;
}

/** What is set in a board of rows that {@link isLegacy}. */
export function readLegacyBoard(rows: readonly BoardRow[], limits: BoardLimits): LegacyBoard {
  const doc = new Y.Doc();
  let unreadable = 0;
  // One transaction for all: merging thousands of small updates first is quadratic.
  doc.transact(() => {
    for (const { value } of rows) {
      try {
        Y.applyUpdateV2(doc, new Uint8Array(value));
      } catch {
        // A damaged row: the board stays readable without it.
        unreadable += 1;
      }
    }
  });
  const entries = [...doc.getMap<unknown>('entries')].flatMap(([key, value]) =>
    entryOf(key, value, limits),
  );
  doc.destroy();
  return { entries, unreadable };
}

function entryOf(key: string, value: unknown, limits: BoardLimits): readonly EntryChange[] {
  if (!isKey(key, limits) || typeof value !== 'object' || value === null) return [];
  const { v, by, at } = value as Partial<Record<string, unknown>>;
  const isEntry = v !== undefined && typeof by === 'string' && typeof at === 'number';
  if (!isEntry || problemOf(v as Json, limits.valueDepth) !== undefined) return [];
  const ms = isCount(at) ? at : 0;
  const valueBytes = Buffer.byteLength(JSON.stringify(v));
  return [{ key, value: v as Json, valueBytes, by: by as Did, stamp: [ms, 0] }];
}
