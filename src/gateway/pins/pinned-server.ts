/**
 * What of one server is pinned, and what of its last list is quarantined. Compares a list with the pins
 * and says what may be offered; knows nothing of other servers, and nothing of why it is asked.
 */
import type { Logger } from '../../core/index.ts';
import { definitionOf, instructionsDefinition } from './definition.ts';
import type { Definition, NamedItem, PinKind } from './definition.ts';
import type { GrantedNames } from './granted-names.ts';
import type { PinOwner, PinRow, PinTable, QuarantineReason } from './pin-rows.ts';
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

/** Something of a server's last list that waits for the operator. */
export interface QuarantineCase {
  /** The pin that it differs from; undefined for what is new. */
  readonly row: PinRow | undefined;
  readonly definition: Definition;
  readonly quarantined: Quarantined;
  /** ms since the epoch */
  readonly since: number;
  /** Hash of the definition that the operator was last shown. */
  readonly shown?: string;
}

/** How much there is of all servers together. */
export interface PinTotals {
  rows: number;
  quarantined: number;
}

/** What servers share. */
export interface PinnedServerComponents {
  readonly table: Pick<PinTable, 'keep' | 'drop'>;
  readonly totals: PinTotals;
  readonly logger: Logger;
}

/** Bounds of one server. */
export interface PinnedServerInit {
  readonly owner: PinOwner;
  readonly server: string;
  /** Pins of one kind that are kept; beyond them new names are quarantined. */
  readonly perKindMax: number;
  /** What the owner has granted us of the server; absent for servers of this node. */
  readonly granted?: () => GrantedNames;
}

interface ListedDefinition {
  readonly key: string;
  readonly kind: PinKind;
  readonly name: string;
  readonly definition: Definition;
}

/** Whether a grant explains that a name is in sight. */
type IsGranted = (kind: PinKind, name: string) => boolean;

/** The use of a pin is written at most this often, and a review is good for at most so long. */
const USED_STEP_MS = 86_400_000;
/** What a server's instructions are called among its pins. */
const INSTRUCTIONS = 'instructions';

export type { PinnedServer };

/** Makes a server of which nothing is pinned yet. */
export function createPinnedServer(
  components: PinnedServerComponents,
  init: PinnedServerInit,
): PinnedServer {
  return new PinnedServer(components, init);
}

class PinnedServer {
  readonly owner: PinOwner;
  readonly server: string;
  readonly #components: PinnedServerComponents;
  readonly #init: PinnedServerInit;
  readonly #rows = new Map<string, PinRow>();
  #cases: ReadonlyMap<string, QuarantineCase> = new Map();
  /** Keys of what was pinned at first sight and may not be on disk yet. */
  readonly #unkept = new Set<string>();
  /** The review of each list, good for the same object until something is approved. */
  #reviews = new WeakMap<
    Reviewable,
    { readonly review: Review<Reviewable>; readonly at: number }
  >();

  constructor(components: PinnedServerComponents, init: PinnedServerInit) {
    this.owner = init.owner;
    this.server = init.server;
    this.#components = components;
    this.#init = init;
  }

  /** What is pinned, or was seen and never accepted. */
  get rows(): Iterable<PinRow> {
    return this.#rows.values();
  }

  /** What is quarantined of the last list, by key. */
  get cases(): ReadonlyMap<string, QuarantineCase> {
    return this.#cases;
  }

  /** How much was pinned at first sight and may not be on disk yet. */
  get unkept(): number {
    return this.#unkept.size;
  }

  /** All that was pinned is on disk. */
  kept(): void {
    this.#unkept.clear();
  }

  /** `catalog` without what is not on disk yet; the very same object when all is. */
  withoutUnkept<Catalog extends Reviewable>(catalog: Catalog): Catalog {
    return this.#unkept.size === 0 ? catalog : without(catalog, this.#unkept);
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0 && this.#cases.size === 0;
  }

  /** Takes a row as it was read from the table. */
  load(row: PinRow): void {
    this.#rows.set(keyOf(row.kind, row.name), row);
    this.#components.totals.rows += 1;
  }

  /** The review of this very list, if there was one not long before `now`. */
  reviewed(catalog: Reviewable, now: number): Review<Reviewable> | undefined {
    const last = this.#reviews.get(catalog);
    return last !== undefined && now - last.at < USED_STEP_MS ? last.review : undefined;
  }

