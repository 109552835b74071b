/** What strangers do at the door. */
import { connect } from 'node:net';
import type { BareConnection, PeerStream } from '../../src/testing.ts';
import { pause, turn } from './attack.ts';
import type { Attack, AttackTools } from './attack.ts';

const STREAMS = 800;
const AT_ONCE = 32;
const RAW_CONNECTIONS = 8000;
/** After a refusal, as anybody would who wants to be let in soon. */
const RETRY_MS = 10;

/** Opens so many streams of a protocol on one connection, then the next connection. */
function streamsOf(name: string, protocol: string, bytes: Uint8Array): Attack {
  return {
    name,
    title: `stranger: ${STREAMS} streams of ${protocol} a connection, again and again`,
    async run(tools) {
      const { target, signal, act } = tools;
      const stranger = await tools.stranger();
      const [address = ''] = target.addresses;
      while (!signal.aborted) {
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

const rawConnections: Attack = {
  name: 'raw-connections',
  title: `stranger: ${RAW_CONNECTIONS} TCP connections that say nothing, again and again`,
  async run({ target, signal, act }) {
    const [, , host = '', , port = ''] = (target.addresses[0] ?? '').split('/');
    const one = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect({ host, port: Number(port) });
        const timer = setTimeout(() => socket.destroy(), 2000);
        socket.once('connect', act);
        socket.on('error', () => undefined);
        socket.resume();
        socket.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
        signal.addEventListener('abort', () => socket.destroy(), { once: true });
      });
    const repeat = async (): Promise<void> => {
      while (!signal.aborted) {
        await one();
        await turn();
      }
    };
    await Promise.all(Array.from({ length: 200 }, repeat));
  },
};

/** What strangers do. */
export const knocks: readonly Attack[] = [
  streamsOf('ping-streams', '/ipfs/ping/1.0.0', new Uint8Array(32)),
  streamsOf('hello-streams', '/starling/hello/1', Uint8Array.of(3, 0xff, 0xff, 0xff)),
  rawConnections,
];
