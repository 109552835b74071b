/** Cuts a stream of events (WHATWG HTML §9.2.5) between events, so that none is passed on in halves. Knows bytes only. */
import { StarlingError } from '../../core/index.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const NONE = Buffer.alloc(0);

/** Cuts one stream. */
export interface EventSplitter {
  /** The events that `chunk` completes, each with the empty line that ends it. @throws STARLING_MODEL_INVALID */
  push(chunk: Buffer): readonly Buffer[];
  /** What came after the last whole event. */
  rest(): Buffer;
}

/** Makes a splitter for events of at most `eventBytes`. */
export function splitEvents(eventBytes: number): EventSplitter {
  let parts: Buffer[] = [];
  let sizeBytes = 0;
  return {
    push(chunk) {
      // Whether the chunk ends an event may hang on the three bytes before it.
      const [last = NONE] = parts.slice(-1);
      const before = last.subarray(Math.max(0, last.length - 3));
      const isOpen = endOfEvent(Buffer.concat([before, chunk]), 0) === -1;
      parts.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > eventBytes) throw tooLong(eventBytes);
      if (isOpen) return [];
      const bytes = Buffer.concat(parts, sizeBytes);
      const events: Buffer[] = [];
      let start = 0;
      for (let end = endOfEvent(bytes, 0); end !== -1; end = endOfEvent(bytes, start)) {
        events.push(bytes.subarray(start, end));
        start = end;
      }
      parts = start === bytes.length ? [] : [bytes.subarray(start)];
      sizeBytes = bytes.length - start;
      return events;
    },
    rest: () => Buffer.concat(parts, sizeBytes),
  };
}

/** The byte after the first empty line that ends at or after `from`; -1 where there is none yet. */
function endOfEvent(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LINE_FEED, from); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) {
    if (bytes[at + 1] === LINE_FEED) return at + 2;
    if (bytes[at + 1] === CARRIAGE_RETURN && bytes[at + 2] === LINE_FEED) return at + 3;
  }
  return -1;
}

function tooLong(limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_INVALID',
    `an event of a model's stream is over ${limitBytes} bytes (limits.messageBytes)`,
    { data: { limit: 'limits.messageBytes' } },
  );
}
