/**
 * What the guard costs a call on an open session, asked twice as the gateway does: the policy, the
 * grants, their match and what they count; no signature, no disk. The bar is 5 µs. Each sample is the
 * mean of a thousand calls, because one is too short to time, and of several rounds the least counts:
 * what else the machine does only adds.
 */
import {
  createCounters,
  createSuccessions,
  createGuard,
  createCallerRules,
  parsePolicy,
  silentLogger,
} from '../../src/testing.ts';
import type { GuardWanted } from '../../src/testing.ts';
import type { Did, JsonObject, Principal } from '../../src/index.ts';
import { percentile } from '../report.ts';
import type { Bar } from './bars.ts';
import type { GuardSize } from './size.ts';

type Held = ReturnType<Parameters<typeof createGuard>[0]['grants']['held']>;
type HeldGrant = Held[number];
type Caveats = NonNullable<HeldGrant['claims']['cap'][number]['caveats']>;
type Peer = Extract<Principal, { kind: 'peer' }>;
type Counters = ReturnType<typeof createCounters>;

/** What was measured, in µs a call. */
export interface GuardFigures {
  readonly rows: readonly {
    readonly title: string;
    readonly p50Us: number;
    readonly p99Us: number;
  }[];
  readonly bars: readonly Bar[];
}

/** Who asks, and by which grants. */
interface Scenario {
  readonly title: string;
  readonly principal: Principal;
  /** Leaf first; what is behind it are its parents. */
  readonly chains: readonly (readonly HeldGrant[])[];
  readonly policy?: string;
}

const LIMIT_US = 5;
const PER_SAMPLE = 1000;
const LINKS = 8;
const MANY = 50;
const SOME = 16;
const OWNER = 'did:key:z6Mkowner' as Did;
const HOLDER = 'did:key:z6Mkholder' as Did;
const NOW_MS = 1_780_272_000_000;
const ENDS_S = 4_000_000_000;
const POLICY = `
zones: { trusted: { allowed_namespaces: ['files', 'git*', 'board:plan'] } }
roles: { writer: { approval_required: ['files/delete_*', 'mail/**'], budget_limit: 10 } }
callers: { peer:bench: { roles: [writer], alert_threshold: 0.8 } }
`;
const PEER: Peer = {
  kind: 'peer',
  did: HOLDER,
  alias: 'bench',
  peerId: '12D3KooWbench' as Peer['peerId'],
};
const TOOL = 'tool:files/read_*';
const ARGS: Caveats = {
  args: { path: { paths: ['/srv/docs/**', '/srv/pub/*'] }, head: { maximum: 9 } },
};
/** More than are ever taken here. */
const PLENTY = 1_000_000_000;
const USES: Caveats = { uses: PLENTY };
const RATE: Caveats = { rate: { per_s: PLENTY, burst: PLENTY } };

const SCENARIOS: readonly Scenario[] = [
  { title: 'one grant', principal: PEER, chains: [[grantOf('one')]] },
  { title: 'with paths and a number', principal: PEER, chains: [[grantOf('args', ARGS)]] },
  { title: 'with uses', principal: PEER, chains: [[grantOf('uses', USES)]] },
  { title: 'with a rate', principal: PEER, chains: [[grantOf('rate', RATE)]] },
  { title: `chain of ${LINKS}`, principal: PEER, chains: [chainOf('plain', {})] },
  {
    title: `chain of ${LINKS}, each with all of it`,
    principal: PEER,
    chains: [chainOf('full', { ...ARGS, ...USES, ...RATE })],
  },
  { title: `${MANY} grants, the last covers it`, principal: PEER, chains: manyOf(MANY, {}) },
  {
    title: `${SOME} grants on it, the last has the path`,
    principal: PEER,
    chains: manyOf(SOME, { args: { path: { paths: ['/srv/other/**'] } } }),
    policy: POLICY,
  },
  { title: 'the operator', principal: { kind: 'operator' }, chains: [] },
  {
    title: 'an API key',
    principal: { kind: 'client', name: 'ci', scopes: ['tool:git/*', 'resource:files/**', TOOL] },
    chains: [],
  },
];

/** Measures, and prints a table. */
export async function benchGuard(
  size: GuardSize,
  print: (text: string) => void,
): Promise<GuardFigures> {
  const rows: { title: string; p50Us: number; p99Us: number }[] = [];
  for (const scenario of SCENARIOS) {
    rows.push({ title: scenario.title, ...(await measure(scenario, size)) });
  }
  print(`\nguard, µs a call, least of ${size.rounds} rounds\n`);
  const width = Math.max(...rows.map(({ title }) => title.length)) + 2;
  for (const { title, p50Us, p99Us } of rows) {
    print(`  ${title.padEnd(width)} p50 ${p50Us.toFixed(2)}  p99 ${p99Us.toFixed(2)}\n`);
  }
  const bars = rows.map(({ title, p50Us }): Bar => ({
    title: `guard, ${title}: µs`,
    limit: LIMIT_US,
    kind: 'at most',
    measured: p50Us,
    pass: p50Us <= LIMIT_US,
  }));
  return { rows, bars };
}

