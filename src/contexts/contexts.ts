/**
 * The conversations of this node's agents: kept over restarts, summarised, shown to other nodes as the operator says, and
 * deleted by the end of their keys.
 */
import { createHash } from 'node:crypto';
import { StarlingError, messageOf, printable } from '../core/index.ts';
import type { Clock, Did, Logger, Startable } from '../core/index.ts';
import type { Blackboard } from '../blackboard/index.ts';
import { leastTrusted } from '../guard/index.ts';
import type { BoxOpener, Sealer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import { ContextRows, newKey } from './context-rows.ts';
import type { ContextRow } from './context-rows.ts';
import {
  CONTEXTS_PER_AGENT,
  LINES_MAX,
  LINE_BYTES_MAX,
  RECALL_BYTES_MAX,
  SHARES_MAX,
  SUMMARISED_BYTES_MAX,
} from './limits.ts';
import { SharedBoards } from './shared-boards.ts';
import type {
  ContextContent,
  ContextEnd,
  ContextInfo,
  ContextLine,
  ContextOf,
  ContextSummary,
  ContextView,
  Exchange,
  Recalled,
  Recollection,
} from './types.ts';

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
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** Lines that are to be summarised, and what stands before them. */
export interface Unsummarised {
  readonly before: ContextSummary | undefined;
  /** The conversation that they are of, which may end while somebody reads. */
  readonly of: Pick<ContextRow, 'key'>;
  readonly lines: readonly ContextLine[];
}

/** The conversations of a node. */
export interface Contexts extends Recollection, Startable {
  /** Those of this node, and those that others share with it; the one that was used last first. */
  list(): Promise<readonly ContextInfo[]>;
  /** @throws STARLING_CONTEXT_UNKNOWN */
  show(id: string): Promise<ContextContent>;
  /**
   * Shows a conversation of this node to another node from now on; `none` ends that.
   * @throws STARLING_CONTEXT_UNKNOWN, STARLING_USAGE without a summary, STARLING_LIMIT_EXCEEDED, what a board throws
   */
  share(id: string, to: Did, view: ContextView): Promise<ContextInfo>;
  /** What a summary would have to stand for besides the one that there is. @throws STARLING_CONTEXT_UNKNOWN */
  unsummarised(id: string): Promise<Unsummarised>;
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
  readonly #components: ContextsComponents;
  readonly #rows: ContextRows;
  readonly #boards: SharedBoards;
  #known = new Map<string, ContextRow>();
  /** What is done to a conversation now: one thing after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(components: ContextsComponents) {
    this.#components = components;
    this.#rows = new ContextRows(components);
    this.#boards = new SharedBoards(components);
  }

  async start(): Promise<void> {
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
    await Promise.allSettled(this.#turns.values());
  }

  recall(of: ContextOf): Promise<Recalled> {
    const id = idOf(of);
    return this.#inTurn(id, async () => {
      const row = this.#live(id);
      if (row === undefined) return { said: [] };
      const { summary } = row;
      const said = await this.#rows.lines(row, (summary?.last ?? 0) + 1);
      return { ...(summary === undefined ? {} : { summary }), said: newest(said) };
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
      if (known.next === 1) await this.#makeRoom(of.agent);
      const lines = linesOf(known.next, said, now);
      const next = known.next + lines.length;
      const row = { ...known, next, usedAt: now, first: Math.max(known.first, next - LINES_MAX) };
      await this.#rows.put(row, lines, known.first);
      this.#known.set(id, row);
      await this.#publish(row);
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
    const found = (await this.#boards.received()).find((one) => one.id === id);
    if (found === undefined) throw unknown(id);
    return found;
  }

  share(id: string, to: Did, view: ContextView): Promise<ContextInfo> {
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
      const shares = view === 'none' ? others : [...others, { to, view, key: newKey() }];
      const changed = { ...row, shares };
      if (known) await this.#boards.end(id, to);
      await this.#rows.put(changed);
      this.#known.set(id, changed);
      await this.#publish(changed);
      return infoOf(changed);
    });
  }

  async unsummarised(id: string): Promise<Unsummarised> {
    const row = await this.#own(id);
    const lines: ContextLine[] = [];
    let bytes = 0;
    for (const line of await this.#rows.lines(row, (row.summary?.last ?? 0) + 1)) {
      bytes += Buffer.byteLength(line.text);
      if (bytes > SUMMARISED_BYTES_MAX) break;
      lines.push(line);
    }
    return { before: row.summary, lines, of: row };
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
      this.#known.set(id, changed);
      await this.#publish(changed);
      return infoOf(changed);
    });
  }

  delete(id: string): Promise<ContextEnd> {
    return this.#inTurn(id, async () => {
      const row = await this.#own(id);
      await this.#end(row);
      const here = (did: Did): boolean => this.#components.isHere(did);
      return { holders: row.shares.map(({ to: did }) => ({ did, isHere: here(did) })) };
    });
  }

  /** The keys go first: from here on nothing of it can be read, whatever fails. */
  async #end(row: ContextRow): Promise<void> {
    const { summary: _, ...bare } = row;
    const ended = { ...bare, key: '', shares: row.shares.map((share) => ({ ...share, key: '' })) };
    await this.#rows.put(ended);
    this.#known.set(row.id, ended);
    await this.#finish(ended);
  }

  async #finish(row: ContextRow): Promise<void> {
    await this.#rows.removeLines(row.id);
    for (const { to } of row.shares) await this.#boards.end(row.id, to);
    await this.#rows.remove(row);
    this.#known.delete(row.id);
  }

  /** A board that is full or a disk that fails is no reason for an agent not to answer: the next line tries again. */
  async #publish(row: ContextRow): Promise<void> {
    if (row.shares.length === 0) return;
    const lines = await this.#rows.lines(row);
    for (const share of row.shares) {
      try {
        await this.#boards.publish(row, share, lines);
      } catch (error) {
        const facts = { context: row.id, to: share.to, error: messageOf(error) };
        this.#components.logger.warn(facts, 'a conversation was not shown to a node');
      }
    }
  }

  /** Senders choose the names of conversations: whoever makes many pushes out old ones, and fills no disk. */
  async #makeRoom(agent: string): Promise<void> {
    const rows = [...this.#known.values()].filter((row) => row.agent === agent && row.key !== '');
    if (rows.length < CONTEXTS_PER_AGENT) return;
    const unshared = rows.filter(({ shares }) => shares.length === 0);
    const oldest = unshared.toSorted((one, other) => one.usedAt - other.usedAt)[0];
    if (oldest === undefined) throw tooManyContexts(agent);
    await this.#end(oldest);
  }

  #live(id: string): ContextRow | undefined {
    const row = this.#known.get(id);
    return row === undefined || row.key === '' ? undefined : row;
  }

  async #own(id: string): Promise<ContextRow> {
    const row = this.#live(id);
    if (row !== undefined) return row;
    const shown = (await this.#boards.received()).find((one) => one.id === id);
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

/** The same for the same conversation; says nothing of whose it is to who does not know that. */
function idOf({ agent, from, owner, sender, session }: ContextOf): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([agent, owner, from, sender, session]))
    .digest('hex');
  return `ctx_${hash.slice(0, 16)}`;
}

