/**
 * A TLS socket as libp2p's connection, and a connection of libp2p's as the Node stream that TLS goes over where there is
 * no socket to be taken: by way of a relay, over a WebSocket.
 */
import type { AbortOptions, MessageStream, StreamCloseEvent } from '@libp2p/interface';
import { AbstractMessageStream } from '@libp2p/utils';
import type { SendResult } from '@libp2p/utils';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { pauseReading, resumeReading } from '../pause-reading.ts';

type Done = (error?: Error | null) => void;

/** What is read and written by `socket`, which encrypts what goes over `below`; each ends with the other. */
export function securedStream(below: MessageStream, socket: TLSSocket): MessageStream {
  return new SecuredStream(below, socket);
}

/** `stream` as a Node stream, from now on its only reader. */
export function pipeOver(stream: MessageStream): Duplex {
  return new StreamPipe(stream);
}

class SecuredStream extends AbstractMessageStream {
  readonly #below: MessageStream;
  readonly #socket: TLSSocket;
  /** Resolves once the connection below has ended as well; undefined while the socket is open. */
  #belowEnds: Promise<void> | undefined;

  constructor(below: MessageStream, socket: TLSSocket) {
    const { direction, inactivityTimeout, log, maxReadBufferLength } = below;
    super({ direction, inactivityTimeout, log, maxReadBufferLength });
    this.#below = below;
    this.#socket = socket;
    if (socket.closed) this.#belowEnds = Promise.resolve();
    socket.on('data', (bytes: Uint8Array) => this.onData(bytes));
    socket.on('drain', () => this.safeDispatchEvent('drain'));
    socket.on('error', (error) => below.abort(error));
    socket.once('close', () => {
      this.#belowEnds = below
        .close()
        .catch((error: unknown) =>
          below.abort(error instanceof Error ? error : new Error('closed')),
        );
    });
    below.addEventListener('close', (event) => this.#belowHasEnded(event));
  }

  async close(options?: AbortOptions): Promise<void> {
    if (this.#belowEnds === undefined) {
      this.#socket.destroySoon();
      await once(this.#socket, 'close', { signal: options?.signal });
    }
    await this.#belowEnds;
  }

  sendData(data: Iterable<Uint8Array>): SendResult {
    let sentBytes = 0;
    for (const bytes of data) {
      sentBytes += bytes.byteLength;
      if (!this.#socket.write(bytes)) return { sentBytes, canSendMore: false };
    }
    return { sentBytes, canSendMore: true };
  }

  sendReset(error: Error): void {
    // A TLS socket by itself would only say goodbye.
    this.#socket.destroy();
    this.#below.abort(error);
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }

  /** As the connection has ended, so does what went over it. */
  #belowHasEnded({ error, local }: StreamCloseEvent): void {
    this.#socket.destroy();
    if (error === undefined) this.onTransportClosed();
    else if (local === true) this.abort(error);
    else this.onRemoteReset();
  }
}

class StreamPipe extends Duplex {
  readonly #stream: MessageStream;

  constructor(stream: MessageStream) {
    super();
    this.#stream = stream;
    // Nothing is taken before it is asked for.
    pauseReading(stream);
    stream.addEventListener('message', ({ data }) => {
      let wantsMore = true;
      for (const bytes of data instanceof Uint8Array ? [data] : data) wantsMore = this.push(bytes);
      if (!wantsMore) pauseReading(stream);
    });
    stream.addEventListener('close', ({ error }) => this.destroy(error));
  }

  override _read(): void {
    resumeReading(this.#stream);
  }

  override _write(chunk: Buffer, _encoding: string, tell: Done): void {
    this.#send(chunk, tell);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], tell: Done): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), tell);
  }

  override _final(tell: Done): void {
    this.#stream.close().then(() => tell(), tell);
  }

  /** `tell` waits for room. */
  #send(bytes: Buffer, tell: Done): void {
    let hasRoom: boolean;
    try {
      hasRoom = this.#stream.send(bytes);
    } catch (error) {
      tell(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (hasRoom) tell();
    else this.#stream.onDrain().then(() => tell(), tell);
  }
}
