/** What of a conversation is shown to whom, and who that is. Pure. */
import { StarlingError, printable } from '../core/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import type { ContextRow } from './context-rows.ts';
import { infoOf } from './context-shapes.ts';
import type {
  ClientKey,
  ContextContent,
  ContextLine,
  ContextShare,
  ContextSummary,
} from './types.ts';

const CLIENT = 'client:';
const AGENT = 'agent:';
const NAME = /^[A-Za-z0-9][\w.:@-]{0,127}$/;

/** What a view has of a conversation. */
export function shownOf(
  view: ContextShare['view'],
  { summary }: Pick<ContextRow, 'summary'>,
  lines: readonly ContextLine[],
): { readonly said: readonly ContextLine[]; readonly summary?: ContextSummary } {
  // The summary stands for lines that are not among the last ones.
  if (typeof view === 'object') return { said: lines.slice(-view.last) };
  const said = view === 'full' ? lines : [];
  return { said, ...(summary === undefined ? {} : { summary }) };
}

/** The conversation as whoever has that view sees it. */
export function seenBy(
  row: ContextRow,
  view: ContextShare['view'],
  lines: readonly ContextLine[],
): ContextContent {
  const { summary: _, ...info } = infoOf(row);
  const shown = shownOf(view, row, lines);
  return { ...info, ...shown, view, shares: [], lines: shown.said.length };
}

/**
 * What `principal` may see of a conversation of this node; undefined where that is nothing. An agent that works for others sees
 * what all of them may see as well.
 */
export function viewFor(
  { shares }: Pick<ContextRow, 'shares'>,
  principal: Principal,
): ContextShare['view'] | undefined {
  const views = [...callersOf(principal)].map((one) =>
    one.kind === 'operator' ? 'full' : shares.find(({ to }) => to === keyOf(one))?.view,
  );
  if (views.includes(undefined)) return undefined;
  const [narrow = 'full', ...others] = views.filter((view) => view !== 'full');
  // Of two different parts nobody has both.
  return others.some((view) => !isSame(view, narrow)) ? undefined : narrow;
}

/** The client that is meant by `client:<name>` or `agent:<name>`; undefined for what means a node. @throws STARLING_USAGE */
export function clientIn(to: string): ClientKey | undefined {
  const name = to.startsWith(CLIENT)
    ? to.slice(CLIENT.length)
    : to.startsWith(AGENT)
      ? to
      : undefined;
  if (name === undefined) return undefined;
  if (NAME.test(name)) return `${CLIENT}${name}`;
  throw new StarlingError('STARLING_USAGE', `no client is called '${printable(name, 80)}'`, {
    hint: 'write it as client:<name>, or agent:<name> for an agent of this node',
  });
}

/** Of a client of this node, as opposed to a peer. */
export function isClientKey(to: ContextShare['to']): to is ClientKey {
  return to.startsWith(CLIENT);
}

function isSame(one: ContextShare['view'] | undefined, other: ContextShare['view']): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** A caller, and those for whom it works. */
function* callersOf(principal: Principal): Generator<Principal> {
  yield principal;
  for (const one of ('worksFor' in principal ? principal.worksFor : undefined) ?? []) {
    yield* callersOf(one);
  }
}
