/** A network without sockets: nodes whose streams are queues in this process. */
import { Duplex } from 'node:stream';
import type { Transport } from '../src/index.ts';

type Accept = (stream: Duplex, from: string) => void;

/** Hosts that reach each other by addresses like `/ip4/10.77.0.1/tcp/4040`. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Accept>();
  readonly #streams = new Set<readonly [Duplex, Duplex]>();
  readonly #cut = new Set<string>();
  /** Hosts whose traffic is held, with what ends that. */
  readonly #held = new Map<
    string,
    { readonly over: Promise<void>; readonly release: () => void }
  >();
  /** Every address that was dialled, in order. */
  readonly dialled: string[] = [];
  /** Bytes that went over all streams so far. */
  bytes = 0;
  #ports = 50_000;

  /** The transport of the host `ip`. */
  host(ip: string): Transport {
    return {
      handles: (address) => /^\/ip4\/[\d.]+\/tcp\/\d+$/.test(address),
      dial: async (address, { signal }) => {
        signal.throwIfAborted();
        this.dialled.push(address);
        const accept = this.#listeners.get(address);
        if (accept === undefined || this.#cut.has(ip)) {
          throw new Error(`ECONNREFUSED ${address}`);
        }
        const hosts = [ip, address.split('/')[2] ?? ''];
        const pair = duplexPair({
          carried: (sizeBytes) => (this.bytes += sizeBytes),
          held: () =>
            hosts.map((host) => this.#held.get(host)?.over).find((over) => over !== undefined),
        });
        this.#streams.add(pair);
        pair[0].once('close', () => this.#streams.delete(pair));
        this.#ports += 1;
        accept(pair[1], `/ip4/${ip}/tcp/${this.#ports}`);
        return pair[0];
      },
      listen: async (address, accept) => {
        if (this.#listeners.has(address)) throw new Error(`EADDRINUSE ${address}`);
        this.#listeners.set(address, accept);
        return {
          addresses: () => [address],
          close: async () => void this.#listeners.delete(address),
        };
      },
    };
  }

  /** Breaks every stream, and lets `ip` dial nobody until {@link mend}. */
  cut(ip: string): void {
    this.#cut.add(ip);
    for (const [a] of this.#streams) a.destroy();
  }

  mend(ip: string): void {
    this.#cut.delete(ip);
  }

  /** Keeps all that goes to and from `ip` until {@link release}: then it comes at once, in its order. */
  hold(ip: string): void {
    let release: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held.set(ip, { over, release });
  }

  release(ip: string): void {
    this.#held.get(ip)?.release();
    this.#held.delete(ip);
  }

  /** Streams that are open. */
  get open(): number {
    return this.#streams.size;
  }

  get listening(): readonly string[] {
    return [...this.#listeners.keys()];
  }
}

/** What the two ends of a stream ask the network. */
interface Carrier {
  readonly carried: (sizeBytes: number) => void;
  /** While the stream is held: resolves when it is no more. */
  readonly held: () => Promise<void> | undefined;
}

class End extends Duplex {
  other: End | undefined;
  readonly #carrier: Carrier;
  #pulled: (() => void) | undefined;

  constructor(carrier: Carrier) {
    super();
    this.#carrier = carrier;
  }

  override _read(): void {
    const pulled = this.#pulled;
    this.#pulled = undefined;
    pulled?.();
  }

  override _write(chunk: Buffer, encoding: string, done: () => void): void {
    const held = this.#carrier.held();
    if (held !== undefined) {
      void held.then(() => this._write(chunk, encoding, done));
      return;
    }
    this.#carrier.carried(chunk.length);
    const { other } = this;
    if (other === undefined || other.destroyed) done();
    else other.#take(chunk, done);
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this;
    this.#pulled?.();
    // As a socket: the other end hears of it in a later turn.
    setImmediate(() => void (other?.destroyed === false && other.destroy()));
    done(error);
  }

  /** `done` waits for the reader, so that a writer feels a slow one. */
  #take(chunk: Buffer, done: () => void): void {
    if (this.push(chunk)) setImmediate(done);
    else this.#pulled = done;
  }
}

function duplexPair(carrier: Carrier): readonly [Duplex, Duplex] {
  const a = new End(carrier);
  const b = new End(carrier);
  a.other = b;
  b.other = a;
  return [a, b];
}
