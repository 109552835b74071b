/**
 * The update that a change of a document would be, without changing the document: so that the update can
 * be on disk first. Yjs makes it, in a small document that holds of the large one only the newest piece of
 * each key in question, in its place; what lies between is filled up with garbage, as Yjs does itself.
 */
import * as Y from 'yjs';
import { deletionBytes, withoutDeletions } from './yjs-deletions.ts';

/**
 * By what Yjs knows a document inside of another, where ours never are: to draw a name for each, as Yjs does unless
 * one is given, takes 31 questions to the system for random bytes.
 */
export const UNNAMED = { guid: '' } as const;

/** One key's change; without `value` the key is deleted. */
export interface DraftChange<Value> {
  readonly key: string;
  readonly value?: Value;
}

/** Drafts the changes of one document. */
export interface Drafter<Value> {
  /**
   * What `changes` are as one update without a set of deletions, written by the client `writer`, which must not be the document's own.
   * Each key may come once. Undefined when nothing would change.
   */
  draft(writer: number, changes: readonly DraftChange<Value>[]): Uint8Array | undefined;
}

/** Makes the drafter of the map `name` in `doc`. */
export function createDrafter<Value>(doc: Y.Doc, name: string): Drafter<Value> {
  const map = doc.getMap<Value>(name);
  // One for all drafts: to make a document costs more than a draft.
  const scratch = new Y.Doc(UNNAMED);
  const target = scratch.getMap<Value>(name);
  let update: Uint8Array | undefined;
  scratch.on('updateV2', (made: Uint8Array, _origin, _doc, { deleteSet }: Y.Transaction) => {
    update = withoutDeletions(made, deletionBytes(deleteSet));
  });
  return {
    draft(writer, changes) {
      scratch.clientID = writer;
      setUp(scratch, target, placeholdersOf(map, target, changes));
      fillUp(scratch, writer, Y.getState(doc.store, writer));
      update = undefined;
      scratch.transact(() => {
        for (const { key, value } of changes) {
          if (value === undefined) target.delete(key);
          else target.set(key, value);
        }
      });
      const made = update;
      setUp(scratch, target, []);
      return made;
    },
  };
}

function placeholdersOf<Value>(
  map: Y.Map<Value>,
  target: Y.Map<Value>,
  changes: readonly DraftChange<Value>[],
): readonly Y.Item[] {
  return changes.flatMap(({ key }) => {
    const newest = map._map.get(key);
    return newest === undefined ? [] : [placeholderOf(newest, target, key)];
  });
}

/** Empties the scratch document, and puts `pieces` into it. */
function setUp<Value>(scratch: Y.Doc, target: Y.Map<Value>, pieces: readonly Y.Item[]): void {
  scratch.store.clients.clear();
  target._map.clear();
  const ordered = pieces.toSorted((a, b) => a.id.clock - b.id.clock);
  for (const piece of ordered) {
    const { client, clock } = piece.id;
    fillUp(scratch, client, clock);
    append(scratch, piece);
    target._map.set(piece.parentSub ?? '', piece);
  }
}

/** Fills what `client` has in the scratch document up to `end` with garbage. */
function fillUp(scratch: Y.Doc, client: number, end: number): void {
  const clock = Y.getState(scratch.store, client);
  if (end > clock) append(scratch, new Y.GC(Y.createID(client, clock), end - clock));
}

function append({ store }: Y.Doc, struct: Y.Item | Y.GC): void {
  const known = store.clients.get(struct.id.client);
  if (known === undefined) store.clients.set(struct.id.client, [struct]);
  else known.push(struct);
}

/** The end of `item`, as a piece of length 1 under the same id: enough to follow on, and to be deleted. */
function placeholderOf<Value>(item: Y.Item, parent: Y.Map<Value>, key: string): Y.Item {
  const { client, clock } = item.lastId;
  const content = item.deleted ? new Y.ContentDeleted(1) : new Y.ContentAny([null]);
  const id = Y.createID(client, clock);
  const piece = new Y.Item(id, null, null, null, null, parent, key, content);
  if (item.deleted) piece.markDeleted();
  return piece;
}
