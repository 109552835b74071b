/**
 * What a peer may make a board swallow. Goal: bytes of any kind never throw, never hang and never
 * harm the document. Method: real updates of forbidden kinds made with Yjs, updates written by hand,
 * and random damage to good ones.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { inspectUpdate } from '../../../src/blackboard/lanes/inspect-update.ts';
import { LIMITS } from '../../../src/blackboard/limits.ts';
import { decodeUpdate, encodeUpdate } from '../../../src/blackboard/lanes/update.ts';
import type { Did } from '../../../src/core/index.ts';
import { ANN, contentOf, makeDocument } from '../support.ts';
import { upTo } from '../../long/extent.ts';

const MAX = 10_000;
const EVE = 'did:key:z6MkEve' as Did;
const CLIENT = 7;
const HEAD = { b: 1, r: [], a: [] };

/** The update that `write` makes in a fresh document, after the head of a lane. */
function updateOf(
  write: (map: Y.Map<unknown>, doc: Y.Doc) => void,
  head: unknown = HEAD,
): Uint8Array {
  const doc = new Y.Doc();
  doc.clientID = CLIENT;
  doc.transact(() => {
    doc.getMap('lane').set('head', head);
    write(doc.getMap('e'), doc);
  });
  return Y.encodeStateAsUpdateV2(doc);
}

/** What a member sends of its lane. */
function sent(update: Uint8Array): Uint8Array {
  return encodeUpdate({ isWhole: false, parts: [{ did: EVE, client: CLIENT, gen: 1, update }] });
}

function isFit(update: Uint8Array, maxStructs = MAX): boolean {
  return inspectUpdate(update, LIMITS, maxStructs) !== undefined;
}

function good(v: unknown = 1): Record<string, unknown> {
  return { v, m: 900_000, i: 1 };
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { in: value };
  return value;
}

const json = fc.jsonValue({ maxDepth: 4 }).filter((v) => !JSON.stringify(v).includes('__proto__'));

describe('an update is accepted when', () => {
  it('someone sets entries with values of every kind of JSON', () => {
    const values = [null, true, false, 0, -1, 2 ** 40, 0.1, 1.5, '', 'ä🙂', [], {}, [1, [2]]];
    const update = updateOf((map) => {
      values.forEach((v, i) => map.set(`k${i}`, good(v)));
    });
    expect(inspectUpdate(update, LIMITS, MAX)).toMatchObject({
      client: CLIENT,
      from: 0,
      to: values.length + 1,
    });
  });

  it('a document of ours has written it, whatever was set and deleted', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'é'), value: fc.option(json) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const document = makeDocument();
        const updates: Uint8Array[] = [];
        document.onUpdate((update) => updates.push(update));
        for (const { key, value } of steps) {
          if (value === null) document.delete(key);
          else document.set({ key, value: JSON.parse(JSON.stringify(value)) });
        }
        const parts = [...updates, ...document.whole()].flatMap((update) => {
          return decodeUpdate(update)?.parts ?? [];
        });
        expect(parts.every(({ update }) => update !== undefined && isFit(update))).toBe(true);
      }),
      { seed: 1, numRuns: upTo(60, 400) },
    );
  });

  it('an entry has members that a later version added', () => {
    expect(isFit(updateOf((map) => map.set('k', { ...good(), later: 5 })))).toBe(true);
  });
});

