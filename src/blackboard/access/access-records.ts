/**
 * The signed texts by which a board that is not open is judged, each a compact JWS (RFC 7515): who created the board;
 * who keeps a strong board from some time on;
 * grants, as the room `grants` has them, on `board:<name>/…`; and revocations of these, which also say up to
 * where the lanes of those who lose a right still count. Formats only: what follows from them is `board-access.ts`.
 */
import { hash } from 'node:crypto';
import { StarlingError, isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { REVOCATION_TYPE, encodeSegment, parseGrant, parseRevocation } from '../../grants/index.ts';
import type { Capability, Grant, Revocation } from '../../grants/index.ts';
import { decodeJws, encodeJws } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import { isBelow, isClient, isDid } from '../lanes/lane-format.ts';
import type { Place } from '../lanes/lane-format.ts';
import { isBoardId } from '../board-id.ts';
import { isBoardName } from '../limits.ts';
import { REPLICAS_MAX, isDisk, readVoters } from '../lanes/voters.ts';
import type { Voter } from '../lanes/voters.ts';
import type { BoardAbility } from '../types.ts';

/** `typ` of the header of a creation record. */
export const BOARD_TYPE = 'starling-board+jwt';
/** `typ` of the header of a change of the replicas of a strong board. */
export const REPLICAS_TYPE = 'starling-replicas+jwt';

/** The payload of a creation record. */
export interface BoardCreation {
  readonly iss: Did;
  readonly name: string;
  /** Milliseconds since the epoch, by the clock of the creator. */
  readonly at: number;
  /** Entries must be signed by their writers. */
  readonly signed?: true;
  /** Of a board whose keys change one change after the other: who keeps them at first. */
  readonly strong?: readonly Did[];
  /** What the disks of these are called. */
  readonly disks?: readonly string[];
  /** A node that may have the board holds its entries only once somebody there uses them, see `on-demand.ts`. */
  readonly hold?: 'on-demand';
}

/** The payload of a change of replicas. */
export interface BoardReplicas {
  readonly iss: Did;
  /** The id of the board. */
  readonly board: string;
  /** The number of the set in which the old and the new replicas are needed. */
  readonly number: number;
  readonly voters: readonly Voter[];
  readonly before: readonly Voter[];
  /** Milliseconds since the epoch, by the clock of whoever signed it. */
  readonly at: number;
}

/** What kind of board a record is to say. */
export interface CreationInit {
  readonly isSigned?: boolean;
  readonly isOnDemand?: boolean;
  readonly strong?: readonly Did[] | undefined;
  readonly disks?: readonly string[] | undefined;
}

/** Up to where the lanes of writers count, by the did of each. */
export type Cuts = ReadonlyMap<Did, readonly Place[]>;

/** A record that parsed and whose signature holds. */
export type AccessRecord =
  | { readonly kind: 'creation'; readonly jws: string; readonly creation: BoardCreation }
  | { readonly kind: 'replicas'; readonly jws: string; readonly change: BoardReplicas }
  | { readonly kind: 'grant'; readonly jws: string; readonly grant: Grant }
  | {
      readonly kind: 'revocation';
      readonly jws: string;
      readonly revocation: Revocation;
      readonly cuts: Cuts;
      /** Changes of the replicas that count all the same, by {@link changeName}. */
      readonly changes: ReadonlySet<string>;
    };

/** Lanes of one writer that a revocation names, at the most. */
const CUT_PLACES_MAX = 64;
/** Changes of the replicas that a revocation names, at the most. */
const CHANGES_MAX = 32;
const CHANGE_CHARS = 22;
/** Last second of the year 9999: a right on a board ends by a revocation, which all see at the same position. */
const NO_END_S = 253_402_300_799;
/** Through how many hands the right of an administrator may go: each may make others. */
const ADMIN_HANDS = 3;

/** Reads a record; undefined when the text is none, or nobody has signed it so. Never throws. */
export function readAccessRecord(jws: string): AccessRecord | undefined {
  return (
    attempt(() => {
      return { kind: 'grant', jws, grant: parseGrant(jws) };
    }) ??
    attempt(() => {
      const revocation = parseRevocation(jws);
      const { claims } = revocation;
      const [cuts, changes] = [cutsOf(claims), changesOf(claims)];
      return { kind: 'revocation', jws, revocation, cuts, changes };
    }) ??
    attempt(() => {
      return { kind: 'creation', jws, creation: readCreation(jws) };
    }) ??
    attempt(() => {
      return { kind: 'replicas', jws, change: readReplicas(jws) };
    })
  );
}

/** Signs that `signer` has created a board. */
export function signCreation(
  signer: Signer,
  name: string,
  nowMs: number,
  { isSigned = false, isOnDemand = false, strong, disks }: CreationInit = {},
): string {
  const signed = isSigned ? { signed: true as const } : {};
  const replicas = strong === undefined ? {} : { strong, ...(disks && { disks }) };
  const hold = isOnDemand ? { hold: 'on-demand' as const } : {};
  const claims: BoardCreation = {
    iss: signer.did,
    name,
    at: nowMs,
    ...signed,
    ...replicas,
    ...hold,
  };
  return encodeJws(signer, BOARD_TYPE, claims, 'the record of a board');
}

/** Signs that the replicas of a board are to change. */
export function signReplicas(signer: Signer, change: Omit<BoardReplicas, 'iss'>): string {
  const claims: BoardReplicas = { iss: signer.did, ...change };
  return encodeJws(signer, REPLICAS_TYPE, claims, 'a change of replicas');
}

/** What a revocation calls a change of the replicas, given as its record. */
export function changeName(jws: string): string {
  return hash('sha256', jws, 'base64url').slice(0, CHANGE_CHARS);
}

/**
 * Signs that `revoked` counts no more, but for what is before `cuts`, and for `changes` of the replicas, given as
 * their records, the last ones first.
 */
export function signCut(
  signer: Signer,
  revoked: Grant,
  { cuts, changes = [] }: { readonly cuts: Cuts; readonly changes?: readonly string[] },
  nowMs: number,
): string {
  const { jti, exp } = revoked.claims;
  const rows = [...cuts].map(([did, places]) => [
    did,
    places.map(({ client, gen, clock }) => [client, gen, clock]),
  ]);
  const claims = {
    iss: signer.did,
    jti,
    iat: Math.floor(nowMs / 1000),
    exp,
    cuts: Object.fromEntries(rows) as object,
    ...(changes.length === 0 ? {} : { changes: changes.slice(0, CHANGES_MAX).map(changeName) }),
  };
  return encodeJws(signer, REVOCATION_TYPE, claims, 'a revocation');
}

/** What a grant of `ability` says: a writer reads as well, and an administrator does all and may hand it on. */
export function capabilitiesFor(
  board: string,
  ability: BoardAbility,
  prefix: string,
): { readonly cap: readonly Capability[]; readonly expiresAt: number; readonly maxDepth: number } {
  const whole = wholeOf(board);
  const write = prefixResources(board, prefix).map((resource) => {
    return { resource, ability: 'board/write' };
  });
  const read = { resource: whole, ability: 'board/read' };
  const cap = {
    read: [read],
    write: [read, ...write],
    admin: [read, ...write, { resource: whole, ability: 'board/admin' }],
  }[ability];
  return { cap, expiresAt: NO_END_S, maxDepth: ability === 'admin' ? ADMIN_HANDS : 0 };
}

/** The pattern of all keys of a board. */
export function wholeOf(board: string): string {
  return `board:${encodeSegment(board)}/**`;
}

/** One key of a board as a resource. */
export function keyResource(board: string, key: string): string {
  return [`board:${encodeSegment(board)}`, ...key.split('/').map(encodeSegment)].join('/');
}

/** Patterns of the keys that start with `prefix`, to within a segment. */
function prefixResources(board: string, prefix: string): readonly string[] {
  if (prefix === '') return [wholeOf(board)];
  const segments = prefix.split('/').map(encodeSegment);
  const last = segments.pop() ?? '';
  const base = [`board:${encodeSegment(board)}`, ...segments].join('/');
  return last === '' ? [`${base}/**`] : [`${base}/${last}*`, `${base}/${last}*/**`];
}

function readCreation(jws: string): BoardCreation {
  const decoded = decodeJws(jws, BOARD_TYPE, 'the record of a board');
  const claims = decoded.payload;
  if (!isObject(claims)) throw unfit();
  const { iss, name, at, signed, strong, disks, hold } = claims;
  if (signed !== undefined && signed !== true) throw unfit();
  if (strong !== undefined && !isReplicaSet(strong)) throw unfit();
  if (disks !== undefined && !areDisks(disks, strong)) throw unfit();
  // A strong board has replicas, which keep it at all times.
  if (hold !== undefined && (hold !== 'on-demand' || strong !== undefined)) throw unfit();
  if (!isDid(iss) || typeof name !== 'string' || !isBoardName(name) || !isBelow(at)) throw unfit();
  decoded.verify(iss);
  return {
    iss,
    name,
    at,
    ...(signed === undefined ? {} : { signed }),
    ...(strong === undefined ? {} : { strong }),
    ...(disks === undefined ? {} : { disks }),
    ...(hold === undefined ? {} : { hold }),
  };
}

function readReplicas(jws: string): BoardReplicas {
  const decoded = decodeJws(jws, REPLICAS_TYPE, 'a change of replicas');
  const claims = decoded.payload;
  if (!isObject(claims)) throw unfit();
  const { iss, board, number, at } = claims;
  const voters = readVoters(claims['voters']);
  const before = readVoters(claims['before']);
  if (voters === undefined || before === undefined || !isBelow(number) || !isBelow(at)) {
    throw unfit();
  }
  if (!isDid(iss) || typeof board !== 'string' || !isBoardId(board)) throw unfit();
  decoded.verify(iss);
  return { iss, board, number, voters, before, at };
}

/** Whether a value says what the disk of each replica is called. */
function areDisks(value: unknown, replicas: unknown): value is readonly string[] {
  if (!Array.isArray(value) || !Array.isArray(replicas)) return false;
  return value.length === replicas.length && value.every((one) => isDisk(one));
}

/** Whether a value can be the replicas of a board. */
function isReplicaSet(value: unknown): value is readonly Did[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > REPLICAS_MAX) return false;
  return value.every((one) => isDid(one)) && new Set(value).size === value.length;
}

function cutsOf(claims: object): Cuts {
  const raw: unknown = (claims as { readonly cuts?: unknown }).cuts ?? {};
  if (!isObject(raw)) throw unfit();
  return new Map(
    Object.entries(raw).map(([did, rows]) => {
      if (!isDid(did) || !Array.isArray(rows) || rows.length > CUT_PLACES_MAX) throw unfit();
      return [did, rows.map(placeOf)];
    }),
  );
}

function changesOf(claims: object): ReadonlySet<string> {
  const raw: unknown = (claims as { readonly changes?: unknown }).changes ?? [];
  if (!Array.isArray(raw) || raw.length > CHANGES_MAX) throw unfit();
  const names = raw as readonly unknown[];
  if (!names.every((name): name is string => typeof name === 'string')) throw unfit();
  return new Set(names);
}

function placeOf(row: unknown): Place {
  const [client, gen, clock] = Array.isArray(row) ? (row as unknown[]) : [];
  if (!isClient(client) || !isBelow(gen) || !isBelow(clock)) throw unfit();
  return { client, gen, clock };
}

function unfit(): StarlingError {
  return new StarlingError('STARLING_GRANT_MALFORMED', 'this is no record of a board');
}

function attempt(read: () => AccessRecord): AccessRecord | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}
