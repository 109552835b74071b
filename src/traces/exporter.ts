/**
 * Sends spans to a collector by OTLP/HTTP. All is bounded: what waits, what is sent at a time, one request at a time,
 * what is read of an answer. While the collector does not answer, a batch is tried again after growing pauses; what does
 * not fit meanwhile is dropped and counted, and a warning says so until the collector answers again. The timers are
 * there only while spans wait.
 */
import { performance } from 'node:perf_hooks';
import { StarlingError, messageOf, withDeadline } from '../core/index.ts';
import type { Clock, Health, Logger, Secret, Startable } from '../core/index.ts';
import { otlpBody } from './otlp.ts';
import type { SpanSource } from './otlp.ts';
import type { EndedSpan, SpanCounts } from './types.ts';

/** What an exporter works with. */
export interface ExporterComponents {
  readonly clock: Clock;
  readonly health: Pick<Health, 'raise' | 'clear'>;
  readonly logger: Logger;
}

/** Where spans go, and from whom they are. */
export interface ExporterInit {
  /** The collector's address for traces. */
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  readonly source: SpanSource;
}

/** Takes spans, and sends them. */
export interface Exporter extends Startable {
  /** Never throws, and costs the call no more than a place in a list. */
  readonly keep: (span: EndedSpan) => void;
  counts(): Omit<SpanCounts, 'limited'>;
  /** Why the collector does not take spans now; undefined while it does, or nobody has tried. */
  trouble(): string | undefined;
}

/** Spans that wait at the most. More = a longer silence of the collector is bridged, and more memory (about 1 kB each). */
const QUEUE_MAX = 4096;
/** Spans in one request. */
const BATCH_MAX = 512;
/** How long a span waits for others to go with. */
const GATHER_MS = 1000;
/** How long the collector may take for one request. */
const ANSWER_MS = 10_000;
const PAUSE_MIN_MS = 1000;
const PAUSE_MAX_MS = 60_000;
/** A batch is given up after so many tries, so that what is newer has its turn. */
const TRIES_MAX = 6;
/** Failures in a row before a warning is shown: one may be a restart of the collector. */
const FAILURES_TOLD = 3;
/** How long a stop waits for what is still to be sent. */
const LAST_MS = 2000;
const ANSWER_BYTES_MAX = 64 * 1024;
/** Statuses after which the same request may be sent again (OTLP, "Failures"). */
const RETRYABLE: readonly number[] = [429, 502, 503, 504];
const WARNING = 'traces-not-sent';
/** How far the two clocks may come apart before the newer relation of them counts: a machine that slept. */
const DRIFT_MS = 5;

/** Makes an exporter that has nothing to send. */
export function createExporter(components: ExporterComponents, init: ExporterInit): Exporter {
  return new QueuedExporter(components, init);
}

/** What became of one request. */
type Sent =
  | { readonly kind: 'taken'; readonly rejected: number }
  | { readonly kind: 'refused' | 'failed'; readonly why: string; readonly waitMs?: number };

class QueuedExporter implements Exporter {
  readonly #components: ExporterComponents;
  readonly #init: ExporterInit;
  #queue: EndedSpan[] = [];
  /** What the request under way has, or the one that is tried again. */
  #batch: readonly EndedSpan[] = [];
  #tries = 0;
  #failures = 0;
  #trouble: string | undefined;
  #isSending = false;
  #isStopped = false;
  #cancel: (() => void) | undefined;
  #epochMs: number;
  #sent = 0;
  #rejected = 0;
  #dropped = 0;

  constructor(components: ExporterComponents, init: ExporterInit) {
    this.#components = components;
    this.#init = init;
    this.#epochMs = components.clock.now() - performance.now();
  }