describe('an update is refused when it holds', () => {
  const cases: Record<string, (map: Y.Map<unknown>, doc: Y.Doc) => void> = {
    'text inside an entry': (map) => map.set('k', new Y.Text('hello')),
    'a map inside the map': (map) => map.set('k', new Y.Map()),
    'another document': (map) => map.set('k', new Y.Doc()),
    'a list beside the map': (_, doc) => doc.getArray('other').push([1]),
    'a list in place of the map': (_, doc) => doc.getArray('more').push([good()]),
    'another map': (_, doc) => doc.getMap('other').set('k', good()),
    'an entry that is no object': (map) => map.set('k', 'text'),
    'bytes in place of an entry': (map) => map.set('k', new Uint8Array(3)),
    'an entry without a number': (map) => map.set('k', { v: 1, m: 1 }),
    'a writer that is no did': (map) => map.set('k', { ...good(), b: 'Bob' }),
    'a writer as long as a letter': (map) =>
      map.set('k', { ...good(), b: `did:key:${'x'.repeat(300)}` }),
    'a time that is no number': (map) => map.set('k', { ...good(), m: 'now' }),
    'a time before time': (map) => map.set('k', { ...good(), m: -5 }),
    'a time without end': (map) => map.set('k', { ...good(), m: Number.POSITIVE_INFINITY }),
    'half of what was seen': (map) => map.set('k', { ...good(), s: [1] }),
    'a head in place of an entry': (map) => map.set('k', HEAD),
    'a second head': (_, doc) => doc.getMap('lane').set('head', HEAD),
    'a value that JSON has not': (map) => map.set('k', good([undefined])),
    'a number too large for JSON': (map) => map.set('k', good(2n ** 60n)),
    'an empty key': (map) => map.set('', good()),
    'a key that is too long': (map) => map.set('k'.repeat(513), good()),
    'a value that is too large': (map) => map.set('k', good('x'.repeat(800_000))),
    'a value that is nested too deep': (map) => map.set('k', good(nested(66))),
    'a value that is nested beyond the stack': (map) => map.set('k', good(nested(3000))),
    'a member that replaces the prototype': (map) =>
      map.set('k', good(JSON.parse('{"__proto__":{"v":1}}'))),
  };

  it.each(Object.entries(cases))('%s', (_, write) => {
    expect(isFit(updateOf(write))).toBe(false);
  });

  it.each([null, {}, { ...HEAD, b: 0 }, { ...HEAD, r: [1] }, { ...HEAD, a: ['x', 1, 1] }])(
    'a head that is none: %j',
    (head) => {
      expect(isFit(updateOf((map) => map.set('k', good()), head))).toBe(false);
    },
  );

  it('no head, or items of two clients', () => {
    const doc = new Y.Doc();
    doc.getMap('e').set('k', good());
    expect(isFit(Y.encodeStateAsUpdateV2(doc))).toBe(false);
    Y.applyUpdateV2(
      doc,
      updateOf((map) => map.set('l', good())),
    );
    expect(isFit(Y.encodeStateAsUpdateV2(doc))).toBe(false);
  });

  it('more structs than allowed', () => {
    const update = updateOf((map) => {
      for (let i = 0; i < 11; i++) map.set(`k${i}`, good());
    });
    expect([isFit(update, 12), isFit(update, 11)]).toEqual([true, false]);
  });

  it('a billion structs in a few bytes', () => {
    const before = process.memoryUsage().heapUsed;
    expect(isFit(handmade({ count: 1_000_000_000, clock: 1, origin: undefined }))).toBe(false);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
  });

  it('an item that refers to itself or to a later one', () => {
    expect(isFit(handmade({ count: 1, clock: 5, origin: 4 }))).toBe(true);
    expect(isFit(handmade({ count: 1, clock: 5, origin: 5 }))).toBe(false);
    expect(isFit(handmade({ count: 1, clock: 5, origin: 7 }))).toBe(false);
    expect(isFit(handmade({ count: 1, clock: 5, origin: -3 }))).toBe(false);
  });

  it('bytes after its end', () => {
    const update = updateOf((map) => map.set('k', good()));
    expect(isFit(update)).toBe(true);
    expect(isFit(Buffer.concat([update, Buffer.from([0])]))).toBe(false);
  });
});

