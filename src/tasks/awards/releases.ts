/**
 * Attempts whose outcomes were taken: the node of the worker may forget them. Nobody waits for that word, so that one
 * message says it of many. Where it is lost, the node forgets them by itself, later.
 */
import { unawaited } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import { RELEASED_AT_ONCE, RELEASE_MS } from '../limits.ts';
import type { AttemptName } from '../worker/work-types.ts';

/** One attempt, and the way to say so. */
export interface Release {
  /** What can be said in one message: the node, and by whose right. */
  readonly group: string;
  readonly name: AttemptName;
  /** Tells all of them. Never rejects. */
  tell(this: void, names: readonly AttemptName[]): Promise<void>;
}

/** What is still to be told. */
export interface Releases {
  add(release: Release): void;
  /** What was not told yet is not told. */
  stop(): void;
}

interface Group {
  readonly names: AttemptName[];
  readonly tell: Release['tell'];
  readonly cancel: () => void;
}

/** Makes what gathers releases. */
export function createReleases(clock: Clock, logger: Logger): Releases {
  const groups = new Map<string, Group>();
  const flush = (key: string): void => {
    const group = groups.get(key);
    groups.delete(key);
    group?.cancel();
    if (group === undefined) return;
    unawaited(group.tell(group.names), logger, 'a node was not told what it may forget');
  };
  return {
    add({ group: key, name, tell }) {
      const group = groups.get(key) ?? {
        names: [],
        tell,
        cancel: clock.schedule(RELEASE_MS, () => flush(key)),
      };
      groups.set(key, group);
      group.names.push(name);
      if (group.names.length >= RELEASED_AT_ONCE) flush(key);
    },
    stop() {
      for (const { cancel } of groups.values()) cancel();
      groups.clear();
    },
  };
}

/** Attempts as they go along in a message. */
export function namesIn(names: readonly AttemptName[]): JsonObject[] {
  return names.map(({ taskId, token }) => ({ taskId, token }));
}