async function measure(
  scenario: Scenario,
  size: GuardSize,
): Promise<{ p50Us: number; p99Us: number }> {
  const counters = countersOf(scenario.chains);
  await counters.start();
  const decide = deciderOf(scenario, counters);
  const rounds: { p50Us: number; p99Us: number }[] = [];
  // The first round warms up.
  for (let round = 0; round <= size.rounds; round += 1) {
    const samples: number[] = [];
    for (let sample = 0; sample < size.samples; sample += 1) {
      samples.push(sampleOf(decide, scenario.title));
      // What was counted is written down meanwhile, as between the calls of a node.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (round > 0) {
      rounds.push({ p50Us: percentile(samples, 0.5), p99Us: percentile(samples, 0.99) });
    }
  }
  await counters.stop();
  return rounds.reduce((least, one) => (one.p50Us < least.p50Us ? one : least));
}

/** The mean of {@link PER_SAMPLE} calls, µs. */
function sampleOf(decide: () => boolean, title: string): number {
  const start = process.hrtime.bigint();
  let allowed = 0;
  for (let count = 0; count < PER_SAMPLE; count += 1) if (decide()) allowed += 1;
  const us = Number(process.hrtime.bigint() - start) / 1000 / PER_SAMPLE;
  if (allowed !== PER_SAMPLE) throw new Error(`the guard refused a benchmarked call: ${title}`);
  return us;
}

function deciderOf(
  { principal, chains, policy: yaml }: Scenario,
  counters: Counters,
): () => boolean {
  const policy = parsePolicy(yaml ?? '', 'the benchmark');
  const current = (): typeof policy => policy;
  const callerRules = createCallerRules({
    policy: { current },
    mesh: { isOpen: () => false, isMember: () => true, formerly: () => [] },
  });
  const held = chains.flatMap(([leaf]) => leaf ?? []);
  const guard = createGuard({
    grants: { held: () => held },
    counters,
    self: { name: 'bench', did: OWNER },
    policy: { callerRules, current },
    open: new Set(['tool:starling/request_permission']),
  });
  const args: JsonObject = { path: '/srv/docs/2026/report.txt', head: 3 };
  const [resource, ability] = ['tool:files/read_text_file', 'tool/call'];
  const facts = { readOnly: true };
  return () => {
    // First whether any arguments could make it right, then whether these do.
    const look: GuardWanted = { resource, ability, facts, look: true };
    if (!guard.decide(principal, look).allow) return false;
    const call: GuardWanted = { resource, ability, facts, args };
    return guard.decide(principal, call).allow;
  };
}

/** Counters on a disk that is always done. */
function countersOf(chains: Scenario['chains']): Counters {
  const nothing = async (): Promise<void> => undefined;
  const byLeaf = new Map(chains.map((chain) => [chain[0], chain]));
  const table = {
    get: async () => undefined,
    put: nothing,
    delete: nothing,
    batch: nothing,
    async *entries() {},
  };
  return createCounters({
    table,
    grants: {
      chainOf: (grant) => byLeaf.get(grant) ?? [grant],
      issued: () => [],
      successions: createSuccessions({ table, logger: silentLogger }),
    },
    self: OWNER,
    clock: { now: () => NOW_MS, schedule: () => () => undefined },
    logger: silentLogger,
  });
}

function grantOf(
  id: string,
  caveats: Caveats = {},
  more: { readonly resource?: string; readonly parent?: HeldGrant } = {},
): HeldGrant {
  const { resource = TOOL, parent } = more;
  return {
    jws: id,
    hash: id,
    claims: {
      iss: OWNER,
      sub: OWNER,
      aud: HOLDER,
      cap: [{ resource, ability: 'tool/call', caveats }],
      iat: 0,
      exp: ENDS_S,
      jti: id.padStart(22, 'A'),
      max_depth: 0,
      ...(parent === undefined ? {} : { prf: [parent.hash] }),
    },
  };
}

/** Leaf first. */
function chainOf(id: string, caveats: Caveats): readonly HeldGrant[] {
  const chain: HeldGrant[] = [];
  for (let link = 0; link < LINKS; link += 1) {
    const [parent] = chain;
    chain.unshift(grantOf(`${id}${link}`, caveats, parent === undefined ? {} : { parent }));
  }
  return chain;
}

/** Only the last one allows the call: without caveats, the others are on other tools. */
function manyOf(count: number, caveats: Caveats): readonly (readonly HeldGrant[])[] {
  const isBare = Object.keys(caveats).length === 0;
  return Array.from({ length: count }, (_, index) => {
    const id = `many${isBare ? 'bare' : 'args'}${index}`;
    if (index === count - 1) return [grantOf(id, ARGS)];
    return [grantOf(id, caveats, isBare ? { resource: `tool:server${index}/tool_*` } : {})];
  });
}
