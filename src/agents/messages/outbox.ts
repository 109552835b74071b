/**
 * Messages for agents whose node is away: kept on disk, in the order in which they were sent, and sent to each agent one
 * after the other once its node is there again. A message that was sent and not acknowledged is sent again under its old
 * id, by which the receiver knows it; so is one that found the inbox full. One that nobody would take, or that is too old,
 * is given up, and its sender hears of it.
 */
import {
  StarlingError,
  backoffMs,
  createScope,
  createSemaphore,
  messageOf,
  sleep,
  unawaited,
} from '../../core/index.ts';
import type { Clock, Did, JsonObject, Logger, Random, Scope, Semaphore } from '../../core/index.ts';
import type { Table } from '../../store/index.ts';
import { WAITING_BYTES_MAX, WAITING_MAX } from '../limits.ts';

/** Between attempts while the peer seems to be there and can't be reached. */
const BACKOFF = { baseMs: 1000, capMs: 60_000 };
/** Messages that a peer is sent at the same time. One that waits for a person there takes one of these places for a while. */
const SENT_AT_ONCE = 8;
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
  /** Messages that wait for the agent called `agent` of `peer`, those included that are on their way to the disk. */
  waiting(peer: Did, agent: string): number;
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

/** What waits for one agent: nothing that is meant for it alone holds back what is for others of its node. */
interface Lane {
  readonly to: Did;
  readonly agent: string;
  /** In the order in which they were sent. */
  readonly queue: Kept[];
  /** Messages on their way to the disk. */
  coming: number;
  isSending: boolean;
  /** Until the next attempt. */
  pause: Scope | undefined;
}

/** Makes the outbox of a node; `load` reads what was not sent in earlier runs. */
export function createOutbox(components: OutboxComponents): Outbox {
  return new NodeOutbox(components);
}

