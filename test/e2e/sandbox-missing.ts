/** What this machine can't do of the sandbox of servers. */
import { findMeans, runBriefly } from '../../src/gateway/index.ts';

/** Why servers run without a sandbox here; undefined when they have one. */
export async function sandboxMissing(): Promise<string | undefined> {
  const means = await findMeans(runBriefly, process.env);
  return means.kind === 'none'
    ? `servers have no sandbox here: ${means.why}; ${means.hint}`
    : undefined;
}
