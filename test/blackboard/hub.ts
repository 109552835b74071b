/**
 * Several networks in one process, for tests: streams, gossip and connections without sockets. Each
 * delivery takes a turn of the event loop; links can be cut, gossip can be lost.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, toStarlingError } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { createEarlyFrames } from '../../src/network/links/early-frames.ts';
import type { EarlyFrames } from '../../src/network/links/early-frames.ts';
import type {
  FrameListener,
  Misconduct,
  Network,
  NetworkEvents,
  PeerStream,
  Topic,
} from '../../src/network/types.ts';
import { createTestClock } from '../core/test-clock.ts';

export interface Hub {
  network(id: PeerId): Network;
  connect(a: PeerId, b: PeerId): void;
  cut(a: PeerId, b: PeerId): void;
  /** Both ends close their link, which nobody uses. */
  part(a: PeerId, b: PeerId): void;
  /** False loses a message of gossip. */
  passes: (from: PeerId, to: PeerId, data: Uint8Array) => boolean;
  /** Whether a frame of that kind is lost on the way. */
  losesFrame: (kind: string) => boolean;
  /** False: no stream of this protocol can be opened. */
  opens: (protocol: string) => boolean;
  /** Sees each chunk that is written to a stream. */
  seesChunk: (way: Way, chunk: Uint8Array) => void;
  /** Loses the next chunk that `from` writes to `to` on a stream of this protocol; says how many were lost. */
  loseNext(from: PeerId, to: PeerId, protocol: string): { readonly count: number };
  /** Every stream that was opened. */
  readonly opened: { readonly from: PeerId; readonly to: PeerId; readonly protocol: string }[];
  /** What nodes reported of each other. */
  readonly reported: { readonly by: PeerId; readonly peer: PeerId; readonly what: Misconduct }[];
  /** Bytes that went over streams, and messages by gossip. */
  readonly traffic: { streamBytes: number; gossip: number };
}

/** Who writes to whom, and by which protocol the stream was opened, which whoever opened it knows. */
export interface Way {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly protocol: string;
}

const HIGH_WATER_BYTES = 512 * 1024;

/** Lets everything that is under way arrive: streams, gossip, and what they set off. */
export async function calm(turns = 60): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

type Listener = (data: Uint8Array, from: PeerId) => void;

interface Node {
  readonly id: PeerId;
  readonly events: EventEmitter<NetworkEvents>;
  readonly links: Map<PeerId, Set<HubStream>>;
  readonly handlers: Map<string, (stream: PeerStream) => void>;
  readonly topics: Map<string, Set<Listener>>;
  readonly frames: Map<string, FrameListener>;
  readonly early: EarlyFrames;
}

export function createHub(): Hub {
  const nodes = new Map<PeerId, Node>();
  const node = (id: PeerId): Node => {
    let known = nodes.get(id);
    if (known === undefined) {
      known = {
        id,
        events: new EventEmitter(),
        links: new Map(),
        handlers: new Map(),
        topics: new Map(),
        frames: new Map(),
        early: createEarlyFrames(createTestClock()),
      };
      nodes.set(id, known);
    }
    return known;
  };
  const hub: Hub = {
    passes: () => true,
    losesFrame: () => false,
    opens: () => true,
    seesChunk: () => undefined,
    loseNext: (from, to, protocol) => {
      const lost = { count: 0 };
      for (const stream of node(from).links.get(to) ?? []) {
        if (stream.protocol === protocol) stream.lost = lost;
      }
      return lost;
    },
    opened: [],
    reported: [],
    traffic: { streamBytes: 0, gossip: 0 },
    network: (id) => createHubNetwork(hub, node, node(id)),
    connect(a, b) {
      for (const [from, to] of [[a, b] as const, [b, a] as const]) {
        if (!node(from).links.has(to)) node(from).links.set(to, new Set());
      }
      for (const [from, to] of [[a, b] as const, [b, a] as const]) {
        node(from).events.emit('peer:link', to);
      }
      node(a).events.emit('peer:connect', b);
      node(b).events.emit('peer:connect', a);
    },
    part: (a, b) => end(a, b, true),
    cut: (a, b) => end(a, b, false),
  };
  const end = (a: PeerId, b: PeerId, isMeant: boolean): void => {
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      const streams = node(from).links.get(to);
      node(from).links.delete(to);
      for (const stream of streams ?? []) stream.abort(gone(to));
    }
    node(a).early.forget(b);
    node(b).early.forget(a);
    node(a).events.emit('peer:disconnect', b, isMeant);
    node(b).events.emit('peer:disconnect', a, isMeant);
  };
  return hub;
}

