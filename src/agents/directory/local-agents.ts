/**
 * The agents of this node: which program goes by which name, kept over restarts. A name belongs to the principal
 * that announced it, until it is retired: another window of the same program is the same agent, and nobody else
 * can take the name, nor read its inbox.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger, PeerId, Random } from '../../core/index.ts';
import type { ListedAgent } from '../../directory/index.ts';
import { OPERATOR, keyOf, nameOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import { definitionFault, definitionsFault } from '../capabilities/schemas.ts';
import { leftOf } from '../inbox/inbox-rows.ts';
import { openInbox } from '../inbox/inbox.ts';
import type { Budget, Inbox } from '../inbox/inbox.ts';
import type { Taker } from '../inbox/mailbox.ts';
import { AGENTS_MAX, AGENTS_PER_OWNER_MAX, OFFLINE_MS, WAITING_BYTES_MAX } from '../limits.ts';
import { healthOf } from './health.ts';
import { Metrics } from './metrics.ts';
import { isAgentName, labelOf } from '../names.ts';
import type { AgentStanding, AgentStatus, AgentView, Announcement, RunView } from '../types.ts';

/** Where agents are kept, and at which node. */
export interface LocalAgentsComponents {
  readonly table: Table;
  readonly self: { readonly name: string; readonly did: Did; readonly peerId: PeerId };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Bytes of all inboxes; default 64 MiB. */
  readonly inboxBytesMax?: number;
  /** How an agent runs that this node runs. */
  runOf?(name: string): RunView | undefined;
  /** What others see of the agents is another now. */
  changed(): void;
  /**
   * An agent is about to be forgotten: what else is known by its name goes first, so that nobody who takes the name has it.
   * An agent of which that could not be done stays.
   */
  readonly retiring?: (this: void, name: string) => Promise<void>;
}

/** What a program says of itself when it announces an agent. */
export type AnnounceInit = Partial<Announcement> & Pick<Announcement, 'name'>;

/** What is kept of an agent. */
interface AgentRow {
  readonly announcement: Announcement;
  /** `keyOf` the principal. */
  readonly owner: string;
  /** How messages call the owner. */
  readonly ownerName: string;
  readonly did?: Did;
  readonly announcedAt: number;
  readonly stopped: boolean;
}

/** A program with a name, and what came for it. */
export interface LocalAgent extends AgentRow {
  readonly inbox: Inbox;
  readonly metrics: Metrics;
  /** When its program was last heard of, ms since the epoch. */
  seenAt: number;
  /** Its program waited for messages, and then waited no more: its session has ended. */
  hasLeft?: boolean;
  /** Queries that wait for its answer. */
  asked: number;
  /** Of one that this node runs. */
  taker?: Taker | undefined;
}

/** The agents of this node. */
export interface LocalAgents {
  load(): Promise<void>;
  /** By name, in the order of their names. */
  all(): readonly LocalAgent[];
  /** By its name, else its label. */
  find(nameOrId: string): LocalAgent | undefined;
  /** An agent of `principal`. @throws STARLING_AGENT_UNKNOWN; STARLING_AGENT_TAKEN where it is somebody else's */
  owned(principal: Principal, nameOrId: string): LocalAgent;
  /** @throws STARLING_USAGE, STARLING_AGENT_TAKEN, STARLING_LIMIT_EXCEEDED, STARLING_STATE_UNUSABLE */
  announce(principal: Principal, init: AnnounceInit): Promise<LocalAgent>;
  /** It takes no messages until it is announced again. */
  stopAgent(agent: LocalAgent): Promise<LocalAgent>;
  /** Forgets it, and gives how many messages nobody has read. */
  retire(agent: LocalAgent): Promise<number>;
  view(agent: LocalAgent): AgentView;
  /** What of the view decides whether it can be given something. */
  standing(agent: LocalAgent): AgentStanding;
  statusOf(agent: LocalAgent): AgentStatus;
  /** Those that every member may see, by name. */
  announced(): readonly ListedAgent[];
  /** Another text when what others see of the agents is another; undefined without agents. */
  digest(): string | undefined;
  close(): void;
}

