/**
 * Trust on first use of what servers list. What a server lists at first sight is pinned; what differs
 * later is quarantined until the operator approves it. Whoever lists tools asks `offered`, and offers
 * only what it allows: what is pinned, and whose pin is on disk. The rules are in the README under "Pinned definitions".
 */
import { EventEmitter } from 'node:events';
import { BUILTIN_SERVER, StarlingError, messageOf, printable } from '../../core/index.ts';
import type { Clock, Health, Logger, PeerId, Startable } from '../../core/index.ts';
import type { Grant, GrantOrigin, Succession, Successions } from '../../grants/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Table } from '../../store/types.ts';
import { definitionOf } from './definition.ts';
import { differenceOf } from './definition-difference.ts';
import { grantedNames } from './granted-names.ts';
import type { PinGrants } from './granted-names.ts';
import { isOwn } from './own-catalogs.ts';
import { TEXT_MAX, createPinTable } from './pin-rows.ts';
import type { PinOwner, PinRow, PinTable } from './pin-rows.ts';
import { createPinnedServer, isReviewable } from './pinned-server.ts';
import type {
  PinTotals,
  PinnedServer,
  QuarantineCase,
  Review,
  Reviewable,
} from './pinned-server.ts';
import type { Quarantined } from './quarantine.ts';

export type { Review, Reviewable } from './pinned-server.ts';

/** A quarantined thing with what a person needs to decide. */
export interface QuarantineEntry extends Quarantined {
  readonly owner: PinOwner;
  readonly server: string;
  /** Since when; ms since the epoch. */
  readonly since: number;
  /** Lines marked `-`, `+` or two spaces; see {@link differenceOf}. */
  difference(): Promise<readonly string[]>;
}

/** Heard by the views, which offer a tool only while its pin fits. */
export interface PinsEvents {
  /** Something of this server was approved, or its pins are on disk now or were refused: review it again. */
  change: [owner: PinOwner, server: string];
  /** The operator approved these of this server. */
  approved: [owner: PinOwner, server: string, names: readonly string[]];
}

/** The pinned definitions. Between `start` and `stop` they are in memory, but for their texts. */
export interface Pins extends Startable {
  readonly events: EventEmitter<PinsEvents>;
  /**
   * Compares what a server lists now with its pins. An empty list is no list: a server that is not
   * ready yet says nothing. The built-in server is let through: its tools are this program.
   */
  review<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog>;
  /**
   * Reads the definitions of long lists in parts, so that others have turns of the loop before the lists are
   * reviewed; undefined where they are short. Never rejects.
   */
  read(catalogs: readonly Reviewable[]): Promise<void> | undefined;
  /** {@link review}, without what was pinned at first sight and is not on disk yet. */
  offered<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog>;
  /**
   * Resolves when the pins that are on their way to the disk are there, or were refused, after the events that
   * say so; undefined when none is on its way. Never rejects.
   */
  keeping(): Promise<void> | undefined;
  /**
   * Accepts what a server offers now under `name` (without it: all that is quarantined of the
   * server), once that is on disk; when the disk refuses, all stays quarantined.
   * @throws STARLING_TOOL_UNKNOWN when nothing of that name is quarantined; STARLING_TOOL_QUARANTINED
   * when it is no longer what was last shown
   */
  approve(owner: PinOwner, server: string, name?: string): Promise<readonly Quarantined[]>;
  /** All that is quarantined of each server's last list, oldest first. */
  list(): readonly QuarantineEntry[];
  /** How many definitions are pinned. */
  count(): number;
}

