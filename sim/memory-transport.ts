/** A network without sockets: nodes whose streams are queues in this process. */
import { Duplex } from 'node:stream';
import type { Transport } from '../src/index.ts';
import type { VouchingTransport } from '../src/testing.ts';

type PeerId = Parameters<VouchingTransport['as']>[0];

type Accept = (stream: Duplex, from: string) => void;

/** Who listens on an address, and whose host that is where the network vouches. */
interface Listening {
  readonly accept: Accept;
  readonly self: PeerId | undefined;
}

/** What may stand in the way of one host to another. */
export interface Ways {
  /** While nothing gets from one to the other: resolves when that has changed. */
  held(from: string, to: string): Promise<void> | undefined;
  /** How long `sizeBytes` are under way now, ms. */
  delayMs(from: string, to: string, sizeBytes: number): number;
}

/** What an end may have under way before its writer has to wait: about what a socket's buffers hold. */
const UNDER_WAY_MAX_BYTES = 1024 * 1024;

/** Hosts that reach each other by addresses like `/ip4/10.77.0.1/tcp/4040`. */
export class MemoryNetwork {
  readonly #listeners = new Map<string, Listening>();
  readonly #streams = new Set<readonly [Duplex, Duplex]>();
  readonly #hosts = new WeakMap<Duplex, readonly [string, string]>();
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
  /** Chunks that these came in. */
  chunks = 0;
  #ports = 50_000;
  readonly #ways: Ways | undefined;
  readonly #vouches: boolean;
  /** Whose host is at the other end of a stream, where this network vouches for both. */
  readonly #peers = new WeakMap<Duplex, PeerId>();
  /** Bytes that each host has sent. */
  readonly sentBytes = new Map<string, number>();

  /** With `vouches` the network tells hosts who is at the other end, and they encrypt nothing. */
  constructor(ways?: Ways, { vouches = false }: { readonly vouches?: boolean } = {}) {
    this.#ways = ways;
    this.#vouches = vouches;
  }