class NodeOutbox implements Outbox {
  readonly #components: OutboxComponents;
  readonly #lanes = new Map<string, Lane>();
  readonly #permits = new Map<Did, Semaphore>();
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
        const lane = this.#laneOf(parcel.to, agentOf(parcel));
        this.#keep(lane, Object.assign(parcel, { key, bytes: value.length }));
        this.#next = Math.max(this.#next, Number(key.slice(OUT.length)) + 1);
      } catch (error) {
        const fields = { key, error: messageOf(error) };
        this.#components.logger.warn(fields, 'a stored message is damaged, left out');
      }
    }
    for (const lane of this.#lanes.values()) this.#begin(lane);
  }

  waiting(peer: Did, agent: string): number {
    const lane = this.#lanes.get(keyOf(peer, agent));
    return lane === undefined ? 0 : lane.queue.length + lane.coming;
  }

  async add(parcel: Parcel): Promise<void> {
    const value = Buffer.from(JSON.stringify(parcel));
    const agent = agentOf(parcel);
    const isFull =
      this.waiting(parcel.to, agent) >= WAITING_MAX ||
      this.#bytes + value.length > WAITING_BYTES_MAX;
    if (isFull) throw full();
    const lane = this.#laneOf(parcel.to, agent);
    const key = OUT + String(this.#next).padStart(SEQ_DIGITS, '0');
    this.#next += 1;
    // What is on its way to the disk takes its room now.
    lane.coming += 1;
    this.#bytes += value.length;
    try {
      await this.#components.table.put(key, value);
      this.#keep(lane, Object.assign({}, parcel, { key, bytes: value.length }));
    } finally {
      this.#bytes -= value.length;
      lane.coming -= 1;
      this.#forgetIfEmpty(lane);
    }
    this.#begin(lane);
  }

  look(peer: Did): void {
    for (const lane of this.#lanes.values()) {
      if (lane.to !== peer) continue;
      if (this.#components.isHere(peer)) lane.pause?.close();
      this.#begin(lane);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const { pause } of this.#lanes.values()) pause?.close();
    this.#lanes.clear();
    this.#bytes = 0;
  }

  #laneOf(to: Did, agent: string): Lane {
    const key = keyOf(to, agent);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const made = { to, agent, queue: [], coming: 0, isSending: false, pause: undefined };
    this.#lanes.set(key, made);
    return made;
  }

  #keep(lane: Lane, kept: Kept): void {
    lane.queue.push(kept);
    this.#bytes += kept.bytes;
  }

  /** Sends what waits, unless that is being done. */
  #begin(lane: Lane): void {
    const { logger } = this.#components;
    const isHere = this.#components.isHere(lane.to);
    const { agent, queue, to: peer } = lane;
    if (this.#isStopped || lane.isSending || queue.length === 0 || !isHere) return;
    lane.isSending = true;
    const sent = this.#sendAll(lane).finally(() => {
      lane.isSending = false;
      this.#forgetIfEmpty(lane);
    });
    unawaited(sent, logger, 'messages that wait for an agent were not sent', { agent, peer });
  }

  #forgetIfEmpty(lane: Lane): void {
    const { agent, coming, isSending, queue, to } = lane;
    if (coming > 0 || isSending || queue.length > 0) return;
    this.#lanes.delete(keyOf(to, agent));
    if (![...this.#lanes.values()].some((other) => other.to === to)) this.#permits.delete(to);
  }

  async #sendAll(lane: Lane): Promise<void> {
    let attempt = 0;
    for (;;) {
      const [first] = lane.queue;
      if (first === undefined || this.#isStopped) return;
      const error = await this.#inTurn(lane.to, () => this.#sendOne(lane, first));
      if (this.#isStopped) return;
      if (error === undefined) {
        attempt = 0;
        continue;
      }
      if (!this.#components.isHere(lane.to)) return;
      attempt += 1;
      await this.#pause(lane, attempt);
    }
  }

  /** A peer is sent so many at a time, whoever they are for. */
  async #inTurn<T>(peer: Did, work: () => Promise<T>): Promise<T | undefined> {
    const permits = this.#permits.get(peer) ?? createSemaphore(SENT_AT_ONCE);
    this.#permits.set(peer, permits);
    await permits.take();
    try {
      return this.#isStopped ? undefined : await work();
    } finally {
      permits.give();
    }
  }

  /** The error after which the parcel is to be tried again; undefined when the parcel is done with. */
  async #sendOne({ queue }: Lane, kept: Kept): Promise<StarlingError | undefined> {
    const { clock, logger } = this.#components;
    try {
      if (kept.expiresAt <= clock.now()) this.#components.givenUp(kept, expired());
      else await this.#components.send(kept);
    } catch (error) {
      if (!(error instanceof StarlingError) || mayComeLater(error)) {
        logger.debug({ peer: kept.to, error: messageOf(error) }, 'message not handed over yet');
        return error instanceof StarlingError ? error : unknownTrouble(error);
      }
      this.#components.givenUp(kept, error);
    }
    queue.splice(queue.indexOf(kept), 1);
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
  async #pause(lane: Lane, attempt: number): Promise<void> {
    const { clock, random } = this.#components;
    const scope = createScope(clock);
    lane.pause = scope;
    await sleep(scope, backoffMs(attempt, BACKOFF, random));
    lane.pause = undefined;
    scope.close();
  }
}

function keyOf(peer: Did, agent: string): string {
  return `${peer} ${agent}`;
}

function agentOf({ args }: Parcel): string {
  return String(args['agentId'] ?? '');
}

/** Whether the agent may take later what it does not take now: an inbox that is full is read some time. */
function mayComeLater({ data, row }: StarlingError): boolean {
  return row.retryable || data['reason'] === 'full';
}

function full(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `as much waits for agents that are away as this node keeps: ${WAITING_MAX} messages for one agent, ${WAITING_BYTES_MAX} bytes in all`,
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
