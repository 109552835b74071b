/** The commands about the other nodes of the mesh: `starling peers` and `invite`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from './define-command.ts';
import type { Outcome } from './define-command.ts';
import { parseCount, parseDuration } from '../options/parsers.ts';

/** Adds `starling peers`. */
export function addPeers(program: Command, outcome: Outcome): void {
  const peers = withJson(ofNode(program.command('peers')))
    .summary('show the mesh')
    .description(
      'Shows every peer of the mesh: is it alive, how far away, and by which route. Its first column is the name that grants and tools go by. Below it stands what a peer does too much of.',
    )
    .option('--wide', 'show PeerIds and multiaddrs, too')
    .addHelpText(
      'after',
      examples('starling peers', 'starling peers --wide', 'starling peers forgive alice'),
    )
    .action(action(outcome, () => import('../commands/peers/list.ts')));
  withJson(ofNode(peers.command('forgive').argument('<peer>', 'its name, PeerId or did:key')))
    .summary('let a peer in again that was kept out')
    .description(
      'Forgets what a peer has done too much of. If it is kept out, it may come again at once.',
    )
    .addHelpText('after', examples('starling peers forgive alice'))
    .action(action(outcome, () => import('../commands/peers/forgive.ts')));
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
        .option('--uses <n>', 'how many nodes it lets in (default: 1)', parseCount)
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
    .action(action(outcome, () => import('../commands/invite.ts')));
}
