/** What replicas of strong boards send each other is read strictly: whatever is odd is no message. */
import { encode } from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_STATE, stepped } from '../../../src/blackboard/quorum/acceptor.ts';
import type { StrongState, StrongStep } from '../../../src/blackboard/quorum/acceptor.ts';
import {
  decodeAsk,
  decodeReply,
  decodeRow,
  encodeAsk,
  encodeRow,
} from '../../../src/blackboard/quorum/format.ts';
import type { Did } from '../../../src/core/index.ts';

const DID = 'did:key:z6MkAnn' as Did;
const CELL = { i: 1, board: 'jobs@z6MkAnn', key: 'k' };
const BALLOT = [1, 1, DID] as const;
const STATE = { count: 1, ops: [{ id: 'a', result: 1 }], value: { v: 1, by: DID, at: 5 } };
const TO = { set: 0, disk: 'd1' };
const accept = (state: unknown): Uint8Array =>
  encode({
    ...CELL,
    ...TO,
    t: 'accept',
    ballot: BALLOT,
    next: BALLOT,
    state: JSON.stringify(state),
  });
const step = (over: object): Uint8Array =>
  encode({
    ...CELL,
    ...TO,
    t: 'step',
    ballot: BALLOT,
    next: BALLOT,
    from: BALLOT,
    step: JSON.stringify({ value: 1, op: { id: 'a', result: 1 } }),
    ...over,
  });
const same = (of: unknown): Uint8Array =>
  encode({ ...CELL, ...TO, t: 'same', of: JSON.stringify(of) });
const request = (wanted: unknown, more: object = {}): Uint8Array =>
  encode({
    ...CELL,
    t: 'do',
    id: 'a',
    request: JSON.stringify(wanted),
    patienceMs: 10,
    ...more,
  });

describe('a question to a replica', () => {
  it('is read as it was written', () => {
    const ask = { t: 'accept', to: TO, ballot: BALLOT, next: BALLOT, state: STATE } as const;
    expect(decodeAsk(encodeAsk({ ...CELL, ask }))).toEqual({ ...CELL, ask });
    expect(decodeAsk(accept(STATE))).toBeDefined();
    expect(decodeAsk(request({ t: 'get' }))).toBeDefined();
    const look = { t: 'look', to: TO, known: BALLOT } as const;
    expect(decodeAsk(encodeAsk({ ...CELL, ask: look }))).toEqual({ ...CELL, ask: look });
  });

  it('is read where it takes a step, or asks for what is the same', () => {
    expect([decodeAsk(step({}))?.ask.t, decodeAsk(same([['k', null]]))?.ask.t]).toEqual([
      'step',
      'same',
    ]);
  });

  it.each([
    ['no map', encode([1])],
    ['a board that is none', encode({ ...CELL, board: '../x', t: 'look' })],
    ['a look for what is no ballot', encode({ ...CELL, ...TO, t: 'look', known: [1, 2] })],
    ['no key', encode({ i: 1, board: CELL.board, t: 'look' })],
    ['a key of a kilobyte', encode({ ...CELL, key: 'k'.repeat(1024), t: 'look' })],
    ['no number', encode({ ...CELL, i: -1, t: 'look' })],
    ['another kind', encode({ ...CELL, ...TO, t: 'forget' })],
    ['a ballot of nobody', encode({ ...CELL, ...TO, t: 'prepare', ballot: [1, 1, 'me'] })],
    ['a ballot of half a turn', encode({ ...CELL, ...TO, t: 'prepare', ballot: [1.5, 1, DID] })],
    [
      'a state that is no JSON',
      encode({ ...CELL, ...TO, t: 'accept', ballot: BALLOT, next: BALLOT, state: '{' }),
    ],
    ['a state without a count', accept({ ...STATE, count: undefined })],
    [
      'a state with more changes than are remembered',
      accept({ ...STATE, ops: Array.from({ length: 33 }, () => ({ id: 'a', result: 1 })) }),
    ],
    ['a change by nobody', accept({ ...STATE, ops: [['a', 0, 5]] })],
    ['a change by one who is not named', accept({ ...STATE, by: [DID], ops: [['a', 1, 5]] })],
    ['a change by what is no did', accept({ ...STATE, by: ['ann'], ops: [['a', 0, 5]] })],
    ['a change without a time', accept({ ...STATE, by: [DID], ops: [['a', 0]] })],
    ['a change with too much', accept({ ...STATE, by: [DID], ops: [['a', 0, 5, 6]] })],
    ['a change of a long id', accept({ ...STATE, by: [DID], ops: [['a'.repeat(65), 0, 5]] })],
    [
      'more changes than there can have been',
      accept({
        ...STATE,
        by: [DID],
        ops: [
          ['a', 0, 5],
          ['b', 0, 6],
          ['c', 0, 7],
        ],
      }),
    ],
    [
      'a state that is nested too deep',
      encode({
        ...CELL,
        ...TO,
        t: 'accept',
        ballot: BALLOT,
        next: BALLOT,
        state: '['.repeat(50_000) + ']'.repeat(50_000),
      }),
    ],
    ['a step from nowhere', step({ from: null })],
    ['a step by nobody', step({ next: [1, 1, 'me'] })],
    ['a step that is no JSON', step({ step: '{' })],
    ['a step without what is remembered of it', step({ step: '{"value":1}' })],
    [
      'a step of a long id',
      step({ step: JSON.stringify({ op: { id: 'a'.repeat(65), result: 1 } }) }),
    ],
    ['no keys that may be the same', same([])],
    ['keys that may be the same without ballots', same(['k'])],
    ['a key that is none among those that may be the same', same([['', BALLOT]])],
    ['a ballot of nobody among those that may be the same', same([['k', [1, 1, 'me']]])],
    [
      'more keys that may be the same than one question has',
      same(Array.from({ length: 257 }, () => ['k', BALLOT])),
    ],
    ['a request of another kind', request({ t: 'erase' })],
    ['a request without an id', request({ t: 'get' }, { id: '' })],
    ['a lease without an end', request({ t: 'lease', holder: 'a', ttlMs: 0 })],
    ['a lease of nobody', request({ t: 'lease', holder: '', ttlMs: 5 })],
    ['a change to nothing', request({ t: 'set' })],
  ])('is none with %s', (_, bytes) => {
    expect(decodeAsk(bytes)).toBeUndefined();
  });

  it('is read without a throw, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.jsonValue(), (bytes, value) => {
        decodeAsk(bytes);
        decodeReply(bytes);
        decodeRow(bytes);
        const text = JSON.stringify(value);
        expect(decodeAsk(accept(value))?.ask.t ?? 'accept').toBe('accept');
        decodeAsk(request(value));
        decodeReply(encode({ i: 1, t: 'shown', accepted: text }));
        decodeRow(Buffer.from(text));
      }),
      { seed: 13, numRuns: 300 },
    );
  });
});

