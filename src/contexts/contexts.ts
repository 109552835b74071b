/**
 * The conversations of this node's agents: kept over restarts, summarised, shown to other nodes as the operator says, and
 * deleted by the end of their keys.
 */
import { EventEmitter } from 'node:events';
import { messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, Startable } from '../core/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import { leastTrusted } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { BoxOpener, Sealer } from '../identity/index.ts';
import type { Models } from '../models/index.ts';
import type { Table } from '../store/index.ts';
import { Compressor, roomOf } from './compressor.ts';
import type { Uncompressed } from './compressor.ts';
import {
  ofAnother,
  summarisedMeanwhile,
  tooManyContexts,
  tooManyShares,
  unknown,
  wrong,
} from './context-errors.ts';
import { ContextRows, newKey } from './context-rows.ts';
import type { ContextRow } from './context-rows.ts';
import { glanceAt, idOf, infoOf, linesOf, newRow, newest } from './context-shapes.ts';
import { CONTEXTS_PER_AGENT, LINES_MAX, SHARES_MAX, SUMMARISED_BYTES_MAX } from './limits.ts';
import { SharedBoards } from './shared-boards.ts';
import type {
  ClientKey,
  Compression,
  ContextContent,
  ContextEnd,
  ContextInfo,
  ContextLine,
  ContextOf,
  ContextShare,
  ContextSummary,
  ContextView,
  Exchange,
  Recalled,
  Recollection,
} from './types.ts';
import { isClientKey, seenBy, viewFor } from './views.ts';

/** Lines in which a message is looked for that comes once more. */
const AGAIN_MAX = 20;

/** What the room works with. */
export interface ContextsComponents {
  readonly blackboard: Pick<Blackboard, 'board' | 'names'>;
  /** Rows, sealed for this node, and the lines of conversations. */
  readonly table: Table;
  readonly lines: Table;
  readonly sealer: Sealer;
  readonly openBox: BoxOpener;
  readonly self: Did;
  /** Whether a node is connected now. */
  isHere(did: Did): boolean;
  /** By which conversations are compressed; made later than these. */
  readonly models: () => Pick<Models, 'ask'>;
  /** Largest answer of a model. */
  readonly messageBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Lines that are to be summarised, and what stands before them. */
export interface Unsummarised extends Uncompressed {
  /** The conversation that they are of, which may end while somebody reads. */
  readonly of: Pick<ContextRow, 'key'>;
}

/** The conversations of a node. */
export interface Contexts extends Recollection, Startable {
  /** `change` hears the ids of conversations of this node that have changed. */
  readonly events: EventEmitter<{ change: [id: string] }>;
  /** Those of this node, and those that others share with it; the one that was used last first. */
  list(): Promise<readonly ContextInfo[]>;
  /** @throws STARLING_CONTEXT_UNKNOWN */
  show(id: string): Promise<ContextContent>;
  /** Those of this node that a client of it is shown. */
  listFor(principal: Principal): Promise<readonly ContextInfo[]>;
  /** Whether a client, or the operator, sees anything of one. */
  isShown(principal: Principal, id: string): boolean;
  /** What of one a client is shown; undefined where that is nothing, or there is none. */
  showTo(principal: Principal, id: string): Promise<ContextContent | undefined>;
  /**
   * Shows a conversation of this node to another node, or to a client of this one, from now on; `none` ends that.
   * @throws STARLING_CONTEXT_UNKNOWN, STARLING_USAGE without a summary, STARLING_LIMIT_EXCEEDED, what a board throws
   */
  share(id: string, to: Did | ClientKey, view: ContextView): Promise<ContextInfo>;
  /** What a summary would have to stand for besides the one that there is. @throws STARLING_CONTEXT_UNKNOWN */
  unsummarised(id: string, maxBytes?: number): Promise<Unsummarised>;
  /**
   * Keeps a summary of what {@link unsummarised} gave.
   * @throws STARLING_CONTEXT_UNKNOWN, also where that one was deleted since; STARLING_USAGE where another summary is there since
   */
  summarised(
    id: string,
    summary: Omit<ContextSummary, 'at'>,
    read: Pick<Unsummarised, 'before' | 'of'>,
  ): Promise<ContextInfo>;
  /** Ends a conversation of this node, here and wherever it is shown. @throws STARLING_CONTEXT_UNKNOWN */
  delete(id: string): Promise<ContextEnd>;
  /** Who had this name has given it up: whoever takes it is shown nothing that the other was. @throws STARLING_STATE_UNUSABLE */
  hideFrom(client: ClientKey): Promise<void>;
  /** Reads what is kept, and goes on with what was to be ended. */
  start(): Promise<void>;
  /** Resolves once what is under way is done. */
  stop(): Promise<void>;
}

/** Makes the room. */
export function createContexts(components: ContextsComponents): Contexts {
  return new NodeContexts(components);
}

class NodeContexts implements Contexts {
  readonly events = new EventEmitter<{ change: [id: string] }>();
  readonly #components: ContextsComponents;
  readonly #rows: ContextRows;
  readonly #boards: SharedBoards;
  readonly #compressor: Compressor;
  #known = new Map<string, ContextRow>();
  /** What is done to a conversation now: one thing after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Conversations that begin now, and of which agent: they have their room before they are on the disk. */
  readonly #coming = new Map<string, string>();
  /** Conversations that are pushed out now. */
  readonly #leaving = new Set<string>();

