/** What `starling up` says of approvals: that something waits, and how to answer it. */
import { systemClock } from '../../../core/time/clock.ts';
import { nameOf } from '../../../guard/index.ts';
import type { Approval, ApprovalAccess } from '../../../guard/index.ts';
import { askText } from '../rights.ts';
import { paintTalk, print, safeLine, tell } from '../output.ts';

/** Callers decide how many approvals there are: at most one a second is told, the others are counted. */
const QUIET_MS = 1000;
const ID_SHOWN = 8;

/** Tells by `say` of each approval that waits; with `json` prints an event of each, and of how it ends. */
export function tellOfApprovals(
  approvals: ApprovalAccess,
  json: boolean,
  say: (text: string) => void = tell,
): void {
  if (json) {
    approvals.events.on('pending', printEvent);
    approvals.events.on('closed', printEvent);
    return;
  }
  let isQuiet = false;
  let isMore = false;
  const tellCount = (): void => {
    const { length } = approvals.list('pending');
    const wait = length === 1 ? '1 waits' : `${length} wait`;
    if (length > 0) say(`${time()} ${wait} for your answer: starling approvals`);
  };
  const loud = (): void => {
    isQuiet = false;
    if (isMore) tellCount();
    isMore = false;
  };
  /** Those that a line was about, which the person may still mean to answer. */
  const told = new Set<string>();
  approvals.events.on('closed', (approval) => {
    if (told.delete(approval.id)) say(`${time()} ${safeLine(endOf(approval))}`);
  });
  approvals.events.on('pending', (approval) => {
    isMore = isQuiet;
    if (isQuiet) return;
    isQuiet = true;
    systemClock.schedule(QUIET_MS, loud);
    told.add(approval.id);
    say(`${time()} ${safeLine(describe(approval))}`);
  });
  tellCount();
}

function describe({ id, kind, principal, ability, resource }: Approval): string {
  return `${nameOf(principal)} ${askText(kind, ability, resource)}: starling approvals approve ${id.slice(0, ID_SHOWN)} (or deny)`;
}

/** How it ended: the person may have answered elsewhere, or need not any more. */
function endOf({ id, state, answeredBy, reason }: Approval): string {
  const by = answeredBy === undefined ? '' : ` by ${answeredBy}`;
  const why = reason === undefined || reason === '' ? '' : `: ${reason}`;
  return `${id.slice(0, ID_SHOWN)} needs no answer any more: ${state}${by}${why}`;
}

function printEvent({ id, kind, state, principal, ability, resource }: Approval): void {
  const who = nameOf(principal);
  print(JSON.stringify({ event: 'approval', id, kind, state, who, ability, resource }));
}

function time(): string {
  return paintTalk.dim(new Date().toTimeString().slice(0, 8));
}
