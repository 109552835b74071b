/**
 * How an approval shows the arguments of a call to a person: secrets masked, long ones cut, invisible
 * characters written out; and the hash that binds an answer to these very arguments.
 */
import { hashArguments } from '../../audit/index.ts';
import { printable } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';

/** Characters of the arguments that are kept for a person to read, and how many of them by name. */
const ARGS_SHOWN_MAX = 4096;
const NAMED_MAX = 32;
const NAME_SHOWN_MAX = 64;
/** Arguments that are kept and shown nowhere, by what is called: secrets, and what guards their hash. */
const UNSHOWN: ReadonlyMap<string, readonly string[]> = new Map([
  ['tool:starling/secret_set', ['value', 'blind']],
]);

/**
 * Arguments as a person reads them: as JSON. Where that is too long each argument has a share of the
 * room, so that none hides behind another, and what is cut is said. What nobody would see is written out.
 * A secret is never shown.
 */
export function shownArguments(resource: string, args: JsonObject): string {
  const unshown = UNSHOWN.get(resource) ?? [];
  const hidden = unshown.filter((name) => Object.hasOwn(args, name)).map((name) => [name, '***']);
  return printable(cutArgs({ ...args, ...Object.fromEntries(hidden) }), Number.POSITIVE_INFINITY);
}

function cutArgs(args: JsonObject): string {
  const text = JSON.stringify(args);
  if (text.length <= ARGS_SHOWN_MAX) return text;
  const all = Object.entries(args).map(([name, value]) => [name, JSON.stringify(value ?? null)]);
  const named = all.slice(0, NAMED_MAX);
  const share = Math.floor(ARGS_SHOWN_MAX / named.length);
  const parts = named.map(
    ([name = '', value = '']) =>
      `${cut(JSON.stringify(name), NAME_SHOWN_MAX)}:${cut(value, share)}`,
  );
  const more = all.length - named.length;
  return `{${[...parts, ...(more > 0 ? [`… ${more} more arguments`] : [])].join(',')}}`;
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}… ${text.length - max} more characters`;
}

/**
 * Tells the arguments of one call from those of any other, as the audit log does; none are the same as
 * `{}`. @throws STARLING_USAGE for what has no canonical JSON
 */
export function hashArgs(args: JsonObject | undefined): string {
  return hashArguments(args ?? {});
}
