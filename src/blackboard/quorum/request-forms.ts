/** What requests of strong boards look like: by which ids they are known, what they may want, and what their failures mean. */
import { hash, randomUUID } from 'node:crypto';
import { encode } from 'cborg';
import { StarlingError } from '../../core/index.ts';
import { LIMITS, checkedValue } from '../limits.ts';
import type { StrongRequest } from '../types.ts';

/** Characters of what a request is remembered by. */
const OP_CHARS = 22;
const ID_AT = /^(.{1,64})@(\d{1,15})$/;
const ID = /^[A-Za-z0-9._:-]{1,48}$/;

/**
 * By what a request is remembered: its id and what it wants, so that nobody who guesses an id can have another's
 * request taken for done.
 */
export function opOf(id: string, request: StrongRequest): string {
  // CBOR of the library has the fields of maps in one order, however they were written.
  return hash('sha256', encode([id, request]), 'base64url').slice(0, OP_CHARS);
}

/** This node was asked as a replica, and is none. */
export function noReplica(): StarlingError {
  return new StarlingError('STARLING_NO_QUORUM', 'this node is no replica of the board now', {
    hint: 'see who is: starling board replicas <board>',
  });
}

/** Whether another replica is asked after a failure of this kind. */
export function isTriedOn(code: string | undefined): boolean {
  return code === 'STARLING_OUTCOME_UNKNOWN' || code === 'STARLING_STOPPED' || isUndone(code);
}

/** Whether a failure of this kind says that nothing was proposed. */
export function isUndone(code: string | undefined): boolean {
  return code === 'STARLING_NO_QUORUM' || code === 'STARLING_STATE_UNUSABLE';
}

/** Checks what a request wants to write. @throws STARLING_BOARD_INVALID */
export function checkRequest(request: StrongRequest): void {
  if (request.t === 'set' || request.t === 'cas') checkedValue(request.value, LIMITS);
  if (request.t === 'cas' && request.expect !== undefined) checkedValue(request.expect, LIMITS);
}

/** The id that somebody gave a request, or a new one. @throws STARLING_USAGE */
export function readId(given: string | undefined): {
  readonly id: string;
  readonly since: number | undefined;
} {
  if (given === undefined) return { id: randomUUID(), since: undefined };
  const parts = ID_AT.exec(given);
  const [, id = given, since] = parts ?? [];
  if (ID.test(id)) return { id, since: since === undefined ? undefined : Number(since) };
  throw new StarlingError('STARLING_USAGE', 'this is no id of a request', {
    hint: 'it is 1 to 48 of A-Z, a-z, 0-9, ., _, : and -, or what an error gave to try again with',
  });
}
