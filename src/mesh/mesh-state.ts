/** What is kept of the mesh that a node is in: its name, and its key where the node holds it. */
import { createHash } from 'node:crypto';
import { decode, encode } from 'cborg';
import { StarlingError } from '../core/index.ts';
import type { MeshId } from '../core/index.ts';
import { parseDid } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Mesh } from './types.ts';

const STATE_KEY = 'state';

/** The mesh of a node. */
export interface MeshState {
  readonly mesh: Mesh;
  /** Seed of the mesh's own key, where this node holds it. */
  readonly seed?: Uint8Array;
}

/** The mesh whose key is `id`. */
export function meshOf(id: MeshId, name: string, open: boolean): Mesh {
  return { id, name, open, fingerprint: fingerprintOf(id) };
}

/** Seed of the key of the open mesh called `name`: known to everybody who knows the name. */
export function openSeed(name: string): Uint8Array {
  return createHash('sha256').update(`starling open mesh 1\0${name}`).digest();
}

/** Reads which mesh the node is in; undefined when none. @throws STARLING_STATE_UNUSABLE */
export async function readMeshState(table: Table): Promise<MeshState | undefined> {
  const bytes = await table.get(STATE_KEY);
  return bytes === undefined ? undefined : parseState(bytes);
}

/** Keeps which mesh the node is in. */
export async function writeMeshState(table: Table, { mesh, seed }: MeshState): Promise<void> {
  const { id, name, open } = mesh;
  await table.put(STATE_KEY, encode({ id, name, open, ...(seed === undefined ? {} : { seed }) }));
}

function parseState(bytes: Uint8Array): MeshState {
  const value: unknown = decode(bytes);
  if (typeof value === 'object' && value !== null) {
    const { id, name, open, seed } = value as Readonly<Record<string, unknown>>;
    if (typeof id === 'string' && typeof name === 'string' && typeof open === 'boolean') {
      const mesh = meshOf(parseDid(id), name, open);
      return seed instanceof Uint8Array ? { mesh, seed } : { mesh };
    }
  }
  throw new StarlingError(
    'STARLING_STATE_UNUSABLE',
    'what the database says of the mesh of this node is damaged',
    { hint: 'restore the state folder from a backup, or move it away and join anew' },
  );
}
