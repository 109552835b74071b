/** The shape of what is printed as JSON: which keys there are, and of which type each value is. */
import { isDeepStrictEqual } from 'node:util';

/** A type as a word; of an object the shape of each key, of a list the different shapes in it. */
export type Shape = string | readonly Shape[] | { readonly [key: string]: Shape };

/** The shape of a value. Keys that are names (of peers, servers, keys) become `<name>`. */
export function shapeOf(value: unknown): Shape {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(merged)];
  if (typeof value !== 'object') return typeof value;
  const entries = Object.entries(value).map(([key, below]): [string, Shape] => [
    /^\w{1,20}$/.test(key) ? key : '<name>',
    // By what something is enforced differs from machine to machine.
    key === 'enforcedBy' ? typeof below : shapeOf(below),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One shape for two items of a list: a key that only one of them has ends in `?`. */
function merged(one: Shape, other: Shape): Shape {
  if (isDeepStrictEqual(one, other)) return one;
  if (isList(one) && isList(other)) {
    const [[first], [second]] = [one, other];
    if (first === undefined || second === undefined) return first === undefined ? other : one;
    return [merged(first, second)];
  }
  if (typeof one === 'string' || typeof other === 'string' || isList(one) || isList(other)) {
    return [one, other].map((shape) => JSON.stringify(shape)).join(' | ');
  }
  const plain = (key: string): string => key.replace(/\?$/, '');
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)].map(plain))].sort();
  return Object.fromEntries(
    keys.map((key): [string, Shape] => {
      const both = [one, other].map((shape) => shape[key] ?? shape[`${key}?`]);
      const [first, second] = both;
      const isAlways = key in one && key in other;
      const shape =
        first !== undefined && second !== undefined ? merged(first, second) : (first ?? second);
      return [isAlways ? key : `${key}?`, shape ?? 'undefined'];
    }),
  );
}

function isList(shape: Shape): shape is readonly Shape[] {
  return Array.isArray(shape);
}
