/** Keeps `head.json`: one write at a time, each with all that is known. */
import { writeHead } from './folder.ts';
import type { Head } from './folder.ts';

/** Writes the head. */
export interface HeadKeeper {
  /** Resolves once `change` is on disk. @throws STARLING_STATE_UNUSABLE; the next save brings it */
  save(change: Head): Promise<void>;
}

/** Makes the keeper of `folder`, where `head` is written now. */
export function createHeadKeeper(folder: string, head: Head): HeadKeeper {
  let current = head;
  let turn: Promise<void> = Promise.resolve();
  const nothing = (): void => undefined;
  return {
    save(change) {
      current = { ...current, ...change };
      const saving = turn.then(() => writeHead(folder, current));
      // Whoever saves hears of a failure; the next in turn only waits.
      turn = saving.catch(nothing);
      return saving;
    },
  };
}