const AGENT = 'agent/';
const DIGEST_LENGTH = 8;
/** Bytes that nobody else knows, new in each run. */
const SECRET_BYTES = 32;

/** Makes the agents of a node; `load` reads those of earlier runs. */
export function createLocalAgents(components: LocalAgentsComponents): LocalAgents {
  return new NodeAgents(components);
}

class NodeAgents implements LocalAgents {
  readonly #components: LocalAgentsComponents;
  readonly #agents = new Map<string, LocalAgent>();
  readonly #budget: Budget;
  /** Names that are being announced, or retired: one at a time. */
  readonly #announcing = new Map<string, Promise<unknown>>();
  /** All members hear the digest: without this whoever guesses an agent that is not listed could tell that the guess is right. */
  readonly #secret = randomBytes(SECRET_BYTES);
  #digest: string | undefined;
  /** All by name; undefined after one came or went. */
  #sorted: readonly LocalAgent[] | undefined;

  constructor(components: LocalAgentsComponents) {
    this.#components = components;
    this.#budget = { used: 0, max: components.inboxBytesMax ?? WAITING_BYTES_MAX };
  }

  async load(): Promise<void> {
    for await (const [key, bytes] of this.#components.table.entries(AGENT)) {
      try {
        const row = JSON.parse(Buffer.from(bytes).toString('utf8')) as AgentRow;
        await this.#open(row, row.announcedAt);
      } catch (error) {
        const fields = { key, error: messageOf(error) };
        this.#components.logger.warn(fields, 'a stored agent is damaged, left out');
      }
    }
    this.#redigest();
  }