  /** Compares a list with the pins: pins what may be pinned, and quarantines the rest. */
  review<Catalog extends Reviewable>(catalog: Catalog, now: number): Review<Catalog> {
    const cases = this.#compare(listedIn(catalog), now);
    this.#setCases(cases);
    const review = withoutQuarantined(catalog, cases);
    this.#reviews.set(catalog, { review, at: now });
    return review;
  }

  /** Lets the next review look again at what is quarantined as new; false when nothing is. */
  recheckNew(): boolean {
    const isAny = [...this.#cases.values()].some(({ quarantined: { reason } }) => reason === 'new');
    if (isAny) this.#reviews = new WeakMap();
    return isAny;
  }

  /** The operator has been shown the difference of `shown`. */
  show(key: string, shown: QuarantineCase): void {
    const current = this.#cases.get(key);
    if (current === undefined) return;
    this.#cases = new Map(this.#cases).set(key, { ...current, shown: shown.definition.hash });
  }

  /** The rows that `cases` would be as pins, and their definitions. */
  rowsOf(
    cases: ReadonlyMap<string, QuarantineCase>,
    now: number,
  ): readonly (readonly [row: PinRow, canonical: string])[] {
    return [...cases].map(
      ([
        key,
        {
          quarantined: { kind, name },
          definition,
        },
      ]) => [this.#rowOf({ key, kind, name, definition }, now), definition.canonical()],
    );
  }

  /** Pins `cases`; what has changed meanwhile stays quarantined. */
  approve(cases: ReadonlyMap<string, QuarantineCase>, now: number): void {
    for (const [key, one] of cases) this.#pin(key, one, now);
    const isLeft = ([key, { definition }]: [string, QuarantineCase]): boolean =>
      cases.get(key)?.definition.hash !== definition.hash;
    this.#setCases(new Map([...this.#cases].filter(isLeft)));
  }

  /** Forgets a row. */
  drop(row: PinRow): void {
    const key = keyOf(row.kind, row.name);
    if (!this.#rows.delete(key)) return;
    this.#unkept.delete(key);
    this.#components.totals.rows -= 1;
    this.#components.table.drop(row);
  }

  /** Forgets all, but in the table; gives the rows that there were. */
  empty(): readonly PinRow[] {
    const rows = [...this.#rows.values()];
    this.#components.totals.rows -= rows.length;
    this.#rows.clear();
    this.#unkept.clear();
    this.#setCases(new Map());
    return rows;
  }

  /** Takes over a row of the same server under an earlier key; gives it as it is now. */
  adopt(old: PinRow): PinRow {
    const key = keyOf(old.kind, old.name);
    // Of two the older one counts: nothing is trusted anew because it came under a new key.
    if (!this.#rows.has(key)) this.#components.totals.rows += 1;
    const row = { ...old, owner: this.owner };
    this.#rows.set(key, row);
    this.#reviews = new WeakMap();
    return row;
  }

  #compare(listed: readonly ListedDefinition[], now: number): ReadonlyMap<string, QuarantineCase> {
    const isFirst = this.#rows.size === 0;
    const here = new Set(listed.map(({ key }) => key));
    const gone = this.#markGone(here);
    const room = this.#room();
    const absent = this.#absentByBare(here);
    const isGranted = this.#newlyGranted(here);
    const cases = new Map<string, QuarantineCase>();
    for (const one of listed) {
      const twin = isFirst ? undefined : absent.get(`${one.kind} ${one.definition.bare}`);
      const isLate = (): boolean =>
        !isFirst && (this.owner === '' || gone.has(one.kind)) && !isGranted(one.kind, one.name);
      const row = this.#rows.get(one.key);
      const reason =
        row === undefined
          ? this.#meet(one, { twin, isLate, room, now })
          : this.#meetAgain(one, row, { isGranted, now });
      if (reason !== undefined) cases.set(one.key, this.#caseOf(one, reason, twin, now));
    }
    return cases;
  }

  /** Sees something for the first time, and keeps it while there is room. Undefined when it is pinned. */
  #meet(
    one: ListedDefinition,
    context: {
      /** The pinned thing with the same definition that the list has no more. */
      readonly twin: PinRow | undefined;
      /** New things were not to be expected any more. */
      readonly isLate: () => boolean;
      readonly room: Record<PinKind, number>;
      readonly now: number;
    },
  ): QuarantineReason | undefined {
    const { twin, isLate, room, now } = context;
    const { kind, definition } = one;
    let reason: QuarantineReason | undefined;
    if (twin !== undefined) reason = 'renamed';
    else if (isLate()) reason = 'new';
    else if (definition.flags.length > 0) reason = 'invisible';
    if (room[kind] <= 0) return reason ?? 'new';
    room[kind] -= 1;
    this.#add(this.#rowOf(one, now, reason, twin?.name), definition);
    if (reason === undefined) this.#unkept.add(one.key);
    return reason;
  }

  #meetAgain(
    { key, kind, name, definition }: ListedDefinition,
    row: PinRow,
    { isGranted, now }: { readonly isGranted: IsGranted; readonly now: number },
  ): QuarantineReason | undefined {
    if (!row.listed || now - row.usedAt >= USED_STEP_MS) {
      this.#set(key, { ...row, listed: true, usedAt: now });
    }
    const { quarantined } = row;
    if (quarantined === undefined) return row.hash === definition.hash ? undefined : 'changed';
    // The list was here before the grant that explains it.
    if (quarantined === 'new' && row.hash === definition.hash && isGranted(kind, name)) {
      this.#set(key, this.#rowOf({ key, kind, name, definition }, now), definition);
      this.#unkept.add(key);
      return undefined;
    }
    return quarantined === 'invisible' && definition.flags.length === 0 ? 'new' : quarantined;
  }

  /**
   * Whether a name is in sight because the owner has granted it to us since the last pin: a grant writes the
   * name out, or covers it while of what vanished nothing is granted any more, which explains both.
   */
  #newlyGranted(here: ReadonlySet<string>): IsGranted {
    const rows = [...this.#rows].filter(([, { quarantined }]) => quarantined === undefined);
    const lastMs = Math.max(0, ...rows.map(([, { seenAt }]) => seenAt));
    let granted: GrantedNames | undefined;
    let isExplained: boolean | undefined;
    return (kind, name) => {
      granted ??= this.#init.granted?.();
      const coverage = granted?.covers(kind, name, lastMs);
      if (coverage !== 'matched') return coverage === 'named';
      isExplained ??= rows.every(
        ([key, row]) => here.has(key) || granted?.covers(row.kind, row.name, 0) === undefined,
      );
      return isExplained;
    };
  }

  #caseOf(
    { key, kind, name, definition }: ListedDefinition,
    reason: QuarantineReason,
    twin: PinRow | undefined,
    now: number,
  ): QuarantineCase {
    const before = this.#cases.get(key);
    const kept = this.#rows.get(key);
    const was = reason === 'renamed' ? (kept?.was ?? twin?.name) : undefined;
    const renamed = was === undefined ? undefined : this.#rows.get(keyOf(kind, was));
    if (before === undefined) {
      const { owner: peer, server } = this;
      this.#components.logger.warn({ peer, server, kind, name, reason }, 'definition quarantined');
    }
    return {
      row: reason === 'changed' ? kept : renamed,
      definition,
      quarantined: {
        kind,
        name,
        reason,
        ...(was === undefined ? {} : { was }),
        flags: definition.flags,
      },
      since: before?.since ?? (kept?.quarantined === undefined ? now : kept.seenAt),
      ...(before?.shown === undefined ? {} : { shown: before.shown }),
    };
  }

  #setCases(cases: ReadonlyMap<string, QuarantineCase>): void {
    this.#reviews = new WeakMap();
    this.#components.totals.quarantined += cases.size - this.#cases.size;
    this.#cases = cases;
  }

  /** Marks what the list no longer has; gives the kinds of which something pinned went just now. */
  #markGone(here: ReadonlySet<string>): ReadonlySet<PinKind> {
    const kinds = new Set<PinKind>();
    for (const [key, row] of this.#rows) {
      if (!row.listed || here.has(key)) continue;
      if (row.quarantined === undefined) kinds.add(row.kind);
      this.#set(key, { ...row, listed: false });
    }
    return kinds;
  }

