/**
 * What a node gives up when it leaves a mesh: the grants that it gave end, and what it keeps of the mesh is
 * forgotten, so that nothing of it comes into the next one. Its key, its secrets and its audit log stay.
 */
import type { GrantBook } from './grants/index.ts';
import type { Store, Table, Write } from './store/index.ts';

/** Tables of which everything is of the mesh. */
const WHOLE = ['boards', 'board-history', 'client-boards', 'peers', 'grants'] as const;
/** Rows that are deleted in one write. */
const AT_ONCE = 1000;

/** Ends what this node has granted and is still valid; gives the ids. Memberships that it gave stay. */
export async function endGrants(grants: GrantBook): Promise<readonly string[]> {
  const own = new Set(grants.issued().filter((grant) => isOnTools(grant.claims.cap)));
  const valid = [...own].filter((grant) => grants.state(grant) === 'valid');
  for (const { claims } of valid) await grants.revoke(claims.jti, 'the node left its mesh');
  return valid.map(({ claims }) => claims.jti);
}

/**
 * Forgets what is kept of the mesh that the node has left: its records but those in `kept` (by hash),
 * peers, boards, and the grants that it gave, which have ended, and got.
 */
export async function forgetMesh(store: Store, kept: ReadonlySet<string>): Promise<void> {
  for (const name of WHOLE) await deleteWhere(store.table(name), () => true);
  await deleteWhere(store.table('records'), (key) => !kept.has(key));
}

async function deleteWhere(table: Table, isOver: (key: string) => boolean): Promise<void> {
  let writes: Write[] = [];
  for await (const [key] of table.entries()) {
    if (isOver(key)) writes.push({ key });
    if (writes.length < AT_ONCE) continue;
    await table.batch(writes);
    writes = [];
  }
  if (writes.length > 0) await table.batch(writes);
}

function isOnTools(capabilities: readonly { readonly resource: string }[]): boolean {
  return capabilities.some(({ resource }) => !resource.startsWith('mesh:'));
}
