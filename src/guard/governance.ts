/** All that decides on one node, put together: policy, approvals, guard and guardian. */
import { createScope, messageOf, printable, rightText, stopAll } from '../core/index.ts';
import type { Clock, Did, Health, Logger, PeerId, Startable } from '../core/index.ts';
import type { Counters, GrantBook } from '../grants/index.ts';
import { peerIdFromDid } from '../identity/index.ts';
import type { Membership } from '../membership/index.ts';
import type { Table } from '../store/index.ts';
import type { Approvals } from './approvals/types.ts';
import { createApprovals } from './approvals/approvals.ts';
import { createGuard } from './decision/guard.ts';
import { createGuardian } from './guardian/guardian.ts';
import type { Guardian } from './guardian/types.ts';
import type { OfferedTool } from './guardian/permission-scope.ts';
import { createCurrentPolicy } from './policy/current-policy.ts';
import type { CurrentPolicy } from './policy/current-policy.ts';
import { createCallerRules } from './policy/caller-rules.ts';
import type { CallerRulesLookup } from './policy/caller-rules.ts';
import { createSourceZones } from './policy/source-zones.ts';
import type { SourceZones } from './policy/source-zones.ts';
import type { ClientAccess, ExplainingGuard } from './types.ts';
import { nameOf } from './principal-names.ts';
import type { MeshFacts } from './principal-names.ts';

/** What governs one node. */
export interface Governance extends Startable {
  readonly policy: CurrentPolicy;
  readonly callerRules: CallerRulesLookup;
  /** From which zone comes what a thing gives. */
  readonly sourceZones: SourceZones;
  readonly approvals: Approvals;
  readonly guard: ExplainingGuard;
  readonly guardian: Guardian;
  /** Tools of this node as they are pinned now. */
  tools(): readonly OfferedTool[];
}

/** What governance works with. */
export interface GovernanceComponents {
  readonly grants: GrantBook;
  /** Without counters, grants with conditions allow nothing. */
  readonly counters?: Counters;
  /** Of the approvals. */
  readonly table: Table;
  readonly membership: Pick<Membership, 'peer'>;
  /** True for a mesh that anybody may join. */
  isOpen(): boolean;
  /** Tools of this node as they are pinned now. */
  tools(): readonly OfferedTool[];
  /** What clients may do with a tool of the built-in server. */
  clientAccess(tool: string): ClientAccess;
  /** True when a server of this node could have written the policy file. */
  readonly isExposed?: (file: string) => boolean;
  /** Whether a peer goes by this alias now; default: that is not known. */
  readonly isCalled?: (alias: string) => boolean;
  /** Whether the founder of a budget lets that one hold rights of it. */
  readonly mayHold?: (budget: string, did: Did) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
}

/** How governance is set up. */
export interface GovernanceInit {
  /** This node, as refusals name it. */
  readonly self: { readonly name: string; readonly did: Did };
  readonly policy: { readonly file: string; readonly named: boolean };
  /** Resources of the built-in server that every proven caller may use. */
  readonly open: ReadonlySet<string>;
}

/** How long the warning of a risky request or a used-up limit stands. */
const ALERT_MS = 3_600_000;
const DIDS_MAX = 4096;

/** An approval that waits too long is a warning until it is closed. */
function tellEscalated(approvals: Approvals, health: Health): void {
  approvals.events.on('escalated', ({ id, principal, ability, resource }) =>
    health.raise({
      code: `approval-escalated:${id}`,
      text: `${nameOf(principal)} still waits for an approval: ${printable(rightText(ability, resource))}`,
      hint: `starling approvals approve ${id.slice(0, 8)} (or deny)`,
    }),
  );
  approvals.events.on('closed', ({ id }) => health.clear(`approval-escalated:${id}`));
}

/** Puts policy, approvals, guard and guardian together. Nothing runs before `start`. */
export function createGovernance(
  components: GovernanceComponents,
  init: GovernanceInit,
): Governance {
  const { grants, counters, clock, health } = components;
  const logger = components.logger.child('guard');
  const alerts = createAlerts(components);
  const policy = createCurrentPolicy(
    {
      clock,
      logger,
      health,
      ...(components.isExposed === undefined ? {} : { isExposed: components.isExposed }),
      ...(components.isCalled === undefined ? {} : { isCalled: components.isCalled }),
    },
    { file: init.policy.file, mustExist: init.policy.named },
  );
  const callerRules = createCallerRules({ policy, mesh: meshOf(components) });
  const sourceZones = createSourceZones({ policy, callerRules });
  const approvals = createApprovals({ table: components.table, clock, logger, callerRules });
  tellEscalated(approvals, health);
  const guard = createGuard({
    grants,
    ...(counters === undefined ? {} : { counters }),
    self: init.self,
    calledBy: (peer) => components.membership.peer(peer)?.callsUs,
    clock,
    policy: { callerRules, current: () => policy.current() },
    approvals,
    open: init.open,
    ...(components.mayHold === undefined ? {} : { mayHold: components.mayHold }),
    clientAccess: (tool) => components.clientAccess(tool),
    alert: ({ limit, resource, share }) =>
      alerts.raise(limit, `${resource} uses ${Math.round(share * 100)} % of ${limit}`),
  });
  const guardian = createGuardian({
    policy,
    callerRules,
    grants,
    approvals,
    tools: () => components.tools(),
    clock,
    logger,
    alert: ({ resourceType, risk }) =>
      alerts.raise(resourceType, `permission of risk ${risk} for ${resourceType} is asked for`),
  });
  return {
    policy,
    callerRules,
    sourceZones,
    approvals,
    guard,
    guardian,
    tools: () => components.tools(),
    async start() {
      await policy.start();
      await approvals.start();
    },
    async stop() {
      alerts.stop();
      await stopAll([approvals, policy], (error) =>
        logger.error({ error: messageOf(error) }, 'a part of governance did not stop'),
      );
    },
  };
}

/** Told of dids often, so that the PeerId of each is kept. */
function meshOf(components: GovernanceComponents): MeshFacts {
  const peerIds = new Map<Did, PeerId>();
  return {
    isOpen: () => components.isOpen(),
    formerly: (did) => components.grants.successions.lineage(did).slice(1),
    isMember(did) {
      const peerId = peerIds.get(did) ?? peerIdFromDid(did);
      if (peerIds.size >= DIDS_MAX) peerIds.clear();
      peerIds.set(did, peerId);
      return components.membership.peer(peerId) !== undefined;
    },
  };
}

interface Alerts {
  raise(what: string, text: string): void;
  stop(): void;
}

/** Alerts as warnings of the node, which end by themselves. */
function createAlerts({ clock, health, logger }: GovernanceComponents): Alerts {
  const scope = createScope(clock);
  const ends = new Map<string, () => void>();
  return {
    raise(what, text) {
      const code = `policy-alert:${what}`;
      logger.warn({ code }, 'the alert_threshold of the policy is reached');
      health.raise({ code, text, hint: 'see what waits, and who asks: starling approvals --all' });
      ends.get(code)?.();
      ends.set(
        code,
        scope.after(ALERT_MS, () => health.clear(code)),
      );
    },
    stop: () => scope.close(),
  };
}
