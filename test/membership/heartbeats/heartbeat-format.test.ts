/** Which heartbeats are taken: every field within its bound, and nothing else. */
import { encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import {
  decodeGossip,
  decodeHeartbeat,
  encodeHeartbeat,
  encodePulse,
} from '../../../src/membership/heartbeats/heartbeat-format.ts';
import { parsePeerId } from '../../../src/identity/index.ts';
import type { Heartbeat } from '../../../src/membership/heartbeats/heartbeat-format.ts';

const fields = {
  v: 1,
  inc: 1,
  seq: 2,
  status: 'up',
  records: 'abc',
  name: 'alice',
  version: '0.1.0',
  addrs: ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'],
  load: 3,
  catalog: 'def',
  boards: { plan: '123', notes: '456' },
};
const boardsOf = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`b${index}`, 'x']));
const read = (change: object): Heartbeat | undefined =>
  decodeHeartbeat(encode({ ...fields, ...change }));
const long = 'x'.repeat(257);

describe('a heartbeat', () => {
  it('is taken at its bounds', () => {
    expect(read({})).toMatchObject({ sequence: 2, presence: { load: 3 } });
    expect(read({ status: 'leaving' })?.status).toBe('leaving');
    expect(read({ inc: 0, seq: 0, load: 0 })).toBeDefined();
    expect(read({ addrs: Array(6).fill('a') })?.presence.addresses).toHaveLength(6);
    expect(Object.keys(read({ boards: boardsOf(64) })?.presence.boards ?? {})).toHaveLength(64);
    expect(read({ name: 'x'.repeat(256) })).toBeDefined();
    expect(read({ later: 'field' })).toBeDefined();
  });

  it.each([
    ['another version', { v: 2 }],
    ['an incarnation below 0', { inc: -1 }],
    ['a sequence that is no whole number', { seq: 1.5 }],
    ['a load that is text', { load: '3' }],
    ['a status that we do not know', { status: 'down' }],
    ['a digest of records that is no text', { records: 7 }],
    ['a name that is too long', { name: long }],
    ['a version that is no text', { version: null }],
    ['a catalog that is too long', { catalog: long }],
    ['addresses that are no list', { addrs: 'x' }],
    ['too many addresses', { addrs: Array(7).fill('a') }],
    ['an address that is no text', { addrs: ['a', 7] }],
    ['boards that are a list', { boards: ['a'] }],
    ['boards that are nothing', { boards: null }],
    ['too many boards', { boards: boardsOf(65) }],
    ['a board with a name that is too long', { boards: { a: 'x', [long]: 'x' } }],
    ['a board with a digest that is too long', { boards: { a: 'x', b: long } }],
  ])('is none with %s', (_what, change) => {
    expect(read(change)).toBeUndefined();
  });

  it('is none when a key comes twice, or when it is no map', () => {
    const twice = Buffer.concat([
      Buffer.from([0xac]),
      encode(fields).subarray(1),
      encode('v'),
      encode(1),
    ]);
    expect(decodeHeartbeat(twice)).toBeUndefined();
    for (const value of [null, 7, 'text', [fields]]) {
      expect(decodeHeartbeat(encode(value))).toBeUndefined();
    }
  });

  it('is none in bytes that no deterministic CBOR has', () => {
    // 2 as a two-byte number.
    const text = Buffer.from(encode(fields)).toString('hex').replace('6373657102', '637365711802');
    expect(decodeHeartbeat(Buffer.from(text, 'hex'))).toBeUndefined();
  });

  it('leaves out what is over a bound when it is written, and what is not there', () => {
    const beat = read({}) as Heartbeat;
    const written = encodeHeartbeat({
      ...beat,
      presence: {
        ...beat.presence,
        addresses: Array(9).fill('a') as string[],
        boards: boardsOf(70),
      },
    });
    const { presence } = decodeHeartbeat(written) as Heartbeat;
    expect(presence.addresses).toHaveLength(6);
    expect(Object.keys(presence.boards)).toHaveLength(64);
    expect('audit' in presence).toBe(false);
    expect(Buffer.from(encodeHeartbeat(beat)).includes('audit')).toBe(false);
  });
});

