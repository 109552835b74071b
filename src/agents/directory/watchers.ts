/** Who hears that an agent is another than before: announced anew, stopped, retired, or its node came or went. */
import type { AgentAddress } from '../names.ts';

/** The watchers of the agents that one node knows. */
export class AgentWatchers {
  readonly #self: string;
  readonly #watchers = new Set<{ readonly node: string | undefined; changed(): void }>();

  /** `self` is the name of this node. */
  constructor(self: string) {
    this.#self = self;
  }

  /** Calls `changed` until what it gives is called. An address without a node is that of any node. */
  add({ node }: AgentAddress, changed: () => void): () => void {
    const watcher = { node, changed };
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /** Agents of `node` are others than before; default: those of this node. */
  tell(node: string = this.#self): void {
    for (const watcher of this.#watchers) {
      if (watcher.node === undefined || watcher.node === node) watcher.changed();
    }
  }
}
