/** Frames of a control stream: what each of them is on the stream, its length included. */
import { parseAddress } from '../../src/network/addresses/addresses.ts';
import {
  decodeIntroduction,
  encodeIntroduction,
} from '../../src/network/admission/introduction.ts';
import { createControlStream } from '../../src/network/links/control-stream.ts';
import type { ControlStream } from '../../src/network/links/control-stream.ts';
import {
  decodeHoleEnd,
  decodeHoleId,
  decodeHoleRefusal,
  encodeHole,
} from '../../src/network/reach/hole-messages.ts';
import {
  decodeRosterMessage,
  decodeRosterNotice,
  encodeRosterMessage,
  encodeRosterNotice,
} from '../../src/membership/roster/roster-messages.ts';
import { fakeStream } from './fake-stream.ts';
import type { FakeStream } from './fake-stream.ts';
import type { Notes } from './fixture.ts';
import { founder, member, newcomer, text, utf8, whole } from './world.ts';
import type { WireCase } from './world.ts';

const NOTES: Notes = {
  protocols: 'protocols of libp2p that it serves; those of Starling are known by the version',
  addrs: 'multiaddrs at which it listens or was reached, at most 32',
  seen: 'the IP address from which the reader has dialled',
  t: 'kind of the message',
  digest: 'of all who are there, 32 hex digits',
  after: 'the list has PeerIds from here on, without this one',
  to: 'up to this one; empty: to the end',
  peers: 'PeerId and incarnation of each',
  of: 'PeerId and heartbeat of each, which its author has signed',
  know: 'PeerId and incarnation of each of whom there is something new',
  want: 'PeerIds whose heartbeats are asked for',
  id: 'chosen by who asks: both speak of the same try',
  at: 'where this end is seen from outside: IP addresses, at most 2',
  port: 'TCP port from which it dials',
  why: 'for people',
};

interface Heard {
  readonly kind: string;
  readonly payload: Uint8Array;
}

/** One end of a control stream, the stream below it, and the frames that it has heard. */
function endOf(isDialler: boolean): {
  readonly control: ControlStream;
  readonly stream: FakeStream;
  readonly heard: Heard[];
} {
  const stream = fakeStream(member.peerId);
  const heard: Heard[] = [];
  const events = {
    sign: () => undefined,
    frame: (kind: string, payload: Uint8Array) => heard.push({ kind, payload }),
    pauseMs: () => 0,
    silent: () => undefined,
    after: () => undefined,
  };
  return { control: createControlStream(stream, events, { isDialler }), stream, heard };
}

function written(kind: string, payload: Uint8Array): Promise<Buffer> {
  const { control, stream } = endOf(true);
  control.send(kind, payload);
  return whole(stream);
}

/** A frame with a payload of its own form. */
const frame = <Message>(
  title: string,
  kind: string,
  message: Message,
  {
    encode,
    decode,
  }: {
    readonly encode: (message: Message) => Uint8Array;
    readonly decode: (payload: Uint8Array) => unknown;
  },
): WireCase => ({
  file: 'link',
  title,
  kind: 'frame',
  notes: NOTES,
  write: () => written(kind, encode(message)),
  read(bytes) {
    const { stream, heard } = endOf(false);
    stream.push(bytes);
    return heard.map((one) => ({ kind: one.kind, message: decode(one.payload) }));
  },
  value: [{ kind, message }],
});

const PROTOCOLS = ['/ipfs/ping/1.0.0', '/meshsub/1.1.0'];
const ADDRESS = '/ip4/192.0.2.7/tcp/4040';
const SEEN = '198.51.100.9';

/** What the end that did not dial says to a tick. */
function answerTo(tick: Uint8Array): { readonly said: Promise<Buffer>; readonly rttMs?: number } {
  const { control, stream } = endOf(false);
  stream.push(tick);
  const { rttMs } = control;
  return { said: whole(stream), ...(rttMs === undefined ? {} : { rttMs }) };
}

function firstTick(): { readonly control: ControlStream; readonly stream: FakeStream } {
  const { control, stream } = endOf(true);
  control.tick();
  return { control, stream };
}

