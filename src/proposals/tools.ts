/**
 * The tools of proposals: one by which an agent that thinks with a model proposes, and those by which the operator looks at
 * proposals, runs one on trial, and answers. What a program says of itself on trial is told to the operator alone: it has
 * seen this machine, and whoever wrote it has not.
 */
import { z } from 'zod';
import { ID_PART_WORDS, StarlingError } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { Principal } from '../guard/index.ts';
import { differenceOf } from './difference.ts';
import { trialLines } from './trial-lines.ts';
import { REASON_MAX } from './limits.ts';
import { PROGRAM_INPUT, readProgram } from './program.ts';
import type { Proposals } from './proposals.ts';
import type {
  InfrastructureProposeResult,
  Proposal,
  ProposalAnswerResult,
  ProposalListResult,
  ProposalShowResult,
  ProposalSummary,
} from './types.ts';

/** What these tools work with. */
export interface ProposalToolComponents {
  readonly proposals: Proposals;
  readonly configFile: string;
  /** True for an agent of this node that thinks with a model. */
  thinks(this: void, principal: Principal): boolean;
}

const id = z.string().min(1).max(64).describe(`Its id, ${ID_PART_WORDS}.`);

/** `infrastructure_propose`, `proposal_list`, `proposal_show`, `proposal_try`, `proposal_answer`. */
export function proposalTools(components: ProposalToolComponents): readonly BuiltinTool[] {
  return [
    proposeTool(components),
    listTool(components),
    showTool(components),
    tryTool(components),
    answerTool(components),
  ];
}

function proposeTool({ proposals, thinks }: ProposalToolComponents): BuiltinTool {
  return defineTool({
    name: 'infrastructure_propose',
    title: 'Propose a server or a kind of agents',
    description:
      'For agents that think with a model: proposes an MCP server of this node, or a kind of agents, with its files, command and limits. It gives no right and runs nothing: a person reads it, has it run on trial in a sandbox without a network, and agrees or does not. The same once more gives what became of it.',
    input: PROGRAM_INPUT,
    hints: { destructiveHint: false, idempotentHint: true },
    clients: 'yes',
    dashboard: false,
    async run(input, { principal }): Promise<InfrastructureProposeResult> {
      if (principal.kind !== 'client' || !thinks(principal)) throw notForYou();
      const made = await proposals.propose(principal, readProgram(input, principal.scopes));
      const { digest, expiresAt, reason, state } = made;
      return {
        proposal: made.id,
        state,
        digest,
        expiresAt,
        ...(reason === undefined ? {} : { reason }),
      };
    },
  });
}

function listTool({ proposals }: ProposalToolComponents): BuiltinTool {
  return defineTool({
    name: 'proposal_list',
    title: 'What agents propose',
    description:
      'The servers and kinds of agents that agents of this node propose, the newest first, and what became of each.',
    input: z.object({
      all: z.boolean().optional().describe('Also those that are over.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run({ all = false }): Promise<ProposalListResult> {
      const known = await proposals.list();
      const shown = known
        .map((one) => summaryOf(proposals, one))
        .filter(
          ({ inConfig, state }) =>
            all || state === 'pending' || (state === 'approved' && !inConfig),
        );
      return { proposals: shown };
    },
  });
}

function showTool(components: ProposalToolComponents): BuiltinTool {
  return defineTool({
    name: 'proposal_show',
    title: 'Show a proposal',
    description:
      'The difference that a proposal of an agent would make: what would stand in the configuration, each of its files, and what came of its trial.',
    input: z.object({ id }),
    hints: { readOnlyHint: true },
    clients: 'no',
    run: async (input) => shownOf(components, await components.proposals.find(input.id)),
  });
}

function tryTool(components: ProposalToolComponents): BuiltinTool {
  return defineTool({
    name: 'proposal_try',
    title: 'Run a proposal on trial',
    description:
      'Runs the program of a proposal in a sandbox without a network, where it sees its own files and the system, asks it for its tools, and ends it. Refused where this machine has no sandbox.',
    input: z.object({ id }),
    hints: { destructiveHint: false },
    clients: 'no',
    waits: true,
    run: async (input, { signal }) =>
      shownOf(components, await components.proposals.tryOut(input.id, signal)),
  });
}

function answerTool({ configFile, proposals }: ProposalToolComponents): BuiltinTool {
  return defineTool({
    name: 'proposal_answer',
    title: 'Answer a proposal',
    description:
      'Agrees to the program of a proposal that has this digest, or refuses the proposal. What is agreed to is written by whoever calls, as the command line does.',
    input: z.object({
      id,
      approve: z.boolean(),
      digest: z
        .string()
        .regex(/^[\da-f]{64}$/)
        .optional()
        .describe('With `approve`: that of the program that was shown.'),
      reason: z.string().max(REASON_MAX).optional().describe('Told to the agent, and kept.'),
    }),
    hints: { destructiveHint: true },
    clients: 'no',
    async run({ approve, digest, reason, ...input }): Promise<ProposalAnswerResult> {
      const answered = await proposals.answer(input.id, {
        approve,
        ...(digest === undefined ? {} : { digest }),
        ...(reason === undefined ? {} : { reason }),
      });
      const { program } = answered;
      return {
        proposal: summaryOf(proposals, answered),
        ...(approve && program !== undefined ? { program } : {}),
        folder: proposals.folderOf(answered),
        configFile,
      };
    },
  });
}

function shownOf(
  { configFile, proposals }: ProposalToolComponents,
  proposal: Proposal,
): ProposalShowResult {
  const { trial } = proposal;
  const folder = proposals.folderOf(proposal);
  return {
    proposal: summaryOf(proposals, proposal),
    lines: differenceOf(proposal, { configFile, folder }),
    ...(trial === undefined ? {} : { trial }),
    trialLines: trialLines(trial),
    folder,
    configFile,
  };
}

function summaryOf(
  proposals: Proposals,
  { program: _program, trial, ...rest }: Proposal,
): ProposalSummary {
  const tried = trial?.passed === true ? 'passed' : 'failed';
  return {
    ...rest,
    trial: trial === undefined ? 'none' : tried,
    inConfig: proposals.isInConfig(rest),
  };
}

function notForYou(): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    'only an agent of this node that thinks with a model proposes; everybody else says it to the operator',
    {
      hint: 'the operator adds a server: starling mcp add <name> -- <command>',
      data: { reason: 'rights' },
    },
  );
}
