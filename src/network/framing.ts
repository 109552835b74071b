/**
 * Messages on a byte stream: an unsigned varint length (LEB128, multiformats "unsigned-varint":
 * the shortest form only), then the bytes. Knows bytes only.
 */
import { StarlingError } from '../core/index.ts';

/** Five groups of seven bits hold any length below 2^35, more than any limit. */
const VARINT_MAX_BYTES = 5;

/** The varint of `length`. */
export function encodeLength(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Finds messages in chunks of any size. */
export interface FrameDecoder {
  /**
   * Gives each message that `chunk` completes to the sink. After a throw the decoder is unusable.
   * @throws STARLING_PROTOCOL_VIOLATION, STARLING_LIMIT_EXCEEDED
   */
  push(chunk: Uint8Array): void;
  /** Between messages, where the stream may end. */
  readonly atBoundary: boolean;
}

/** Makes a decoder for messages of at most `maxBytes`. */
export function createFrameDecoder(
  maxBytes: number,
  sink: (message: Uint8Array) => void,
): FrameDecoder {
  let length = 0;
  let lengthBytes = 0;
  let body: Buffer | undefined;
  let filled = 0;

  const finish = (message: Uint8Array): void => {
    body = undefined;
    length = 0;
    lengthBytes = 0;
    filled = 0;
    sink(message);
  };

  /** Takes one byte of a length; gives whether the length is complete. */
  const takeLengthByte = (byte: number): boolean => {
    length += (byte & 0x7f) * 2 ** (7 * lengthBytes);
    lengthBytes += 1;
    if (length > maxBytes) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a message of at least ${length} bytes came; at most ${maxBytes} are allowed`,
      );
    }
    if (byte >= 0x80) {
      if (lengthBytes < VARINT_MAX_BYTES) return false;
      throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'the length of a message is too long');
    }
    if (byte === 0 && lengthBytes > 1) {
      throw new StarlingError(
        'STARLING_PROTOCOL_VIOLATION',
        'the length of a message is not written in its shortest form',
      );
    }
    return true;
  };

  return {
    get atBoundary() {
      return lengthBytes === 0 && body === undefined;
    },
    push(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (body === undefined) {
          const byte = chunk[at] ?? 0;
          at += 1;
          if (!takeLengthByte(byte)) continue;
          if (chunk.length - at >= length) {
            const message = chunk.subarray(at, at + length);
            at += length;
            finish(message);
            continue;
          }
          body = Buffer.allocUnsafe(length);
        }
        const part = chunk.subarray(at, at + length - filled);
        body.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled === length) finish(body);
      }
    },
  };
}
