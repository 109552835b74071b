/** What of a conversation is shown, in a few words. */
import type { ContextView } from '../../../contexts/types.ts';

/** `all`, `last 10`, `summary`. */
export function viewText(view: ContextView): string {
  if (typeof view === 'object') return `last ${view.last}`;
  return view === 'full' ? 'all' : view;
}
