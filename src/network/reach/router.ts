/**
 * Asks a router to open a port (UPnP IGD, WANIPConnection:1, which version 2 and WANPPPConnection:1 have alike). What it
 * answers is XML of somebody else: bounded, and read only for the few texts that are needed.
 */
import { request } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { ROUTER_BODY_BYTES } from '../constants.ts';

/** A router that opens ports, and how it is spoken to. */
export interface Router {
  /** Where it takes requests. */
  readonly control: URL;
  /** The service that they are for. */
  readonly service: string;
}

/** A port that is to be opened. */
export interface PortMapping {
  /** The port, outside and here. */
  readonly port: number;
  /** The address of this machine that it leads to. */
  readonly client: string;
  /** How long it stays open unless it is asked for again, s; 0: until it is closed. */
  readonly leaseS: number;
}

const SERVICES = /^urn:schemas-upnp-org:service:(?:WANIPConnection:[12]|WANPPPConnection:1)$/;
/** What routers say that open ports for good only (UPnP error code). */
const ONLY_PERMANENT = '725';
/** Somebody else has that port. */
const CONFLICT = '718';

/** Reads what is described at `place`. @throws STARLING_PEER_UNREACHABLE when it opens no ports, or does not answer */
export async function readRouter(place: URL, signal: AbortSignal): Promise<Router> {
  const { text } = await exchange(place, 'GET', {}, '', signal);
  for (const part of text.split('<service>').slice(1)) {
    const service = textOf(part, 'serviceType');
    const path = textOf(part, 'controlURL');
    if (!SERVICES.test(service) || !URL.canParse(path, place.href)) continue;
    const control = new URL(path, place);
    if (control.protocol === 'http:' && control.host === place.host) return { control, service };
  }
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `the device at ${place.host} opens no ports`,
  );
}

/** Opens a port, or keeps it open. @throws STARLING_PEER_UNREACHABLE, with the router's reason */
export async function openPort(
  router: Router,
  mapping: PortMapping,
  signal: AbortSignal,
): Promise<void> {
  const { port, client, leaseS } = mapping;
  const answer = await ask(
    router,
    'AddPortMapping',
    [
      ['NewRemoteHost', ''],
      ['NewExternalPort', port],
      ['NewProtocol', 'TCP'],
      ['NewInternalPort', port],
      ['NewInternalClient', client],
      ['NewEnabled', 1],
      ['NewPortMappingDescription', 'starling'],
      ['NewLeaseDuration', leaseS],
    ],
    signal,
  );
  if (answer.isOk) return;
  const code = textOf(answer.text, 'errorCode');
  if (code === ONLY_PERMANENT && leaseS > 0) {
    await openPort(router, { ...mapping, leaseS: 0 }, signal);
    return;
  }
  const why =
    code === CONFLICT ? 'another machine has it' : `it says no (error ${code || 'unknown'})`;
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `the router does not open port ${port}: ${why}`,
  );
}

/** Closes a port that was opened. A router that does not know it any more is asked in vain, which is no error. */
export async function closePort(router: Router, port: number, signal: AbortSignal): Promise<void> {
  await ask(
    router,
    'DeletePortMapping',
    [
      ['NewRemoteHost', ''],
      ['NewExternalPort', port],
      ['NewProtocol', 'TCP'],
    ],
    signal,
  );
}

interface Answer {
  readonly isOk: boolean;
  readonly text: string;
}

function ask(
  { control, service }: Router,
  action: string,
  fields: readonly (readonly [string, string | number])[],
  signal: AbortSignal,
): Promise<Answer> {
  const values = fields.map(([name, value]) => `<${name}>${value}</${name}>`).join('');
  const body =
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${service}">${values}</u:${action}></s:Body></s:Envelope>`;
  const headers = {
    'content-type': 'text/xml; charset="utf-8"',
    soapaction: `"${service}#${action}"`,
  };
  return exchange(control, 'POST', headers, body, signal);
}

/** One exchange, without redirects. @throws STARLING_PEER_UNREACHABLE, or the reason of `signal` */
function exchange(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        signal.aborted
          ? cause
          : new StarlingError(
              'STARLING_PEER_UNREACHABLE',
              `the router did not answer: ${cause.message}`,
              {
                cause,
              },
            ),
      );
    const sized = { ...headers, 'content-length': String(Buffer.byteLength(body)) };
    const sent = request(url, { method, headers: sized, signal, agent: false }, (response) => {
      const parts: Buffer[] = [];
      let sizeBytes = 0;
      response.on('data', (part: Buffer) => {
        sizeBytes += part.length;
        parts.push(part);
        if (sizeBytes > ROUTER_BODY_BYTES) response.destroy(new Error('its answer is too long'));
      });
      response.on('error', fail);
      response.on('end', () => {
        const isOk = response.statusCode === 200;
        resolve({ isOk, text: Buffer.concat(parts).toString('utf8') });
      });
    });
    sent.on('error', fail);
    sent.end(body);
  });
}

/** What stands between the first tags of this name; empty where they are not, or where it is long. */
function textOf(xml: string, name: string): string {
  const from = xml.indexOf(`<${name}>`);
  const to = from < 0 ? -1 : xml.indexOf(`</${name}>`, from);
  const text = to < 0 ? '' : xml.slice(from + name.length + 2, to).trim();
  return text.length > 256 ? '' : text;
}
