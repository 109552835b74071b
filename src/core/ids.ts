/** Branded string types for what the whole house names peers, keys and meshes by. */

declare const brand: unique symbol;

/** The name of the MCP server that every node has built in; no other server may be called so. */
export const BUILTIN_SERVER = 'starling';

/** A string that only the owner of its format makes. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A libp2p PeerId of an Ed25519 key, in base58btc: `12D3KooW…`. */
export type PeerId = Branded<'PeerId'>;

/** A `did:key` of an Ed25519 key: `did:key:z6Mk…` (did:key method, W3C CCG). */
export type Did = Branded<'Did'>;

/** The did:key that names a mesh: the key that signed its founder's membership. */
export type MeshId = Did;

/**
 * Random bytes as an id in base64url. It never begins with `-`, which a command would take for an option:
 * then one bit is turned.
 */
export function idOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64url');
  return text.startsWith('-') ? `e${text.slice(1)}` : text;
}
