/**
 * Names of capabilities with versions: `summarise@1.2.0`, asked for by name, or with a version or a range of versions as
 * semver.org and npm have them: `summarise@1.2.0`, `@^1.2`, `@~1.2.3`, `@1.x`, `@>=1.0 <2`. Pure.
 */
import satisfies from 'semver/functions/satisfies.js';

/** A version that leaves out its last numbers, as people write them: they are 0. */
const SHORT = /^v?(\d{1,9})(?:\.(\d{1,9}))?$/;
/** Longer texts are no versions and no ranges. */
const TEXT_MAX = 128;

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
  if (version.length > TEXT_MAX || range.length > TEXT_MAX || range.trim() === '') return false;
  const [, major, minor = '0'] = SHORT.exec(version) ?? [];
  return satisfies(major === undefined ? version : `${major}.${minor}.0`, range);
}

/** The capability without its version, as offers of nodes have it. */
export function kindOf(capability: string): string {
  return capability.split('@', 1)[0] ?? capability;
}
