/**
 * Test files of which nothing runs in `npm test`, and all in `npm run long`: walks between several real processes, each
 * step of which another file holds that needs fewer of them. Named on the command line they run at any time.
 */

/** By their paths below `test`, each with what holds the same in `npm test`. */
export const LONG_FILES: Readonly<Record<string, readonly string[]>> = {
  'e2e/agents/model-attacks': ['e2e/agents/agent-attacks', 'thinking/agents'],
  'e2e/agents/spread-agents': ['agents/spread/spreads'],
  'e2e/demos': ['build/first-output', 'e2e/agents/self-healing', 'e2e/agents/swarms'],
  'e2e/mesh/newcomer': ['e2e/attached-clients', 'gateway/clearance/approvals'],
  'e2e/mesh/resilience': [
    'gateway/upstreams/managed-upstream',
    'gateway/upstreams/peer',
    'gateway/pins/pins',
    'gateway/catalog/tool-merge',
    'e2e/first-mesh',
  ],
  'e2e/mesh/revocation': ['gateway/clearance/under-way', 'gateway/upstreams/peer'],
  'e2e/mesh/rotation': ['rotation/rotation'],
  'e2e/mesh/strong': ['blackboard/quorum/strong', 'sim/bench/board-runs'],
  'e2e/node/bad-servers': [
    'compliance/upstreams',
    'gateway/upstreams/managed-upstream',
    'gateway/upstreams/peer-grants',
    'builtin/grants/grants',
  ],
  'e2e/node/crash': ['audit/log', 'grants/use/counters'],
  'e2e/tasks/tasks': ['e2e/tasks/durable-tasks', 'tasks/storms', 'tasks/tasks'],
};
