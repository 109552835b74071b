/**
 * The hello on a connection: who dialled speaks first, who was dialled answers, and until that went
 * well the connection carries nothing else. What makes a good hello is not known here: the injected
 * {@link Admission} decides.
 */
import type { Connection, Stream } from '@libp2p/interface';
import {
  StarlingError,
  createBuckets,
  messageOf,
  toStarlingError,
  unawaited,
  withDeadline,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { raceAbort } from '../abort.ts';
import type { Conduct } from '../limits/conduct.ts';
import type { AdmissionStates } from './admission-states.ts';
import { closeConnection } from './close-connection.ts';
import {
  HELLO_MAX_BYTES,
  HELLO_PROTOCOL,
  HELLO_TIMEOUT_MS,
  PENDING_INBOUND_MAX,
  REFUSAL_LINES,
  REFUSAL_LINGER_MS,
} from '../constants.ts';
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
  refusalError,
} from './hello-codec.ts';
import { createMessageStream } from '../streams/message-stream.ts';
import { asOurs } from '../failure-words.ts';
import { peerOf } from '../peer-id.ts';
import { createPeerStream } from '../streams/stream.ts';
import { OWN_VERSION, versionIn, versionRefusal } from './versions.ts';
import type { Admission, Hello, HelloAnswer, MessageStream, SpokenVersion } from '../types.ts';

/** What the exchange of hellos needs. */
export interface HelloExchangeComponents {
  readonly admission: Admission;
  readonly gate: AdmissionStates;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
  readonly conduct: Pick<Conduct, 'report'>;
}

/** Exchanges hellos on every connection, and tells the gate how that went. */
export interface HelloExchange {
  /** Begins with a new connection: says hello when we dialled, and waits for it otherwise. */
  begin(connection: Connection): void;
  /** The handler of {@link HELLO_PROTOCOL}. */
  answer(stream: Stream, connection: Connection): Promise<void>;
}

/** Who hears how hellos went. */
export interface HelloExchangeInit {
  /** Called once for each connection that is admitted. */
  readonly onAdmitted: (connection: Connection) => void;
  /** Called for each hello with a peer that speaks another version. */
  readonly onOtherVersion: (peer: PeerId, theirs: SpokenVersion) => void;
}

/** No connection has said hello yet. */
export function createHelloExchange(
  components: HelloExchangeComponents,
  init: HelloExchangeInit,
): HelloExchange {
  return new Exchange(components, init);
}

class Exchange implements HelloExchange {
  readonly #components: HelloExchangeComponents;
  readonly #init: HelloExchangeInit;
  /** Connections on which the other end has said hello. */
  readonly #heard = new WeakSet<Connection>();
  #pendingInbound = 0;
  readonly #lines: Buckets;

  constructor(components: HelloExchangeComponents, init: HelloExchangeInit) {
    this.#components = components;
    this.#init = init;
    this.#lines = createBuckets(components.clock, REFUSAL_LINES);
  }