describe('a document that peers write to', () => {
  it('stays as it is whatever bytes come', () => {
    const document = seeded();
    const digest = document.digest();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        document.apply(bytes);
        document.diff(bytes);
        expect(document.digest()).toBe(digest);
      }),
      { seed: 2, numRuns: upTo(250, 5000) },
    );
  });

  it('never throws, keeps well-formed entries and still merges when good updates are damaged', () => {
    const source = seeded();
    const updates = [...source.whole()];
    source.onUpdate((update) => updates.push(update));
    for (let i = 0; i < 20; i++) source.set({ key: `n${i % 7}`, value: i });
    source.delete('n3');
    const damage = fc.record({
      which: fc.nat(),
      edits: fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { minLength: 1, maxLength: 4 }),
      cut: fc.option(fc.nat()),
    });
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 5 }), (damages) => {
        const document = seeded();
        for (const { which, edits, cut } of damages) {
          const bytes = new Uint8Array(updates[which % updates.length] ?? []);
          for (const { at, to } of edits) bytes[at % bytes.length] = to;
          document.apply(cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        }
        for (const { key, by, at } of document.entries('')) {
          expect([typeof key, typeof by, typeof at]).toEqual(['string', 'string', 'number']);
        }
        expect(document.size).toBe(Object.keys(contentOf(document)).length);
        // It still takes part: what it writes reads the same elsewhere.
        document.set({ key: 'after', value: 'all' });
        const copy = makeDocument(document.whole());
        expect(contentOf(copy)).toEqual(contentOf(document));
        expect(copy.digest()).toBe(document.digest());
      }),
      { seed: 3, numRuns: upTo(120, 3000) },
    );
  });

  it('refuses items that fight for one place, before Yjs sorts them out', () => {
    const fight = updateOf((map) => {
      for (let i = 0; i < 3; i++) map.set('k', good(i));
    });
    expect(isFit(fight)).toBe(true);
    const document = makeDocument();
    expect(document.apply(sent(fight))).toBe('applied');
    expect(contentOf(document)).toEqual({ k: 2 });
    const later = (clock: number, origin: number | undefined): Uint8Array =>
      sent(handmade({ count: 1, clock, origin }));
    const digest = document.digest();
    // A new item of a key that there is, one after the head, one after what was replaced, one after nothing.
    for (const update of [later(4, undefined), later(4, 0), later(4, 1), later(4, 2)]) {
      expect(document.apply(update)).toBe('malformed');
    }
    expect(document.digest()).toBe(digest);
    expect(document.apply(later(4, 3))).toBe('applied');
  });

  it('takes of its author only what is in its own lane', () => {
    const document = seeded();
    const digest = document.digest();
    const update = sent(updateOf((map) => map.set('k', good('forged'))));
    expect(document.apply(update, 'did:key:z6MkMallory' as Did)).toBe('malformed');
    expect(document.digest()).toBe(digest);
    expect(document.apply(update, EVE)).toBe('applied');
    expect(document.get('k')).toMatchObject({ by: EVE, value: 'forged' });
  });

  it('writes on elsewhere when somebody else has written in its lane', () => {
    const document = makeDocument();
    document.set({ key: 'a', value: 1 });
    const [own] = decodeUpdate(document.whole()[0] ?? new Uint8Array())?.parts ?? [];
    if (own?.update === undefined) throw new Error('no lane');
    const doc = new Y.Doc();
    Y.applyUpdateV2(doc, own.update);
    doc.clientID = own.client;
    const vector = Y.encodeStateVector(doc);
    doc.getMap('e').set('b', good('forged'));
    const update = Y.encodeStateAsUpdateV2(doc, vector);
    expect(document.apply(encodeUpdate({ isWhole: false, parts: [{ ...own, update }] }))).toBe(
      'applied',
    );
    document.set({ key: 'c', value: 3 });
    expect(contentOf(document)).toEqual({ a: 1, b: 'forged', c: 3 });
    expect(document.seen().map(({ clock }) => clock)).toEqual([3, 2]);
    const copy = makeDocument(document.whole());
    expect(copy.digest()).toBe(document.digest());
  });

  it('keeps a bounded amount of what refers to updates that never come', () => {
    const source = makeDocument([], {}, { self: EVE });
    const updates: Uint8Array[] = [];
    source.onUpdate((update) => updates.push(update));
    for (let i = 0; i < 60; i++) source.set({ key: 'k', value: 'x'.repeat(40_000) + i });
    const document = makeDocument();
    const waits = updates.slice(1, 40).map((update) => {
      document.apply(update);
      return document.isWaiting;
    });
    expect(waits.indexOf(false)).toBeGreaterThan(20);
    expect(waits.indexOf(false)).toBeLessThan(28);
    expect(document.isBlank).toBe(true);
    for (const update of updates) document.apply(update);
    expect(document.size).toBe(1);
    expect(document.isWaiting).toBe(false);
  });

  it('takes what is whole, though a damaged update has waited for that', () => {
    const first = sent(updateOf((map) => map.set('k', good())));
    // As if the key had not been there before: no such write can follow on the first.
    const forged = sent(handmade({ count: 1, clock: 2, origin: undefined }));
    const document = makeDocument();
    document.apply(forged);
    expect(document.isWaiting).toBe(true);
    expect(document.apply(first)).toBe('applied');
    expect([contentOf(document), document.isWaiting]).toEqual([{ k: 1 }, false]);
    expect(document.apply(forged)).toBe('malformed');
  });

  it('passes nothing on that it can not read itself', () => {
    const source = makeDocument([], {}, { self: EVE });
    const updates: Uint8Array[] = [];
    source.onUpdate((update) => updates.push(update));
    source.set({ key: 'a', value: 1 });
    source.set({ key: 'b', value: 2 });
    const document = seeded();
    const before = document.whole();
    document.apply(updates[1] ?? new Uint8Array());
    expect(document.isWaiting).toBe(true);
    expect(document.whole()).toEqual(before);
    document.apply(updates[0] ?? new Uint8Array());
    expect(contentOf(document)).toMatchObject({ a: 1, b: 2 });
  });

  it('takes no more keys and structs than twice what a writer may write', () => {
    const limits = { keys: 5, structs: 20 };
    const document = makeDocument([], limits);
    const many = (writer: number, from: number, to: number): Uint8Array => {
      const did = `did:key:z6Mk${writer}` as Did;
      const update = updateOf((map) => {
        for (let i = from; i < to; i++) map.set(`k${i}`, good());
      });
      return encodeUpdate({ isWhole: false, parts: [{ did, client: CLIENT, gen: 1, update }] });
    };
    expect(document.apply(many(1, 0, 5))).toBe('applied');
    expect(document.apply(many(2, 5, 10))).toBe('applied');
    expect(document.apply(many(3, 10, 11))).toBe('full');
    for (let writer = 4; writer < 8; writer += 1) {
      expect(document.apply(many(writer, 0, 7))).toBe(writer < 7 ? 'applied' : 'full');
    }
    expect(document.structs).toBeLessThanOrEqual(40);
  });

  it('takes of one writer three quarters of that at the most, and of others what is left', () => {
    const many = (writer: number, from: number, to: number, value: unknown = 1): Uint8Array => {
      const did = `did:key:z6Mk${writer}` as Did;
      const update = updateOf((map) => {
        for (let i = from; i < to; i++) map.set(`k${i}`, { ...good(), v: value });
      });
      return encodeUpdate({ isWhole: false, parts: [{ did, client: CLIENT, gen: 1, update }] });
    };
    const few = makeDocument([], { keys: 8, structs: 40 });
    expect(few.apply(many(1, 0, 12))).toBe('applied');
    // It is the same writer in another lane, and in a lane of which nothing is the newest of its key.
    const second = many(1, 12, 13);
    const other = makeDocument([], { keys: 8 });
    expect([few.apply(many(1, 0, 13)), other.apply(many(1, 0, 13))]).toEqual(['full', 'full']);
    expect(other.apply(second)).toBe('applied');
    expect([few.apply(many(2, 12, 16)), few.apply(many(3, 16, 17))]).toEqual(['applied', 'full']);
    const large = makeDocument([], { boardBytes: 4000 });
    expect(large.apply(many(1, 0, 1, 'x'.repeat(5800)))).toBe('applied');
    const larger = makeDocument([], { boardBytes: 4000 });
    expect(larger.apply(many(1, 0, 1, 'x'.repeat(6100)))).toBe('full');
    expect(large.apply(many(2, 1, 2, 'x'.repeat(1900)))).toBe('applied');
    expect(large.apply(many(3, 2, 3, 'x'.repeat(1900)))).toBe('full');
  });
});

