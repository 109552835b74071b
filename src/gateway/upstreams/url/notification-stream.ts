/**
 * The stream on which a legacy server at a URL says what belongs to no call (MCP 2025-11-25 `transports`,
 * "Listening for Messages from the Server"). A stream that ends is opened again where it stopped, after
 * the pause that the server asks for, else with backoff.
 */
import { backoffMs, sleep } from '../../../core/index.ts';
import type { Clock, Random, Scope, StarlingError } from '../../../core/index.ts';
import { createEventStreamDecoder } from './event-stream.ts';
import type { EventStreamDecoder } from './event-stream.ts';
import { isEventStream } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import type { UrlRequests } from './url-requests.ts';

/** Shorter pauses lose fewer messages, longer ones spare a server that is in trouble. */
const BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** A stream that lived this long was a good one: after its end the pauses begin anew. */
const STEADY_MS = 10_000;
/** The shortest pause, however soon a server wants us back. */
const PAUSE_MIN_MS = 20;

/** What the stream works with. */
export interface NotificationStreamComponents {
  readonly requests: Pick<UrlRequests, 'failure' | 'readEvents'>;
  readonly clock: Clock;
  readonly random: Random;
  /** The stream's life. */
  readonly scope: Scope;
  /** Asks for the stream, from behind the event `lastEventId` on. */
  open(lastEventId: string | undefined): Promise<Reply>;
  /** Takes a message. */
  receive(message: Buffer): void;
  /** Takes an answer that is no stream. */
  refused(reply: Reply): Promise<void>;
  failed(error: StarlingError): void;
}

/**
 * Follows the stream until the scope closes, or the server says that it has none. `known` is called when
 * the first answer is there.
 */
export async function followNotifications(
  components: NotificationStreamComponents,
  init: { readonly messageBytes: number; known(): void },
): Promise<void> {
  const { requests, clock, random, scope } = components;
  let lastEventId: string | undefined;
  for (let attempt = 0; !scope.closed; attempt += 1) {
    let decoder: EventStreamDecoder | undefined;
    const from = clock.now();
    try {
      const reply = await components.open(lastEventId).finally(() => init.known());
      if (isEventStream(reply)) {
        decoder = decoderOf(components, init.messageBytes, lastEventId);
        await requests.readEvents(reply, decoder);
      } else {
        const hasNone = isNoStream(reply.status);
        await components.refused(reply);
        if (hasNone) return;
      }
      lastEventId = decoder?.lastEventId ?? lastEventId;
    } catch (error) {
      const failed = requests.failure(error);
      components.failed(failed);
      if (decoder !== undefined) ({ lastEventId } = decoder);
      // What is too big once is so again: it is not asked for a second time.
      if (failed.code === 'STARLING_LIMIT_EXCEEDED') lastEventId = undefined;
    }
    if (clock.now() - from > STEADY_MS) attempt = 0;
    const pauseMs = decoder?.retryMs ?? backoffMs(attempt, BACKOFF, random);
    await sleep(scope, Math.max(pauseMs, PAUSE_MIN_MS));
  }
}

/** True for statuses by which servers say that they have no such stream; what is busy or broken may have one. */
function isNoStream(status: number): boolean {
  return status === 501 || (status < 500 && status !== 429);
}

function decoderOf(
  components: Pick<NotificationStreamComponents, 'receive'>,
  messageBytes: number,
  lastEventId: string | undefined,
): EventStreamDecoder {
  return createEventStreamDecoder(
    messageBytes,
    ({ type, data }) => {
      if (type === 'message') components.receive(data);
    },
    lastEventId,
  );
}
