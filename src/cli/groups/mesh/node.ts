/** The commands that start a node and look at it: `starling up`, `status`, `top`, `doctor` and `bugreport`. */
import type { Command } from 'commander';
import {
  action,
  collect,
  examples,
  nodeOption,
  ofNode,
  withJson,
} from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseLog, parsePort } from '../../options/parsers.ts';

/** Adds `starling up`. */
export function addUp(program: Command, outcome: Outcome): void {
  withJson(
    program
      .command('up')
      .summary('start a node')
      .description(
        'Starts a node: founds a mesh or joins one, serves MCP, and runs until it is told to stop.',
      )
      .option('--config <file>', 'config file with mcpServers, as any MCP client has it')
      .addOption(nodeOption())
      .option('--state <folder>', "the node's state folder (or STARLING_STATE_DIR)")
      .option('--name <name>', 'name of this node in the mesh')
      .option('--join <ticket>', 'join with a ticket; - reads it from standard input')
      .option(
        '--yes',
        'with --join or --knock: leave a mesh that this node is alone in, without being asked',
      )
      .option('--invite', 'print a ticket for the next node, as at the founding of a mesh')
      .option(
        '--knock [mesh]',
        'ask a mesh of this network to let this node in, by its name; without one, list them',
      )
      .option('--bootstrap <multiaddr>', 'join through this peer (may be repeated)', collect)
      .option('--open [name]', 'found or join an open mesh, which anyone may join')
      .option('--mesh-name <name>', 'name of the private mesh that is founded')
      .option('--listen <multiaddr>', 'listen here (may be repeated)', collect)
      .option('--announce <multiaddr>', 'tell others this address (may be repeated)', collect)
      .option('--http-port <port>', 'port of the HTTP endpoint; 0 picks a free one', parsePort)
      .option('--http-host <host>', 'address of the HTTP endpoint')
      .option('--no-http', 'serve no HTTP')
      .option('--tcp [port]', 'serve MCP over TCP, on port 9500 if none is given', parsePort)
      .option('--no-mdns', 'do not use multicast DNS')
      .option('--no-relay', 'do not relay, and do not be relayed')
      .option('--verbose', 'say more of what happens: the log of level info')
      .option('--log <levels|file>', 'log levels, like info,gateway=debug; or a file', parseLog),
  )
    .addHelpText(
      'after',
      examples(
        'starling up --config starling.json',
        'starling up --join starling2…',
        'starling up --join starling2… --yes',
        'starling up --knock lab',
        'starling up --open --bootstrap /ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…',
      ),
    )
    .action(action(outcome, () => import('../../commands/up.ts')));
}

/** Adds `starling status`. */
export function addStatus(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('status')))
    .summary('show the node')
    .description(
      'Shows the running node: mesh, addresses, servers, and what is wrong. Ask it first when you wonder whether a node runs, and where its MCP endpoint is.',
    )
    .option('--wide', 'show ids and multiaddrs, too')
    .addHelpText('after', examples('starling status', 'starling status --wide'))
    .action(action(outcome, () => import('../../commands/status.ts')));
}

/** Adds `starling dashboard`. */
export function addDashboard(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('dashboard')))
    .summary('open the dashboard in a browser')
    .description(
      'Prints a link to the dashboard of the node, which one browser can open once within a minute: the mesh, calls, tools, what waits for you, and what is wrong. Keys, secrets, rights and policy are changed only in the terminal.',
    )
    .option('--close', 'end all pages that are open')
    .addHelpText('after', examples('starling dashboard', 'starling dashboard --close'))
    .action(action(outcome, () => import('../../commands/dashboard.ts')));
}

/** Adds `starling top`. */
export function addTop(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('top')))
    .summary('show what goes on, live')
    .description(
      'Shows the node and its peers anew every other second: calls and how long they take, agents, tasks, and what is spent. q or Ctrl-C ends it. Prints one reading where nobody watches: with --once, with --json, and to a pipe.',
    )
    .option('--once', 'print one reading')
    .addHelpText('after', examples('starling top', 'starling top --once'))
    .action(action(outcome, () => import('../../commands/top.ts')));
}

/** Adds `starling nodes`. */
export function addNodes(program: Command, outcome: Outcome): void {
  withJson(program.command('nodes'))
    .summary('list your nodes on this machine')
    .description(
      'Lists the nodes of this user on this machine, running or not: name, mesh, process and state folder. A name picks one of them in every command: starling --node <name> status. Those of other machines are peers: starling peers.',
    )
    .addHelpText('after', examples('starling nodes', 'starling --node lab status'))
    .action(action(outcome, () => import('../../commands/nodes.ts')));
}

/** Adds `starling doctor`. */
export function addDoctor(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('doctor')))
    .summary('find out what is wrong')
    .description(
      'Checks this machine and the node, and says what to do. Works without a running node, too.',
    )
    .addHelpText('after', examples('starling doctor', 'starling doctor --config starling.json'))
    .action(action(outcome, () => import('../../commands/doctor.ts')));
}

/** Adds `starling bugreport`. */
export function addBugreport(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('bugreport')))
    .summary('write what a fault report needs')
    .description(
      'Writes one file with versions, the configuration, health, the last lines of the log and the peer table, and takes all secrets out. Works without a running node, too.',
    )
    .option('--out <file>', 'write here; - prints the report')
    .addHelpText('after', examples('starling bugreport', 'starling bugreport --out -'))
    .action(action(outcome, () => import('../../commands/bugreport.ts')));
}
