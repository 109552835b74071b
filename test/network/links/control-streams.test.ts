/** The one control stream of a link: frames, round trips, silence, floods, and links that get none. */
import { multiaddr } from '@multiformats/multiaddr';
import type { Connection } from '@libp2p/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import {
  CONTROL_ALLOWANCE,
  INTRODUCTION_TIMEOUT_MS,
  LINK_PROTOCOL,
  SILENT_TICKS,
  TICK_MS,
} from '../../../src/network/constants.ts';
import { createControlStreams } from '../../../src/network/links/control-streams.ts';
import type { ControlStreams } from '../../../src/network/links/control-streams.ts';
import {
  decodeIntroduction,
  encodeIntroduction,
} from '../../../src/network/admission/introduction.ts';
import { createLinks } from '../../../src/network/links/links.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { connectedTo, makeMembers, makeIdentity, soon, stopAll, until } from '../support.ts';

afterEach(stopAll);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Two ends of a stream in memory. */
function streamPair(a: PeerId, b: PeerId): readonly [PeerStream, PeerStream] {
  const makeEnd = (peer: PeerId) => {
    let reader: ((chunk: Uint8Array) => void) | undefined;
    let waiting: Uint8Array[] = [];
    let isPaused = false;
    const flush = (): void => {
      if (reader === undefined || isPaused) return;
      for (const chunk of waiting.splice(0)) reader(chunk);
    };
    const ends: ((error?: Error) => void)[] = [];
    return {
      peer,
      push(chunk: Uint8Array) {
        waiting.push(chunk);
        setImmediate(flush);
      },
      end(error?: Error) {
        for (const listener of ends.splice(0)) listener(error);
      },
      onData: (next: (chunk: Uint8Array) => void) => ((reader = next), flush()),
      onEnd: (listener: (error?: Error) => void) => void ends.push(listener),
      pause: () => void (isPaused = true),
      resume: () => ((isPaused = false), flush()),
    };
  };
  const [near, far] = [makeEnd(b), makeEnd(a)];
  const finish = (own: typeof near, other: typeof near) => ({
    ...own,
    queuedBytes: 0,
    holds: () => undefined,
    write: (chunk: Uint8Array) => (other.push(chunk), true),
    drained: async () => undefined,
    close: async () => (own.end(), other.end()),
    abort: (error: Error) => (own.end(error), other.end(error)),
  });
  return [finish(near, far), finish(far, near)];
}

interface End {
  readonly control: ControlStreams;
  readonly connection: Connection;
  readonly heard: string[];
  readonly reported: string[];
  readonly told: string[];
  readonly signs: PeerId[];
  readonly opened: string[];
  isAborted: boolean;
}

/** Both ends of one connection. `isMute`: no control stream can be opened on it. */
async function ends({ isMute = false } = {}): Promise<{
  readonly dialler: End;
  readonly listener: End;
  readonly clock: TestClock;
  /** Loses what is sent from now on. */
  readonly cut: () => void;
  readonly pass: (ticks: number) => Promise<void>;
}> {
  const clock = createTestClock();
  const [a, b] = [(await makeIdentity('a')).peerId, (await makeIdentity('b')).peerId];
  const scope = createScope(clock);
  let isCut = false;
  const make = (self: PeerId, peer: PeerId, direction: 'inbound' | 'outbound'): End => {
    const links = createLinks(self, clock);
    const connection = {
      remotePeer: { toString: () => peer },
      direction,
      direct: true,
      status: 'open',
      timeline: { open: 0 },
      remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'),
      abort: () => void (end.isAborted = true),
    } as unknown as Connection;
    links.add(connection);
    const shared = { heard: [], reported: [], told: [], opened: [], signs: [] };
    const end: End = { ...shared, connection, isAborted: false } as unknown as End;
    const control = createControlStreams({
      links,
      clock,
      scope,
      logger: silentLogger,
      conduct: { report: (_, what) => void end.reported.push(what) },
      heard: (kind, payload) => void end.heard.push(`${kind} ${String(payload)}`),
      aboutLink: () => false,
      sign: () => void end.signs.push(peer),
      introduction: () => encodeIntroduction({ protocols: ['/p/1'], addresses: [] }),
      introduced: (_, { protocols }) => void end.told.push(`introduced ${protocols.join()}`),
      async open(_, protocol) {
        end.opened.push(protocol);
        if (isMute && protocol === LINK_PROTOCOL) throw new Error('unsupported');
        const [near, far] = streamPair(self, peer);
        const write = near.write.bind(near);
        Object.assign(near, { write: (chunk: Uint8Array) => isCut || write(chunk) });
        listener.control.accept(far, listener.connection);
        return near;
      },
    });
    return Object.assign(end, { control });
  };
  const listener = make(b, a, 'inbound');
  const dialler = make(a, b, 'outbound');
  listener.control.admitted(listener.connection);
  dialler.control.admitted(dialler.connection);
  const pass = async (ticks: number): Promise<void> => {
    for (let tick = 0; tick < ticks; tick += 1) {
      clock.advance(TICK_MS);
      for (let at = 0; at < 6; at += 1) await turn();
    }
  };
  for (let at = 0; at < 6; at += 1) await turn();
  return { dialler, listener, clock, cut: () => (isCut = true), pass };
}