  begin(connection: Connection): void {
    if (connection.direction === 'inbound') {
      this.#awaitHello(connection);
      return;
    }
    this.#greet(connection).then(
      () => this.#admit(connection),
      (error: unknown) => {
        const theirs = versionIn(error);
        if (theirs !== undefined) this.#init.onOtherVersion(peerOf(connection), theirs);
        this.#refuse(
          connection,
          asOurs(error, 'STARLING_JOIN_REFUSED', `the hello to ${peerOf(connection)}`),
        );
      },
    );
  }

  async answer(stream: Stream, connection: Connection): Promise<void> {
    const { clock, gate, logger } = this.#components;
    const peer = peerOf(connection);
    const messages = openMessages(this.#components, stream, connection);
    if (this.#heard.has(connection)) {
      this.#refuseAgain(messages, connection);
      return;
    }
    this.#heard.add(connection);
    try {
      const answer = await withDeadline(clock, HELLO_TIMEOUT_MS, (signal) =>
        this.#decideAndAnswer(messages, connection, signal),
      );
      if (!answer.ok) this.#refuseLater(connection, answer);
    } catch (error) {
      const failure = toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', `the hello of ${peer}`);
      messages.abort(failure);
      if (gate.isAdmitted(connection)) logger.debug({ peer, error }, 'a hello was not finished');
      else this.#refuse(connection, failure);
    }
  }

  /** A hello costs signatures, so that a connection has one. */
  #refuseAgain(messages: MessageStream, connection: Connection): void {
    const { gate, conduct } = this.#components;
    const text = `${messages.peer} says hello twice on a connection`;
    const error = new StarlingError('STARLING_PROTOCOL_VIOLATION', text);
    messages.abort(error);
    if (gate.isAdmitted(connection)) conduct.report(messages.peer, 'hellos');
    else this.#refuse(connection, error);
  }

  async #greet(connection: Connection): Promise<void> {
    const { admission } = this.#components;
    const peer = peerOf(connection);
    await admission.inTurn(async () => {
      const answer = await sayHello(this.#components, connection, admission.hello(peer));
      await admission.answered(answer, peer);
      if (!answer.ok) throw refusalError(answer, peer);
    });
  }

  async #decideAndAnswer(
    messages: MessageStream,
    connection: Connection,
    signal: AbortSignal,
  ): Promise<HelloAnswer> {
    const message = await raceAbort(firstMessage(messages), signal);
    const answer = await this.#decide(message, messages.peer, signal);
    // Before the answer goes out: who dialled may open streams as soon as the answer is there.
    if (answer.ok) this.#admit(connection);
    messages.send(encodeHelloAnswer(answer));
    await raceAbort(messages.close(), signal);
    return answer;
  }

  /** What can't be read is refused with a reason like any other hello. */
  async #decide(message: Uint8Array, peer: PeerId, signal: AbortSignal): Promise<HelloAnswer> {
    let hello: Hello;
    try {
      hello = decodeHello(message, peer);
    } catch (error) {
      const theirs = versionIn(error);
      if (theirs !== undefined) {
        this.#init.onOtherVersion(peer, theirs);
        this.#components.logger.debug({ peer, error }, 'a peer speaks another version');
        const reason = versionRefusal(theirs);
        return { ok: false, code: 'STARLING_VERSION_UNSUPPORTED', reason, speaks: OWN_VERSION };
      }
      const failure = toStarlingError(error, 'STARLING_PROTOCOL_VIOLATION', 'the hello');
      return { ok: false, code: failure.code, reason: failure.message };
    }
    return raceAbort(this.#components.admission.admit(hello, peer), signal);
  }

  #awaitHello(connection: Connection): void {
    const { gate, scope, logger } = this.#components;
    const peer = peerOf(connection);
    if (this.#pendingInbound >= PENDING_INBOUND_MAX) {
      const text = `more than ${PENDING_INBOUND_MAX} connections wait for their hello`;
      this.#refuse(connection, new StarlingError('STARLING_LIMIT_EXCEEDED', text));
      return;
    }
    this.#pendingInbound += 1;
    const cancel = scope.after(HELLO_TIMEOUT_MS, () => {
      this.#refuse(
        connection,
        new StarlingError('STARLING_TIMEOUT', `${peer} said no hello in time`),
      );
    });
    gate
      .admitted(connection)
      .catch((error: unknown) => {
        // Anybody can knock: beyond a few lines a minute only the log of details has them.
        const level = this.#lines.take('refused') ? 'info' : 'debug';
        logger[level]({ peer, error: messageOf(error) }, 'a peer was refused');
      })
      .finally(() => {
        this.#pendingInbound -= 1;
        cancel();
      });
  }

  #admit(connection: Connection): void {
    const { gate } = this.#components;
    if (connection.status === 'open' && gate.admit(connection)) this.#init.onAdmitted(connection);
  }

  #refuse(connection: Connection, error: Error): void {
    this.#components.gate.refuse(connection, error);
    const { logger } = this.#components;
    const closed = closeConnection(this.#components, connection, error);
    unawaited(closed, logger, 'a refused connection did not close', { peer: peerOf(connection) });
  }

  /** Leaves the peer the time to read why. */
  #refuseLater(connection: Connection, { code, reason }: Refusal): void {
    const error = new StarlingError('STARLING_JOIN_REFUSED', reason, {
      data: { peer: peerOf(connection), code, reason },
    });
    this.#components.scope.after(REFUSAL_LINGER_MS, () => this.#refuse(connection, error));
  }
}

type Refusal = Extract<HelloAnswer, { ok: false }>;

/**
 * Says `hello` on a connection that we dialled; resolves to the answer, a refusal too.
 * @throws STARLING_VERSION_UNSUPPORTED, STARLING_PEER_UNREACHABLE, STARLING_PROTOCOL_VIOLATION
 */
export function sayHello(
  components: { readonly clock: Clock; readonly logger: Logger },
  connection: Connection,
  hello: Hello,
): Promise<HelloAnswer> {
  return withDeadline(components.clock, HELLO_TIMEOUT_MS, async (signal) => {
    const peer = peerOf(connection);
    const stream = await openHelloStream(connection, signal);
    const messages = openMessages(components, stream, connection);
    try {
      messages.send(encodeHello(hello));
      const answer = decodeHelloAnswer(await raceAbort(firstMessage(messages), signal), peer);
      unawaited(messages.close(), components.logger, 'the stream of a hello did not close', {
        peer,
      });
      return answer;
    } catch (error) {
      const reason = asOurs(error, 'STARLING_PEER_UNREACHABLE', `no answer from ${peer}`);
      messages.abort(reason);
      throw reason;
    }
  });
}

async function openHelloStream(connection: Connection, signal: AbortSignal): Promise<Stream> {
  const peer = peerOf(connection);
  try {
    return await connection.newStream(HELLO_PROTOCOL, { signal, runOnLimitedConnection: true });
  } catch (error) {
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
      throw new StarlingError('STARLING_VERSION_UNSUPPORTED', `${peer} is no Starling node`, {
        cause: error,
        hint: 'check that the address belongs to a Starling node',
      });
    }
    throw asOurs(error, 'STARLING_PEER_UNREACHABLE', `${peer} went away before the hello`);
  }
}

function openMessages(
  components: { readonly clock: Clock; readonly logger: Logger },
  stream: Stream,
  connection: Connection,
): MessageStream {
  const init = { stream, peer: peerOf(connection), connection };
  return createMessageStream(createPeerStream(components, init), { maxBytes: HELLO_MAX_BYTES });
}

function firstMessage(messages: MessageStream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    messages.onEnd((error) =>
      reject(
        error ??
          new StarlingError('STARLING_PROTOCOL_VIOLATION', `${messages.peer} said nothing at all`),
      ),
    );
    messages.onMessage(resolve);
  });
}
