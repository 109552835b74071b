/** A home router on loopback, as others see it: what it answers to questions by UDP, and to requests by HTTP. */
import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How it behaves; absent: as it should. */
export interface RouterManners {
  /** Where it says that it describes itself. */
  location?: (port: number) => string;
  description?: (port: number) => string;
  /** The error that it gives to who would have a port opened; undefined: none. */
  error?: (lease: string, port: string) => string | undefined;
  isSilent?: boolean;
}

/** A running router. */
export interface FakeRouter {
  readonly group: { readonly address: string; readonly port: number };
  /** The ports that are open: `port → client, lease`. */
  readonly open: Map<string, string>;
  /** What it was asked, one word each. */
  readonly asked: string[];
  /** Resolves once it has answered one more question by UDP, the answer being with whoever asked. */
  found(): Promise<void>;
  /** Resolves once a request is with it that it does not answer. */
  held(): Promise<void>;
  close(): Promise<void>;
}

const DESCRIPTION = (service: string, control: string): string =>
  `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
<controlURL>/other</controlURL></service><service><serviceType>${service}</serviceType>
<controlURL>${control}</controlURL></service></serviceList></device></deviceList></device></root>`;

/** What a router says of itself. */
export const describeRouter = DESCRIPTION;

/** Starts one. */
export async function startFakeRouter(manners: RouterManners = {}): Promise<FakeRouter> {
  const open = new Map<string, string>();
  const asked: string[] = [];
  const events = new EventEmitter();
  const http = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { port } = http.address() as AddressInfo;
      if (manners.isSilent === true) {
        events.emit('held');
        return;
      }
      if (request.method === 'GET') {
        asked.push(`describe ${request.url ?? ''}`);
        const own = DESCRIPTION('urn:schemas-upnp-org:service:WANIPConnection:1', '/control');
        response.end(manners.description?.(port) ?? own);
        return;
      }
      const body = Buffer.concat(parts).toString();
      const of = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(body)?.[1] ?? '';
      const action = String(request.headers['soapaction']).split('#')[1]?.replace('"', '') ?? '';
      asked.push(action);
      const error =
        action === 'AddPortMapping'
          ? manners.error?.(of('NewLeaseDuration'), of('NewExternalPort'))
          : undefined;
      if (error !== undefined) {
        response.statusCode = 500;
        response.end(
          `<s:Fault><detail><UPnPError><errorCode>${error}</errorCode></UPnPError></detail></s:Fault>`,
        );
        return;
      }
      if (action === 'AddPortMapping') {
        open.set(of('NewExternalPort'), `${of('NewInternalClient')} ${of('NewLeaseDuration')}`);
      } else open.delete(of('NewExternalPort'));
      response.end('<s:Envelope/>');
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => {
    if (!bytes.toString().includes('InternetGatewayDevice')) return;
    const location = manners.location?.(port) ?? `http://127.0.0.1:${port}/igd.xml`;
    // On loopback what was sent is with the other socket at once, which reads it in the next turn.
    udp.send(
      `HTTP/1.1 200 OK\r\nST: igd\r\nLOCATION: ${location}\r\n\r\n`,
      from.port,
      from.address,
      () => events.emit('found'),
    );
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  return {
    group: { address: '127.0.0.1', port: udp.address().port },
    open,
    asked,
    found: async () => void (await once(events, 'found')),
    held: async () => void (await once(events, 'held')),
    async close() {
      udp.close();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}
