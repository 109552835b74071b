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
/** There while what is of a mesh that this node has left is still to be forgotten. */
const LEFT_KEY = 'left';
/** A sentence, there while this node is no member of its mesh any more. */
const ENDED_KEY = 'ended';

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

/** Keeps which mesh the node is in; `hasLeft`: in place of another one, of which all is to be forgotten. */
export async function writeMeshState(
  table: Table,
  { mesh, seed }: MeshState,
  hasLeft = false,
): Promise<void> {
  const { id, name, open } = mesh;
  const value = encode({ id, name, open, ...(seed === undefined ? {} : { seed }) });
  const left = hasLeft ? [{ key: LEFT_KEY, value: encode(true) }] : [];
  await table.batch([{ key: STATE_KEY, value }, { key: ENDED_KEY }, ...left]);
}

/** Keeps that the node is in no mesh, and has to forget the one that it was in. */
export async function writeMeshLeft(table: Table): Promise<void> {
  await table.batch([
    { key: STATE_KEY },
    { key: ENDED_KEY },
    { key: LEFT_KEY, value: encode(true) },
  ]);
}

/** Whether something of a mesh that was left is still to be forgotten. */
export async function hasMeshToForget(table: Table): Promise<boolean> {
  return (await table.get(LEFT_KEY)) !== undefined;
}

/** Keeps, for commands that ask while no node runs, how the membership was ended; undefined: it was not. */
export async function writeMembershipEnd(table: Table, text: string | undefined): Promise<void> {
  if (text === undefined) await table.delete(ENDED_KEY);
  else await table.put(ENDED_KEY, encode(text));
}

/** Reads what {@link writeMembershipEnd} keeps. */
export async function readMembershipEnd(table: Table): Promise<string | undefined> {
  const bytes = await table.get(ENDED_KEY);
  const text: unknown = bytes === undefined ? undefined : decode(bytes);
  return typeof text === 'string' ? text : undefined;
}

/** Keeps that all of it is forgotten. */
export async function writeMeshForgotten(table: Table): Promise<void> {
  await table.delete(LEFT_KEY);
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