function createHubNetwork(hub: Hub, node: (id: PeerId) => Node, self: Node): Network {
  const never = (): never => {
    throw new Error('not part of this hub');
  };
  return {
    self: self.id,
    events: self.events,
    start: async () => undefined,
    stop: async () => undefined,
    addresses: () => [],
    connected: () => [...self.links.keys()],
    isConnected: (peer) => self.links.has(peer),
    route: () => undefined,
    dial: never,
    keep: () => undefined,
    know: () => undefined,
    isSpare: () => false,
    unkeep: () => undefined,
    disconnect: async () => undefined,
    ping: never,
    provide: never,
    findProviders: never,
    routingTableSize: () => self.links.size,
    outside: () => undefined,
    openPorts: () => undefined,
    report: (peer, what) => void hub.reported.push({ by: self.id, peer, what }),
    conduct: () => undefined,
    misbehaving: () => [],
    otherVersion: () => undefined,
    forgive: () => false,
    strangers: () => [],
    rttMs: () => undefined,
    onFrame(kind, hear) {
      self.frames.set(kind, hear);
      const early = self.early.take(kind);
      queueMicrotask(() => {
        for (const { payload, from } of early) hear(payload, from);
      });
      return () => self.frames.delete(kind);
    },
    async sendFrame(peer, kind, payload) {
      if (!self.links.has(peer)) return false;
      hub.traffic.streamBytes += payload.length;
      setImmediate(() => {
        if (!self.links.has(peer) || hub.losesFrame(kind)) return;
        const { early, frames } = node(peer);
        const hear = frames.get(kind);
        if (hear === undefined) early.keep({ kind, payload, from: self.id });
        else hear(payload, self.id);
      });
      return true;
    },
    handle(protocol, handler) {
      self.handlers.set(protocol, handler);
      return () => self.handlers.delete(protocol);
    },
    handleStrangers: () => () => undefined,
    async open(peer, protocol, options) {
      await new Promise((resolve) => setImmediate(resolve));
      options.signal.throwIfAborted();
      const links = self.links.get(peer);
      const handler = node(peer).handlers.get(protocol);
      if (links === undefined || handler === undefined || !hub.opens(protocol)) throw gone(peer);
      hub.opened.push({ from: self.id, to: peer, protocol });
      const [ours, theirs] = createPair(hub, self.id, peer);
      ours.protocol = protocol;
      for (const [set, stream] of [
        [links, ours] as const,
        [node(peer).links.get(self.id), theirs] as const,
      ]) {
        set?.add(stream);
        stream.onEnd(() => set?.delete(stream));
      }
      handler(theirs);
      return ours;
    },
    topic: (name) => createHubTopic(hub, node, self, name),
  };
}

function createHubTopic(hub: Hub, node: (id: PeerId) => Node, self: Node, name: string): Topic {
  return {
    async publish(data) {
      if (data.length > 64 * 1024) throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too long');
      for (const peer of self.links.keys()) {
        if (!hub.passes(self.id, peer, data)) continue;
        hub.traffic.gossip += 1;
        setImmediate(() => {
          for (const listener of node(peer).topics.get(name) ?? []) listener(data, self.id);
        });
      }
    },
    subscribe(listener) {
      const listeners = self.topics.get(name) ?? new Set();
      self.topics.set(name, listeners);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function gone(peer: PeerId): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', `${peer} is not connected`);
}

/** The two ends of a stream from `a` to `b`. */
function createPair(hub: Hub, a: PeerId, b: PeerId): readonly [HubStream, HubStream] {
  const ours = new HubStream(hub, b);
  const theirs = new HubStream(hub, a);
  ours.other = theirs;
  theirs.other = ours;
  return [ours, theirs];
}

class HubStream implements PeerStream {
  readonly peer: PeerId;
  other: HubStream | undefined;
  protocol = '';
  /** The next chunk is lost, and counted here. */
  lost: { count: number } | undefined;
  queuedBytes = 0;
  readonly #hub: Hub;
  readonly #inbox: Uint8Array[] = [];
  #reader: ((chunk: Uint8Array) => void) | undefined;
  #isPaused = false;
  #isClosed = false;
  #isFinished = false;
  #ended: { readonly error: Error | undefined } | undefined;
  #endListeners: ((error?: Error) => void)[] = [];
  #drainWaiters: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  constructor(hub: Hub, peer: PeerId) {
    this.#hub = hub;
    this.peer = peer;
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isClosed || this.#ended !== undefined) return false;
    if (this.lost !== undefined) {
      this.lost.count += 1;
      this.lost = undefined;
      return true;
    }
    this.#hub.traffic.streamBytes += chunk.length;
    this.queuedBytes += chunk.length;
    const copy = new Uint8Array(chunk);
    const { peer: to, protocol } = this;
    this.#hub.seesChunk({ from: this.other?.peer ?? to, to, protocol }, copy);
    setImmediate(() => {
      this.queuedBytes -= copy.length;
      if (this.queuedBytes === 0) for (const { resolve } of this.#drainWaiters.splice(0)) resolve();
      this.other?.arrive(copy);
    });
    return this.queuedBytes <= HIGH_WATER_BYTES;
  }

  drained(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended.error ?? new Error('ended'));
    if (this.queuedBytes === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drainWaiters.push({ resolve, reject }));
  }

  onData(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader;
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  holds(): void {
    // Nobody counts here.
  }

  onEnd(listener: (error?: Error) => void): void {
    if (this.#ended === undefined) this.#endListeners.push(listener);
    else {
      const { error } = this.#ended;
      queueMicrotask(() => listener(error));
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed || this.#ended !== undefined) return;
    this.#isClosed = true;
    setImmediate(() => this.other?.finish());
    this.#endIfDone();
  }

  abort(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#end(error);
    const reset = new StarlingError('STARLING_PEER_UNREACHABLE', 'the stream was reset');
    setImmediate(() => this.other?.abort(reset));
  }

  arrive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    this.#inbox.push(chunk);
    this.#deliver();
  }

  /** The other end has said all. */
  finish(): void {
    this.#isFinished = true;
    this.#deliver();
  }

  #deliver(): void {
    while (this.#reader !== undefined && !this.#isPaused && this.#ended === undefined) {
      const chunk = this.#inbox.shift();
      if (chunk === undefined) break;
      try {
        this.#reader(chunk);
      } catch (error) {
        this.abort(toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', 'unreadable'));
      }
    }
    if (this.#isFinished && this.#inbox.length === 0 && !this.#isClosed) void this.close();
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#isClosed && this.#isFinished && this.#inbox.length === 0) this.#end(undefined);
  }

  #end(error: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    for (const { reject } of this.#drainWaiters.splice(0)) reject(error ?? new Error('ended'));
    for (const listener of this.#endListeners.splice(0)) listener(error);
  }
}