describe('a row on a replica', () => {
  it('holds a state as its text came, and one that was made here as it is', () => {
    const text = ` ${JSON.stringify(STATE, undefined, 1)} `;
    const asked = decodeAsk(
      encode({ ...CELL, ...TO, t: 'accept', ballot: BALLOT, next: BALLOT, state: text }),
    );
    const state = asked?.ask.t === 'accept' ? asked.ask.state : undefined;
    if (state === undefined) throw new Error('the question is none');
    const read = encodeRow({ promised: BALLOT, accepted: { ballot: BALLOT, state } });
    expect(Buffer.from(read).toString()).toContain(text);
    expect(decodeRow(read)?.accepted?.state).toEqual(STATE);
    // The next state has what this one remembers, and more of its own; a deletion has no value, and a key made again a base.
    const ops = [...state.ops, { id: 'b', result: { ok: true, note: '"],"ops":[' } }];
    for (const next of [
      { ...state, count: 2, ops },
      { count: 2, ops },
      { value: 'x', count: 9, base: 7, ops: [] },
    ]) {
      const row = { promised: BALLOT, accepted: { ballot: BALLOT, state: next } };
      expect(decodeRow(encodeRow(row))).toEqual(row);
    }
  });

  it('has few bytes for each change that is remembered, whoever made it, and nothing of it is lost', () => {
    const bob = 'did:key:z6MkBob' as Did;
    const plain = (version: number): object => {
      return {
        ok: true,
        version,
        by: version % 3 === 0 ? bob : DID,
        at: 1_764_460_000_000 + version,
      };
    };
    const op = (version: number, result: unknown = plain(version)): unknown => {
      return { id: `op-${String(version).padStart(19, '0')}`, result };
    };
    const rowOf = (ops: readonly unknown[]): Uint8Array => {
      const state = { value: { v: 1, by: DID, at: 5 }, count: 40, ops } as never;
      const row = { promised: BALLOT, accepted: { ballot: BALLOT, state } };
      const bytes = encodeRow(row);
      expect(decodeRow(bytes)).toEqual(row);
      return bytes;
    };
    const all = Array.from({ length: 32 }, (_, at) => op(9 + at));
    expect(rowOf(all).length).toBeLessThan(32 * 48 + 300);
    const others = [
      { ...plain(39), existed: true },
      { ...plain(39), version: 38 },
      { ...plain(39), ok: false },
      { ok: true, version: 39, by: 'ann', at: 5 },
      { ok: true, version: 39, by: DID, at: 0.5 },
      null,
      7,
      ['a', 0, 5],
    ];
    for (const other of others) rowOf([...all.slice(0, -2), op(39, other), op(40)]);
  });

  it('holds what it says after each of many changes, each made of the one before, or of one that was not chosen', () => {
    const nameOf = (version: number): string =>
      version % 17 === 0 ? `a"],[${version}` : `op-${version}`;
    const stepAt = (version: number, value: number): StrongStep => {
      const plain = { ok: true, version, by: `did:key:z6Mk${version % 40}`, at: version };
      const result = version % 13 === 0 ? { ok: true, lease: version } : plain;
      return { value: { v: value, by: DID, at: value }, op: { id: nameOf(version), result } };
    };
    let state: StrongState = NO_STATE;
    for (let version = 1; version <= 200; version += 1) {
      // What two proposers make of one state, of which the second is chosen.
      const both = [stepAt(version, -1), stepAt(version, version)].map((one) =>
        stepped(state, one),
      );
      for (const next of both) {
        const row = { promised: BALLOT, accepted: { ballot: BALLOT, state: next } };
        expect(decodeRow(encodeRow(row))).toEqual(row);
        state = next;
      }
    }
    expect(state.ops.map(({ id }) => id)).toEqual(
      Array.from({ length: 32 }, (_, at) => nameOf(169 + at)),
    );
  });

  it('is read as it was written, and a damaged one is none', () => {
    const row = { promised: BALLOT, accepted: { ballot: BALLOT, state: STATE } };
    expect(decodeRow(encodeRow(row))).toEqual(row);
    expect(decodeRow(encodeRow(row).slice(0, 20))).toBeUndefined();
    expect(decodeRow(Buffer.from('{"promised":[1,1,"x"]}'))).toBeUndefined();
  });
});
