/** Streams in memory between the gateways of one test, in place of libp2p. */
import { EventEmitter } from 'node:events';
import { StarlingError } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import type { Misconduct, PeerStream } from '../../../src/network/index.ts';
import type { PeerNetwork } from '../../../src/gateway/gateway-components.ts';

type Listener = (error?: Error) => void;

/** One end of a stream in memory. */
class PairedStream implements PeerStream {
  readonly peer: PeerId;
  other: PairedStream | undefined;
  queuedBytes = 0;
  #reader: ((chunk: Uint8Array) => void) | undefined;
  #inbox: Uint8Array[] = [];
  #paused = false;
  #ended = false;
  #endListeners: Listener[] = [];
  #drains: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(peer: PeerId) {
    this.peer = peer;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#ended) return false;
    this.queuedBytes += chunk.length;
    if (this.queuedBytes > 17 * 1024 * 1024) {
      this.abort(new Error('over the hard bound'));
      return false;
    }
    setImmediate(() => this.other?.take(chunk));
    return this.queuedBytes <= 1024 * 1024;
  }

  take(chunk: Uint8Array): void {
    this.#inbox.push(chunk);
    this.#deliver();
  }

  drained(): Promise<void> {
    if (this.#ended) return Promise.reject(new Error('ended'));
    if (this.queuedBytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drains.push({ resolve, reject }));
  }

  sent(sizeBytes: number): void {
    this.queuedBytes -= sizeBytes;
    if (this.queuedBytes === 0) for (const drain of this.#drains.splice(0)) drain.resolve();
  }

  onData(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader;
    this.#deliver();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  holds(): void {
    // Nobody counts here.
  }

  onEnd(listener: Listener): void {
    if (this.#ended) queueMicrotask(() => listener());
    else this.#endListeners.push(listener);
  }

  async close(): Promise<void> {
    setImmediate(() => {
      this.end();
      this.other?.end();
    });
  }

  abort(error: Error): void {
    this.end(error);
    this.other?.end(new Error('reset'));
  }

  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const drain of this.#drains.splice(0)) drain.reject(new Error('ended'));
    for (const listener of this.#endListeners.splice(0)) listener(error);
  }

  #deliver(): void {
    while (this.#reader !== undefined && !this.#paused && !this.#ended) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) return;
      this.other?.sent(chunk.length);
      this.#reader(chunk);
    }
  }
}

/** Two ends of one stream; `a` is held by the node that knows the other as `peerOfA`. */
export function streamPair(peerOfA: PeerId, peerOfB: PeerId): [PeerStream, PeerStream] {
  const a = new PairedStream(peerOfA);
  const b = new PairedStream(peerOfB);
  a.other = b;
  b.other = a;
  return [a, b];
}

/** Carries streams between the gateways of one test. */
export interface Wire {
  /** Of all networks on it. */
  readonly events: PeerNetwork['events'][];
  readonly handlers: Map<PeerId, Map<string, (stream: PeerStream) => void>>;
  /** Every stream that was opened, with who opened it. */
  readonly streams: { readonly from: PeerId; readonly to: PeerId; readonly stream: PeerStream }[];
  /** What peers did beyond their allowances. */
  readonly reports: { readonly peer: PeerId; readonly what: Misconduct; readonly times: number }[];
}

/** A wire that joins nobody yet. */
export function createWire(): Wire {
  return { handlers: new Map(), events: [], streams: [], reports: [] };
}

/** What the gateway of `self` knows of the network. */
export function networkOf(self: PeerId, wire: Wire): PeerNetwork {
  const mine = new Map<string, (stream: PeerStream) => void>();
  const events: PeerNetwork['events'] = new EventEmitter();
  wire.handlers.set(self, mine);
  for (const other of wire.events) other.emit('peer:connect', self);
  wire.events.push(events);
  return {
    isConnected: () => true,
    isSpare: () => false,
    self,
    events,
    // Peers of before: they have no control streams.
    connected: () => [...wire.handlers.keys()].filter((peer) => peer !== self),
    sendFrame: async () => false,
    onFrame: () => () => undefined,
    dial: async (peer) => peer as PeerId,
    report: (peer, what, times = 1) => void wire.reports.push({ peer, what, times }),
    handle(protocol, handler) {
      mine.set(protocol, handler);
      return () => mine.delete(protocol);
    },
    async open(peer, protocol) {
      const handler = wire.handlers.get(peer)?.get(protocol);
      if (handler === undefined) {
        throw new StarlingError('STARLING_PEER_UNREACHABLE', `peer ${peer} can't be reached`);
      }
      const [near, far] = streamPair(peer, self);
      wire.streams.push({ from: self, to: peer, stream: near });
      handler(far);
      return near;
    },
  };
}
