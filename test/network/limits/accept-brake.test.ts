/** A flood of sockets that are refused is left waiting in its own system, and nobody else for long. */
import type { Listener, Transport } from '@libp2p/interface';
import { once } from 'node:events';
import { Server, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { ACCEPT_BRAKE } from '../../../src/network/constants.ts';
import { refusingEarly } from '../../../src/network/host/early-refusal.ts';
import { createAcceptBrake } from '../../../src/network/limits/accept-brake.ts';
import type { AcceptBrake } from '../../../src/network/limits/accept-brake.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const { calmSlices, refusalsMax, sliceMs } = ACCEPT_BRAKE;

describe('the queue of connections that wait to be accepted', () => {
  let clock: TestClock;
  let brake: AcceptBrake;
  let changes: boolean[];

  beforeEach(() => {
    clock = createTestClock();
    changes = [];
    brake = createAcceptBrake(clock, ACCEPT_BRAKE, (isShort) => void changes.push(isShort));
  });

  function refuse(count: number): void {
    for (let at = 0; at < count; at += 1) brake.refused();
  }

  it('stays as it is while few are refused', () => {
    for (let slice = 0; slice < 100; slice += 1) {
      refuse(refusalsMax - 1);
      clock.advance(sliceMs);
    }
    expect(changes).toEqual([]);
  });

  it('is short while many are refused, and as long as ever a while after', () => {
    for (let slice = 0; slice < 100; slice += 1) {
      refuse(refusalsMax * 10);
      clock.advance(sliceMs);
    }
    expect(changes).toEqual([true]);
    clock.advance(sliceMs * (calmSlices - 1));
    expect(changes).toEqual([true]);
    refuse(refusalsMax / 2);
    clock.advance(sliceMs * calmSlices);
    expect(changes).toEqual([true]);
    clock.advance(sliceMs);
    expect(changes).toEqual([true, false]);
    clock.advance(sliceMs * calmSlices);
    expect(clock.waiting()).toBe(0);
  });

  it('is as long as ever once the listener is closed', () => {
    refuse(refusalsMax);
    brake.stop();
    expect(changes).toEqual([true, false]);
    expect(clock.waiting()).toBe(0);
  });
});

describe('a listener', () => {
  /** A server of Node as libp2p's listeners have one, and how its queue is changed. */
  async function listening(refuses: () => boolean): Promise<{
    readonly server: Server;
    readonly counts: { accepted: number; refused: number };
    readonly setShort: (isShort: boolean) => void;
    /** Whether somebody who connects now is accepted. */
    readonly knock: () => Promise<boolean>;
  }> {
    const counts = { accepted: 0, refused: 0 };
    let setShort: (isShort: boolean) => void = () => undefined;
    const server = new Server((socket) => {
      counts.accepted += 1;
      socket.on('error', () => undefined);
      socket.end('x');
    });
    const transport = { createListener: () => ({ server }) as unknown as Listener };
    const make = refusingEarly(() => transport as unknown as Transport, {
      refuses,
      brake(apply) {
        setShort = apply;
        return { refused: () => void (counts.refused += 1), stop: () => undefined };
      },
    });
    make(undefined).createListener({} as never);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return {
      server,
      counts,
      setShort: (isShort) => setShort(isShort),
      async knock() {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        let said = '';
        socket.on('data', (bytes) => (said += String(bytes)));
        await new Promise((resolve) => socket.once('close', resolve));
        return said === 'x';
      },
    };
  }

  it('drops who is refused, and takes others, with whichever queue', async () => {
    let refuses = false;
    const { server, counts, setShort, knock } = await listening(() => refuses);
    for (const isShort of [true, false, true]) {
      setShort(isShort);
      refuses = false;
      expect(await knock()).toBe(true);
      refuses = true;
      expect(await knock()).toBe(false);
    }
    expect(counts).toEqual({ accepted: 3, refused: 3 });
    server.close();
    await once(server, 'close');
    // A handle that is closed has no queue.
    setShort(true);
    expect(server.listening).toBe(false);
  });
});
