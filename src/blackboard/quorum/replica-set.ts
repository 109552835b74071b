/**
 * Who keeps the keys of a strong board. A set has a number, and every question names the number by which it is asked:
 * a replica answers none of an earlier set. Sets change in two steps: with an odd number the old and the new
 * replicas together, of both of which more than half is needed while every key is written anew, then, one number
 * higher, the new ones alone. A replica is a node and a disk: who has lost the disk is another one. Pure.
 */
import { isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { isBelow } from '../lanes/lane-format.ts';
import { firstVoters, readVoters } from '../lanes/voters.ts';
import type { Voter } from '../lanes/voters.ts';
import { isMajority } from './groups.ts';
import type { Groups } from './groups.ts';

/** The replicas of a board at one time. */
export interface ReplicaSet {
  readonly number: number;
  readonly voters: readonly Voter[];
  /** Of an odd number: the replicas before the change, which are needed as well. */
  readonly before?: readonly Voter[];
  /** No key that was erased had a higher number. */
  readonly count: number;
  /** The signed record of the last change; absent of the first set. */
  readonly record?: string;
}

const RECORD_CHARS_MAX = 16_384;

/** By the list of a record, which never changes. */
const firstSets = new WeakMap<readonly Did[], ReplicaSet>();

/** The replicas with which a board was made, and their disks, as one record names both. */
export function firstSet(replicas: readonly Did[], disks?: readonly string[]): ReplicaSet {
  const known = firstSets.get(replicas);
  if (known !== undefined) return known;
  const set = { number: 0, voters: firstVoters(replicas, disks), count: 0 };
  firstSets.set(replicas, set);
  return set;
}

/** What a voter is called among others: a node with a new disk is not the one that it was. */
export function voterName({ did, disk }: Voter): string {
  return `${did} ${disk}`;
}

/** What follows from a set, once for each: every question asks for it. */
interface Derived {
  readonly groups: Groups;
  readonly voters: readonly Voter[];
}

const derived = new WeakMap<ReplicaSet, Derived>();

/** Of whom more than half is needed. */
export function groupsOf(set: ReplicaSet): Groups {
  return derivedOf(set).groups;
}

/** All voters of a set, each once. */
export function votersOf(set: ReplicaSet): readonly Voter[] {
  return derivedOf(set).voters;
}

function derivedOf(set: ReplicaSet): Derived {
  const known = derived.get(set);
  if (known !== undefined) return known;
  const { voters, before = [] } = set;
  const named = [...voters, ...before].map((voter) => [voterName(voter), voter] as const);
  const made = {
    groups: [voters, ...(set.before === undefined ? [] : [before])].map((group) =>
      group.map(voterName),
    ),
    voters: [...new Map(named).values()],
  };
  derived.set(set, made);
  return made;
}

/**
 * As many others as make a majority with `own`, those after it first, so that whoever reads asks those whom it asks when it
 * changes something; undefined where too few are there.
 */
export function fewBeside(
  own: Voter,
  set: ReplicaSet,
  isThere: (voter: Voter) => boolean,
): readonly Voter[] | undefined {
  const { groups, voters } = derivedOf(set);
  const at = voters.findIndex((voter) => voterName(voter) === voterName(own));
  const names = new Set([voterName(own)]);
  const few: Voter[] = [];
  for (const voter of [...voters.slice(at + 1), ...voters.slice(0, at)]) {
    if (isMajority(groups, names)) break;
    if (!isThere(voter)) continue;
    names.add(voterName(voter));
    few.push(voter);
  }
  return isMajority(groups, names) ? few : undefined;
}

/** The set while the replicas change to `voters` by `record`. */
export function jointSet(now: ReplicaSet, voters: readonly Voter[], record: string): ReplicaSet {
  return { number: now.number + 1, voters, before: now.voters, count: now.count, record };
}

/** The set once every key was written anew; no erased key had a higher number than `count`. */
export function settledSet(joint: ReplicaSet, count: number): ReplicaSet {
  const { number, voters, record } = joint;
  const signed = record === undefined ? {} : { record };
  return { number: number + 1, voters, count: Math.max(count, joint.count), ...signed };
}

/** Reads a set; undefined when the value is none. */
export function readSet(raw: unknown): ReplicaSet | undefined {
  if (!isObject(raw)) return undefined;
  const { number, count, record } = raw;
  const voters = readVoters(raw['voters']);
  const before = raw['before'] === undefined ? undefined : readVoters(raw['before']);
  if (!isBelow(number) || !isBelow(count) || voters === undefined) return undefined;
  if ((number % 2 === 1) !== (before !== undefined)) return undefined;
  const isSigned = typeof record === 'string' && record.length <= RECORD_CHARS_MAX;
  if (isSigned === (number === 0)) return undefined;
  return {
    number,
    voters,
    count,
    ...(before === undefined ? {} : { before }),
    ...(isSigned ? { record } : {}),
  };
}
