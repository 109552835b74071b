import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';
import { EXTENT } from './test/long/extent.ts';
import { LONG_FILES } from './test/long/files.ts';
import { BUILT_SOURCES, QUICK_NACL, builtSources } from './test/built-sources.ts';

/** Tests that start processes: they wait more than they compute. */
const PROCESSES = /\/test\/(?:cli|conformance|e2e|sim)\//;

/**
 * What takes longest, the longest first: begun last, one of them would run alone while the other workers have nothing
 * left. Vitest knows this by itself only from its second run on; in a fresh clone it begins with the largest files.
 */
const LONGEST = [
  'e2e/dashboard',
  'e2e/examples',
  'e2e/mesh/belonging',
  'e2e/mesh/namespaces',
  'cli/said',
  'e2e/first-mesh',
  'membership/detection/joining',
  'e2e/mesh/partition',
  'sim/bench/quick',
  'e2e/agents/run-agents',
  'sim/soak',
  'e2e/mesh/crossing',
  'e2e/attached-clients',
  'compliance/transports',
  'sim/scenario/netns',
  'e2e/sandbox',
  'gateway/upstreams/sandbox/sandbox',
  'cli/commands/secrets',
  'e2e/tasks/mcp-tasks',
  'gateway/upstreams/managed-upstream',
  'e2e/interop',
  'network/links/parting',
  'e2e/node/clock',
  'e2e/node/bad-input',
  'gateway/upstreams/peer',
  'build/first-output',
  'mutation/mutants',
  'e2e/mesh/memory-nodes',
  'build/package',
  'e2e/node/full-disk',
  'e2e/walks/walks',
  'e2e/policy',
  'gateway/upstreams/era-bridge',
  'e2e/agents/swarms',
  'agents/spread/spreads',
  'gateway/transports/http-eras',
  'e2e/sim',
  'audit/log',
  'e2e/node/bad-servers',
  'gateway/upstreams/odd-lists',
  'e2e/tasks/durable-tasks',
  'e2e/agents/self-healing',
  'e2e/node/metrics',
  'rotation/rotation',
  'sim/bench/board-runs',
  'cli/commands/up',
  'e2e/unknown-programs',
  'network/gossip',
  'e2e/library',
  'e2e/agents/agent-attacks',
  'compliance/upstreams',
  'sim/scenario/inproc',
  'gateway/clearance/approvals',
  'e2e/mesh/listed',
  'e2e/node/traces',
  'identity/encrypted-key',
  'e2e/node/bugreport',
  'e2e/agents/agent-doors',
  'cli/commands/top',
  'gateway/upstreams/peer-servers',
  'gateway/upstreams/local-channel',
  'cli/program',
  'e2e/mesh/rejoin',
  'e2e/agents/model-attacks',
  'cli/terminal/progress',
  'e2e/small-clients',
  'gateway/upstreams/url/streamable-http',
  'e2e/agents/spread-agents',
  'gateway/clearance/under-way',
  'e2e/budgets',
  'cli/local-nodes',
  'budget/forgetting',
  'network/host/tls-handshakes',
  'membership/detection/loss',
  'sim/memory-transport',
  'network/lifecycle',
  'gateway/hostile',
  'network/relay',
  'e2e/agents/agents',
  'cli/node/config-reload',
  'gateway/clearance/on-behalf-of',
  'conformance/harness',
].map((name) => `/test/${name}.test.ts`);

/** A worker waits for two thirds of its time: fewer leave cores idle; more start and end so many nodes at once that they disturb one another. */
const WORKERS_MIN = 5;

/** Where a file stands in {@link LONGEST}; behind all of them when it is not there. */
function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((name) => moduleId.endsWith(name));
  return rank === -1 ? LONGEST.length : rank;
}

/** Spreads the tests that wait evenly among those that compute, the longest first. */
class Mixed extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const bySize = await super.sort(files);
    const sorted = bySize.toSorted((a, b) => rankOf(a) - rankOf(b));
    const kinds = [
      sorted.filter(({ moduleId }) => PROCESSES.test(moduleId)),
      sorted.filter(({ moduleId }) => !PROCESSES.test(moduleId)),
    ];
    const placed = kinds.flatMap((kind) =>
      kind.map((file, index) => ({ file, place: index / kind.length })),
    );
    return placed.toSorted((a, b) => a.place - b.place).map(({ file }) => file);
  }
}

const SETUP_FILES = ['src/core/system/node20.ts', 'test/seeded.ts'];

/** Whether `vitest run` runs all tests: no files are named by a part of their paths, and nothing is watched. */
const [command = '', ...words] = process.argv.slice(2);
const isWhole =
  command === 'run' && words.every((word) => word.startsWith('-') || !/test|\//.test(word));

/** Files of the long form, which run when they are named, and in `npm run long`. */
const left =
  isWhole && process.env[EXTENT] === undefined
    ? Object.keys(LONG_FILES).map((name) => `test/${name}.test.ts`)
    : [];

export default defineConfig({
  // Most of what the tests of grants and of the audit log did was signing; see there.
  resolve: { alias: { tweetnacl: QUICK_NACL } },
  plugins: isWhole ? [builtSources(SETUP_FILES)] : [],
  test: {
    server: { deps: { external: [BUILT_SOURCES] } },
    include: ['test/**/*.test.ts'],
    exclude: left,
    pool: 'forks',
    // Each test makes much and keeps nothing: with more room for what is new, a tenth of the CPU is not spent on moving it.
    execArgv: ['--min-semi-space-size=16', '--max-semi-space-size=32'],
    // More than the cores: while one test waits for a process or a peer, another has the processor.
    maxWorkers: Math.max(WORKERS_MIN, availableParallelism()),
    // The modules of a room are loaded once for all files of a worker, which was half of their time.
    isolate: false,
    sequence: { sequencer: Mixed },
    setupFiles: SETUP_FILES,
    testTimeout: 240_000,
    // What is polled comes within moments; only a fault takes a minute, also on a busy machine.
    expect: { poll: { timeout: 60_000 } },
    // Goldens hold times as a terminal shows them.
    env: { TZ: 'UTC' },
    hookTimeout: 240_000,
    globalSetup: 'test/run-folder.ts',
  },
});
