/** What strangers do at the door. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { BareConnection, PeerStream } from '../../src/testing.ts';
import { encode } from 'cborg';
import { pause, turn } from './attack.ts';
import { prefixed } from './pubsub.ts';
import type { Attack, AttackTools } from './attack.ts';

const STREAMS = 800;
const AT_ONCE = 32;
const RAW_CONNECTIONS = 8000;
const RAW_AT_ONCE = 200;
const STRANGERS = /connects again and again, from 127\.0\.0\.1 /;
/** After a refusal, as anybody would who wants to be let in soon. */
const RETRY_MS = 10;
const SYBILS_AT_ONCE = 8;
const ANSWER_MS = 1000;
/** The first that both ends of a connection say (libp2p specs, connections/multistream-select). */
const MULTISTREAM = Buffer.from('\u0013/multistream/1.0.0\n', 'latin1');

/** Opens so many streams of a protocol on one connection, then the next connection. */
function streamsOf(name: string, protocol: string, bytes: Uint8Array): Attack {
  return {
    name,
    title: `stranger: ${STREAMS} streams of ${protocol} a connection, again and again`,
    said: STRANGERS,
    async run(tools) {
      const { target, signal, act } = tools;
      const stranger = await tools.stranger();
      const [address = ''] = target.addresses;
      while (!signal.aborted) {
        act();
        const connection = await stranger.connect(address).catch(() => undefined);
        if (connection === undefined) await pause(RETRY_MS, signal);
        else await openAll(connection, { protocol, bytes, signal, act });
        connection?.abort();
      }
      await stranger.stop();
    },
  };
}

async function openAll(
  connection: BareConnection,
  of: Pick<AttackTools, 'act' | 'signal'> & {
    readonly protocol: string;
    readonly bytes: Uint8Array;
  },
): Promise<void> {
  let left = STREAMS;
  const one = async (): Promise<void> => {
    while (left > 0 && connection.isOpen && !of.signal.aborted) {
      left -= 1;
      const stream: PeerStream | undefined = await connection
        .open(of.protocol, { signal: AbortSignal.timeout(2000) })
        .catch(() => undefined);
      if (stream === undefined) await turn();
      else of.act();
      stream?.onEnd(() => undefined);
      stream?.write(of.bytes);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

/** How a raw connection goes on once the system has made it. */
type Raw = (socket: Socket, signal: AbortSignal) => Promise<void>;

function rawConnections(name: string, title: string, atOnce: number, then: Raw): Attack {
  return {
    name,
    title: `stranger: ${title}`,
    said: STRANGERS,
    hasFloor: true,
    async run({ target, signal, act }) {
      const [, , host = '', , port = ''] = (target.addresses[0] ?? '').split('/');
      const repeat = async (): Promise<void> => {
        while (!signal.aborted) {
          const socket = connect({ host, port: Number(port) });
          act();
          await then(socket, signal);
          socket.destroy();
          await turn();
        }
      };
      await Promise.all(Array.from({ length: atOnce }, repeat));
    },
  };
}

/** Until the other end has had enough, or so long. */
function held(forMs: number): Raw {
  return (socket, signal) =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, forMs);
      signal.addEventListener('abort', done, { once: true });
      socket.on('error', () => undefined);
      socket.once('close', done);
      socket.resume();
    });
}

/** Until it is made: it is given up at once, so that nothing of the other end slows this one down. */
const dropped: Raw = (socket, signal) =>
  new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    socket.on('error', () => undefined);
    socket.once('connect', done);
    socket.once('close', done);
  });

/**
 * Somebody else each time, from the same address: a key, a handshake, one question with its message, and gone.
 * There is one at a time for each of `atOnce`, because the address has one connection at a time.
 */
function sybils(name: string, title: string, protocol: string, message: () => Uint8Array): Attack {
  return {
    name,
    title: `stranger: ${title}`,
    said: STRANGERS,
    async run(tools) {
      const { target, signal, act } = tools;
      const [address = ''] = target.addresses;
      const one = async (): Promise<void> => {
        const stranger = await tools.stranger(1);
        while (!signal.aborted) {
          act();
          const connection = await stranger.connect(address).catch(() => undefined);
          if (connection === undefined) await pause(RETRY_MS, signal);
          else {
            await ask(connection, protocol, message());
            connection.abort();
          }
        }
        await stranger.stop();
      };
      await Promise.all(Array.from({ length: SYBILS_AT_ONCE }, one));
    },
  };
}

async function ask(
  connection: BareConnection,
  protocol: string,
  message: Uint8Array,
): Promise<void> {
  const stream = await connection
    .open(protocol, { signal: AbortSignal.timeout(2000) })
    .catch(() => undefined);
  if (stream === undefined) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ANSWER_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    stream.onEnd(done);
    stream.onData(done);
    stream.write(message);
  });
}

/** Begins the handshake, and never goes on with it. */
const begun: Raw = (socket, signal) => {
  socket.once('connect', () => socket.write(MULTISTREAM));
  return held(20_000)(socket, signal);
};

let knockers = 0;

/** What strangers do. */
export const knocks: readonly Attack[] = [
  streamsOf('ping-streams', '/ipfs/ping/1.0.0', new Uint8Array(32)),
  streamsOf('hello-streams', '/starling/hello/1', Uint8Array.of(3, 0xff, 0xff, 0xff)),
  rawConnections(
    'raw-connections',
    `${RAW_CONNECTIONS} TCP connections at a time that say nothing, again and again`,
    RAW_CONNECTIONS,
    held(2000),
  ),
  rawConnections(
    'raw-knocks',
    `TCP connections that are given up as soon as they are made, ${RAW_AT_ONCE} at a time`,
    RAW_AT_ONCE,
    dropped,
  ),
  rawConnections(
    'half-handshakes',
    `${RAW_AT_ONCE} TCP connections at a time that begin a handshake and never end it`,
    RAW_AT_ONCE,
    begun,
  ),
  sybils(
    'sybils',
    'somebody else each time, from one address, who says hello',
    '/starling/hello/1',
    () => Uint8Array.of(3, 0xff, 0xff, 0xff),
  ),
  sybils(
    'knockers',
    'somebody else each time, from one address, who asks to be let in',
    '/starling/knock/1',
    () => prefixed(encode({ t: 'knock', name: `knocker ${(knockers += 1)}` })),
  ),
];
