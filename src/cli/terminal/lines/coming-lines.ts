/**
 * What comes in to a node that runs on a terminal, while it does: boards of which a peer sends much, and the first lists of
 * what peers have granted. One line that changes, and is gone once all is here.
 */
import type { StatusResult } from '../../../builtin/results.ts';
import type { Clock } from '../../../core/time/clock.ts';
import type { WorkProgress } from '../progress.ts';

/** How often it is looked what comes. */
const LOOK_MS = 1000;
/** Names that are told; there may be as many as peers. */
const NAMES_MAX = 3;

/** What comes, of the node's status. */
export type Coming = Pick<StatusResult, 'boardsComing' | 'catalogsComing'>;

/** Shows what comes until the function that it gives is called. */
export function showComing(look: () => Coming, progress: WorkProgress, clock: Clock): () => void {
  const show = (): void => {
    const coming = comingOf(look());
    if (coming === undefined) progress.done();
    else progress.show(coming.text, coming.share);
    cancel = clock.schedule(LOOK_MS, show);
  };
  let cancel = clock.schedule(LOOK_MS, show);
  return () => {
    cancel();
    progress.done();
  };
}

/** What comes in one line, and how much of it is here, 0 to 1, where that is known; undefined where nothing comes. */
export function comingOf({
  boardsComing: boards = [],
  catalogsComing: catalogs = [],
}: Coming): { readonly text: string; readonly share?: number } | undefined {
  const [first] = boards;
  if (first === undefined) {
    return catalogs.length === 0
      ? undefined
      : { text: `asking ${some(catalogs)} for ${catalogs.length === 1 ? 'its' : 'their'} tools` };
  }
  const here = boards.reduce((sum, { changes }) => sum + changes, 0);
  const all = boards.reduce((sum, { of }) => sum + of, 0);
  const counts = `${here.toLocaleString('en-US')} of ${all.toLocaleString('en-US')} changes`;
  const what =
    boards.length === 1
      ? `board '${first.board}' comes in from ${first.from}`
      : `boards ${some(boards.map(({ board }) => board))} come in`;
  return { text: `${what}: ${counts}`, share: here / Math.max(1, all) };
}

function some(names: readonly string[]): string {
  const rest = names.length - NAMES_MAX;
  const told = names.slice(0, NAMES_MAX).join(', ');
  return rest > 0 ? `${told} and ${rest} more` : told;
}
