/**
 * Trust on first use of what servers list. What a server lists at first sight is pinned; what differs
 * later is quarantined until the operator approves it. Whoever lists tools asks `review` and offers
 * only what it allows. The rules are in the README under "Pinned definitions".
 */
import { EventEmitter } from 'node:events';
import { BUILTIN_SERVER, StarlingError, messageOf, printable } from '../../core/index.ts';
import type { Clock, Health, Logger, PeerId, Startable } from '../../core/index.ts';
import type { Succession, Successions } from '../../grants/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Table } from '../../store/types.ts';
import { definitionOf, instructionsDefinition } from './definition.ts';
import type { Definition, NamedItem, PinKind } from './definition.ts';
import { differenceOf } from './definition-difference.ts';
import { TEXT_MAX, createPinTable } from './pin-rows.ts';
import type { QuarantineReason, PinOwner, PinRow, PinTable } from './pin-rows.ts';
import type { Quarantined } from './quarantine.ts';

/** What is reviewed of a server; whatever else a catalog holds is let be. */
export interface Reviewable {
  readonly tools: readonly NamedItem[];
  readonly prompts: readonly NamedItem[];
  readonly instructions?: string;
}

/** What came of a review. */
export interface Review<Catalog extends Reviewable> {
  /** The catalog without what is quarantined; the very same object when nothing is. */
  readonly allowed: Catalog;
  readonly quarantined: readonly Quarantined[];
}

/** A quarantined thing with what a person needs to decide. */
export interface QuarantineEntry extends Quarantined {
  readonly owner: PinOwner;
  readonly server: string;
  /** Since when; ms since the epoch. */
  readonly since: number;
  /** Lines marked `-`, `+` or two spaces; see {@link differenceOf}. */
  difference(): Promise<readonly string[]>;
}

/** Events of the pins. */
export interface PinsEvents {
  /** Something of this server was approved: review it again. */
  change: [owner: PinOwner, server: string];
  /** The operator approved these of this server. */
  approved: [owner: PinOwner, server: string, names: readonly string[]];
}

/** The pinned definitions. Between `start` and `stop` they are in memory, but for their texts. */
export interface Pins extends Startable {
  readonly events: EventEmitter<PinsEvents>;
  /**
   * Judges what a server lists now. A list without anything is none: a server that is not ready yet
   * says nothing. Own `starling` is let through: its tools are this program.
   */
  review<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog>;
  /**
   * Accepts what a server offers now under `name` (without it: all that is quarantined of the
   * server). Durable when it resolves.
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

interface Offer {
  readonly row: PinRow | undefined;
  readonly definition: Definition;
  readonly quarantined: Quarantined;
  readonly since: number;
  /** Hash that the operator was last shown. */
  readonly shown?: string;
}

interface Server {
  readonly owner: PinOwner;
  readonly server: string;
  readonly rows: Map<string, PinRow>;
  /** What is quarantined of its last list. */
  offers: ReadonlyMap<string, Offer>;
  /** The review of its last list, good for the same object until something is approved. */
  last: WeakMap<Reviewable, { readonly review: Review<Reviewable>; readonly at: number }>;
}

interface Listed {
  readonly key: string;
  readonly kind: PinKind;
  readonly name: string;
  readonly definition: Definition;
}

const TOTAL_MAX = 200_000;
/** The use of a pin is written at most this often. */
const USED_STEP_MS = 86_400_000;
const INSTRUCTIONS = 'instructions';
const WARNING = 'pins-quarantined';

/** Makes the pins. */
export function createPins(components: PinsComponents, init: PinsInit): Pins {
  return new PinBook(components, init);
}

class PinBook implements Pins {
  readonly events = new EventEmitter<PinsEvents>();
  readonly #components: PinsComponents;
  readonly #init: PinsInit;
  readonly #table: PinTable;
  readonly #servers = new Map<string, Server>();
  #isStarted = false;
  /** Rows of all servers. */
  #total = 0;
  /** Offers of all servers. */
  #held = 0;
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

