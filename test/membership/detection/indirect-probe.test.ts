/** Witnesses: what they look at before they say that they reach a peer. */
import { decode, encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createIndirectProbe } from '../../../src/membership/detection/indirect-probe.ts';
import type { IndirectProbe } from '../../../src/membership/detection/indirect-probe.ts';
import { calm, createHub } from '../../blackboard/hub.ts';
import type { Hub } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [ASKER, WITNESS, OTHER, SUSPECT] = [5, 6, 7, 8].map(
  (seed) => createIdentity(Buffer.alloc(32, seed)).peerId,
) as [PeerId, PeerId, PeerId, PeerId];

/** An asker with two witnesses, each of which has a connection to the suspect. */
function world(
  ping: (by: PeerId) => Promise<number>,
  hasFrames = true,
): {
  readonly clock: TestClock;
  readonly hub: Hub;
  readonly asker: IndirectProbe;
  readonly pings: PeerId[];
} {
  const hub = createHub();
  const clock = createTestClock();
  const pings: PeerId[] = [];
  const make = (self: PeerId): IndirectProbe => {
    const network = {
      ...hub.network(self),
      ping: (peer: PeerId) => (pings.push(peer), ping(self)),
      ...(hasFrames ? {} : { sendFrame: async () => false }),
    };
    const made = createIndirectProbe({ network, clock, logger: silentLogger });
    made.start();
    return made;
  };
  const [asker] = [ASKER, WITNESS, OTHER].map(make);
  for (const witness of [WITNESS, OTHER]) {
    hub.connect(ASKER, witness);
    hub.connect(witness, SUSPECT);
  }
  if (asker === undefined) throw new Error('nobody asks');
  return { hub, asker, pings, clock };
}

describe('a witness', () => {
  it('says that it reaches a peer only when that answers a ping now, however open its connection is', async () => {
    const { asker, hub, pings } = world((by) =>
      by === WITNESS ? Promise.resolve(3) : Promise.reject(new Error('half-open')),
    );
    expect(await asker.ask(SUSPECT, [WITNESS, OTHER], 2000)).toBe(1);
    expect(pings).toEqual([SUSPECT, SUSPECT]);
    // The question costs no stream.
    expect(hub.opened).toEqual([]);
  });

  it('that does not answer in time says nothing, and what it says later counts for nobody', async () => {
    const { asker, clock, hub } = world(() => Promise.resolve(1));
    const late = createIdentity(Buffer.alloc(32, 9)).peerId;
    const network = hub.network(late);
    const questions: Uint8Array[] = [];
    network.onFrame('probe', (bytes) => void questions.push(bytes));
    hub.connect(ASKER, late);
    const asked = asker.ask(SUSPECT, [late], 2000);
    await expect.poll(() => questions.length).toBe(1);
    clock.advance(2001);
    expect(await asked).toBe(0);
    const { id } = decode(questions[0] as Uint8Array) as { readonly id: number };
    await network.sendFrame(ASKER, 'probed', encode({ id, connected: true }));
    await calm(3);
    expect(await asker.ask(SUSPECT, [WITNESS], 2000)).toBe(1);
  });

  it('that can not be told the question says nothing', async () => {
    const { asker } = world(() => Promise.resolve(1), false);
    expect(await asker.ask(SUSPECT, [WITNESS, OTHER], 2000)).toBe(0);
  });

  it('pings once for all who ask at the same time', async () => {
    let answer: (rttMs: number) => void = () => undefined;
    const { asker, pings } = world(() => new Promise((resolve) => (answer = resolve)));
    const asked = [1, 2, 3].map(() => asker.ask(SUSPECT, [WITNESS], 2000));
    await expect.poll(() => pings.length).toBe(1);
    answer(1);
    expect(await Promise.all(asked)).toEqual([1, 1, 1]);
    expect(pings).toEqual([SUSPECT]);
  });

  it('does not say so of somebody to whom it has no connection', async () => {
    const { asker, pings } = world(() => Promise.resolve(1));
    const stranger = createIdentity(Buffer.alloc(32, 9)).peerId;
    expect(await asker.ask(stranger, [WITNESS, OTHER], 2000)).toBe(0);
    expect(pings).toEqual([]);
  });
});
