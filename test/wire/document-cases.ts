/** Catalog documents: one, and the messages that carry it from hand to hand. */
import { openDocument, sealDocument } from '../../src/directory/documents/document.ts';
import {
  decodeDocumentMessage,
  encodeDocumentMessage,
} from '../../src/directory/documents/document-messages.ts';
import type { DocumentMessage } from '../../src/directory/documents/document-messages.ts';
import type { Notes } from './fixture.ts';
import { NOW_MS, founder, text } from './world.ts';
import type { WireCase } from './world.ts';

const SERVERS = [
  {
    server: 'files',
    capabilities: { tools: {} },
    serverInfo: { name: 'files', version: '1' },
    tools: [
      { name: 'read', inputSchema: { type: 'object' }, _meta: { 'starling/price': ['1calls'] } },
    ],
    resources: [],
    templates: [],
    prompts: [],
  },
] as const;
const AGENTS = [
  {
    id: 'agent_1_a',
    did: founder.did,
    name: 'critic',
    kind: 'attached',
    capabilities: ['review'],
    maxConcurrentTasks: 1,
    zone: 'local',
  },
] as const;
const DOCUMENT = sealDocument(founder, {
  owner: founder.peerId,
  version: NOW_MS,
  body: text(JSON.stringify({ servers: SERVERS, agents: AGENTS })),
});
const { hash } = DOCUMENT;
const ABOUT = { of: founder.peerId, hash };

const NOTES: Notes = {
  v: 'version of the document; another one is none',
  owner: 'PeerId of whoever lists this',
  version: "as the owner's heartbeats name it",
  body: 'JSON: what is listed',
  sig: "the owner's signature over a domain and the other fields",
  of: 'PeerId of the owner',
  hash: '32 hexadecimal digits, as heartbeats of the owner name the document',
  at: 'from this byte on',
  size: 'bytes of the whole document',
  bytes: 'so many of them, 32 KiB at the most',
};

const MESSAGES: readonly (readonly [string, DocumentMessage])[] = [
  ['give me this document', { t: 'want', at: 0, ...ABOUT }],
  [
    'a part of it',
    { t: 'part', at: 32_768, size: 32_771, bytes: Uint8Array.of(1, 2, 3), ...ABOUT },
  ],
  ['I have it not', { t: 'none', ...ABOUT }],
  ['now I have it', { t: 'have', ...ABOUT }],
];

export const DOCUMENT_CASES: readonly WireCase[] = [
  {
    file: 'catalog',
    title: 'a catalog document',
    kind: 'cbor',
    notes: NOTES,
    write: () => DOCUMENT.bytes,
    read(bytes) {
      const opened = openDocument(bytes, { ...DOCUMENT });
      return opened === undefined ? undefined : { servers: opened.servers, agents: opened.agents };
    },
    value: { servers: SERVERS, agents: AGENTS },
  },
  ...MESSAGES.map(([title, message]): WireCase => ({
    file: 'catalog',
    title,
    kind: 'cbor',
    notes: NOTES,
    write: () => encodeDocumentMessage(message),
    read: decodeDocumentMessage,
    value: message,
  })),
];
