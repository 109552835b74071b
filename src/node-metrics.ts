/** What the figures of a node are read from, and the traces of its calls. */
import type { Clock, Health, Secret } from './core/index.ts';
import { OPERATOR } from './guard/index.ts';
import { createMetrics } from './metrics/index.ts';
import type { Metrics } from './metrics/index.ts';
import type { Parts } from './node-rooms.ts';
import type { Base, OpenState } from './open-state.ts';
import { createTraces } from './traces/index.ts';
import type { Traces } from './traces/index.ts';

const NO_SPANS = { sent: 0, rejected: 0, dropped: 0, limited: 0, waiting: 0 } as const;

type FigureRooms = Pick<
  Parts,
  'agents' | 'audit' | 'blackboard' | 'budgets' | 'membership' | 'models' | 'tasks'
> & {
  readonly gateway: () => Parts['gateway'];
};

/** Makes the figures over the rooms, and the traces; those are undefined where no collector is named. */
export function createNodeFigures(
  base: Base,
  state: Pick<OpenState, 'identity' | 'secrets'>,
  rooms: FigureRooms,
): Pick<Parts, 'metrics' | 'traces'> {
  const traces = createNodeTraces(base, state);
  return { metrics: createNodeMetrics(base, { ...rooms, traces }), traces };
}

/** Undefined where no collector is named: then a call costs nothing for them. */
function createNodeTraces(
  { config, clock, health, logger }: Base,
  { identity, secrets }: Pick<OpenState, 'identity' | 'secrets'>,
): Traces | undefined {
  const { otlp, serviceName, ...init } = config.telemetry;
  if (otlp === undefined) return undefined;
  const headers = Object.entries(otlp.headers).map(([name, secret]): [string, Secret] => [
    name,
    secret.bind((one) => secrets.lookup(one)),
  ]);
  return createTraces(
    { clock, health, logger: logger.child('traces') },
    {
      ...init,
      url: otlp.url,
      headers: Object.fromEntries(headers),
      source: { serviceName, node: config.name, peerId: identity.peerId },
    },
  );
}

function createNodeMetrics(
  { clock, health }: { readonly clock: Clock; readonly health: Pick<Health, 'warnings'> },
  rooms: FigureRooms & { readonly traces: Traces | undefined },
): Metrics {
  const { agents, audit, blackboard, budgets, gateway, membership, models, tasks, traces } = rooms;
  let written = 0;
  audit.events.on('entries', (count) => {
    written += count;
  });
  return createMetrics(
    {
      callsNow: () => gateway().load(),
      sessions: () => gateway().sessions(),
      peers() {
        const counts: Record<string, number> = {};
        for (const { state } of membership.peers()) counts[state] = (counts[state] ?? 0) + 1;
        return counts;
      },
      servers: () =>
        gateway()
          .upstreams()
          // The node's own tools are no server of anybody's.
          .flatMap(({ kind, state }) => (kind === 'builtin' ? [] : [state])),
      boards: () => blackboard.names().length,
      tasks: () => tasks.list(OPERATOR, { limit: 0 }).counts,
      budgets: () => budgets.sums(),
      agents: () => agents.stopped(),
      // Rows of single callers and tasks are forgotten in time, and what is told as a counter must not go back.
      models: () => [models.totals()],
      isAuditHealthy: () => audit.healthy(),
      auditEntries: () => written,
      warnings: () => health.warnings().length,
      spans: () => traces?.view() ?? NO_SPANS,
    },
    clock,
  );
}
