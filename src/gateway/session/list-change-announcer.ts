/** Tells a session's client which lists have changed: once for a burst of changes. */
import type { Clock } from '../../core/index.ts';
import type { View } from '../catalog/types.ts';
import type { ListKind, Lists } from '../catalog/lists.ts';

const DELAY_MS = 50;
const KINDS: readonly ListKind[] = ['tools', 'prompts', 'resources', 'templates'];

/** Compares what was told with what is. */
export interface Announcer {
  /** From now on, changes are told. A second call is a no-op. */
  start(): void;
  /** Something may have changed. */
  changed(): void;
  stop(): void;
}

/** Makes the announcer; `tell` gets the lists that differ from what they were when last told. */
export function createAnnouncer(components: {
  readonly clock: Clock;
  view(): View;
  tell(kinds: readonly ListKind[]): void;
}): Announcer {
  // The lists themselves: most sessions see no change, and what the lists hold is not made for them alone.
  let told: Lists | undefined;
  let cancel: (() => void) | undefined;
  return {
    start() {
      told ??= components.view().lists;
    },
    changed() {
      if (told === undefined || cancel !== undefined) return;
      cancel = components.clock.schedule(DELAY_MS, () => {
        cancel = undefined;
        const before = told;
        const now = components.view().lists;
        told = now;
        const kinds = KINDS.filter((kind) => now.digest(kind) !== before?.digest(kind));
        if (kinds.length > 0) components.tell(kinds);
      });
    },
    stop() {
      told = undefined;
      cancel?.();
    },
  };
}
