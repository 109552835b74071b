/** What strangers do at the door. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { BareConnection, PeerStream } from '../../src/testing.ts';
import { pause, turn } from './attack.ts';
import type { Attack, AttackTools } from './attack.ts';

const STREAMS = 800;
const AT_ONCE = 32;
const RAW_CONNECTIONS = 8000;
const RAW_AT_ONCE = 200;
const STRANGERS = /strangers keep knocking, from 127\.0\.0\.1 /;
/** After a refusal, as anybody would who wants to be let in soon. */
const RETRY_MS = 10;

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
];
