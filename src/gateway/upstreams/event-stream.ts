/** Server-sent events (WHATWG HTML §9.2), as far as MCP uses them: the data of each event. */
import { createLineDecoder } from '../../core/index.ts';

/** Decodes an event stream. */
export interface EventStreamDecoder {
  /** False when an event is over the limit: then the stream must be given up. */
  push(chunk: Uint8Array): boolean;
}

/** Makes a decoder that gives the data of each event of type `message` to `onData`. */
export function createEventStreamDecoder(
  maxBytes: number,
  onData: (data: Buffer) => void,
): EventStreamDecoder {
  let data: Buffer[] = [];
  let sizeBytes = 0;
  let oversize = false;
  let type = 'message';

  const dispatch = (): void => {
    const text = Buffer.concat(
      data.flatMap((part, index) => (index === 0 ? [part] : [NEWLINE, part])),
    );
    if (type === 'message' && text.length > 0) onData(text);
    data = [];
    sizeBytes = 0;
    type = 'message';
  };
  const line = (bytes: Buffer): void => {
    const text = bytes.subarray(0, 6).toString('latin1');
    if (text.startsWith('data:')) {
      const value = bytes.subarray(text[5] === ' ' ? 6 : 5);
      sizeBytes += value.length;
      if (sizeBytes > maxBytes) oversize = true;
      else data.push(value);
    } else if (text === 'event:') {
      type = bytes.subarray(6).toString('utf8').trim();
    }
  };
  const decoder = createLineDecoder(maxBytes + 16, {
    line,
    oversize: () => {
      oversize = true;
    },
    empty: dispatch,
  });
  return {
    push(chunk) {
      decoder.push(chunk);
      return !oversize;
    },
  };
}

const NEWLINE = Buffer.from('\n');
