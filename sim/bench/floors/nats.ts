/** Requests and replies over NATS by its own client, as people who use NATS have them. */
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

/** Where requests are asked, and answered. */
const SUBJECT = 'echo';
const REQUEST_TIMEOUT_MS = 30_000;

/** One client of `nats-server`. */
export interface NatsClient {
  /** Rejects when nobody answers within 30 s. */
  request(text: string): Promise<string>;
  /** What needs no answer. */
  tell(text: string): void;
}

/** Connects as one that asks. */
export async function askNats(port: number): Promise<NatsClient> {
  const connection = await connectTo(port);
  return {
    async request(text) {
      const reply = await connection.request(SUBJECT, text, { timeout: REQUEST_TIMEOUT_MS });
      return reply.string();
    },
    tell: (text) => connection.publish(SUBJECT, text),
  };
}

/** Connects as one that answers; an empty answer is none. */
export async function answerNats(port: number, answer: (text: string) => string): Promise<void> {
  const connection = await connectTo(port);
  connection.subscribe(SUBJECT, {
    queue: 'answerers',
    callback(error, message) {
      if (error !== null) throw error;
      const reply = answer(message.string());
      if (reply !== '') message.respond(reply);
    },
  });
  // The server has the subscription before anybody is told that the answerer is ready.
  await connection.flush();
}

function connectTo(port: number): Promise<NatsConnection> {
  return connect({ servers: `127.0.0.1:${port}`, noAsyncTraces: true });
}
