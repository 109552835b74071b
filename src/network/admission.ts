/**
 * The hello on a connection: who dialled speaks first, who was dialled answers, and until that
 * went well the connection carries nothing else. What makes a good hello is not known here: the
 * injected {@link Admission} judges.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError, messageOf, toStarlingError } from '../core/index.ts';
import type { Clock, Logger, PeerId } from '../core/index.ts';
import {
  HELLO_MAX_BYTES,
  HELLO_PROTOCOL,
  HELLO_TIMEOUT_MS,
  PENDING_INBOUND_MAX,
  REFUSAL_LINGER_MS,
} from './constants.ts';
import { raceAbort } from './gate.ts';
import type { Gate } from './gate.ts';
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome, refusalError } from './hello.ts';
import { createMessageStream } from './message-stream.ts';
import { peerOf } from './peer-id.ts';
import { createPeerStream } from './stream.ts';
import type { Admission, Hello, MessageStream, Welcome } from './types.ts';

/** What the greeting of connections needs. */
export interface DoormanComponents {
  readonly admission: Admission;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Greets every connection, and tells the gate how it went. */
export interface Doorman {
  /** Called for each new connection: greets the ones we dialled, awaits the hello of the others. */
  onConnection(connection: Connection): void;
  /** The handler of {@link HELLO_PROTOCOL}. */
  readonly answer: (stream: Stream, connection: Connection) => Promise<void>;
}

/** Makes the doorman. `onAdmitted` is called once for each connection that was let in. */
export function createDoorman(
  components: DoormanComponents,
  init: { readonly onAdmitted: (connection: Connection) => void },
): Doorman {
  const { admission, gate, clock, logger } = components;
  let pendingInbound = 0;

  const admit = (connection: Connection): void => {
    if (connection.status === 'open' && gate.admit(connection)) init.onAdmitted(connection);
  };

  const refuse = (connection: Connection, error: Error): void => {
    gate.refuse(connection, error);
    void closeConnection(connection, error, logger);
  };

  const greetDialled = async (connection: Connection): Promise<void> => {
    const peer = peerOf(connection);
    const welcome = await greet(components, connection, admission.hello(peer));
    await admission.welcomed(welcome, peer);
    if (!welcome.ok) throw refusalError(welcome, peer);
  };

  const awaitHello = (connection: Connection): void => {
    if (pendingInbound >= PENDING_INBOUND_MAX) {
      refuse(connection, new StarlingError('STARLING_LIMIT_EXCEEDED', 'Too many strangers'));
      return;
    }
    pendingInbound++;
    const cancel = clock.schedule(HELLO_TIMEOUT_MS, () => {
      refuse(
        connection,
        new StarlingError('STARLING_TIMEOUT', `${peerOf(connection)} said no hello in time`),
      );
    });
    gate
      .admitted(connection)
      .catch((error: unknown) => {
        logger.info({ peer: peerOf(connection), error: messageOf(error) }, 'a peer was not let in');
      })
      .finally(() => {
        pendingInbound--;
        cancel();
      });
  };

  return {
    onConnection(connection) {
      if (connection.direction === 'inbound') {
        awaitHello(connection);
        return;
      }
      greetDialled(connection).then(
        () => admit(connection),
        (error: unknown) =>
          refuse(
            connection,
            toStarlingError(error, 'STARLING_JOIN_REFUSED', `The hello to ${peerOf(connection)}`),
          ),
      );
    },

    async answer(stream, connection) {
      const peer = peerOf(connection);
      const channel = openChannel(components, stream, peer);
      try {
        const signal = AbortSignal.timeout(HELLO_TIMEOUT_MS);
        const message = await raceAbort(firstMessage(channel), signal);
        const welcome = await judge(admission, message, peer, signal);
        // Before the answer goes out: the dialler may open streams as soon as it has it.
        if (welcome.ok) admit(connection);
        channel.send(encodeWelcome(welcome));
        await raceAbort(channel.close(), signal);
        if (welcome.ok) return;
        const error = new StarlingError('STARLING_JOIN_REFUSED', welcome.reason, {
          data: { peer, code: welcome.code, reason: welcome.reason },
        });
        clock.schedule(REFUSAL_LINGER_MS, () => refuse(connection, error));
      } catch (error) {
        channel.abort(
          toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', `The hello of ${peer}`),
        );
        if (gate.isAdmitted(connection)) logger.debug({ peer, error }, 'a hello was not finished');
        else
          refuse(
            connection,
            toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', `The hello of ${peer}`),
          );
      }
    },
  };
}

/** Says `hello` on a connection that we dialled; resolves to the answer, whatever it is. */
export async function greet(
  components: { readonly clock: Clock; readonly logger: Logger },
  connection: Connection,
  hello: Hello,
): Promise<Welcome> {
  const signal = AbortSignal.timeout(HELLO_TIMEOUT_MS);
  const peer = peerOf(connection);
  let stream: Stream;
  try {
    stream = await connection.newStream(HELLO_PROTOCOL, { signal, runOnLimitedConnection: true });
  } catch (error) {
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
      throw new StarlingError('STARLING_VERSION_UNSUPPORTED', `${peer} is no Starling node`, {
        cause: error,
        hint: 'Check that the address belongs to a Starling node',
      });
    }
    throw toStarlingError(error, 'STARLING_PEER_UNREACHABLE', `${peer} went away before the hello`);
  }
  const channel = openChannel(components, stream, peer);
  try {
    channel.send(encodeHello(hello));
    const welcome = decodeWelcome(await raceAbort(firstMessage(channel), signal));
    void channel.close();
    return welcome;
  } catch (error) {
    const reason = toStarlingError(error, 'STARLING_PEER_UNREACHABLE', `No answer from ${peer}`);
    channel.abort(reason);
    throw reason;
  }
}

/** Closes a connection whatever happens: politely, else at once. */
export async function closeConnection(
  connection: Connection,
  reason: Error,
  logger: Logger,
): Promise<void> {
  if (connection.status !== 'open') return;
  try {
    await connection.close({ signal: AbortSignal.timeout(REFUSAL_LINGER_MS) });
  } catch (error) {
    logger.debug({ peer: peerOf(connection), error }, 'a connection did not close, aborting it');
    connection.abort(reason);
  }
}

function openChannel(
  components: { readonly clock: Clock; readonly logger: Logger },
  stream: Stream,
  peer: PeerId,
): MessageStream {
  return createMessageStream(createPeerStream(components, { stream, peer }), {
    maxBytes: HELLO_MAX_BYTES,
  });
}

function firstMessage(channel: MessageStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    channel.onEnd((error) =>
      reject(
        error ??
          new StarlingError('STARLING_PROTOCOL_VIOLATION', `${channel.peer} said nothing at all`),
      ),
    );
    channel.onMessage(resolve);
  });
}

/** The verdict on a hello; what can't be read is refused with a reason like any other. */
async function judge(
  admission: Admission,
  message: Uint8Array,
  peer: PeerId,
  signal: AbortSignal,
): Promise<Welcome> {
  let hello: Hello;
  try {
    hello = decodeHello(message);
  } catch (error) {
    const failure = toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', 'The hello');
    return { ok: false, code: failure.code, reason: failure.message };
  }
  return raceAbort(admission.admit(hello, peer), signal);
}
