/**
 * Server-sent events (WHATWG HTML §9.2.6): type, data and id of each event, and the stream's `retry`.
 * Lines end with LF, CR LF or CR.
 */
import { createLineDecoder } from '../../../core/index.ts';

/** What stands between two empty lines of a stream. */
export interface StreamEvent {
  /** `message` unless the stream says otherwise. */
  readonly type: string;
  readonly data: Buffer;
}

/** Takes bytes as they come and gives whole events (HTML, section 9.2). */
export interface EventStreamDecoder {
  /** False when an event is over the limit: then the stream must be given up. */
  push(chunk: Uint8Array): boolean;
  /** The last id that the stream gave, also without data; undefined before the first. */
  readonly lastEventId: string | undefined;
  /** How long the server wants us to wait before we come back, in milliseconds. */
  readonly retryMs: number | undefined;
}

/** Ids and types are ours to send back or to compare, so they are short. */
const FIELD_BYTES_MAX = 4096;
const RETRY_MAX_MS = 3_600_000;
const COLON = 0x3a;
const SPACE = 0x20;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const NEWLINE = Buffer.from('\n');
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** What can't be sent back in a header, except for tabs. */
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * Makes a decoder that gives each event with data to `onEvent`. `lastEventId`: that of the stream
 * which this one continues.
 */
export function createEventStreamDecoder(
  maxBytes: number,
  onEvent: (event: StreamEvent) => void,
  lastEventId?: string,
): EventStreamDecoder {
  return new EventDecoder(maxBytes, onEvent, lastEventId);
}

class EventDecoder implements EventStreamDecoder {
  lastEventId: string | undefined;
  retryMs: number | undefined;
  readonly #maxBytes: number;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #lines: ReturnType<typeof createLineDecoder>;
  #first = true;
  /** True when the last byte was a carriage return, of which a line feed would be the other half. */
  #isAfterReturn = false;
  #oversize = false;
  #data: Buffer[] = [];
  #sizeBytes = 0;
  #type = '';
  /** Becomes the last id with the event's end, so that half an event is asked for again. */
  #id: string | undefined;

  constructor(maxBytes: number, onEvent: (event: StreamEvent) => void, lastEventId?: string) {
    this.#maxBytes = maxBytes;
    this.#onEvent = onEvent;
    this.lastEventId = lastEventId;
    this.#lines = createLineDecoder(maxBytes + 16, {
      line: (bytes) => this.#line(bytes),
      oversize: () => {
        this.#oversize = true;
      },
      empty: () => this.#dispatch(),
    });
  }

  push(chunk: Uint8Array): boolean {
    this.#lines.push(this.#withFeeds(chunk));
    return !this.#oversize;
  }

  /** The same bytes with a line feed as the end of each line. */
  #withFeeds(chunk: Uint8Array): Uint8Array {
    const isSecondHalf = this.#isAfterReturn && chunk[0] === LINE_FEED;
    const rest = isSecondHalf ? chunk.subarray(1) : chunk;
    if (chunk.length > 0) this.#isAfterReturn = chunk.at(-1) === CARRIAGE_RETURN;
    if (!rest.includes(CARRIAGE_RETURN)) return rest;
    return Buffer.from(Buffer.from(rest).toString('latin1').replaceAll(/\r\n?/g, '\n'), 'latin1');
  }

  #line(written: Buffer): void {
    const marked = this.#first && written.subarray(0, 3).equals(BYTE_ORDER_MARK);
    this.#first = false;
    const bytes = marked ? written.subarray(3) : written;
    const colon = bytes.indexOf(COLON);
    const name = bytes.subarray(0, Math.min(colon === -1 ? bytes.length : colon, 8));
    const from = colon === -1 ? bytes.length : colon + 1;
    const value = bytes.subarray(bytes[from] === SPACE ? from + 1 : from);
    switch (name.toString('latin1')) {
      case 'data':
        this.#addData(value);
        break;
      case 'event':
        this.#type = value.length > FIELD_BYTES_MAX ? 'over-long' : value.toString('utf8');
        break;
      case 'id':
        this.#takeId(value);
        break;
      case 'retry':
        this.#takeRetry(value.toString('latin1'));
        break;
      default:
    }
  }

  #addData(value: Buffer): void {
    this.#sizeBytes += value.length + 1;
    if (this.#sizeBytes - 1 > this.#maxBytes) this.#oversize = true;
    else this.#data.push(value);
  }

  #takeId(value: Buffer): void {
    const id = value.toString('utf8');
    // One that can't be sent back would let us ask for the wrong place in the stream.
    this.#id = value.length > FIELD_BYTES_MAX || CONTROL.test(id) ? '' : id;
  }

  #takeRetry(text: string): void {
    if (/^\d{1,15}$/.test(text)) this.retryMs = Math.min(Number(text), RETRY_MAX_MS);
  }

  #dispatch(): void {
    const parts = this.#data;
    const type = this.#type === '' ? 'message' : this.#type;
    if (this.#id !== undefined) this.lastEventId = this.#id === '' ? undefined : this.#id;
    this.#data = [];
    this.#sizeBytes = 0;
    this.#type = '';
    this.#id = undefined;
    const [only] = parts;
    if (only === undefined) return;
    const data =
      parts.length === 1
        ? only
        : Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [NEWLINE, part])));
    if (data.length > 0) this.#onEvent({ type, data });
  }
}