  constructor(components: PinsComponents, init: PinsInit) {
    this.#components = components;
    this.#init = init;
    this.#table = createPinTable(components);
    this.events.setMaxListeners(0);
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    if (this.#init.mode === 'strict') {
      for (const row of await this.#table.load()) {
        this.#serverOf(row.owner, row.server).rows.set(keyOf(row.kind, row.name), row);
        this.#total += 1;
      }
    }
    const { successions } = this.#components;
    for (const succession of successions?.all() ?? []) this.#succeeded(succession);
    successions?.events.on('added', this.#succeeded);
    this.#isStarted = true;
  }

  async stop(): Promise<void> {
    this.#components.successions?.events.off('added', this.#succeeded);
    await this.#moving;
    if (this.#isStarted) await this.#table.stop();
    this.events.removeAllListeners();
  }

  review<Catalog extends Reviewable>(
    owner: PinOwner,
    server: string,
    catalog: Catalog,
  ): Review<Catalog> {
    if (this.#init.mode === 'off' || (owner === '' && server === BUILTIN_SERVER)) {
      return { allowed: catalog, quarantined: [] };
    }
    if (!this.#isStarted) throw new StarlingError('STARLING_STOPPED', 'pins are not loaded yet');
    const now = this.#components.clock.now();
    const last = this.#servers.get(serverKey(owner, server))?.last.get(catalog);
    if (last !== undefined && now - last.at < USED_STEP_MS) return last.review as Review<Catalog>;
    const listed = listedOf(catalog);
    if (listed.length === 0) return { allowed: catalog, quarantined: [] };
    const known = this.#serverOf(owner, server);
    const review = withoutHeld(catalog, this.#judge(known, listed));
    known.last.set(catalog, { review, at: now });
    this.#trim();
    this.#tellHealth();
    return review;
  }

  async approve(owner: PinOwner, server: string, name?: string): Promise<readonly Quarantined[]> {
    const known = this.#servers.get(serverKey(owner, server));
    const offers = [...(known?.offers ?? [])].filter(
      ([, { quarantined }]) => name === undefined || quarantined.name === name,
    );
    if (known === undefined || offers.length === 0) {
      const what = printable(name === undefined ? server : `${server}/${name}`);
      throw new StarlingError('STARLING_TOOL_UNKNOWN', `nothing of ${what} is quarantined`, {
        hint: 'see what is: starling pin list',
      });
    }
    for (const [, { quarantined, shown, definition }] of offers) {
      if (shown === undefined || shown === definition.hash) continue;
      throw new StarlingError(
        'STARLING_TOOL_QUARANTINED',
        `${printable(quarantined.name)} of ${printable(server)} has changed again since it was shown`,
        { hint: 'look at it once more: starling pin list' },
      );
    }
    const approved = new Set(offers.map(([key]) => key));
    for (const [key, offer] of offers) this.#pin(known, key, offer);
    this.#setOffers(known, new Map([...known.offers].filter(([key]) => !approved.has(key))));
    this.#trim();
    this.#tellHealth();
    try {
      await this.#table.flush();
    } finally {
      this.events.emit('change', owner, server);
      const names = offers.map(([, { quarantined }]) => quarantined.name);
      this.events.emit('approved', owner, server, names);
    }
    return offers.map(([, offer]) => offer.quarantined);
  }

  list(): readonly QuarantineEntry[] {
    return [...this.#servers.values()]
      .flatMap((server) =>
        [...server.offers].map(([key, offer]) => this.#entry(server, key, offer)),
      )
      .sort((a, b) => a.since - b.since);
  }

  count(): number {
    let count = 0;
    for (const { rows } of this.#servers.values()) {
      for (const row of rows.values()) if (row.held === undefined) count += 1;
    }
    return count;
  }

  #entry(server: Server, key: string, offer: Offer): QuarantineEntry {
    return {
      ...offer.quarantined,
      owner: server.owner,
      server: server.server,
      since: offer.since,
      difference: () => this.#difference(server, key, offer),
    };
  }

  async #difference(server: Server, key: string, offer: Offer): Promise<readonly string[]> {
    const { hash, canonical } = offer.definition;
    const was = offer.row === undefined ? undefined : await this.#table.text(offer.row);
    const current = server.offers.get(key);
    if (current !== undefined) {
      server.offers = new Map(server.offers).set(key, { ...current, shown: hash });
    }
    const lines = differenceOf(was, canonical().slice(0, TEXT_MAX));
    if (lines.length > 0) return lines;
    return [`@@ it differs only after its first ${TEXT_MAX} characters @@`];
  }

  /** Judges a list, pins what may be pinned, and gives what is quarantined, by key. */
  #judge(server: Server, listed: readonly Listed[]): ReadonlyMap<string, Offer> {
    const now = this.#components.clock.now();
    const isFirst = server.rows.size === 0;
    const here = new Set(listed.map(({ key }) => key));
    const gone = this.#markGone(server, here);
    const room = roomOf(server, this.#init.perServerMax);
    const absent = absentByBare(server, here);
    const offers = new Map<string, Offer>();
    for (const one of listed) {
      const { key, kind, name, definition } = one;
      const row = server.rows.get(key);
      const twin = isFirst ? undefined : absent.get(`${kind} ${definition.bare}`);
      let reason: QuarantineReason | undefined;
      if (row === undefined) {
        if (twin !== undefined) reason = 'renamed';
        else if (!isFirst && (server.owner === '' || gone.has(kind))) reason = 'new';
        else if (definition.flags.length > 0) reason = 'invisible';
        if (room[kind] > 0) {
          room[kind] -= 1;
          this.#add(server, rowOf(server, one, now, reason, twin?.name), definition);
        } else reason ??= 'new';
      } else {
        this.#touch(server, key, row, now);
        if (row.held === undefined) reason = row.hash === definition.hash ? undefined : 'changed';
        else reason = row.held === 'invisible' && definition.flags.length === 0 ? 'new' : row.held;
      }
      if (reason === undefined) continue;
      const before = server.offers.get(key);
      const kept = server.rows.get(key);
      const was = reason === 'renamed' ? (kept?.was ?? twin?.name) : undefined;
      const renamed = was === undefined ? undefined : server.rows.get(keyOf(kind, was));
      if (before === undefined) this.#log(server, one, reason);
      offers.set(key, {
        row: reason === 'changed' ? kept : renamed,
        definition,
        quarantined: {
          kind,
          name,
          reason,
          ...(was === undefined ? {} : { was }),
          flags: definition.flags,
        },
        since: before?.since ?? (kept?.held === undefined ? now : kept.seenAt),
        ...(before?.shown === undefined ? {} : { shown: before.shown }),
      });
    }
    this.#setOffers(server, offers);
    return offers;
  }

  #setOffers(server: Server, offers: ReadonlyMap<string, Offer>): void {
    server.last = new WeakMap();
    this.#held += offers.size - server.offers.size;
    server.offers = offers;
  }

  /** Marks what the list no longer has; gives the kinds of which something pinned went just now. */
  #markGone(server: Server, here: ReadonlySet<string>): ReadonlySet<PinKind> {
    const kinds = new Set<PinKind>();
    for (const [key, row] of server.rows) {
      if (!row.listed || here.has(key)) continue;
      if (row.held === undefined) kinds.add(row.kind);
      this.#set(server, key, { ...row, listed: false });
    }
    return kinds;
  }

  #touch(server: Server, key: string, row: PinRow, now: number): void {
    if (row.listed && now - row.usedAt < USED_STEP_MS) return;
    this.#set(server, key, { ...row, listed: true, usedAt: now });
  }

  #pin(server: Server, key: string, offer: Offer): void {
    const { kind, name } = offer.quarantined;
    const now = this.#components.clock.now();
    const row = rowOf(server, { key, kind, name, definition: offer.definition }, now);
    if (server.rows.has(key)) this.#set(server, key, row, offer.definition);
    else {
      if (roomOf(server, this.#init.perServerMax)[kind] <= 0) this.#dropOldest(server, kind);
      this.#add(server, row, offer.definition);
    }
  }

  #add(server: Server, row: PinRow, definition: Definition): void {
    this.#total += 1;
    this.#set(server, keyOf(row.kind, row.name), row, definition);
  }

  #set(server: Server, key: string, row: PinRow, definition?: Definition): void {
    server.rows.set(key, row);
    this.#table.keep(row, definition?.canonical());
  }