const PEER = parsePeerId('12D3KooWLJAVttprBB3pXonoTvtDQ4gcCmYfs54S7Q5ducgmYvj8');

describe('what a heartbeat may say besides', () => {
  it('comes back as it was written, and nothing of it where nothing was said', () => {
    const beat = read({}) as Heartbeat;
    const said: Heartbeat = {
      ...beat,
      time: 1_700_000_000_000,
      seen: 4,
      called: 'bob',
      suspects: [{ peer: PEER, incarnation: 5, sequence: 6 }],
    };
    expect(decodeHeartbeat(encodeHeartbeat(said))).toEqual(said);
    expect(Object.keys(beat).toSorted()).toEqual(
      ['incarnation', 'presence', 'records', 'sequence', 'status'].toSorted(),
    );
    const bytes = Buffer.from(encodeHeartbeat({ ...beat, suspects: [] }));
    for (const field of ['time', 'seen', 'called', 'suspects', 'sig']) {
      expect(bytes.includes(field), field).toBe(false);
    }
  });

  it('is signed by whom it is given', () => {
    const beat = read({}) as Heartbeat;
    const signed = encodeHeartbeat(beat, { sign: () => new Uint8Array([7]) });
    expect(decodeHeartbeat(signed)).toEqual({ ...beat, isSigned: true });
    expect(read({ sig: 'text' })).toEqual(beat);
  });

  it.each([
    ['a clock below 0', { time: -1 }],
    ['a clock that is text', { time: '7' }],
    ['a known incarnation that is no whole number', { seen: 1.5 }],
    ['a name that is no alias', { called: 'no alias!' }],
    ['a name that is a number', { called: 7 }],
    ['suspects that are no list', { suspects: { length: 1 } }],
  ])('is left out where it is %s', (_what, change) => {
    expect(read(change)).toEqual(read({}));
  });

  it('leaves out suspects that are malformed, and those over the bound', () => {
    const good = [PEER, 1, 2];
    const suspects = [
      good,
      'text',
      [PEER, -1, 2],
      [PEER, 1, 1.5],
      [7, 1, 2],
      ['nobody', 1, 2],
      [long, 1, 2],
    ];
    expect(read({ suspects })?.suspects).toEqual([{ peer: PEER, incarnation: 1, sequence: 2 }]);
    expect(read({ suspects: Array.from({ length: 70 }, () => good) })?.suspects).toHaveLength(64);
    const beat = read({}) as Heartbeat;
    const many = Array.from({ length: 70 }, () => ({ peer: PEER, incarnation: 1, sequence: 2 }));
    const bytes = Buffer.from(encodeHeartbeat({ ...beat, suspects: many }));
    expect(bytes.toString('latin1').split(PEER)).toHaveLength(65);
  });
});

describe('what comes by gossip', () => {
  it('is a heartbeat or a pulse', () => {
    expect(decodeGossip(encode(fields))).toEqual({ heartbeat: read({}) });
    const pulse = { incarnation: 0, sequence: 0, time: 0 };
    expect(decodeGossip(encodePulse(pulse))).toEqual({ pulse });
    expect(decodeGossip(encodePulse({ incarnation: 1, sequence: 2, time: 3 }))).toEqual({
      pulse: { incarnation: 1, sequence: 2, time: 3 },
    });
  });

  it.each([
    ['a pulse without an incarnation', { v: 2, seq: 1, time: 1 }],
    ['a pulse without a sequence', { v: 2, inc: 1, time: 1 }],
    ['a pulse without a time', { v: 2, inc: 1, seq: 1 }],
    ['a pulse of a third version', { v: 3, inc: 1, seq: 1, time: 1 }],
    ['a heartbeat without a name', { ...fields, name: 7 }],
  ])('is neither when it is %s', (_what, value) => {
    expect(decodeGossip(encode(value))).toBeUndefined();
  });
});
