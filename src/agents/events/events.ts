/**
 * What agents tell all of the mesh: events by gossip, with the AI Flock guide's subjects. They are for now: nothing waits for
 * anybody. Each node keeps the last ones, so that a program may look a moment later; what is to be read by those who were
 * not there is on a board besides (`event-log.ts`).
 */
import { StarlingError, createBuckets, isObject, messageOf, printable } from '../../core/index.ts';
import type {
  Buckets,
  Clock,
  Did,
  Json,
  JsonObject,
  Logger,
  PeerId,
  Random,
} from '../../core/index.ts';
import { parseArgumentRules, problemOf } from '../../grants/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Topic } from '../../network/types.ts';
import { EVENTS_KEPT, EVENT_BYTES_MAX } from '../limits.ts';
import { labelOf } from '../names.ts';
import type { EventsResult, MeshEvent } from '../types.ts';
import { SUBJECT, toldSchema } from './event-log.ts';
import type { EventLog, Told } from './event-log.ts';
import { waitForNews } from '../inbox/wait-for-news.ts';

/** What events go by. */
export interface MeshEventsComponents {
  readonly topic: Topic;
  readonly self: { readonly name: string };
  /** What this node calls a peer; undefined for nobody that it knows. */
  aliasOf(peer: PeerId): string | undefined;
  /** Whether an id or name is that of an agent of another node than this one, as far as this node knows. */
  isElsewhere(agent: string, node: string): boolean;
  /** Events that outlast the moment. */
  readonly log: EventLog;
  /** What this node calls whoever has that did, itself included; undefined for nobody that it knows. */
  readonly nameOf: (did: Did) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** An event as somebody wants to tell it. */
export interface EventInit {
  readonly subject: string;
  readonly message: Json;
  /** The agent that tells it. */
  readonly from: string | undefined;
}

/** A look at what was told. */
export interface EventsInit {
  /** Like `agent.*.events`; default everything. */
  readonly topic?: string | undefined;
  /** What members of the message must be, as grants say it of arguments; of one that is no object `message` is the name. */
  readonly args?: JsonObject | undefined;
  readonly cursor?: number | undefined;
  /** ms since the epoch: also what was told since then while nobody here heard it; waits for nothing. */
  readonly since?: number | undefined;
  readonly limit: number;
  readonly waitMs: number;
}

/** What is told to all, and what was. */
export interface MeshEvents {
  start(): void;
  stop(): void;
  /** Whether a caller has told so little that it may tell something now. */
  mayTell(principal: Principal): boolean;
  /** Resolves when it is on its way. @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED, STARLING_RATE_LIMITED */
  tell(principal: Principal, init: EventInit): Promise<MeshEvent>;
  /** @throws STARLING_USAGE for what is no topic, or no conditions, and for `since` where no events are kept */
  read(init: EventsInit, signal: AbortSignal): Promise<EventsResult>;
}

const PATTERN = /^(\*|>|[A-Za-z0-9_-]{1,64})(\.(\*|>|[A-Za-z0-9_-]{1,64})){0,7}$/;
/** Events that one caller may tell: a few at once, one a second in the long run. No event can breed faster. */
const OWN_PACE = { burst: 20, everyMs: 1000 } as const;
/** Events of one node that others take; see `Topic`. */
export const EVENTS_ALLOWANCE = { burst: 100, everyMs: 200 } as const;
/** What a node tells of an agent that is listed. */
const ANNOUNCED = 'agent.announce';

/** Makes the events of a node. */
export function createMeshEvents(components: MeshEventsComponents): MeshEvents {
  return new NodeEvents(components);
}

/** True when `subject` is one that `pattern` means: `*` is one word, `>` at its end one or more (NATS). */
export function matchesSubject(pattern: string, subject: string): boolean {
  const [words, names] = [pattern.split('.'), subject.split('.')];
  for (const [index, word] of words.entries()) {
    if (word === '>') return index === words.length - 1 && names.length > index;
    if (names[index] === undefined || (word !== '*' && word !== names[index])) return false;
  }
  return words.length === names.length;
}

class NodeEvents implements MeshEvents {
  readonly #components: MeshEventsComponents;
  readonly #paces: Buckets;
  readonly #kept: MeshEvent[] = [];
  readonly #wakers = new Set<() => void>();
  #next = 1;
  #unsubscribe: (() => void) | undefined;

  constructor(components: MeshEventsComponents) {
    this.#components = components;
    this.#paces = createBuckets(components.clock, OWN_PACE);
  }

  start(): void {
    this.#unsubscribe ??= this.#components.topic.subscribe((data, from) => this.#heard(data, from));
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const wake of this.#wakers) wake();
  }

  mayTell(principal: Principal): boolean {
    return this.#paces.waitMs(keyOf(principal)) === 0;
  }

  async tell(principal: Principal, { subject, message, from }: EventInit): Promise<MeshEvent> {
    const { clock, random, self, topic } = this.#components;
    if (!SUBJECT.test(subject)) {
      throw new StarlingError('STARLING_USAGE', `'${printable(subject)}' is no subject`, {
        hint: 'words of A-Z a-z 0-9 _ - with dots between, like broadcast or task.result',
      });
    }
    const at = clock.now();
    const id = labelOf('msg', at, random);
    const agent = from === undefined ? {} : { agent: from };
    const told: Told = { v: 1, id, subject, ...agent, at, message };
    const data = Buffer.from(JSON.stringify(told));
    if (data.length > EVENT_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `the event has ${data.length} bytes, and may have ${EVENT_BYTES_MAX}`,
        {
          hint: 'put what is long onto a board or into a resource, and tell where it is',
          data: { limit: EVENT_BYTES_MAX },
        },
      );
    }
    if (!this.#paces.take(keyOf(principal))) {
      throw new StarlingError('STARLING_RATE_LIMITED', 'too many events from this caller', {
        hint: 'one a second in the long run; send messages to agents instead',
      });
    }
    await this.#components.log.keep(told);
    await topic.publish(data);
    return this.#keep({ id, subject, from: placeOf(from, self.name), at, message });
  }

