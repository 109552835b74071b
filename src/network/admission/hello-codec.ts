/**
 * The bytes of `/starling/hello/1`: one deterministic CBOR message each way (RFC 8949 §4.2). Pure.
 * What comes in is hostile: every field is checked, unknown fields are ignored.
 */
import { decode, encode } from 'cborg';
import { ERRORS, StarlingError, isCount, messageOf } from '../../core/index.ts';
import type { Did, ErrorCode, PeerId } from '../../core/index.ts';
import { HELLO_VERSION } from '../constants.ts';
import { isPeerId } from '../peer-id.ts';
import type { Hello, HelloAnswer, InviteProof, SpokenVersion } from '../types.ts';
import { versionError } from './versions.ts';

const NAME_MAX = 256;
const REASON_MAX = 1024;
const RELEASE_MAX = 40;
/** Links from a member to the founder of its mesh, and keys that a node may have had. */
const CHAIN_MAX = 32;
const SUCCESSIONS_MAX = 64;
const JWS_MAX = 16_384;
const SIGNATURE_MAX_BYTES = 128;
const DID_KEY = /^did:key:z[1-9A-HJ-NP-Za-km-z]{40,64}$/;

const NEW_TICKET = 'ask a member for a new ticket: `starling invite`';
const ENDED = 'ask a member for a new ticket, then `starling up --join <ticket>`';
const OPEN_HINT = 'that mesh is open: start with `starling up --open <mesh name>`';
/** What a refused person can do, by code. */
const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  STARLING_JOIN_REFUSED:
    'ask a member for a ticket (`starling invite`), then `starling up --join <ticket>`',
  STARLING_TICKET_EXPIRED: NEW_TICKET,
  STARLING_TICKET_SPENT: NEW_TICKET,
  STARLING_TICKET_INVALID: NEW_TICKET,
  STARLING_MEMBERSHIP_ENDED: ENDED,
  STARLING_KEY_RETIRED: 'use the state folder that has the new key: this one is older',
  STARLING_MESH_MISMATCH:
    'leave the other mesh first (`starling leave`), or use a state folder of its own (`--state`) for each',
};

type Fields = Readonly<Record<string, unknown>>;

/** The bytes of a hello. */
export function encodeHello(hello: Hello): Uint8Array {
  return encode(helloFields(hello), { ignoreUndefinedProperties: true });
}

/** The bytes of an answer to a hello. */
export function encodeHelloAnswer(answer: HelloAnswer): Uint8Array {
  const fields = answer.ok
    ? { ok: true, hello: helloFields(answer.hello), issued: answer.issued }
    : {
        ok: false,
        code: answer.code,
        reason: answer.reason.slice(0, REASON_MAX),
        mesh: answer.mesh,
        meshName: answer.meshName,
        open: answer.open,
        succession: answer.succession,
        ended: answer.ended,
        speaks: answer.speaks?.version,
        release: answer.speaks?.release,
      };
  return encode(fields, { ignoreUndefinedProperties: true });
}

/** The hello of `peer`. @throws STARLING_PROTOCOL_VIOLATION, STARLING_VERSION_UNSUPPORTED */
export function decodeHello(bytes: Uint8Array, peer: PeerId): Hello {
  return readHello(decodeFields(bytes), peer);
}

/** The answer of `peer`. @throws STARLING_PROTOCOL_VIOLATION, STARLING_VERSION_UNSUPPORTED */
export function decodeHelloAnswer(bytes: Uint8Array, peer: PeerId): HelloAnswer {
  const fields = decodeFields(bytes);
  if (fields['ok'] === true) {
    const issued = fields['issued'];
    return {
      ok: true,
      hello: readHello(asFields(fields['hello'], 'hello'), peer),
      ...(issued === undefined ? {} : { issued: asChain(issued, 'issued') }),
    };
  }
  if (fields['ok'] !== false) throw malformed('ok');
  const { mesh, meshName, open, succession, ended } = fields;
  const code = asText(fields['code'], 'code', NAME_MAX);
  // Who refuses by this code and does not say what it speaks is of the first version.
  if (code === 'STARLING_VERSION_UNSUPPORTED') throw versionError(peer, readSpoken(fields));
  return {
    ok: false,
    code,
    reason: printable(asText(fields['reason'], 'reason', REASON_MAX)),
    ...(mesh === undefined ? {} : { mesh: asDid(mesh, 'mesh') }),
    ...(meshName === undefined
      ? {}
      : { meshName: printable(asText(meshName, 'meshName', NAME_MAX)) }),
    ...(open === undefined ? {} : { open: asFlag(open, 'open') }),
    ...(succession === undefined ? {} : { succession: asText(succession, 'succession', JWS_MAX) }),
    ...(ended === undefined ? {} : { ended: asText(ended, 'ended', JWS_MAX) }),
  };
}

