/**
 * Which links of a chain a call is charged to: from a capability of the leaf, through those of its
 * parents that cover it, to the root. Made once for each capability.
 */
import { attenuates } from '../chain/capability.ts';
import type { Capability, Grant, GrantBook, SuccessionView } from '../types.ts';

/** One capability of one link, and those that it may stand on. */
export interface PlanNode {
  readonly grant: Grant;
  /** Names its counter: a grant keeps its id when it is renewed, so that its counters go on. */
  readonly counter: string;
  readonly capability: Capability;
  readonly isRoot: boolean;
  readonly parents: readonly PlanNode[];
}

const plans = new WeakMap<Grant, Map<number, PlanNode>>();

/** The plan of the capability `index` of `leaf`; undefined when a link of its chain is missing. */
export function planOf(
  leaf: Grant,
  index: number,
  grants: Pick<GrantBook, 'chainOf' | 'successions'>,
): PlanNode | undefined {
  const known = plans.get(leaf)?.get(index);
  if (known !== undefined) return known;
  const byHash = new Map(grants.chainOf(leaf).map((link) => [link.hash, link]));
  const nodes = new Map<string, PlanNode | undefined>();

  const nodeOf = (grant: Grant, at: number): PlanNode | undefined => {
    const key = `${grant.hash}/${at}`;
    if (nodes.has(key)) return nodes.get(key);
    // A chain that was verified has no cycle; another must not hang us.
    nodes.set(key, undefined);
    const capability = grant.claims.cap[at];
    if (capability === undefined) return undefined;
    const parents: PlanNode[] = [];
    for (const hash of grant.claims.prf ?? []) {
      const parent = byHash.get(hash);
      if (parent === undefined) return undefined;
      for (const [above, wider] of parent.claims.cap.entries()) {
        const node = attenuates(wider, capability) ? nodeOf(parent, above) : undefined;
        if (node !== undefined) parents.push(node);
      }
    }
    const isRoot = grant.claims.prf === undefined;
    const node = {
      grant,
      counter: counterOf(grant, at, grants.successions),
      capability,
      isRoot,
      parents,
    };
    nodes.set(key, node);
    return node;
  };

  const plan = nodeOf(leaf, index);
  if (plan !== undefined) {
    const own = plans.get(leaf) ?? new Map<number, PlanNode>();
    plans.set(leaf, own.set(index, plan));
  }
  return plan;
}

/** The name of the counter of one capability: it stays the same when the issuer changes its key. */
export function counterOf({ claims }: Grant, index: number, successions: SuccessionView): string {
  return `${successions.origin(claims.iss)}/${claims.jti}/${index}`;
}
