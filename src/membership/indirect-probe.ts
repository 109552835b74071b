/**
 * Asking others about a peer that we have lost: `/starling/probe/1`, in the manner of SWIM's indirect
 * probe (Das et al., "SWIM", DSN 2002, §4.1). One question, one answer, both CBOR.
 */
import { encode } from 'cborg';
import { StarlingError, messageOf, withDeadline } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import { createMessageStream, messageFields } from '../network/index.ts';
import type { Network, PeerStream } from '../network/index.ts';

const PROTOCOL = '/starling/probe/1';
/** How long the question of who has opened a stream may take. */
const QUESTION_TIMEOUT_MS = 10_000;
const MESSAGE_BYTES_MAX = 1024;

/** What witnesses are asked with. */
export interface IndirectProbeComponents {
  readonly network: Pick<Network, 'connected' | 'handle' | 'open'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Asks other nodes, and answers them. */
export interface IndirectProbe {
  start(): void;
  stop(): void;
  /** True when one of `witnesses` says within `timeoutMs` that it is connected to `peer`. */
  ask(peer: PeerId, witnesses: readonly PeerId[], timeoutMs: number): Promise<boolean>;
}

/** Makes what asks and answers; `start` begins to answer. */
export function createIndirectProbe({
  network,
  clock,
  logger,
}: IndirectProbeComponents): IndirectProbe {
  let stopHandling: (() => void) | undefined;

  const answer = (stream: PeerStream): void => {
    const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    const cancel = clock.schedule(QUESTION_TIMEOUT_MS, () =>
      channel.abort(new StarlingError('STARLING_TIMEOUT', 'no question came')),
    );
    channel.onEnd(cancel);
    channel.onMessage((bytes) => {
      const peer = textOf(bytes, 'peer');
      channel.send(encode({ connected: network.connected().some((known) => known === peer) }));
      void channel.close();
    });
  };
  const askOne = async (peer: PeerId, witness: PeerId, timeoutMs: number): Promise<boolean> => {
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
  };
  return {
    start() {
      stopHandling ??= network.handle(PROTOCOL, answer);
    },
    stop() {
      stopHandling?.();
      stopHandling = undefined;
    },
    async ask(peer, witnesses, timeoutMs) {
      const answers = await Promise.all(
        witnesses.map((witness) =>
          askOne(peer, witness, timeoutMs).catch((error: unknown) => {
            logger.debug({ witness, error: messageOf(error) }, 'witness did not answer');
            return false;
          }),
        ),
      );
      return answers.includes(true);
    },
  };
}

function textOf(bytes: Uint8Array, name: string): string {
  const value = messageFields(bytes)[name];
  return typeof value === 'string' ? value : '';
}

function isConnected(bytes: Uint8Array): boolean {
  return messageFields(bytes)['connected'] === true;
}
