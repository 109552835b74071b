/**
 * The one control stream of a connection (`/starling/link/1`): whatever is small and concerns the two ends
 * goes there as a frame, because a stream costs both ends milliseconds and a frame a tenth of one. A frame is a
 * message (varint length, then bytes): one byte with the length of its kind, the kind in ASCII, the payload.
 *
 * Who dialled sends a `tick` each second, the other end answers with `tock`: so both know that the other is
 * there, and how long a round trip takes. Who has heard nothing for {@link SILENT_TICKS} seconds ends the
 * connection.
 */
import { performance } from 'node:perf_hooks';
import { StarlingError } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { CONTROL_FRAME_MAX_BYTES, SILENT_TICKS } from '../constants.ts';
import { createMessageStream } from '../streams/message-stream.ts';
import type { MessageStream, PeerStream } from '../types.ts';

/** Longest kind of a frame. */
const KIND_MAX = 32;
const TICK = 'tick';
const TOCK = 'tock';
/** A tick: its number, then the last round-trip time that its sender has measured, ms; not a number before the first. */
const TICK_BYTES = 8;
/** Turns of the event loop that a frame may take to the connection; a slow reader is not waited for. */
const FLUSH_TURNS_MAX = 64;
/** Round trips are smoothed as TCP does it (RFC 6298, section 2.3). */
const RTT_WEIGHT = 1 / 8;

/** What a control stream tells. */
export interface ControlStreamEvents {
  /** Something came, ticks as well: the other end is there. */
  sign(): void;
  /** A frame that is no tick. */
  frame(kind: string, payload: Uint8Array): void;
  /** Any frame of so many bytes: gives for how many milliseconds nothing more is to be read. */
  pauseMs(sizeBytes: number): number;
  /** The other end has been silent for too long. */
  silent(error: Error): void;
  /** Resumes reading after a while. */
  after(delayMs: number, resume: () => void): void;
}

/** The control stream of one connection. */
export interface ControlStream {
  readonly peer: PeerId;
  /** The round-trip time as it was lately, ms. */
  readonly rttMs: number | undefined;
  /** Sends a frame; false when it was dropped, because the stream is over or its reader is slow. */
  send(kind: string, payload: Uint8Array): boolean;
  /** Resolves once what was sent is handed to the connection; soon in any case. */
  flushed(): Promise<void>;
  /**
   * Sends nothing more, and resolves once the other end has read all that was sent, or is gone: it ends its half
   * when it comes to the end of ours. Never rejects; a reader that stands still is not waited for here.
   */
  finish(): Promise<void>;
  /** To be called each second. */
  tick(): void;
  /** Hears when the stream is over. */
  onEnd(listener: () => void): void;
}

/** Makes it over a stream that is open; `isDialler` of the end that dialled the connection. */
export function createControlStream(
  stream: PeerStream,
  events: ControlStreamEvents,
  init: { readonly isDialler: boolean },
): ControlStream {
  return new FrameStream(stream, events, init.isDialler);
}

class FrameStream implements ControlStream {
  readonly peer: PeerId;
  readonly #stream: PeerStream;
  readonly #messages: MessageStream;
  readonly #events: ControlStreamEvents;
  readonly #isDialler: boolean;
  readonly #endListeners: (() => void)[] = [];
  #isOver = false;
  #isFinished = false;
  /** Ticks since anything was heard. */
  #quiet = 0;
  /** A turn of the event loop has passed since the last tick: without one nothing could have been heard. */
  #hasTurned = true;
  #number = 0;
  #sentAt = 0;
  #rttMs: number | undefined;