  all(): readonly LocalAgent[] {
    this.#sorted ??= [...this.#agents.values()].toSorted((one, other) =>
      one.announcement.name < other.announcement.name ? -1 : 1,
    );
    return this.#sorted;
  }

  find(nameOrId: string): LocalAgent | undefined {
    const named = this.#agents.get(nameOrId);
    if (named !== undefined) return named;
    for (const agent of this.#agents.values()) {
      if (agent.announcement.id === nameOrId) return agent;
    }
    return undefined;
  }

  owned(principal: Principal, nameOrId: string): LocalAgent {
    const agent = this.find(nameOrId);
    if (agent === undefined) throw unknownAgent(nameOrId);
    if (agent.owner === keyOf(principal)) return agent;
    throw taken(agent.announcement.name, agent.ownerName);
  }

  async announce(principal: Principal, init: AnnounceInit): Promise<LocalAgent> {
    checkNames(init);
    checkDefinitions(init);
    return this.#inTurn(init.name, () => this.#announce(principal, init));
  }

  stopAgent(agent: LocalAgent): Promise<LocalAgent> {
    const { name } = agent.announcement;
    return this.#inTurn(name, async () => {
      if (this.#agents.get(name) !== agent) return agent;
      return this.#keep({ ...rowOf(agent), stopped: true });
    });
  }

  async retire(agent: LocalAgent): Promise<number> {
    const { name } = agent.announcement;
    return this.#inTurn(name, async () => {
      // Another has retired it meanwhile, and the name may be somebody else's.
      if (this.#agents.get(name) !== agent) return 0;
      const { retiring } = this.#components;
      if (retiring !== undefined) await retiring(name);
      const dropped = await agent.inbox.drop([{ key: AGENT + name }]);
      this.#agents.delete(name);
      this.#sorted = undefined;
      this.#redigest();
      return dropped;
    });
  }

  statusOf(agent: LocalAgent): AgentStatus {
    const { seenAt, stopped, hasLeft = false } = agent;
    if (stopped) return 'stopped';
    const isLate = this.#components.clock.now() - seenAt >= OFFLINE_MS;
    return isSeen(agent) || (!isLate && !hasLeft) ? 'online' : 'offline';
  }

  standing(agent: LocalAgent): AgentStanding {
    const { maxConcurrentTasks } = agent.announcement;
    const free = Math.max(0, maxConcurrentTasks - busyOf(agent));
    return { status: this.statusOf(agent), free, maxConcurrentTasks };
  }

  view(agent: LocalAgent): AgentView {
    const { self, clock } = this.#components;
    const { announcement, announcedAt, inbox, metrics, did = self.did } = agent;
    const seenAt = isSeen(agent) ? clock.now() : agent.seenAt;
    const run = this.#components.runOf?.(announcement.name);
    return {
      ...announcement,
      did,
      status: this.statusOf(agent),
      node: self.name,
      machine_id: self.peerId,
      endpoint: `${announcement.name}@${self.name}`,
      free: this.standing(agent).free,
      busy: busyOf(agent),
      health: healthOf({
        isOver: agent.stopped || run?.state === 'failed' || run?.state === 'stopped',
        silentMs: clock.now() - seenAt,
        failed: metrics.failedShare,
        down: run === undefined ? 0 : 1 - run.pids.length / run.replicas,
        memory: run?.memoryShare,
      }),
      tasksProcessed: inbox.processed,
      uptime: clock.now() - announcedAt,
      last_seen: new Date(seenAt).toISOString(),
      metrics: metrics.view(),
      ...(run === undefined ? {} : { run }),
    };
  }

  announced(): readonly ListedAgent[] {
    const { self } = this.#components;
    return this.all()
      .filter(({ announcement, stopped }) => announcement.listed && !stopped)
      .map(({ announcement, did = self.did }) => {
        const { id, name, kind, capabilities, maxConcurrentTasks, zone } = announcement;
        return { id, did, name, kind, capabilities, maxConcurrentTasks, zone };
      });
  }

  digest(): string | undefined {
    return this.#digest;
  }

  close(): void {
    for (const { inbox } of this.#agents.values()) inbox.close();
  }

  /** Whoever takes a name waits until all that was under that name before is gone. */
  async #inTurn<T>(name: string, task: () => Promise<T>): Promise<T> {
    while (this.#announcing.has(name)) await this.#announcing.get(name);
    const work = task();
    const settled = work.catch(() => undefined);
    this.#announcing.set(name, settled);
    try {
      return await work;
    } finally {
      if (this.#announcing.get(name) === settled) this.#announcing.delete(name);
    }
  }

  async #announce(principal: Principal, init: AnnounceInit): Promise<LocalAgent> {
    const { clock } = this.#components;
    const known = this.#agents.get(init.name);
    const owner = keyOf(principal);
    if (known !== undefined && known.owner !== owner) throw taken(init.name, known.ownerName);
    // Messages of the operator come under this name: no program is to pass for the person.
    const isPersons = init.name.toLowerCase() === keyOf(OPERATOR);
    if (isPersons && owner !== keyOf(OPERATOR)) throw taken(init.name, nameOf(OPERATOR));
    this.#checkLabel(init, known);
    if (known === undefined) this.#checkRoom(owner);
    const agent = await this.#keep({
      announcement: this.#announcementOf(init, known?.announcement),
      owner,
      ownerName: nameOf(principal),
      ...(principal.kind === 'agent' ? { did: principal.did } : {}),
      announcedAt: known?.announcedAt ?? clock.now(),
      stopped: false,
    });
    agent.seenAt = clock.now();
    agent.hasLeft = false;
    return agent;
  }

  #announcementOf(init: AnnounceInit, before: Announcement | undefined): Announcement {
    const { clock, random } = this.#components;
    const given = Object.fromEntries(
      Object.entries(init).filter(([, value]) => value !== undefined),
    ) as AnnounceInit;
    // What was a part of a spread agent is one only as long as it says so.
    const { spread: _earlier, ...known } = before ?? {};
    const { definitions = {}, ...announcement } = {
      id: labelOf('agent', clock.now(), random),
      kind: 'attached',
      capabilities: [],
      maxConcurrentTasks: 1,
      zone: 'local',
      tags: [],
      listed: false,
      ...known,
      ...given,
    };
    return Object.keys(definitions).length === 0 ? announcement : { ...announcement, definitions };
  }

  #checkLabel({ id, name }: AnnounceInit, known: LocalAgent | undefined): void {
    if (id === undefined) return;
    const other = this.find(id);
    if (other !== undefined && other !== known) throw taken(id, other.ownerName);
    const named = this.#agents.get(id);
    if (named !== undefined && id !== name) throw taken(id, named.ownerName);
  }

  #checkRoom(owner: string): void {
    const own = [...this.#agents.values()].filter((agent) => agent.owner === owner).length;
    if (this.#agents.size < AGENTS_MAX && own < AGENTS_PER_OWNER_MAX) return;
    const count = own < AGENTS_PER_OWNER_MAX ? AGENTS_MAX : AGENTS_PER_OWNER_MAX;
    throw new StarlingError('STARLING_LIMIT_EXCEEDED', `there are ${count} agents already`, {
      hint: 'retire one that is not needed: starling agent retire <name>',
      data: { limit: count },
    });
  }

  /** On disk first. */
  async #keep(row: AgentRow): Promise<LocalAgent> {
    const { table } = this.#components;
    const { name } = row.announcement;
    const before = this.#agents.get(name);
    const left = before === undefined ? await leftOf(table, name) : [];
    await table.batch([...left, { key: AGENT + name, value: Buffer.from(JSON.stringify(row)) }]);
    if (before === undefined) {
      const made = await this.#open(row, this.#components.clock.now());
      this.#redigest();
      return made;
    }
    const agent = Object.assign(before, row);
    this.#redigest();
    return agent;
  }

  async #open(row: AgentRow, seenAt: number): Promise<LocalAgent> {
    const { table, clock } = this.#components;
    const { name } = row.announcement;
    const inbox = await openInbox({ table, clock, budget: this.#budget }, name);
    const agent = { ...row, inbox, metrics: new Metrics(), seenAt, asked: 0 };
    this.#agents.set(name, agent);
    this.#sorted = undefined;
    return agent;
  }

  #redigest(): void {
    const seen = this.all().map(({ announcement, stopped }) => ({ ...announcement, stopped }));
    const hash = createHmac('sha256', this.#secret)
      .update(JSON.stringify(seen))
      .digest('base64url');
    const before = this.#digest;
    this.#digest = seen.length === 0 ? undefined : hash.slice(0, DIGEST_LENGTH);
    if (this.#digest !== before) this.#components.changed();
  }
}

/** Whether its program is there at this moment: it waits for messages, or is a process that runs, however busy. */
function isSeen({ inbox, taker }: LocalAgent): boolean {
  return inbox.isRead || taker?.isHere === true;
}

/** How much an agent has to do. */
function busyOf({ asked, inbox }: LocalAgent): number {
  return Math.max(asked, inbox.waiting);
}

function rowOf(agent: LocalAgent): AgentRow {
  const { announcement, owner, ownerName, did, announcedAt, stopped } = agent;
  const own = did === undefined ? {} : { did };
  return { announcement, owner, ownerName, ...own, announcedAt, stopped };
}

function checkNames({ id, name }: AnnounceInit): void {
  const wrong = [name, id ?? name].find((one) => !isAgentName(one));
  if (wrong === undefined) return;
  throw new StarlingError('STARLING_USAGE', `'${wrong.slice(0, 80)}' can't be an agent's name`, {
    hint: 'a name has 1 to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or a digit',
  });
}

/** @throws STARLING_USAGE, which names the capability and what is wrong with its schema */
function checkDefinitions({ definitions = {} }: AnnounceInit): void {
  const all = definitionsFault(definitions);
  if (all !== undefined) throw new StarlingError('STARLING_USAGE', all);
  for (const [capability, definition] of Object.entries(definitions)) {
    const fault = definitionFault(definition);
    if (fault !== undefined) {
      throw new StarlingError('STARLING_USAGE', `capability '${capability}': ${fault}`, {
        hint: 'describe it in JSON Schema: types, properties, required, enum, bounds',
      });
    }
  }
}

/** Nobody here goes by that name, as far as the caller may know. */
export function unknownAgent(name: string): StarlingError {
  return new StarlingError('STARLING_AGENT_UNKNOWN', `there is no agent '${name.slice(0, 128)}'`, {
    hint: 'see which there are: starling agent list',
    data: { agentId: name.slice(0, 128), reason: 'unknown' },
  });
}

function taken(name: string, ownerName: string): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_TAKEN',
    `the agent name '${name}' belongs to ${ownerName}`,
    {
      hint: 'take another name; whoever owns it, or the operator, can retire it: starling agent retire <name>',
      data: { agentId: name, reason: 'taken' },
    },
  );
}
