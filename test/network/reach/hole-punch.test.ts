/** Holes through two routers: who says what, who dials whom from where, and what is made of it. */
import { Duplex } from 'node:stream';
import type { Connection } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import {
  HOLE_ANSWER_MS,
  HOLE_AGAIN_MS,
  HOLE_ASKS,
  HOLE_DIAL_MS,
  HOLE_MOVES,
  HOLE_PAUSE_MS,
} from '../../../src/network/constants.ts';
import { decodeHoleEnd, encodeHole } from '../../../src/network/reach/hole-messages.ts';
import { createHolePunch } from '../../../src/network/reach/hole-punch.ts';
import type { HolePunch, HoleUse } from '../../../src/network/reach/hole-punch.ts';
import type { HoleEnds } from '../../../src/network/reach/hole-socket.ts';
import { connectionTo, linksOf, makeBench, settled } from './arrange.ts';
import type { Bench } from './arrange.ts';

const A = `12D3KooW${'A'.repeat(44)}` as PeerId;
const B = `12D3KooW${'B'.repeat(44)}` as PeerId;

interface End {
  readonly holes: HolePunch;
  readonly dialled: HoleEnds[];
  readonly used: HoleUse[];
  readonly said: { readonly kind: string; readonly payload: Uint8Array }[];
  /** What the next dials come to. */
  readonly outcomes: Error[];
}

interface Pair extends Bench {
  readonly a: End;
  readonly b: End;
  /** The link as b has it. */
  readonly linkToA: Connection;
}

/** Two ends of a relayed link; `direct` of one that needs no hole. */
function pair(init: { direct?: boolean; bSees?: readonly string[]; deaf?: boolean } = {}): Pair {
  const { direct = false, bSees = ['11.77.0.3'], deaf = false } = init;
  const bench = makeBench();
  const [linkToB, linkToA] = [connectionTo(B, { direct }), connectionTo(A, { direct })];
  const make = (self: PeerId, ips: readonly string[], other: () => HolePunch): End => {
    const [peer, link, back] = self === A ? [B, linkToB, linkToA] : [A, linkToA, linkToB];
    const end: Omit<End, 'holes'> = { dialled: [], used: [], said: [], outcomes: [] };
    const holes = createHolePunch({
      ...bench,
      self,
      links: linksOf(link, peer),
      outside: { ips: () => ips },
      rttMs: () => 80,
      random: () => 0.25,
      send(_, kind, payload) {
        end.said.push({ kind, payload });
        if (!deaf) other().heard(back, kind, payload);
        return true;
      },
      async connect(ends, signal) {
        end.dialled.push(ends);
        const failure = end.outcomes.shift();
        if (failure === undefined) return new Duplex();
        if (failure.message !== 'silence') throw failure;
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('timed out')), { once: true });
        });
      },
      use: async (_, to) => void end.used.push(to),
    });
    return { ...end, holes };
  };
  const a: End = make(A, ['11.77.0.2', '2001:db8::2'], () => b.holes);
  const b: End = make(B, bSees, () => a.holes);
  return { ...bench, a, b, linkToA };
}