  async read(init: EventsInit, signal: AbortSignal): Promise<EventsResult> {
    const { topic = '>', cursor = 0, limit, waitMs } = init;
    const fits = fitting(init.args);
    if (!PATTERN.test(topic)) {
      throw new StarlingError('STARLING_USAGE', `'${printable(topic)}' is no topic`, {
        hint: "subjects with * for one word and > for the rest, like 'agent.*.events'",
      });
    }
    const isWanted = (event: Pick<MeshEvent, 'message' | 'subject'>): boolean =>
      matchesSubject(topic, event.subject) && fits(event.message);
    if (init.since !== undefined) return this.#replay(init.since, isWanted, limit);
    const { clock } = this.#components;
    const deadline = clock.now() + waitMs;
    for (;;) {
      const found = this.#kept
        .filter((event) => event.seq > cursor && isWanted(event))
        .slice(...(init.cursor === undefined ? [-limit] : [0, limit]));
      const leftMs = deadline - clock.now();
      const isOver = this.#unsubscribe === undefined || signal.aborted || leftMs <= 0;
      if (found.length > 0 || isOver) {
        // What does not fit the topic is not looked at again.
        const last = found.length === limit ? found.at(-1)?.seq : this.#next - 1;
        return { events: found, cursor: Math.max(cursor, last ?? 0) };
      }
      await this.#nextEvent(leftMs, signal);
    }
  }

  /** What was heard has its number here; what was not has 0. */
  async #replay(
    sinceMs: number,
    isWanted: (event: MeshEvent) => boolean,
    limit: number,
  ): Promise<EventsResult> {
    const { log, nameOf } = this.#components;
    const logged = await log.since(sinceMs);
    const heard = new Map(
      this.#kept.flatMap((event) => (Date.parse(event.at) < sinceMs ? [] : [[event.id, event]])),
    );
    const missed = logged.flatMap(({ told, by }) => {
      const { id, subject, agent, at, message } = told;
      const node = nameOf(by);
      if (heard.has(id) || node === undefined || !this.#mayTell(subject, agent, node)) return [];
      const from = placeOf(agent, node);
      return [{ seq: 0, id, subject, from, at: new Date(at).toISOString(), message }];
    });
    const events = [...missed, ...heard.values()]
      .filter(isWanted)
      .toSorted((one, other) => Date.parse(one.at) - Date.parse(other.at))
      .slice(-limit);
    return { events, cursor: this.#next - 1 };
  }

  #heard(data: Uint8Array, from: PeerId): void {
    const alias = this.#components.aliasOf(from);
    if (alias === undefined || data.length > EVENT_BYTES_MAX) return;
    try {
      const read = toldSchema.parse(JSON.parse(Buffer.from(data).toString('utf8')));
      const { id, subject, agent, at, message } = read;
      if (!this.#mayTell(subject, agent, alias)) {
        this.#components.logger.debug(
          { from, subject },
          'an event about the agent of another node',
        );
        return;
      }
      this.#keep({ id, subject, from: placeOf(agent, alias), at, message });
    } catch (error) {
      this.#components.logger.debug({ from, error: messageOf(error) }, 'a malformed event');
    }
  }

  /** What is an agent's own to tell comes from its node, in its name or by an id that is nobody else's. */
  #mayTell(subject: string, agent: string | undefined, node: string): boolean {
    const [first, whose] = subject.split('.');
    if (first !== 'agent' || whose === undefined || subject === ANNOUNCED) return true;
    if (agent === undefined) return false;
    return whose === agent || !this.#components.isElsewhere(whose, node);
  }

  #keep(event: Omit<MeshEvent, 'seq' | 'at'> & { readonly at: number }): MeshEvent {
    const kept = { seq: this.#next, ...event, at: new Date(event.at).toISOString() };
    this.#next += 1;
    this.#kept.push(kept);
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    for (const wake of this.#wakers) wake();
    return kept;
  }

  #nextEvent(waitMs: number, signal: AbortSignal): Promise<void> {
    return waitForNews(this.#wakers, this.#components.clock, { waitMs, signal });
  }
}

/** Whether a message is as the conditions say, which are those of the arguments of a grant. @throws STARLING_USAGE */
function fitting(args: JsonObject | undefined): (message: Json) => boolean {
  if (args === undefined) return () => true;
  const rules = parseArgumentRules(args);
  if (rules === undefined) {
    throw new StarlingError('STARLING_USAGE', 'these are no conditions for members of a message', {
      hint: "write them as grants have them: --arg level=error, --arg 'count>=10', or { args: { level: { enum: ['error'] } } }",
    });
  }
  return (message) => {
    const members = isObject(message) ? message : { message };
    return problemOf(rules, members) === undefined;
  };
}

/** An agent at its node, or the node. */
function placeOf(agent: string | undefined, node: string): string {
  return agent === undefined ? node : `${agent}@${node}`;
}
