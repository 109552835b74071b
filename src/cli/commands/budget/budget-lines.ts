/** How budgets are shown. */
import { amountText } from '../../../core/words/amount-text.ts';
import type { BudgetView, OwnerView } from '../../../budget/types.ts';
import { ago, safeLine } from '../../terminal/output.ts';

/** One line of what is left. */
export function headText(view: BudgetView): string {
  const { free, held, limit, name, spent, unit } = view;
  const say = (amount: number): string => amountText(amount, unit);
  const parts = [
    `${name}  limit ${say(limit)}${everyText(view)}`,
    `spent ${say(spent)}`,
    `held ${say(held)}`,
    view.closed === true ? closedText(view) : `free here ${say(free)}`,
  ];
  return safeLine(parts.join('  '));
}

function closedText({ forgotten, nodes }: BudgetView): string {
  if (forgotten !== true) return 'closed';
  const isUnderWay = nodes.some(({ held, state }) => state === 'here' && held > 0);
  return isUnderWay
    ? 'closed, and forgotten once what is held here is settled'
    : 'closed and forgotten';
}

/** All that is known of a budget, a line a node. */
export function budgetText(view: BudgetView): string {
  const { unit } = view;
  const lines = [headText(view)];
  for (const node of view.nodes) lines.push(`  ${nodeText(node, view)}`);
  if (view.lost !== undefined) {
    lines.push(
      `  ${amountText(view.lost, unit)} was held when this node was cut off, and counts as spent until somebody says more: starling budget reclaim ${view.name} --reconcile <amount>`,
    );
  }
  if (view.reclaimed !== undefined) {
    lines.push(
      `  ${amountText(view.reclaimed, unit)} was taken back from nodes that were put out, and may have been spent twice`,
    );
  }
  if (view.for !== undefined) lines.push(safeLine(`  counts ${view.for} at ${view.founder}`));
  return lines.join('\n');
}

function nodeText(
  { node, rights, spent, state, since, note }: OwnerView,
  { unit }: BudgetView,
): string {
  const away =
    state === 'unreachable'
      ? ` (unreachable${since === undefined ? '' : ` since ${ago(since)}`})`
      : '';
  const other = state === 'frozen' || state === 'put-out' ? ` (${state})` : '';
  const said = note === undefined ? '' : `: ${note}`;
  return safeLine(
    `${node} ${amountText(rights, unit)}, spent ${amountText(spent, unit)}${away}${other}${said}`,
  );
}

function everyText({ everyMs }: BudgetView): string {
  if (everyMs === undefined) return '';
  const word = WORDS.get(everyMs);
  return word === undefined ? ` each ${everyMs / 1000} s` : ` each ${word}`;
}

const WORDS: ReadonlyMap<number, string> = new Map([
  [60_000, 'minute'],
  [3_600_000, 'hour'],
  [86_400_000, 'day'],
  [604_800_000, 'week'],
]);
