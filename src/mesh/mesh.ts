/**
 * Which mesh this node belongs to: founds a mesh or enters one, holds its key where it has it, and
 * gives memberships below its own. A private mesh's key stays with its founder; an open mesh's key is
 * derived from its name, so that everybody holds it and nobody needs to be asked. Who is let in is
 * decided in `admission.ts`.
 */
import { StarlingError } from '../core/index.ts';
import type { Clock, Did, Health, Logger, MeshId, PeerId } from '../core/index.ts';
import { MEMBERSHIP_LINKS_MAX, issueGrant } from '../grants/index.ts';
import type { Grant, GrantBook, Successions } from '../grants/index.ts';
import { didFromPeerId, randomSeed, signerFromSeed } from '../identity/index.ts';
import type { Identity, Signer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import { fingerprintOf } from './fingerprint.ts';
import { describeEnd, membershipEnded } from './records/membership-end.ts';
import type { MembershipEnd } from './records/membership-end.ts';
import { INVITE_USES_MAX, inviteCapabilities } from './records/invites.ts';
import {
  meshOf,
  openSeed,
  readMeshState,
  writeMembershipEnd,
  writeMeshLeft,
  writeMeshState,
} from './mesh-state.ts';
import type { MeshState } from './mesh-state.ts';
import { allowsOnMesh, meshResource } from './records/member-list.ts';
import { createRecords } from './records/records.ts';
import type { Records } from './records/records.ts';
import { reissueMemberships } from './reissue-memberships.ts';
import type { Mesh } from './types.ts';

/** How long memberships hold, s: a mesh outlives its laptops. */
const MEMBERSHIP_S = 10 * 365 * 86_400;
/** Links that may hang below the founder's membership. */
const DEPTH_MAX = MEMBERSHIP_LINKS_MAX - 1;

/** What the mesh of a node is kept with. */
export interface OwnMeshComponents {
  readonly identity: Identity;
  readonly grants: GrantBook;
  /** Who took whose place, loaded. */
  readonly successions: Successions;
  /** Where it is kept which mesh this is. */
  readonly table: Table;
  /** Where the mesh's records are kept. */
  readonly records: Table;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears that records find no room. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
}

/** The mesh that this node belongs to. */
export interface OwnMesh {
  readonly successions: Successions;
  /** Reads what was kept. Must come first. */
  load(): Promise<void>;
  /** The mesh that this node is in, or on its way into. */
  mesh(): Mesh | undefined;
  /** {@link mesh}. @throws STARLING_STOPPED when there is none yet */
  require(): Mesh;
  /** True when this node holds a membership that counts. */
  isMember(): boolean;
  /** The same of a peer; cheap enough to be asked for each message. */
  hasMember(peer: PeerId): boolean;
  /** The mesh's records. @throws STARLING_STOPPED when there is no mesh yet */
  records(): Records;
  /** Founds a private mesh, which counts for this run: {@link keep} makes it last. */
  found(name: string): Promise<void>;
  /** True when this run founded the mesh, or was the first of it to enter an open one. */
  hasFounded(): boolean;
  /** Founds or enters the open mesh of this name; {@link keep} makes it last. @throws STARLING_MESH_MISMATCH */
  enterOpen(name: string): Promise<void>;
  /** True when this node holds the mesh's key, and no other node was ever a member as far as it knows. */
  isAlone(): boolean;
  /** True when it may go over to another mesh: it is alone in its own, or was put out of it. */
  mayGo(): boolean;
  /** How this node's membership was ended; undefined while it is a member, and where it never was one. */
  ended(): MembershipEnd | undefined;
  /** That this node is in no other mesh. @throws STARLING_MESH_MISMATCH */
  requireSame(id: MeshId, name: string): void;
  /**
   * Goes on its way into a private mesh, which counts for this run: `keep` makes it last.
   * @throws STARLING_MESH_MISMATCH
   */
  enter(id: MeshId, name: string): Promise<void>;
  /**
   * Goes on its way from the mesh that it is in into another, which counts for this run: {@link keep}
   * makes it last, and until then the next run is in the one before.
   */
  move(id: MeshId, name: string): Promise<void>;
  /** Keeps for later runs which mesh this is: somebody has let this node in, or all of it has started. */
  keep(): Promise<void>;
  /** Keeps that this node is in no mesh any more. */
  leave(): Promise<void>;
  /** Keeps how this node's membership was ended, for commands that ask while no node runs. */
  noteEnd(text: string): Promise<void>;
  /** This node's membership and those above it, leaf first. @throws STARLING_JOIN_REFUSED */
  ownChain(): readonly Grant[];
  /** That this node may let others in. @throws STARLING_JOIN_REFUSED */
  requireInviter(): void;
  /**
   * A membership for `aud` below this node's own, not kept yet; with `uses` an invite that lets so many
   * in. @throws STARLING_JOIN_REFUSED
   */
  delegate(aud: Did, canInvite: boolean, expiresAtS: number, uses?: number): Grant;
  /**
   * Issues memberships anew whose keys were changed: this node's own, and those of whom it let in.
   * Gives how many. `load` does it as well.
   */
  reissue(): Promise<number>;
}

/** Makes the mesh of a node; `load` reads which one it is. */
export function createOwnMesh(components: OwnMeshComponents): OwnMesh {
  return new KeptMesh(components);
}

class KeptMesh implements OwnMesh {
  readonly successions: Successions;
  readonly #components: OwnMeshComponents;
  #state: MeshState | undefined;
  #records: Records | undefined;
  /** Writes the membership in a mesh of this node's own, which is not on disk yet. */
  #founding: (() => Promise<void>) | undefined;
  #hasFounded = false;
  #hasMoved = false;
  /** Ends when the last reissue has; whoever asked for one hears how it went. */
  #reissuing: Promise<unknown> = Promise.resolve();

  constructor(components: OwnMeshComponents) {
    this.#components = components;
    this.successions = components.successions;
  }

  async load(): Promise<void> {
    const state = await readMeshState(this.#components.table);
    if (state === undefined) return;
    await this.#open(state);
    // Stopped between founding the mesh and keeping its first membership.
    const { mesh, seed } = state;
    if (seed !== undefined && this.#isNew()) {
      await this.#establish({ mesh, seed }, signerFromSeed(seed));
      await this.keep();
    }
    await this.reissue();
  }

  mesh(): Mesh | undefined {
    return this.#state?.mesh;
  }

  require(): Mesh {
    return this.#requireState().mesh;
  }

  isMember(): boolean {
    return this.#records?.isMember(this.#components.identity.did) ?? false;
  }

  hasMember(peer: PeerId): boolean {
    return this.#records?.isMember(didFromPeerId(peer)) ?? false;
  }

  records(): Records {
    if (this.#records === undefined) throw noMesh();
    return this.#records;
  }

  async found(name: string): Promise<void> {
    const seed = randomSeed();
    const key = signerFromSeed(seed);
    await this.#establish({ mesh: meshOf(key.did, name, false), seed }, key);
  }

  async enterOpen(name: string): Promise<void> {
    const seed = openSeed(name);
    const key = signerFromSeed(seed);
    const mesh = meshOf(key.did, name, true);
    this.requireSame(mesh.id, name);
    if (this.#state === undefined) await this.#establish({ mesh, seed }, key);
  }

  hasFounded(): boolean {
    return this.#hasFounded;
  }

  isAlone(): boolean {
    const { did } = this.#components.identity;
    if (this.#state?.seed === undefined) return false;
    return this.records()
      .memberships()
      .every(({ claims }) => this.successions.follows(did, claims.aud));
  }

  mayGo(): boolean {
    return this.isAlone() || this.ended() !== undefined;
  }

  ended(): MembershipEnd | undefined {
    return this.#records?.endOf(this.#components.identity.did);
  }

  requireSame(id: MeshId, name: string): void {
    const own = this.#state?.mesh;
    if (own === undefined || own.id === id) return;
    throw new StarlingError(
      'STARLING_MESH_MISMATCH',
      `this node belongs to the mesh '${own.name}' (${own.fingerprint}), not to '${name}' (${fingerprintOf(id)})`,
      {
        hint: 'leave that mesh first, which keeps the key: starling leave; or give a node in another mesh a state folder of its own: --state <folder>',
      },
    );
  }

  async enter(id: MeshId, name: string): Promise<void> {
    this.requireSame(id, name);
    if (this.#state === undefined) await this.#open({ mesh: meshOf(id, name, false) });
  }

  async move(id: MeshId, name: string): Promise<void> {
    this.#hasMoved = true;
    this.#founding = undefined;
    await this.#open({ mesh: meshOf(id, name, false) }, true);
  }

  async keep(): Promise<void> {
    await writeMeshState(this.#components.table, this.#requireState(), this.#hasMoved);
    this.#hasMoved = false;
    await this.#founding?.();
    this.#founding = undefined;
  }

  async leave(): Promise<void> {
    await writeMeshLeft(this.#components.table);
  }

  noteEnd(text: string): Promise<void> {
    return writeMembershipEnd(this.#components.table, text);
  }

  ownChain(): readonly Grant[] {
    const chain = this.records().membershipOf(this.#components.identity.did);
    if (chain !== undefined) return chain;
    const end = this.ended();
    if (end !== undefined) throw membershipEnded(describeEnd(end, this.require()), end);
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      'this node is no member of its mesh, so it can let nobody in',
      { hint: 'ask a member for a ticket, and start with --join' },
    );
  }

  requireInviter(): void {
    this.#inviter(this.require().id);
  }

  delegate(aud: Did, canInvite: boolean, expiresAtS: number, uses?: number): Grant {
    const { identity, clock } = this.#components;
    const { id } = this.require();
    const own = this.#inviter(id);
    const init = { uses: Math.min(uses ?? 1, INVITE_USES_MAX), canInvite };
    return issueGrant(
      identity,
      {
        aud,
        sub: id,
        cap:
          uses === undefined
            ? capabilities(id, canInvite)
            : inviteCapabilities(meshResource(id), init),
        expiresAt: Math.min(expiresAtS, own.claims.exp),
        parents: [own],
        // Nothing hangs below an invite, nor below who may not invite.
        maxDepth: canInvite && uses === undefined ? own.claims.max_depth - 1 : 0,
      },
      clock.now(),
    );
  }

  reissue(): Promise<number> {
    const { seed } = this.#requireState();
    const root = (): Signer | undefined => (seed === undefined ? undefined : signerFromSeed(seed));
    const components = { ...this.#components, records: this.records(), root };
    const done = this.#reissuing.then(() => reissueMemberships(components));
    this.#reissuing = done.catch(() => 0);
    return done;
  }

  /** True when no membership of this node is known: it was stopped between founding and keeping the first. */
  #isNew(): boolean {
    return this.isAlone() && this.records().memberships().length === 0;
  }

  /** Enters a mesh whose key this node holds, by a membership that the key signs; `keep` writes both. */
  async #establish({ mesh, seed }: Required<MeshState>, key: Signer): Promise<void> {
    const { identity, clock } = this.#components;
    await this.#open({ mesh, seed });
    const membership = issueGrant(
      key,
      {
        aud: identity.did,
        sub: mesh.id,
        cap: capabilities(mesh.id, true),
        expiresAt: Math.floor(clock.now() / 1000) + MEMBERSHIP_S,
        maxDepth: DEPTH_MAX,
      },
      clock.now(),
    );
    this.#hasFounded = true;
    this.#founding = await this.records().hold(membership.jws);
  }

  /** `isMoving`: what is on disk is of another mesh. */
  async #open(state: MeshState, isMoving = false): Promise<void> {
    const { identity, records } = this.#components;
    const { id, open } = state.mesh;
    this.#state = state;
    this.#records = createRecords(
      { ...this.#components, table: records },
      { mesh: id, open, self: identity.did },
    );
    if (!isMoving) await this.#records.load();
  }

  #requireState(): MeshState {
    if (this.#state === undefined) throw noMesh();
    return this.#state;
  }

  /** This node's own membership, by which it may let somebody in. */
  #inviter(mesh: MeshId): Grant {
    const [own] = this.ownChain();
    if (own === undefined || !allowsOnMesh(own, mesh, 'mesh/invite')) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        'whoever invited this node did not let it invite others',
        { hint: 'ask another member: starling invite' },
      );
    }
    if (own.claims.max_depth < 1) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        `this node is ${DEPTH_MAX} invitations away from the founder, which is the limit`,
        { hint: 'ask a member nearer to the founder: starling invite' },
      );
    }
    return own;
  }
}

function capabilities(mesh: MeshId, canInvite: boolean): Grant['claims']['cap'] {
  const resource = meshResource(mesh);
  const join = { resource, ability: 'mesh/join' };
  return canInvite ? [join, { resource, ability: 'mesh/invite' }] : [join];
}

function noMesh(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'this node is in no mesh yet');
}
