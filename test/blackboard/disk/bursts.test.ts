/**
 * A thousand bursts of this node's writes and of peers', on a disk that refuses each n-th write, and a node that is killed
 * (kill -9) at random points of them. Goal: what anybody could read here, what anybody was told that this node has, and what was
 * acknowledged, is on the disk at that very moment; what the disk refused is nowhere, here and after a start.
 */
import { expect, it } from 'vitest';
import type { ApplyResult } from '../../../src/blackboard/document/document-types.ts';
import type { Place } from '../../../src/blackboard/lanes/lane-format.ts';
import type { Did } from '../../../src/core/index.ts';
import { createChance } from '../../../sim/scenario/random.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { upTo } from '../../long/extent.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { ANN, contentOf, makeDocument, openBoard } from '../support.ts';
import type { LooseDocument } from '../support.ts';

const BURSTS = 1000;
const KEYS = 40;
/** A burst holds so many writes at the most. */
const SIZE = 6;

/** What was to be seen of the node at one moment, and how many writes of the disk there had been. */
interface Moment {
  readonly durable: number;
  readonly content: Readonly<Record<string, unknown>>;
  readonly seen: readonly Place[];
  /** Nothing was on its way to the disk: a start shows the very same. */
  readonly digest: string | undefined;
  readonly acknowledged: ReadonlyMap<string, number>;
}

/** A peer, and what it has written since it was asked last. */
function makePeer(name: string): {
  readonly document: LooseDocument;
  sent(): readonly Uint8Array[];
} {
  const document = makeDocument([], {}, { self: `did:key:z6Mk${name}` as Did });
  const updates: Uint8Array[] = [];
  document.onUpdate((update, origin) => {
    if (origin === 'local') updates.push(update);
  });
  return { document, sent: () => updates.splice(0) };
}

/** A table of which each n-th write is refused. */
function refusing(table: JournalTable, each: number): JournalTable {
  let writes = 0;
  return Object.assign(Object.create(table) as JournalTable, {
    batch: (batch: Parameters<JournalTable['batch']>[0]) => {
      writes += 1;
      if (each > 0 && writes % each === 0) table.failures = 1;
      return table.batch(batch);
    },
  });
}

it.each([
  [0, upTo(150, BURSTS)],
  [3, upTo(60, BURSTS)],
  [7, upTo(60, BURSTS)],
])(
  'bursts are on the disk before anybody reads of them, where it refuses each %i. write (0: none), %i times',
  { timeout: 480_000 },
  async (each, bursts) => {
    const chance = createChance(each + 1);
    const table = journalTable();
    const clock = createTestClock();
    const board = await openBoard(refusing(table, each), { clock });
    const peers = [makePeer('Bob'), makePeer('Cyd')];
    const moments: Moment[] = [];
    const acknowledged = new Map<string, number>();
    const refused = new Set<number>();
    const results = new Set<ApplyResult>();
    const look = (): void => {
      const { document } = board;
      const digest = board.isIdle ? document.digest() : undefined;
      moments.push({
        durable: table.journal.length,
        content: contentOf(document),
        seen: document.seen(),
        digest,
        acknowledged: new Map(acknowledged),
      });
    };
    let value = 0;
    const underWay = new Set<Promise<unknown>>();
    const follow = (work: Promise<unknown>): void => {
      underWay.add(work);
      void work.finally(() => underWay.delete(work)).catch(() => undefined);
    };
    const writeOwn = (): void => {
      const [key, mine] = [`own-${chance.below(KEYS)}`, (value += 1)];
      follow(
        board.set(key, mine).then(
          () => acknowledged.set(key, Math.max(mine, acknowledged.get(key) ?? 0)),
          () => refused.add(mine),
        ),
      );
    };
    const writeTheirs = (): void => {
      const peer = peers[chance.below(peers.length)];
      if (peer === undefined) return;
      peer.document.set({ key: `theirs-${chance.below(KEYS)}`, value: (value += 1) });
      for (const update of peer.sent()) {
        follow(board.take(update).then((result) => results.add(result)));
      }
    };
    for (let burst = 0; burst < bursts; burst += 1) {
      for (let write = 0; write <= chance.below(SIZE); write += 1) {
        if (chance.next() < 0.5) writeOwn();
        else writeTheirs();
      }
      // Now and then in the middle of a write, now and then after it.
      await calm(chance.below(4));
      look();
      if (chance.next() < 0.2) await Promise.allSettled(underWay);
      clock.advance(chance.below(200));
      look();
    }
    await Promise.allSettled(underWay);
    for (let kill = 0; kill < upTo(20, 600); kill += 1) {
      const moment = moments[chance.below(moments.length)];
      if (moment === undefined) throw new Error('no moment');
      const again = await openBoard(table.at(moment.durable), { clock });
      expect(again.document.covers(moment.seen)).toBe(true);
      const content = contentOf(again.document);
      for (const [key, mine] of moment.acknowledged) {
        expect(content[key] as number).toBeGreaterThanOrEqual(mine);
      }
      // What was shown is there, or what was written after it.
      for (const [key, shown] of Object.entries(moment.content)) {
        expect(content[key] as number).toBeGreaterThanOrEqual(shown as number);
      }
      if (moment.digest !== undefined) expect(again.document.digest()).toBe(moment.digest);
      for (const one of Object.values(content)) expect(refused.has(one as number)).toBe(false);
      again.close();
    }
    for (const one of Object.values(contentOf(board.document))) {
      expect(refused.has(one as number)).toBe(false);
    }
    // What of peers was left out comes by a sync, as digests show that it is missing.
    expect([...results].toSorted()).toEqual(each === 0 ? ['applied'] : ['applied', 'unwritten']);
    for (const { document } of peers) {
      for (let tries = 0; tries < 20; tries += 1) {
        const pieces = [...(document.diff(board.document.vector()) ?? [])];
        for (const piece of pieces) await board.take(piece);
        clock.advance(60_000);
        await calm(4);
      }
      expect(board.document.covers(document.seen())).toBe(true);
    }
    expect(contentOf(board.document)).toMatchObject(Object.fromEntries(acknowledged));
    expect(board.document.get('own-1')?.by ?? ANN).toBe(ANN);
    board.close();
  },
);