/** One of the same writer each time, so that what one gives fits into another. */
function seeded(): ReturnType<typeof makeDocument> {
  const document = makeDocument([], {}, { self: ANN });
  for (let i = 0; i < 5; i++) document.set({ key: `seed${i}`, value: { i } });
  document.delete('seed4');
  return document;
}

/**
 * An update of one client, byte by byte: `count` deleted items at `clock`, all with the info byte of
 * the first, that refer to `origin` of the same client or, without one, to key `k` of the map.
 */
function handmade(init: {
  readonly count: number;
  readonly clock: number;
  readonly origin: number | undefined;
}): Uint8Array {
  const { count, clock, origin } = init;
  const client = CLIENT;
  const hasOrigin = origin !== undefined;
  const info = 1 | 0x20 | (hasOrigin ? 0x80 : 0);
  const block = (...bytes: number[]): number[] => [bytes.length, ...bytes];
  const signed = (value: number): number[] => {
    const size = Math.abs(value) * 2;
    return [(size & 0x3f) | (value < 0 ? 0x40 : 0)];
  };
  const text = hasOrigin ? [] : [...Buffer.from('ek')];
  return Uint8Array.from([
    0, // feature flag
    ...block(), // key clocks
    ...block(client, ...(hasOrigin ? [client] : [])), // clients
    ...block(...(hasOrigin ? signed(origin) : [])), // left clocks: twice the difference
    ...block(), // right clocks
    ...block(info), // infos: one, repeated without end
    ...block(text.length, ...text, ...(hasOrigin ? [] : [1, 1])), // strings, and their lengths
    ...block(...(hasOrigin ? [] : [1])), // parents by name
    ...block(), // types
    ...block(...(count > 1 ? [0x41, ...varUint(count)] : [1])), // lengths: 1, repeated
    1, // clients
    ...varUint(count),
    clock,
    0, // deletions
  ]);
}

function varUint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}
