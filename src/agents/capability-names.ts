/**
 * Names of capabilities with versions: `summarise@1.2.0`, asked for by name, or with a version or a range of versions as
 * semver.org and npm have them: `summarise@1.2.0`, `@^1.2`, `@~1.2.3`, `@1.x`, `@>=1.0 <2`. Pure.
 */

/** Three numbers, and what comes before a release. */
interface Version {
  readonly numbers: readonly [number, number, number];
  readonly pre: readonly string[];
}

/** A part of a range: `>=1.2`. */
const COMPARATOR =
  /^(>=|<=|>|<|=|\^|~)?\s*v?(\d{1,9}|[x*])(?:\.(\d{1,9}|[x*]))?(?:\.(\d{1,9}|[x*]))?(?:-([\w.-]{1,64}))?(?:\+[\w.-]{1,64})?$/;
const LAST = Number.MAX_SAFE_INTEGER;

/** True when one of `capabilities` is what is `wanted`. */
export function offers(capabilities: readonly string[], wanted: string): boolean {
  const asked = splitCapability(wanted);
  return capabilities.some((one) => {
    if (one === wanted) return true;
    const { name, version } = splitCapability(one);
    if (name !== asked.name) return false;
    return (
      asked.version === undefined || (version !== undefined && isInRange(version, asked.version))
    );
  });
}

/** The name, and the version or range behind `@`. */
export function splitCapability(text: string): {
  readonly name: string;
  readonly version?: string;
} {
  const at = text.indexOf('@', 1);
  return at < 0 ? { name: text } : { name: text.slice(0, at), version: text.slice(at + 1) };
}

/** True when `version` is in `range`; false for what is no version or no range. */
export function isInRange(version: string, range: string): boolean {
  const read = versionIn(version);
  if (read === undefined) return false;
  return range.split('||').some((part) => {
    const bounds = part.trim().split(/\s+/).map(boundsOf);
    return bounds.every((one) => one !== undefined && isWithin(read, one));
  });
}

interface Bounds {
  readonly from: Version;
  /** Not this one any more. */
  readonly below: Version;
  /** Versions before a release count only where the range names one of the same release (npm). */
  readonly names?: Version;
}

const FIRST: Version = { numbers: [0, 0, 0], pre: [] };
const END: Version = { numbers: [LAST, 0, 0], pre: [] };

function isWithin(version: Version, { from, below, names }: Bounds): boolean {
  if (version.pre.length > 0) {
    const isSame = names?.numbers.every((one, index) => one === version.numbers[index]) ?? false;
    if (!isSame || names?.pre.length === 0) return false;
  }
  return compare(version, from) >= 0 && compare(version, below) < 0;
}

/** What a comparator stands for; undefined for what is none. */
function boundsOf(text: string): Bounds | undefined {
  const [, operator = '', ...parts] = COMPARATOR.exec(text) ?? [];
  const [major, minor, patch, pre] = parts;
  if (major === undefined) return undefined;
  const given = [major, minor, patch]
    .filter((one) => one !== undefined && !/[x*]/.test(one))
    .map(Number);
  const [one = 0, two = 0, three = 0] = given;
  const from: Version = {
    numbers: [one, two, three],
    pre: pre === undefined ? [] : pre.split('.'),
  };
  // `1.2` is all of 1.2.
  const next = given.length === 0 ? END : after(from, given.length - 1);
  const exact = given.length === 3 ? justAfter(from) : next;
  switch (operator) {
    case '>=':
      return { from, below: END, names: from };
    case '>':
      return { from: exact, below: END, names: from };
    case '<':
      return { from: FIRST, below: from, names: from };
    case '<=':
      return { from: FIRST, below: exact, names: from };
    case '^':
      return { from, below: given.length === 0 ? END : after(from, leftmost(given)), names: from };
    case '~':
      return {
        from,
        below: given.length === 0 ? END : after(from, Math.min(1, given.length - 1)),
        names: from,
      };
    default:
      return { from, below: exact, names: from };
  }
}

/** Which number `^` lets be as it is: the first that is not zero. */
function leftmost(given: readonly number[]): number {
  const at = given.findIndex((one) => one > 0);
  return at < 0 ? given.length - 1 : at;
}

/** The first version with the number at `place` one higher, versions before it included. */
function after({ numbers }: Version, place: number): Version {
  const raised = numbers.map((one, index) => (index < place ? one : index === place ? one + 1 : 0));
  const [one = 0, two = 0, three = 0] = raised;
  return { numbers: [one, two, three], pre: ['0'] };
}

/** The next version that there can be. */
function justAfter({ numbers, pre }: Version): Version {
  if (pre.length > 0) return { numbers, pre: [...pre, '0'] };
  const [one, two, three] = numbers;
  return { numbers: [one, two, three + 1], pre: ['0'] };
}

function versionIn(text: string): Version | undefined {
  const [, operator, major, minor, patch, pre] = COMPARATOR.exec(text) ?? [];
  if (
    operator !== undefined ||
    major === undefined ||
    [major, minor, patch].some((one) => /[x*]/.test(one ?? ''))
  ) {
    return undefined;
  }
  const numbers = [Number(major), Number(minor ?? 0), Number(patch ?? 0)] as const;
  return { numbers: [...numbers], pre: pre === undefined ? [] : pre.split('.') };
}

/** semver.org §11. */
function compare(one: Version, other: Version): number {
  for (const [index, number] of one.numbers.entries()) {
    const difference = number - (other.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (one.pre.length === 0 || other.pre.length === 0) return other.pre.length - one.pre.length;
  for (let index = 0; index < Math.max(one.pre.length, other.pre.length); index += 1) {
    const [mine, theirs] = [one.pre[index], other.pre[index]];
    if (mine === undefined || theirs === undefined) return mine === undefined ? -1 : 1;
    const difference = comparePart(mine, theirs);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numbers come before words. */
function comparePart(one: string, other: string): number {
  const [isNumber, isOther] = [/^\d+$/.test(one), /^\d+$/.test(other)];
  if (isNumber && isOther) return Number(one) - Number(other);
  if (isNumber !== isOther) return isNumber ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}
