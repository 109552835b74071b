/** The commands about the other nodes of the mesh: `starling peers`, `ping`, `invite` and `leave`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';
import { parseCount, parseNodes, parseDuration } from '../../options/parsers.ts';

const PEER = 'its name, PeerId or did:key';

/** Adds `starling peers`. */
export function addPeers(program: Command, outcome: Outcome): void {
  const peers = withJson(ofNode(program.command('peers')))
    .summary('show the mesh')
    .description(
      'Shows every peer of the mesh: is it alive, how far away, and by which route. Its first column is the name that grants and tools go by. Below it stands what a peer does too much of.',
    )
    .option('--wide', 'show PeerIds and multiaddrs, too')
    .option('--watch', 'show them anew each second, until Ctrl-C')
    .option('--offering <kind>', 'only those that offer this kind of capability, the best first')
    .addHelpText(
      'after',
      examples(
        'starling peers',
        'starling peers --wide',
        'starling peers --watch',
        'starling peers --offering search',
        'starling peers show alice',
      ),
    )
    .action(action(outcome, () => import('../../commands/peers/list.ts')));
  withJson(ofNode(peers.command('show').argument('<peer>', PEER)))
    .summary('show one peer')
    .description(
      'Shows all that is known of a peer: its names and keys, where it is, by whom it came in, and what it may use here.',
    )
    .addHelpText('after', examples('starling peers show alice'))
    .action(action(outcome, () => import('../../commands/peers/show.ts')));
  withJson(
    ofNode(peers.command('rename').argument('<peer>', PEER).argument('<name>', 'a-z, 0-9, -')),
  )
    .summary('call a peer otherwise here')
    .description(
      'Gives a peer another name on this node: in commands, in the names of its tools, and in the policy. Others call it as they did.',
    )
    .addHelpText('after', examples('starling peers rename laptop-bjya anna-laptop'))
    .action(action(outcome, () => import('../../commands/peers/rename.ts')));
  withJson(
    ofNode(
      peers
        .command('remove')
        .aliases(['rm', 'delete'])
        .argument('<peer>', PEER)
        .option('--reason <text>', 'why; the peer is told')
        .option('--yes', 'do not ask'),
    ),
  )
    .summary('put a peer out of the mesh')
    .description(
      'Puts a peer out of the mesh, and whomever it let in. Only a node that let it in, or one above that, can do so. A new ticket lets it in again.',
    )
    .addHelpText(
      'after',
      examples(
        "starling peers remove laptop --reason 'it was lost'",
        'starling peers remove laptop --yes',
      ),
    )
    .action(action(outcome, () => import('../../commands/peers/remove.ts')));
  withJson(ofNode(peers.command('forgive').argument('<peer>', PEER)))
    .summary('let a peer in again that was kept out')
    .description(
      'Forgets what a peer has done too much of. If it is kept out, it may come again at once.',
    )
    .addHelpText('after', examples('starling peers forgive alice'))
    .action(action(outcome, () => import('../../commands/peers/forgive.ts')));
}

/** Adds `starling ping`. */
export function addPing(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('ping').argument('<peer>', PEER)))
    .summary('see how far away a peer is')
    .description(
      'Sends a round trip to a peer over the connection that calls take, and says how long that took and by which route it went. Goes on each second until the route is direct, ten times at the most.',
    )
    .option('--count <n>', 'exactly so many', parseCount)
    .addHelpText('after', examples('starling ping alice', 'starling ping alice --count 3'))
    .action(action(outcome, () => import('../../commands/ping.ts')));
}

/** Adds `starling leave`. */
export function addLeave(program: Command, outcome: Outcome): void {
  withJson(ofNode(program.command('leave')))
    .summary('leave the mesh')
    .description(
      'Leaves the mesh: says so to its members, ends the grants that this node gave, and forgets its boards. The key, the secrets and the audit log stay. A node that runs ends by it.',
    )
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('starling leave', 'starling leave --yes'))
    .action(action(outcome, () => import('../../commands/leave.ts')));
}

/** Adds `starling invite`. */
export function addInvite(program: Command, outcome: Outcome): void {
  withJson(
    ofNode(
      program
        .command('invite')
        .summary('make a ticket for a new node')
        .description(
          'Makes a ticket with which one new node can join, or as many as --uses says. Whoever holds it can: hand it over privately.',
        )
        .option('--expires <duration>', 'how long it holds (default: 24h)', parseDuration)
        .option('--uses <n>', 'how many nodes it lets in, at most 100 (default: 1)', parseNodes)
        .option('--no-invite', 'the newcomer may not invite others'),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'starling invite',
        'starling invite --expires 15m --no-invite',
        'starling invite --uses 5',
      ),
    )
    .action(action(outcome, () => import('../../commands/invite.ts')));
}
