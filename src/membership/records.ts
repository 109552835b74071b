/**
 * What every member must know for good: who is a member, what is revoked, which invites are spent.
 * A grow-only set of signed texts, each verified before it is kept or passed on, so that it does not
 * matter from whom one has it. Pure of network; `record-sync.ts` carries it.
 */
import { createHash } from 'node:crypto';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, MeshId } from '../core/index.ts';
import {
  GRANT_TYPE,
  MEMBERSHIP_LINKS_MAX,
  REVOCATION_TYPE,
  SUCCESSION_TYPE,
  allowsAlways,
  decodeJws,
  encodeJws,
  parseGrant,
  parseRevocation,
  parseSuccession,
  parseTarget,
  retiredBy,
  verifyChain,
} from '../grants/index.ts';
import type { Grant, GrantBook, SuccessionView, Successions } from '../grants/index.ts';
import { parseDid } from '../identity/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';

/** `typ` of the record that an invite was used. */
const SPENT_TYPE = 'starling-spent+jwt';
const RECORDS_MAX = 50_000;
const PER_SIGNER_MAX = 1000;
/** Successions of one key: one counts, the others are kept so that all see the conflict. */
const SUCCESSIONS_PER_KEY_MAX = 4;
const JTI = /^[\w-]{8,64}$/;

/** An invite that was used. */
interface Spent {
  readonly iss: Did;
  /** `jti` of the invite's grant. */
  readonly jti: string;
  /** Who came in by it. */
  readonly aud: Did;
  readonly iat: number;
  readonly exp: number;
}

/** What the records work with. */
export interface RecordComponents {
  readonly table: Table;
  readonly grants: Pick<GrantBook, 'addRevocation' | 'isRevoked' | 'revocations'>;
  readonly successions: Successions;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The set of records of one mesh. */
export interface Records {
  load(): Promise<void>;
  /** Takes one text; true when it is new and sound. Never throws for bad input. */
  add(jws: string): Promise<boolean>;
  /** Every text, by its hash (hex). */
  all(): ReadonlyMap<string, string>;
  /** Hash over the sorted hashes: equal digests mean equal sets. */
  digest(): string;
  /** True when `did` holds a membership whose chain holds now. */
  isMember(did: Did): boolean;
  /** A verified membership chain of `did`, leaf first. */
  membershipOf(did: Did): readonly Grant[] | undefined;
  /**
   * Takes what somebody shows who may have changed its key since we met: the membership of a key
   * that it had, and the successions since. What does not hold changes nothing.
   */
  introduce(chain: readonly string[], successions: readonly string[]): Promise<void>;
  /** That the key `did` was not replaced. @throws STARLING_KEY_RETIRED */
  requireInUse(did: Did): void;
  /** Verifies a membership chain that `did` shows. @throws STARLING_KEY_RETIRED, STARLING_JOIN_REFUSED */
  verifyMembership(chain: readonly string[], did: Did): readonly Grant[];
  /** True when this very grant is among the records: a membership, and no invite. */
  holds(grant: Grant): boolean;
  /** All memberships that were ever issued, whether they count or not. */
  memberships(): readonly Grant[];
  /** Who used the invite, if anybody did. */
  spentBy(jti: string): Did | undefined;
  /** Signs and keeps that `aud` used `invite`. Counts at once. */
  spend(signer: Signer, invite: Grant, aud: Did): Promise<void>;
  /** A revocation came in elsewhere: what is cached is judged anew. */
  judgeAnew(): void;
  /** Hears each new record. */
  onAdded(listener: (jws: string) => void): () => void;
}

/** Makes the records of the mesh `mesh`. In an open mesh nobody can be put out. */
export function createRecords(
  components: RecordComponents,
  init: { readonly mesh: MeshId; readonly open: boolean },
): Records {
  return new RecordSet(components, init.mesh, init.open);
}

/** `mesh:<did>` as grants name it. */
export function meshResource(mesh: MeshId): string {
  return `mesh:${mesh}`;
}

/** True when one of the grant's capabilities allows `ability` on the mesh. */
export function allowsOnMesh(grant: Grant, mesh: MeshId, ability: string): boolean {
  const target = parseTarget(meshResource(mesh));
  return grant.claims.cap.some((capability) => allowsAlways(capability, ability, target));
}

class RecordSet implements Records {
  readonly #components: RecordComponents;
  readonly #mesh: MeshId;
  readonly #open: boolean;
  readonly #texts = new Map<string, string>();
  readonly #grants = new Map<string, Grant>();
  readonly #byHolder = new Map<Did, Grant[]>();
  readonly #spent = new Map<string, Spent>();
  readonly #perSigner = new Map<string, number>();
  readonly #members = new Map<Did, readonly Grant[] | undefined>();
  readonly #listeners = new Set<(jws: string) => void>();
  /** For what is taken in: whoever has the same texts must have the same set, whatever counts. */
  readonly #lenient: SuccessionView;
  #digest: string | undefined;

