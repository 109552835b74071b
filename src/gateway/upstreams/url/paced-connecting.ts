/**
 * Only so many connections to a server are opened at once. A server accepts from a queue (listen(2): 128 places in
 * many, 5 in Python's own), and a kernel whose queue is full resets connections that a client takes for open.
 */
import type { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Semaphore } from '../../../core/index.ts';

/**
 * Makes `agent` wait for a permit before it opens a connection, and give the permit back once that is open or lost. `more`
 * says what else each connection is opened with; what it throws is why there is none.
 */
export function paceConnecting<A extends Agent>(
  agent: A,
  permits: Semaphore,
  more: () => object = () => ({}),
): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, opened) => {
    const failed = (error: unknown): void => opened?.(error as Error, undefined as never);
    permits
      .take()
      .then(() => {
        let given = false;
        const give = (): void => {
          if (!given) permits.give();
          given = true;
        };
        try {
          const socket = connect({ ...options, ...more() }) as Duplex;
          socket.once('connect', give);
          socket.once('close', give);
          opened?.(null, socket);
        } catch (error) {
          give();
          failed(error);
        }
      })
      .catch(failed);
    return undefined;
  };
  return agent;
}
