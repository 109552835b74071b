/**
 * Which mesh this node belongs to, and who else may come in. Founds meshes, makes and redeems
 * tickets, and judges hellos. A private mesh's key stays with its founder; an open mesh's key is
 * derived from its name, so that everybody holds it and nobody needs to be asked.
 */
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { decode, encode } from 'cborg';
import { ERRORS, StarlingError, messageOf } from '../core/index.ts';
import type { Clock, ErrorCode, Health, Logger, MeshId, PeerId, Secret } from '../core/index.ts';
import { MEMBERSHIP_LINKS_MAX, issueGrant, parseSuccession } from '../grants/index.ts';
import type { Grant, GrantBook, Succession, Successions } from '../grants/index.ts';
import {
  didFromPeerId,
  parseDid,
  randomSeed,
  signerFromSeed,
  verifySignature,
} from '../identity/index.ts';
import type { Identity, Signer } from '../identity/index.ts';
import type { Admission, Hello, InviteProof, HelloAnswer } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { fingerprintOf } from './fingerprint.ts';
import { audienceOf, ownSuccessions, proofOf } from './hello-proofs.ts';
import { allowsOnMesh, createRecords, meshResource } from './records.ts';
import type { Records } from './records.ts';
import { reissueMemberships } from './reissue-memberships.ts';
import { encodeTicket, parseTicket, requireInTime } from './ticket.ts';
import type { Ticket } from './ticket.ts';
import type { Mesh } from './types.ts';

const STATE_KEY = 'state';
const YEAR_S = 365 * 86_400;
/** How long memberships hold: a mesh outlives its laptops. */
const MEMBERSHIP_S = 10 * YEAR_S;
/** Links that may hang below the founder's membership. */
const DEPTH_MAX = MEMBERSHIP_LINKS_MAX - 1;
/** How far the clocks of two that meet may be apart, for an invite's proof. */
const PROOF_AGE_MAX_MS = 300_000;
/** What the mesh book works with. */
export interface MeshBookComponents {
  readonly identity: Identity;
  readonly grants: GrantBook;
  /** Who took whose place, loaded. */
  readonly successions: Successions;
  /** Which mesh we are in. */
  readonly table: Table;
  /** The mesh's records. */
  readonly records: Table;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where is told that records find no room. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
}

/** A new ticket. */
export interface Invitation {
  readonly ticket: Secret;
  /** ms since the epoch */
  readonly expiresAt: number;
}

/** Events of our membership. */
export interface MeshBookEvents {
  joined: [];
  /** Somebody has shown that our key was replaced: we are an older copy of another node. */
  retired: [succession: Succession];
}

/** Our membership. */
export interface MeshBook {
  readonly events: EventEmitter<MeshBookEvents>;
  /** Reads what was kept. Must come first. */
  load(): Promise<void>;
  /** The mesh that we are in, or on our way into. */
  mesh(): Mesh | undefined;
  readonly successions: Successions;
  /**
   * Issues memberships anew whose keys were changed: ours, or those of whom we let in. Gives how many.
   * `load` does it as well.
   */
  reissue(): Promise<number>;
  /** True when we hold a membership that counts. */
  isMember(): boolean;
  /** Founds a private mesh. */
  found(name: string): Promise<void>;
  /** Founds or enters the open mesh of this name. @throws STARLING_MESH_MISMATCH */
  enterOpen(name: string): Promise<void>;
  /**
   * Takes a ticket; returns the addresses to dial. We are in once somebody has let us in.
   * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH
   */
  takeTicket(text: Secret): Promise<readonly string[]>;
  /** Makes a ticket for one newcomer. @throws STARLING_JOIN_REFUSED when we may not invite */
  invite(init: {
    readonly addresses: readonly string[];
    readonly expiresInMs: number;
    readonly canInvite: boolean;
  }): Promise<Invitation>;
  /** Who is let in: for the network. */
  readonly admission: Admission;
  /** Of a grant by which somebody may join: whether somebody has. */
  ticketOf(grant: Grant): 'open' | 'spent' | undefined;
  /** The mesh's records. @throws STARLING_STOPPED when there is no mesh yet */
  records(): Records;
}

