/**
 * The event stream on which one request is answered. A stream that ends without the answer is resumed where
 * it stopped (MCP 2025-11-25 `transports`, "Resumability and Redelivery").
 */
import { StarlingError, backoffMs, messageOf } from '../../../core/index.ts';
import type { Logger, Random, Scope } from '../../../core/index.ts';
import { createEventStreamDecoder } from './event-stream.ts';
import type { EventStreamDecoder } from './event-stream.ts';
import { isEventStream } from './http-exchange.ts';
import type { Reply } from './http-exchange.ts';
import { endsConnection } from './url-requests.ts';
import type { UrlRequests } from './url-requests.ts';

/** A request of the channel that waits for its answer. */
export interface Asked {
  readonly id: number;
  /** How often the request was sent anew, because its session was gone. */
  resends: number;
  /** True when nobody waits for the answer any more. */
  over: boolean;
  /** Ends a pause at once. */
  wake?: () => void;
}

/** What following an answer works with. */
export interface AnswerStreamComponents {
  readonly requests: UrlRequests;
  readonly random: Random;
  readonly logger: Logger;
  /** The connection's life. */
  readonly scope: Scope;
  /** Asks for the stream, from behind the event `lastEventId` on. */
  open(lastEventId: string, id: number): Promise<Reply>;
  /** Takes a message. */
  receive(message: Buffer, id: number | undefined): void;
  /** True while the request has no answer. */
  waits(id: number): boolean;
}

/** Pauses between the attempts to resume an answer where the server names none. */
const RESUME_BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** However soon a server wants us back. */
const RETRY_MIN_MS = 20;
/** Attempts in a row to resume an answer that bring nothing new. */
const RESUMES_MAX = 5;

/**
 * Reads the answer's stream to its end, and where it ended without the answer goes on where it stopped.
 * @throws STARLING_LIMIT_EXCEEDED, STARLING_UPSTREAM_UNAVAILABLE
 */
export async function followAnswer(
  components: AnswerStreamComponents,
  init: { readonly first: Reply; readonly asked: Asked | undefined; readonly messageBytes: number },
): Promise<void> {
  const { scope, random } = components;
  const { asked } = init;
  let reply: Reply | undefined = init.first;
  let lastEventId: string | undefined;
  let retryMs: number | undefined;
  for (let vain = 0; ; vain += 1) {
    if (reply !== undefined) {
      const read = await readAnswer(components, { ...init, reply, lastEventId });
      if (read.answered || asked === undefined || asked.over || scope.closed) return;
      if (read.decoder.lastEventId !== lastEventId) vain = 0;
      ({ lastEventId } = read.decoder);
      retryMs = read.decoder.retryMs ?? retryMs;
    }
    if (asked === undefined || lastEventId === undefined || vain >= RESUMES_MAX) return;
    await pause(scope, retryMs ?? backoffMs(vain, RESUME_BACKOFF, random), asked);
    if (asked.over || scope.closed) return;
    reply = await resume(components, lastEventId, asked);
  }
}

async function readAnswer(
  components: AnswerStreamComponents,
  init: {
    readonly reply: Reply;
    readonly asked: Asked | undefined;
    readonly lastEventId: string | undefined;
    readonly messageBytes: number;
  },
): Promise<{ readonly answered: boolean; readonly decoder: EventStreamDecoder }> {
  const { asked } = init;
  let answered = false;
  const decoder = createEventStreamDecoder(
    init.messageBytes,
    ({ type, data }) => {
      if (type !== 'message') return;
      components.receive(data, asked?.id);
      answered ||= asked !== undefined && !components.waits(asked.id);
    },
    init.lastEventId,
  );
  try {
    await components.requests.readEvents(init.reply, decoder);
  } catch (error) {
    const over = error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED';
    if (over || decoder.lastEventId === undefined) throw error;
    components.logger.debug({ error: messageOf(error) }, 'stream of an answer broke');
  }
  return { answered, decoder };
}

/** Undefined when the server could not be asked now, but may be later. */
async function resume(
  components: AnswerStreamComponents,
  lastEventId: string,
  asked: Asked,
): Promise<Reply | undefined> {
  const { requests } = components;
  let reply: Reply;
  try {
    reply = await components.open(lastEventId, asked.id);
  } catch (error) {
    const failed = requests.failure(error);
    if (endsConnection(failed) || asked.over) throw failed;
    return undefined;
  }
  if (isEventStream(reply)) return reply;
  reply.body.resume();
  if (reply.status >= 500 && reply.status !== 501) return undefined;
  if (reply.status === 401 || reply.status === 403) throw requests.refused(reply);
  // Any other refusal says that there is no such stream (any more); of the session it says nothing.
  throw requests.unavailable(
    `ended its event stream before the answer, and did not go on with it (HTTP ${reply.status})`,
  );
}

function pause(scope: Scope, delayMs: number, asked: Asked): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      scope.signal.removeEventListener('abort', done);
      cancel();
      resolve();
    };
    const cancel = scope.after(Math.max(delayMs, RETRY_MIN_MS), done);
    scope.signal.addEventListener('abort', done);
    if (scope.closed) done();
    asked.wake = done;
  });
}