/** What pins work with. */
export interface PinsComponents {
  readonly table: Table;
  /** Who took whose place: pins of a peer go on under its new key. Default: nobody. */
  readonly successions?: Pick<Successions, 'all' | 'current' | 'events'>;
  /** What peers have granted us: what comes into sight by that is no change. Default: nothing. */
  readonly grants?: PinGrants;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** How strict pins are, and their bounds. */
export interface PinsInit {
  /** `off`: everything is allowed, nothing is kept. */
  readonly mode: 'strict' | 'off';
  /** Pins of one kind kept of one server: `limits.tools`. Beyond it new names are quarantined. */
  readonly perServerMax: number;
  /**
   * Pins kept in all; default 200,000. Beyond it the peer with the most loses those that were
   * listed longest ago; own servers lose theirs last.
   */
  readonly totalMax?: number;
}

/** Pins kept in all, where nothing else is said. */
const TOTAL_MAX = 200_000;
/** Definitions that are read in one turn of the loop: each costs about 25 µs. */
const READ_AT_ONCE = 250;
/** Code of the warning that something is quarantined. */
const WARNING = 'pins-quarantined';
/** Code of the warning that pins are not on disk, so that what they are of is not offered. */
const UNKEPT_WARNING = 'pins-unkept';

/** Nothing is read from disk before `start`. */
export function createPins(components: PinsComponents, init: PinsInit): Pins {
  return new NodePins(components, init);
}

class NodePins implements Pins {
  readonly events = new EventEmitter<PinsEvents>();
  readonly #components: PinsComponents;
  readonly #init: PinsInit;
  readonly #table: PinTable;
  readonly #servers = new Map<string, PinnedServer>();
  readonly #totals: PinTotals = { rows: 0, quarantined: 0 };
  #isStarted = false;
  /** Servers with pins that are not on disk yet. */
  readonly #unkept = new Set<PinnedServer>();
  #keeping: Promise<void> | undefined;
  /** Ends when the rows of peers with a new key are under that; never rejects. */
  #moving: Promise<void> = Promise.resolve();
  readonly #succeeded = ({ claims }: Succession): void => {
    const { successions, logger } = this.#components;
    const current = successions?.current(claims.iss) ?? claims.sub;
    const moved = this.#move(peerIdFromDid(claims.iss), peerIdFromDid(current));
    this.#moving = Promise.all([this.#moving, moved]).then(
      () => undefined,
      (error: unknown) => logger.error({ error: messageOf(error) }, 'pins not moved to a new key'),
    );
  };

  /** A peer's list may have been here before the grant that explains it. */
  readonly #granted = (_: Grant, how: GrantOrigin): void => {
    if (how !== 'received') return;
    for (const server of this.#servers.values()) {
      if (server.owner === '' || !server.recheckNew()) continue;
      this.events.emit('change', server.owner, server.server);
    }
  };

  constructor(components: PinsComponents, init: PinsInit) {
    this.#components = components;
    this.#init = init;
    this.#table = createPinTable({ ...components, recovered: () => this.#settleUnkept(true) });
    this.events.setMaxListeners(0);
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    if (this.#init.mode === 'strict') {
      for (const row of await this.#table.load()) this.#serverOf(row.owner, row.server).load(row);
    }
    const { successions } = this.#components;
    for (const succession of successions?.all() ?? []) this.#succeeded(succession);
    successions?.events.on('added', this.#succeeded);
    this.#components.grants?.events.on('kept', this.#granted);
    this.#isStarted = true;
  }

  async stop(): Promise<void> {
    this.#components.successions?.events.off('added', this.#succeeded);
    this.#components.grants?.events.off('kept', this.#granted);
    await this.#moving;
    if (this.#isStarted) await this.#table.stop();
    this.events.removeAllListeners();
  }

  review<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog> {
    const isOurs = owner === '' && (server === BUILTIN_SERVER || isOwn(catalog));
    if (this.#init.mode === 'off' || isOurs) {
      return { allowed: catalog, quarantined: [] };
    }
    if (!this.#isStarted) throw new StarlingError('STARLING_STOPPED', 'pins are not loaded yet');
    const now = this.#components.clock.now();
    const known = this.#servers.get(serverKey(owner, server))?.reviewed(catalog, now);
    if (known !== undefined) return known as Review<Catalog>;
    if (!isReviewable(catalog)) return { allowed: catalog, quarantined: [] };
    const pinned = this.#serverOf(owner, server);
    const before = pinned.unkept;
    const review = pinned.review(catalog, now);
    this.#trim();
    this.#tellHealth();
    if (pinned.unkept > before) this.#keep(pinned);
    return review;
  }

  read(catalogs: readonly Reviewable[]): Promise<void> | undefined {
    if (this.#init.mode === 'off') return undefined;
    const count = catalogs.reduce(
      (sum, { tools, prompts }) => sum + tools.length + prompts.length,
      0,
    );
    return count <= READ_AT_ONCE ? undefined : readInTurns(catalogs);
  }

  offered<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog> {
    const review = this.review(owner, server, catalog);
    const pinned = this.#servers.get(serverKey(owner, server));
    if (pinned === undefined || pinned.unkept === 0) return review;
    return { ...review, allowed: pinned.withoutUnkept(review.allowed) };
  }

  keeping(): Promise<void> | undefined {
    return this.#keeping;
  }

  async approve(owner: PinOwner, server: string, name?: string): Promise<readonly Quarantined[]> {
    const known = this.#servers.get(serverKey(owner, server));
    const cases = [...(known?.cases ?? [])].filter(
      ([, { quarantined }]) => name === undefined || quarantined.name === name,
    );
    if (known === undefined || cases.length === 0) throw nothingQuarantined(server, name);
    checkShown(server, cases);
    const now = this.#components.clock.now();
    await this.#table.write(known.rowsOf(new Map(cases), now));
    known.approve(new Map(cases), now);
    this.#trim();
    this.#tellHealth();
    const approved = cases.map(([, { quarantined }]) => quarantined);
    this.events.emit('change', owner, server);
    const names = approved.map((one) => one.name);
    this.events.emit('approved', owner, server, names);
    return approved;
  }

  list(): readonly QuarantineEntry[] {
    return [...this.#servers.values()]
      .flatMap((server) => [...server.cases].map(([key, one]) => this.#entry(server, key, one)))
      .sort((a, b) => a.since - b.since);
  }

  count(): number {
    let count = 0;
    for (const { rows } of this.#servers.values()) {
      for (const row of rows) if (row.quarantined === undefined) count += 1;
    }
    return count;
  }

  /** Brings the pins of a server to the disk, and offers what they are of only then. */
  #keep(pinned: PinnedServer): void {
    this.#unkept.add(pinned);
    this.#keeping ??= this.#flush();
  }

  async #flush(): Promise<void> {
    try {
      do await this.#table.flush();
      while (!this.#table.isWritten);
      this.#settleUnkept(true);
    } catch {
      // The table tries again by itself.
      this.#settleUnkept(false);
    }
  }

  #settleUnkept(areKept: boolean): void {
    this.#keeping = undefined;
    const { health } = this.#components;
    const servers = [...this.#unkept];
    if (areKept) {
      health.clear(UNKEPT_WARNING);
      this.#unkept.clear();
      for (const pinned of servers) pinned.kept();
    } else {
      const count = servers.reduce((sum, { unkept }) => sum + unkept, 0);
      health.raise({
        code: UNKEPT_WARNING,
        text: `${count} definitions were seen for the first time and are not offered, because their pins could not be written`,
        hint: 'free space on the disk of the state folder; they are offered as soon as their pins are written',
      });
    }
    for (const { owner, server } of servers) this.events.emit('change', owner, server);
  }

  #entry(server: PinnedServer, key: string, one: QuarantineCase): QuarantineEntry {
    return {
      ...one.quarantined,
      owner: server.owner,
      server: server.server,
      since: one.since,
      difference: () => this.#difference(server, key, one),
    };
  }

  async #difference(
    server: PinnedServer,
    key: string,
    one: QuarantineCase,
  ): Promise<readonly string[]> {
    const was = one.row === undefined ? undefined : await this.#table.text(one.row);
    server.show(key, one);
    const lines = differenceOf(was, one.definition.canonical().slice(0, TEXT_MAX));
    if (lines.length > 0) return lines;
    return [`@@ it differs only after its first ${TEXT_MAX} characters @@`];
  }

  /** Keeps the total bound: of the peer with the most, what was listed longest ago goes first. */
  #trim(): void {
    const totalMax = this.#init.totalMax ?? TOTAL_MAX;
    while (this.#totals.rows > totalMax) {
      const most = this.#rowsOfLargestOwner();
      if (most.length === 0) return;
      // A little more than needed, so that the next list does not have to sort again.
      const excess = this.#totals.rows - totalMax + Math.ceil(totalMax / 64);
      most.sort((a, b) => Number(a.listed) - Number(b.listed) || a.usedAt - b.usedAt);
      for (const row of most.slice(0, excess)) this.#drop(row);
      this.#components.logger.warn({ dropped: Math.min(excess, most.length) }, 'old pins dropped');
    }
  }

  /** Own servers lose theirs only when no peer has any. */
  #rowsOfLargestOwner(): PinRow[] {
    const byOwner = new Map<PinOwner, PinRow[]>();
    for (const { owner, rows } of this.#servers.values()) {
      const all = byOwner.get(owner) ?? [];
      for (const row of rows) all.push(row);
      byOwner.set(owner, all);
    }
    const own = byOwner.get('') ?? [];
    byOwner.delete('');
    let largest: PinRow[] = [];
    for (const rows of byOwner.values()) if (rows.length > largest.length) largest = rows;
    return largest.length > 0 ? largest : own;
  }

  #drop(row: PinRow): void {
    const key = serverKey(row.owner, row.server);
    const server = this.#servers.get(key);
    if (server === undefined) return;
    server.drop(row);
    if (server.isEmpty) this.#servers.delete(key);
  }

  /** Moves the pins of `before` to `now`: what was trusted of the one is what is trusted of the other. */
  async #move(before: PeerId, now: PeerId): Promise<void> {
    const moved: { readonly old: PinRow; readonly row: PinRow }[] = [];
    for (const [key, server] of this.#servers) {
      if (server.owner !== before) continue;
      this.#servers.delete(key);
      const target = this.#serverOf(now, server.server);
      for (const old of server.empty()) moved.push({ old, row: target.adopt(old) });
    }
    for (const { old, row } of moved) {
      const text = await this.#table.text(old);
      this.#table.keep(row, text);
      this.#table.drop(old);
    }
    if (moved.length > 0) this.#tellHealth();
  }

  #serverOf(owner: PinOwner, server: string): PinnedServer {
    const key = serverKey(owner, server);
    let known = this.#servers.get(key);
    if (known === undefined) {
      const { logger, grants } = this.#components;
      known = createPinnedServer(
        { table: this.#table, totals: this.#totals, logger },
        {
          owner,
          server,
          perKindMax: this.#init.perServerMax,
          ...(owner === '' || grants === undefined
            ? {}
            : { granted: () => grantedNames(grants, owner, server) }),
        },
      );
      this.#servers.set(key, known);
    }
    return known;
  }

  #tellHealth(): void {
    const count = this.#totals.quarantined;
    if (count === 0) this.#components.health.clear(WARNING);
    else {
      const text =
        count === 1
          ? '1 definition is held back: it came or changed after its server was pinned'
          : `${count} definitions are held back: they came or changed after their server was pinned`;
      this.#components.health.raise({
        code: WARNING,
        text,
        hint: 'look, and how to allow: starling pin list',
      });
    }
  }
}