  readonly keep = (span: EndedSpan): void => {
    if (this.#isStopped || this.#queue.length + this.#batch.length >= QUEUE_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(span);
    if (this.#isSending || this.#batch.length > 0) return;
    if (this.#queue.length >= BATCH_MAX) this.#wake(0);
    else if (this.#cancel === undefined) this.#wake(GATHER_MS);
  };

  counts(): Omit<SpanCounts, 'limited'> {
    return {
      sent: this.#sent,
      rejected: this.#rejected,
      dropped: this.#dropped,
      waiting: this.#queue.length + this.#batch.length,
    };
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  async start(): Promise<void> {
    this.#isStopped = false;
  }

  /** What waits is sent once more, for a moment: a collector that does not answer holds no stop up. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    const { clock, logger } = this.#components;
    const rest = [...this.#batch, ...this.#queue];
    this.#queue = [];
    this.#batch = [];
    if (rest.length > 0 && this.#failures === 0 && !this.#isSending) {
      const sent = await withDeadline(clock, LAST_MS, (signal) => this.#post(rest, signal)).catch(
        (error: unknown): Sent => ({ kind: 'failed', why: messageOf(error) }),
      );
      if (sent.kind === 'taken') this.#sent += rest.length;
      else this.#dropped += rest.length;
    } else this.#dropped += rest.length;
    if (this.#dropped > 0) logger.info({ dropped: this.#dropped }, 'spans were not sent');
    this.#components.health.clear(WARNING);
  }

  /** At most one timer: the sooner one. */
  #wake(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#components.clock.schedule(delayMs, () => {
      this.#cancel = undefined;
      this.#send().catch((error: unknown) =>
        this.#components.logger.error({ error: messageOf(error) }, 'spans not sent'),
      );
    });
  }

  async #send(): Promise<void> {
    if (this.#isSending || this.#isStopped) return;
    if (this.#batch.length === 0) {
      this.#batch = this.#queue.splice(0, BATCH_MAX);
      this.#tries = 0;
    }
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#isSending = true;
    this.#tries += 1;
    const sent = await withDeadline(this.#components.clock, ANSWER_MS, (signal) =>
      this.#post(batch, signal),
    ).catch((error: unknown): Sent => ({ kind: 'failed', why: messageOf(error) }));
    this.#isSending = false;
    // A stop has counted them as dropped.
    if (this.#isStopped) return;
    const pauseMs = this.#heard(sent);
    if (this.#batch.length > 0 || this.#queue.length >= BATCH_MAX) this.#wake(pauseMs);
    else if (this.#queue.length > 0) this.#wake(Math.max(pauseMs, GATHER_MS));
  }

  /** Takes note of what became of the batch; gives how long the next request waits. */
  #heard(sent: Sent): number {
    if (sent.kind === 'taken') {
      const rejected = Math.min(sent.rejected, this.#batch.length);
      this.#sent += this.#batch.length - rejected;
      this.#rejected += rejected;
      this.#batch = [];
      this.#failures = 0;
      this.#trouble = undefined;
      this.#components.health.clear(WARNING);
      return 0;
    }
    this.#failures += 1;
    this.#trouble = sent.why;
    const isGivenUp = sent.kind === 'refused' || this.#tries >= TRIES_MAX;
    if (isGivenUp) {
      if (sent.kind === 'refused') this.#rejected += this.#batch.length;
      else this.#dropped += this.#batch.length;
      this.#batch = [];
    }
    this.#tell();
    const growing = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** Math.min(this.#failures - 1, 10));
    return Math.min(PAUSE_MAX_MS, Math.max(growing, sent.waitMs ?? 0));
  }

  #tell(): void {
    const { health, logger } = this.#components;
    const why = this.#trouble ?? '';
    logger.debug({ why, failures: this.#failures }, 'spans not taken');
    if (this.#failures < FAILURES_TOLD) return;
    const { origin } = new URL(this.#init.url);
    health.raise({
      code: WARNING,
      text: `traces can't be sent to ${origin}: ${why}`,
      hint: 'start the collector, or correct telemetry.otlp.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT); calls go on without it',
    });
  }

  async #post(spans: readonly EndedSpan[], signal: AbortSignal): Promise<Sent> {
    const { url, headers, source } = this.#init;
    const own = Object.entries(headers).map(([name, secret]) => [name, headerText(name, secret)]);
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...Object.fromEntries(own), 'content-type': 'application/json' },
      body: otlpBody(spans, source, this.#epoch()),
      // The headers are for this place alone.
      redirect: 'error',
      signal,
    });
    const text = await boundedText(response);
    if (response.ok) return { kind: 'taken', rejected: rejectedIn(text) };
    const why = `it answered with HTTP ${response.status}`;
    if (!RETRYABLE.includes(response.status)) return { kind: 'refused', why };
    const seconds = Number(response.headers.get('retry-after') ?? 0);
    return { kind: 'failed', why, waitMs: Number.isFinite(seconds) ? seconds * 1000 : 0 };
  }

  /** When `performance.now()` was 0, by the machine's clock: kept, so that spans of one batch and the next line up. */
  #epoch(): number {
    const fresh = this.#components.clock.now() - performance.now();
    if (Math.abs(fresh - this.#epochMs) > DRIFT_MS) this.#epochMs = fresh;
    return this.#epochMs;
  }
}

/** What a header may hold: `fetch` would repeat anything else in its error. @throws STARLING_SECRET_INVALID */
function headerText(name: string, secret: Secret): string {
  const value = secret.reveal();
  if (/^[\t\x20-\x7E]*$/.test(value)) return value;
  throw new StarlingError(
    'STARLING_SECRET_INVALID',
    `telemetry.otlp.headers.${name} can't be sent: it has line breaks or characters beyond ASCII`,
    { hint: 'set its secret anew: starling secret set <name>' },
  );
}

/** What the answer says, up to a bound; what is longer is left unread. */
async function boundedText({ body }: Response): Promise<string> {
  if (body === null) return '';
  const pieces: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const piece of body) {
    sizeBytes += piece.length;
    if (sizeBytes > ANSWER_BYTES_MAX) break;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** How many spans the collector says that it did not take (OTLP, "Partial Success"). */
function rejectedIn(text: string): number {
  try {
    const answer = JSON.parse(text) as {
      readonly partialSuccess?: { readonly rejectedSpans?: unknown } | null;
    } | null;
    const rejected = Number(answer?.partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    // A collector that says nothing, or says it in Protobuf, has taken them.
    return 0;
  }
}
