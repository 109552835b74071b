/** Lists that the program which holds the node has made itself: what it offers is as trusted as the node. */

const own = new WeakSet<object>();

/** Says that `catalog` is one; gives it back. */
export function markOwn<T extends object>(catalog: T): T {
  own.add(catalog);
  return catalog;
}

/** Whether somebody has said so of this very object. */
export function isOwn(catalog: object): boolean {
  return own.has(catalog);
}