function newRow(id: string, of: ContextOf, now: number): ContextRow {
  const { agent, from, owner, sender, session } = of;
  const whose = { agent, owner, from, sender, session };
  const fresh = { first: 1, next: 1, shares: [] };
  return { id, ...whose, key: newKey(), createdAt: now, usedAt: now, ...fresh };
}

function glanceAt({ said, ...info }: ContextContent): ContextInfo {
  return { ...info, lines: said.length };
}

function infoOf(row: ContextRow): ContextInfo {
  const { key: _, owner: _owner, sender: _sender, first, next, shares, ...info } = row;
  return {
    ...info,
    lines: next - first,
    shares: shares.map(({ to, view }) => ({ to, view })),
  };
}

function linesOf(n: number, said: Exchange, at: number): readonly ContextLine[] {
  const { answer, message, question, zone } = said;
  const common = { at, zone, message };
  return [
    { n, role: 'user', text: cut(question), ...common },
    { n: n + 1, role: 'assistant', text: cut(answer), ...common },
  ];
}

/** No half of a character is left at the end. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= LINE_BYTES_MAX) return text;
  return bytes
    .subarray(0, LINE_BYTES_MAX)
    .toString()
    .replace(/\ufffd+$/, '');
}

function newest(lines: readonly ContextLine[]): readonly ContextLine[] {
  let bytes = 0;
  const from = lines.findLastIndex(
    (line) => (bytes += Buffer.byteLength(line.text)) > RECALL_BYTES_MAX,
  );
  return lines.slice(from + 1);
}

/** The least trusted zone of what somebody is reminded of. */
export function zoneOfRecalled({ said, summary }: Recalled): ContextLine['zone'] {
  const zones = said.map(({ zone }) => zone);
  return leastTrusted([...zones, ...(summary === undefined ? [] : [summary.zone])]) ?? 'local';
}

function unknown(id: string): StarlingError {
  return new StarlingError(
    'STARLING_CONTEXT_UNKNOWN',
    `this node has no conversation '${printable(id, 80)}'`,
    { hint: 'see which there are: starling context list' },
  );
}

function summarisedMeanwhile(id: string): StarlingError {
  return new StarlingError('STARLING_USAGE', 'it was summarised meanwhile', {
    hint: `see it: starling context show ${id}`,
  });
}

/** Who is shown a conversation reads it, and changes nothing of it. */
function ofAnother(id: string, by: Did): StarlingError {
  return new StarlingError(
    'STARLING_CONTEXT_UNKNOWN',
    `this node only reads '${printable(id, 80)}': it belongs to the node ${by}, which shows it`,
    { hint: `change it there; to read it here: starling context show ${printable(id, 80)}` },
  );
}

function wrong(why: string, hint?: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `the conversation can't be shared like that: ${why}`,
    hint === undefined ? {} : { hint: `make one: ${hint}` },
  );
}

function tooManyShares(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a conversation is shown to ${SHARES_MAX} nodes at the most`,
    { hint: 'end one: starling context share <id> <node> --view none' },
  );
}

function tooManyContexts(agent: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `agent ${agent} has ${CONTEXTS_PER_AGENT} conversations, and all are shown to somebody`,
    { hint: 'delete one: starling context delete <id>' },
  );
}
