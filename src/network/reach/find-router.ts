/**
 * Finds the router of a network that opens ports on request (UPnP Device Architecture 1.1, section 1.3: a question to a
 * multicast group, answers to whoever asked). Anybody on the network may answer: an answer counts only where it leads back
 * to the machine that gave it, so that nobody has this node ask a third one.
 */
import { createSocket } from 'node:dgram';
import { settledWithin } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { ROUTER_ANSWERS_MAX, ROUTER_SEARCH_MS } from '../constants.ts';

/** Where routers listen. */
export const ROUTER_GROUP = { address: '239.255.255.250', port: 1900 } as const;
/** What is looked for. Version 2 of it answers to this as well. */
const GATEWAY = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
const LOCATION = /^location:[ \t]*(\S{1,256})[ \t]*$/im;
const ANSWER_LENGTH_MAX = 2048;

/**
 * Gives where the routers that hear `from`, an IPv4 address of this machine, describe themselves; none where nobody answers
 * in {@link ROUTER_SEARCH_MS}. Never rejects but with the reason of `signal`.
 */
export async function findRouters(
  clock: Clock,
  from: string,
  signal: AbortSignal,
  group: { readonly address: string; readonly port: number } = ROUTER_GROUP,
): Promise<readonly URL[]> {
  signal.throwIfAborted();
  const found = new Map<string, URL>();
  const socket = createSocket('udp4');
  const ended = new Promise<void>((resolve) => {
    const end = (): void => resolve();
    signal.addEventListener('abort', end, { once: true });
    socket.on('close', () => signal.removeEventListener('abort', end));
    // An interface that is gone: nobody is found there.
    socket.on('error', end);
    socket.on('message', (bytes, { address }) => {
      const at = found.size < ROUTER_ANSWERS_MAX ? placeIn(bytes, address) : undefined;
      if (at !== undefined) found.set(at.href, at);
    });
    socket.bind(0, from, () => {
      try {
        if (group.address === ROUTER_GROUP.address) socket.setMulticastInterface(from);
        socket.send(question(group), group.port, group.address);
      } catch {
        end();
      }
    });
  });
  await settledWithin(ROUTER_SEARCH_MS, ended, clock);
  socket.close();
  signal.throwIfAborted();
  return [...found.values()];
}

function question({ address, port }: { address: string; port: number }): Buffer {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${address}:${port}`,
    'MAN: "ssdp:discover"',
    'MX: 2',
    `ST: ${GATEWAY}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

/** Where the machine at `address` says that it describes itself; undefined when it names another one. */
function placeIn(bytes: Buffer, address: string): URL | undefined {
  if (bytes.length > ANSWER_LENGTH_MAX) return undefined;
  const [, text = ''] = LOCATION.exec(bytes.toString('latin1')) ?? [];
  if (!URL.canParse(text)) return undefined;
  const place = new URL(text);
  return place.protocol === 'http:' && place.hostname === address ? place : undefined;
}
