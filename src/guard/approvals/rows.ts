/** Approvals as the database keeps them: one JSON row each. */
import { hashArguments } from '../../audit/index.ts';
import { messageOf, printable } from '../../core/index.ts';
import type { JsonObject, Logger } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import type { Approval } from './types.ts';

/** Characters of the arguments that are kept for a person to read, and how many of them by name. */
const ARGS_SHOWN_MAX = 4096;
const NAMED_MAX = 32;
const NAME_SHOWN_MAX = 64;
/** Arguments that are kept and shown nowhere, by what is called: secrets, and what guards their hash. */
const UNSHOWN: ReadonlyMap<string, readonly string[]> = new Map([
  ['tool:starling/secret_set', ['value', 'blind']],
]);

/** The row of one approval. */
export function rowOf(approval: Approval): Required<Write> {
  return { key: approval.id, value: Buffer.from(JSON.stringify(approval), 'utf8') };
}

/** Every approval of the table; a row that can't be read is skipped and told. */
export async function readApprovals(table: Table, logger: Logger): Promise<readonly Approval[]> {
  const approvals: Approval[] = [];
  for await (const [key, value] of table.entries()) {
    try {
      const row = JSON.parse(Buffer.from(value).toString('utf8')) as Approval;
      if (row.id !== key || !Number.isFinite(row.askedAt)) throw new Error('it is not one of ours');
      approvals.push(row);
    } catch (error) {
      logger.warn({ id: key, error: messageOf(error) }, 'skipped an approval that is unreadable');
    }
  }
  return approvals;
}

/**
 * Arguments as a person reads them: as JSON. Where that is too long each argument has a share of the
 * room, so that none hides behind another, and what is cut is said. What nobody would see is written out.
 * A secret is never shown.
 */
export function shownArgs(resource: string, args: JsonObject): string {
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
