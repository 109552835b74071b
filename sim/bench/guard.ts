/**
 * What the guard costs a call on an open session: the policy, the grants and their match, no signature.
 * The bar is 5 µs. Each sample is the mean of a thousand decisions, because one is too short to time.
 */
import { createGuard, createStandings, parsePolicy } from '../../src/index.ts';
import type { Did, GuardWanted, Principal } from '../../src/index.ts';
import { percentile } from '../report.ts';
import type { Bar } from './bars.ts';

type Held = ReturnType<Parameters<typeof createGuard>[0]['grants']['held']>;

/** What was measured, in µs a decision. */
export interface GuardFigures {
  readonly rows: readonly {
    readonly title: string;
    readonly p50Us: number;
    readonly p99Us: number;
  }[];
  readonly bars: readonly Bar[];
}

const LIMIT_US = 5;
const SAMPLES = 300;
const PER_SAMPLE = 1000;
const OWNER = 'did:key:z6Mkowner' as Did;
const HOLDER = 'did:key:z6Mkholder' as Did;
const NO_POLICY = '';
const POLICY = `
zones: { trusted: { allowed_namespaces: ['files', 'git*', 'board:plan'] } }
roles: { writer: { approval_required: ['files/delete_*', 'mail/**'], budget_limit: 10 } }
agents: { peer:bench: { roles: [writer], alert_threshold: 0.8 } }
`;

/** Measures, and prints a table. */
export async function benchGuard(print: (text: string) => void): Promise<GuardFigures> {
  const rows = [
    { title: 'one grant, shipped policy', ...measure(1, NO_POLICY) },
    { title: '64 grants, roles and limits', ...measure(64, POLICY) },
  ];
  print('\nguard, µs a decision\n');
  for (const { title, p50Us, p99Us } of rows) {
    print(`  ${title.padEnd(30)} p50 ${p50Us.toFixed(2)}  p99 ${p99Us.toFixed(2)}\n`);
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

function measure(grants: number, yaml: string): { p50Us: number; p99Us: number } {
  const policy = parsePolicy(yaml, 'the benchmark');
  const current = (): typeof policy => policy;
  const standings = createStandings({
    policy: { current },
    mesh: { isOpen: () => false, isMember: () => true, formerly: () => [] },
  });
  const held = Array.from({ length: grants }, (_, index) => grantOf(index, grants));
  const guard = createGuard({
    grants: { held: () => held },
    self: { name: 'bench', did: OWNER },
    policy: { standings, current },
    open: new Set(['tool:starling/request_permission']),
  });
  const principal: Principal = {
    kind: 'peer',
    did: HOLDER,
    alias: 'bench',
    peerId: '12D3KooWbench' as Extract<Principal, { kind: 'peer' }>['peerId'],
  };
  const wanted: GuardWanted = {
    resource: 'tool:files/read_text_file',
    ability: 'tool/call',
    args: { path: '/srv/docs/a.txt' },
    facts: { readOnly: true },
  };
  let allowed = 0;
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES * 2; sample += 1) {
    const start = process.hrtime.bigint();
    for (let count = 0; count < PER_SAMPLE; count += 1) {
      if (guard.decide(principal, wanted).allow) allowed += 1;
    }
    const us = Number(process.hrtime.bigint() - start) / 1000 / PER_SAMPLE;
    // The first half warms up.
    if (sample >= SAMPLES) samples.push(us);
  }
  if (allowed !== SAMPLES * 2 * PER_SAMPLE) throw new Error('the guard refused a benchmarked call');
  return { p50Us: percentile(samples, 0.5), p99Us: percentile(samples, 0.99) };
}

/** Only the last one covers what is wanted: the worst case for a search. */
function grantOf(index: number, of: number): Held[number] {
  const resource = index === of - 1 ? 'tool:files/read_*' : `tool:server${index}/tool_*`;
  return {
    jws: `${index}`,
    hash: `${index}`,
    claims: {
      iss: OWNER,
      sub: OWNER,
      aud: HOLDER,
      cap: [{ resource, ability: 'tool/call' }],
      iat: 0,
      exp: 4_000_000_000,
      jti: `${index}`.padStart(22, 'A'),
      max_depth: 0,
    },
  };
}
