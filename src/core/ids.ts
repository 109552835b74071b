/** Branded string types for what the whole house names peers, keys and meshes by. */

declare const brand: unique symbol;

/** A string that only the owner of its format makes. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A libp2p PeerId of an Ed25519 key, in base58btc: `12D3KooW…`. */
export type PeerId = Branded<'PeerId'>;

/** A `did:key` of an Ed25519 key: `did:key:z6Mk…` (did:key method, W3C CCG). */
export type Did = Branded<'Did'>;

/** The did:key that names a mesh: the key that signed its founder's membership. */
export type MeshId = Did;
