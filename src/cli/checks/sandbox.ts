/** Are servers kept from the node's key, token and processes? */
import { findMeans, runBriefly, sandboxWarnings } from '../../gateway/index.ts';
import { finding } from './check.ts';
import type { Check } from './check.ts';

/** A running node knows; else the system's means are tried, where a server would need them. */
export const sandbox: Check = {
  name: 'sandbox',
  async run({ config, status }) {
    const servers = new Map(Object.entries(config?.mcpServers ?? {}));
    const hasProcesses = [...servers.values()].some(({ type }) => type === 'stdio');
    if (status === undefined && !hasProcesses) return [];
    const found =
      status === undefined
        ? sandboxWarnings(await findMeans(runBriefly, process.env), servers)
        : status.warnings.filter(({ code }) => code.startsWith('sandbox-'));
    if (found.length > 0)
      return found.map(({ text, hint }) => finding('sandbox', 'warn', text, hint));
    const processes = status?.upstreams.some(({ kind }) => kind === 'stdio') ?? true;
    return processes
      ? [finding('sandbox', 'ok', "servers see neither the node's secrets nor its processes")]
      : [];
  },
};