  constructor(components: RecordComponents, mesh: MeshId, open: boolean) {
    this.#components = components;
    this.#mesh = mesh;
    this.#open = open;
    const { successions } = components;
    this.#lenient = {
      of: () => undefined,
      current: (did) => successions.current(did),
      origin: (did) => successions.origin(did),
      lineage: (did) => successions.lineage(did),
      heirs: (did) => successions.heirs(did),
      follows: (did, before) => successions.follows(did, before),
    };
  }

  async load(): Promise<void> {
    // The one of each key that counts comes first, so that no other takes its place.
    for (const { jws } of this.#components.successions.all()) this.#texts.set(hashOf(jws), jws);
    const texts: string[] = [];
    for await (const [, value] of this.#components.table.entries()) {
      texts.push(Buffer.from(value).toString('utf8'));
    }
    // Parents first: a chain is verified against what is there already.
    let waiting = texts;
    for (let progress = true; progress && waiting.length > 0;) {
      const left: string[] = [];
      for (const jws of waiting) if (!(await this.#take(jws))) left.push(jws);
      progress = left.length < waiting.length;
      waiting = left;
    }
    for (const revocation of this.#components.grants.revocations())
      await this.#take(revocation.jws);
  }

  async add(jws: string): Promise<boolean> {
    if (!(await this.#take(jws))) return false;
    await this.#components.table.put(hashOf(jws), Buffer.from(jws, 'utf8'));
    for (const listener of this.#listeners) listener(jws);
    return true;
  }

  all(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  digest(): string {
    this.#digest ??= createHash('sha256')
      .update([...this.#texts.keys()].toSorted().join())
      .digest('hex')
      .slice(0, 32);
    return this.#digest;
  }

  isMember(did: Did): boolean {
    return this.membershipOf(did) !== undefined;
  }

  membershipOf(did: Did): readonly Grant[] | undefined {
    const { successions } = this.#components;
    if (successions.of(did) !== undefined) return undefined;
    const known = this.#members.get(did);
    const nowS = this.#components.clock.now() / 1000;
    if (known?.every((grant) => grant.claims.exp > nowS) === true) return known;
    const chain = successions
      .lineage(did)
      .flatMap((one) => this.#byHolder.get(one) ?? [])
      .map((grant) => this.#verify(grant, this.#grants, did))
      .find((verdict) => verdict.ok);
    const links = chain?.ok === true ? chain.links : undefined;
    if (links !== undefined) this.#members.set(did, links);
    return links;
  }

  async introduce(chain: readonly string[], successions: readonly string[]): Promise<void> {
    if (successions.length === 0) return;
    for (const jws of chain.toReversed()) await this.add(jws);
    for (const jws of successions) await this.add(jws);
  }

  verifyMembership(chain: readonly string[], did: Did): readonly Grant[] {
    this.requireInUse(did);
    const parsed = chain.slice(0, MEMBERSHIP_LINKS_MAX + 1).map((jws) => parseGrant(jws));
    const [leaf] = parsed;
    if (leaf === undefined) {
      throw new StarlingError('STARLING_JOIN_REFUSED', 'it shows no membership');
    }
    const byHash = new Map(parsed.map((grant) => [grant.hash, grant]));
    const verdict = this.#verify(leaf, byHash, did);
    if (verdict.ok) return verdict.links;
    throw new StarlingError(
      'STARLING_JOIN_REFUSED',
      `its membership does not hold: ${verdict.refusal.text}`,
      {
        data: { rule: verdict.refusal.rule },
      },
    );
  }

  holds(grant: Grant): boolean {
    return this.#grants.has(grant.hash);
  }

  memberships(): readonly Grant[] {
    return [...this.#grants.values()];
  }

  spentBy(jti: string): Did | undefined {
    return this.#spent.get(jti)?.aud;
  }

  async spend(signer: Signer, invite: Grant, aud: Did): Promise<void> {
    const spent: Spent = {
      iss: signer.did,
      jti: invite.claims.jti,
      aud,
      iat: Math.floor(this.#components.clock.now() / 1000),
      exp: invite.claims.exp,
    };
    // Known at once, so that of two uses at the same time one finds it spent.
    this.#spent.set(spent.jti, spent);
    await this.add(encodeJws(signer, SPENT_TYPE, spent));
  }

  judgeAnew(): void {
    this.#members.clear();
  }

  onAdded(listener: (jws: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #take(jws: string): Promise<boolean> {
    if (this.#texts.size >= RECORDS_MAX || this.#texts.has(hashOf(jws))) return false;
    try {
      const typ = typeOf(jws);
      if (typ === GRANT_TYPE) this.#takeGrant(jws);
      else if (typ === SUCCESSION_TYPE) await this.#takeSuccession(jws);
      else if (typ === REVOCATION_TYPE) await this.#takeRevocation(jws);
      else this.#takeSpent(jws);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      this.#components.logger.debug({ error: messageOf(error) }, 'record not taken');
      return false;
    }
    this.#texts.set(hashOf(jws), jws);
    this.#digest = undefined;
    return true;
  }

  #takeGrant(jws: string): void {
    const grant = parseGrant(jws);
    const verdict = this.#verify(grant, this.#grants, grant.claims.aud, true);
    if (!verdict.ok) {
      throw new StarlingError('STARLING_GRANT_INVALID', `no membership: ${verdict.refusal.text}`);
    }
    this.#count(`grant ${grant.claims.iss}`);
    this.#grants.set(grant.hash, grant);
    const held = this.#byHolder.get(grant.claims.aud) ?? [];
    this.#byHolder.set(grant.claims.aud, [...held, grant]);
    this.#members.delete(grant.claims.aud);
  }

  async #takeRevocation(jws: string): Promise<void> {
    const revocation = parseRevocation(jws);
    if (revocation.claims.exp * 1000 <= this.#components.clock.now()) {
      throw new StarlingError('STARLING_GRANT_INVALID', 'the revoked grant has expired');
    }
    this.#requireMember(revocation.claims.iss);
    this.#count(`revocation ${revocation.claims.iss}`);
    await this.#components.grants.addRevocation(jws);
    this.#members.clear();
  }

  async #takeSuccession(jws: string): Promise<void> {
    const succession = parseSuccession(jws);
    const { iss, mesh } = succession.claims;
    if (mesh !== this.#mesh || iss === this.#mesh) {
      const what = iss === this.#mesh ? "a mesh's own key has no heir" : 'it is for another mesh';
      throw new StarlingError('STARLING_GRANT_INVALID', what, { data: { rule: 'mesh' } });
    }
    this.#requireMember(iss);
    const signer = `succession ${iss}`;
    if ((this.#perSigner.get(signer) ?? 0) >= SUCCESSIONS_PER_KEY_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many successions of one key');
    }
    await this.#components.successions.add(succession);
    this.#count(signer);
    this.#members.clear();
  }

  requireInUse(did: Did): void {
    const retired = retiredBy(did, this.#components.successions);
    if (retired === undefined) return;
    throw new StarlingError('STARLING_KEY_RETIRED', retired.text, {
      hint: 'use the state folder that has the new key: this one is older',
      data: { did },
    });
  }

  #takeSpent(jws: string): void {
    const decoded = decodeJws(jws, SPENT_TYPE);
    const spent = readSpent(decoded.payload);
    decoded.verify(spent.iss);
    this.#requireMember(spent.iss);
    this.#count(`spent ${spent.iss}`);
    const known = this.#spent.get(spent.jti);
    // Of two uses that never heard of each other the earlier one is remembered, everywhere.
    if (known === undefined || isEarlier(spent, known)) this.#spent.set(spent.jti, spent);
  }

  #requireMember(did: Did): void {
    if (did === this.#mesh) return;
    if (this.#components.successions.lineage(did).some((one) => this.#byHolder.has(one))) return;
    throw new StarlingError('STARLING_GRANT_INVALID', `${did} is no member of this mesh`);
  }

  #count(signer: string): void {
    const count = (this.#perSigner.get(signer) ?? 0) + 1;
    if (count > PER_SIGNER_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `over ${PER_SIGNER_MAX} records of one signer`,
      );
    }
    this.#perSigner.set(signer, count);
  }

  #verify(
    leaf: Grant,
    more: ReadonlyMap<string, Grant>,
    holder: Did,
    takenIn = false,
  ): ReturnType<typeof verifyChain> {
    const { successions } = this.#components;
    const verdict = verifyChain(leaf, {
      find: (hash) => more.get(hash) ?? this.#grants.get(hash),
      nowMs: this.#components.clock.now(),
      successions: takenIn ? this.#lenient : successions,
      isRevoked: (grant, mayRevoke) =>
        !this.#open && !takenIn && this.#components.grants.isRevoked(grant, mayRevoke),
      maxLinks: MEMBERSHIP_LINKS_MAX,
      holder,
      owner: this.#mesh,
    });
    if (verdict.ok && !allowsOnMesh(leaf, this.#mesh, 'mesh/join')) {
      return {
        ok: false,
        refusal: { rule: 'not-covered', text: 'it does not let its holder join' },
      };
    }
    return verdict;
  }
}

function hashOf(jws: string): string {
  return createHash('sha256').update(jws).digest('hex').slice(0, 32);
}

/** `typ` of the header, whatever it is; the readers check the rest. */
function typeOf(jws: string): string {
  const header = Buffer.from(jws.split('.', 1)[0] ?? '', 'base64url').toString('utf8');
  const types = [GRANT_TYPE, REVOCATION_TYPE, SUCCESSION_TYPE];
  return types.find((typ) => header.includes(`"${typ}"`)) ?? SPENT_TYPE;
}

function readSpent(payload: unknown): Spent {
  const wrong = (): StarlingError =>
    new StarlingError('STARLING_GRANT_MALFORMED', 'not a record of a spent invite');
  if (typeof payload !== 'object' || payload === null) throw wrong();
  const { iss, jti, aud, iat, exp } = payload as Partial<Record<keyof Spent, unknown>>;
  if (typeof iss !== 'string' || typeof aud !== 'string' || typeof jti !== 'string') throw wrong();
  if (!JTI.test(jti) || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) throw wrong();
  return { iss: parseDid(iss), jti, aud: parseDid(aud), iat: Number(iat), exp: Number(exp) };
}

function isEarlier(a: Spent, b: Spent): boolean {
  return a.iat < b.iat || (a.iat === b.iat && a.aud < b.aud);
}