  #drop(row: PinRow): void {
    const key = serverKey(row.owner, row.server);
    const server = this.#servers.get(key);
    if (server?.rows.delete(keyOf(row.kind, row.name)) !== true) return;
    this.#total -= 1;
    this.#table.drop(row);
    if (server.rows.size === 0 && server.offers.size === 0) this.#servers.delete(key);
  }

  #dropOldest(server: Server, kind: PinKind): void {
    const [oldest] = [...server.rows.values()]
      .filter((row) => row.kind === kind && !row.listed)
      .sort((a, b) => a.usedAt - b.usedAt);
    if (oldest !== undefined) this.#drop(oldest);
  }

  /** Keeps the total bound. */
  #trim(): void {
    const totalMax = this.#init.totalMax ?? TOTAL_MAX;
    while (this.#total > totalMax) {
      const byOwner = new Map<PinOwner, PinRow[]>();
      for (const { owner, rows } of this.#servers.values()) {
        const all = byOwner.get(owner) ?? [];
        for (const row of rows.values()) all.push(row);
        byOwner.set(owner, all);
      }
      const peers = [...byOwner].filter(([owner]) => owner !== '').map(([, rows]) => rows);
      const most = (peers.length > 0 ? peers : [...byOwner.values()]).toSorted(
        (a, b) => b.length - a.length,
      )[0];
      if (most === undefined) return;
      // A little more than needed, so that the next list does not have to sort again.
      const excess = this.#total - totalMax + Math.ceil(totalMax / 64);
      most.sort((a, b) => Number(a.listed) - Number(b.listed) || a.usedAt - b.usedAt);
      for (const row of most.slice(0, excess)) this.#drop(row);
      this.#components.logger.warn({ dropped: Math.min(excess, most.length) }, 'old pins dropped');
    }
  }

  /** Moves the pins of `before` to `now`: what was trusted of the one is what is trusted of the other. */
  async #move(before: PeerId, now: PeerId): Promise<void> {
    const moved: { readonly old: PinRow; readonly row: PinRow }[] = [];
    for (const [key, server] of this.#servers) {
      if (server.owner !== before) continue;
      this.#servers.delete(key);
      this.#held -= server.offers.size;
      const target = this.#serverOf(now, server.server);
      for (const [name, old] of server.rows) {
        // Of two the older one counts: nothing is trusted anew because it came under a new key.
        if (target.rows.has(name)) this.#total -= 1;
        const row = { ...old, owner: now };
        target.rows.set(name, row);
        moved.push({ old, row });
      }
      target.last = new WeakMap();
    }
    for (const { old, row } of moved) {
      const text = await this.#table.text(old);
      this.#table.keep(row, text);
      this.#table.drop(old);
    }
    if (moved.length > 0) this.#tellHealth();
  }

  #serverOf(owner: PinOwner, server: string): Server {
    const key = serverKey(owner, server);
    let known = this.#servers.get(key);
    if (known === undefined) {
      known = { owner, server, rows: new Map(), offers: new Map(), last: new WeakMap() };
      this.#servers.set(key, known);
    }
    return known;
  }

  #log(server: Server, one: Listed, reason: QuarantineReason): void {
    this.#components.logger.warn(
      { peer: server.owner, server: server.server, kind: one.kind, name: one.name, reason },
      'definition quarantined',
    );
  }

  #tellHealth(): void {
    const count = this.#held;
    if (count === 0) this.#components.health.clear(WARNING);
    else {
      const what = count === 1 ? '1 definition is' : `${count} definitions are`;
      this.#components.health.raise({
        code: WARNING,
        text: `${what} quarantined, because they are not as they were pinned`,
        hint: 'see the differences: starling pin list',
      });
    }
  }
}

