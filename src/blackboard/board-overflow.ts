/** Tells of boards that are full: updates of peers were dropped, so that copies may differ, until they are equal again. */
import type { Health, Logger, PeerId } from '../core/index.ts';

/** Boards whose updates were dropped, and of whom. */
export class BoardOverflow {
  readonly #components: {
    readonly logger: Logger;
    readonly health?: Pick<Health, 'raise' | 'clear'>;
  };
  /** `''` stands for the number of boards. */
  readonly #overflowing = new Map<string, Set<PeerId>>();

  constructor(components: {
    readonly logger: Logger;
    readonly health?: Pick<Health, 'raise' | 'clear'>;
  }) {
    this.#components = components;
  }

  get isEmpty(): boolean {
    return this.#overflowing.size === 0;
  }

  /** An update of a peer was dropped. */
  add(name: string, peer: PeerId): void {
    const known = this.#overflowing.get(name)?.add(peer);
    if (known !== undefined) return;
    this.#overflowing.set(name, new Set([peer]));
    const what = name === '' ? 'the number of boards' : `board '${name}'`;
    this.#components.logger.warn({ peer, board: name }, 'updates of a full board are dropped');
    this.#components.health?.raise({
      code: `board-full:${name}`,
      text: `${what} has reached its bound: updates of peers are dropped, so copies may differ`,
      hint: 'delete entries, or go on with a board of another name',
    });
  }

  /** Nothing of `peer` is missing any more of the boards of which `isSame` says so. */
  settled(peer: PeerId, isSame: (name: string) => boolean): void {
    for (const [name, peers] of this.#overflowing) {
      if (!peers.has(peer) || !isSame(name)) continue;
      peers.delete(peer);
      if (peers.size > 0) continue;
      this.#overflowing.delete(name);
      this.#components.health?.clear(`board-full:${name}`);
    }
  }

  clear(): void {
    for (const name of this.#overflowing.keys()) {
      this.#components.health?.clear(`board-full:${name}`);
    }
    this.#overflowing.clear();
  }
}
