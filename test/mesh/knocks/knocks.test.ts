/** Who asks to be let in: how many may wait, when each is over, and how the operator names one of them. */
import { describe, expect, it } from 'vitest';
import { createHealth } from '../../../src/core/index.ts';
import type { Health, PeerId } from '../../../src/core/index.ts';
import { createIdentity, peerIdFromPublicKey } from '../../../src/identity/index.ts';
import type { Knock, Knocks } from '../../../src/mesh/index.ts';
import { createKnocks } from '../../../src/mesh/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

interface Door {
  /** Tickets that nobody has any use for. */
  readonly ended: readonly string[];
  readonly knocks: Knocks;
  readonly clock: TestClock;
  readonly health: Health;
  readonly heard: readonly Knock[];
  readonly codes: () => readonly string[];
}

function door(): Door {
  const clock = createTestClock();
  const health = createHealth();
  const ended: string[] = [];
  const endTicket = (text: string): void => void ended.push(text);
  const knocks = createKnocks({ clock, health, endTicket });
  const heard: Knock[] = [];
  knocks.events.on('knock', (knock) => heard.push(knock));
  return {
    ended,
    knocks,
    clock,
    health,
    heard,
    codes: () => health.warnings().map(({ code }) => code),
  };
}

/** Of a node for each byte: keys cost, and some tests ask for thousands. */
const PEERS = Array.from(
  { length: 256 },
  (_, byte) => createIdentity(new Uint8Array(32).fill(byte)).peerId,
);
const peerOf = (byte: number): PeerId => PEERS[byte] as PeerId;
const ticket = (): Promise<string> => Promise.resolve('starling2abc');
const MINUTE_MS = 60_000;

