/**
 * Asking others about a peer that we have lost: `/starling/probe/1`, in the manner of SWIM's indirect
 * probe (Das et al., "SWIM", DSN 2002, §4.1). One question, one answer, both CBOR.
 */
import { encode } from 'cborg';
import { StarlingError, createBuckets, messageOf, withDeadline } from '../core/index.ts';
import type { Buckets, Clock, Logger, PeerId } from '../core/index.ts';
import { createMessageStream, messageFields } from '../network/index.ts';
import type { Network, PeerStream } from '../network/index.ts';

const PROTOCOL = '/starling/probe/1';
/** How long the question of who has opened a stream may take. */
const QUESTION_TIMEOUT_MS = 10_000;
const MESSAGE_BYTES_MAX = 1024;
/** How long the ping of a witness may take: less than who asks waits for the answer. */
const PING_TIMEOUT_MS = 1500;
/** Questions of one peer that are answered: each may cost a ping. A mesh that falls apart asks for many. */
const ASKED = { burst: 64, everyMs: 100 } as const;

/** What witnesses are asked with. */
export interface IndirectProbeComponents {
  readonly network: Pick<Network, 'connected' | 'handle' | 'open' | 'ping'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Asks other nodes, and answers them. */
export interface IndirectProbe {
  start(): void;
  stop(): void;
  /** How many of `witnesses` say within `timeoutMs` that `peer` has answered a ping of theirs just now. */
  ask(peer: PeerId, witnesses: readonly PeerId[], timeoutMs: number): Promise<number>;
}

/** Makes what asks and answers; `start` begins to answer. */
export function createIndirectProbe(components: IndirectProbeComponents): IndirectProbe {
  return new Witnesses(components);
}

class Witnesses implements IndirectProbe {
  readonly #components: IndirectProbeComponents;
  /** Pings of suspects under way: whoever asks meanwhile gets the same answer. */
  readonly #pings = new Map<string, Promise<boolean>>();
  readonly #asked: Buckets;
  #stopHandling: (() => void) | undefined;

  constructor(components: IndirectProbeComponents) {
    this.#components = components;
    this.#asked = createBuckets(components.clock, ASKED);
  }

  start(): void {
    this.#stopHandling ??= this.#components.network.handle(PROTOCOL, (stream) =>
      this.#answer(stream),
    );
  }

  stop(): void {
    this.#stopHandling?.();
    this.#stopHandling = undefined;
  }

  async ask(peer: PeerId, witnesses: readonly PeerId[], timeoutMs: number): Promise<number> {
    const answers = await Promise.all(
      witnesses.map((witness) =>
        this.#askOne(peer, witness, timeoutMs).catch((error: unknown) => {
          const { logger } = this.#components;
          logger.debug({ witness, error: messageOf(error) }, 'witness did not answer');
          return false;
        }),
      ),
    );
    return answers.filter(Boolean).length;
  }

  #answer(stream: PeerStream): void {
    const { clock, logger } = this.#components;
    const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    if (!this.#asked.take(stream.peer)) {
      channel.abort(new StarlingError('STARLING_RATE_LIMITED', 'too many questions'));
      return;
    }
    const cancel = clock.schedule(QUESTION_TIMEOUT_MS, () =>
      channel.abort(new StarlingError('STARLING_TIMEOUT', 'no question came')),
    );
    channel.onEnd(cancel);
    channel.onMessage((bytes) => {
      const peer = textOf(bytes, 'peer');
      this.#reaches(peer)
        .then((connected) => {
          channel.send(encode({ connected }));
          return channel.close();
        })
        .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'not testified'));
    });
  }

  /** Whether `peer` answers a ping now: a connection that nobody has used for a while says nothing. */
  #reaches(peer: string): Promise<boolean> {
    const { clock, network } = this.#components;
    const known = network.connected().find((other) => other === peer);
    if (known === undefined) return Promise.resolve(false);
    const underWay = this.#pings.get(known);
    if (underWay !== undefined) return underWay;
    const ping = withDeadline(clock, PING_TIMEOUT_MS, (signal) => network.ping(known, { signal }))
      .then(
        () => true,
        () => false,
      )
      .finally(() => this.#pings.delete(known));
    this.#pings.set(known, ping);
    return ping;
  }

  async #askOne(peer: PeerId, witness: PeerId, timeoutMs: number): Promise<boolean> {
    const { clock, network } = this.#components;
    const stream = await withDeadline(clock, timeoutMs, (signal) =>
      network.open(witness, PROTOCOL, { signal }),
    );
    const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    return new Promise((resolve) => {
      const cancel = clock.schedule(timeoutMs, () => channel.abort(new Error('no answer')));
      channel.onEnd(() => {
        cancel();
        resolve(false);
      });
      channel.onMessage((bytes) => resolve(isConnected(bytes)));
      channel.send(encode({ peer }));
    });
  }
}

function textOf(bytes: Uint8Array, name: string): string {
  const value = messageFields(bytes)[name];
  return typeof value === 'string' ? value : '';
}

function isConnected(bytes: Uint8Array): boolean {
  return messageFields(bytes)['connected'] === true;
}
