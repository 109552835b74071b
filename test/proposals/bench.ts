/** The proposals of a node without the node: on a table in memory, with a trial that says what a test wants. */
import { expect } from 'vitest';
import type { AuditInit } from '../../src/audit/index.ts';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { createProposals, proposalTools } from '../../src/proposals/index.ts';
import type { Proposals } from '../../src/proposals/index.ts';
import { PROGRAM_INPUT, readProgram } from '../../src/proposals/program.ts';
import type { ProposedProgram, Trial } from '../../src/proposals/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { saidProgram } from './program.ts';
import type { SaidProgram } from './program.ts';

const SCOPES = ['tool:files/*'];

/** An agent of the node. */
export const agent = (name: string, more: object = {}): Principal => ({
  kind: 'client',
  name: `agent:${name}`,
  scopes: SCOPES,
  ...more,
});

/** What it proposes. */
export const program = (more: Partial<SaidProgram> = {}): ProposedProgram =>
  readProgram(PROGRAM_INPUT.parse(saidProgram(more)), SCOPES);

/** A trial that went well. */
export const PASSED: Trial = {
  at: 1,
  passed: true,
  tools: [{ name: 'resize', description: 'Makes pictures small.' }],
  wrote: [],
};

/** A signal that is never aborted. */
export const never = new AbortController().signal;

/** Proposals, and what a test sees of them. */
export interface Bench {
  readonly proposals: Proposals;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly audited: AuditInit[];
  /** What has a name already. */
  readonly taken: Map<string, 'server' | 'kind'>;
  readonly rows: Map<string, Uint8Array>;
  /** What the health of the node says. */
  waiting(this: void): string | undefined;
  /** Calls one of the tools. */
  call<T>(this: void, name: string, args: object, principal?: Principal): Promise<T>;
  trial: (signal: AbortSignal) => Promise<Trial>;
}

/** Where the node of a test has what. */
export interface BenchPlaces {
  readonly services: string;
  readonly configFile: string;
}

const PLACES: BenchPlaces = { services: '/srv/services', configFile: '/etc/starling.json' };

/** Makes them over `rows`. */
export function bench(
  rows = new Map<string, Uint8Array>(),
  { configFile, services }: BenchPlaces = PLACES,
): Bench {
  const clock = createTestClock();
  const audited: AuditInit[] = [];
  const taken = new Map<string, 'server' | 'kind'>();
  const health = createHealth();
  const proposals = createProposals({
    table: memoryTable(rows),
    audit: { note: (entry) => void audited.push(entry) },
    health,
    clock,
    logger: silentLogger,
    taken: (name) => taken.get(name),
    tryOut: (_, signal) => made.trial(signal),
    services,
  });
  const tools = proposalTools({ proposals, configFile, thinks: () => true });
  const made: Bench = {
    clock,
    audited,
    taken,
    rows,
    waiting: () => health.warnings().find(({ code }) => code === 'proposals-wait')?.text,
    trial: async () => PASSED,
    proposals,
    async call<T>(name: string, args: object, principal: Principal = OPERATOR): Promise<T> {
      const tool = tools.find(({ definition }) => definition.name === name);
      const result = await tool?.call(args as JsonObject, { principal, signal: never });
      return (result ?? expect.fail(`no tool ${name}`)) as unknown as T;
    },
  };
  return made;
}
