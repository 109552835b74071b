/** Heartbeats: a case for each kind. */
import {
  decodeGossip,
  decodeHeartbeat,
  encodeHeartbeat,
  encodePulse,
} from '../../src/membership/heartbeats/heartbeat-format.ts';
import type { Heartbeat, Pulse } from '../../src/membership/heartbeats/heartbeat-format.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, founder, member } from './world.ts';
import type { WireCase } from './world.ts';

const HEARTBEAT: Heartbeat = {
  incarnation: 1_699_999_000_000,
  sequence: 300,
  status: 'up',
  records: '0123456789abcdef',
  presence: {
    name: 'workstation',
    version: '0.1.0',
    addresses: [`/ip4/192.0.2.7/tcp/4001/p2p/${member.peerId}`],
    load: 3,
    catalog: 'c0ffee',
    boards: { plans: 'beef01', 'team.notes': 'beef02' },
    audit: { seq: 70_000, hash: 'ab'.repeat(32), at: NOW_MS, sig: 'A'.repeat(86) },
  },
};
const LEAVING: Heartbeat = {
  incarnation: 1,
  sequence: 0,
  status: 'leaving',
  records: '',
  presence: { name: '', version: '', addresses: [], load: 0, catalog: '', boards: {} },
};
const CORRECTING: Heartbeat = { ...LEAVING, status: 'up', time: NOW_MS, seen: 1_699_999_000_001 };
const NAMING: Heartbeat = { ...LEAVING, status: 'up', time: NOW_MS, called: 'bob-ndcg' };
const ACCUSING: Heartbeat = {
  ...LEAVING,
  status: 'up',
  suspects: [{ peer: member.peerId, incarnation: 1_699_999_000_000, sequence: 300 }],
};
const OFFERING: Heartbeat = {
  ...LEAVING,
  status: 'up',
  presence: { ...LEAVING.presence, offers: ['search', 'translate:de'] },
};
const LISTING: Heartbeat = {
  ...LEAVING,
  status: 'up',
  presence: { ...LEAVING.presence, lists: { version: NOW_MS, hash: 'ab'.repeat(16) } },
};
const HEARTBEAT_NOTES: Notes = {
  v: 'version of the heartbeat; another one is no heartbeat',
  inc: 'incarnation: when the process started, ms since the epoch; a later one refutes all before',
  time: "the sender's clock, ms since the epoch",
  called: 'the name by which the sender knows whom it tells this',
  seen: 'the incarnation by which the sender knows whom it tells this, who has said an older one',
  seq: 'counts up within an incarnation; in `audit`: number of the line',
  status: '"up" or "leaving"',
  records: 'digest of the records that the sender keeps; a different one begins a sync',
  name: 'name that people see',
  version: 'version of the program',
  addrs: 'dialable multiaddrs, at most 6',
  load: 'calls under way',
  catalog: 'digest of what the sender offers; a different one is fetched anew',
  lists:
    'version and hash of the catalog document of the sender that counts; absent where it lists nothing',
  boards: 'digest of each board, at most 64',
  suspects:
    'whom the sender suspects, because of what it has seen itself: PeerId, incarnation, sequence; at most 64',
  offers: 'kinds of capability that the sender offers, at most 16; absent where it names none',
  sig: "the author's signature over a domain and the other fields but `called` and `seen`",
  audit: 'where the audit log stands, a checkpoint without its did; absent when it is off',
};

const PULSE: Pulse = { incarnation: 1_699_999_000_000, sequence: 301, time: NOW_MS };

export const HEARTBEAT_CASES: readonly WireCase[] = [
  {
    file: 'heartbeat',
    title: 'a pulse',
    kind: 'cbor',
    notes: { ...HEARTBEAT_NOTES, v: '2 of a pulse' },
    write: () => encodePulse(PULSE),
    read: decodeGossip,
    value: { pulse: PULSE },
  },
  ...heartbeatCases(),
];

function heartbeatCases(): readonly WireCase[] {
  return [
    { title: 'a heartbeat with all its fields', beat: HEARTBEAT },
    { title: 'the last heartbeat of a node that leaves', beat: LEAVING },
    { title: 'a heartbeat told to one that says an older incarnation', beat: CORRECTING },
    { title: 'a heartbeat told to one whose name is taken', beat: NAMING },
    { title: 'a heartbeat that accuses', beat: ACCUSING },
    { title: 'a heartbeat that offers', beat: OFFERING },
    { title: 'a heartbeat that names a catalog document', beat: LISTING },
    { title: 'a heartbeat that anybody can pass on', beat: LEAVING, signer: founder },
  ].map(({ title, beat, signer }) => ({
    file: 'heartbeat',
    title,
    kind: 'cbor',
    notes: HEARTBEAT_NOTES,
    write: () => encodeHeartbeat(beat, signer),
    read: decodeHeartbeat,
    value: signer === undefined ? beat : { ...beat, isSigned: true as const },
  }));
}
