/** What is made of the results of those who did one phase. Pure. */
import { createHash } from 'node:crypto';
import { isObject } from '../core/index.ts';
import type { Json } from '../core/index.ts';
import type { Aggregation } from './types.ts';

/** What one agent gave. */
export interface Given {
  /** `<agent>@<node>`. */
  readonly agent: string;
  readonly result: Json;
}

/** The first one, all of them, or one object of all: of lists the items of each, of what differs what each said. */
export function aggregate(
  how: Exclude<Aggregation, 'majority_vote'>,
  given: readonly Given[],
): Json {
  if (how === 'first') return given[0]?.result ?? null;
  if (how === 'all') return given.map(({ agent, result }) => ({ agent, result }));
  const merged = new Map<string, Json>();
  const conflicts = new Map<string, Json[]>();
  for (const { agent, result } of given) {
    const fields = isObject(result) && !Array.isArray(result) ? result : { [agent]: result };
    for (const [key, value] of Object.entries(fields as Readonly<Record<string, Json>>)) {
      const known = merged.get(key);
      if (known === undefined) merged.set(key, value);
      else if (Array.isArray(known) && Array.isArray(value)) merged.set(key, union(known, value));
      else if (digestOf(known) !== digestOf(value)) {
        conflicts.set(key, [...(conflicts.get(key) ?? [known]), value]);
      }
    }
  }
  const all = Object.fromEntries(merged) as Readonly<Record<string, Json>>;
  return conflicts.size === 0
    ? { ...all }
    : { ...all, conflicts: Object.fromEntries(conflicts) as Readonly<Record<string, Json>> };
}

function union(one: readonly Json[], other: readonly Json[]): Json[] {
  const known = new Set(one.map((value) => digestOf(value)));
  return [...one, ...other.filter((value) => !known.has(digestOf(value)))];
}

/** The same for the same value, however its members are ordered. */
function digestOf(value: Json): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((one) => sorted(one as Json));
  if (!isObject(value)) return value;
  const entries = Object.entries(value as Readonly<Record<string, Json>>).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
