/** The replicas of a strong board as records and messages name them. A format only. */
import { isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { isBelow, isDid } from './lane-format.ts';

/** Replicas of a strong board. More: each change waits for more disks, and more may be away. */
export const REPLICAS_MAX = 7;
const DISK = /^[A-Za-z0-9_-]{0,32}$/;

/** One replica: a node with a disk. */
export interface Voter {
  readonly did: Did;
  /** What its disk is called; empty in records of boards that do not say. */
  readonly disk: string;
  /** The number of the set with which it came: what it kept from an earlier time counts no more. */
  readonly since: number;
}

/** The replicas with which a board was made, as its record names them and their disks. */
export function firstVoters(
  replicas: readonly Did[],
  disks: readonly string[] = [],
): readonly Voter[] {
  return replicas.map((did, at) => ({ did, disk: disks[at] ?? '', since: 0 }));
}

/** Reads voters; undefined when the value is none. */
export function readVoters(raw: unknown): readonly Voter[] | undefined {
  if (!Array.isArray(raw) || raw.length === 0 || raw.length > REPLICAS_MAX) return undefined;
  const voters = raw.flatMap((one: unknown): Voter[] => {
    if (!isObject(one)) return [];
    const { did, disk, since } = one;
    if (!isDid(did) || typeof disk !== 'string' || !DISK.test(disk) || !isBelow(since)) return [];
    return [{ did, disk, since }];
  });
  const isWhole = voters.length === raw.length;
  return isWhole && new Set(voters.map(({ did }) => did)).size === raw.length ? voters : undefined;
}

/** Whether a text can be what a disk is called. */
export function isDisk(value: unknown): value is string {
  return typeof value === 'string' && DISK.test(value);
}
