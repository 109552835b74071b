/** A relay that was asked for a reservation before a stop, and answers after it. */
import type { Connection, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { lpStream, streamPair } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, expect, it, vi } from 'vitest';
import { createIdentity } from '../../../src/identity/index.ts';
import { memberRelayTransport } from '../../../src/network/host/relay.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const [SELF, RELAY] = [2, 3].map((seed) =>
  peerIdFromString(createIdentity(Buffer.alloc(32, seed)).peerId),
) as [ReturnType<typeof peerIdFromString>, ReturnType<typeof peerIdFromString>];
const MINUTE_MS = 60_000;
const VARINT_END = 0x80;
const SILENT = Object.assign(() => undefined, { error: () => undefined, trace: () => undefined });

/** A status OK with a reservation that ends in two hours, as `HopMessage` of circuit relay v2 writes it. */
function granted(): Uint8Array {
  const expires: number[] = [];
  let left = Math.floor(Date.now() / 1000) + 7200;
  for (; left >= VARINT_END; left = Math.floor(left / VARINT_END)) {
    expires.push((left % VARINT_END) + VARINT_END);
  }
  expires.push(left);
  return Uint8Array.from([0x08, 2, 0x1a, expires.length + 1, 0x08, ...expires, 0x28, 100]);
}

async function relayed(): Promise<{
  readonly transport: ReturnType<ReturnType<typeof memberRelayTransport>> & {
    start(): Promise<void>;
    stop(): Promise<void>;
    readonly reservationStore: { addRelay(peer: unknown, type: 'configured'): Promise<unknown> };
  };
  readonly relay: Stream;
}> {
  const [own, relay] = await streamPair();
  const connection = {
    id: 'one',
    remotePeer: RELAY,
    remoteAddr: multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${RELAY.toString()}`),
    status: 'open',
    newStream: async () => own,
  } as unknown as Connection;
  const transport = memberRelayTransport(
    {
      isAdmitted: () => true,
      admitted: async () => undefined,
      guard: (one: unknown) => one,
    } as never,
    () => false,
  )({
    peerId: SELF,
    logger: { forComponent: () => SILENT },
    events: new EventTarget(),
    peerStore: { all: async () => [], merge: async () => undefined },
    connectionManager: {
      getConnections: () => [connection],
      openConnection: async () => connection,
    },
    registrar: {
      handle: async () => undefined,
      unhandle: async () => undefined,
      register: async () => 'topology',
      unregister: () => undefined,
    },
  } as never);
  return { transport: transport as never, relay };
}

it.each(['before the stop', 'after the stop'])(
  'leaves no timer where it answers %s',
  async (when) => {
    const isLate = when === 'after the stop';
    const { transport, relay } = await relayed();
    const set = vi.spyOn(globalThis, 'setTimeout');
    const cleared = vi.spyOn(globalThis, 'clearTimeout');
    await transport.start();
    const reserving = transport.reservationStore.addRelay(RELAY, 'configured');
    const asked = lpStream(relay);
    await asked.read();
    if (isLate) await transport.stop();
    await asked.write(granted());
    await reserving.catch(() => undefined);
    if (!isLate) await transport.stop();
    const longs = set.mock.results.filter((_, at) => (set.mock.calls[at]?.[1] ?? 0) > MINUTE_MS);
    expect(longs).toHaveLength(1);
    for (const { value } of longs) expect(cleared).toHaveBeenCalledWith(value);
  },
);
