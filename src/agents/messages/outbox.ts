/**
 * Messages for agents whose node is away: kept on disk, in the order in which they were sent, and sent one after the
 * other once the node is there again. A message that was sent and not acknowledged is sent again under its old id, by
 * which the receiver knows it. One that nobody would take, or that is too old, is given up, and its sender hears of it.
 */
import {
  StarlingError,
  backoffMs,
  createScope,
  messageOf,
  sleep,
  unawaited,
} from '../../core/index.ts';
import type { Clock, Did, JsonObject, Logger, Random, Scope } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import { WAITING_BYTES_MAX, WAITING_MAX } from '../limits.ts';

/** Between attempts while the peer seems to be there and can't be reached. */
const BACKOFF = { baseMs: 1000, capMs: 60_000 };
const OUT = 'out/';
const SEQ_DIGITS = 16;

/** A message that waits. */
export interface Parcel {
  /** The node that has the agent. */
  readonly to: Did;
  /** Arguments of `agent_message` there, with the id of the message. */
  readonly args: JsonObject;
  /** The agent here that sent it, where one did. */
  readonly sender?: string | undefined;
  /** By whose word it is: see `senderKey`. Absent in what an earlier version has kept. */
  readonly by?: string | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

/** What the outbox works with. */
export interface OutboxComponents {
  readonly table: Table;
  /** Whether there is any use in trying. */
  isHere(peer: Did): boolean;
  /** Hands a parcel over. @throws what the peer answers */
  send(parcel: Parcel): Promise<void>;
  /** Nobody will get it. */
  givenUp(parcel: Parcel, error: StarlingError): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What waits for agents that are away. */
export interface Outbox {
  load(): Promise<void>;
  /** Messages that wait for agents of `peer`. */
  waiting(peer: Did): number;
  /** On disk when it resolves. @throws STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE */
  add(parcel: Parcel): Promise<void>;
  /** The peer may be there now. */
  look(peer: Did): void;
  stop(): void;
}

interface Kept extends Parcel {
  readonly key: string;
  readonly bytes: number;
}

/** Makes the outbox of a node; `load` reads what was not sent in earlier runs. */
export function createOutbox(components: OutboxComponents): Outbox {
  return new NodeOutbox(components);
}

class NodeOutbox implements Outbox {
  readonly #components: OutboxComponents;
  readonly #queues = new Map<Did, Kept[]>();
  /** Messages on their way to the disk. */
  readonly #coming = new Map<Did, number>();
  readonly #sending = new Set<Did>();
  readonly #pauses = new Map<Did, Scope>();
  #next = 0;
  #bytes = 0;
  #isStopped = false;

  constructor(components: OutboxComponents) {
    this.#components = components;
  }

