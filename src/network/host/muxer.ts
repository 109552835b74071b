/**
 * yamux, kept from ending the process, and metered. Its streams open and grant window in later ticks, and
 * by then their connection may be gone: `send` on a closed connection throws, out of a microtask where
 * nobody can catch it (libp2p 3.3.11). A frame for a closed connection is lost either way, so it is dropped.
 *
 * A stream gives what it has kept to its reader while it resumes. A reader that pauses it meanwhile has it paused and
 * granting window all the same, so that it keeps what comes until 4 MiB are there, and is reset (libp2p 3.3.11). Here such a
 * stream stays paused.
 *
 * After each frame of data a stream grants the window of just that frame, so that every message is answered by a frame
 * that nobody waits for (libp2p 3.3.11). Here it grants once half of the window is used, as go-yamux does.
 *
 * yamux by itself takes any number of frames, and a thousand streams at a time, from whoever has shaken
 * hands. A meter looks at each frame before yamux does, and at each stream before its protocol is asked.
 */
import type { Connection, MessageStream, StreamMuxer } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';
import type { YamuxMuxerInit } from '@libp2p/yamux';
import { READ_TURN_BYTES } from '../constants.ts';
import { pauseReading, resumeReading } from '../pause-reading.ts';
import type { NetworkTally } from './network-counts.ts';
import type { ConnectionMeter, ConnectionMeters } from '../limits/connection-meter.ts';

/** `yamux(init)`, whose frames for closed connections are dropped. With `meters` it is metered. */
export function steadyYamux(
  init: YamuxMuxerInit,
  meters?: ConnectionMeters,
  tally?: NetworkTally,
): ReturnType<typeof yamux> {
  const make = yamux(init);
  return () => {
    const factory = make();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer(dropWhenClosed(connection));
      steadyStreams(muxer);
      readInTurns(connection);
      if (tally !== undefined) {
        muxer.addEventListener('stream', ({ detail }) => tally.stream(detail));
      }
      if (meters !== undefined) attach(muxer, connection, meters.meter(directionOf(connection)));
      return muxer;
    };
    return factory;
  };
}

/**
 * Has `connection` read no more than {@link READ_TURN_BYTES} in one turn of the event loop: a socket gives all that has
 * come, megabytes of who sends much, and everybody else would wait meanwhile.
 */
function readInTurns(connection: MessageStream): void {
  let turnBytes = 0;
  let isPaused = false;
  const nextTurn = (): void => {
    turnBytes = 0;
    if (!isPaused) return;
    isPaused = false;
    resumeReading(connection);
  };
  connection.addEventListener('message', ({ data }) => {
    if (turnBytes === 0) setImmediate(nextTurn);
    turnBytes += data.byteLength;
    if (turnBytes <= READ_TURN_BYTES || isPaused) return;
    isPaused = true;
    pauseReading(connection);
  });
}

/** What of a yamux stream is looked at. */
interface YamuxStream {
  readonly readStatus: string;
  /** One of `StreamState` of `@libp2p/yamux`. */
  readonly state: number;
  /** Bytes that the other end may have under way, and how many of them it has not used. */
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  /** Grants window; called when what was kept has been given to the reader. */
  sendResume: () => void;
  sendWindowUpdate: () => void;
}

/** The other end knows of the stream: a frame that grants window has nothing else to say. */
const ESTABLISHED = 3;

function steadyStreams(muxer: StreamMuxer): void {
  // The one place where every stream is made.
  const newStream: unknown = Reflect.get(muxer, '_newStream');
  if (typeof newStream !== 'function') throw new Error('yamux has no _newStream to look after');
  Object.assign(muxer, {
    _newStream: (...args: unknown[]): YamuxStream => {
      const stream = newStream.apply(muxer, args) as YamuxStream;
      keepPaused(stream);
      grantByHalves(stream);
      return stream;
    },
  });
}

function keepPaused(stream: YamuxStream): void {
  const sendResume = stream.sendResume.bind(stream);
  stream.sendResume = () => {
    if (stream.readStatus !== 'paused') sendResume();
  };
}

function grantByHalves(stream: YamuxStream): void {
  const sendWindowUpdate = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const { recvWindow, recvWindowCapacity, state } = stream;
    if (state !== ESTABLISHED || recvWindowCapacity <= recvWindow / 2) sendWindowUpdate();
  };
}

/** By the streams of a muxer, which its connection shows as its own. */
const METERS = new WeakMap<object, ConnectionMeter>();

/** The meter of a connection whose muxer is metered. */
export function meterOf(connection: Connection): ConnectionMeter | undefined {
  return METERS.get(connection.streams);
}

/** What of a yamux frame the meter looks at. */
interface Frame {
  readonly data?: { readonly byteLength: number };
}

function attach(muxer: StreamMuxer, connection: MessageStream, meter: ConnectionMeter): void {
  METERS.set(muxer.streams, meter);
  connection.addEventListener('close', () => meter.ended(), { once: true });
  // The one place through which every frame goes; what it throws ends muxer and connection.
  const handleFrame: unknown = Reflect.get(muxer, 'handleFrame');
  if (typeof handleFrame !== 'function') throw new Error('yamux has no handleFrame to meter');
  Object.assign(muxer, {
    handleFrame: (frame: Frame) => {
      meter.frame(frame.data?.byteLength ?? 0);
      handleFrame.call(muxer, frame);
    },
  });
  const addEventListener = muxer.addEventListener.bind(muxer);
  const metered: typeof muxer.addEventListener = (type, listener, options) => {
    if (type !== 'stream' || typeof listener !== 'function') {
      addEventListener(type, listener, options);
      return;
    }
    addEventListener('stream', (event) => {
      const stream = event.detail;
      const serve = (): void => {
        if (stream.status === 'open') Reflect.apply(listener, muxer, [event]);
      };
      try {
        meter.stream(serve, () => stream.abort(new Error('too many streams wait')));
      } catch (error) {
        const reason = error instanceof Error ? error : new Error(String(error));
        muxer.abort(reason);
        connection.abort(reason);
      }
    });
  };
  muxer.addEventListener = metered;
}

function directionOf(connection: MessageStream): 'inbound' | 'outbound' {
  return connection.direction;
}

function dropWhenClosed(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => (isOver(connection) ? true : send(data));
  return connection;
}

/** Whether its write side is over; every stream of libp2p says so, but not in its interface. */
function isOver(connection: MessageStream): boolean {
  const status = 'writeStatus' in connection ? connection.writeStatus : connection.status;
  return status !== 'writable' && status !== 'open';
}