interface State {
  readonly mesh: Mesh;
  /** The mesh's own key, where we hold it. */
  readonly seed?: Uint8Array;
}

/** Makes the mesh book of a node; its `name` is what hellos say. */
export function createMeshBook(
  components: MeshBookComponents,
  init: { readonly name: string },
): MeshBook {
  return new Book(components, init.name);
}

class Book implements MeshBook {
  readonly events = new EventEmitter<MeshBookEvents>();
  readonly admission: Admission;
  readonly successions: Successions;
  readonly #components: MeshBookComponents;
  readonly #name: string;
  #state: State | undefined;
  #records: Records | undefined;
  #ticket: Ticket | undefined;
  /** Ends when the last turn has; whoever asked for that hears how it went. */
  #reissuing: Promise<unknown> = Promise.resolve();

  constructor(components: MeshBookComponents, name: string) {
    this.#components = components;
    this.#name = name;
    this.successions = components.successions;
    this.admission = {
      hello: (peer) => this.#hello(peer),
      admit: (hello, peer) => this.#admit(hello, peer),
      answered: (welcome, peer) => this.#answered(welcome, peer),
      isMember: (peer) => this.#records?.isMember(didFromPeerId(peer)) ?? false,
    };
  }

  async load(): Promise<void> {
    const bytes = await this.#components.table.get(STATE_KEY);
    if (bytes === undefined) return;
    const state = readState(bytes);
    await this.#enter(state);
    // Stopped between founding the mesh and keeping its first membership.
    if (state.seed !== undefined && !this.isMember()) await this.#establish(state);
    await this.reissue();
  }

  reissue(): Promise<number> {
    const { seed } = this.#require();
    const root = seed === undefined ? undefined : signerFromSeed(seed);
    const components = { ...this.#components, records: this.records(), root };
    const done = this.#reissuing.then(() => reissueMemberships(components));
    this.#reissuing = done.catch(() => 0);
    return done;
  }

  mesh(): Mesh | undefined {
    return this.#state?.mesh;
  }

  isMember(): boolean {
    return this.#records?.isMember(this.#components.identity.did) ?? false;
  }

  ticketOf(grant: Grant): 'open' | 'spent' | undefined {
    const { jti, sub } = grant.claims;
    if (sub !== this.mesh()?.id || this.records().holds(grant)) return undefined;
    return this.records().spentBy(jti) === undefined ? 'open' : 'spent';
  }

  records(): Records {
    if (this.#records === undefined)
      throw new StarlingError('STARLING_STOPPED', 'this node is in no mesh yet');
    return this.#records;
  }

  async found(name: string): Promise<void> {
    const seed = randomSeed();
    await this.#establish({ mesh: meshOf(signerFromSeed(seed), name, false), seed });
  }

  async enterOpen(name: string): Promise<void> {
    const seed = openSeed(name);
    const mesh = meshOf(signerFromSeed(seed), name, true);
    this.#requireSame(mesh.id, name);
    if (this.#state === undefined) await this.#establish({ mesh, seed });
  }

  async takeTicket(text: Secret): Promise<readonly string[]> {
    const ticket = parseTicket(text);
    this.#requireSame(ticket.mesh, ticket.name);
    // A service keeps its ticket in its settings: a member has no more use for it, however old it is.
    if (this.isMember()) return ticket.addresses;
    requireInTime(ticket, this.#components.clock.now());
    if (this.#state === undefined) {
      const mesh = {
        id: ticket.mesh,
        name: ticket.name,
        open: false,
        fingerprint: fingerprintOf(ticket.mesh),
      };
      await this.#enter({ mesh });
    }
    this.#ticket = ticket;
    return ticket.addresses;
  }

  async invite(init: {
    readonly addresses: readonly string[];
    readonly expiresInMs: number;
    readonly canInvite: boolean;
  }): Promise<Invitation> {
    const { clock, grants } = this.#components;
    const { mesh } = this.#require();
    const seed = randomSeed();
    const expiresAtS = Math.floor((clock.now() + init.expiresInMs) / 1000);
    const invite = this.#delegate(signerFromSeed(seed).did, init.canInvite, expiresAtS);
    await grants.keepIssued(invite);
    const ticket = encodeTicket({
      mesh: mesh.id,
      name: mesh.name,
      addresses: init.addresses,
      seed,
      grants: [invite, ...this.#ownChain()],
    });
    return { ticket, expiresAt: invite.claims.exp * 1000 };
  }

  async #establish(state: State): Promise<void> {
    const { identity, clock } = this.#components;
    await this.#enter(state);
    const { mesh, seed } = state;
    if (seed === undefined) return;
    const membership = issueGrant(
      signerFromSeed(seed),
      {
        aud: identity.did,
        sub: mesh.id,
        cap: capabilities(mesh.id, true),
        expiresAt: Math.floor(clock.now() / 1000) + MEMBERSHIP_S,
        maxDepth: DEPTH_MAX,
      },
      clock.now(),
    );
    await this.#persist();
    await this.records().add(membership.jws);
  }

  async #enter(state: State): Promise<void> {
    const { grants, successions, clock, logger, health, identity } = this.#components;
    this.#state = state;
    this.#records = createRecords(
      {
        table: this.#components.records,
        grants,
        successions,
        clock,
        logger,
        ...(health === undefined ? {} : { health }),
      },
      { mesh: state.mesh.id, open: state.mesh.open, self: identity.did },
    );
    await this.#records.load();
  }

  async #persist(): Promise<void> {
    const { mesh, seed } = this.#require();
    const value = {
      id: mesh.id,
      name: mesh.name,
      open: mesh.open,
      ...(seed === undefined ? {} : { seed }),
    };
    await this.#components.table.put(STATE_KEY, encode(value));
  }

  #require(): State {
    if (this.#state === undefined)
      throw new StarlingError('STARLING_STOPPED', 'this node is in no mesh yet');
    return this.#state;
  }

  #requireSame(id: MeshId, name: string): void {
    const own = this.#state?.mesh;
    if (own === undefined || own.id === id) return;
    throw new StarlingError(
      'STARLING_MESH_MISMATCH',
      `this node belongs to the mesh '${own.name}' (${own.fingerprint}), not to '${name}' (${fingerprintOf(id)})`,
      { hint: 'give a node in another mesh a state folder of its own: --state <folder>' },
    );
  }

