/** A client that goes from replica to replica with what it was told last, while others write and replicas restart. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readToken, writeToken } from '../../../src/blackboard/lanes/session-token.ts';
import type { Did } from '../../../src/core/index.ts';
import { contentOf, makeDocument } from '../support.ts';
import type { LooseDocument } from '../support.ts';
import { upTo } from '../../long/extent.ts';

const REPLICAS = 4;
const KEYS = ['a', 'b', 'c'];
const who = fc.nat(REPLICAS - 1);
const key = fc.constantFrom(...KEYS);
const event = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), who, key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, other: who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), who }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('clock' as const), who, ms: fc.nat(500) }),
  },
  // The client: reads all keys, or writes one, at a replica.
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('reads' as const), who }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('puts' as const), who, key }) },
);

class World {
  readonly offsets = Array.from({ length: REPLICAS }, () => 0);
  readonly documents: LooseDocument[] = this.offsets.map((_, at) => this.open(at, []));
  now = 1_000_000;
  written = 0;
  /** What the client was told last, and what it has read or written of each key at the latest. */
  token = writeToken([]);
  readonly known = new Map<string, number>();
  served = 0;
  /** What the client was promised, and did not get. */
  readonly faults: string[] = [];

  open(at: number, rows: readonly Uint8Array[]): LooseDocument {
    const self = `did:key:r${at}` as Did;
    return makeDocument(rows, { dead: 2 }, { self, now: () => this.now + (this.offsets[at] ?? 0) });
  }

  at(index: number): LooseDocument {
    const document = this.documents[index];
    if (document === undefined) throw new Error('no such replica');
    return document;
  }

  /** A replica that is behind does not serve: it waits, and says so in the end. */
  serves(index: number): LooseDocument | undefined {
    const document = this.at(index);
    if (!document.covers(readToken(this.token))) return undefined;
    this.served += 1;
    return document;
  }

  reads(index: number): void {
    const document = this.serves(index);
    if (document === undefined) return;
    for (const one of KEYS) {
      const at = document.get(one)?.at ?? 0;
      // Its own writes, and whatever it has read: the same or something later.
      if (at < (this.known.get(one) ?? 0)) this.faults.push(`${one} is older than was read`);
      this.known.set(one, at);
    }
    this.token = writeToken(document.seen());
  }

  puts(index: number, one: string): void {
    const document = this.serves(index);
    if (document === undefined) return;
    this.written += 1;
    document.set({ key: one, value: this.written });
    const entry = document.get(one);
    // What is written wins over all that was read, whatever the clock of the replica says.
    if (entry?.value !== this.written) this.faults.push(`${one} is not as it was written`);
    const latest = Math.max(0, ...this.known.values());
    if ((entry?.at ?? 0) < latest) this.faults.push(`${one} is written before what was read`);
    this.known.set(one, entry?.at ?? 0);
    this.token = writeToken(document.seen());
  }

  sync(a: number, b: number): void {
    this.at(a).take(this.at(b).diff(this.at(a).vector()));
    this.at(b).take(this.at(a).diff(this.at(b).vector()));
  }
}

it('a client that carries a token reads its own writes, nothing older than it has read, and writes over what it has read', () => {
  let served = 0;
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const world = new World();
      for (const happened of events) {
        world.now += 1;
        const { kind, who: index } = happened;
        if (kind === 'reads') world.reads(index);
        else if (kind === 'puts') world.puts(index, happened.key);
        else if (kind === 'sync') world.sync(index, happened.other);
        else if (kind === 'renew') world.at(index).renew();
        else if (kind === 'clock') world.offsets[index] = happened.ms;
        else if (kind === 'restart') {
          world.documents[index] = world.open(index, world.at(index).whole());
        } else {
          world.written += 1;
          world.at(index).set({ key: happened.key, value: world.written });
        }
      }
      for (let round = 0; round < 3; round += 1) {
        for (let a = 0; a < REPLICAS; a += 1) for (let b = 0; b < a; b += 1) world.sync(a, b);
      }
      expect(world.faults).toEqual([]);
      const contents = world.documents.map(contentOf);
      expect(contents).toEqual(contents.map(() => contents[0]));
      for (const [one, at] of world.known) {
        expect(world.at(0).get(one)?.at ?? 0).toBeGreaterThanOrEqual(at);
      }
      served += world.served;
    }),
    { seed: 7, numRuns: upTo(30, 1000) },
  );
  expect(served).toBeGreaterThan(20);
});