/** The error of a refusal: its code when that is one of ours, else STARLING_JOIN_REFUSED. */
export function refusalError(
  answer: Extract<HelloAnswer, { ok: false }>,
  who: string,
): StarlingError {
  const code = isErrorCode(answer.code) ? answer.code : 'STARLING_JOIN_REFUSED';
  const hint = code === 'STARLING_JOIN_REFUSED' && answer.open === true ? OPEN_HINT : HINTS[code];
  return new StarlingError(code, `${who} refused us: ${answer.reason}`, {
    ...(hint === undefined ? {} : { hint }),
    data: {
      reason: answer.reason,
      peer: who,
      ...(answer.mesh === undefined ? {} : { mesh: answer.mesh }),
      ...(answer.meshName === undefined ? {} : { meshName: answer.meshName }),
      ...(answer.open === undefined ? {} : { open: answer.open }),
    },
  });
}

function helloFields(hello: Hello): Fields {
  return {
    version: hello.version,
    release: hello.release,
    mesh: hello.mesh,
    name: hello.name,
    time: Math.trunc(hello.time),
    membership: hello.membership,
    successions: hello.successions,
    invite: hello.invite && {
      grants: hello.invite.grants,
      signature: hello.invite.signature,
      key: hello.invite.key,
      by: hello.invite.by,
    },
  };
}

/** What a refusal says that its sender speaks. */
function readSpoken({ speaks = 1, release }: Fields): SpokenVersion {
  return { version: asVersion(speaks, 'speaks'), ...asRelease(release) };
}

function readHello(fields: Fields, peer: PeerId): Hello {
  const version = asVersion(fields['version'], 'version');
  if (version !== HELLO_VERSION) {
    throw versionError(peer, { version, ...asRelease(fields['release']) });
  }
  const { mesh, invite, successions } = fields;
  return {
    version,
    release: printable(asText(fields['release'], 'release', RELEASE_MAX)),
    ...(mesh === undefined ? {} : { mesh: asDid(mesh, 'mesh') }),
    name: printable(asText(fields['name'], 'name', NAME_MAX)),
    time: asTime(fields['time'], 'time'),
    membership: asChain(fields['membership'], 'membership'),
    ...(successions === undefined
      ? {}
      : { successions: asChain(successions, 'successions', SUCCESSIONS_MAX) }),
    ...(invite === undefined ? {} : { invite: readInvite(asFields(invite, 'invite')) }),
  };
}

function readInvite(fields: Fields): InviteProof {
  const signature = fields['signature'];
  if (!(signature instanceof Uint8Array) || signature.length > SIGNATURE_MAX_BYTES) {
    throw malformed('invite.signature');
  }
  const { key, by } = fields;
  return {
    grants: asChain(fields['grants'], 'invite.grants'),
    signature,
    ...(key === undefined ? {} : { key: asDid(key, 'invite.key') }),
    ...(by === undefined ? {} : { by: asPeer(by, 'invite.by') }),
  };
}

function decodeFields(bytes: Uint8Array): Fields {
  let value: unknown;
  try {
    value = decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowInfinity: false,
      allowNaN: false,
      allowBigInt: false,
      rejectDuplicateMapKeys: true,
    });
  } catch (error) {
    throw new StarlingError(
      'STARLING_PROTOCOL_VIOLATION',
      `a hello is no deterministic CBOR: ${messageOf(error)}`,
      { cause: error },
    );
  }
  return asFields(value, 'message');
}

function asFields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null) throw malformed(name);
  if (Array.isArray(value) || value instanceof Uint8Array) throw malformed(name);
  // A key `__proto__` can't be read as a field: only own fields count.
  return Object.assign(Object.create(null), value);
}

function asText(value: unknown, name: string, maxLength: number): string {
  if (typeof value !== 'string' || value.length > maxLength) throw malformed(name);
  return value;
}

function asDid(value: unknown, name: string): Did {
  const text = asText(value, name, NAME_MAX);
  if (!isDid(text)) throw malformed(name);
  return text;
}

function asPeer(value: unknown, name: string): PeerId {
  const text = asText(value, name, NAME_MAX);
  if (!isPeerId(text)) throw malformed(name);
  return text;
}

function isDid(text: string): text is Did {
  return DID_KEY.test(text);
}

function asFlag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw malformed(name);
  return value;
}

function asVersion(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || Number(value) < 1) throw malformed(name);
  return Number(value);
}

/** The release that a node says it is; nothing where it does not, as nodes of the first version. */
function asRelease(value: unknown): { readonly release?: string } {
  if (value === undefined) return {};
  return { release: printable(asText(value, 'release', RELEASE_MAX)) };
}

function asTime(value: unknown, name: string): number {
  if (!isCount(value)) throw malformed(name);
  return value;
}

function asChain(value: unknown, name: string, max = CHAIN_MAX): readonly string[] {
  if (!Array.isArray(value) || value.length > max) throw malformed(name);
  return value.map((item) => asText(item, name, JWS_MAX));
}

function malformed(name: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', `the field ${name} of a hello is wrong`);
}

/** Text of a peer that a terminal may show: no control characters, no line breaks. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
