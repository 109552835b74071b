/** Who watches which board, by the name that was asked for: the board may come later. */
import { messageOf } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import type { BoardChange } from '../types.ts';

type Watcher = (changes: readonly BoardChange[]) => void;

/** Changes that a watcher hears at once, at most. */
const CHANGES_MAX = 1000;

/** Tells each of them what changed on the boards that are meant by the name that was asked for. */
export class BoardWatchers {
  readonly #logger: Logger;
  readonly #watchers = new Map<string, Set<Watcher>>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Hears changes of the board called `name`, until the returned function is called. */
  watch(name: string, listener: Watcher): () => void {
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers);
    // A listener of its own for each call: the same function may watch twice.
    const own: Watcher = (changes) => listener(changes);
    watchers.add(own);
    return () => {
      watchers.delete(own);
      if (watchers.size === 0 && this.#watchers.get(name) === watchers) this.#watchers.delete(name);
    };
  }

  /** Whether somebody watches a board whose name `isMeant`. */
  isWatching(isMeant: (name: string) => boolean): boolean {
    return [...this.#watchers.keys()].some((name) => isMeant(name));
  }

  /** Tells changes to those who watch a board whose name `isMeant`. */
  tell(changes: readonly BoardChange[], isMeant: (name: string) => boolean): void {
    const watchers = [...this.#watchers].filter(([name]) => isMeant(name));
    for (let start = 0; start < changes.length; start += CHANGES_MAX) {
      const some = changes.slice(start, start + CHANGES_MAX);
      for (const [name, all] of watchers) {
        for (const watcher of Array.from(all)) {
          try {
            watcher(some);
          } catch (error) {
            this.#logger.error(
              { board: name, error: messageOf(error) },
              'a watcher of a board threw',
            );
          }
        }
      }
    }
  }
}