  #pin(
    key: string,
    { quarantined: { kind, name }, definition }: QuarantineCase,
    now: number,
  ): void {
    const row = this.#rowOf({ key, kind, name, definition }, now);
    if (this.#rows.has(key)) this.#set(key, row, definition);
    else {
      if (this.#room()[kind] <= 0) this.#dropOldest(kind);
      this.#add(row, definition);
    }
  }

  #add(row: PinRow, definition: Definition): void {
    this.#components.totals.rows += 1;
    this.#set(keyOf(row.kind, row.name), row, definition);
  }

  #set(key: string, row: PinRow, definition?: Definition): void {
    this.#rows.set(key, row);
    this.#components.table.keep(row, definition?.canonical());
  }

  #dropOldest(kind: PinKind): void {
    const [oldest] = [...this.#rows.values()]
      .filter((row) => row.kind === kind && !row.listed)
      .sort((a, b) => a.usedAt - b.usedAt);
    if (oldest !== undefined) this.drop(oldest);
  }

  /** How many more of each kind may be kept. */
  #room(): Record<PinKind, number> {
    const { perKindMax } = this.#init;
    const room = { tool: perKindMax, prompt: perKindMax, instructions: 1 };
    for (const { kind } of this.#rows.values()) room[kind] -= 1;
    return room;
  }

  /** Pinned things that the list has not, by kind and definition without the name. */
  #absentByBare(here: ReadonlySet<string>): ReadonlyMap<string, PinRow> {
    const absent = new Map<string, PinRow>();
    for (const [key, row] of this.#rows) {
      if (row.quarantined === undefined && !here.has(key)) {
        absent.set(`${row.kind} ${row.bare}`, row);
      }
    }
    return absent;
  }

  #rowOf(
    { kind, name, definition }: ListedDefinition,
    now: number,
    quarantined?: QuarantineReason,
    was?: string,
  ): PinRow {
    return {
      owner: this.owner,
      server: this.server,
      kind,
      name,
      ...(quarantined === undefined ? {} : { quarantined }),
      ...(quarantined !== 'renamed' || was === undefined ? {} : { was }),
      hash: definition.hash,
      bare: definition.bare,
      seenAt: now,
      usedAt: now,
      listed: true,
    };
  }
}