  constructor(stream: PeerStream, events: ControlStreamEvents, isDialler: boolean) {
    this.peer = stream.peer;
    this.#stream = stream;
    this.#events = events;
    this.#isDialler = isDialler;
    this.#messages = createMessageStream(stream, { maxBytes: CONTROL_FRAME_MAX_BYTES });
    this.#messages.onEnd(() => {
      this.#isOver = true;
      for (const listener of this.#endListeners) listener();
    });
    this.#messages.onMessage((bytes) => this.#heard(bytes));
  }

  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  send(kind: string, payload: Uint8Array): boolean {
    if (this.#isOver || this.#isFinished) return false;
    // What matters is sent again when something changes or is asked for: nothing waits behind a slow reader.
    if (this.#stream.queuedBytes > CONTROL_FRAME_MAX_BYTES) return false;
    this.#messages.send(encodeFrame(kind, payload));
    return true;
  }

  async flushed(): Promise<void> {
    for (let turn = 0; turn < FLUSH_TURNS_MAX; turn += 1) {
      if (this.#isOver || this.#stream.queuedBytes === 0) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async finish(): Promise<void> {
    this.#isFinished = true;
    const ended = new Promise<void>((resolve) => this.onEnd(resolve));
    await this.#messages.close();
    await ended;
  }

  tick(): void {
    if (this.#isOver || this.#isFinished || !this.#hasTurned) return;
    this.#hasTurned = false;
    setImmediate(() => (this.#hasTurned = true));
    this.#quiet += 1;
    if (this.#quiet > SILENT_TICKS) {
      const text = `${this.peer} has been silent for ${SILENT_TICKS} s`;
      this.#events.silent(new StarlingError('STARLING_PEER_UNREACHABLE', text));
      return;
    }
    if (!this.#isDialler) return;
    this.#number = (this.#number + 1) % 2 ** 32;
    this.#sentAt = performance.now();
    const payload = Buffer.alloc(TICK_BYTES);
    payload.writeUInt32BE(this.#number, 0);
    payload.writeFloatBE(this.#rttMs ?? Number.NaN, 4);
    this.send(TICK, payload);
  }

  onEnd(listener: () => void): void {
    if (this.#isOver) listener();
    else this.#endListeners.push(listener);
  }

  #heard(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (frame === undefined) {
      const text = `${this.peer} sent no frame on its control stream`;
      this.#messages.abort(new StarlingError('STARLING_PROTOCOL_VIOLATION', text));
      return;
    }
    this.#quiet = 0;
    this.#events.sign();
    const pauseMs = this.#events.pauseMs(bytes.length);
    if (pauseMs > 0) {
      this.#stream.pause();
      this.#events.after(pauseMs, () => this.#stream.resume());
    }
    const { kind, payload } = frame;
    if (kind === TICK) this.#ticked(payload);
    else if (kind === TOCK) this.#tocked(payload);
    else this.#events.frame(kind, payload);
  }

  #ticked(payload: Uint8Array): void {
    if (this.#isDialler || payload.length !== TICK_BYTES) return;
    const rttMs = Buffer.from(payload).readFloatBE(4);
    if (rttMs >= 0 && Number.isFinite(rttMs)) this.#rttMs = rttMs;
    this.send(TOCK, payload.subarray(0, 4));
  }

  #tocked(payload: Uint8Array): void {
    if (!this.#isDialler || payload.length !== 4) return;
    if (Buffer.from(payload).readUInt32BE(0) !== this.#number) return;
    const rttMs = performance.now() - this.#sentAt;
    const before = this.#rttMs ?? rttMs;
    this.#rttMs = before + (rttMs - before) * RTT_WEIGHT;
  }
}

/** One frame, without the length before it. */
function encodeFrame(kind: string, payload: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(1 + kind.length + payload.length);
  frame.writeUInt8(kind.length, 0);
  frame.write(kind, 1, 'latin1');
  frame.set(payload, 1 + kind.length);
  return frame;
}

/** Undefined when it is none. Never throws. */
function decodeFrame(
  bytes: Uint8Array,
): { readonly kind: string; readonly payload: Uint8Array } | undefined {
  const length = bytes[0] ?? 0;
  if (length === 0 || length > KIND_MAX || bytes.length < 1 + length) return undefined;
  const kind = Buffer.from(bytes.subarray(1, 1 + length)).toString('latin1');
  return { kind, payload: bytes.subarray(1 + length) };
}
