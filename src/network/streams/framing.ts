/**
 * Messages on a byte stream: an unsigned varint length (LEB128, multiformats "unsigned-varint":
 * the shortest form only), then the bytes. Knows bytes only.
 */
import { StarlingError } from '../../core/index.ts';

/** Five groups of seven bits hold any length below 2^35, more than any limit. */
const VARINT_MAX_BYTES = 5;
/** Memory for a message that has just begun. */
const FIRST_BYTES = 16 * 1024;

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
  /** Memory that is kept for a message which has begun, bytes. */
  readonly keptBytes: number;
  /** Between messages, where the stream may end. */
  readonly atBoundary: boolean;
}

/** Makes a decoder for messages of at most `maxBytes`. */
export function createFrameDecoder(
  maxBytes: number,
  sink: (message: Uint8Array) => void,
): FrameDecoder {
  return new VarintDecoder(maxBytes, sink);
}

class VarintDecoder implements FrameDecoder {
  readonly #maxBytes: number;
  readonly #sink: (message: Uint8Array) => void;
  #length = 0;
  #lengthBytes = 0;
  #body: Buffer | undefined;
  #filled = 0;

  constructor(maxBytes: number, sink: (message: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  get keptBytes(): number {
    return this.#body?.length ?? 0;
  }

  get atBoundary(): boolean {
    return this.#lengthBytes === 0 && this.#body === undefined;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        const isComplete = this.#takeLengthByte(chunk[at] ?? 0);
        at += 1;
        if (!isComplete) continue;
        if (chunk.length - at >= this.#length) {
          const message = chunk.subarray(at, at + this.#length);
          at += this.#length;
          this.#finish(message);
          continue;
        }
        this.#body = Buffer.allocUnsafe(Math.min(this.#length, FIRST_BYTES));
      }
      at += this.#fill(chunk.subarray(at));
    }
  }

  /** Copies what belongs to the message; gives how many bytes that were. */
  #fill(rest: Uint8Array): number {
    const part = rest.subarray(0, this.#length - this.#filled);
    const body = this.#roomFor(this.#filled + part.length);
    body.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled === this.#length) this.#finish(body);
    return part.length;
  }

  /** A length is only a promise: the memory grows with what has come, at least twofold each time. */
  #roomFor(sizeBytes: number): Buffer {
    const body = this.#body ?? Buffer.alloc(0);
    if (body.length >= sizeBytes) return body;
    const grown = Buffer.allocUnsafe(Math.min(this.#length, Math.max(sizeBytes, 2 * body.length)));
    grown.set(body.subarray(0, this.#filled));
    this.#body = grown;
    return grown;
  }

  #finish(message: Uint8Array): void {
    this.#body = undefined;
    this.#length = 0;
    this.#lengthBytes = 0;
    this.#filled = 0;
    this.#sink(message);
  }

  /** Takes one byte of a length; gives whether the length is complete. */
  #takeLengthByte(byte: number): boolean {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes);
    this.#lengthBytes += 1;
    if (this.#length > this.#maxBytes) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a message of at least ${this.#length} bytes came; at most ${this.#maxBytes} are allowed`,
      );
    }
    if (byte >= 0x80) {
      if (this.#lengthBytes < VARINT_MAX_BYTES) return false;
      throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'the length of a message is too long');
    }
    if (byte === 0 && this.#lengthBytes > 1) {
      throw new StarlingError(
        'STARLING_PROTOCOL_VIOLATION',
        'the length of a message is not written in its shortest form',
      );
    }
    return true;
  }
}
