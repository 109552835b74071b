/** What of one server's lists is not offered as it was listed: for `status`, for the log, and for who calls it. */
import type { Logger } from '../../core/index.ts';
import { remarkedName } from '../../directory/index.ts';
import type { ItemKind, ItemRemark } from '../../directory/index.ts';
import { RPC } from '../wire/frame.ts';
import type { FailedPart } from '../wire/client-handshake.ts';

/** The notes on one server. */
export interface ListingNotes {
  /** A sentence each, the worst first. */
  readonly all: readonly string[];
  /** Why an item is left out; undefined when it is not. */
  leftOut(kind: ItemKind, name: string): string | undefined;
  /** Takes what was found in the last lists; what is new is logged. */
  set(remarks: readonly ItemRemark[], failed: readonly FailedPart[]): void;
}

const NOTES_MAX = 50;
const LOGGED_MAX = 10;

/** Makes the notes; there are none at first. */
export function createListingNotes({ logger }: { readonly logger: Logger }): ListingNotes {
  let all: readonly string[] = [];
  let reasons: ReadonlyMap<string, string> = new Map();
  return {
    get all() {
      return all;
    },
    leftOut: (kind, name) => reasons.get(`${kind} ${remarkedName(name)}`),
    set(remarks, failed) {
      const before = all;
      const leftOut = remarks.filter(({ isLeftOut }) => isLeftOut);
      reasons = new Map(leftOut.map(({ kind, name, text }) => [`${kind} ${name}`, text]));
      const sentences = [
        ...failed.map(failedNote),
        ...leftOut.map(({ kind, name, text }) => `${titleOf(kind, name)} left out: ${text}`),
        ...remarks
          .filter((remark) => !remark.isLeftOut)
          .map(({ kind, name, text }) => `${kind} '${name}': ${text}`),
      ];
      all = bounded(sentences, NOTES_MAX);
      if (all.length === 0 || all.join('\n') === before.join('\n')) return;
      const isBad = leftOut.length > 0 || failed.some(({ error }) => !isAbsent(error.data));
      const fields = { notes: bounded(sentences, LOGGED_MAX) };
      const text = 'not all that the server lists is offered as it is';
      if (isBad) logger.warn(fields, text);
      else logger.info(fields, text);
    },
  };
}

function failedNote({ part, method, error }: FailedPart): string {
  if (isAbsent(error.data)) return `it says that it has ${part}, and does not serve ${method}`;
  return `its ${part} can't be listed: ${error.message}`;
}

function isAbsent(data: Readonly<Record<string, unknown>>): boolean {
  return data['rpc'] === RPC.methodNotFound;
}

function titleOf(kind: ItemKind, name: string): string {
  return name === '' ? `of its ${kind}s some are` : `${kind} '${name}' is`;
}

function bounded(sentences: readonly string[], max: number): readonly string[] {
  if (sentences.length <= max) return sentences;
  return [...sentences.slice(0, max - 1), `and ${sentences.length - max + 1} more`];
}
