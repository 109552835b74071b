/**
 * Keeps what principals see, until something changes: many sessions of one client share one view. Of
 * those who hold grants nothing is kept, because grants expire by themselves.
 */
import { OPERATOR, seesAll } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';

/** Views that are kept for one principal: callers choose the paths, and with them the views. */
const VIEWS_MAX = 64;

/** Views by principal and what they are of. */
export interface ViewCache<View> {
  /** The view that is kept, or that of `make`. */
  get(principal: Principal, spec: object, make: () => View): View;
  clear(): void;
}

/** Makes an empty cache. */
export function createViewCache<View>(): ViewCache<View> {
  let views = new WeakMap<Principal, Map<string, View>>();
  return {
    get(principal, spec, make) {
      if (principal.kind !== 'operator' && principal.kind !== 'client') return make();
      const owner = seesAll(principal) ? OPERATOR : principal;
      const own = views.get(owner) ?? new Map<string, View>();
      views.set(owner, own);
      const key = JSON.stringify(spec);
      const known = own.get(key);
      if (known !== undefined) return known;
      const [oldest] = own.keys();
      if (own.size >= VIEWS_MAX && oldest !== undefined) own.delete(oldest);
      const view = make();
      own.set(key, view);
      return view;
    },
    clear() {
      views = new WeakMap();
    },
  };
}
