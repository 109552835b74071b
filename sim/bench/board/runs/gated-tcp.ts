/**
 * TCP of one host of this machine, which has an address of its own on loopback: what comes from another host can be held
 * back, so that a link is cut in one direction, and nobody is told; or hosts are parted, and connections break.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Transport } from '../../../../src/index.ts';

const ADDRESS = /^\/ip4\/(127\.[\d.]+)\/tcp\/(\d+)$/;

/** From whom nothing is read, and with whom there is no connection. */
export class Gate {
  #closed: ReadonlySet<string> = new Set();
  #parted: ReadonlySet<string> = new Set();
  readonly #sockets = new Set<{ readonly ip: string; readonly socket: Socket }>();

  /**
   * Reads nothing of these hosts from now on, and what was held back of all others. `isParted`: connections with these
   * hosts break instead, and there are no new ones.
   */
  close(ips: readonly string[], isParted: boolean): void {
    this.#closed = new Set(isParted ? [] : ips);
    this.#parted = new Set(isParted ? ips : []);
    for (const { ip, socket } of this.#sockets) {
      if (this.#parted.has(ip)) socket.destroy();
      else if (this.#closed.has(ip)) socket.pause();
      else socket.resume();
    }
  }

  isParted(ip: string): boolean {
    return this.#parted.has(ip);
  }

  /** A stream over a socket of another host. */
  through(socket: Socket): Duplex {
    const ip = socket.remoteAddress ?? '';
    const known = { ip, socket };
    this.#sockets.add(known);
    const stream = new Duplex({
      read: () => {
        if (!this.#closed.has(ip)) socket.resume();
      },
      write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, done),
      final: (done) => void socket.end(done),
      destroy: (error, done) => {
        socket.destroy();
        done(error);
      },
    });
    socket.on('data', (chunk) => {
      if (!stream.push(chunk) || this.#closed.has(ip)) socket.pause();
    });
    socket.on('end', () => stream.push(null));
    socket.on('error', (error) => stream.destroy(error));
    socket.on('close', () => {
      this.#sockets.delete(known);
      stream.destroy();
    });
    if (this.#closed.has(ip)) socket.pause();
    return stream;
  }
}

/** The transport of the host `own`. */
export function gatedTcp(own: string, gate: Gate): Transport {
  return {
    handles: (address) => ADDRESS.test(address),
    dial: (address, { signal }) => {
      const [, host = '', port = ''] = ADDRESS.exec(address) ?? [];
      return new Promise((resolve, reject) => {
        if (gate.isParted(host)) {
          reject(new Error('parted'));
          return;
        }
        const socket = connect({ host, port: Number(port), localAddress: own, noDelay: true });
        const giveUp = (): void => void socket.destroy(new Error('given up'));
        signal.addEventListener('abort', giveUp, { once: true });
        socket.once('error', reject);
        socket.once('connect', () => {
          signal.removeEventListener('abort', giveUp);
          socket.off('error', reject);
          resolve(gate.through(socket));
        });
      });
    },
    listen: async (address, accept) => {
      const [, host = own, wanted = '0'] = ADDRESS.exec(address) ?? [];
      const server = createServer({ noDelay: true }, (socket) => {
        const { remoteAddress = '', remotePort = 0 } = socket;
        if (gate.isParted(remoteAddress)) socket.destroy();
        else accept(gate.through(socket), `/ip4/${remoteAddress}/tcp/${remotePort}`);
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(Number(wanted), host, resolve);
      });
      const { port } = server.address() as AddressInfo;
      return {
        addresses: () => [`/ip4/${host}/tcp/${port}`],
        close: async () => void server.close(),
      };
    },
  };
}