function withoutHeld<Catalog extends Reviewable>(
  catalog: Catalog,
  offers: ReadonlyMap<string, Offer>,
): Review<Catalog> {
  const quarantined = [...offers.values()].map((offer) => offer.quarantined);
  if (quarantined.length === 0) return { allowed: catalog, quarantined };
  const isFree = (kind: PinKind, name: string): boolean => !offers.has(keyOf(kind, name));
  const { instructions: _, ...rest } = catalog;
  const allowed = {
    ...(isFree('instructions', INSTRUCTIONS) ? catalog : rest),
    tools: catalog.tools.filter((tool) => isFree('tool', tool.name)),
    prompts: catalog.prompts.filter((prompt) => isFree('prompt', prompt.name)),
  };
  return { allowed: allowed as unknown as Catalog, quarantined };
}

function listedOf(catalog: Reviewable): readonly Listed[] {
  const named = (kind: 'tool' | 'prompt', item: NamedItem): Listed => ({
    key: keyOf(kind, item.name),
    kind,
    name: item.name,
    definition: definitionOf(kind, item),
  });
  const { instructions } = catalog;
  return [
    ...catalog.tools.map((tool) => named('tool', tool)),
    ...catalog.prompts.map((prompt) => named('prompt', prompt)),
    ...(instructions === undefined || instructions === ''
      ? []
      : [
          {
            key: keyOf('instructions', INSTRUCTIONS),
            kind: 'instructions' as const,
            name: INSTRUCTIONS,
            definition: instructionsDefinition(instructions),
          },
        ]),
  ];
}

function rowOf(
  server: Server,
  { kind, name, definition }: Listed,
  now: number,
  held?: QuarantineReason,
  was?: string,
): PinRow {
  return {
    owner: server.owner,
    server: server.server,
    kind,
    name,
    ...(held === undefined ? {} : { held }),
    ...(held !== 'renamed' || was === undefined ? {} : { was }),
    hash: definition.hash,
    bare: definition.bare,
    seenAt: now,
    usedAt: now,
    listed: true,
  };
}

/** How many more of each kind may be kept. */
function roomOf(server: Server, max: number): Record<PinKind, number> {
  const room = { tool: max, prompt: max, instructions: 1 };
  for (const { kind } of server.rows.values()) room[kind] -= 1;
  return room;
}

/** Pinned things that the list has not, by kind and definition without the name. */
function absentByBare(server: Server, here: ReadonlySet<string>): ReadonlyMap<string, PinRow> {
  const absent = new Map<string, PinRow>();
  for (const [key, row] of server.rows) {
    if (row.held === undefined && !here.has(key)) absent.set(`${row.kind} ${row.bare}`, row);
  }
  return absent;
}

function keyOf(kind: PinKind, name: string): string {
  return `${kind} ${name}`;
}

function serverKey(owner: PinOwner, server: string): string {
  return `${owner}/${server}`;
}