/** Whether the list has anything that could be pinned. */
export function isReviewable(catalog: Reviewable): boolean {
  const { tools, prompts, instructions = '' } = catalog;
  return tools.length > 0 || prompts.length > 0 || instructions !== '';
}

function listedIn(catalog: Reviewable): readonly ListedDefinition[] {
  const named = (kind: 'tool' | 'prompt', item: NamedItem): ListedDefinition => ({
    key: keyOf(kind, item.name),
    kind,
    name: item.name,
    definition: definitionOf(kind, item),
  });
  const { tools, prompts, instructions = '' } = catalog;
  const listed = [
    ...tools.map((tool) => named('tool', tool)),
    ...prompts.map((prompt) => named('prompt', prompt)),
  ];
  if (instructions === '') return listed;
  const kind = 'instructions';
  const definition = instructionsDefinition(instructions);
  return [...listed, { key: keyOf(kind, INSTRUCTIONS), kind, name: INSTRUCTIONS, definition }];
}

function withoutQuarantined<Catalog extends Reviewable>(
  catalog: Catalog,
  cases: ReadonlyMap<string, QuarantineCase>,
): Review<Catalog> {
  const quarantined = [...cases.values()].map((one) => one.quarantined);
  if (quarantined.length === 0) return { allowed: catalog, quarantined };
  return { allowed: without(catalog, cases), quarantined };
}

/** `catalog` without the things whose keys are in `keys`. */
function without<Catalog extends Reviewable>(
  catalog: Catalog,
  keys: { has(key: string): boolean },
): Catalog {
  const isFree = (kind: PinKind, name: string): boolean => !keys.has(keyOf(kind, name));
  const { instructions: _, ...rest } = catalog;
  const left = {
    ...(isFree('instructions', INSTRUCTIONS) ? catalog : rest),
    tools: catalog.tools.filter((tool) => isFree('tool', tool.name)),
    prompts: catalog.prompts.filter((prompt) => isFree('prompt', prompt.name)),
  };
  return left as unknown as Catalog;
}

function keyOf(kind: PinKind, name: string): string {
  return `${kind} ${name}`;
}
