/**
 * Remembers of each connection whether it is pending, admitted or refused. Who is let in is decided by the
 * answer to a hello (`hello-exchange.ts`). A connection that was not seen yet is pending: its streams
 * wait here, unread, until the hello on the connection went well, and end with the connection otherwise.
 */
import type { Connection, StreamHandler } from '@libp2p/interface';
import { StarlingError } from '../../core/index.ts';
import { raceAbort } from '../abort.ts';

/** The state of every connection. */
export interface AdmissionStates {
  isAdmitted(connection: Connection): boolean;
  /** Admits a connection. False, and nothing else, when the connection was refused before. */
  admit(connection: Connection): boolean;
  /** Fails everybody who waits for the connection. A no-op when it is refused already. */
  refuse(connection: Connection, error: Error): void;
  /** Resolves once the connection is admitted; rejects when it is refused or `signal` fires. */
  admitted(connection: Connection, signal?: AbortSignal): Promise<void>;
  /** A handler that serves streams of admitted connections and lets the streams of others wait. */
  guard(handler: StreamHandler): StreamHandler;
}

/** Makes the states of a network that has no connection yet. */
export function createAdmissionStates(): AdmissionStates {
  return new States();
}

interface Entry {
  state: 'pending' | 'admitted' | 'refused';
  readonly settled: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class States implements AdmissionStates {
  readonly #entries = new WeakMap<Connection, Entry>();

  isAdmitted(connection: Connection): boolean {
    return this.#entries.get(connection)?.state === 'admitted';
  }

  admit(connection: Connection): boolean {
    const entry = this.#entryOf(connection);
    if (entry.state === 'refused') return false;
    entry.state = 'admitted';
    entry.resolve();
    return true;
  }

  refuse(connection: Connection, error: Error): void {
    const entry = this.#entryOf(connection);
    entry.state = 'refused';
    entry.reject(error);
  }

  admitted(connection: Connection, signal?: AbortSignal): Promise<void> {
    const { settled, state } = this.#entryOf(connection);
    if (state === 'admitted') return Promise.resolve();
    return signal === undefined ? settled : raceAbort(settled, signal);
  }

  guard(handler: StreamHandler): StreamHandler {
    return async (stream, connection) => {
      try {
        await this.admitted(connection);
      } catch {
        stream.abort(new StarlingError('STARLING_JOIN_REFUSED', 'the connection is not admitted'));
        return;
      }
      if (stream.status === 'open') await handler(stream, connection);
    };
  }

  #entryOf(connection: Connection): Entry {
    const known = this.#entries.get(connection);
    if (known !== undefined) return known;
    const entry = createEntry();
    this.#entries.set(connection, entry);
    return entry;
  }
}

function createEntry(): Entry {
  let resolve: Entry['resolve'] = () => undefined;
  let reject: Entry['reject'] = () => undefined;
  const settled = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Nobody may be waiting: the reason of a refusal is logged where the refusal is decided.
  settled.catch(() => undefined);
  return { state: 'pending', settled, resolve, reject };
}
