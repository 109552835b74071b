/**
 * What members do on the road of boards, `/starling/board-updates/1`, and to strong boards, `/starling/quorum/1`, as fast as
 * the other end reads.
 */
import { randomBytes } from 'node:crypto';
import { encode } from 'cborg';
import { Doc } from 'yjs';
import { didFromPeerId } from '../../src/testing.ts';
import type { Attack } from './attack.ts';
import { openTo, pour } from './floods.ts';
import { prefixed } from './pubsub.ts';
import { attack } from './streams.ts';

const ROAD = '/starling/board-updates/1';
const QUORUM = '/starling/quorum/1';
const BOARD = 'notes';
const KEYS = 1000;
const DAY_MS = 86_400_000;
/** As long as a did of this kind. */
const KEY_BYTES = 24;

/** The lane of a writer who writes on and on: the next update of its document. */
function laneOf(stampedAhead: number): { readonly client: number; next(): Uint8Array } {
  const doc = new Doc();
  let last: Uint8Array = new Uint8Array(0);
  doc.on('updateV2', (made: Uint8Array) => {
    last = made;
  });
  let count = 0;
  return {
    client: doc.clientID,
    next() {
      count += 1;
      doc.transact(() => {
        if (count === 1) doc.getMap('lane').set('head', { b: 1, r: [], a: [] });
        const entry = { v: `value ${count}`, m: Date.now() + stampedAhead, i: count };
        doc.getMap('e').set(`key${count % KEYS}`, entry);
      });
      return last;
    },
  };
}

function someDid(): string {
  return `did:key:z6Mk${randomBytes(KEY_BYTES).toString('hex')}`;
}

/** Pours what `make` makes into streams of the road, one after the other. */
function road(
  name: string,
  title: string,
  deeds: string | undefined,
  make: () => () => object,
): Attack {
  return attack(name, title, deeds, async ({ target, signal, act }, member) => {
    while (!signal.aborted) {
      const stream = await openTo(member, target, ROAD, signal);
      if (stream === undefined) continue;
      const next = make();
      await pour(stream, () => (act(), prefixed(encode(next()))), signal);
    }
  });
}

const writes = road('board-writes', 'writes to an open board without end', undefined, () => {
  const lane = laneOf(0);
  return () => {
    const update = encode([2, [[null, lane.client, 1, lane.next()]]]);
    return { board: BOARD, update };
  };
});

const forged = road(
  'forged-writes',
  'writes in others’ lanes, under another client id, from the future, or that are none',
  'breaks the protocols',
  () => {
    const [lane, late] = [laneOf(0), laneOf(DAY_MS)];
    let count = 0;
    return () => {
      const parts = [
        [someDid(), lane.client, 1, lane.next()],
        [null, lane.client + 1, 1, lane.next()],
        [null, late.client, 1, late.next()],
        [null, lane.client, 1, randomBytes(200)],
      ];
      count += 1;
      return { board: BOARD, update: encode([2, [parts[count % parts.length]]]) };
    };
  },
);

const unpermitted = road(
  'unpermitted-writes',
  'writes to boards on which the member has no right',
  'floods boards',
  () => {
    const lane = laneOf(0);
    return () => {
      const board = `plan@${someDid().slice('did:key:'.length)}`;
      const update = encode([2, [[null, lane.client, 1, lane.next()]]]);
      return { board, update, access: randomBytes(16).toString('hex') };
    };
  },
);

/** Asks replicas of strong boards on and on: for a board that is not there, and as if it were a replica itself. */
const questions = attack(
  'strong-questions',
  'questions and requests about strong boards without end',
  'floods boards',
  async ({ target, signal, act }, member) => {
    let count = 0;
    const next = (): Uint8Array => {
      act();
      count += 1;
      const board = `jobs@${someDid().slice('did:key:'.length)}`;
      const cell = { i: count, board, key: `key${count % KEYS}` };
      const request = { t: 'set', value: `value ${count}` };
      const asks = [
        { ...cell, t: 'do', id: `r${count}`, request: JSON.stringify(request), patienceMs: 2000 },
        { ...cell, t: 'look', set: 0, disk: '' },
        { ...cell, t: 'disk' },
      ];
      return prefixed(encode(asks[count % asks.length]));
    };
    while (!signal.aborted) {
      const stream = await openTo(member, target, QUORUM, signal);
      if (stream !== undefined) await pour(stream, next, signal);
    }
  },
);

/** Writes to a strong board of the node's own, which the member may: what of it is too much waits. */
const strongWrites: Attack = {
  ...attack(
    'strong-writes',
    'writes to a strong board without end',
    undefined,
    async ({ target, signal, act }, member) => {
      const board = `jobs@${didFromPeerId(target.peerId as never).slice('did:key:'.length)}`;
      let count = 0;
      const next = (): Uint8Array => {
        act();
        count += 1;
        const request = JSON.stringify({ t: 'set', value: `value ${count}` });
        const cell = { i: count, board, key: `key${count % KEYS}` };
        return prefixed(encode({ ...cell, t: 'do', id: `r${count}`, request, patienceMs: 2000 }));
      };
      while (!signal.aborted) {
        const stream = await openTo(member, target, QUORUM, signal);
        if (stream !== undefined) await pour(stream, next, signal);
      }
    },
  ),
  beside: 'strong writes',
};

/** What members do to boards. */
export const boardAttacks: readonly Attack[] = [
  writes,
  forged,
  unpermitted,
  questions,
  strongWrites,
];