  #ownChain(): readonly Grant[] {
    const chain = this.records().membershipOf(this.#components.identity.did);
    if (chain === undefined) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        'this node is no member of its mesh, so it can let nobody in',
        {
          hint: 'ask a member for a ticket, and start with --join',
        },
      );
    }
    return chain;
  }

  /** A membership for `aud`, below our own. */
  #delegate(aud: Grant['claims']['aud'], canInvite: boolean, expiresAtS: number): Grant {
    const { identity, clock } = this.#components;
    const { mesh } = this.#require();
    const [own] = this.#ownChain();
    if (own === undefined || !allowsOnMesh(own, mesh.id, 'mesh/invite')) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        'whoever invited this node did not let it invite others',
        {
          hint: 'ask another member: starling invite',
        },
      );
    }
    if (own.claims.max_depth < 1) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        `this node is ${DEPTH_MAX} invitations away from the founder, which is the limit`,
        {
          hint: 'ask a member nearer to the founder: starling invite',
        },
      );
    }
    return issueGrant(
      identity,
      {
        aud,
        sub: mesh.id,
        cap: capabilities(mesh.id, canInvite),
        expiresAt: Math.min(expiresAtS, own.claims.exp),
        parents: [own],
        maxDepth: own.claims.max_depth - 1,
      },
      clock.now(),
    );
  }

  #hello(peer: PeerId): Hello {
    const { identity, clock } = this.#components;
    const time = clock.now();
    const mesh = this.#state?.mesh.id;
    const chain = this.#records?.membershipOf(identity.did);
    const base = {
      version: 1,
      name: this.#name,
      time,
      ...(mesh === undefined ? {} : { mesh }),
    } as const;
    if (chain !== undefined) {
      const successions = ownSuccessions(this.successions, identity.did);
      const told = successions.length === 0 ? {} : { successions };
      return { ...base, membership: chain.map((grant) => grant.jws), ...told };
    }
    const ticket = this.#ticket;
    if (ticket === undefined || mesh === undefined) return { ...base, membership: [] };
    const signer = signerFromSeed(ticket.seed);
    const invite: InviteProof = {
      grants: ticket.grants.map((grant) => grant.jws),
      signature: signer.sign(proofOf(identity.peerId, peer, mesh, time)),
    };
    return { ...base, membership: [], invite };
  }

  async #admit(hello: Hello, peer: PeerId): Promise<HelloAnswer> {
    const { mesh } = this.#require();
    try {
      if (hello.version !== 1) {
        throw new StarlingError(
          'STARLING_VERSION_UNSUPPORTED',
          `version ${String(hello.version)} of the hello is not spoken here`,
        );
      }
      if (hello.mesh !== mesh.id) {
        throw hello.mesh === undefined
          ? new StarlingError(
              'STARLING_JOIN_REFUSED',
              `this is the ${mesh.open ? 'open' : 'private'} mesh '${mesh.name}'`,
            )
          : new StarlingError(
              'STARLING_MESH_MISMATCH',
              `this node is of the mesh '${mesh.name}' (${mesh.fingerprint}), and you are of another`,
            );
      }
      const issued = await this.#judge(hello, peer);
      return {
        ok: true,
        hello: this.#hello(peer),
        ...(issued === undefined ? {} : { issued: issued.map((grant) => grant.jws) }),
      };
    } catch (error) {
      if (!(error instanceof StarlingError)) {
        this.#components.logger.error(
          { peer, error: messageOf(error) },
          'hello could not be judged',
        );
      }
      const succession = this.successions.of(didFromPeerId(peer))?.jws;
      return {
        ...refusal(error, mesh, hello.mesh === undefined),
        // Its holder has it signed itself, and can tell by it that this is true.
        ...(succession === undefined ? {} : { succession }),
      };
    }
  }

  /** What was issued to a newcomer; undefined for a member. @throws why it is refused */
  async #judge(hello: Hello, peer: PeerId): Promise<readonly Grant[] | undefined> {
    const did = didFromPeerId(peer);
    this.records().requireInUse(did);
    if (hello.membership.length > 0) {
      await this.records().introduce(hello.membership, hello.successions ?? []);
      await this.#keep(this.records().verifyMembership(hello.membership, did));
      return undefined;
    }
    if (hello.invite !== undefined) return this.#redeem(hello, hello.invite, peer);
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      'this mesh is private and you show no membership',
      {
        hint: 'ask a member for a ticket (starling invite), and start with --join',
      },
    );
  }

  async #redeem(hello: Hello, proof: InviteProof, peer: PeerId): Promise<readonly Grant[]> {
    const { clock, grants } = this.#components;
    const { mesh } = this.#require();
    const did = didFromPeerId(peer);
    const [invite] = this.#verifyInvite(proof);
    if (invite === undefined)
      throw new StarlingError('STARLING_TICKET_INVALID', 'the invite is empty');
    if (Math.abs(clock.now() - hello.time) > PROOF_AGE_MAX_MS) {
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        'the clocks of the two machines are more than 5 minutes apart',
        {
          hint: 'set the clock of the machine that wants to join',
        },
      );
    }
    const message = proofOf(peer, this.#components.identity.peerId, mesh.id, hello.time);
    if (!verifySignature(invite.claims.aud, message, proof.signature)) {
      throw new StarlingError(
        'STARLING_TICKET_INVALID',
        "the proof of the ticket's key does not hold",
      );
    }
    const usedBy = this.records().spentBy(invite.claims.jti);
    if (usedBy !== undefined && usedBy !== did) {
      throw new StarlingError('STARLING_TICKET_SPENT', 'this ticket was used before', {
        hint: 'each lets one node in: ask a member for a new one (starling invite)',
      });
    }
    const known = this.records().membershipOf(did);
    if (known !== undefined) return known;
    const spent = this.records().spend(this.#components.identity, invite, did);
    const canInvite = allowsOnMesh(invite, mesh.id, 'mesh/invite');
    const membership = this.#delegate(did, canInvite, Number.MAX_SAFE_INTEGER);
    await spent;
    await grants.keepIssued(membership);
    await this.records().add(membership.jws);
    return [membership, ...this.#ownChain()];
  }

  #verifyInvite(proof: InviteProof): readonly Grant[] {
    const [jws] = proof.grants;
    const aud = jws === undefined ? undefined : audienceOf(jws);
    if (aud === undefined)
      throw new StarlingError('STARLING_TICKET_INVALID', 'the invite does not parse');
    try {
      return this.records().verifyMembership(proof.grants, aud);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      const expired = error.data['rule'] === 'expired';
      throw new StarlingError(
        expired ? 'STARLING_TICKET_EXPIRED' : 'STARLING_TICKET_INVALID',
        `the ticket does not hold: ${error.message}`,
        { hint: 'ask a member for a new one: starling invite', cause: error },
      );
    }
  }

  async #answered(welcome: HelloAnswer, peer: PeerId): Promise<void> {
    if (!welcome.ok) {
      this.#hearOfHeir(welcome.succession);
      const code = isCode(welcome.code) ? welcome.code : 'STARLING_JOIN_REFUSED';
      throw new StarlingError(code, `${peer} refused us: ${welcome.reason.slice(0, 500)}`);
    }
    const { hello, issued } = welcome;
    const records = this.records();
    if (hello.membership.length === 0) {
      throw new StarlingError('STARLING_JOIN_REFUSED', `${peer} is no member of this mesh yet`, {
        hint: 'it needs a ticket: starling invite',
      });
    }
    await records.introduce(hello.membership, hello.successions ?? []);
    const theirs = records.verifyMembership(hello.membership, didFromPeerId(peer));
    await this.#keep(theirs);
    if (issued === undefined || this.isMember()) return;
    await this.#keep(records.verifyMembership(issued, this.#components.identity.did));
    this.#ticket = undefined;
    await this.#persist();
    this.events.emit('joined');
  }

  /** That our key is retired counts only when our key itself has signed it, for this mesh. */
  #hearOfHeir(jws: string | undefined): void {
    if (jws === undefined) return;
    const succession = parseSuccession(jws);
    const { iss, mesh } = succession.claims;
    if (iss !== this.#components.identity.did || mesh !== this.#state?.mesh.id) return;
    this.events.emit('retired', succession);
  }

  /** Keeps a verified chain in the records, its root first. */
  async #keep(chain: readonly Grant[]): Promise<void> {
    for (const grant of chain.toReversed()) await this.records().add(grant.jws);
  }
}

