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
import { HELP_FORM, helpColumns, refuseHelpOnNothing } from './groups/command-line/help.ts';
import { commandOf, plainWords, withoutNode } from './groups/command-line/typed-words.ts';
import { usageError } from './groups/command-line/usage-errors.ts';
import type { Outcome } from './groups/command-line/define-command.ts';

/** What adds each command, by its name, in the order in which the help lists them. */
const COMMANDS: Readonly<Record<string, (program: Command, outcome: Outcome) => unknown>> = {
  up: addUp,
  status: addStatus,
  top: addTop,
  dashboard: addDashboard,
  nodes: addNodes,
  peers: addPeers,
  ping: addPing,
  members: addMembers,
  tools: addTools,
  call: addCall,
  ask: addAsk,
  trace: addTrace,
  request: addRequest,
  grant: addGrant,
  approvals: addApprovals,
  proposals: addProposals,
  policy: addPolicy,
  identity: addIdentity,
  key: addKey,
  pin: addPin,
  audit: addAudit,
  board: addBoard,
  agent: addAgent,
  capability: addCapability,
  task: addTask,
  budget: addBudget,
  context: addContext,
  learn: addLearn,
  swarm: addSwarm,
  broadcast: addBroadcast,
  events: addEvents,
  invite: addInvite,
  leave: addLeave,
  sim: addSim,
  demo: addDemo,
  service: addService,
  doctor: addDoctor,
  bugreport: addBugreport,
  mcp: addMcp,
  model: addModel,
  llm: addLlm,
  secret: addSecret,
  connect: addConnect,
  completion: addCompletion,
};

/** Its script tells of all commands. */
const TELLS_OF_ALL = 'completion';

/**
 * Runs `starling` with `given`, the words after its name; gives the exit code. Never throws for what a user can get wrong.
 */
export async function runProgram(given: readonly string[]): Promise<ExitCode> {
  const outcome: Outcome = { exitCode: EXIT.done };
  const args = plainWords(given);
  const words = withoutNode(args);
  const program = buildProgram(outcome, words[0]);
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
    refuseHelpOnNothing(program, words);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'];
    if (asked.includes(error.code)) return EXIT.done;
    const { printError } = await import('./terminal/output.ts');
    const whole = buildProgram({ exitCode: EXIT.done });
    return printError(usageError(error, whole, words), args.includes('--json'));
  }
  return outcome.exitCode;
}

/**
 * All commands with their options and help; `outcome` takes the exit code of the one that is run. With `only`, the name of a
 * command that stands below `starling`, that one alone, if it can do without the others: to make all takes as long as some
 * commands do.
 */
export function buildProgram(outcome: Outcome, only = TELLS_OF_ALL): Command {
  const program = new Command('starling')
    .description('A peer-to-peer mesh for AI agents and their tools.')
    .version(VERSION, '-v, --version', 'print the version')
    .addOption(nodeOption())
    .addHelpText('after', examples('starling up --config starling.json', 'starling doctor'))
    .addHelpText(
      'after',
      '\nTopics (starling help <topic>):\n  start clients grants boards agents tasks budgets models learning watch files',
    )
    .configureHelp(HELP_FORM)
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
  const one = only === TELLS_OF_ALL || !Object.hasOwn(COMMANDS, only) ? undefined : COMMANDS[only];
  for (const add of one === undefined ? Object.values(COMMANDS) : [one]) add(program, outcome);
  return program;
}
