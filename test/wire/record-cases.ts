/** The records of a mesh, as texts and on their way. */
import { silentLogger } from '../../src/core/index.ts';
import { parseGrant, parseRevocation } from '../../src/grants/format/grant.ts';
import { issueRevocation } from '../../src/grants/format/issue.ts';
import { issueSuccession, parseSuccession } from '../../src/grants/format/succession.ts';
import { decodeJws, encodeJws } from '../../src/identity/jws.ts';
import { createRecordSync } from '../../src/mesh/records/record-sync.ts';
import { readSpent } from '../../src/mesh/records/record-texts.ts';
import type { Records } from '../../src/mesh/records/records.ts';
import { fakeNetwork, fakeStream } from './fake-stream.ts';
import type { Notes } from './fixture.ts';
import {
  mesh,
  founder,
  member,
  newcomer,
  next,
  NOW_MS,
  random,
  clock,
  utf8,
  text,
  ROOT,
  INVITE,
  TOOL,
  whole,
} from './world.ts';
import type { WireCase } from './world.ts';

const REVOCATION = issueRevocation(founder, TOOL, NOW_MS, 'left the team');
const SUCCESSION = issueSuccession(member, next, { mesh: mesh.did, keep: [TOOL] }, NOW_MS, random);
const SPENT = {
  iss: founder.did,
  jti: INVITE.claims.jti,
  aud: newcomer.did,
  iat: 1_700_000_000,
  exp: INVITE.claims.exp,
};
const SPENT_TYPE = 'starling-spent+jwt';

const jws = (
  title: string,
  write: () => string,
  read: (jws: string) => unknown,
  value: unknown,
): WireCase => ({
  file: 'records',
  title,
  kind: 'text',
  write: () => text(write()),
  read: (bytes) => read(utf8(bytes)),
  value,
});

const recordTexts: readonly WireCase[] = [
  jws(
    'the membership of a founder',
    () => ROOT.jws,
    (t) => parseGrant(t).claims,
    ROOT.claims,
  ),
  jws(
    'an invite, delegated from it',
    () => INVITE.jws,
    (t) => parseGrant(t).claims,
    INVITE.claims,
  ),
  jws(
    'a grant of a tool, with a caveat',
    () => TOOL.jws,
    (t) => parseGrant(t).claims,
    TOOL.claims,
  ),
  jws(
    'a revocation',
    () => REVOCATION.jws,
    (t) => parseRevocation(t).claims,
    REVOCATION.claims,
  ),
  jws(
    'an invite that was used',
    () => encodeJws(founder, SPENT_TYPE, SPENT),
    (t) => {
      const decoded = decodeJws(t, SPENT_TYPE);
      decoded.verify(founder.did);
      return readSpent(decoded.payload);
    },
    SPENT,
  ),
  jws(
    'a succession',
    () => SUCCESSION.jws,
    (t) => parseSuccession(t).claims,
    SUCCESSION.claims,
  ),
];

const RECORDS_PROTOCOL = '/starling/records/1';
const FIRST = ['00112233445566778899aabbccddeeff', 'first.record.sig'] as const;
const SECOND = ['ffeeddccbbaa99887766554433221100', 'second.record.sig'] as const;
const RECORDS_NOTES: Notes = {
  t: 'kind of the message',
  hashes: 'names of all records that the sender keeps: 32 hex digits of sha-256 over the JWS',
  jws: 'records that the receiver lacks, at most 1,024',
};

/** A member that keeps `kept`, asked to sync by a peer that is the test. */
function syncing(kept: readonly (readonly [string, string])[]): {
  readonly stream: ReturnType<typeof fakeStream>;
  readonly network: ReturnType<typeof fakeNetwork>;
  readonly taken: string[];
  readonly tell: (jws: string) => void;
} {
  const network = fakeNetwork(founder.peerId);
  const taken: string[] = [];
  let tell: (jws: string) => void = () => undefined;
  const records = {
    all: () => new Map(kept),
    digest: () => '',
    addOfPeer: async (texts: readonly string[]) => {
      taken.push(...texts);
      return { news: texts.length, known: 0, later: 0, ownLater: 0 };
    },
    onSignsTooMuch: () => () => undefined,
    onAdded(listener: (jws: string) => void) {
      tell = listener;
      return () => undefined;
    },
  } as unknown as Records;
  createRecordSync({ network, records, clock, logger: silentLogger }).start();
  const stream = fakeStream(member.peerId);
  network.handlers.get(RECORDS_PROTOCOL)?.(stream);
  return { stream, network, taken, tell: (each) => tell(each) };
}

/** What a member that keeps both records sends to whoever says `have`. */
async function answerTo(have: Uint8Array): Promise<Buffer> {
  const { stream } = syncing([FIRST, SECOND]);
  const own = await whole(stream);
  const closed = new Promise<void>((resolve) => stream.onEnd(() => resolve()));
  stream.push(have);
  await closed;
  return stream.written().subarray(own.length);
}

const haveOf = (kept: readonly (readonly [string, string])[]): Promise<Buffer> =>
  whole(syncing(kept).stream);

const recordMessages: readonly WireCase[] = [
  {
    file: 'records',
    title: 'what a member has, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: () => haveOf([FIRST, SECOND]),
    read: async (bytes) => (await answerTo(bytes)).length,
    value: 0,
  },
  {
    file: 'records',
    title: 'what a member has that lacks one, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: () => haveOf([FIRST]),
    read: async (bytes) => utf8(await answerTo(bytes)).includes(SECOND[1]),
    value: true,
  },
  {
    file: 'records',
    title: 'the record that it lacks, on a stream',
    kind: 'framed',
    notes: RECORDS_NOTES,
    write: async () => answerTo(await haveOf([FIRST])),
    async read(bytes) {
      const { stream, taken } = syncing([FIRST]);
      stream.push(bytes);
      stream.end();
      await Promise.resolve();
      return taken;
    },
    value: [SECOND[1]],
  },
  {
    file: 'records',
    title: 'new records, by gossip',
    kind: 'cbor',
    notes: RECORDS_NOTES,
    async write() {
      const { network, tell } = syncing([]);
      tell(FIRST[1]);
      tell(SECOND[1]);
      clock.advance(1000);
      return network.topics.get('event')?.published[0] ?? new Uint8Array();
    },
    read(bytes) {
      const { network, taken } = syncing([]);
      for (const listener of network.topics.get('event')?.listeners ?? []) {
        listener(bytes, member.peerId);
      }
      return taken;
    },
    value: [FIRST[1], SECOND[1]],
  },
];

/** The cases of records. */
export const RECORD_CASES: readonly WireCase[] = [...recordTexts, ...recordMessages];
