/**
 * What callers were told of a strong board, and whether that fits: changes of a key have numbers, one after the other,
 * so that a change that was lost, came twice, or was hidden shows in the number of the next one; and a lease has one
 * holder.
 */
import type { Json, JsonObject } from '../../../../src/index.ts';
import { isLinearizable } from './linearizable.ts';
import type { Operation } from './linearizable.ts';
import type { StrongAsk } from './orders.ts';

/** Some request that a history of values has. */
export type ValueAsk = Exclude<StrongAsk, { t: 'lease' | 'release' }>;

/** When a request was made and answered, ms, and the answer. */
interface Told {
  readonly from: number;
  readonly to: number;
  /** Undefined where nobody knows what came of the request. */
  readonly outcome: Json | undefined;
}

/** A lease that somebody was given, and when it was asked for and given. */
interface GivenLease {
  readonly holder: string;
  readonly token: number;
  readonly from: number;
  readonly to: number;
}

/** What was told, key by key. */
export class StrongHistory {
  readonly #operations: ReadonlyMap<string, Operation[]>;
  /** The last value that somebody was told of, of each key. */
  readonly #values = new Map<string, Json>();
  readonly #leases: GivenLease[] = [];

  constructor(keys: readonly string[]) {
    this.#operations = new Map(keys.map((key) => [key, []]));
  }

  count(key: string): number {
    return this.#operations.get(key)?.length ?? 0;
  }

  /** What a key held when somebody was last told. */
  lastValue(key: string): Json | undefined {
    return this.#values.get(key);
  }

  add(key: string, request: ValueAsk, { from, to, outcome }: Told): void {
    const result = outcome === undefined ? undefined : told(request, outcome);
    const end = outcome === undefined ? Number.POSITIVE_INFINITY : to;
    this.#operations
      .get(key)
      ?.push({ from, to: end, apply: (state) => applied(request, state), result });
    if (result === undefined) return;
    if ('v' in result) this.#values.set(key, result['v'] ?? null);
    else if ('value' in request) this.#values.set(key, request.value);
    else this.#values.delete(key);
  }

  addLease(lease: GivenLease): void {
    this.#leases.push(lease);
  }

  /** What does not fit. */
  judge(): readonly string[] {
    return [...this.#judgeValues(), ...this.#judgeLeases()];
  }

  #judgeValues(): readonly string[] {
    return [...this.#operations].flatMap(([key, operations]) =>
      isLinearizable(operations)
        ? []
        : [`no order explains the ${operations.length} answers about '${key}'`],
    );
  }

  #judgeLeases(): readonly string[] {
    const holders = new Map<number, string>();
    const problems: string[] = [];
    for (const { token, holder, from } of this.#leases) {
      const known = holders.get(token) ?? holder;
      holders.set(token, holder);
      if (known !== holder) problems.push(`${known} and ${holder} both hold the lease ${token}`);
      const later = this.#leases.find((one) => one.to < from && one.token > token);
      if (later !== undefined) problems.push(`the lease ${token} was given after ${later.token}`);
    }
    return problems;
  }
}

/** What a request makes of a key, whose state is `{v, n}`: its value, null for none, and how many changes there were. */
function applied(request: ValueAsk, state: Json | undefined): ReturnType<Operation['apply']> {
  const { v, n } = (state ?? NOTHING) as typeof NOTHING;
  const changed = (value: Json): ReturnType<Operation['apply']> => ({
    value: { v: value, n: n + 1 },
    result: { ok: true, n: n + 1 },
  });
  const same = (result: Json): ReturnType<Operation['apply']> => ({ value: { v, n }, result });
  switch (request.t) {
    case 'get':
      return same({ ok: true, n, v });
    case 'set':
      return changed(request.value);
    case 'delete':
      return v === null ? same({ ok: true, n }) : changed(null);
    case 'cas':
      return v === (request.expect ?? null) ? changed(request.value) : same({ ok: false, n, v });
  }
}

const NOTHING: { readonly v: Json; readonly n: number } = { v: null, n: 0 };

/** What the caller was told, as {@link applied} has that. */
function told(request: ValueAsk, outcome: Json): JsonObject {
  const { ok, version, value } = outcome as JsonObject;
  const isShown = request.t === 'get' || (request.t === 'cas' && ok !== true);
  return { ok: ok === true, n: version ?? null, ...(isShown ? { v: value ?? null } : {}) };
}
