/** What the tests of policy, approvals and guardian share: a governed node without network or disk. */
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Health } from '../../src/core/index.ts';
import { createCounters } from '../../src/grants/index.ts';
import type { Capability, GrantBook } from '../../src/grants/index.ts';
import {
  createApprovals,
  createGuard,
  createGuardian,
  createCallerRules,
  parsePolicy,
} from '../../src/guard/index.ts';
import type {
  Approvals,
  ExplainingGuard,
  Guardian,
  OfferedTool,
  Policy,
  Principal,
  RiskAlert,
  CallerRulesLookup,
} from '../../src/guard/index.ts';
import type { LimitAlert } from '../../src/guard/index.ts';
import { peerIdFromDid } from '../../src/identity/index.ts';
import { alice, emptyBook, manualClock, owner } from '../grants/arrange.ts';
import { memoryTable } from '../grants/memory-table.ts';

export const OPERATOR: Principal = { kind: 'operator' };

export interface GovernedNode {
  readonly book: GrantBook;
  readonly guard: ExplainingGuard;
  readonly approvals: Approvals;
  readonly guardian: Guardian;
  readonly callerRules: CallerRulesLookup;
  readonly clock: ReturnType<typeof manualClock>;
  readonly table: ReturnType<typeof memoryTable>;
  readonly health: Health;
  readonly alerts: (LimitAlert | RiskAlert)[];
  /** Puts another policy in force. */
  readonly swap: (yaml: string) => void;
  /** Makes it an open mesh. */
  open: boolean;
  tools: readonly OfferedTool[];
}

export function peer(signer: { did: typeof alice.did } = alice, alias = 'laptop'): Principal {
  return { kind: 'peer', peerId: peerIdFromDid(signer.did), did: signer.did, alias };
}

/** Started; `table` may be that of a node before. */
export async function governedNode(yaml = '', table = memoryTable()): Promise<GovernedNode> {
  const clock = manualClock();
  let policy: Policy = parsePolicy(yaml, 'the test');
  const current = (): Policy => policy;
  const book = emptyBook(clock);
  const callerRules = createCallerRules({
    policy: { current },
    mesh: { isOpen: () => node.open, isMember: (did) => did === alice.did, formerly: () => [] },
  });
  const approvals = createApprovals({ table, clock, logger: silentLogger, callerRules });
  const alerts: (LimitAlert | RiskAlert)[] = [];
  const alert = (one: LimitAlert | RiskAlert): void => void alerts.push(one);
  const counters = createCounters({
    table: memoryTable(),
    grants: book,
    self: owner.did,
    clock,
    logger: silentLogger,
  });
  await counters.start();
  const guard = createGuard({
    grants: book,
    counters,
    clock,
    self: { name: 'workstation', did: owner.did },
    policy: { callerRules, current },
    approvals,
    open: new Set(['tool:starling/request_permission']),
    alert,
    clientAccess: (tool) => (tool === 'status' ? 'yes' : 'no'),
  });
  const guardian = createGuardian({
    policy: { current },
    callerRules,
    grants: book,
    approvals,
    tools: () => node.tools,
    clock,
    logger: silentLogger,
    alert,
  });
  const node: GovernedNode = {
    book,
    guard,
    approvals,
    guardian,
    callerRules,
    clock,
    table,
    health: createHealth(),
    alerts,
    swap: (next) => {
      policy = parsePolicy(next, 'the test');
    },
    open: false,
    tools: [
      { resource: 'tool:files/read_file', readOnly: true },
      { resource: 'tool:files/list', readOnly: true },
      { resource: 'tool:files/write_file', readOnly: false },
      { resource: 'tool:mail/send', readOnly: false },
    ],
  };
  await approvals.start();
  return node;
}

/** Grants `resource` to `signer` for an hour. */
export async function grant(
  { book, clock }: GovernedNode,
  resource: string,
  ability = 'tool/call',
  signer: { did: typeof alice.did } = alice,
  caveats: Capability['caveats'] = {},
): Promise<string> {
  const made = await book.issue({
    aud: signer.did,
    capabilities: [{ resource, ability, caveats }],
    expiresAtMs: clock.now() + 3_600_000,
  });
  return made.claims.jti;
}

/** Lets everything that is under way on the node happen. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