const isSameNumber = (tick: Uint8Array, tock: Uint8Array): boolean =>
  Buffer.from(tick.subarray(6, 10)).equals(tock.subarray(6));

const TICKS: readonly WireCase[] = [
  {
    file: 'link',
    title: 'the first tick: no round trip has been measured',
    kind: 'frame',
    write: () => whole(firstTick().stream),
    read: async (bytes) => {
      const { said, ...measured } = answerTo(bytes);
      return { isAnswered: isSameNumber(bytes, await said), ...measured };
    },
    value: { isAnswered: true },
  },
  {
    file: 'link',
    title: 'a later tick: number 7, and 12.5 ms',
    kind: 'frame',
    read: async (bytes) => {
      const { said, ...measured } = answerTo(bytes);
      return { isAnswered: isSameNumber(bytes, await said), ...measured };
    },
    value: { isAnswered: true, rttMs: 12.5 },
  },
  {
    file: 'link',
    title: 'the answer to the first tick',
    kind: 'frame',
    write: async () => answerTo(await whole(firstTick().stream)).said,
    read(bytes) {
      const { control, stream } = firstTick();
      stream.push(bytes);
      return control.rttMs !== undefined;
    },
    value: true,
  },
];

const roster = { encode: encodeRosterMessage, decode: decodeRosterMessage };
const notice = { encode: encodeRosterNotice, decode: decodeRosterNotice };
const hole = { encode: encodeHole };
const ENTRY = { peer: member.peerId, incarnation: 3 };
const END = { id: 5, at: [SEEN, '2001:db8::9'], port: 4040 };

/** The cases, in the order of the fixture. */
export const LINK_CASES: readonly WireCase[] = [
  ...TICKS,
  {
    ...frame('what a host is', 'host', undefined, {
      encode: () =>
        encodeIntroduction({
          protocols: [...PROTOCOLS, '/starling/mcp/1'],
          addresses: [ADDRESS],
          seen: SEEN,
        }),
      decode: decodeIntroduction,
    }),
    value: [
      {
        kind: 'host',
        message: { protocols: PROTOCOLS, addresses: [parseAddress(ADDRESS)], seen: SEEN },
      },
    ],
  },
  frame('the digest of all records', 'records', 'beef01', { encode: text, decode: utf8 }),
  frame('all whom I know, as a digest', 'roster', { t: 'have', digest: 'beef'.repeat(8) }, roster),
  frame(
    'those between these two',
    'roster',
    { t: 'list', after: founder.peerId, to: '', entries: [ENTRY] },
    roster,
  ),
  frame(
    'a heartbeat of one whom you lack',
    'roster',
    { t: 'news', heartbeats: [{ peer: newcomer.peerId, bytes: Uint8Array.of(1, 2, 3) }] },
    roster,
  ),
  frame('I know something new of these', 'met', { t: 'know', entries: [ENTRY] }, notice),
  frame('tell me of these', 'met', { t: 'want', peers: [member.peerId] }, notice),
  frame('I shall dial you from here', 'hole', END, { ...hole, decode: decodeHoleEnd }),
  frame('and I you', 'hole-at', END, { ...hole, decode: decodeHoleEnd }),
  frame(
    "I can't",
    'hole-at',
    { id: 5, why: 'no port of mine is seen from outside' },
    { ...hole, decode: decodeHoleRefusal },
  ),
  {
    ...frame('now', 'hole-now', { id: 5 }, { ...hole, decode: decodeHoleId }),
    value: [{ kind: 'hole-now', message: 5 }],
  },
];

/** The tick whose round trip no test can have measured; for `print.ts`. */
export const LINK_ONCE: readonly (readonly [string, () => Promise<Uint8Array>])[] = [
  [
    'link: a later tick: number 7, and 12.5 ms',
    () => {
      const payload = Buffer.alloc(8);
      payload.writeUInt32BE(7, 0);
      payload.writeFloatBE(12.5, 4);
      return written('tick', payload);
    },
  ],
];
