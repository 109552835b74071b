/**
 * Asking others about a peer that we have lost, in the manner of SWIM's indirect probe (Das et al., "SWIM", DSN 2002,
 * §4.1). One question, one answer, both CBOR, as frames of the control stream.
 */
import { encode } from 'cborg';
import {
  createBuckets,
  isCount,
  messageOf,
  settledWithin,
  withDeadline,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId } from '../../core/index.ts';
import { messageFields } from '../../network/index.ts';
import type { Network } from '../../network/index.ts';

/** Kinds of the frames with a question and its answer. */
const QUESTION = 'probe';
const ANSWER = 'probed';
/** How long the ping of a witness may take: less than who asks waits for the answer. */
const PING_TIMEOUT_MS = 1500;
/** Questions of one peer that are answered: each may cost a ping. A mesh that falls apart asks for many. */
const ASKED = { burst: 64, everyMs: 100 } as const;

/** What witnesses are asked with. */
export interface IndirectProbeComponents {
  readonly network: Pick<Network, 'connected' | 'onFrame' | 'ping' | 'sendFrame'>;
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
  /** Questions under way, by witness and number. */
  readonly #questions = new Map<string, (isReached: boolean) => void>();
  #number = 0;
  #stops: readonly (() => void)[] = [];

  constructor(components: IndirectProbeComponents) {
    this.#components = components;
    this.#asked = createBuckets(components.clock, ASKED);
  }

  start(): void {
    if (this.#stops.length > 0) return;
    const { network } = this.#components;
    this.#stops = [
      network.onFrame(QUESTION, (bytes, from) => this.#answer(bytes, from)),
      network.onFrame(ANSWER, (bytes, from) => {
        const { id, connected } = messageFields(bytes);
        this.#questions.get(`${from} ${String(id)}`)?.(connected === true);
      }),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
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

  /** What is asked over the allowance has no answer. */
  #answer(bytes: Uint8Array, from: PeerId): void {
    const { logger, network } = this.#components;
    const { id, peer } = messageFields(bytes);
    if (!isCount(id) || typeof peer !== 'string' || !this.#asked.take(from)) return;
    this.#reaches(peer)
      .then((connected) => network.sendFrame(from, ANSWER, encode({ id, connected })))
      .catch((error: unknown) => logger.debug({ error: messageOf(error) }, 'not testified'));
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
    this.#number += 1;
    const id = this.#number;
    const key = `${witness} ${id}`;
    const answered = new Promise<boolean>((resolve) => this.#questions.set(key, resolve));
    const asked = async (): Promise<boolean> =>
      (await network.sendFrame(witness, QUESTION, encode({ id, peer }))) && (await answered);
    const answer = asked();
    try {
      return (await settledWithin(timeoutMs, answer, clock)) && (await answer);
    } finally {
      this.#questions.delete(key);
    }
  }
}
