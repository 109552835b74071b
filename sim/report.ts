/** The simulation's result, and its table. */

/** What a simulation measured. Times are milliseconds from the start of the first node. */
export interface SimReport {
  readonly nodes: number;
  /** Nodes with an MCP server behind them. */
  readonly servers: number;
  /** Until all nodes had started. */
  readonly startMs: number;
  /** Until every node saw every other alive. */
  readonly membershipMs: number;
  /** Until every routing table held 8 peers, or all when there are fewer. */
  readonly routingMs: number;
  /** From the first write until all boards were equal and complete. */
  readonly boardsMs: number;
  readonly calls: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Memory of the whole process. */
  readonly rssMiB: number;
  readonly failures: readonly string[];
}

/** The value below which `share` of `values` lie (nearest rank), to a hundredth; 0 for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return Math.round(value * 100) / 100;
}

/** The report as a table for people. */
export function renderReport(report: SimReport): string {
  const rows: [string, string][] = [
    ['nodes', `${report.nodes} (${report.servers} with an MCP server)`],
    ['all started', seconds(report.startMs)],
    ['full membership', seconds(report.membershipMs)],
    ['full routing tables', seconds(report.routingMs)],
    ['boards equal after', `${report.boardsMs} ms`],
    ['tool calls', `${report.calls}`],
    ['p50 / p95 / p99', `${report.p50Ms} / ${report.p95Ms} / ${report.p99Ms} ms`],
    ['memory', `${report.rssMiB} MiB`],
    ['failures', `${report.failures.length}`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`);
  const failed = report.failures.map((failure) => `  ✗ ${failure}`);
  return `${[...lines, ...failed].join('\n')}\n`;
}

function seconds(valueMs: number): string {
  return `${(valueMs / 1000).toFixed(2)} s`;
}