describe('a node that knocks', () => {
  it('is told once to the operator, however often it asks, and waits', () => {
    const { knocks, heard, health } = door();
    for (let count = 0; count < 20; count += 1) {
      expect(knocks.knock(peerOf(1), 'laptop', '192.168.77.11')).toEqual({
        t: 'wait',
        everyMs: 5000,
      });
    }
    expect(heard).toEqual([
      expect.objectContaining({ name: 'laptop', peerId: peerOf(1), address: '192.168.77.11' }),
    ]);
    expect(heard[0]?.fingerprint).toMatch(/^(\w{4} ){3}\w{4}$/);
    expect(health.warnings()).toMatchObject([
      { text: expect.stringContaining('laptop') as string },
    ]);
  });

  it('that is let in gets its ticket, and the trouble is over', async () => {
    const { knocks, codes } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    const answered = await knocks.answer('laptop', ticket);
    expect(answered).toMatchObject({ name: 'laptop', peerId: peerOf(1) });
    expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toEqual({
      t: 'admitted',
      ticket: 'starling2abc',
    });
    expect(codes()).toEqual([]);
    expect(knocks.waiting()).toEqual([]);
  });

  it('leaves no ticket behind that it has no use for: it came in, was refused after all, or had gone', async () => {
    const { ended, knocks, clock } = door();
    const knock = (byte: number): unknown =>
      knocks.knock(peerOf(byte), `n${byte}`, `10.0.0.${byte}`);
    for (const byte of [1, 2, 3, 4]) knock(byte);
    for (const byte of [1, 2, 3, 4]) {
      await knocks.answer(`n${byte}`, () => Promise.resolve(`ticket ${byte}`));
    }
    expect(ended).toEqual([]);
    expect(knocks.cameIn(peerOf(1))).toBe(true);
    await knocks.answer('n2', undefined);
    expect(ended).toEqual(['ticket 1', 'ticket 2']);
    // The third has heard of its ticket and has its time; the fourth had gone.
    knock(3);
    clock.advance(MINUTE_MS);
    knocks.waiting();
    expect(ended).toEqual(['ticket 1', 'ticket 2', 'ticket 4']);
    clock.advance(10 * MINUTE_MS);
    knocks.waiting();
    expect(ended).toEqual(['ticket 1', 'ticket 2', 'ticket 4', 'ticket 3']);
  });

  it('that has come in and knocks once more is a new question', async () => {
    const { knocks, heard } = door();
    const again = (): unknown => knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    again();
    expect(knocks.cameIn(peerOf(1))).toBe(false);
    await knocks.answer('laptop', ticket);
    expect(knocks.cameIn(peerOf(1))).toBe(true);
    expect(knocks.cameIn(peerOf(1))).toBe(false);
    expect(again()).toMatchObject({ t: 'wait' });
    expect(heard).toHaveLength(2);
  });

  it('under the name of one that was let in gets nothing: the key counts', async () => {
    const { knocks } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await knocks.answer('laptop', ticket);
    expect(knocks.knock(peerOf(2), 'laptop', '10.0.0.1')).toMatchObject({ t: 'wait' });
  });

  it('that is refused hears so, and is not told to the operator again for an hour', async () => {
    const { knocks, clock, heard } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await knocks.answer('laptop', undefined);
    for (let minute = 0; minute < 60; minute += 1) {
      expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toMatchObject({ t: 'refused' });
      clock.advance(MINUTE_MS);
    }
    expect(heard).toHaveLength(1);
    clock.advance(2 * MINUTE_MS);
    expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toMatchObject({ t: 'wait' });
  });

  it('has the later one of two answers, and no ticket of the other stays open', async () => {
    const { knocks, ended } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    const slow: ((ticket: string) => void)[] = [];
    const later = (): Promise<string> => new Promise((resolve) => slow.push(resolve));
    const first = knocks.answer('laptop', later);
    const second = knocks.answer('laptop', later);
    slow[1]?.('starling2second');
    slow[0]?.('starling2first');
    await Promise.all([first, second]);
    expect(ended).toEqual(['starling2first']);
    expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toMatchObject({
      ticket: 'starling2second',
    });

    knocks.knock(peerOf(2), 'tablet', '10.0.0.2');
    const admitted = knocks.answer('tablet', later);
    await knocks.answer('tablet', undefined);
    slow[2]?.('starling2third');
    await admitted;
    expect(ended).toEqual(['starling2first', 'starling2third']);
    expect(knocks.knock(peerOf(2), 'tablet', '10.0.0.2')).toMatchObject({ t: 'refused' });
  });

  it('that was refused comes in when the operator thinks again, with one ticket however often', async () => {
    const { knocks } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await knocks.answer('laptop', undefined);
    let made = 0;
    const count = async (): Promise<string> => `starling2ticket${(made += 1)}`;
    await knocks.answer('laptop', count);
    await knocks.answer('laptop', count);
    expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toEqual({
      t: 'admitted',
      ticket: 'starling2ticket1',
    });
    expect(made).toBe(1);
  });

  it('that goes away is forgotten, and its trouble with it', () => {
    const { knocks, clock, codes } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    clock.advance(46_000);
    expect(knocks.waiting()).toEqual([]);
    expect(codes()).toEqual([]);
  });

  it('waits half an hour at the longest', () => {
    const { knocks, clock, heard } = door();
    for (let second = 0; second <= 1800; second += 5) {
      knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
      clock.advance(5000);
    }
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    expect(heard).toHaveLength(2);
  });
});

