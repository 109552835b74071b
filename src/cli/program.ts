/**
 * The command line: collects the commands, and runs one. Imports nothing heavy: each
 * command is loaded when it is run, so that `--help` and `--version` answer at once.
 */
import { Command, CommanderError } from 'commander';
import { EXIT } from '../core/exit-codes.ts';
import type { ExitCode } from '../core/exit-codes.ts';
import { VERSION } from '../core/version.ts';
import { addAgent } from './groups/agents/agent.ts';
import { addApprovals } from './groups/rights/approvals.ts';
import { addAudit } from './groups/rights/audit.ts';
import { addBoard } from './groups/agents/board.ts';
import { addCapability } from './groups/agents/capability.ts';
import { addCompletion } from './groups/command-line/completion.ts';
import { addConnect } from './groups/servers/connect.ts';
import { addBroadcast, addEvents } from './groups/agents/events.ts';
import { addGrant } from './groups/rights/grant.ts';
import { addIdentity } from './groups/mesh/identity.ts';
import { addKey } from './groups/rights/key.ts';
import { addMcp } from './groups/servers/mcp.ts';
import { addLlm, addModel } from './groups/agents/model.ts';
import { addMembers } from './groups/mesh/members.ts';
import { addInvite, addLeave, addPeers, addPing } from './groups/mesh/mesh.ts';
import { addDemo } from './groups/mesh/demo.ts';
import {
  addBugreport,
  addDashboard,
  addDoctor,
  addNodes,
  addStatus,
  addTop,
  addUp,
} from './groups/mesh/node.ts';
import { addPin } from './groups/rights/pin.ts';
import { addProposals } from './groups/rights/proposals.ts';
import { addPolicy } from './groups/rights/policy.ts';
import { addService } from './groups/mesh/service.ts';
import { addSecret } from './groups/rights/secret.ts';
import { addSim } from './groups/mesh/sim.ts';
import { addBudget } from './groups/rights/budget.ts';
import { addContext } from './groups/agents/context.ts';
import { addLearn } from './groups/agents/learn.ts';
import { addSwarm } from './groups/agents/swarm.ts';
import { addTask } from './groups/agents/task.ts';
import { addAsk, addCall, addRequest, addTools, addTrace } from './groups/servers/tools.ts';
import { examples, nodeOption } from './groups/command-line/define-command.ts';
import { helpColumns, onlyAbove, refuseHelpOnNothing } from './groups/command-line/help.ts';
import { commandOf, plainWords, withoutNode } from './groups/command-line/typed-words.ts';
import { usageError } from './groups/command-line/usage-errors.ts';
import type { Outcome } from './groups/command-line/define-command.ts';

/** The commands, in the order in which the help lists them. */
const IN_ORDER = [
  addUp,
  addStatus,
  addTop,
  addDashboard,
  addNodes,
  addPeers,
  addPing,
  addMembers,
  addTools,
  addCall,
  addAsk,
  addTrace,
  addRequest,
  addGrant,
  addApprovals,
  addProposals,
  addPolicy,
  addIdentity,
  addKey,
  addPin,
  addAudit,
  addBoard,
  addAgent,
  addCapability,
  addTask,
  addBudget,
  addContext,
  addLearn,
  addSwarm,
  addBroadcast,
  addEvents,
  addInvite,
  addLeave,
  addSim,
  addDemo,
  addService,
  addDoctor,
  addBugreport,
  addMcp,
  addModel,
  addLlm,
  addSecret,
  addConnect,
  addCompletion,
] as const;

/**
 * Runs `starling` with `given`, the words after its name; gives the exit code. Never throws for what a user can get wrong.
 */
export async function runProgram(given: readonly string[]): Promise<ExitCode> {
  const outcome: Outcome = { exitCode: EXIT.done };
  const program = buildProgram(outcome);
  const args = plainWords(given);
  if (given[0] === 'help' && given.length === 2) {
    const [{ noTopic, topicPage }, { print, printError }] = await Promise.all([
      import('./groups/command-line/topics.ts'),
      import('./terminal/output.ts'),
    ]);
    const word = given[1] ?? '';
    const page = topicPage(word);
    if (page !== undefined) {
      print(page);
      return EXIT.done;
    }
    if (!word.startsWith('-') && commandOf(program, word) === undefined) {
      return printError(noTopic(word, program), false);
    }
  }
  try {
    refuseHelpOnNothing(program, withoutNode(args));
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'];
    if (asked.includes(error.code)) return EXIT.done;
    const { printError } = await import('./terminal/output.ts');
    return printError(usageError(error, program, withoutNode(args)), args.includes('--json'));
  }
  return outcome.exitCode;
}

/** All commands with their options and help; `outcome` takes the exit code of the one that is run. */
export function buildProgram(outcome: Outcome): Command {
  const program = new Command('starling')
    .description('A peer-to-peer mesh for AI agents and their tools.')
    .version(VERSION, '-v, --version', 'print the version')
    .addOption(nodeOption())
    .addHelpText('after', examples('starling up --config starling.json', 'starling doctor'))
    .addHelpText(
      'after',
      '\nTopics (starling help <topic>):\n  start clients grants boards agents tasks budgets models learning watch files',
    )
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions: onlyAbove })
    // Else `mcp`, which has options and commands, would take the options of its commands.
    .enablePositionalOptions()
    // `usageError` prints the error, in the form that all errors have. Help that nobody asked for, as that of
    // `starling` alone, is help: on standard output, with exit code 0, as docker, gh and kubectl have it.
    .configureOutput({
      outputError: () => undefined,
      writeErr: (text) => {
        process.stdout.write(text);
      },
      getErrHelpWidth: () => helpColumns(process.stdout),
      getErrHasColors: () => false,
    })
    .exitOverride();
  for (const add of IN_ORDER) add(program, outcome);
  return program;
}
