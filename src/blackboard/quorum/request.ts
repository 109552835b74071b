/**
 * What can be done with a key of a strong board, and what the key holds: a value with its writer and time, or a lease.
 * Pure: each request is a change of {@link StrongState}, which a round of CASPaxos applies.
 */
import { isDeepStrictEqual } from 'node:util';
import { isObject } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { isBelow, isDid } from '../lanes/lane-format.ts';
import type { StrongOutcome, StrongRequest } from '../types.ts';
import type { StrongState } from './acceptor.ts';
import type { StrongChange } from './round.ts';

/** A lease as it stands under its key. */
export interface Lease {
  readonly holder: string;
  /** Rises with each new holder: what a lease protects refuses whoever comes with a lower one. */
  readonly token: number;
  /** When it ends unless it is renewed, ms since the epoch; 0: given back. */
  readonly until: number;
}

/** What a state's value is: what a key holds. */
export interface Held {
  /** Undefined: deleted. */
  readonly v?: Json | undefined;
  readonly by: Did;
  readonly at: number;
}

/** Characters of the name of who holds a lease. */
export const HOLDER_CHARS_MAX = 256;
/** The longest lease. Longer: who dies with one blocks others for longer. */
export const LEASE_MAX_MS = 86_400_000;
const LEASE = 'lease';

/** Reads a request; undefined when it is none. */
export function readRequest(raw: unknown): StrongRequest | undefined {
  if (!isObject(raw)) return undefined;
  const { t, value, expect, version, holder, ttlMs } = raw;
  if (t === 'get') return { t };
  if (t === 'delete') {
    if (version === undefined) return { t };
    return isBelow(version) ? { t, version } : undefined;
  }
  if (t === 'set') return value === undefined ? undefined : { t, value: value as Json };
  if (t === 'cas') {
    if (value === undefined || (version !== undefined && !isBelow(version))) return undefined;
    return {
      t,
      value: value as Json,
      ...(expect === undefined ? {} : { expect: expect as Json }),
      ...(version === undefined ? {} : { version }),
    };
  }
  if (typeof holder !== 'string' || holder === '' || holder.length > HOLDER_CHARS_MAX) {
    return undefined;
  }
  if (t === 'release') return { t, holder };
  if (t !== 'lease' || !isBelow(ttlMs) || ttlMs === 0 || ttlMs > LEASE_MAX_MS) return undefined;
  return { t, holder, ttlMs };
}

/** It changes nothing, so that the right to read is enough. */
export function isRead({ t }: StrongRequest): boolean {
  return t === 'get';
}

/** What a value of a state says; undefined when nothing was ever there. */
export function heldIn({ value }: Pick<StrongState, 'value'>): Held | undefined {
  if (!isObject(value) || !isDid(value['by']) || !isBelow(value['at'])) return undefined;
  return { v: value['v'], by: value['by'], at: value['at'] };
}

/** What a state shows to whoever reads it. */
export function shownState(state: StrongState, ok = true): StrongOutcome {
  const held = heldIn(state);
  if (held?.v === undefined) return { ok, version: state.count };
  return { ok, version: state.count, value: held.v, by: held.by, at: held.at };
}

/** The lease that a value is; undefined when it is none. */
export function leaseIn(value: Json | undefined): Lease | undefined {
  const lease = isObject(value) ? value[LEASE] : undefined;
  if (!isObject(lease)) return undefined;
  const { holder, token, until } = lease;
  if (typeof holder !== 'string' || !isBelow(token) || !isBelow(until)) return undefined;
  return { holder, token, until };
}

/** A request of `by` as a change of what a key holds. */
export function changeOf(request: StrongRequest, by: Did, nowMs: number): StrongChange {
  return (before, number) => {
    const held = heldIn({ value: before });
    // Of a key that was erased nobody knows any more how often it was changed: it is as one that never was.
    const version = before === undefined ? 0 : number - 1;
    const wanted = valueAfter(request, held?.v, { number, version, nowMs });
    if (wanted === UNCHANGED) {
      const state = { value: before, count: version, ops: [] };
      return { value: before, result: { ...shownState(state, isAsWanted(request, held?.v)) } };
    }
    // Later than what it replaces, whoever's clock is behind: by that, replicas order what they are told.
    const at = Math.max(nowMs, (held?.at ?? 0) + 1);
    const { v, existed } = wanted;
    const told = { ok: true, version: number, by, at };
    return {
      value: { ...(v === undefined ? {} : { v }), by, at },
      result: { ...told, ...(existed === undefined ? {} : { existed }), ...leaseResult(v) },
    };
  };
}

/** Whether a lease holds at `nowMs`: one that would end later than any can was given by a clock that was ahead. */
export function leaseLasts({ until }: Pick<Lease, 'until'>, nowMs: number): boolean {
  return until > nowMs && until - nowMs <= LEASE_MAX_MS;
}

const UNCHANGED = Symbol('unchanged');

function valueAfter(
  request: StrongRequest,
  now: Json | undefined,
  at: { readonly number: number; readonly version: number; readonly nowMs: number },
): typeof UNCHANGED | { readonly v?: Json; readonly existed?: boolean } {
  const { number, version, nowMs } = at;
  switch (request.t) {
    case 'get':
      return UNCHANGED;
    case 'set':
      return { v: request.value };
    case 'delete': {
      const isMeant = request.version === undefined || request.version === version;
      return now === undefined || !isMeant ? UNCHANGED : { existed: true };
    }
    case 'cas':
      return isExpected(request, now, version) ? { v: request.value } : UNCHANGED;
    case 'lease': {
      const { holder, ttlMs } = request;
      const lease = leaseIn(now);
      if (now !== undefined && lease === undefined) return UNCHANGED;
      // One with a token that no change can have given was written by hand, and blocks nobody.
      const isTaken = lease !== undefined && lease.token < number && leaseLasts(lease, nowMs);
      if (isTaken && lease.holder !== holder) return UNCHANGED;
      const token = isTaken ? lease.token : number;
      return { v: { [LEASE]: { holder, token, until: nowMs + ttlMs } } };
    }
    case 'release': {
      const lease = leaseIn(now);
      if (lease === undefined || lease.holder !== request.holder || lease.until === 0) {
        return UNCHANGED;
      }
      return { v: { [LEASE]: { ...lease, until: 0 } } };
    }
  }
}

function isExpected(
  { expect, version }: Extract<StrongRequest, { t: 'cas' }>,
  now: Json | undefined,
  count: number,
): boolean {
  if (version !== undefined && version !== count) return false;
  if (expect !== undefined) return isDeepStrictEqual(expect, now);
  return version !== undefined || now === undefined;
}

/** Whether a request that changed nothing has what it wanted all the same. */
function isAsWanted(request: StrongRequest, now: Json | undefined): boolean {
  if (request.t === 'get') return true;
  if (request.t === 'delete') return now === undefined;
  if (request.t !== 'release') return false;
  const lease = leaseIn(now);
  return lease?.holder === request.holder && lease.until === 0;
}

/** What a lease says is told even to who learns of it by trying again: the token is not known otherwise. */
function leaseResult(v: Json | undefined): { readonly value?: Json } {
  return v === undefined || leaseIn(v) === undefined ? {} : { value: v };
}
