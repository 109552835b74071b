/** What is shown of a budget: as true as this node can know, and with what it can't. */
import type { Did } from '../core/index.ts';
import type { PeerView } from '../membership/types.ts';
import type { Books } from './books/book-types.ts';
import { splitRowId } from './rows/row-format.ts';
import type { BudgetView, OwnerView } from './types.ts';

/** What a view needs of the node. */
export interface ViewComponents {
  readonly books: Books;
  /** What an owner is called here, by its first key. */
  readonly nameOf: (owner: Did) => string;
  /** The peer that has, or had, this first key. */
  readonly peerOf: (owner: Did) => PeerView | undefined;
  readonly isConnected: (peer: PeerView) => boolean;
  readonly isPutOut: (owner: Did) => boolean;
}

/** What this node knows of a budget now, or at the time whose row is `rowId`. */
export function viewOf(components: ViewComponents, id: string, rowId: string): BudgetView {
  const { books } = components;
  const terms = books.terms(id);
  const founder = books.founderOf(id);
  if (terms === undefined || founder === undefined) throw new TypeError(`no budget ${id}`);
  const standing = books.standing(rowId);
  const rows = books.rows(rowId);
  const nodes = standing.owners().map((owner): OwnerView => {
    const { spent = 0, held = 0 } = rows.get(owner) ?? {};
    const rights = owner === books.self ? books.free(rowId) : Math.max(0, standing.quota(owner));
    return {
      node: components.nameOf(owner),
      did: owner,
      rights,
      spent,
      held,
      ...stateOf(components, owner, rowId),
    };
  });
  const away = nodes.filter(({ state }) => state === 'unreachable' || state === 'put-out');
  const outOfReach = sum(away.map(({ rights }) => rights));
  const acts = books.acts(id);
  const reclaimed = sum(Object.values(acts.reclaimed));
  const lost = books.account(rowId)?.lost ?? 0;
  const time = splitRowId(rowId)?.time;
  return {
    id,
    name: terms.name,
    unit: terms.unit,
    limit: terms.limit,
    spent: sum(nodes.map(({ spent }) => spent)),
    held: sum(nodes.map(({ held }) => held)),
    free: books.free(rowId),
    ...(lost === 0 ? {} : { lost }),
    ...(outOfReach === 0 ? {} : { outOfReach }),
    founder: components.nameOf(founder),
    createdAt: terms.createdAt,
    ...(terms.for === undefined ? {} : { for: terms.for }),
    ...(terms.everyMs === undefined ? {} : { everyMs: terms.everyMs }),
    ...(time === undefined ? {} : { time }),
    ...(terms.parent === undefined ? {} : { parent: terms.parent }),
    ...(acts.closed ? { closed: true as const } : {}),
    ...(reclaimed === 0 ? {} : { reclaimed }),
    nodes,
    ...(terms.for?.startsWith('task:') === true
      ? { task_id: terms.for.slice('task:'.length) }
      : {}),
    global_budget: terms.limit,
    machine_allocations: byName(nodes, ({ rights, spent, held }) => rights + spent + held),
    spent_by_machine: byName(nodes, ({ spent }) => spent),
  };
}

function stateOf(
  components: ViewComponents,
  owner: Did,
  rowId: string,
): Pick<OwnerView, 'state' | 'since' | 'note'> {
  const { books, peerOf, isConnected, isPutOut } = components;
  const id = splitRowId(rowId)?.id ?? rowId;
  if (books.isFrozen(rowId, owner) || books.isFrozen(id, owner)) {
    return {
      state: 'frozen',
      note: 'it has said two things of what it spent; nothing that it gives counts until that is settled',
    };
  }
  if (owner === books.self) return { state: 'here' };
  if (isPutOut(owner)) {
    return {
      state: 'put-out',
      note: 'its rights are stranded until the founder takes them back: starling budget reclaim <name> <peer>',
    };
  }
  const peer = peerOf(owner);
  if (peer !== undefined && isConnected(peer)) return { state: 'reachable' };
  const since = peer?.lastHeartbeatAt ?? 0;
  return {
    state: 'unreachable',
    ...(since === 0 ? {} : { since }),
    note: 'it may spend its rights meanwhile, and no more; nobody else can',
  };
}

function byName(
  nodes: readonly OwnerView[],
  amountOf: (node: OwnerView) => number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(nodes.map((node) => [node.node, amountOf(node)]));
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
