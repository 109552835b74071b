/**
 * `npm run conformance`: the public conformance suite against our fixture directly, behind the node
 * that owns it and behind a second node two peers away; then its client scenarios against our
 * upstream side. Prints a table; ends with 1 when a required scenario fails.
 *
 * `--only <text>` runs the rows whose name holds the text; `--output <folder>` keeps what the suite
 * wrote; `--verbose` prints why each check failed.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildPrograms } from './bundle.ts';
import type { Programs } from './bundle.ts';
import { runClientScenarios, runFailedClientScenarios } from './client-leg.ts';
import { CLI, fixtureCommand, startFixture, startMesh } from './mesh.ts';
import type { Cleanup } from './mesh.ts';
import { judge, rejudge, report } from './report.ts';
import type { Row } from './report.ts';
import { REVISIONS, readRequirements, runSuite } from './suite.ts';
import type { Revision, ScenarioResult } from './suite.ts';

const SCENARIO_TIMEOUT_MS = 20_000;
const RUN_TIMEOUT_MS = 300_000;
const ALONE_TIMEOUT_MS = 40_000;

interface Target {
  readonly name: string;
  /** Rows of the same server never run at once: its tools come and go during a run. */
  readonly server: string;
  readonly url: string;
  readonly revision: Revision;
  /** A bridge between the eras cannot pass all that a server of its own era can. */
  readonly scored: boolean;
}

// Nothing outside of this machine is asked, and each process that is started here would read all these certificates.
delete process.env['NODE_EXTRA_CA_CERTS'];

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    output: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const ends: (() => unknown)[] = [];
const cleanup: Cleanup = { defer: (end) => void ends.push(end) };

async function prepare({ fixture }: Programs): Promise<Target[]> {
  const urls = {
    legacy: await startFixture(fixture, 'legacy', cleanup),
    modern: await startFixture(fixture, 'modern', cleanup),
  };
  const direct: Target[] = [
    { name: 'direct', server: 'old-http', url: urls.legacy, revision: '2025-11-25', scored: true },
    { name: 'direct', server: 'new-http', url: urls.modern, revision: '2026-07-28', scored: true },
  ];
  if (direct.every(isWanted) && values.only.startsWith('direct')) return direct;
  const { owner, guest } = await startMesh(
    root,
    {
      // The suite's client has roots, and wants them asked for from two peers away, too.
      'old-stdio': { ...fixtureCommand(fixture, 'legacy'), peerRoots: true },
      'new-stdio': { ...fixtureCommand(fixture, 'modern'), peerRoots: true },
      'old-http': { type: 'http', url: urls.legacy, peerRoots: true },
      'new-http': { type: 'http', url: urls.modern, peerRoots: true },
    },
    cleanup,
  );
  const behind = (server: string, revision: Revision): Target[] => {
    const scored = server.startsWith('old') === (revision === '2025-11-25');
    return [
      {
        name: `one hop, ${server}`,
        server,
        url: `${owner.origin}/mcp/${server}`,
        revision,
        scored,
      },
      {
        name: `two peers, ${server}`,
        server,
        url: `${guest.origin}/mcp/owner/${server}`,
        revision,
        scored,
      },
    ];
  };
  return [
    ...direct,
    ...behind('old-stdio', '2025-11-25'),
    ...behind('old-http', '2025-11-25'),
    ...behind('new-stdio', '2026-07-28'),
    ...behind('new-http', '2026-07-28'),
    ...behind('new-stdio', '2025-11-25'),
    ...behind('old-stdio', '2026-07-28'),
  ];
}

const isWanted = ({ name, revision }: { name: string; revision: string }): boolean =>
  `${name} ${revision}`.includes(values.only);

async function runTarget(target: Target): Promise<Row> {
  const { name, url, revision, scored } = target;
  const started = performance.now();
  const timeout = String(SCENARIO_TIMEOUT_MS);
  const args = ['server', '--url', url, '--requirements', revision, '--timeout', timeout];
  const run = await runSuite(args, folderOf(target), RUN_TIMEOUT_MS, stop.signal);
  const seconds = (performance.now() - started) / 1000;
  return judge({ name, revision, scored, seconds }, readRequirements(revision, 'server'), run);
}

/** Runs the scenarios that failed once more, when nothing else runs. */
async function runFailedAlone(target: Target, row: Row): Promise<Row> {
  const alone = new Map<string, ScenarioResult>();
  for (const scenario of row.scored ? row.failed.keys() : []) {
    const args = ['server', '--url', target.url, '--scenario', scenario];
    args.push('--spec-version', target.revision, '--timeout', String(SCENARIO_TIMEOUT_MS));
    const folder = join(folderOf(target), 'again', scenario);
    const run = await runSuite(args, folder, ALONE_TIMEOUT_MS, stop.signal);
    const result = run.scenarios.get(scenario);
    if (result !== undefined) alone.set(scenario, result);
  }
  return rejudge(row, alone);
}

function folderOf({ name, revision }: Target): string {
  return join(kept, `${name} ${revision}`.replaceAll(/\W+/g, '-'));
}

/** A row, and how its failed scenarios are run again. */
type Outcome = readonly [Row, (row: Row) => Promise<Row>];

/** The rows of one server one after the other, those of different servers at once. */
async function runServers(targets: readonly Target[]): Promise<Outcome[]> {
  const servers = new Set(targets.map(({ server }) => server));
  const rows = new Map<Target, Row>();
  await Promise.all(
    [...servers].map(async (server) => {
      const lane = targets.filter((target) => target.server === server);
      for (const target of lane) rows.set(target, note(await runTarget(target)));
    }),
  );
  return targets.flatMap((target) => {
    const row = rows.get(target);
    return row === undefined ? [] : [[row, (again: Row) => runFailedAlone(target, again)] as const];
  });
}

async function runClients(programs: Programs): Promise<Outcome[]> {
  const leg = { driver: programs.client, folder: kept, signal: stop.signal };
  const outcomes: Outcome[] = [];
  for (const revision of REVISIONS) {
    if (!isWanted({ name: 'client', revision })) continue;
    const row = note(await runClientScenarios(leg, revision));
    outcomes.push([row, (again) => runFailedClientScenarios(leg, again)]);
  }
  return outcomes;
}

function note(row: Row): Row {
  process.stderr.write(`${row.name}, ${row.revision}: ${row.passed}/${row.required}\n`);
  return row;
}

async function main(): Promise<Row[]> {
  const programs = await buildPrograms(join(root, 'programs'));
  const wantsServer = !values.only.startsWith('client');
  const targets = wantsServer ? (await prepare(programs)).filter(isWanted) : [];
  // Servers mostly wait for the suite's pauses, clients for the processor.
  const outcomes = (await Promise.all([runServers(targets), runClients(programs)])).flat();
  const rows: Row[] = [];
  for (const [row, again] of outcomes) rows.push(await again(row));
  return rows;
}

if (!existsSync(CLI)) throw new Error('nothing is built yet: run npm run build');
const root = await mkdtemp(join(tmpdir(), 'starling-conformance-'));
const kept = values.output === undefined ? join(root, 'results') : resolve(values.output);
try {
  const rows = await main();
  process.stdout.write(report(rows, values.verbose));
  process.exitCode = rows.length > 0 && rows.every((row) => row.isFine) ? 0 : 1;
} finally {
  for (const end of ends.toReversed()) await end();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}
