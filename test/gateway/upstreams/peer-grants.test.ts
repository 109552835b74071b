/** The grants that a node presents to a peer, where the peer reads too slowly to hear of them at once. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { JsonObject, StarlingError } from '../../../src/core/index.ts';
import { openPeerChannel } from '../../../src/gateway/upstreams/peer.ts';
import type { ServerChannel } from '../../../src/gateway/channel-types.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { createPeerAllowances } from '../../../src/gateway/wire/peers/peer-allowances.ts';
import type { GrantBook } from '../../../src/grants/index.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { streamPair } from '../support/memory-streams.ts';
import { until } from '../support/clients.ts';

const alice = createIdentity(new Uint8Array(32).fill(1));
const bob = createIdentity(new Uint8Array(32).fill(2));
const PEER = { peerId: alice.peerId, did: alice.did, alias: 'alice' } as PeerView;
const MESSAGE_BYTES = 4 * 1024 * 1024;
const PRESENTED = 'starling/grants';
/** Longer than the least call: where no call fits, the grants do not fit either. */
const [SECOND, THIRD, FOURTH] = [2, 3, 4].map((digit) => `${digit}`.repeat(500)) as [
  string,
  string,
  string,
];

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: JsonObject;
}

/** A peer that answers `initialize`, and the channel to it. */
async function openToSlowPeer(): Promise<{
  readonly channel: ServerChannel;
  readonly peer: PeerStream;
  /** What the peer has read, but for the padding of calls. */
  readonly heard: Message[];
  /** Gives this node a grant more, and tells its open channels. */
  readonly receive: (jws: string) => void;
}> {
  const [near, far] = streamPair(alice.peerId, bob.peerId);
  const heard: Message[] = [];
  let rest: Buffer[] = [];
  far.onData((chunk) => {
    rest.push(Buffer.from(chunk));
    if (!chunk.includes(0x0a)) return;
    const lines = Buffer.concat(rest).toString('utf8').split('\n');
    rest = [Buffer.from(lines.pop() ?? '')];
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      heard.push(message);
      if (message.method !== 'initialize') continue;
      const result = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        serverInfo: { name: 'alice', version: '1' },
      };
      far.write(Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id: message.id, result })}\n`));
    }
  });
  const clock = createTestClock();
  const grants = ['first'];
  const presenters = new Set<() => void>();
  const book = {
    toPresent: () => [...grants],
    received: () => [],
    chainOf: () => [],
    receive: async () => [],
    verified: 0,
  } as unknown as GrantBook;
  const channel = await openPeerChannel(
    {
      network: { open: async () => near, report: () => undefined },
      allowances: createPeerAllowances({ clock, network: { report: () => undefined } }),
      membership: { inStep: async () => undefined },
      grants: book,
      presenters,
      clock,
      logger: silentLogger,
    },
    { messageBytes: MESSAGE_BYTES, callTimeoutMs: 1e6, callTotalMs: 1e6, callsMax: 1000 },
    PEER,
    { notification: () => undefined },
  );
  return {
    channel,
    peer: far,
    heard,
    receive(jws) {
      grants.push(jws);
      for (const present of presenters) present();
    },
  };
}

/** A call with `sizeBytes` of arguments, which may be made many times. */
function requestOf(sizeBytes: number): RequestFrame {
  const params = { name: 'x', arguments: { text: 'x'.repeat(sizeBytes) } };
  const text = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'tools/call', params });
  return parseFrame(Buffer.from(text)) as RequestFrame;
}

/** Makes a call. Returns why it was refused, when that happened at once. */
function call(channel: ServerChannel, request: RequestFrame): StarlingError | undefined {
  let refused: StarlingError | undefined;
  channel.relay({
    request,
    principal: { kind: 'operator' },
    response: () => undefined,
    progress: () => undefined,
    notification: () => undefined,
    failed: (error) => void (refused = error),
  });
  return refused;
}

/** Sends calls until not even a small one fits. */
function fill(channel: ServerChannel): void {
  for (let sizeBytes = MESSAGE_BYTES; sizeBytes >= 1; sizeBytes = Math.floor(sizeBytes / 4)) {
    const request = requestOf(sizeBytes);
    while (call(channel, request) === undefined);
  }
}

function presentedTo(heard: readonly Message[]): unknown[] {
  return heard
    .filter(({ method }) => method?.includes(PRESENTED) === true)
    .map(({ params }) => params?.['grants']);
}

describe('grants that come while a peer reads too slowly', () => {
  it('are presented once it has read what waited', async () => {
    const { channel, peer, heard, receive } = await openToSlowPeer();
    peer.pause();
    fill(channel);
    receive(SECOND);
    peer.resume();
    await until(() => presentedTo(heard).length > 0);
    expect(presentedTo(heard)).toEqual([['first', SECOND]]);
  });

  it('are all presented, when more came in the meantime', async () => {
    const { channel, peer, heard, receive } = await openToSlowPeer();
    peer.pause();
    fill(channel);
    receive(SECOND);
    receive(THIRD);
    peer.resume();
    await until(() => presentedTo(heard).length > 0);
    expect(presentedTo(heard)).toEqual([['first', SECOND, THIRD]]);
    receive(FOURTH);
    await until(() => presentedTo(heard).length > 1);
    expect(presentedTo(heard)[1]).toEqual(['first', SECOND, THIRD, FOURTH]);
  });
});
