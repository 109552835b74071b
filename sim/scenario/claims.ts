/** Holds timed claims about nodes against what was seen, and keeps the verdicts. */
import type { Control } from './control.ts';
import type { TimedClaim } from './plan.ts';
import type { Verdict } from './report.ts';
import type { Sights } from './sights.ts';

/** What has to be asked is asked so often. */
const POLL_MS = 250;
const ASK_TIMEOUT_MS = 20_000;

/** What claims are held against. */
export interface ClaimsInit {
  readonly sights: Sights;
  /** The nodes that run now, and are not asleep. */
  readonly running: () => readonly { readonly name: string; readonly control: Control }[];
}

/** Claims, and how they came. */
export class Claims {
  readonly verdicts: Verdict[] = [];
  readonly #init: ClaimsInit;
  readonly #underWay = new Set<Promise<void>>();

  constructor(init: ClaimsInit) {
    this.#init = init;
  }

  add(verdict: Verdict): void {
    this.verdicts.push(verdict);
  }

  /** Begins to hold a claim; its verdict is added when it is known. */
  begin(claim: TimedClaim, when?: string): void {
    const held = this.hold(claim)
      .then((verdict) =>
        this.add(when === undefined ? verdict : { ...verdict, claim: `${verdict.claim} ${when}` }),
      )
      .finally(() => this.#underWay.delete(held));
    this.#underWay.add(held);
  }

  /** Resolves when all that was begun is decided. */
  async over(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** Waits until the claim is true, or its time is over. */
  async hold(claim: TimedClaim): Promise<Verdict> {
    const from = performance.now();
    const isTrue = (): Promise<string | undefined> => this.#fault(claim);
    for (;;) {
      const fault = await isTrue();
      const measured = performance.now() - from;
      const verdict = { claim: `${this.words(claim)}, ms`, measured, limit: claim.withinMs };
      if (fault === undefined) return { ...verdict, pass: measured <= claim.withinMs };
      if (measured > claim.withinMs) return { ...verdict, pass: false, detail: fault };
      await this.#next(claim, claim.withinMs - measured);
    }
  }

  /** The claim in words. */
  words({ that, of, by }: TimedClaim): string {
    const who = (names: readonly string[]): string =>
      names.length > 5 ? `${names.length} nodes` : names.join(', ');
    switch (that) {
      case 'known':
        return 'all know all';
      case 'equal':
        return 'boards and records are equal';
      default:
        return `${who(of)} ${that} for ${who(by)}`;
    }
  }

  /** Until something was seen, or a while has passed. */
  #next(claim: TimedClaim, leftMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(end, Math.min(POLL_MS, leftMs + 1));
      const stop = claim.that === 'equal' ? () => undefined : this.#init.sights.onChange(end);
      function end(): void {
        clearTimeout(timer);
        stop();
        setImmediate(resolve);
      }
    });
  }

  /** What is still wrong with a claim; undefined when it is true. */
  async #fault(claim: TimedClaim): Promise<string | undefined> {
    if (claim.that === 'equal') return this.#unequal();
    const { sights, running } = this.#init;
    const up = running().map(({ name }) => name);
    if (claim.that === 'known') {
      const missing = up.flatMap((by) =>
        up
          .filter((of) => of !== by && sights.of(by, of) !== 'alive')
          .map((of) => `${by} has not ${of}`),
      );
      return missing.length === 0 ? undefined : told(missing);
    }
    const wanted = {
      dead: ['dead', 'left'],
      missed: ['suspect', 'dead', 'left'],
      alive: ['alive'],
      left: ['left'],
    }[claim.that];
    const by = claim.by.filter((name) => up.includes(name));
    const missing = by.flatMap((one) =>
      claim.of.flatMap((of) => {
        const sight = sights.of(one, of);
        // Who never knew a node has nothing to learn of its end.
        const isUnknown = sight === undefined && claim.that !== 'alive';
        return of === one || isUnknown || wanted.includes(sight ?? '')
          ? []
          : [`${one} has ${of} as ${sight ?? 'unknown'}`];
      }),
    );
    return missing.length === 0 ? undefined : told(missing);
  }

  async #unequal(): Promise<string | undefined> {
    const seen = await Promise.all(
      this.#init.running().map(async ({ name, control }) => {
        const board = await control.call('starling__board_list', { board: 'sim' }, ASK_TIMEOUT_MS);
        const status = await control.call('starling__status', {}, ASK_TIMEOUT_MS);
        const entries = board.kind === 'answer' ? entriesOf(board.structured) : board.kind;
        const records =
          status.kind === 'answer'
            ? (status.structured as { readonly records: string }).records
            : status.kind;
        return { name, entries, records };
      }),
    );
    for (const what of ['entries', 'records'] as const) {
      const kinds = new Map<string, string[]>();
      for (const one of seen) kinds.set(one[what], [...(kinds.get(one[what]) ?? []), one.name]);
      if (kinds.size > 1) {
        const groups = [...kinds.values()].map((names) => names.slice(0, 5).join(' '));
        return `${what === 'entries' ? 'boards' : 'records'} differ: ${groups.join(' | ')}`;
      }
    }
    return undefined;
  }
}

function entriesOf(structured: unknown): string {
  const { entries = [] } = structured as {
    readonly entries?: readonly { readonly key: string; readonly value: unknown }[];
  };
  return JSON.stringify(entries.map(({ key, value }) => [key, value]).toSorted());
}

function told(missing: readonly string[]): string {
  return `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}`;
}