describe('a control stream', () => {
  it('carries frames both ways in their order, and both ends know the round-trip time', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    const heard: string[] = [];
    for (const { network } of [a, b]) {
      network.onFrame('word', (payload, from) => {
        heard.push(`${from === a.id ? 'a' : 'b'} ${String(Buffer.from(payload))}`);
      });
    }
    await b.network.dial(a.address(), soon());
    await connectedTo(a.network, b.id);
    expect(await a.network.sendFrame(b.id, 'word', Buffer.from('one'))).toBe(true);
    expect(await b.network.sendFrame(a.id, 'word', Buffer.from('two'))).toBe(true);
    expect(await a.network.sendFrame(b.id, 'word', Buffer.from('three'))).toBe(true);
    expect(await a.network.sendFrame(b.id, 'unheard', Buffer.from('x'))).toBe(true);
    await until(() => heard.length === 3, 'three words');
    expect(heard.filter((word) => word.startsWith('a'))).toEqual(['a one', 'a three']);
    await until(
      () => a.network.rttMs(b.id) !== undefined && b.network.rttMs(a.id) !== undefined,
      'round trips',
    );
    // What libp2p's services know by introduction is enough for gossip.
    a.network.topic('event').subscribe(() => void heard.push('gossip'));
    b.network.topic('event').subscribe(() => undefined);
    await until(() => {
      void b.network.topic('event').publish(Uint8Array.of(1));
      return heard.includes('gossip');
    }, 'gossip');
    expect(() => a.network.onFrame('word', () => undefined)).toThrow(/two listeners/);
    expect(await a.network.sendFrame((await makeIdentity('c')).peerId, 'word', Buffer.of(1))).toBe(
      false,
    );
  });

  it('ends a connection on which nothing is heard any more, and no other', async () => {
    const { dialler, listener, cut, pass } = await ends();
    await pass(3 * SILENT_TICKS);
    expect([dialler.isAborted, listener.isAborted]).toEqual([false, false]);
    cut();
    await pass(SILENT_TICKS - 1);
    expect([dialler.isAborted, listener.isAborted]).toEqual([false, false]);
    await pass(3);
    expect([dialler.isAborted, listener.isAborted]).toEqual([true, true]);
  });

  it('does not take the sleep of this node for the silence of the other', async () => {
    const { dialler, listener, clock, pass } = await ends();
    clock.advance(3_600_000);
    await pass(2);
    expect([dialler.isAborted, listener.isAborted]).toEqual([false, false]);
  });

  it('introduces both hosts to each other once', async () => {
    const { dialler, listener, pass } = await ends();
    await pass(30);
    expect([dialler.told, listener.told]).toEqual([['introduced /p/1'], ['introduced /p/1']]);
  });

  it('is read more slowly when it is flooded, which is held against who does that', async () => {
    const { dialler, listener, pass } = await ends();
    const count = CONTROL_ALLOWANCE.burst * 2;
    for (let at = 0; at < count; at += 1) {
      await dialler.control.send(listenerOf(dialler), 'word', Buffer.from(String(at)));
    }
    await pass(30);
    expect(listener.heard).toHaveLength(count);
    expect(listener.reported).toContain('control');
    expect(dialler.reported).toEqual([]);
  });
});

describe('a connection without a control stream', () => {
  it('is ended by who dialled as soon as the other end refuses one', async () => {
    const { dialler, listener } = await ends({ isMute: true });
    expect(await dialler.control.send(listenerOf(dialler), 'word', Buffer.of(1))).toBe(false);
    expect(dialler.opened).toEqual([LINK_PROTOCOL]);
    expect([dialler.isAborted, listener.isAborted]).toEqual([true, false]);
  });

  it('is ended by the other end when none was opened in time', async () => {
    const { listener, pass } = await ends({ isMute: true });
    await pass(INTRODUCTION_TIMEOUT_MS / TICK_MS - 1);
    expect(listener.isAborted).toBe(false);
    await pass(2);
    expect(listener.isAborted).toBe(true);
  });

  it('is let alone once it is closed', async () => {
    const { listener, pass } = await ends({ isMute: true });
    listener.control.closed(listener.connection);
    await pass((2 * INTRODUCTION_TIMEOUT_MS) / TICK_MS);
    expect(listener.isAborted).toBe(false);
  });
});

describe('an introduction', () => {
  it('leaves out what rooms ask for by name, and addresses that are none', () => {
    const bytes = encodeIntroduction({
      protocols: ['/meshsub/1.2.0', '/starling/mcp/1', '/starling/did:key:z/kad/1.0.0'],
      addresses: ['/ip4/127.0.0.1/tcp/1', 'nowhere'],
    });
    const read = decodeIntroduction(bytes);
    expect(read?.protocols).toEqual(['/meshsub/1.2.0', '/starling/did:key:z/kad/1.0.0']);
    expect(read?.addresses.map(String)).toEqual(['/ip4/127.0.0.1/tcp/1']);
  });

  it.each([Buffer.of(), Buffer.from('a0', 'hex'), Buffer.from('ff', 'hex')])(
    'that is malformed is none: %j',
    (bytes) => expect(decodeIntroduction(bytes)).toBeUndefined(),
  );
});

function listenerOf({ connection }: End): PeerId {
  return connection.remotePeer.toString() as PeerId;
}
