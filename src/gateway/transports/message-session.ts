/**
 * A session over anything that carries messages one by one: lines in both directions, or the messages
 * of a WebSocket.
 */
import { StarlingError, createLineDecoder } from '../../core/index.ts';
import type { LineDecoder } from '../../core/index.ts';
import { parseIncoming, receiveBatch } from '../wire/batch.ts';
import type { BatchFrames } from '../wire/batch.ts';
import { idAtEdge } from '../wire/edge-id.ts';
import { isFrameId } from '../wire/frame-id.ts';
import { errorBytes, errorOf, toLine } from '../wire/frame.ts';
import { createMethodBatches, readMethodBatch } from '../wire/method-batch.ts';
import type { MethodBatch, MethodBatches } from '../wire/method-batch.ts';
import { createPackets, readPacket } from '../wire/packet.ts';
import type { Packet, Packets } from '../wire/packet.ts';
import type { Receiver, Reply } from '../wire/reply.ts';
import type { Frame, FrameId } from '../frame-types.ts';

/** Where messages go out. */
export interface LineOutput {
  /** Queues one message; false when too much waits already, and then it is not sent. */
  line(message: Buffer): boolean;
  /** Queues one that must not be lost. */
  urgent(message: Buffer): void;
}

/** Bounds of a decoder, and what it takes. */
export interface SessionDecoderInit {
  readonly messageBytes: number;
  /** True where the method `batch` has a list of calls for its params, and packets are taken. */
  readonly takesOtherForms?: boolean;
  /** Hears of each message that is too long, or none at all. */
  readonly broken?: () => void;
}

/** A decoder that feeds `receiver` with the lines it finds, and answers those that are no messages. */
export function createSessionDecoder(
  receiver: Receiver,
  output: LineOutput,
  init: SessionDecoderInit,
): LineDecoder {
  const others =
    init.takesOtherForms === true
      ? { batches: createMethodBatches(), packets: createPackets() }
      : {};
  const taking = {
    ...others,
    ...(init.broken === undefined ? {} : { broken: init.broken }),
  };
  return createLineDecoder(init.messageBytes, {
    line: (bytes) => receiveBytes(receiver, bytes, output, taking),
    oversize(sizeBytes, head, tail) {
      init.broken?.();
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a message of ${sizeBytes} bytes is over the limit of ${init.messageBytes} (limits.messageBytes)`,
        { data: { limit: 'limits.messageBytes' } },
      );
      output.urgent(errorBytes(idAtEdge(head, tail) ?? null, errorOf(error)));
    },
  });
}

/** How messages are taken. */
interface Taking extends Pick<SessionDecoderInit, 'broken'> {
  /** Where the method `batch` has a list of calls: those of this connection. */
  readonly batches?: MethodBatches;
  /** Where packets are taken: those of this connection. */
  readonly packets?: Packets;
}

/** Gives one message to `receiver`; answers it here when it is none. */
export function receiveBytes(
  receiver: Receiver,
  bytes: Buffer,
  output: LineOutput,
  { batches, packets, broken }: Taking = {},
): void {
  let incoming: Frame | BatchFrames | MethodBatch | Packet;
  try {
    incoming =
      (batches === undefined ? undefined : readMethodBatch(bytes)) ??
      (packets === undefined ? undefined : readPacket(bytes)) ??
      parseIncoming(bytes);
  } catch (error) {
    broken?.();
    const { id } = error instanceof StarlingError ? error.data : {};
    output.urgent(errorBytes(isFrameId(id) ? id : null, errorOf(error)));
    return;
  }
  if (incoming.kind === 'packet') {
    packets?.receive(receiver, incoming, createLineReply(null, output));
  } else if (incoming.kind === 'methodBatch') {
    batches?.receive(receiver, incoming, createLineReply(incoming.id, output));
  } else if (incoming.kind === 'batch' || batches?.cancelledBy(incoming, receiver) !== true) {
    receiveIncoming(receiver, incoming, output);
  }
}

/** Gives what came as one message to `receiver`; the answer goes to `output`. */
export function receiveIncoming(
  receiver: Receiver,
  incoming: Frame | BatchFrames,
  output: LineOutput,
): void {
  if (incoming.kind === 'batch') {
    receiveBatch(receiver, incoming.frames, createLineReply(null, output));
  } else {
    const id = incoming.kind === 'request' ? incoming.id : null;
    receiver.receive(incoming, createLineReply(id, output));
  }
}

function createLineReply(id: FrameId | null, output: LineOutput): Reply {
  return new LineReply(id, output);
}

/** The way back of one message. A class: there is one for each request, and functions of its own would be four more. */
class LineReply implements Reply {
  readonly #id: FrameId | null;
  readonly #output: LineOutput;

  constructor(id: FrameId | null, output: LineOutput) {
    this.#id = id;
    this.#output = output;
  }

  /** Progress is told again: what does not fit now need not be told at all. */
  interim(message: Buffer): void {
    this.#output.line(message);
  }

  urgent(message: Buffer): void {
    this.#output.urgent(message);
  }

  final(message: Buffer): void {
    if (this.#output.line(toLine(message))) return;
    const error = new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `the answer of ${message.length} bytes does not fit in what waits to be read already`,
      { hint: 'read answers as they come, or ask for fewer at once' },
    );
    this.#output.urgent(errorBytes(this.#id, errorOf(error)));
  }

  dropped(): void {
    // Nobody waits.
  }
}
