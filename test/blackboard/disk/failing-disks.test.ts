/**
 * Boards on disks that fail now and then, whose owners are killed and started again, between peers that hear of
 * updates late, twice, out of order or never. Goal: what was acknowledged is there in the end, on all; what was
 * refused is not; and copies are equal with equal digests. A write that the disk kept though it said no may show
 * only when its node was killed before the disk could be asked again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { OpenBoard } from '../../../src/blackboard/board/board.ts';
import { encodeUpdate } from '../../../src/blackboard/lanes/update.ts';
import type { LanePart } from '../../../src/blackboard/lanes/update.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import type { JournalTable } from '../journal-table.ts';
import { contentOf, openBoard } from '../support.ts';
import { upTo } from '../../long/extent.ts';

/** Numbers of nodes are taken modulo how many there are. */
const nodes = fc.integer({ min: 3, max: 5 });
const who = fc.nat(4);
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      who,
      key: fc.constantFrom('own-a', 'own-b', 'shared'),
      isDeletion: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      who,
      writes: fc.integer({ min: 1, max: 2 }),
      isKept: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hear' as const), who, which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, other: who }) },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

interface Node {
  readonly self: Did;
  readonly table: JournalTable;
  readonly published: LanePart[];
  board: OpenBoard;
  /** Of each own key, what may be there: the last that was acknowledged, and what the disk may hold since. */
  readonly allowed: Map<string, Set<number | undefined>>;
}

class World {
  readonly clock = createTestClock();
  readonly nodes: Node[] = [];
  readonly heard: Uint8Array[] = [];
  /** What became of updates. */
  readonly results = new Set<string>(['applied']);
  #value = 0;

  async start(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const self = `did:key:z6Mk${i}` as Did;
      const table = journalTable();
      const published: LanePart[] = [];
      const board = await this.#open({ self, table, published });
      this.nodes.push({ self, table, published, board, allowed: new Map() });
    }
  }

  async happen(happened: Event): Promise<void> {
    const node = this.#at(happened.who);
    this.clock.advance(1);
    if (happened.kind === 'write') await this.#write(node, happened);
    else if (happened.kind === 'fail') {
      node.table.failures = happened.writes;
      node.table.keepsFailed = happened.isKept;
    } else if (happened.kind === 'kill') {
      node.board.close();
      node.board = await this.#open(node);
    } else if (happened.kind === 'sync') await this.#sync(node, this.#at(happened.other));
    else {
      const update = this.heard[happened.which % Math.max(1, this.heard.length)];
      if (update !== undefined) this.results.add(await node.board.take(update));
    }
    await calm(2);
    for (const part of node.published.splice(0)) {
      this.heard.push(encodeUpdate({ isWhole: false, parts: [part] }));
    }
  }

  async settle(): Promise<void> {
    for (const { table } of this.nodes) table.failures = 0;
    for (let round = 0; round < 3; round++) {
      // Disks that refused are tried again by themselves.
      this.clock.advance(60_000);
      await calm(4);
      for (const a of this.nodes) for (const b of this.nodes) if (a !== b) await this.#sync(a, b);
    }
  }

  async #write(
    node: Node,
    { key, isDeletion }: { key: string; isDeletion: boolean },
  ): Promise<void> {
    const name = key === 'shared' ? key : `${key}-${node.self}`;
    this.#value += 1;
    const value = isDeletion ? undefined : this.#value;
    const allowed = node.allowed.get(name) ?? new Set([undefined]);
    node.allowed.set(name, allowed);
    try {
      if (value === undefined) await node.board.delete(name);
      else await node.board.set(name, value);
      allowed.clear();
      allowed.add(value);
    } catch {
      if (node.table.keepsFailed) allowed.add(value);
    }
  }

  async #sync(a: Node, b: Node): Promise<void> {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (from.board.document.digest() === to.board.document.digest()) return;
      const pieces = from.board.document.diff(to.board.document.vector()) ?? [];
      for (const piece of pieces) await to.board.take(piece);
    }
    await calm(2);
  }

  #open(init: Pick<Node, 'self' | 'table' | 'published'>): Promise<OpenBoard> {
    const { self, table, published } = init;
    return openBoard(table, { clock: this.clock, self, published, limits: { dead: 3 } });
  }

  #at(index: number): Node {
    const node = this.nodes[index % this.nodes.length];
    if (node === undefined) throw new Error('no such node');
    return node;
  }
}

describe('boards on failing disks', () => {
  it('hold what was acknowledged, on all, after any interleaving of writes, failures, kills and late updates', async () => {
    const sizes = new Set<number>();
    await fc.assert(
      fc.asyncProperty(nodes, fc.array(event, { maxLength: 60 }), async (count, events) => {
        const world = new World();
        await world.start(count);
        sizes.add(count);
        for (const happened of events) await world.happen(happened);
        await world.settle();
        expect([...world.results].filter((one) => one !== 'unwritten')).toEqual(['applied']);
        const documents = world.nodes.map(({ board }) => board.document);
        expect(documents.map(contentOf)).toEqual(
          documents.map(() => contentOf(documents[0] as never)),
        );
        expect(new Set(documents.map((document) => document.digest())).size).toBe(1);
        for (const { allowed, board, table, self } of world.nodes) {
          for (const [key, values] of allowed) {
            if (key !== 'shared') expect([...values]).toContain(board.document.get(key)?.value);
          }
          await board.flushed();
          const copy = await openBoard(table, { clock: world.clock, self });
          expect([contentOf(copy.document), copy.document.digest()]).toEqual([
            contentOf(board.document),
            board.document.digest(),
          ]);
          copy.close();
          board.close();
        }
      }),
      { seed: 13, numRuns: upTo(40, 300) },
    );
    expect([...sizes].toSorted()).toEqual([3, 4, 5]);
  });
});
