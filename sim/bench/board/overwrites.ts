/** Replicas without disk and network that overwrite the same keys: what is left of that in memory and on disk. */
import { createBoardDocument } from '../../../src/testing.ts';
import type { BoardDocument } from '../../../src/testing.ts';
import { quietHeapMb } from './memory.ts';

/** Overwrites of the same keys. */
export interface OverwriteRow {
  readonly writes: number;
  readonly cpuUsPerWrite: number;
  /** Pieces of Yjs' memory. */
  readonly structs: number;
  readonly heapMb: number;
  readonly freshHeapMb: number;
  readonly loadMs: number;
}

const KEYS = 1000;
const WRITERS = 4;
/** After fewer, half a megabyte of compiled code would count as the board's. */
const WARM_UP_WRITES = 80_000;
/** Writes that a writer brings into one tick. */
const TICK = 16;

/** Four replicas that overwrite the same keys and hear each other, and one that hears of it all; no disk and no network. */
export async function measureOverwrites(writes: number): Promise<OverwriteRow> {
  let now = Date.now();
  const open = (name: string, pieces: readonly Uint8Array[] = []): BoardDocument =>
    createBoardDocument({ self: `did:key:${name}`, now: () => now }, pieces);
  const tick = (): void => {
    now += 1;
  };
  // Before, as often as V8 takes to compile all of it: what code takes is no part of a board.
  overwrite(open('reader'), { writes: Math.min(writes, WARM_UP_WRITES), open, tick });
  const before = await quietHeapMb();
  const reader = open('reader');
  const cpuUsPerWrite = overwrite(reader, { writes, open, tick });
  reader.digest();
  const heap = (await quietHeapMb()) - before;
  const pieces = [...reader.snapshot()];
  const from = performance.now();
  const size = loadedSize(open('reader', pieces));
  const loadMs = performance.now() - from;
  if (size !== reader.size) throw new Error('the copy is not whole');
  const alone = await quietHeapMb();
  const fresh = freshCopy(open('copy'), reader);
  const freshHeapMb = Math.max((await quietHeapMb()) - alone, 0.01);
  if (fresh.size !== reader.size) throw new Error('the copy is not whole');
  return { writes, cpuUsPerWrite, structs: reader.structs, heapMb: heap, freshHeapMb, loadMs };
}

/** Gives the CPU that a write took, at all replicas together. */
function overwrite(
  reader: BoardDocument,
  init: {
    readonly writes: number;
    readonly open: (name: string) => BoardDocument;
    readonly tick: () => void;
  },
): number {
  const writers = Array.from({ length: WRITERS }, (_, i) => init.open(`writer${i}`));
  for (const writer of writers) {
    writer.onUpdate((update, origin) => {
      if (origin !== 'local') return;
      for (const other of [reader, ...writers]) if (other !== writer) other.apply(update);
    });
  }
  const cpu = process.cpuUsage();
  for (let done = 0; done < init.writes; init.tick()) {
    for (const writer of writers) {
      const changes = Array.from({ length: TICK }, (_, i) => {
        return { key: `k${((done + i) * 7919) % KEYS}`, value: done + i, valueBytes: 7 };
      });
      commit(writer, writer.draft(changes));
      commit(writer, writer.draftRenewal());
      done += TICK;
    }
  }
  return cpuUs(cpu) / init.writes;
}

function loadedSize(loaded: BoardDocument): number {
  loaded.digest();
  return loaded.size;
}

function commit(document: BoardDocument, draft: ReturnType<BoardDocument['draft']>): void {
  if (draft !== undefined) document.commit(draft);
}

/** The same entries, written once. */
function freshCopy(copy: BoardDocument, of: BoardDocument): BoardDocument {
  const changes = of.entries('').map(({ key, value }) => ({ key, value, valueBytes: 7 }));
  commit(copy, copy.draft(changes));
  copy.digest();
  return copy;
}

function cpuUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}
