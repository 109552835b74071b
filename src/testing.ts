/**
 * What the simulator and the benchmarks may have besides the library's public face: single parts of
 * a node, to measure them alone, and what takes the place of parts. No promise is made to users.
 */
export { silentLogger } from './core/index.ts';
// How a person is told what is wrong in a file.
export { invalidConfig, suggestion } from './config/index.ts';
export type { Clock, Random } from './core/index.ts';
export { createCounters, createSuccessions } from './grants/index.ts';
export { createCallerRules, createGuard, parsePolicy } from './guard/index.ts';
export type { GuardWanted } from './guard/index.ts';
// What somebody who means harm has: a key, a connection, and the signatures of a member.
export { systemClock } from './core/index.ts';
export { createBareHost, createNetwork, topicPrefix } from './network/index.ts';
export type {
  BareConnection,
  BareHost,
  Network,
  NetworkTally,
  PeerStream,
  VouchedTransport,
  VouchingTransport,
} from './network/index.ts';
// What the libp2p host of a node is made of, for one without a node.
export { adaptTransport, baseOptions, createEncryption } from './network/index.ts';
export { issueGrant, issueRevocation } from './grants/index.ts';
export { createIdentity, didFromPeerId } from './identity/index.ts';
export type { Signer as GrantSigner } from './identity/index.ts';
// What a node keeps its state in, to measure it alone.
export { createHealth } from './core/index.ts';
export { createStore } from './store/index.ts';
export type { Table } from './store/index.ts';
export { createAudit } from './audit/index.ts';
export type { Audit } from './audit/index.ts';
// The books of budgets over a table, and rows that owners sign.
export { createBooks, signRows } from './budget/index.ts';
export type { BudgetView, Books } from './budget/index.ts';
// A replica of a board, without disk and network.
export { createBoardDocument } from './blackboard/index.ts';
export type { BoardDocument } from './blackboard/index.ts';
// What agents learn, and how a way is chosen, without any agent.
export { NO_FIGURES, chooseWay, createLearning, withDeed } from './learning/index.ts';
export type { Learner, Learning, WorkFigures } from './learning/index.ts';
// What counts calls, and writes the text of a scrape.
export { createMetrics, createMetricsRegistry } from './metrics/index.ts';
export { joinMesh } from './mesh/index.ts';
export { closeState, meshOf, openState } from './open-state.ts';