  async load(): Promise<void> {
    this.#isStopped = false;
    this.#next = this.#components.clock.now() * 1000;
    for await (const [key, value] of this.#components.table.entries(OUT)) {
      try {
        const parcel = JSON.parse(Buffer.from(value).toString('utf8')) as Parcel;
        this.#keep({ ...parcel, key, bytes: value.length });
        this.#next = Math.max(this.#next, Number(key.slice(OUT.length)) + 1);
      } catch (error) {
        const fields = { key, error: messageOf(error) };
        this.#components.logger.warn(fields, 'a stored message is damaged, left out');
      }
    }
    for (const peer of this.#queues.keys()) this.look(peer);
  }

  waiting(peer: Did): number {
    return this.#queues.get(peer)?.length ?? 0;
  }

  async add(parcel: Parcel): Promise<void> {
    const value = Buffer.from(JSON.stringify(parcel));
    const coming = this.#coming.get(parcel.to) ?? 0;
    const isFull =
      this.waiting(parcel.to) + coming >= WAITING_MAX ||
      this.#bytes + value.length > WAITING_BYTES_MAX;
    if (isFull) throw full();
    const key = OUT + String(this.#next).padStart(SEQ_DIGITS, '0');
    this.#next += 1;
    // What is on its way to the disk takes its room now.
    this.#coming.set(parcel.to, coming + 1);
    this.#bytes += value.length;
    try {
      await this.#components.table.put(key, value);
    } finally {
      this.#bytes -= value.length;
      const still = (this.#coming.get(parcel.to) ?? 1) - 1;
      if (still === 0) this.#coming.delete(parcel.to);
      else this.#coming.set(parcel.to, still);
    }
    this.#keep({ ...parcel, key, bytes: value.length });
    this.look(parcel.to);
  }

  look(peer: Did): void {
    if (this.#isStopped || this.waiting(peer) === 0 || !this.#components.isHere(peer)) return;
    this.#pauses.get(peer)?.close();
    if (this.#sending.has(peer)) return;
    this.#sending.add(peer);
    const sent = this.#sendAll(peer).finally(() => this.#sending.delete(peer));
    unawaited(sent, this.#components.logger, 'messages that wait for a peer were not sent', {
      peer,
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const scope of this.#pauses.values()) scope.close();
    this.#queues.clear();
    this.#bytes = 0;
  }

  #keep(kept: Kept): void {
    const queue = this.#queues.get(kept.to) ?? [];
    queue.push(kept);
    this.#queues.set(kept.to, queue);
    this.#bytes += kept.bytes;
  }

  async #sendAll(peer: Did): Promise<void> {
    let attempt = 0;
    for (;;) {
      const [first] = this.#queues.get(peer) ?? [];
      if (first === undefined || this.#isStopped) return;
      const error = await this.#sendOne(first);
      if (this.#isStopped) return;
      if (error === undefined) {
        attempt = 0;
        continue;
      }
      if (!this.#components.isHere(peer)) return;
      attempt += 1;
      await this.#pause(peer, attempt);
    }
  }

  /** The error after which the parcel is to be tried again; undefined when the parcel is done with. */
  async #sendOne(kept: Kept): Promise<StarlingError | undefined> {
    const { clock, logger } = this.#components;
    try {
      if (kept.expiresAt <= clock.now()) this.#components.givenUp(kept, expired());
      else await this.#components.send(kept);
    } catch (error) {
      if (!(error instanceof StarlingError) || error.row.retryable) {
        logger.debug({ peer: kept.to, error: messageOf(error) }, 'message not handed over yet');
        return error instanceof StarlingError ? error : unknownTrouble(error);
      }
      this.#components.givenUp(kept, error);
    }
    const queue = this.#queues.get(kept.to);
    queue?.splice(queue.indexOf(kept), 1);
    this.#bytes -= kept.bytes;
    try {
      await this.#components.table.delete(kept.key);
    } catch (error) {
      // The row is sent once more after a restart, and the receiver knows its id.
      logger.warn({ error: messageOf(error) }, 'a sent message could not be forgotten');
    }
    return undefined;
  }

  /** Ends sooner when the peer comes back, or the outbox stops. */
  async #pause(peer: Did, attempt: number): Promise<void> {
    const { clock, random } = this.#components;
    const scope = createScope(clock);
    this.#pauses.set(peer, scope);
    await sleep(scope, backoffMs(attempt, BACKOFF, random));
    this.#pauses.delete(peer);
    scope.close();
  }
}

function full(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `as much waits for agents that are away as this node keeps: ${WAITING_MAX} messages for one node, ${WAITING_BYTES_MAX} bytes in all`,
    { hint: 'send again when the node is back: starling peers', data: { reason: 'full' } },
  );
}

function expired(): StarlingError {
  return new StarlingError('STARLING_TIMEOUT', 'the node of the agent stayed away for too long', {
    hint: 'give messages a longer life: --ttl',
    data: { reason: 'expired' },
  });
}

function unknownTrouble(error: unknown): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', messageOf(error), { cause: error });
}
