/**
 * Sends and hears heartbeats: by gossip to all, and over a stream of `/starling/heartbeat/1` to one
 * peer, because gossip may have no way to whom we have just met, or when we leave.
 */
import { messageOf, withDeadline } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import { createMessageStream } from '../network/index.ts';
import type { Network, PeerStream, Topic } from '../network/index.ts';
import { decodeHeartbeat, encodeHeartbeat } from './heartbeat-format.ts';
import type { Heartbeat } from './heartbeat-format.ts';
import type { Presence } from './types.ts';

const TOPIC = 'heartbeat';
const PROTOCOL = '/starling/heartbeat/1';
/** A heartbeat with all that its bounds allow is about 36 KB. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** How long opening a stream may take. A heartbeat that comes later than the next one is of no use. */
const DIRECT_TIMEOUT_MS = 3000;

/** What heartbeats are sent with. */
export interface HeartbeatsComponents {
  readonly network: Pick<Network, 'handle' | 'open' | 'topic'>;
  /** What this node says of itself. */
  readonly presence: () => Presence;
  /** Digest of its records. */
  readonly records: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Heartbeats out and in. */
export interface Heartbeats {
  /** From now on heartbeats are of this incarnation. */
  begin(incarnation: number): void;
  /** Hears from now on; `heard` gets whatever decodes, and whoever sent it. Returns a function that ends it. */
  listen(heard: (heartbeat: Heartbeat, from: PeerId) => void): () => void;
  /** The next heartbeat, encoded; `seen` is for the one peer whom it is told. Each call makes a new one. */
  next(status: Heartbeat['status'], seen?: number): Uint8Array;
  /** Gossips a heartbeat. A failure is logged. */
  publish(bytes: Uint8Array): void;
  /** Sends a heartbeat to one connected peer. Never rejects: a failure is logged. */
  tell(peer: PeerId, bytes: Uint8Array): Promise<void>;
}

/** Makes the heartbeats of a node. */
export function createHeartbeats(components: HeartbeatsComponents): Heartbeats {
  return new HeartbeatRoads(components);
}

class HeartbeatRoads implements Heartbeats {
  readonly #components: HeartbeatsComponents;
  readonly #topic: Topic;
  #incarnation = 0;
  #sequence = 0;

  constructor(components: HeartbeatsComponents) {
    this.#components = components;
    this.#topic = components.network.topic(TOPIC);
  }

  begin(incarnation: number): void {
    this.#incarnation = incarnation;
  }

  listen(heard: (heartbeat: Heartbeat, from: PeerId) => void): () => void {
    const { logger, network } = this.#components;
    const take = (bytes: Uint8Array, from: PeerId): void => {
      const heartbeat = decodeHeartbeat(bytes);
      if (heartbeat === undefined) logger.debug({ peer: from }, 'not a heartbeat');
      else heard(heartbeat, from);
    };
    const stops = [
      this.#topic.subscribe(take),
      network.handle(PROTOCOL, (stream) => takeOne(stream, take)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  next(status: Heartbeat['status'], seen?: number): Uint8Array {
    const { clock, presence, records } = this.#components;
    this.#sequence += 1;
    return encodeHeartbeat({
      incarnation: this.#incarnation,
      sequence: this.#sequence,
      status,
      records: records(),
      presence: presence(),
      time: Math.max(0, Math.trunc(clock.now())),
      ...(seen === undefined ? {} : { seen }),
    });
  }

  publish(bytes: Uint8Array): void {
    const { logger } = this.#components;
    this.#topic
      .publish(bytes)
      .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'heartbeat not sent'));
  }

  async tell(peer: PeerId, bytes: Uint8Array): Promise<void> {
    const { clock, network, logger } = this.#components;
    try {
      const stream = await withDeadline(clock, DIRECT_TIMEOUT_MS, (signal) =>
        network.open(peer, PROTOCOL, { signal }),
      );
      const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
      channel.send(bytes);
      await channel.close();
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'heartbeat not told');
    }
  }
}

/** Takes the one message of a stream. */
function takeOne(stream: PeerStream, take: (bytes: Uint8Array, from: PeerId) => void): void {
  const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
  channel.onMessage((bytes) => {
    take(bytes, stream.peer);
    void channel.close();
  });
}
