/** A stream and a network that keep what is written, for reading the very bytes. */
import type { PeerId } from '../../src/core/index.ts';
import type { Network, PeerStream } from '../../src/network/index.ts';

/** One end of a stream whose other end is the test. */
export interface FakeStream extends PeerStream {
  /** All that was written until now. */
  written(): Buffer;
  /** Resolves with what was written once `isEnough` says so. */
  wrote(isEnough: (bytes: Buffer) => boolean): Promise<Buffer>;
  /** Gives the reader `bytes` as if the peer had sent them. */
  push(bytes: Uint8Array): void;
  end(): void;
}

/** Makes a stream from `peer`. */
export function fakeStream(peer: PeerId): FakeStream {
  const chunks: Buffer[] = [];
  const enders: ((error?: Error) => void)[] = [];
  const waiters = new Set<() => void>();
  let reader: (chunk: Uint8Array) => void = () => undefined;
  const end = (error?: Error): void => {
    for (const ender of enders.splice(0)) ender(error);
  };
  const written = (): Buffer => Buffer.concat(chunks);
  return {
    peer,
    write(chunk) {
      chunks.push(Buffer.from(chunk));
      for (const waiter of waiters) waiter();
      return true;
    },
    drained: async () => undefined,
    queuedBytes: 0,
    onData: (listener) => {
      reader = listener;
    },
    pause: () => undefined,
    resume: () => undefined,
    holds: () => undefined,
    onEnd: (listener) => enders.push(listener),
    close: async () => end(),
    abort: (error) => end(error),
    written,
    wrote: (isEnough) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isEnough(written())) return;
          waiters.delete(look);
          resolve(written());
        };
        waiters.add(look);
        look();
      }),
    push: (bytes) => reader(bytes),
    end: () => end(),
  } satisfies FakeStream;
}

/** A network in which nobody is but the test. */
export interface FakeNetwork extends Network {
  /** Handlers by protocol. */
  readonly handlers: Map<string, (stream: PeerStream) => void>;
  /** Streams that were opened, by protocol, newest last. */
  readonly opened: { readonly protocol: string; readonly stream: FakeStream }[];
  /** Listeners and messages of topics, by name. */
  readonly topics: Map<
    string,
    {
      readonly published: Uint8Array[];
      readonly listeners: Set<(data: Uint8Array, from: PeerId) => void>;
    }
  >;
}

/** Makes the network of `self`, to which `peers` are connected. */
export function fakeNetwork(self: PeerId, peers: readonly PeerId[] = []): FakeNetwork {
  const handlers: FakeNetwork['handlers'] = new Map();
  const opened: FakeNetwork['opened'] = [];
  const topics: FakeNetwork['topics'] = new Map();
  return {
    self,
    handlers,
    opened,
    topics,
    events: { on: () => undefined, off: () => undefined },
    connected: () => peers,
    addresses: () => [],
    onFrame: () => () => undefined,
    sendFrame: async () => false,
    handle(protocol: string, handler: (stream: PeerStream) => void) {
      handlers.set(protocol, handler);
      return () => handlers.delete(protocol);
    },
    async open(peer: PeerId, protocol: string) {
      const stream = fakeStream(peer);
      opened.push({ protocol, stream });
      return stream;
    },
    topic(name: string) {
      const topic = topics.get(name) ?? { published: [], listeners: new Set() };
      topics.set(name, topic);
      return {
        publish: async (data: Uint8Array) => void topic.published.push(data),
        subscribe(listener: (data: Uint8Array, from: PeerId) => void) {
          topic.listeners.add(listener);
          return () => topic.listeners.delete(listener);
        },
      };
    },
  } as unknown as FakeNetwork;
}