function meshOf(key: Signer, name: string, open: boolean): Mesh {
  return { id: key.did, name, open, fingerprint: fingerprintOf(key.did) };
}

/** The key of the open mesh called `name`: known to everybody who knows the name. */
function openSeed(name: string): Uint8Array {
  return createHash('sha256').update(`starling open mesh 1\0${name}`).digest();
}

function capabilities(mesh: MeshId, canInvite: boolean): Grant['claims']['cap'] {
  const resource = meshResource(mesh);
  const join = { resource, ability: 'mesh/join' };
  return canInvite ? [join, { resource, ability: 'mesh/invite' }] : [join];
}

type Refused = Extract<HelloAnswer, { ok: false }>;

function refusal(error: unknown, mesh: Mesh, tell: boolean): Refused {
  const known = error instanceof StarlingError;
  const hint = known && error.hint !== undefined ? ` — ${error.hint}` : '';
  return {
    ok: false,
    code: known ? error.code : 'STARLING_JOIN_REFUSED',
    reason: known ? `${error.message}${hint}` : 'the hello could not be judged',
    // Whoever asks which mesh this is may know; a stranger of another mesh need not.
    ...(tell ? { mesh: mesh.id, meshName: mesh.name, open: mesh.open } : {}),
  };
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}

function readState(bytes: Uint8Array): State {
  const value: unknown = decode(bytes);
  if (typeof value === 'object' && value !== null) {
    const { id, name, open, seed } = value as Readonly<Record<string, unknown>>;
    if (typeof id === 'string' && typeof name === 'string' && typeof open === 'boolean') {
      const mesh = { id: parseDid(id), name, open, fingerprint: fingerprintOf(parseDid(id)) };
      return seed instanceof Uint8Array ? { mesh, seed } : { mesh };
    }
  }
  throw new StarlingError(
    'STARLING_STATE_UNUSABLE',
    'what the database says of our mesh is damaged',
    {
      hint: 'restore the state folder from a backup, or move it away and join anew',
    },
  );
}
