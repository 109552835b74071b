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
  /** What goes when the board is let go of: neither code nor what V8 keeps of its own, as half a megabyte of numbers as texts. */
  readonly heapMb: number;
  readonly freshHeapMb: number;
  /** What there is more than before once the board is let go of. */
  readonly leftMb: number;
  readonly loadMs: number;
}

const KEYS = 1000;
const WRITERS = 4;
/** After fewer, V8 would compile while it is measured. */
const WARM_UP_WRITES = 80_000;
/** Writes that a writer brings into one tick. */
const TICK = 16;

/** Four replicas that overwrite the same keys and hear each other, and one that hears of it all; no disk and no network. */
export async function measureOverwrites(writes: number): Promise<OverwriteRow> {
  let now = Date.now();
  const init = {
    open: (name: string, pieces: readonly Uint8Array[] = []): BoardDocument =>
      createBoardDocument({ self: `did:key:${name}`, now: () => now }, pieces),
    tick: (): void => {
      now += 1;
    },
  };
  // Before, as often as V8 takes to compile all of it.
  overwriteOne(Math.min(writes, WARM_UP_WRITES), init);
  const before = await quietHeapMb();
  const held: Partial<Held> = overwriteOne(writes, init);
  const both = await quietHeapMb();
  delete held.reader;
  const copyAlone = await quietHeapMb();
  delete held.copy;
  const none = await quietHeapMb();
  const { cpuUsPerWrite = Number.NaN, structs = Number.NaN, loadMs = Number.NaN } = held;
  return {
    writes,
    cpuUsPerWrite,
    structs,
    heapMb: both - copyAlone,
    freshHeapMb: Math.max(copyAlone - none, 0.01),
    leftMb: none - before,
    loadMs,
  };
}

/** What is measured before it is let go of. */
interface Held {
  reader: BoardDocument;
  copy: BoardDocument;
  readonly cpuUsPerWrite: number;
  readonly structs: number;
  readonly loadMs: number;
}

interface OverwriteInit {
  readonly open: (name: string, pieces?: readonly Uint8Array[]) => BoardDocument;
  readonly tick: () => void;
}

/** In no asynchronous function, whose frame would keep what is in it. */
function overwriteOne(writes: number, init: OverwriteInit): Held {
  const reader = init.open('reader');
  const cpuUsPerWrite = overwrite(reader, { ...init, writes });
  reader.digest();
  const pieces = [...reader.snapshot()];
  const from = performance.now();
  const loaded = init.open('reader', pieces);
  loaded.digest();
  const loadMs = performance.now() - from;
  const copy = freshCopy(init.open('copy'), reader);
  if (loaded.size !== reader.size || copy.size !== reader.size) {
    throw new Error('the copy is not whole');
  }
  return { reader, copy, cpuUsPerWrite, structs: reader.structs, loadMs };
}

/** Gives the CPU that a write took, at all replicas together. */
function overwrite(
  reader: BoardDocument,
  init: OverwriteInit & { readonly writes: number },
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

function commit(document: BoardDocument, draft: ReturnType<BoardDocument['draft']>): void {
  if (draft !== undefined) document.commit(draft);
}

/** The same entries, written once. */
function freshCopy(copy: BoardDocument, of: BoardDocument): BoardDocument {
  // With texts of its own: else what both share would count for neither.
  const entries = JSON.parse(JSON.stringify(of.entries(''))) as ReturnType<typeof of.entries>;
  const changes = entries.map(({ key, value }) => ({ key, value, valueBytes: 7 }));
  commit(copy, copy.draft(changes));
  copy.digest();
  return copy;
}

function cpuUs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}