/** What was read once is known when it is reviewed. */
async function readInTurns(catalogs: readonly Reviewable[]): Promise<void> {
  let count = 0;
  for (const { tools, prompts } of catalogs) {
    for (const [kind, items] of [['tool', tools] as const, ['prompt', prompts] as const]) {
      for (const item of items) {
        definitionOf(kind, item);
        count += 1;
        if (count % READ_AT_ONCE === 0) await new Promise((turn) => setImmediate(turn));
      }
    }
  }
}

function nothingQuarantined(server: string, name: string | undefined): StarlingError {
  const what = printable(name === undefined ? server : `${server}/${name}`);
  return new StarlingError('STARLING_TOOL_UNKNOWN', `nothing of ${what} is quarantined`, {
    hint: 'see what is: starling pin list',
  });
}

/** Each approval holds for what the operator was shown. @throws STARLING_TOOL_QUARANTINED */
function checkShown(server: string, cases: readonly (readonly [string, QuarantineCase])[]): void {
  for (const [, { quarantined, shown, definition }] of cases) {
    if (shown === undefined || shown === definition.hash) continue;
    throw new StarlingError(
      'STARLING_TOOL_QUARANTINED',
      `${printable(quarantined.name)} of ${printable(server)} has changed again since it was shown`,
      { hint: 'look at it once more: starling pin list' },
    );
  }
}

function serverKey(owner: PinOwner, server: string): string {
  return `${owner}/${server}`;
}