describe('a hole', () => {
  it('is agreed upon by the relayed link: each dials the port from which the other dials, one as the dialler', async () => {
    const { a, b, clock } = pair();
    a.holes.look(B);
    await settled();
    expect(a.said.map(({ kind }) => kind)).toEqual(['hole', 'hole-now']);
    expect(b.dialled).toHaveLength(1);
    expect(a.dialled).toEqual([]);
    clock.advance(40);
    await settled();
    const [fromA, fromB] = [a.dialled[0], b.dialled[0]];
    expect(fromA).toMatchObject({ host: '11.77.0.3', port: fromB?.localPort });
    expect(fromB).toMatchObject({ host: '11.77.0.2', port: fromA?.localPort });
    expect(a.used).toMatchObject([{ peer: B, isDialler: true }]);
    expect(b.used).toMatchObject([{ peer: A, isDialler: false }]);
    expect([a.holes.failure(B), b.holes.failure(A)]).toEqual([undefined, undefined]);
  });

  it('is asked for by the lower PeerId only, and never on a direct link', async () => {
    const relayed = pair();
    relayed.b.holes.look(A);
    expect(relayed.b.said).toEqual([]);
    const direct = pair({ direct: true });
    direct.a.holes.look(B);
    expect(direct.a.said).toEqual([]);
    direct.b.holes.heard(
      direct.linkToA,
      'hole',
      encodeHole({ id: 1, at: ['11.77.0.2'], port: 5000 }),
    );
    expect(direct.b.said).toEqual([]);
  });

  it('is tried again at once where a router answered for its host, and later where nothing came', async () => {
    const { a, b, clock } = pair();
    a.outcomes.push(new Error('ECONNREFUSED'));
    a.holes.look(B);
    clock.advance(40);
    await settled();
    clock.advance(HOLE_AGAIN_MS);
    await settled();
    expect(a.dialled).toHaveLength(2);
    expect(a.used).toHaveLength(1);

    const silent = pair();
    silent.a.outcomes.push(new Error('silence'));
    silent.a.holes.look(B);
    silent.clock.advance(40);
    await settled();
    silent.clock.advance(HOLE_DIAL_MS);
    await settled();
    expect(silent.a.holes.failure(B)).toContain('nothing came through at 11.77.0.3:');
    silent.a.holes.look(B);
    expect(silent.a.said).toHaveLength(2);
    silent.clock.advance(HOLE_PAUSE_MS);
    silent.a.holes.look(B);
    await settled();
    silent.clock.advance(40);
    await settled();
    expect(silent.a.holes.failure(B)).toBeUndefined();
    expect(b.used).toHaveLength(1);
  });

  it('is tried at once in another network, however long the pauses were before, and not as often as others say so', async () => {
    const silent = pair();
    const fail = async (): Promise<void> => {
      silent.a.outcomes.push(...Array.from({ length: 40 }, () => new Error('refused')));
      silent.a.holes.look(B);
      await settled();
      silent.clock.advance(40);
      for (let step = 0; step * HOLE_AGAIN_MS <= HOLE_DIAL_MS; step += 1) {
        await settled();
        silent.clock.advance(HOLE_AGAIN_MS);
      }
      await settled();
    };
    const asked = (): number => silent.a.said.filter(({ kind }) => kind === 'hole').length;
    await fail();
    expect([silent.a.holes.failure(B) === undefined, asked()]).toEqual([false, 1]);
    await fail();
    expect(asked()).toBe(1);
    for (let move = 0; move < HOLE_MOVES.burst; move += 1) {
      silent.a.holes.moved();
      await fail();
    }
    expect(asked()).toBe(1 + HOLE_MOVES.burst);
    silent.a.holes.moved();
    await fail();
    expect(asked()).toBe(1 + HOLE_MOVES.burst);
  });

  it('says why not: the other is not seen from outside, knows no such family, or is silent', async () => {
    const unseen = pair({ bSees: [] });
    unseen.a.holes.look(B);
    await settled();
    expect(unseen.a.holes.failure(B)).toContain('does not know where it is seen');
    const other = pair({ bSees: ['2001:db8::3'] });
    other.a.holes.look(B);
    other.clock.advance(40);
    await settled();
    expect(other.a.dialled[0]?.host).toBe('2001:db8::3');
    const deaf = pair({ deaf: true });
    deaf.a.holes.look(B);
    deaf.clock.advance(HOLE_ANSWER_MS);
    expect(deaf.a.holes.failure(B)).toBe('it did not answer in time');
  });

  it('is not made for who asks too often, or names what is no machine', async () => {
    const { b, linkToA, clock } = pair({ deaf: true });
    const ask = (id: number): void =>
      void b.holes.heard(linkToA, 'hole', encodeHole({ id, at: ['11.77.0.2'], port: 5000 }));
    for (let id = 0; id < HOLE_ASKS.burst + 5; id += 1) {
      ask(id);
      // What was agreed upon and never began is over.
      clock.advance(1);
    }
    expect(b.said.length).toBeLessThanOrEqual(HOLE_ASKS.burst);
    for (const at of [
      ['127.0.0.1'],
      ['::1'],
      ['224.0.0.1'],
      ['0.0.0.0'],
      ['host'],
      [],
      ['::ffff:127.0.0.1'],
    ]) {
      expect(decodeHoleEnd(encodeHole({ id: 1, at, port: 5000 }))).toBeUndefined();
    }
    expect(decodeHoleEnd(encodeHole({ id: 1, at: ['11.77.0.2'], port: 22 }))).toBeUndefined();
    expect(decodeHoleEnd(new Uint8Array([1, 2, 3]))).toBeUndefined();
  });
});