  constructor(components: ContextsComponents) {
    this.#components = components;
    this.#rows = new ContextRows(components);
    this.#boards = new SharedBoards(components);
    this.#compressor = new Compressor(components);
    this.events.setMaxListeners(0);
  }

  async start(): Promise<void> {
    this.#compressor.start();
    this.#known = new Map((await this.#rows.load()).map((row) => [row.id, row]));
    for (const row of this.#known.values()) {
      if (row.key !== '') {
        // The node may have ended between a line and its way to the boards.
        await this.#inTurn(row.id, () => this.#publish(row));
        continue;
      }
      await this.#inTurn(row.id, () => this.#finish(row)).catch((error: unknown) =>
        this.#components.logger.warn(
          { context: row.id, error: messageOf(error) },
          'a deleted conversation is still on boards; the next start tries again',
        ),
      );
    }
  }

  async stop(): Promise<void> {
    await this.#compressor.stop();
    await Promise.allSettled(this.#turns.values());
  }

  recall(of: ContextOf, contextTokens: number): Promise<Recalled> {
    const id = idOf(of);
    return this.#inTurn(id, async () => {
      const row = this.#live(id);
      if (row === undefined) return { said: [] };
      const { summary } = row;
      const said = await this.#rows.lines(row, (summary?.last ?? 0) + 1);
      const shown = newest(said, roomOf(contextTokens) - lengthOf(summary));
      return { ...(summary === undefined ? {} : { summary }), said: shown };
    });
  }

  keep(of: ContextOf, said: Exchange): Promise<void> {
    const id = idOf(of);
    return this.#inTurn(id, async () => {
      const now = this.#components.clock.now();
      const ended = this.#known.get(id);
      // The row says where what was deleted is to be taken away: nothing new takes its place before.
      if (ended?.key === '') await this.#finish(ended);
      const known = this.#live(id) ?? newRow(id, of, now);
      const lately = await this.#rows.lines(known, known.next - AGAIN_MAX);
      if (lately.some(({ message }) => message === said.message)) return;
      const lines = linesOf(known.next, said, now);
      const next = known.next + lines.length;
      const row = { ...known, next, usedAt: now, first: Math.max(known.first, next - LINES_MAX) };
      try {
        if (known.next === 1) await this.#makeRoom(id, of.agent);
        await this.#rows.put(row, lines, known.first);
        this.#changed(row);
      } finally {
        this.#coming.delete(id);
      }
      await this.#publish(row);
    });
  }

  compress(of: ContextOf, how: Compression): void {
    const id = idOf(of);
    this.#compressor.consider(id, how, {
      read: (maxBytes) => this.unsummarised(id, maxBytes - lengthOf(this.#live(id)?.summary)),
      summarised: (summary, read) => this.summarised(id, summary, read as Unsummarised),
    });
  }

  async list(): Promise<readonly ContextInfo[]> {
    const own = [...this.#known.values()].filter(({ key }) => key !== '').map(infoOf);
    const theirs = (await this.#boards.received()).map(glanceAt);
    return [...own, ...theirs].toSorted((one, other) => other.usedAt - one.usedAt);
  }

  async show(id: string): Promise<ContextContent> {
    const row = this.#live(id);
    if (row !== undefined) return { ...infoOf(row), said: await this.#rows.lines(row) };
    const [found] = await this.#boards.received(id);
    if (found === undefined) throw unknown(id);
    return found;
  }

  async listFor(principal: Principal): Promise<readonly ContextInfo[]> {
    const rows = [...this.#known.values()].filter(
      (row) => row.key !== '' && viewFor(row, principal) !== undefined,
    );
    const seen = await Promise.all(rows.map(({ id }) => this.showTo(principal, id)));
    return seen
      .flatMap((one) => (one === undefined ? [] : [glanceAt(one)]))
      .toSorted((one, other) => other.usedAt - one.usedAt);
  }

  isShown(principal: Principal, id: string): boolean {
    const row = this.#live(id);
    return row !== undefined && viewFor(row, principal) !== undefined;
  }

  async showTo(principal: Principal, id: string): Promise<ContextContent | undefined> {
    const row = this.#live(id);
    const view = row === undefined ? undefined : viewFor(row, principal);
    if (row === undefined || view === undefined) return undefined;
    const from = typeof view === 'object' ? row.next - view.last : row.first;
    return seenBy(row, view, view === 'summary' ? [] : await this.#rows.lines(row, from));
  }

  share(id: string, to: Did | ClientKey, view: ContextView): Promise<ContextInfo> {
    return this.#inTurn(id, async () => {
      const row = await this.#own(id);
      if (to === this.#components.self) throw wrong('this node has it already');
      const others = row.shares.filter((share) => share.to !== to);
      if (view === 'summary' && row.summary === undefined) {
        throw wrong('it has no summary', `starling context summarise ${id} --model <model>`);
      }
      if (view !== 'none' && others.length >= SHARES_MAX) throw tooManyShares();
      // What was shown before lay under another key: it ends with that.
      const known = row.shares.length > others.length;
      // What a client of this node is shown lies nowhere but here.
      const key = isClientKey(to) ? '' : newKey();
      const shares = view === 'none' ? others : [...others, { to, view, key }];
      const changed = { ...row, shares };
      if (known && !isClientKey(to)) await this.#boards.end(id, to);
      await this.#rows.put(changed);
      this.#changed(changed);
      await this.#publish(changed);
      return infoOf(changed);
    });
  }

  async unsummarised(id: string, maxBytes = SUMMARISED_BYTES_MAX): Promise<Unsummarised> {
    const row = await this.#own(id);
    const all = await this.#rows.lines(row, (row.summary?.last ?? 0) + 1);
    const lines: ContextLine[] = [];
    let bytes = 0;
    for (const line of all) {
      bytes += Buffer.byteLength(line.text);
      // Whole exchanges, and one at least.
      if (bytes > maxBytes && lines.length > 0 && line.role === 'user') break;
      lines.push(line);
    }
    return { before: row.summary, lines, isMore: bytes > maxBytes, of: row };
  }

  summarised(
    id: string,
    summary: Omit<ContextSummary, 'at'>,
    { before, of }: Pick<Unsummarised, 'before' | 'of'>,
  ): Promise<ContextInfo> {
    return this.#inTurn(id, async () => {
      const row = await this.#own(id);
      // Under the same id its sender may have begun anew.
      if (row.key !== of.key) throw unknown(id);
      if (row.summary?.at !== before?.at) throw summarisedMeanwhile(id);
      const changed = { ...row, summary: { ...summary, at: this.#components.clock.now() } };
      await this.#rows.put(changed);
      this.#changed(changed);
      await this.#publish(changed);
      return infoOf(changed);
    });
  }

  delete(id: string): Promise<ContextEnd> {
    return this.#inTurn(id, async () => {
      const row = await this.#own(id);
      await this.#end(row);
      const here = (did: Did): boolean => this.#components.isHere(did);
      const nodes = nodesOf(row.shares);
      return { holders: nodes.map(({ to: did }) => ({ did, isHere: here(did) })) };
    });
  }

  async hideFrom(client: ClientKey): Promise<void> {
    for (const { id, shares } of this.#known.values()) {
      if (shares.some(({ to }) => to === client)) {
        await this.#inTurn(id, async () => {
          const row = this.#known.get(id);
          if (row === undefined) return;
          const changed = { ...row, shares: row.shares.filter(({ to }) => to !== client) };
          await this.#rows.put(changed);
          this.#changed(changed);
        });
      }
    }
  }

  /** The keys go first: from here on nothing of it can be read, whatever fails. */
  async #end(row: ContextRow): Promise<void> {
    const { summary: _, ...bare } = row;
    const ended = { ...bare, key: '', shares: row.shares.map((share) => ({ ...share, key: '' })) };
    await this.#rows.put(ended);
    this.#changed(ended);
    await this.#finish(ended);
  }

  async #finish(row: ContextRow): Promise<void> {
    await this.#rows.removeLines(row.id);
    for (const { to } of nodesOf(row.shares)) await this.#boards.end(row.id, to);
    await this.#rows.remove(row);
    this.#known.delete(row.id);
  }

  /** A board that is full or a disk that fails is no reason for an agent not to answer: the next line tries again. */
  async #publish(row: ContextRow): Promise<void> {
    const nodes = nodesOf(row.shares);
    if (nodes.length === 0) return;
    const lines = await this.#rows.lines(row);
    for (const share of nodes) {
      try {
        await this.#boards.publish(row, share, lines);
      } catch (error) {
        const facts = { context: row.id, to: share.to, error: messageOf(error) };
        this.#components.logger.warn(facts, 'a conversation was not shown to a node');
      }
    }
  }

  /** Senders choose the names of conversations: whoever makes many, also at once, pushes out old ones, and fills no disk. */
  async #makeRoom(id: string, agent: string): Promise<void> {
    const coming = [...this.#coming.values()].filter((one) => one === agent).length;
    this.#coming.set(id, agent);
    const rows = [...this.#known.values()].filter(
      (row) => row.agent === agent && row.key !== '' && !this.#leaving.has(row.id),
    );
    if (rows.length + coming < CONTEXTS_PER_AGENT) return;
    const unshared = rows.filter(({ shares }) => shares.length === 0);
    const oldest = unshared.toSorted((one, other) => one.usedAt - other.usedAt)[0];
    if (oldest === undefined) throw tooManyContexts(agent);
    this.#leaving.add(oldest.id);
    try {
      // What is done to it now comes first: nothing is written behind its end.
      await this.#inTurn(oldest.id, async () => {
        const row = this.#live(oldest.id);
        if (row?.shares.length === 0) await this.#end(row);
      });
    } finally {
      this.#leaving.delete(oldest.id);
    }
  }

  #changed(row: ContextRow): void {
    this.#known.set(row.id, row);
    this.events.emit('change', row.id);
  }

  #live(id: string): ContextRow | undefined {
    const row = this.#known.get(id);
    return row === undefined || row.key === '' ? undefined : row;
  }

  async #own(id: string): Promise<ContextRow> {
    const row = this.#live(id);
    if (row !== undefined) return row;
    const [shown] = await this.#boards.received(id);
    throw shown?.by === undefined ? unknown(id) : ofAnother(id, shown.by);
  }

  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(id);
    const run = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.#turns.set(id, run);
    try {
      return await run;
    } finally {
      if (this.#turns.get(id) === run) this.#turns.delete(id);
    }
  }
}

/** The least trusted zone of what somebody is reminded of. */
export function zoneOfRecalled({ said, summary }: Recalled): ContextLine['zone'] {
  const zones = said.map(({ zone }) => zone);
  return leastTrusted([...zones, ...(summary === undefined ? [] : [summary.zone])]) ?? 'local';
}

/** Shares with other nodes; those with clients of this one need no boards. */
function nodesOf<Share extends ContextShare>(
  shares: readonly Share[],
): readonly (Share & { readonly to: Did })[] {
  return shares.filter((share): share is Share & { readonly to: Did } => !isClientKey(share.to));
}

function lengthOf(summary: ContextSummary | undefined): number {
  return Buffer.byteLength(summary?.text ?? '');
}