describe('a flood of knocks', () => {
  it('from one address has three that wait, and the operator hears of no more', () => {
    const { knocks, heard } = door();
    const answers = [1, 2, 3, 4, 5, 6].map((byte) => knocks.knock(peerOf(byte), 'x', '10.0.0.1').t);
    expect(answers).toEqual(['wait', 'wait', 'wait', 'busy', 'busy', 'busy']);
    expect(heard).toHaveLength(3);
  });

  it('from many addresses is told a few times a minute, and 16 wait at the most', () => {
    const { knocks, clock, heard } = door();
    const flood = (): void => {
      for (let byte = 1; byte < 120; byte += 1) {
        knocks.knock(peerOf(byte), 'x', `10.0.0.${byte}`);
      }
    };
    flood();
    expect(heard).toHaveLength(8);
    for (let second = 0; second < 900; second += 30) {
      clock.advance(30_000);
      flood();
    }
    expect(heard).toHaveLength(16);
    expect(knocks.waiting()).toHaveLength(16);
  });

  it('of ten thousand nodes at as many addresses is a handful of lines for the operator, and then nothing', () => {
    const { knocks, clock, heard, codes } = door();
    const answers: Record<string, number> = {};
    for (let count = 0; count < 10_000; count += 1) {
      const key = new Uint8Array(32);
      new DataView(key.buffer).setUint32(0, count);
      const address = `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`;
      const { t } = knocks.knock(peerIdFromPublicKey(key), `node ${count}`, address);
      answers[t] = (answers[t] ?? 0) + 1;
      if (count % 100 === 0) clock.advance(1000);
    }
    // A burst of eight, and one each minute of these hundred seconds.
    expect(heard).toHaveLength(9);
    expect(answers).toEqual({ wait: 9, busy: 9991 });
    expect(knocks.waiting().length).toBeLessThanOrEqual(9);
    expect(codes().length).toBe(knocks.waiting().length);
    clock.advance(MINUTE_MS);
    expect([knocks.waiting(), codes()]).toEqual([[], []]);
    expect(clock.waiting(), 'nothing is looked at for them later').toBe(0);
  });
});

describe('the operator names a node', () => {
  it.each<[string, (knock: Knock) => string]>([
    ['its name', ({ name }) => name],
    ['its four words', ({ fingerprint }) => fingerprint],
    ['its four words with dashes', ({ fingerprint }) => fingerprint.replaceAll(' ', '-')],
    ['its PeerId', ({ peerId }) => peerId],
    ['the end of that', ({ peerId }) => peerId.slice(-8)],
    ['the end of that as lists show it', ({ peerId }) => `…${peerId.slice(-8)}`],
    ['a longer end of that', ({ peerId }) => peerId.slice(-12)],
  ])('by %s', async (_, who) => {
    const { knocks, heard } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    knocks.knock(peerOf(2), 'desk', '10.0.0.2');
    const [knock] = heard;
    if (knock === undefined) throw new Error('nobody was told');
    expect(await knocks.answer(who(knock), ticket)).toMatchObject({ name: 'laptop' });
  });

  it('by no end of a PeerId that is shorter: keys that end so are made in no time', async () => {
    const { knocks } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await expect(knocks.answer(peerOf(1).slice(-7), ticket)).rejects.toMatchObject({
      code: 'STARLING_PEER_UNKNOWN',
    });
  });

  it('that two are called by, and is told both keys', async () => {
    const { knocks } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    knocks.knock(peerOf(2), 'laptop', '10.0.0.2');
    await expect(knocks.answer('laptop', ticket)).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: expect.stringContaining(peerOf(2).slice(-8)) as string,
    });
  });

  it('that nobody has, and is told who asks', async () => {
    const { knocks } = door();
    await expect(knocks.answer('bob', ticket)).rejects.toMatchObject({
      code: 'STARLING_PEER_UNKNOWN',
      hint: expect.stringMatching(/asking another member .*starling up --knock/) as string,
    });
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await expect(knocks.answer('bob', ticket)).rejects.toMatchObject({
      hint: 'those who ask: laptop',
    });
  });

  it('and whoever may invite nobody lets nobody in: the node waits on', async () => {
    const { knocks } = door();
    knocks.knock(peerOf(1), 'laptop', '10.0.0.1');
    await expect(
      knocks.answer('laptop', () => Promise.reject(new Error('not allowed'))),
    ).rejects.toThrow('not allowed');
    expect(knocks.knock(peerOf(1), 'laptop', '10.0.0.1')).toMatchObject({ t: 'wait' });
    expect(knocks.waiting()).toHaveLength(1);
  });
});
