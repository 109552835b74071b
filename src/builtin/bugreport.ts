/** The tool that gathers what somebody who looks for a fault needs to know of a running node, without any secret. */
import { arch, platform, release } from 'node:os';
import { z } from 'zod';
import {
  StarlingError,
  VERSION,
  createSecretRemover,
  secretsWithin,
  withoutLastWords,
} from '../core/index.ts';
import type { Json, RecentLine } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { SecretStore } from '../secrets/index.ts';
import type { BugreportResult, PeerSummary, StatusResult } from './results.ts';

/** What the tool needs. */
export interface BugreportComponents {
  status(): StatusResult;
  peers(): readonly PeerSummary[];
  recentLines(): readonly RecentLine[];
  /** What holds the secrets of the configuration, however deep. */
  configured(): unknown;
  readonly secrets: Pick<SecretStore, 'list' | 'lookup'>;
}

/** For the operator of the node alone: the answer names all peers and their addresses. */
export function bugreportTool(components: BugreportComponents): BuiltinTool {
  return defineTool({
    name: 'bugreport',
    title: 'What a fault report needs',
    description:
      'Versions, the status with every warning, the peer table and the last lines of the log of this node, with all secrets taken out. It names peers and their addresses.',
    input: z.object({}),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run(): Promise<BugreportResult> {
      const clean = createSecretRemover(await secretsOf(components));
      return {
        version: VERSION,
        node: process.version,
        system: `${platform()} ${release()} ${arch()}`,
        runningS: Math.round(process.uptime()),
        memoryBytes: process.memoryUsage.rss(),
        status: clean(plain(components.status())),
        peers: clean(plain(components.peers())),
        log: clean(plain(components.recentLines())),
      };
    },
  });
}

async function secretsOf(components: BugreportComponents): Promise<readonly string[]> {
  const { secrets } = components;
  const named = (await secrets.list()).flatMap(({ name }) => {
    try {
      return [secrets.lookup(name)];
    } catch (error) {
      // A secret that can't be opened was never in use here.
      if (!(error instanceof StarlingError)) throw error;
      return [];
    }
  });
  return [...secretsWithin(components.configured()), ...named];
}

/** What JSON keeps of a value, but for what servers wrote: nobody knows what secrets are in that. */
function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) =>
    typeof one === 'string' ? withoutLastWords(one) : one,
  ) as Json;
}