  /** The transport of the host `ip`. */
  host(ip: string): Transport | VouchingTransport {
    const plain = this.#transport(ip);
    if (!this.#vouches) return plain;
    return {
      ...plain,
      as: (self) => ({
        ...this.#transport(ip, self),
        peerAt: (stream) => this.#peers.get(stream),
      }),
    };
  }

  #transport(ip: string, self?: PeerId): Transport {
    return {
      handles: (address) => /^\/ip4\/[\d.]+\/tcp\/\d+$/.test(address),
      dial: async (address, { signal }) => {
        signal.throwIfAborted();
        this.dialled.push(address);
        const other = address.split('/')[2] ?? '';
        await this.#handshake(ip, other, signal);
        const listening = this.#listeners.get(address);
        if (listening === undefined || this.#cut.has(ip)) {
          throw new Error(`ECONNREFUSED ${address}`);
        }
        const pair = duplexPair(this.#carrier(ip, other), this.#carrier(other, ip));
        this.#streams.add(pair);
        this.#hosts.set(pair[0], [ip, other]);
        pair[0].once('close', () => this.#streams.delete(pair));
        this.#ports += 1;
        this.#vouchFor(pair, self, listening.self);
        listening.accept(pair[1], `/ip4/${ip}/tcp/${this.#ports}`);
        return pair[0];
      },
      listen: async (address, accept) => {
        if (this.#listeners.has(address)) throw new Error(`EADDRINUSE ${address}`);
        this.#listeners.set(address, { accept, self });
        return {
          addresses: () => [address],
          close: async () => void this.#listeners.delete(address),
        };
      },
    };
  }

  /** For both ends, or for none: each of the two has to know whether anything is encrypted. */
  #vouchFor(pair: readonly [Duplex, Duplex], dialler?: PeerId, listener?: PeerId): void {
    if (dialler === undefined || listener === undefined) return;
    this.#peers.set(pair[0], listener);
    this.#peers.set(pair[1], dialler);
  }

  /** Breaks every stream, and lets `ip` dial nobody until {@link mend}. */
  cut(ip: string): void {
    this.#cut.add(ip);
    for (const [a] of this.#streams) a.destroy();
  }

  /** Breaks the streams of `ip`, and all of them at once: as when its process is killed. */
  reset(ip: string): void {
    for (const [a, b] of this.#streams) {
      if (this.#hosts.get(a)?.includes(ip) !== true) continue;
      a.destroy();
      b.destroy();
    }
  }

  /** From now on `ip` is a host on which nobody listens and from which nobody dials, until {@link mend}. */
  forget(ip: string): void {
    this.#cut.add(ip);
    this.reset(ip);
    for (const address of this.#listeners.keys()) {
      if (address.split('/')[2] === ip) this.#listeners.delete(address);
    }
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

  /** The three packets that open a connection: who is cut off waits until the signal fires. */
  async #handshake(from: string, to: string, signal: AbortSignal): Promise<void> {
    const ways = this.#ways;
    if (ways === undefined) return;
    for (;;) {
      const held = ways.held(from, to) ?? ways.held(to, from);
      if (held === undefined) break;
      await untilAborted(held, signal);
      signal.throwIfAborted();
    }
    const delayMs =
      ways.delayMs(from, to, HANDSHAKE_BYTES) + ways.delayMs(to, from, HANDSHAKE_BYTES);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    signal.throwIfAborted();
  }

  #carrier(from: string, to: string): Carrier {
    return {
      carried: (sizeBytes) => {
        this.bytes += sizeBytes;
        this.chunks += 1;
        this.sentBytes.set(from, (this.sentBytes.get(from) ?? 0) + sizeBytes);
      },
      held: () =>
        this.#held.get(from)?.over ?? this.#held.get(to)?.over ?? this.#ways?.held(from, to),
      delayMs: (sizeBytes) => this.#ways?.delayMs(from, to, sizeBytes) ?? 0,
    };
  }

  /** Streams that are open. */
  get open(): number {
    return this.#streams.size;
  }

  get listening(): readonly string[] {
    return [...this.#listeners.keys()];
  }
}

/** What a packet that only opens a connection weighs. */
const HANDSHAKE_BYTES = 60;

/** Waits for `promise`, but not longer than `signal` allows. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([promise, aborted]);
  signal.removeEventListener('abort', stop);
}

/** What an end of a stream asks the network. */
interface Carrier {
  readonly carried: (sizeBytes: number) => void;
  /** While the stream is held: resolves when it is no more. */
  readonly held: () => Promise<void> | undefined;
  /** How long bytes that are sent now are under way. */
  readonly delayMs: (sizeBytes: number) => number;
}

class End extends Duplex {
  other: End | undefined;
  readonly #carrier: Carrier;
  #pulled: (() => void) | undefined;
  /** What was sent and has not arrived; without a chunk it is the end. */
  readonly #underWay: { readonly chunk?: Buffer; readonly dueMs: number }[] = [];
  #underWayBytes = 0;
  #room: (() => void) | undefined;

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
    const delayMs = this.#carrier.delayMs(chunk.length);
    if (delayMs > 0 || this.#underWay.length > 0) this.#send(chunk, delayMs, done);
    else if (this.other === undefined || this.other.destroyed) done();
    else this.other.#take(chunk, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', done);
  }

  override _final(done: () => void): void {
    if (this.#underWay.length === 0) this.other?.push(null);
    else this.#underWay.push({ dueMs: 0 });
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#pulled?.();
    // As a socket: the other end hears of it in a later turn, and not at all while nothing gets through.
    setImmediate(() => this.#tellEnd());
    done(error);
  }

  #tellEnd(): void {
    const held = this.#carrier.held();
    if (held !== undefined) void held.then(() => this.#tellEnd());
    else if (this.other?.destroyed === false) this.other.destroy();
  }

  #send(chunk: Buffer, delayMs: number, done: () => void): void {
    const last = this.#underWay.at(-1)?.dueMs ?? 0;
    this.#underWay.push({ chunk, dueMs: Math.max(last, performance.now() + delayMs) });
    this.#underWayBytes += chunk.length;
    if (this.#underWay.length === 1) void this.#deliver();
    if (this.#underWayBytes < UNDER_WAY_MAX_BYTES) done();
    else this.#room = done;
  }

  /** Gives what has arrived to the other end, in its order. */
  async #deliver(): Promise<void> {
    for (;;) {
      const [next] = this.#underWay;
      if (next === undefined) return;
      const leftMs = next.dueMs - performance.now();
      if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
      for (let held = this.#carrier.held(); held !== undefined; held = this.#carrier.held())
        await held;
      const { other } = this;
      const { chunk } = next;
      if (chunk === undefined) other?.push(null);
      else if (other?.destroyed === false)
        await new Promise<void>((taken) => other.#take(chunk, taken));
      this.#underWay.shift();
      this.#underWayBytes -= chunk?.length ?? 0;
      const room = this.#room;
      this.#room = undefined;
      room?.();
    }
  }

  /** `done` waits for the reader, so that a writer feels a slow one. */
  #take(chunk: Buffer, done: () => void): void {
    if (this.push(chunk)) setImmediate(done);
    else this.#pulled = done;
  }
}

function duplexPair(there: Carrier, back: Carrier): readonly [Duplex, Duplex] {
  const a = new End(there);
  const b = new End(back);
  a.other = b;
  b.other = a;
  return [a, b];
}
