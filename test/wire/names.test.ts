/**
 * Every name by which nodes know a protocol, a topic, a kind of signed text or a field of ours. They
 * are found by parsing all of `src`, and pinned as literals: a new or changed name turns this red,
 * and then the question is which older nodes it locks out. What they mean is in `docs/protocols.md`.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAst } from 'rolldown/parseAst';
import { describe, expect, it } from 'vitest';
import { languageOf, visit } from '../architecture/imports.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const NAME = /^(\/starling\/|_starling[-.]|starling\/|starling-|notifications\/starling\/)/;

const PINNED = [
  // Streams of libp2p.
  '/starling/hello/1',
  '/starling/link/1',
  '/starling/mcp/1',
  '/starling/budgets/1',
  '/starling/models/1',
  '/starling/board/2',
  '/starling/board-updates/1',
  '/starling/quorum/1',
  '/starling/records/1',
  '/starling/invite/1',
  '/starling/knock/1',
  // Topics and the DHT of a mesh: the did:key of the mesh stands between.
  '/starling/…/',
  '/starling/…/kad/1.0.0',
  // Multicast DNS: eight hex digits of sha-256 over the did:key of the mesh.
  '_starling-…._udp.local',
  // Of nodes of whatever mesh.
  '_starling._udp.local',
  // The agent version that identify tells.
  'starling/1',
  // `typ` of signed texts, and first lines of what is signed besides.
  'starling-grant+jwt',
  'starling-replicas+jwt',
  'starling-revocation+jwt',
  'starling-spent+jwt',
  'starling-succession+jwt',
  'starling-behalf+jwt',
  'starling-ballot+jwt',
  'starling-spread+jwt',
  'starling-board+jwt',
  'starling-budget+jwt',
  'starling-budget-batch+jwt',
  'starling-budget-ending+jwt',
  'starling-entry/1',
  'starling-lane/1',
  'starling-heartbeat-v1',
  'starling-hello-1',
  'starling-offer-1',
  'starling-offer-v1',
  'starling-succession-v1',
  'starling-audit-…-v1',
  'starling-catalog-v1',
  'starling-http-session-v1',
  'starling-session.….….…',
  // Keys in `_meta`, methods and notifications of an MCP session.
  'starling/grants',
  'starling/server',
  'starling/on-behalf-of',
  'starling/peer',
  'starling/listener',
  'starling/idempotency-key',
  'starling/reasoning',
  'starling/asks-all',
  'starling/structured',
  'starling/call-forms-only',
  'starling/trace',
  'starling/tools',
  'starling/token',
  'starling/attach',
  'starling/ballot',
  'starling/clients',
  'starling/catalog',
  'starling/granted',
  'starling/price',
  'notifications/starling/grants',
  'notifications/starling/waiting',
  // Headers of answers at the door to models.
  'starling-added',
  'starling-estimated',
  'starling-cache',
  'starling-fallback-from',
  'starling-calls-paid',
  'starling-doubt',
  'starling-escalated-from',
  'starling-ignored',
  'starling-kept',
  'starling-model',
  'starling-task',
  'starling-votes',
];

/** Not on the wire: labels inside one node, and the name that a client of ours gives itself. */
const INSIDE = [
  // What headers about an answer of a model begin with.
  'starling-',
  'starling-cli',
  'starling-dashboard',
  // The file of a report.
  'starling-bugreport-….md',
  // The cookie of the page, and the token in its memory.
  'starling-dashboard-…',
  'starling-dashboard.….…',
  // The name of a service of the system.
  'starling-…',
  // A control group of an agent's processes.
  'starling-…-…',
  // The folder of a program on trial, among temporary files.
  'starling-trial-…-…',
  'starling-key',
  'starling-member',
  'starling-tls',
  'starling-transport',
  'starling/seal/1/',
  "starling/… is for this node's operator only",
];

const TOPICS = ['board2', 'event', 'events', 'heartbeat'];

/** What a file holds of names: its texts, and the names that it gives to `network.topic(…)`, a literal each or a constant. */
interface Named {
  readonly texts: readonly string[];
  readonly topics: readonly string[];
}

function namedIn(path: string, code: string): Named {
  const texts: string[] = [];
  const constants = new Map<unknown, unknown>();
  const topics: string[] = [];
  visit(parseAst(code, { lang: languageOf(path) }) as never, (node) => {
    if (node.type === 'Literal' && typeof node['value'] === 'string') texts.push(node['value']);
    if (node.type === 'TemplateLiteral') {
      const quasis = node['quasis'] as readonly { readonly value: { readonly cooked: string } }[];
      texts.push(quasis.map(({ value }) => value.cooked).join('…'));
    }
    const [id, init, callee, args] = ['id', 'init', 'callee', 'arguments'].map(
      (key) => node[key] as Record<string, never> | undefined,
    );
    if (node.type === 'VariableDeclarator') constants.set(id?.['name'], init?.['value']);
    if (node.type !== 'CallExpression' || callee?.['property']?.['name'] !== 'topic') return;
    const [name] = (args ?? []) as unknown as Record<string, unknown>[];
    topics.push(String(name?.['value'] ?? constants.get(name?.['name'])));
  });
  return { texts, topics };
}

/** Of a file without any of these no text is a name, and none of its calls names a topic: to parse each takes seconds. */
const MAY_NAME = /['"`](?:[/_]|notifications\/)?starling[-./]|\.topic\(|\\[ux]/;

const sources = readdirSync(SRC, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name));
const named = sources
  .map((path) => [path, readFileSync(path, 'utf8')] as const)
  .filter(([, code]) => MAY_NAME.test(code))
  .map(([path, code]) => namedIn(path, code));
const found = new Set(named.flatMap(({ texts }) => texts).filter((text) => NAME.test(text)));

describe('the names on the wire', () => {
  it('are these', () => {
    expect([...found].filter((name) => !INSIDE.includes(name)).toSorted()).toEqual(
      PINNED.toSorted(),
    );
  });

  it('and topics are these', () => {
    expect([...new Set(named.flatMap(({ topics }) => topics))].toSorted()).toEqual(TOPICS);
  });
});
