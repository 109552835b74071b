/** One libp2p stream over TCP, encrypted as ours are: lines and nothing else. */
// What libp2p needs and Node 20 lacks comes with the product.
import '../../../src/index.ts';
import { tls } from '@libp2p/tls';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import type { Libp2p, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { joinedWrites, lineReader } from '../lines.ts';
import type { LineListener, SendText } from './relays.ts';

const PROTOCOL = '/bench/echo/1';

/** How lines are sent: those of one tick together, or each as a message of the stream by itself. */
export type Framing = 'together' | 'alone';

/** Listens on a free port; `line` hears each line and may answer. Gives its address. */
export async function listenLibp2p(line: LineListener, framing: Framing): Promise<string> {
  const node = await hostOf(['/ip4/127.0.0.1/tcp/0']);
  await node.handle(PROTOCOL, (stream) => void linesOf(stream, line, framing));
  return node.getMultiaddrs()[0]?.toString() ?? '';
}

/** Opens one stream there; `line` hears each line that comes. */
export async function openLibp2p(
  address: string,
  line: (bytes: Buffer) => void,
  framing: Framing = 'together',
): Promise<SendText> {
  const node = await hostOf([]);
  return linesOf(await node.dialProtocol(multiaddr(address), PROTOCOL), line, framing);
}

function hostOf(listen: string[]): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
  });
}

function linesOf(stream: Stream, line: LineListener, framing: Framing): SendText {
  const write: SendText = (text) => void stream.send(Buffer.from(text));
  const send = framing === 'together' ? joinedWrites(write) : write;
  const read = lineReader((bytes) => line(bytes, send));
  stream.addEventListener('message', ({ data }) => read(Buffer.from(data.subarray())));
  return send;
}
